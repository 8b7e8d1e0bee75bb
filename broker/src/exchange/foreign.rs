//! What an access token of the IdP says about itself.
//!
//! An access token is opaque to us, who only pass it on. Where it happens to be a JWT, its issuer,
//! audience and end can be read. They are not verified: the token came straight from the IdP's token
//! endpoint, and whoever receives it verifies it for himself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker_client::oauth::OAuthError;
use serde_json::{Map, Value};

use crate::domain::Timestamp;

/// The claims that decide where a token may go.
pub(super) struct ForeignToken {
    is_jwt: bool,
    issuer: Option<String>,
    subject: Option<String>,
    audiences: Vec<String>,
    /// When it ends.
    pub(super) expires_at: Option<Timestamp>,
}

impl ForeignToken {
    /// Reads a token; nothing is known of one that is no JWT.
    pub(super) fn read(token: &str) -> Self {
        let claims = claims(token);
        let is_jwt = claims.is_some();
        let claims = claims.unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            is_jwt,
            issuer: claims.get("iss").and_then(text),
            subject: claims.get("sub").and_then(text),
            audiences: match claims.get("aud") {
                Some(Value::Array(audiences)) => audiences.iter().filter_map(text).collect(),
                Some(audience) => text(audience).into_iter().collect(),
                None => Vec::new(),
            },
            expires_at: claims
                .get("exp")
                .and_then(Value::as_i64)
                .map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000))),
        }
    }

    /// Refuses a token that says it is another issuer's, or for another audience.
    pub(super) fn check(&self, issuer: &str, audience: &str) -> Result<(), OAuthError> {
        if self.issuer.as_ref().is_some_and(|found| found != issuer) {
            return Err(OAuthError::invalid_target(
                "The identity provider's access token names another issuer.",
            ));
        }
        if !self.audiences.is_empty() && !self.audiences.iter().any(|found| found == audience) {
            return Err(OAuthError::invalid_target(
                "The identity provider's access token is for another audience than this \
                 downstream. The administrator has to make the provider issue it for the \
                 downstream, or set the downstream's audience.",
            ));
        }
        Ok(())
    }

    /// Refuses a token that was asked for with this audience and, being a JWT, does not say that it
    /// is for it, or is of another user than the token that it was made from.
    pub(super) fn demand(
        &self,
        issuer: &str,
        audience: &str,
        origin: &Self,
    ) -> Result<(), OAuthError> {
        self.check(issuer, audience)?;
        if self.is_jwt && self.audiences.is_empty() {
            return Err(OAuthError::invalid_target(
                "The identity provider's exchanged token is for no audience.",
            ));
        }
        let is_other = |ours: &String| origin.subject.as_ref().is_some_and(|theirs| theirs != ours);
        if self.subject.as_ref().is_some_and(is_other) {
            return Err(OAuthError::server_error(
                "The identity provider's exchanged token is another user's.",
            ));
        }
        Ok(())
    }
}

/// The claims of a JWT (RFC 7519 §7.2, without the signature), if it is one.
fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let object = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice::<Map<String, Value>>(&bytes).ok()
    };
    object(header)?.get("alg")?;
    object(payload)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn jwt(claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.sig", part(&json!({"alg": "ES256"})), part(claims))
    }

    fn fits(token: &str) -> bool {
        ForeignToken::read(token)
            .check("https://id.example", "cloud")
            .is_ok()
    }

    #[test]
    fn a_jwt_must_be_of_the_issuer_and_for_the_audience() {
        for (claims, expected) in [
            (json!({"iss": "https://id.example", "aud": "cloud"}), true),
            (
                json!({"iss": "https://id.example", "aud": ["x", "cloud"]}),
                true,
            ),
            (json!({"iss": "https://id.example"}), true),
            (json!({"iss": "https://id.example", "aud": "x"}), false),
            (json!({"iss": "https://id.example", "aud": ["x"]}), false),
            (
                json!({"iss": "https://evil.example", "aud": "cloud"}),
                false,
            ),
        ] {
            assert_eq!(fits(&jwt(&claims)), expected, "{claims}");
        }
    }

    #[test]
    fn an_exchanged_token_names_its_audience_and_the_same_user() {
        let origin = ForeignToken::read(&jwt(&json!({"sub": "alice"})));
        let opaque = ForeignToken::read("opaque");
        let good = json!({"iss": "https://id.example", "aud": "cloud", "sub": "alice"});
        let demand = |claims: &Value, origin| {
            ForeignToken::read(&jwt(claims)).demand("https://id.example", "cloud", origin)
        };
        assert!(demand(&good, &origin).is_ok());
        assert!(demand(&good, &opaque).is_ok());
        assert!(
            opaque
                .demand("https://id.example", "cloud", &origin)
                .is_ok()
        );
        let mut other = good.clone();
        other["sub"] = json!("bob");
        assert!(demand(&other, &origin).is_err());
        let mut nowhere = good;
        nowhere["aud"] = Value::Null;
        assert!(demand(&nowhere, &origin).is_err());
    }

    #[test]
    fn of_an_opaque_token_nothing_is_known() {
        for token in [
            "",
            "opaque",
            "a.b.c",
            "a.b.c.d",
            "eyJhIjoxfQ.eyJpc3MiOiJ4In0.s",
        ] {
            assert!(fits(token), "{token}");
            assert_eq!(ForeignToken::read(token).expires_at, None);
        }
        let token = ForeignToken::read(&jwt(&json!({"exp": 1_800_000_000})));
        assert_eq!(
            token.expires_at,
            Some(Timestamp::from_millis(1_800_000_000_000))
        );
    }
}
