//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4 to §2.6).

use broker_client::keys::Algorithm;
use broker_client::verify::{self, Rules, VerifyError};
use serde_json::{Map, Value};

use super::id_token::identifier;
use super::{Kind, Upstream};
use crate::domain::Timestamp;

/// The header types: the one of the specification, and what older providers still write.
const TYPES: &[&str] = &["logout+jwt", "JWT", ""];

/// The member of `events` that makes it one.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Who is logged out, as the IdP says. At least one of the two is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutToken {
    /// `sub` of the user's `id_token`s.
    pub subject: Option<String>,
    /// `sid` of the `id_token`s of one session.
    pub session: Option<String>,
    /// The token's own id, good once.
    pub jti: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Why a logout token is not believed.
#[derive(Debug, thiserror::Error)]
pub enum LogoutTokenError {
    /// The provider has no keys: Nextcloud's bundled `oauth2` app.
    #[error("this kind of provider sends no logout tokens")]
    Unsupported,
    /// Signature, `iss`, `aud`, `exp`, `iat` or `jti`.
    #[error("the logout token does not verify")]
    Verify(#[from] VerifyError),
    /// It is another kind of token: no logout event, or a `nonce`.
    #[error("it is no logout token")]
    Kind,
    /// It names nobody.
    #[error("the logout token has neither sub nor sid")]
    Nobody,
}

impl LogoutTokenError {
    /// A word for the audit.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::Verify(error) => error.reason(),
            Self::Kind => "no_logout_token",
            Self::Nobody => "nobody",
        }
    }
}

impl Upstream {
    /// Verifies a logout token for us.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub async fn verify_logout_token(&self, token: &str) -> Result<LogoutToken, LogoutTokenError> {
        if self.config.kind == Kind::NextcloudOauth2 {
            return Err(LogoutTokenError::Unsupported);
        }
        let rules = Rules {
            issuer: self.config.issuer.clone(),
            audiences: vec![self.config.authentication.client_id().to_owned()],
            types: TYPES,
            required: &["iat", "jti"],
            leeway: 5,
            algorithms: &Algorithm::ALL,
        };
        let now = self.ambient.clock.now();
        let claims: Map<String, Value> = verify::verify(token, &self.keys, &rules, now).await?;
        read(&claims)
    }
}

/// §2.6 points 4 to 7. That the token is used once is for whoever keeps state.
fn read(claims: &Map<String, Value>) -> Result<LogoutToken, LogoutTokenError> {
    let is_logout = claims
        .get("events")
        .and_then(|events| events.get(EVENT))
        .is_some_and(Value::is_object);
    // A nonce makes it an ID token, whatever else it says.
    if !is_logout || claims.contains_key("nonce") {
        return Err(LogoutTokenError::Kind);
    }
    let subject = identifier(claims, "sub").map(str::to_owned);
    let session = identifier(claims, "sid").map(str::to_owned);
    if subject.is_none() && session.is_none() {
        return Err(LogoutTokenError::Nobody);
    }
    let jti = identifier(claims, "jti").ok_or(VerifyError::MissingClaim("jti"))?;
    let expires_at = claims.get("exp").and_then(Value::as_f64).unwrap_or(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "fractions are cut and too large values saturate on purpose"
    )]
    let expires_at = Timestamp::from_millis((expires_at * 1000.0) as i64);
    Ok(LogoutToken {
        subject,
        session,
        jti: jti.to_owned(),
        expires_at,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reading(change: impl FnOnce(&mut Value)) -> Result<LogoutToken, LogoutTokenError> {
        let mut claims = json!({
            "sub": "s-1", "sid": "session-1", "jti": "1", "exp": 1_800_000_120,
            "events": { EVENT: {} },
        });
        change(&mut claims);
        read(claims.as_object().unwrap())
    }

    #[test]
    fn it_names_a_user_or_a_session() {
        let token = reading(|_| ()).unwrap();
        assert_eq!(token.subject.as_deref(), Some("s-1"));
        assert_eq!(token.session.as_deref(), Some("session-1"));
        assert_eq!(token.expires_at.as_secs(), 1_800_000_120);
        for name in ["sub", "sid"] {
            assert!(
                reading(|claims| claims[name] = json!(null)).is_ok(),
                "{name}"
            );
        }
        let nobody = reading(|claims| {
            claims["sub"] = json!(null);
            claims["sid"] = json!("");
        });
        assert!(matches!(nobody, Err(LogoutTokenError::Nobody)));
    }

    #[test]
    fn an_id_token_is_none() {
        for (name, value) in [
            ("events", json!(null)),
            ("events", json!({})),
            ("events", json!({ EVENT: true })),
            ("nonce", json!("n")),
            ("nonce", json!(null)),
        ] {
            let result = reading(|claims| claims[name] = value);
            assert!(matches!(result, Err(LogoutTokenError::Kind)), "{name}");
        }
    }
}
