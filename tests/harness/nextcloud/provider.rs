//! The identity providers registered in user_oidc, and the check of their self-encoded tokens.
//!
//! The rules are those measured on user_oidc 8.10.1: one bare refusal for every fault, the
//! algorithm dictated by the key, no leeway on `exp`, 60 s on `iat` and `nbf`, and the hole that
//! lets a token without a usable `aud` pass. Where keys come from is [`super::jwks`]'s business.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

/// Tolerance of `iat` and `nbf` in seconds.
const LEEWAY: u64 = 60;
/// Shorter RSA keys are refused, in bits.
const SHORTEST_RSA: usize = 2048;

/// One provider entry of user_oidc, as `occ user_oidc:provider` would make it.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the switches of user_oidc, one by one"
)]
pub struct ProviderEntry {
    /// The entry's name.
    pub identifier: String,
    /// The client id; a token's `aud` has to contain it.
    pub client_id: String,
    /// Where the issuer's discovery document is.
    pub discovery_url: String,
    /// Which claim carries the uid (`--mapping-uid`).
    pub mapping_uid: String,
    /// Whether bearer tokens are looked at at all (`--check-bearer`).
    pub check_bearer: bool,
    /// Whether new accounts get a hashed id (`--unique-uid`).
    pub unique_uid: bool,
    /// Whether a token's `name` and `email` overwrite the account's (`--bearer-provisioning`).
    pub bearer_provisioning: bool,
    /// Whether an unknown uid makes an account (system setting `auto_provision`).
    pub auto_provision: bool,
    /// Whether accounts of the database back end may be used (`soft_auto_provision`).
    pub soft_auto_provision: bool,
}

impl ProviderEntry {
    /// An entry for a broker: bearer check on, uid from `sub`, ids taken as they are.
    #[must_use]
    pub fn new(identifier: &str, client_id: &str, discovery_url: &str) -> Self {
        Self {
            identifier: identifier.to_owned(),
            client_id: client_id.to_owned(),
            discovery_url: discovery_url.to_owned(),
            mapping_uid: "sub".to_owned(),
            check_bearer: true,
            unique_uid: false,
            bearer_provisioning: false,
            auto_provision: true,
            soft_auto_provision: true,
        }
    }

    /// The entry for the issuer at `issuer`, with its OpenID discovery document.
    #[must_use]
    pub fn for_issuer(identifier: &str, client_id: &str, issuer: &str) -> Self {
        let issuer = issuer.trim_end_matches('/');
        Self::new(
            identifier,
            client_id,
            &format!("{issuer}/.well-known/openid-configuration"),
        )
    }
}

/// What a token is checked against: the issuer's own words and its keys.
pub(super) struct Issuer {
    pub(super) issuer: String,
    /// The `keys` of the JWKS as they came.
    pub(super) keys: Vec<Value>,
}

/// Checks a token against one provider; `None` is the bare refusal.
pub(super) fn accept(
    provider: &ProviderEntry,
    issuer: &Issuer,
    token: &str,
    now: u64,
) -> Option<Map<String, Value>> {
    let claims = verified_claims(issuer, token)?;
    within_its_time(&claims, now)?;
    if claims.get("iss")?.as_str()? != issuer.issuer {
        return None;
    }
    audience_passes(&claims, &provider.client_id).then_some(claims)
}

/// The uid claim of an accepted token.
pub(super) fn uid_claim(provider: &ProviderEntry, claims: &Map<String, Value>) -> Option<String> {
    match claims.get(&provider.mapping_uid)? {
        Value::String(uid) if !uid.is_empty() => Some(uid.clone()),
        Value::Number(uid) => Some(uid.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

/// Reads the claims of a token without believing them.
pub(super) fn unverified_claims(token: &str) -> Option<Map<String, Value>> {
    json_part(token.split('.').nth(1)?)
}

/// The claims of a token that one of the issuer's keys signed.
pub(super) fn verified_claims(issuer: &Issuer, token: &str) -> Option<Map<String, Value>> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (head, payload) = signed.split_once('.')?;
    let header = json_part(head)?;
    let algorithm = algorithm(header.get("alg")?.as_str()?)?;
    // php-jwt wants a `kid` when it is given a key set, and looks for no other key.
    let kid = header.get("kid")?.as_str()?;
    let key = issuer
        .keys
        .iter()
        .find(|key| key.get("kid").and_then(Value::as_str) == Some(kid))
        .and_then(|key| decoding_key(key, header.get("alg")?.as_str()?))?;
    jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key, algorithm)
        .is_ok_and(|good| good)
        .then(|| json_part(payload))
        .flatten()
}

/// The algorithms that user_oidc maps to a key type and php-jwt can verify.
fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::RS256),
        "RS384" => Some(Algorithm::RS384),
        "RS512" => Some(Algorithm::RS512),
        "ES256" => Some(Algorithm::ES256),
        "ES384" => Some(Algorithm::ES384),
        "EdDSA" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// The key, when it is one for `algorithm`: its own `alg` decides, else its type and curve.
fn decoding_key(key: &Value, algorithm: &str) -> Option<DecodingKey> {
    let member = |name: &str| key.get(name).and_then(Value::as_str);
    if member("alg").is_some_and(|own| own != algorithm) {
        return None;
    }
    match (member("kty")?, member("crv"), algorithm) {
        ("RSA", _, "RS256" | "RS384" | "RS512") => {
            let modulus = member("n")?;
            (bits(modulus)? >= SHORTEST_RSA)
                .then(|| DecodingKey::from_rsa_components(modulus, member("e")?).ok())
                .flatten()
        }
        ("EC", Some("P-256"), "ES256") | ("EC", Some("P-384"), "ES384") => {
            DecodingKey::from_ec_components(member("x")?, member("y")?).ok()
        }
        ("OKP", Some("Ed25519"), "EdDSA") => DecodingKey::from_ed_components(member("x")?).ok(),
        _ => None,
    }
}

fn bits(base64: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(base64).ok()?;
    let significant = bytes.iter().skip_while(|byte| **byte == 0);
    Some(significant.count() * 8)
}

fn json_part(base64: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(base64).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn within_its_time(claims: &Map<String, Value>, now: u64) -> Option<()> {
    let seconds = |name: &str| claims.get(name).map(|value| value.as_f64().unwrap_or(0.0));
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds of this century fit an f64 exactly"
    )]
    let (now, latest_start) = (now as f64, (now + LEEWAY) as f64);
    if seconds("exp")? < now {
        return None;
    }
    // php-jwt looks at `iat` only when there is no `nbf`.
    let start = seconds("nbf").or_else(|| seconds("iat"));
    start
        .is_none_or(|start| start.floor() <= latest_start)
        .then_some(())
}

/// Refuses an audience that is a text or a list without the client id, and nothing else: an
/// absent one, or a number, passes on the real server too.
fn audience_passes(claims: &Map<String, Value>, client_id: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(audience)) => audience == client_id,
        Some(Value::Array(audiences)) => audiences.iter().any(|one| one == client_id),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => true,
    }
}
