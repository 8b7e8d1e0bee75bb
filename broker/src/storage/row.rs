//! Reading columns back into domain values: every value is parsed again, never trusted.

use broker_client::oauth::Scope;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
pub(super) use crate::crypto::hex;
use crate::domain::HandleHash;

/// The row being read; names itself when a value in it cannot be.
pub(super) struct Row<'a> {
    table: &'static str,
    key: &'a str,
}

impl<'a> Row<'a> {
    /// The row of `table` with primary key `key`.
    pub(super) const fn new(table: &'static str, key: &'a str) -> Self {
        Self { table, key }
    }

    /// The error that says `column` of this row cannot be read.
    pub(super) fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt {
            table: self.table,
            column,
            row: self.key.to_owned(),
        }
    }

    /// What a parser made of `column`.
    pub(super) fn parsed<T, E>(
        &self,
        column: &'static str,
        value: Result<T, E>,
    ) -> Result<T, StoreError> {
        value.map_err(|_| self.corrupt(column))
    }

    /// A value that must be there, or a word that must be known.
    pub(super) fn known<T>(&self, column: &'static str, value: Option<T>) -> Result<T, StoreError> {
        value.ok_or_else(|| self.corrupt(column))
    }

    /// Exactly 32 bytes.
    pub(super) fn bytes(&self, column: &'static str, value: &[u8]) -> Result<[u8; 32], StoreError> {
        self.parsed(column, value.try_into())
    }

    /// A hash.
    pub(super) fn hash(
        &self,
        column: &'static str,
        value: &[u8],
    ) -> Result<HandleHash, StoreError> {
        self.bytes(column, value).map(HandleHash::from_bytes)
    }

    /// A scope (RFC 6749 §3.3), empty when it is.
    pub(super) fn scope(&self, column: &'static str, value: &str) -> Result<Scope, StoreError> {
        self.parsed(column, value.parse())
    }

    /// JSON.
    pub(super) fn json<T: DeserializeOwned>(
        &self,
        column: &'static str,
        value: &str,
    ) -> Result<T, StoreError> {
        self.parsed(column, serde_json::from_str(value))
    }
}

/// A value as JSON text. Lists of strings and JSON maps, which is all we store, always serialise.
pub(super) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
