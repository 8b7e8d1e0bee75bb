//! Encryption keys over their life: which are in use, whether one is missing, and re-sealing with
//! the newest while the broker runs.
//!
//! Sealing and opening single values is the work of [`crate::crypto`] and of whoever owns them.

use broker_client::BoxError;

use crate::ambient::Ambient;
use crate::crypto::{Cipher, CipherError, SealingContext};
use crate::domain::{Actor, AuditEvent, AuditKind};
use crate::storage::{SEALED_COLUMNS, SealedColumn, SealedValue, Store, StoreError};

/// Values re-sealed between two reports.
const BATCH: u64 = 100;

/// An encryption key and what depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// Its id.
    pub id: String,
    /// Whether the configuration has it.
    pub is_configured: bool,
    /// How many values are sealed with it.
    pub values: u64,
}

/// What is wrong with the sealed values.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The database failed.
    #[error("the sealed values could not be read or written")]
    Store(#[from] StoreError),
    /// Values were sealed with a key that is not configured.
    #[error(
        "{values} values in the database are sealed with the encryption key `{id}`, which is not \
         configured: put it back into keys.encryption (it may stand last), or run \
         `broker keys reseal` with it before it goes"
    )]
    MissingKey {
        /// The key.
        id: String,
        /// How many values.
        values: u64,
    },
    /// Without a key nothing can be sealed.
    #[error("no encryption key is configured: `broker keys add-encryption-key` makes one")]
    NoKey,
    /// A value does not open.
    #[error("{table}.{column} of row {row} does not open with the configured encryption keys")]
    Closed {
        /// Table.
        table: &'static str,
        /// Column.
        column: &'static str,
        /// The row's key.
        row: String,
        /// Why.
        #[source]
        source: CipherError,
    },
    /// Progress could not be reported.
    #[error("the progress could not be reported")]
    Report(#[source] BoxError),
}

/// How far re-sealing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Values sealed anew.
    pub done: u64,
    /// Values that there were to do at the beginning.
    pub total: u64,
}

/// All that is sealed in one database.
pub struct Vault {
    /// The database.
    pub store: Store,
    /// The configured keys.
    pub cipher: Cipher,
    /// Time and randomness.
    pub ambient: Ambient,
}

impl Vault {
    /// The configured keys in their order, then those that are not configured and still needed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn uses(&self) -> Result<Vec<KeyUse>, VaultError> {
        let mut ids: Vec<String> = self.cipher.key_ids().map(str::to_owned).collect();
        let configured = ids.len();
        ids.extend(self.unknown(&ids).await?);
        let mut uses = Vec::with_capacity(ids.len());
        for (index, id) in ids.into_iter().enumerate() {
            let mut values = 0;
            for column in &SEALED_COLUMNS {
                values += self
                    .store
                    .count_sealed(column, &Cipher::header(&id))
                    .await?;
            }
            uses.push(KeyUse {
                id,
                is_configured: index < configured,
                values,
            });
        }
        Ok(uses)
    }

    /// Refuses to go on when a value needs a key that is not there: better at the start than at the
    /// first call that meets it.
    ///
    /// # Errors
    /// [`VaultError::MissingKey`].
    pub async fn check(&self) -> Result<(), VaultError> {
        let missing = self
            .uses()
            .await?
            .into_iter()
            .find(|key| !key.is_configured);
        match missing {
            Some(KeyUse { id, values, .. }) => Err(VaultError::MissingKey { id, values }),
            None => Ok(()),
        }
    }

    /// Seals every value anew with the first key, while the broker runs: each is replaced only if it
    /// is still what was opened. Tells `report` from time to time; returns how many were sealed.
    ///
    /// # Errors
    /// See [`VaultError`]; what was done until then stays done.
    pub async fn reseal(
        &self,
        actor: Actor,
        mut report: impl FnMut(Progress) -> Result<(), BoxError>,
    ) -> Result<u64, VaultError> {
        let id = self.cipher.key_ids().next().ok_or(VaultError::NoKey)?;
        let (id, header) = (id.to_owned(), [Cipher::header(id)]);
        let uses = self.uses().await?;
        let total = uses
            .iter()
            .filter(|key| key.id != id)
            .map(|key| key.values)
            .sum();
        let mut progress = Progress { done: 0, total };
        for column in &SEALED_COLUMNS {
            let mut after = String::new();
            loop {
                let values = self
                    .store
                    .sealed_otherwise(column, &header, &after, BATCH)
                    .await?;
                let Some(last) = values.last() else { break };
                after.clone_from(&last.row);
                for value in &values {
                    progress.done += u64::from(self.reseal_one(column, value).await?);
                }
                report(progress).map_err(VaultError::Report)?;
            }
        }
        if progress.done > 0 {
            let mut event = AuditEvent::new(self.ambient.now(), AuditKind::KeyRotated, actor);
            event.details.insert("step".to_owned(), "resealed".into());
            event.details.insert("encryption_key".to_owned(), id.into());
            event
                .details
                .insert("values".to_owned(), progress.done.into());
            let transaction = self.store.begin().await?;
            transaction.append_audit(&[event]).await?;
            transaction.commit().await?;
        }
        Ok(progress.done)
    }

    async fn reseal_one(
        &self,
        column: &SealedColumn,
        value: &SealedValue,
    ) -> Result<bool, VaultError> {
        let context = SealingContext {
            table: column.table,
            column: column.column,
            row: &value.row,
            user: &value.user,
        };
        let closed = |source| VaultError::Closed {
            table: column.table,
            column: column.column,
            row: value.row.clone(),
            source,
        };
        let opened = self.cipher.open(context, &value.value).map_err(closed)?;
        let sealed = self
            .cipher
            .seal(&self.ambient, context, &opened)
            .map_err(closed)?;
        Ok(self.store.replace_sealed(column, value, &sealed).await?)
    }

    /// Keys that values name and that are none of `known`.
    async fn unknown(&self, known: &[String]) -> Result<Vec<String>, VaultError> {
        let mut found: Vec<String> = Vec::new();
        for column in &SEALED_COLUMNS {
            let mut after = String::new();
            loop {
                let headers: Vec<_> = known
                    .iter()
                    .chain(&found)
                    .map(|id| Cipher::header(id))
                    .collect();
                let others = self
                    .store
                    .sealed_otherwise(column, &headers, &after, 1)
                    .await?;
                let [other] = others.as_slice() else { break };
                match Cipher::key_id_of(&other.value) {
                    Some(id) => found.push(id.to_owned()),
                    // No sealed value at all: whoever reads it says so. Look behind it.
                    None => after.clone_from(&other.row),
                }
            }
        }
        Ok(found)
    }
}
