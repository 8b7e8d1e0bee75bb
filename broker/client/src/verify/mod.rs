//! Verifying signed tokens (RFC 7519 §7.2, RFC 8725): access tokens and ID tokens.
//!
//! `jsonwebtoken` checks the signature and nothing else: what a token must be is decided here,
//! by [`Rules`], and when it is good by the clock of the caller. The token's own header only says
//! which key and which of *our* algorithms to try. RFC 9068 access tokens have a verifier of
//! their own, [`AccessTokenVerifier`].
//!
//! Revocation is not seen here. Access tokens live for minutes, and the broker checks at every
//! exchange that the session still stands.

mod access_token;

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use access_token::{ACCESS_TOKEN_ALGORITHMS, ACCESS_TOKEN_TYPES, AccessTokenVerifier, Claims};

use crate::ambient::unix;
use crate::keys::{Algorithm, KeySource, KeySourceError, Material, VerificationKey};

/// The largest token that is looked at, in bytes.
pub const TOKEN_LIMIT: usize = 16 * 1024;

/// The header types of ID tokens; the empty text stands for a header without `typ`, which OpenID
/// Connect allows.
pub const ID_TOKEN_TYPES: &[&str] = &["JWT", ""];

/// What a token must be, as its receiver demands.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The only accepted `iss`, compared byte for byte.
    pub issuer: String,
    /// `aud` must name at least one of these.
    pub audiences: Vec<String>,
    /// The accepted `typ` headers, in any case and without the prefix `application/`
    /// (RFC 7515 §4.1.9). The empty text stands for a missing `typ`.
    pub types: &'static [&'static str],
    /// Claims that must be there besides `iss`, `aud` and `exp`; an empty text is not there.
    pub required: &'static [&'static str],
    /// How far clocks may differ, in seconds.
    pub leeway: u64,
    /// The accepted algorithms.
    pub algorithms: &'static [Algorithm],
}

impl Rules {
    /// The rules for an access token (RFC 9068 §4) of this issuer for any of these audiences.
    #[must_use]
    pub fn access_token(issuer: impl Into<String>, audiences: Vec<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences,
            types: ACCESS_TOKEN_TYPES,
            required: &["sub", "client_id", "iat", "jti"],
            leeway: 5,
            algorithms: &ACCESS_TOKEN_ALGORITHMS,
        }
    }

    /// The rules for an ID token (OpenID Connect Core §3.1.3.7) of this issuer for this client.
    ///
    /// `nonce`, `azp` and `auth_time` are for the caller to check: they belong to its request.
    #[must_use]
    pub fn id_token(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: vec![client_id.into()],
            types: ID_TOKEN_TYPES,
            required: &["sub", "iat"],
            leeway: 5,
            algorithms: &Algorithm::ALL,
        }
    }
}

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Not a JWS of three parts, too large, or a claim has the wrong form.
    #[error("malformed token")]
    Malformed,
    /// Another kind of token.
    #[error("wrong type of token")]
    Type,
    /// An algorithm that we do not accept, or not with this key.
    #[error("algorithm not accepted")]
    Algorithm,
    /// The issuer has no such key.
    #[error("unknown key")]
    UnknownKey,
    /// The signature is wrong.
    #[error("wrong signature")]
    Signature,
    /// Someone else issued it.
    #[error("wrong issuer")]
    Issuer,
    /// It is for someone else.
    #[error("wrong audience")]
    Audience,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come (`nbf`), or it comes from the future (`iat`).
    #[error("not valid yet")]
    NotYetValid,
    /// A required claim is missing.
    #[error("missing claim {0}")]
    MissingClaim(&'static str),
    /// The keys cannot be had, so nothing is known about the token.
    #[error("no keys to verify with")]
    Keys(#[source] KeySourceError),
}

impl VerifyError {
    /// A short constant name for logs and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::MissingClaim(_) => "missing_claim",
            Self::Keys(_) => "keys",
        }
    }

    /// A sentence for whoever sent the token; it tells nothing that the sender cannot see.
    #[must_use]
    pub const fn description(&self) -> &'static str {
        match self {
            Self::Malformed => "The token is not a well-formed JWT.",
            Self::Type => "The token is not an access token.",
            Self::Algorithm => "The token is signed with an algorithm that is not accepted.",
            Self::UnknownKey => "The token is signed with an unknown key.",
            Self::Signature => "The token's signature is wrong.",
            Self::Issuer => "The token was issued by another authorization server.",
            Self::Audience => "The token is for another audience.",
            Self::Expired => "The token has expired.",
            Self::NotYetValid => "The token is not valid yet.",
            Self::MissingClaim(_) => "The token lacks a required claim.",
            Self::Keys(_) => "The token cannot be verified at the moment.",
        }
    }
}

