//! Signed client assertions (RFC 7521 §4.2, RFC 7523 §3): by the client's own key, or by the platform
//! that runs it.
//!
//! A client's own assertion names the client as issuer and subject, is for us alone, short, and good
//! once. A Kubernetes service-account token names the cluster and the account instead; the kubelet
//! hands out the same one until it replaces it, so it cannot be good once: it is bound by its audience
//! and its end.

use std::collections::HashMap;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use broker_client::keys::{Algorithm, KeySource};
use broker_client::oauth::OAuthError;
use broker_client::verify::{Rules, VerifyError, verify};
use serde::Deserialize;
use serde_json::Value;

use crate::ambient::Ambient;
use crate::clients::KeyReader;
use crate::crypto;
use crate::domain::{Client, ClientId, Timestamp};
use crate::storage::Store;

/// The algorithms that assertions may be signed with: all that we verify. None is symmetric.
const ALGORITHMS: &[Algorithm] = &Algorithm::ALL;

/// The header types of assertions. Plain JWT in practice; the other is the newer drafts' own.
const TYPES: &[&str] = &["JWT", "client-authentication+jwt", ""];

/// How long before its end a client's own assertion may be used.
const LONGEST: Duration = Duration::from_mins(10);

/// How far the clocks of clients may differ from ours, in seconds.
const LEEWAY: u64 = 30;

/// A platform that vouches for one client: a Kubernetes cluster and a service account in it.
pub struct ServiceAccount {
    /// The `iss` of the cluster's tokens.
    pub issuer: String,
    /// Their `sub`: `system:serviceaccount:NAMESPACE:NAME`.
    pub subject: String,
    /// Their `aud`, when it is another than our issuer.
    pub audience: Option<String>,
    /// The cluster's keys.
    pub keys: Arc<dyn KeySource>,
}

/// Judges assertions. Cheap to clone.
#[derive(Clone)]
pub struct Assertions {
    /// Our issuer identifier, which assertions are for.
    pub issuer: String,
    /// The keys of clients.
    pub keys: KeyReader,
    /// Who vouches for the clients that cannot sign themselves.
    pub service_accounts: Arc<HashMap<ClientId, ServiceAccount>>,
    /// Which assertions were used.
    pub store: Store,
    /// The time.
    pub ambient: Ambient,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Value,
    exp: f64,
    #[serde(default)]
    jti: String,
}

impl Assertions {
    /// Checks the assertion that `client` signed itself, and spends it.
    pub(super) async fn signed_by_client(
        &self,
        client: &Client,
        assertion: &str,
    ) -> Result<(), OAuthError> {
        let keys = self.keys.keys(&client.metadata).await.ok_or_else(|| {
            OAuthError::invalid_client(
                "The client has no keys registered that an assertion could be checked with.",
            )
        })?;
        let endpoint = format!("{}/oauth/token", self.issuer.trim_end_matches('/'));
        let rules = Rules {
            issuer: client.id.to_string(),
            // The issuer is what the newer drafts demand; the endpoint is what OIDC Core §9 says.
            audiences: vec![self.issuer.clone(), endpoint],
            types: TYPES,
            required: &["sub", "jti"],
            leeway: LEEWAY,
            algorithms: algorithms(client)?,
        };
        let claims = self.verified(assertion, keys.as_ref(), &rules).await?;
        if claims.sub != client.id.as_str() {
            return Err(refused("its sub is not the client_id"));
        }
        // An assertion that others may use too could be replayed here by one of them.
        if let Value::Array(audiences) = &claims.aud {
            let ours = |audience: &Value| {
                let audience = audience.as_str();
                audience.is_some_and(|name| rules.audiences.iter().any(|our| our == name))
            };
            if !audiences.iter().all(ours) {
                return Err(refused("it is for others too"));
            }
        }
        let (now, ends) = (self.ambient.now(), end(claims.exp));
        let leeway = Duration::from_secs(LEEWAY);
        if ends > now.plus(LONGEST).plus(leeway) {
            return Err(refused("it may end at most 10 minutes from now"));
        }
        // Neither part has a NUL: a client id is visible ASCII.
        let hash = crypto::hash(&format!("{}\0{}", client.id, claims.jti));
        let until = ends.plus(leeway).plus(Duration::from_secs(1));
        if self.store.spend_client_assertion(&hash, until).await? {
            Ok(())
        } else {
            Err(refused("it was used before (jti)"))
        }
    }

    /// Checks the token of the service account that `client` runs as.
    pub(super) async fn of_service_account(
        &self,
        client: &Client,
        assertion: &str,
    ) -> Result<(), OAuthError> {
        let account = self.service_accounts.get(&client.id).ok_or_else(|| {
            OAuthError::invalid_client("This server trusts no platform to vouch for the client.")
        })?;
        let audience = account.audience.as_ref().unwrap_or(&self.issuer);
        let rules = Rules {
            issuer: account.issuer.clone(),
            audiences: vec![audience.clone()],
            types: TYPES,
            required: &["sub"],
            leeway: LEEWAY,
            algorithms: ALGORITHMS,
        };
        let claims = self
            .verified(assertion, account.keys.as_ref(), &rules)
            .await?;
        if claims.sub == account.subject {
            Ok(())
        } else {
            Err(refused("its sub is another service account"))
        }
    }

    async fn verified(
        &self,
        assertion: &str,
        keys: &dyn KeySource,
        rules: &Rules,
    ) -> Result<Claims, OAuthError> {
        let now = self.ambient.clock.now();
        verify(assertion, keys, rules, now).await.map_err(|error| {
            if matches!(error, VerifyError::Keys(_)) {
                return OAuthError::temporarily_unavailable(
                    "The keys of the client cannot be fetched at the moment.",
                )
                .because(error);
            }
            // Each of them is a constant text.
            refused(error.to_string()).because(error)
        })
    }
}

/// The algorithms that this client may use: all, or the one that it registered (RFC 7591 §2).
fn algorithms(client: &Client) -> Result<&'static [Algorithm], OAuthError> {
    let registered = client.metadata.get("token_endpoint_auth_signing_alg");
    let Some(name) = registered.and_then(Value::as_str) else {
        return Ok(ALGORITHMS);
    };
    let mut known = ALGORITHMS.iter();
    known
        .find(|algorithm| algorithm.as_str() == name)
        .map(slice::from_ref)
        .ok_or_else(|| {
            OAuthError::invalid_client(
                "The client is registered for an algorithm that is not accepted here.",
            )
        })
}

/// `exp`, which was verified to be a number of seconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds of any date fit; what does not saturates and is refused as too late"
)]
fn end(exp: f64) -> Timestamp {
    Timestamp::from_millis((exp * 1000.0) as i64)
}

fn refused(why: impl std::fmt::Display) -> OAuthError {
    OAuthError::invalid_client(format!("The client assertion is refused: {why}."))
}
