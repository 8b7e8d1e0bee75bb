//! [`FakeIssuer`]: signs good tokens, and bad ones of every kind.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::ambient::{Clock, SystemClock, unix};
use crate::keys::{KeySet, KeySource, KeySourceError, VerificationKey};

/// An issuer with an ES256 key of its own, made anew in each instance.
///
/// [`FakeIssuer::claims`] and [`FakeIssuer::sign`] make a good token; change the claims in
/// between, or use [`FakeIssuer::mint`] and its neighbours, to make a bad one.
pub struct FakeIssuer {
    issuer: String,
    clock: Arc<dyn Clock>,
    /// All published keys; the last one signs.
    keys: RwLock<Vec<SigningKey>>,
}

struct SigningKey {
    kid: String,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    fn new(kid: String) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .expect("an ES256 key can be generated");
        Self { kid, pair }
    }

    fn sign(&self, message: &str) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes());
        signature
            .expect("a generated key can sign")
            .as_ref()
            .to_vec()
    }

    fn jwk(&self) -> Value {
        // The uncompressed point: 04 || x || y.
        let point = self.pair.public_key().as_ref();
        let (x, y) = point
            .get(1..)
            .expect("a point has coordinates")
            .split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }
}

impl FakeIssuer {
    /// An issuer of this name that lives by the machine's clock.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self::with_clock(issuer, Arc::new(SystemClock))
    }

    /// An issuer of this name that lives by the given clock.
    #[must_use]
    pub fn with_clock(issuer: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        let keys = RwLock::new(vec![SigningKey::new("key-1".to_owned())]);
        Self {
            issuer: issuer.into(),
            clock,
            keys,
        }
    }

    /// The issuer's identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Good claims (RFC 9068 §2.2) for `alice`: ten minutes, this audience and scope.
    #[must_use]
    pub fn claims(&self, audience: &str, scope: &str) -> Value {
        let now = unix(self.clock.now());
        json!({
            "iss": self.issuer, "sub": "alice", "aud": audience, "client_id": "test-client",
            "scope": scope, "iat": now, "exp": now + 600, "jti": "jti-1", "sid": "session-1",
        })
    }

    /// A good access token for `alice`.
    #[must_use]
    pub fn access_token(&self, audience: &str, scope: &str) -> String {
        self.sign(&self.claims(audience, scope))
    }

    /// Signs claims as an access token, whatever they say.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        self.mint(&json!({ "typ": "at+jwt" }), claims)
    }

    /// Signs claims with the header members given; `alg` and `kid` are ours where they are absent.
    #[must_use]
    pub fn mint(&self, header: &Value, claims: &Value) -> String {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.last().expect("there is always a key");
        let mut complete = json!({ "alg": "ES256", "kid": key.kid });
        for (name, value) in header.as_object().into_iter().flatten() {
            if let Some(members) = complete.as_object_mut() {
                members.insert(name.clone(), value.clone());
            }
        }
        let message = message(&complete, claims);
        let signature = URL_SAFE_NO_PAD.encode(key.sign(&message));
        format!("{message}.{signature}")
    }

    /// A token with `alg: none` and no signature.
    #[must_use]
    pub fn mint_unsigned(&self, claims: &Value) -> String {
        let header = json!({ "alg": "none", "typ": "at+jwt", "kid": self.kid() });
        format!("{}.", message(&header, claims))
    }

    /// A token with `alg: HS256` whose HMAC secret is the public key: the classic confusion.
    #[must_use]
    pub fn mint_hs256_with_public_key(&self, claims: &Value) -> String {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.last().expect("there is always a key");
        let header = json!({ "alg": "HS256", "typ": "at+jwt", "kid": key.kid });
        let message = message(&header, claims);
        let secret = hmac::Key::new(hmac::HMAC_SHA256, key.pair.public_key().as_ref());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&secret, message.as_bytes()));
        format!("{message}.{signature}")
    }

    /// A token that claims our key id but is signed with a key of someone else.
    #[must_use]
    pub fn mint_with_another_key(&self, claims: &Value) -> String {
        let thief = SigningKey::new(self.kid());
        let message = message(
            &json!({ "alg": "ES256", "typ": "at+jwt", "kid": thief.kid }),
            claims,
        );
        let signature = URL_SAFE_NO_PAD.encode(thief.sign(&message));
        format!("{message}.{signature}")
    }

    /// Publishes a new key and signs with it from now on. The old ones stay published.
    pub fn rotate(&self) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let kid = format!("key-{}", keys.len() + 1);
        keys.push(SigningKey::new(kid));
    }

    /// Withdraws all keys but the one that signs.
    pub fn withdraw_old_keys(&self) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let last = keys.len().saturating_sub(1);
        keys.drain(..last);
    }

    /// The id of the key that signs.
    #[must_use]
    pub fn kid(&self) -> String {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.last().map(|key| key.kid.clone()).unwrap_or_default()
    }

    /// The published keys (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> Value {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        json!({ "keys": keys.iter().map(SigningKey::jwk).collect::<Vec<_>>() })
    }

    fn key_set(&self) -> KeySet {
        KeySet::from_json(self.jwks().to_string().as_bytes()).expect("our own JWKS can be read")
    }
}

fn message(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

#[async_trait]
impl KeySource for FakeIssuer {
    async fn key(&self, kid: &str) -> Result<Option<VerificationKey>, KeySourceError> {
        self.key_set().key(kid).await
    }

    async fn only_key(&self) -> Result<Option<VerificationKey>, KeySourceError> {
        self.key_set().only_key().await
    }
}

impl fmt::Debug for FakeIssuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FakeIssuer")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}
