//! [`AccessTokenVerifier`]: the broker's access tokens (RFC 9068), checked by a resource server.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use moka::future::Cache;
use serde::{Deserialize, Deserializer};

use super::{Rules, VerifyError, verify_with_key};
use crate::ambient::{Clock, unix};
use crate::keys::{Algorithm, KeySource, VerificationKey};
use crate::oauth::Scope;

/// The header types of access tokens (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYPES: &[&str] = &["at+jwt"];

/// The algorithms that access tokens may be signed with.
pub const ACCESS_TOKEN_ALGORITHMS: [Algorithm; 3] =
    [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];

/// How many verified tokens are remembered.
const CACHE_ENTRIES: u64 = 4_096;
/// How long one is remembered at most; usually its `exp` comes first.
const CACHE_AGE: Duration = Duration::from_mins(15);

/// The claims of a verified access token (RFC 9068 §2.2).
#[derive(Debug, Clone, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// The user, as the broker names them.
    pub sub: String,
    /// Whom it is for.
    #[serde(deserialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// The client that the user allowed to act.
    pub client_id: String,
    /// What it allows; nothing when the claim is missing.
    #[serde(default)]
    pub scope: Scope,
    /// When it was issued, in seconds since 1970.
    pub iat: u64,
    /// When it ends, in seconds since 1970.
    pub exp: u64,
    /// Its id.
    pub jti: String,
    /// The session (grant) that it belongs to.
    pub sid: Option<String>,
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Audience::deserialize(deserializer)? {
        Audience::One(audience) => vec![audience],
        Audience::Many(audiences) => audiences,
    })
}

/// Verifies access tokens of one issuer for one resource.
///
/// Tokens that were verified before are remembered by their SHA-256, since a client sends the same
/// one again and again and a signature costs a hundred times a hash. A remembered token is good
/// only until its `exp` and as long as the issuer still publishes the same key.
///
/// A revoked session is *not* noticed here: its access tokens end within minutes, and the broker
/// refuses to exchange them at once.
#[derive(Clone)]
pub struct AccessTokenVerifier {
    rules: Arc<Rules>,
    keys: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    verified: Cache<[u8; 32], Verified>,
}

#[derive(Clone)]
struct Verified {
    claims: Arc<Claims>,
    key: VerificationKey,
}

impl AccessTokenVerifier {
    /// A verifier for tokens that name any of `audiences`.
    #[must_use]
    pub fn new(
        issuer: impl Into<String>,
        audiences: Vec<String>,
        keys: Arc<dyn KeySource>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            rules: Arc::new(Rules::access_token(issuer, audiences)),
            keys,
            clock,
            verified: Cache::builder()
                .max_capacity(CACHE_ENTRIES)
                .time_to_live(CACHE_AGE)
                .build(),
        }
    }

    /// Verifies a token.
    ///
    /// # Errors
    ///
    /// The first rule that the token breaks; [`VerifyError::Keys`] says nothing about the token.
    pub async fn verify(&self, token: &str) -> Result<Arc<Claims>, VerifyError> {
        let now = self.clock.now();
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        if let Some(verified) = self.verified.get(&hash).await {
            if self.still_good(&verified, now).await {
                return Ok(verified.claims);
            }
            self.verified.invalidate(&hash).await;
        }
        let (claims, key) = verify_with_key(token, self.keys.as_ref(), &self.rules, now).await?;
        let claims = Arc::new(claims);
        self.verified
            .insert(
                hash,
                Verified {
                    claims: Arc::clone(&claims),
                    key,
                },
            )
            .await;
        Ok(claims)
    }

    async fn still_good(&self, verified: &Verified, now: SystemTime) -> bool {
        if unix(now) >= verified.claims.exp.saturating_add(self.rules.leeway) {
            return false;
        }
        let key = match verified.key.kid() {
            Some(kid) => self.keys.key(kid).await,
            None => self.keys.only_key().await,
        };
        matches!(key, Ok(Some(key)) if key == verified.key)
    }
}

impl fmt::Debug for AccessTokenVerifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AccessTokenVerifier")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
