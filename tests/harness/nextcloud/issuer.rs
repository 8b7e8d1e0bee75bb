//! An issuer made to test the stand-in's token check: keys of every kind, any header, any claims.
//!
//! Not the development IdP: it has no users and no login. It serves a discovery document and a key
//! set over real HTTP, counts how often each is fetched, and signs whatever it is told to.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use axum::Router;
use axum::extract::State;
use axum::response::Json;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A kind of key that an issuer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA of 2048 bits.
    Rsa,
    /// EC on P-256.
    P256,
    /// EC on P-384.
    P384,
    /// OKP on Ed25519.
    Ed25519,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A key pair, with its public half as a JWK.
pub(super) struct Key {
    pair: Pair,
    jwk: Value,
}

impl Key {
    /// Makes one.
    pub(super) fn generate(kind: KeyKind) -> anyhow::Result<Self> {
        let (pair, jwk) = generate(kind)?;
        Ok(Self { pair, jwk })
    }

    /// The public half under this name.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// Signs, in the way that the header's `alg` names.
    pub(super) fn sign(&self, header: &Value, claims: &Value) -> anyhow::Result<String> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let signature = sign(&self.pair, algorithm, signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Whether a published key says which algorithm it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labelled {
    /// It has an `alg` member.
    WithAlg,
    /// It has none.
    WithoutAlg,
}

struct Shared {
    issuer: String,
    keys: Mutex<BTreeMap<String, Arc<Key>>>,
    published: Mutex<BTreeMap<String, Value>>,
    fetches: AtomicUsize,
}

/// A running issuer; it stops when this is dropped.
pub struct ProbeIssuer {
    state: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Drop for ProbeIssuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl ProbeIssuer {
    /// Starts an issuer without keys.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let state = Arc::new(Shared {
            issuer: format!("http://{}", listener.local_addr()?),
            keys: Mutex::default(),
            published: Mutex::default(),
            fetches: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .with_state(Arc::clone(&state));
        let serving = tokio::spawn(async move {
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { state, serving })
    }

    /// The issuer's URL, which is its `iss`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.state.issuer
    }

    /// How often the key set was fetched.
    #[must_use]
    pub fn key_fetches(&self) -> usize {
        self.state.fetches.load(Ordering::SeqCst)
    }

    /// Makes a key and publishes it.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub fn add_key(
        &self,
        kid: &str,
        kind_of_key: KeyKind,
        labelled: Labelled,
    ) -> anyhow::Result<()> {
        let key = Key::generate(kind_of_key)?;
        let mut jwk = key.jwk(kid);
        if let Some(members) = jwk.as_object_mut()
            && labelled == Labelled::WithoutAlg
        {
            members.remove("alg");
        }
        lock(&self.state.keys).insert(kid.to_owned(), Arc::new(key));
        lock(&self.state.published).insert(kid.to_owned(), jwk);
        Ok(())
    }

    /// Takes a key off the published set; it can still sign.
    pub fn unpublish(&self, kid: &str) {
        lock(&self.state.published).remove(kid);
    }

    /// Signs with the key `kid`, in the way that the header's `alg` names.
    ///
    /// # Errors
    /// When there is no such key, or it cannot sign that way.
    pub fn sign(&self, kid: &str, header: &Value, claims: &Value) -> anyhow::Result<String> {
        let key = lock(&self.state.keys)
            .get(kid)
            .cloned()
            .context("no such key")?;
        key.sign(header, claims)
    }

    /// The claims of an ordinary token, valid for a minute from `now` (Unix seconds).
    #[must_use]
    pub fn claims(&self, subject: &str, audience: &str, now: u64) -> Value {
        json!({
            "iss": self.url(), "sub": subject, "aud": audience, "iat": now, "exp": now + 60,
        })
    }

    /// An ordinary token signed with an ES256 key.
    ///
    /// # Errors
    /// When `kid` is not such a key.
    pub fn token(
        &self,
        kid: &str,
        subject: &str,
        audience: &str,
        now: u64,
    ) -> anyhow::Result<String> {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": kid});
        self.sign(kid, &header, &self.claims(subject, audience, now))
    }
}

async fn discovery(State(state): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({
        "issuer": state.issuer,
        "jwks_uri": format!("{}/jwks", state.issuer),
    }))
}

async fn jwks(State(state): State<Arc<Shared>>) -> Json<Value> {
    state.fetches.fetch_add(1, Ordering::SeqCst);
    let keys: Vec<Value> = lock(&state.published).values().cloned().collect();
    Json(json!({"keys": keys}))
}

fn generate(kind: KeyKind) -> anyhow::Result<(Pair, Value)> {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Ok(match kind {
        KeyKind::Rsa => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
            let public = pair.public_key();
            let jwk = json!({
                "kty": "RSA", "alg": "RS256",
                "n": encode(public.modulus().big_endian_without_leading_zero()),
                "e": encode(public.exponent().big_endian_without_leading_zero()),
            });
            (Pair::Rsa(pair), jwk)
        }
        KeyKind::P256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
            let jwk = ec_jwk("P-256", "ES256", pair.public_key().as_ref());
            (Pair::Ecdsa(pair), jwk)
        }
        KeyKind::P384 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING)?;
            let jwk = ec_jwk("P-384", "ES384", pair.public_key().as_ref());
            (Pair::Ecdsa(pair), jwk)
        }
        KeyKind::Ed25519 => {
            let pair = Ed25519KeyPair::generate()?;
            let jwk = json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA",
                "x": encode(pair.public_key().as_ref()),
            });
            (Pair::Ed25519(pair), jwk)
        }
    })
}

/// `point` is uncompressed: a 4, then both coordinates.
fn ec_jwk(curve: &str, algorithm: &str, point: &[u8]) -> Value {
    let coordinates = point.get(1..).unwrap_or_default();
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    json!({
        "kty": "EC", "crv": curve, "alg": algorithm,
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    })
}

fn sign(pair: &Pair, algorithm: &str, message: &[u8]) -> anyhow::Result<Vec<u8>> {
    let random = SystemRandom::new();
    match pair {
        Pair::Ecdsa(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
        Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        Pair::Rsa(pair) => {
            let padding: &'static dyn RsaEncoding = match algorithm {
                "RS256" => &RSA_PKCS1_SHA256,
                "RS512" => &RSA_PKCS1_SHA512,
                "PS256" => &RSA_PSS_SHA256,
                other => anyhow::bail!("the probe issuer does not sign with {other}"),
            };
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &random, message, &mut signature)?;
            Ok(signature)
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
