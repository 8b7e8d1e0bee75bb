//! Signing keys: sign, verify our own tokens, publish (RFC 7517), rotate.

use std::time::Duration;

use serde::Serialize;

use crate::ambient::Ambient;
use crate::crypto::Cipher;
use crate::storage::{Store, StoreError};

/// The signature algorithms we can sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA P-256 (default).
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA 2048 PKCS#1 v1.5.
    Rs256,
}

/// How keys are made and how long they live.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Algorithm of new keys.
    pub algorithm: Algorithm,
    /// How long a key signs.
    pub rotate_after: Duration,
    /// How long a key is published before it signs; at least two hours, because Nextcloud keeps
    /// our JWKS for one and never asks for an unknown `kid`.
    pub publish_ahead: Duration,
    /// How long a retired key stays published: longer than any token it signed.
    pub keep_retired: Duration,
}

/// Why a key operation failed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The database failed.
    #[error("the signing keys could not be read or written")]
    Store(#[from] StoreError),
    /// A key is sealed and does not open.
    #[error("signing key {kid} does not open with the configured encryption keys")]
    Sealed {
        /// Its id.
        kid: String,
        /// Why.
        #[source]
        source: crate::crypto::CipherError,
    },
    /// The crypto library refused.
    #[error("the signing key could not be used")]
    Crypto,
}

/// The keys in use, shared by all requests. Cheap to clone. Implements
/// [`broker_client::keys::KeySource`] for verifying our own tokens.
#[derive(Clone)]
pub struct Keyring {}

impl Keyring {
    /// Loads the keys, makes the first one on a new database.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn load(
        _store: Store,
        _cipher: Cipher,
        _policy: Policy,
        _ambient: Ambient,
    ) -> Result<Self, KeyError> {
        todo!()
    }

    /// Signs `claims` as a compact JWS with header `typ` and the active key's `kid`.
    ///
    /// # Errors
    /// [`KeyError::Crypto`].
    pub fn sign<T: Serialize>(&self, _typ: &str, _claims: &T) -> Result<String, KeyError> {
        todo!()
    }

    /// The JWKS document, all published keys.
    #[must_use]
    pub fn jwks(&self) -> std::sync::Arc<str> {
        todo!()
    }

    /// The active key's algorithm, as in metadata documents.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        todo!()
    }

    /// One step of rotation and following other replicas; the task calls it every few seconds.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn tick(&self) -> Result<(), KeyError> {
        todo!()
    }
}
