//! Public keys that verify signatures: JWK, JWKS (RFC 7517) and where they come from.
//!
//! The *caller's rules* choose the algorithm and the key set must agree; the token only names a
//! key. Symmetric keys are never taken from a set, so a public key can never serve as an HMAC
//! secret. Verifying itself is [`crate::verify`]'s.

mod jwk;
mod remote;

use std::collections::HashMap;

use async_trait::async_trait;
use serde::Deserialize;

pub(crate) use jwk::Material;
pub use jwk::{Algorithm, InvalidKey, VerificationKey};
pub use remote::{KeyAccess, RemoteKeySet};

use crate::BoxError;

/// Where verification keys come from.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The key with this id, or `None` when there is none even after looking again.
    ///
    /// # Errors
    ///
    /// [`KeySourceError`] when the keys cannot be had at all.
    async fn key(&self, kid: &str) -> Result<Option<VerificationKey>, KeySourceError>;

    /// The one key of the source, for tokens that name none (OpenID Connect Core §10.1 allows
    /// that when there is only one). `None` when there are several.
    ///
    /// # Errors
    ///
    /// [`KeySourceError`] when the keys cannot be had at all.
    async fn only_key(&self) -> Result<Option<VerificationKey>, KeySourceError> {
        Ok(None)
    }
}

/// The keys cannot be had; it says nothing about the token.
#[derive(Debug, thiserror::Error)]
#[error("the verification keys are not available")]
pub struct KeySourceError(#[source] BoxError);

impl KeySourceError {
    /// Wraps the cause.
    #[must_use]
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self(source.into())
    }
}

/// The usable keys of a JWKS.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    by_id: HashMap<String, VerificationKey>,
    without_id: Vec<VerificationKey>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// A set of the given keys. A later key replaces an earlier one with the same id.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = VerificationKey>) -> Self {
        let mut set = Self::default();
        for key in keys {
            match key.kid() {
                Some(kid) => {
                    set.by_id.insert(kid.to_owned(), key);
                }
                None => set.without_id.push(key),
            }
        }
        set
    }

    /// Reads a JWKS document.
    ///
    /// Keys that we cannot use (encryption, unknown type or curve, symmetric, malformed) are
    /// passed over, as RFC 7517 §5 asks.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] when the document is not a JWKS at all.
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidKey> {
        let document: Document = serde_json::from_slice(json).map_err(|_| InvalidKey)?;
        Ok(Self::new(
            document
                .keys
                .iter()
                .filter_map(|jwk| VerificationKey::from_jwk(jwk).ok()),
        ))
    }

    /// The key with this id.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&VerificationKey> {
        self.by_id.get(kid)
    }

    /// The key, if the set has exactly one.
    #[must_use]
    pub fn only(&self) -> Option<&VerificationKey> {
        let mut keys = self.by_id.values().chain(&self.without_id);
        keys.next().filter(|_| keys.next().is_none())
    }

    /// How many usable keys the set has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len() + self.without_id.len()
    }

    /// Whether the set has no usable key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[async_trait]
impl KeySource for KeySet {
    async fn key(&self, kid: &str) -> Result<Option<VerificationKey>, KeySourceError> {
        Ok(self.get(kid).cloned())
    }

    async fn only_key(&self) -> Result<Option<VerificationKey>, KeySourceError> {
        Ok(self.only().cloned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // RFC 8037 appendix A.2.
    fn ed25519(kid: &str) -> serde_json::Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": kid,
               "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn set(keys: &serde_json::Value) -> KeySet {
        KeySet::from_json(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn keys_that_cannot_be_used_are_passed_over() {
        let mut encryption = ed25519("enc");
        encryption["use"] = "enc".into();
        let keys = set(&json!([
            ed25519("good"),
            encryption,
            {"kty": "oct", "kid": "hmac", "k": "c2VjcmV0"},
            {"kty": "new", "kid": "later"},
            {"kty": "EC", "crv": "P-256", "kid": "short", "x": "AA", "y": "AA"},
            17,
        ]));
        assert_eq!(keys.len(), 1);
        assert!(keys.get("good").is_some());
        assert!(keys.get("hmac").is_none());
    }

    #[test]
    fn a_document_without_keys_is_no_jwks() {
        assert!(KeySet::from_json(b"{}").is_err());
        assert!(KeySet::from_json(b"<html>").is_err());
        assert!(set(&json!([])).is_empty());
    }

    #[test]
    fn only_means_exactly_one() {
        assert!(set(&json!([])).only().is_none());
        assert!(set(&json!([ed25519("a")])).only().is_some());
        assert!(set(&json!([ed25519("a"), ed25519("b")])).only().is_none());
        let mut nameless = ed25519("x");
        nameless.as_object_mut().unwrap().remove("kid");
        assert!(set(&json!([nameless.clone()])).only().is_some());
        assert!(set(&json!([nameless, ed25519("b")])).only().is_none());
    }
}
