//! [`Rules`]: what a token must say to be accepted.

use serde_json::{Map, Value};

use super::{ACCESS_TOKEN_ALGORITHMS, ACCESS_TOKEN_TYPES, VerifyError};
use crate::keys::Algorithm;

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

/// Compares `typ` (RFC 8725 §3.11), so that an ID token is never taken for an access token.
pub(super) fn check_type(typ: Option<&str>, accepted: &[&str]) -> Result<(), VerifyError> {
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
pub(super) fn check_claims(
    claims: &Map<String, Value>,
    rules: &Rules,
    now: u64,
) -> Result<(), VerifyError> {
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
}