/// The members of the JOSE header that we read.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<Value>,
}

/// Verifies a token and returns its claims.
///
/// `C` is only read from a token whose signature, issuer, audience and times are good.
///
/// # Errors
///
/// The first rule that the token breaks; [`VerifyError::Keys`] says nothing about the token.
pub async fn verify<C: DeserializeOwned>(
    token: &str,
    keys: &dyn KeySource,
    rules: &Rules,
    now: SystemTime,
) -> Result<C, VerifyError> {
    verify_with_key(token, keys, rules, now)
        .await
        .map(|(claims, _)| claims)
}

/// Verifies a token and returns its claims and the key that signed it.
async fn verify_with_key<C: DeserializeOwned>(
    token: &str,
    keys: &dyn KeySource,
    rules: &Rules,
    now: SystemTime,
) -> Result<(C, VerificationKey), VerifyError> {
    let parts = Parts::split(token)?;
    let header: Header = parts.header()?;
    // RFC 7515 §4.1.11: an extension that must be understood and is not.
    if header.crit.is_some() {
        return Err(VerifyError::Malformed);
    }
    check_type(header.typ.as_deref(), rules.types)?;
    let algorithm = header
        .alg
        .parse::<Algorithm>()
        .ok()
        .filter(|algorithm| rules.algorithms.contains(algorithm))
        .ok_or(VerifyError::Algorithm)?;

    let key = match &header.kid {
        Some(kid) => keys.key(kid).await,
        None => keys.only_key().await,
    };
    let key = key
        .map_err(VerifyError::Keys)?
        .ok_or(VerifyError::UnknownKey)?;
    if !key.allows(algorithm) {
        return Err(VerifyError::Algorithm);
    }
    parts.check_signature(&key, algorithm)?;

    let claims = parts.claims()?;
    check_claims(&claims, rules, unix(now))?;
    let claims = C::deserialize(Value::Object(claims)).map_err(|_| VerifyError::Malformed)?;
    Ok((claims, key))
}

/// A JWS in compact form (RFC 7515 §7.1), still encoded.
struct Parts<'a> {
    /// Header and payload with the dot between: what is signed.
    message: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Self, VerifyError> {
        if token.len() > TOKEN_LIMIT {
            return Err(VerifyError::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(VerifyError::Malformed)?;
        if payload.contains('.') {
            return Err(VerifyError::Malformed);
        }
        Ok(Self {
            message,
            header,
            payload,
            signature,
        })
    }

    fn header(&self) -> Result<Header, VerifyError> {
        from_base64_json(self.header)
    }

    fn claims(&self) -> Result<Map<String, Value>, VerifyError> {
        from_base64_json(self.payload)
    }

    fn check_signature(
        &self,
        key: &VerificationKey,
        algorithm: Algorithm,
    ) -> Result<(), VerifyError> {
        let key = match key.material() {
            Material::P256(point) | Material::P384(point) => DecodingKey::from_ec_der(point),
            Material::Ed25519(bytes) => DecodingKey::from_ed_der(bytes),
            Material::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
        };
        let message = self.message.as_bytes();
        match jsonwebtoken::crypto::verify(self.signature, message, &key, external(algorithm)) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(VerifyError::Signature),
        }
    }
}

/// Our closed list in the words of the library; the list has no symmetric algorithm.
const fn external(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Rs384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::Rs512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Ps384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::Ps512 => jsonwebtoken::Algorithm::PS512,
    }
}

fn from_base64_json<T: DeserializeOwned>(part: &str) -> Result<T, VerifyError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| VerifyError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| VerifyError::Malformed)
}

