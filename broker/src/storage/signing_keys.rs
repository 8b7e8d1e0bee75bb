//! Signing keys.

use sea_orm::ConnectionTrait;

use super::{Repository, StoreError};
use crate::domain::Timestamp;

/// A signing key as stored.
#[derive(Clone)]
pub struct StoredKey {
    /// Key id (RFC 7638 thumbprint).
    pub kid: String,
    /// `ES256`, `EdDSA` or `RS256`.
    pub algorithm: String,
    /// PKCS#8, sealed when `sealed`.
    pub private_key: Vec<u8>,
    /// Whether `private_key` is sealed with the encryption key.
    pub sealed: bool,
    /// The public JWK as JSON.
    pub public_jwk: String,
    /// Next, active or retired.
    pub state: KeyState,
    /// When it was first published.
    pub published_at: Timestamp,
    /// When it began to sign.
    pub activated_at: Option<Timestamp>,
    /// When it stopped signing.
    pub retired_at: Option<Timestamp>,
}

/// Where a signing key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published, not yet signing.
    Next,
    /// Signing.
    Active,
    /// Published so that its tokens still verify.
    Retired,
}

impl<C: ConnectionTrait> Repository<C> {
    /// All keys, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn signing_keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        todo!()
    }
    // insert / change state / delete: as keys/ needs them
}
