//! JSON Web Tokens by hand: signing for the development IdP, reading without trust for the story,
//! and forging for the tests.
//!
//! Nothing here verifies: the stand-in Nextcloud and the programs under test do that.

use anyhow::{Context as _, Result};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaPublicKey, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// An ES256 key pair with its key id.
pub struct SigningKey {
    kid: String,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    /// A new key pair.
    #[must_use]
    pub fn generate(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self {
            kid: kid.to_owned(),
            pair,
        }
    }

    /// The public half as a JSON Web Key (RFC 7517).
    #[must_use]
    pub fn jwk(&self) -> Value {
        let (x, y) = coordinates(self.pair.public_key());
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }

    /// A compact JWS over `claims`, with `typ` in the header.
    #[must_use]
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        self.sign_with_header(
            &json!({ "alg": "ES256", "typ": typ, "kid": self.kid }),
            claims,
        )
    }

    /// The same with a header of the caller's choice, for forgeries.
    #[must_use]
    pub fn sign_with_header(&self, header: &Value, claims: &Value) -> String {
        let input = signing_input(header, claims);
        let signature = self
            .pair
            .sign(&SystemRandom::new(), input.as_bytes())
            .unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// The two halves of an uncompressed P-256 point (after its leading 4).
fn coordinates(key: &EcdsaPublicKey) -> (&[u8], &[u8]) {
    key.as_ref().split_at(1).1.split_at(32)
}

fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// A token with `alg: none` and no signature, as no one may ever accept it.
#[must_use]
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let mut header = header.clone();
    if let Some(members) = header.as_object_mut() {
        members.insert("alg".to_owned(), json!("none"));
    }
    format!("{}.", signing_input(&header, claims))
}

/// A token signed with HMAC under `secret`: with a public key as the secret, the classic confusion.
#[must_use]
pub fn hmac(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let mut header = header.clone();
    if let Some(members) = header.as_object_mut() {
        members.insert("alg".to_owned(), json!("HS256"));
    }
    let input = signing_input(&header, claims);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let tag = aws_lc_rs::hmac::sign(&key, input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// The header of a token, unverified.
///
/// # Errors
/// When it is not a JWT.
pub fn header(token: &str) -> Result<Value> {
    part(token, 0)
}

/// The claims of a token, unverified.
///
/// # Errors
/// When it is not a JWT.
pub fn claims(token: &str) -> Result<Value> {
    part(token, 1)
}

fn part(token: &str, index: usize) -> Result<Value> {
    let part = token
        .split('.')
        .nth(index)
        .context("not a JWT: too few parts")?;
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .context("not a JWT: not base64url")?;
    serde_json::from_slice(&bytes).context("not a JWT: not JSON")
}