/// Compares `typ` (RFC 8725 §3.11), so that an ID token is never taken for an access token.
fn check_type(typ: Option<&str>, accepted: &[&str]) -> Result<(), VerifyError> {
    const PREFIX: &str = "application/";
    let typ = typ.unwrap_or_default();
    let short = match typ.get(..PREFIX.len()) {
        Some(start) if start.eq_ignore_ascii_case(PREFIX) => {
            typ.get(PREFIX.len()..).unwrap_or_default()
        }
        _ => typ,
    };
    if accepted
        .iter()
        .any(|accepted| accepted.eq_ignore_ascii_case(short))
    {
        Ok(())
    } else {
        Err(VerifyError::Type)
    }
}

/// Checks the registered claims (RFC 7519 §4.1) against the rules; `now` in seconds.
fn check_claims(claims: &Map<String, Value>, rules: &Rules, now: u64) -> Result<(), VerifyError> {
    match claims.get("iss") {
        None => return Err(VerifyError::MissingClaim("iss")),
        Some(Value::String(issuer)) if *issuer == rules.issuer => {}
        Some(_) => return Err(VerifyError::Issuer),
    }
    let is_ours = |audience: &Value| {
        audience
            .as_str()
            .is_some_and(|name| rules.audiences.iter().any(|ours| ours == name))
    };
    match claims.get("aud") {
        None => return Err(VerifyError::MissingClaim("aud")),
        Some(Value::Array(audiences)) if audiences.iter().any(is_ours) => {}
        Some(audience) if is_ours(audience) => {}
        Some(_) => return Err(VerifyError::Audience),
    }
    let expires = numeric_date(claims, "exp")?.ok_or(VerifyError::MissingClaim("exp"))?;
    if now >= expires.saturating_add(rules.leeway) {
        return Err(VerifyError::Expired);
    }
    for name in ["nbf", "iat"] {
        if numeric_date(claims, name)?.is_some_and(|start| start > now.saturating_add(rules.leeway))
        {
            return Err(VerifyError::NotYetValid);
        }
    }
    for name in rules.required {
        match claims.get(*name) {
            None | Some(Value::Null) => return Err(VerifyError::MissingClaim(name)),
            Some(Value::String(text)) if text.is_empty() => {
                return Err(VerifyError::MissingClaim(name));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// A `NumericDate` (RFC 7519 §2) in whole seconds, rounded down; fractions are allowed.
fn numeric_date(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, VerifyError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    if let Some(seconds) = value.as_u64() {
        return Ok(Some(seconds));
    }
    match value.as_f64() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative; fractions are cut and too large values saturate on purpose"
        )]
        Some(seconds) if seconds >= 0.0 => Ok(Some(seconds as u64)),
        _ => Err(VerifyError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules() -> Rules {
        Rules::access_token(
            "https://issuer.example",
            vec!["a".to_owned(), "b".to_owned()],
        )
    }

    fn check(change: impl FnOnce(&mut Value)) -> Result<(), VerifyError> {
        let mut claims = json!({
            "iss": "https://issuer.example", "aud": "a", "exp": 1_060, "iat": 1_000,
            "sub": "alice", "client_id": "client", "jti": "1",
        });
        change(&mut claims);
        check_claims(claims.as_object().unwrap(), &rules(), 1_000)
    }

    #[test]
    fn the_audience_is_a_text_or_a_list() {
        assert!(check(|_| ()).is_ok());
        assert!(check(|claims| claims["aud"] = json!(["x", "b"])).is_ok());
        for other in [
            json!("x"),
            json!([]),
            json!(["x"]),
            json!(7),
            json!([["a"]]),
            json!(null),
        ] {
            let result = check(|claims| claims["aud"] = other);
            assert!(matches!(result, Err(VerifyError::Audience)), "{result:?}");
        }
    }

    #[test]
    fn the_issuer_is_one_text_and_exact() {
        for other in [
            json!("https://issuer.example/"),
            json!(["https://issuer.example"]),
        ] {
            let result = check(|claims| claims["iss"] = other);
            assert!(matches!(result, Err(VerifyError::Issuer)), "{result:?}");
        }
    }

    #[test]
    fn times_have_a_leeway_of_five_seconds() {
        assert!(check(|claims| claims["exp"] = json!(996)).is_ok());
        let expired = check(|claims| claims["exp"] = json!(995));
        assert!(matches!(expired, Err(VerifyError::Expired)));
        for name in ["nbf", "iat"] {
            assert!(check(|claims| claims[name] = json!(1_005)).is_ok());
            let early = check(|claims| claims[name] = json!(1_006));
            assert!(matches!(early, Err(VerifyError::NotYetValid)), "{name}");
        }
    }

    #[test]
    fn times_are_numbers() {
        assert!(check(|claims| claims["exp"] = json!(1_060.5)).is_ok());
        assert!(check(|claims| claims["exp"] = json!(u64::MAX)).is_ok());
        for bad in [json!("1060"), json!(-1), json!(null), json!([1])] {
            let result = check(|claims| claims["exp"] = bad.clone());
            assert!(
                matches!(result, Err(VerifyError::Malformed)),
                "{bad}: {result:?}"
            );
        }
    }

    #[test]
    fn required_claims_are_there_and_not_empty() {
        for name in ["iss", "aud", "exp", "sub", "client_id", "iat", "jti"] {
            let missing = check(|claims| {
                claims.as_object_mut().unwrap().remove(name);
            });
            assert!(
                matches!(missing, Err(VerifyError::MissingClaim(m)) if m == name),
                "{name}"
            );
        }
        let empty = check(|claims| claims["sub"] = json!(""));
        assert!(matches!(empty, Err(VerifyError::MissingClaim("sub"))));
    }

    #[test]
    fn types_match_in_any_case_with_or_without_prefix() {
        for good in [
            "at+jwt",
            "AT+JWT",
            "application/at+jwt",
            "Application/at+JWT",
        ] {
            assert!(check_type(Some(good), ACCESS_TOKEN_TYPES).is_ok(), "{good}");
        }
        for bad in [
            Some("JWT"),
            Some("application/"),
            Some("x/at+jwt"),
            Some("äpplication/"),
            None,
        ] {
            assert!(check_type(bad, ACCESS_TOKEN_TYPES).is_err(), "{bad:?}");
        }
        assert!(check_type(None, ID_TOKEN_TYPES).is_ok());
        assert!(check_type(Some("at+jwt"), ID_TOKEN_TYPES).is_err());
    }

    /// Whether the signature of a token is good under a key given as JWK.
    fn signature_is_good(token: &str, jwk: &Value, algorithm: Algorithm) -> bool {
        let key = VerificationKey::from_jwk(jwk).unwrap();
        Parts::split(token)
            .unwrap()
            .check_signature(&key, algorithm)
            .is_ok()
    }

    fn with_last_byte_changed(token: &str) -> String {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    #[test]
    fn es256_vector_of_rfc_7515_appendix_a_3() {
        let jwk = json!({"kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6\
                     Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4Gawx\
                     aepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        assert!(signature_is_good(token, &jwk, Algorithm::Es256));
        assert!(!signature_is_good(
            &with_last_byte_changed(token),
            &jwk,
            Algorithm::Es256
        ));
    }

    #[test]
    fn ed25519_vector_of_rfc_8037_appendix_a_4() {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1\
                     PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert!(signature_is_good(token, &jwk, Algorithm::EdDsa));
        assert!(!signature_is_good(
            &with_last_byte_changed(token),
            &jwk,
            Algorithm::EdDsa
        ));
    }

    #[test]
    fn rsa_signatures_are_good_under_their_own_algorithm_only() {
        use aws_lc_rs::rand::SystemRandom;
        use aws_lc_rs::rsa::{KeyPair, KeySize};
        use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};

        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let jwk = json!({"kty": "RSA",
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero())});
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            b"e30.e30",
            &mut signature,
        )
        .unwrap();
        let token = format!("e30.e30.{}", URL_SAFE_NO_PAD.encode(signature));
        assert!(signature_is_good(&token, &jwk, Algorithm::Rs256));
        assert!(!signature_is_good(
            &with_last_byte_changed(&token),
            &jwk,
            Algorithm::Rs256
        ));
        assert!(!signature_is_good(&token, &jwk, Algorithm::Rs512));
        assert!(!signature_is_good(&token, &jwk, Algorithm::Ps256));
    }

    #[test]
    fn a_token_has_three_parts_and_a_limit() {
        for bad in ["", ".", "a.b", "a.b.c.d", &"a.".repeat(TOKEN_LIMIT)] {
            assert!(matches!(Parts::split(bad), Err(VerifyError::Malformed)));
        }
        assert!(Parts::split("a.b.c").is_ok());
    }
}
