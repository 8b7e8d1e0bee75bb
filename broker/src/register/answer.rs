//! A registration as it now stands (RFC 7591 §3.2.1, RFC 7592 §3).

use broker_client::oauth::Scope;
use broker_client::secret::Secret;
use serde::Serialize;
use serde_json::{Map, Value};

use super::RegistrationEndpoint;
use crate::crypto;
use crate::domain::{Client, ClientSecret, HandleHash, RedirectUri};

/// The answer to a client about itself. Has no `Debug` on purpose: it holds secrets.
#[derive(Serialize)]
pub struct Registered {
    client_id: String,
    /// Seconds since the epoch.
    client_id_issued_at: i64,
    #[serde(flatten)]
    secret: Option<IssuedSecret>,
    registration_access_token: String,
    registration_client_uri: String,
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: &'static str,
    grant_types: Vec<&'static str>,
    response_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    scope: Scope,
    #[serde(flatten)]
    metadata: Map<String, Value>,
}

#[derive(Serialize)]
struct IssuedSecret {
    client_secret: String,
    /// Seconds since the epoch; 0 says never.
    client_secret_expires_at: i64,
}

/// The secrets that an answer hands out. We keep their hashes, so this is the only time.
pub(super) struct Issued {
    /// The client secret; none for a public client, and none where it was not issued now.
    pub(super) secret: Option<Secret>,
    /// The registration access token.
    pub(super) registration_token: Secret,
}

impl Issued {
    /// What is stored of the secret.
    pub(super) fn stored_secrets(&self) -> Vec<ClientSecret> {
        let secrets = self.secret.iter();
        secrets
            .map(|secret| crypto::hash(secret.expose()).into())
            .collect()
    }

    /// What is stored of the registration access token.
    pub(super) fn registration_token_hash(&self) -> HandleHash {
        crypto::hash(self.registration_token.expose())
    }
}

impl RegistrationEndpoint {
    /// The answer about `client`, with the secrets that it gets with it.
    pub(super) fn answer(&self, client: Client, issued: Issued) -> Registered {
        let base = self.issuer.trim_end_matches('/');
        Registered {
            registration_client_uri: format!("{base}/oauth/register/{}", client.id),
            registration_access_token: issued.registration_token.expose().to_owned(),
            client_id: client.id.into(),
            client_id_issued_at: client.created_at.as_secs(),
            secret: issued.secret.map(|secret| IssuedSecret {
                client_secret: secret.expose().to_owned(),
                client_secret_expires_at: 0,
            }),
            redirect_uris: client
                .redirect_uris
                .iter()
                .map(RedirectUri::to_string)
                .collect(),
            token_endpoint_auth_method: client.auth_method.as_str(),
            grant_types: client
                .grant_types
                .iter()
                .map(|grant| grant.as_str())
                .collect(),
            response_types: ["code"],
            client_name: client.name,
            scope: client.scope.unwrap_or_else(|| self.default_scope()),
            metadata: client.metadata,
        }
    }

    /// What a login that names no scope will get; where it depends on the resource, all that it may
    /// be.
    fn default_scope(&self) -> Scope {
        let catalog = self.catalog.current();
        match catalog.default_resource() {
            Some(resource) => resource.default_scopes.clone(),
            None => catalog
                .resources()
                .iter()
                .fold(Scope::new(), |all, one| all.union(&one.default_scopes)),
        }
    }
}
