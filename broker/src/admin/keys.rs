//! Signing keys: which there are, and the next one.

use serde::{Deserialize, Serialize};

use super::audit::rfc3339;
use super::{AdminApi, AdminError, Administrator};
use crate::domain::Actor;
use crate::keys::Activation;

/// The signing keys, oldest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KeyList {
    items: Vec<KeyItem>,
}

/// A signing key; its private part stays where it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct KeyItem {
    /// Its id: the `kid` of what it signs.
    kid: String,
    /// `ES256`, `EdDSA` or `RS256`.
    algorithm: String,
    /// `next` (published, not yet signing), `active` or `retired`.
    state: &'static str,
    /// Whether it is sealed with an encryption key.
    sealed: bool,
    /// When it was first published: RFC 3339, UTC.
    published_at: String,
    /// When it began to sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    activated_at: Option<String>,
    /// When it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    retired_at: Option<String>,
}

/// How to rotate.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RotationQuery {
    /// With `true` the new key signs as soon as every replica knows it, in ten seconds: for a compromised
    /// key. Whoever caches our key set, such as Nextcloud for an hour, refuses our tokens until it asks
    /// again.
    #[serde(default)]
    pub at_once: bool,
}

/// The key that takes over.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Rotated {
    /// Its id.
    kid: String,
    /// From when on it signs: RFC 3339, UTC.
    signs_at: String,
}

impl AdminApi {
    /// Lists the signing keys.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keys(&self) -> Result<KeyList, AdminError> {
        let keys = self.store.signing_keys().await?;
        let items = keys.into_iter().map(|key| KeyItem {
            kid: key.kid,
            algorithm: key.algorithm,
            state: key.state.as_str(),
            sealed: key.sealed,
            published_at: rfc3339(key.published_at),
            activated_at: key.activated_at.map(rfc3339),
            retired_at: key.retired_at.map(rfc3339),
        });
        Ok(KeyList {
            items: items.collect(),
        })
    }

    /// Publishes the next key now, unless there is one; it signs once every cache knows it, or at
    /// once.
    ///
    /// # Errors
    /// [`AdminError::Keys`].
    pub async fn rotate_keys(
        &self,
        by: &Administrator,
        query: &RotationQuery,
    ) -> Result<Rotated, AdminError> {
        let activation = if query.at_once {
            Activation::AtOnce
        } else {
            Activation::WhenKnown
        };
        let actor = Actor::Administrator(by.name.clone());
        let (kid, signs_at) = self.keyring.rotate(activation, actor).await?;
        Ok(Rotated {
            kid,
            signs_at: rfc3339(signs_at),
        })
    }
}
