//! Calls to the IdP's token endpoint (RFC 6749 §4.1.3 and §6, RFC 8693, OIDC Core §3.1.3 and §12), and
//! to its revocation endpoint (RFC 7009).

use std::time::{Duration, Instant};

use broker_client::http::{Answer, HttpError};
use broker_client::oauth::{Scope, grant_type, token_type};
use broker_client::secret::Secret;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::{DiscoveryError, Kind, Upstream};

/// Why the token endpoint gave nothing. Holds nothing secret.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Where the token endpoint is cannot be found out.
    #[error("the token endpoint is not known")]
    Discovery(#[from] DiscoveryError),
    /// No answer; whether the code or token was spent is unknown.
    #[error("the token endpoint does not answer")]
    Unreachable(#[source] HttpError),
    /// 5xx or 429.
    #[error("the token endpoint answers {status}")]
    Unwell {
        /// The HTTP status.
        status: http::StatusCode,
    },
    /// `invalid_grant`: the code or refresh token is spent, too old, revoked or not ours.
    #[error("the token endpoint refuses the code or refresh token")]
    Grant,
    /// Refused for what we are or how we ask: a matter of configuration.
    #[error("the token endpoint answers {status} with error `{error}`")]
    Refused {
        /// The HTTP status.
        status: http::StatusCode,
        /// The OAuth error code, if it is one.
        error: String,
    },
    /// 200, but not what it should hold.
    #[error("the token response is not as RFC 6749 §5.1 and OIDC Core §3.1.3.3 say: {0}")]
    Response(&'static str),
}

impl TokenError {
    /// Whether it may pass by itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Discovery(error) => error.is_transient(),
            Self::Unreachable(_) | Self::Unwell { .. } => true,
            Self::Grant | Self::Refused { .. } | Self::Response(_) => false,
        }
    }

    /// A word for the audit.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Discovery(_) => "discovery",
            Self::Unreachable(_) => "unreachable",
            Self::Unwell { .. } => "unwell",
            Self::Grant => "grant_refused",
            Self::Refused { .. } => "refused",
            Self::Response(_) => "response",
        }
    }
}

/// What the IdP gave us to act for the user. `Debug` does not show the tokens.
#[derive(Debug, Clone)]
pub struct TokenSet {
    /// For the APIs that trust the IdP.
    pub access_token: Secret,
    /// For new ones; not every IdP gives one.
    pub refresh_token: Option<Secret>,
    /// How long the access token lives from now; `None` when the IdP does not say.
    pub lifetime: Option<Duration>,
}

/// What we use of a token response; the rest is not even parsed.
#[derive(Deserialize)]
pub(super) struct TokenResponse {
    pub(super) id_token: Option<Secret>,
    /// Who logged in, as Nextcloud's bundled `oauth2` app says it: the exact uid.
    pub(super) user_id: Option<String>,
    access_token: Option<Secret>,
    refresh_token: Option<Secret>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    token_type: Option<String>,
    issued_token_type: Option<String>,
}

impl TokenResponse {
    /// The tokens in it; `None` without an access token, which a login can do without.
    pub(super) fn tokens(&self) -> Option<TokenSet> {
        let present = |token: &Option<Secret>| token.clone().filter(|token| !token.is_empty());
        Some(TokenSet {
            access_token: present(&self.access_token)?,
            refresh_token: present(&self.refresh_token),
            lifetime: self.expires_in.map(Duration::from_secs),
        })
    }
}

/// A number of seconds, which some providers write as text. Anything else counts as not said.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let text = value.as_str().and_then(|text| text.parse().ok());
    Ok(value.as_u64().or(text))
}

/// What became of a refresh token that is not needed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// The IdP does not accept it any more.
    Revoked,
    /// The IdP has nowhere to say so.
    NotOffered,
}

#[derive(Deserialize)]
struct ErrorResponse {
    error: String,
}

impl Upstream {
    /// Redeems `code`; nothing in the response is verified yet.
    pub(super) async fn redeem(
        &self,
        code: &str,
        code_verifier: &str,
    ) -> Result<TokenResponse, TokenError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", code_verifier),
        ];
        self.measured("redeem", &form).await
    }

    /// Asks for new tokens. An IdP mostly spends the refresh token with it: two requests with the
    /// same one can lose the grant, so the caller sees to it that there is one at a time.
    ///
    /// # Errors
    /// See [`TokenError`]; [`TokenError::Grant`] when there will be no more.
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<TokenSet, TokenError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
        ];
        let response = self.measured("refresh", &form).await?;
        let renewed = response
            .tokens()
            .ok_or(TokenError::Response("no access_token"))?;
        Ok(TokenSet {
            // RFC 6749 §6: without a new one, the old one goes on.
            refresh_token: renewed
                .refresh_token
                .or_else(|| Some(refresh_token.clone())),
            ..renewed
        })
    }

    /// Has the IdP exchange one of its own access tokens for one with this audience (RFC 8693). An
    /// empty `scope` leaves it to the IdP. What the new token says of itself is not looked at.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn exchange(
        &self,
        subject_token: &Secret,
        audience: &str,
        scope: &Scope,
    ) -> Result<TokenSet, TokenError> {
        let scope = scope.to_string();
        let mut form = vec![
            ("grant_type", grant_type::TOKEN_EXCHANGE),
            ("subject_token", subject_token.expose()),
            ("subject_token_type", token_type::ACCESS_TOKEN),
            ("requested_token_type", token_type::ACCESS_TOKEN),
            ("audience", audience),
        ];
        if !scope.is_empty() {
            form.push(("scope", &scope));
        }
        let response = self.measured("exchange", &form).await?;
        if !response
            .token_type
            .as_ref()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer"))
        {
            return Err(TokenError::Response("no bearer token"));
        }
        // Some leave it out, though RFC 8693 §2.2.1 requires it.
        if !matches!(
            response.issued_token_type.as_deref(),
            None | Some(token_type::ACCESS_TOKEN | token_type::JWT)
        ) {
            return Err(TokenError::Response("no access token"));
        }
        response
            .tokens()
            .ok_or(TokenError::Response("no access_token"))
    }

    /// Asks the token endpoint, counted and measured as `operation`.
    async fn measured(
        &self,
        operation: &'static str,
        form: &[(&str, &str)],
    ) -> Result<TokenResponse, TokenError> {
        let started = Instant::now();
        let outcome = self.token_request(form).await;
        let word = outcome.as_ref().map_or_else(TokenError::reason, |_| "ok");
        self.metrics
            .upstream_request(operation, word, started.elapsed());
        outcome
    }

    /// Asks the IdP to revoke a refresh token, and what was issued for it (RFC 7009 §2).
    ///
    /// # Errors
    /// See [`TokenError`]. A token that the IdP does not know counts as revoked there.
    pub async fn revoke(&self, refresh_token: &Secret) -> Result<Revocation, TokenError> {
        let Some(endpoint) = self.endpoints.revocation().await? else {
            return Ok(Revocation::NotOffered);
        };
        let form = [
            ("token", refresh_token.expose()),
            ("token_type_hint", "refresh_token"),
        ];
        let started = Instant::now();
        let outcome = self.post(&endpoint, &form).await;
        let word = outcome.as_ref().map_or_else(TokenError::reason, |_| "ok");
        self.metrics
            .upstream_request("revoke", word, started.elapsed());
        outcome.map(|_| Revocation::Revoked)
    }

    async fn token_request(&self, form: &[(&str, &str)]) -> Result<TokenResponse, TokenError> {
        let endpoint = self.endpoints.token().await?;
        let answer = self.post(&endpoint, form).await?;
        serde_json::from_slice(&answer.body).map_err(|_| TokenError::Response("not JSON"))
    }

    /// A good answer.
    async fn post(&self, endpoint: &Url, form: &[(&str, &str)]) -> Result<Answer, TokenError> {
        let answer = self
            .http
            .post_form(endpoint, &self.config.authentication, form)
            .await
            .map_err(TokenError::Unreachable)?;
        let status = answer.status;
        if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
            return Err(TokenError::Unwell { status });
        }
        if !status.is_success() {
            return Err(refusal(self.config.kind, status, &answer.body));
        }
        Ok(answer)
    }
}

/// The word by which an IdP says that a code or refresh token is no good (any more).
const fn spent(kind: Kind) -> &'static str {
    match kind {
        Kind::Oidc | Kind::NextcloudOidc => "invalid_grant",
        // Its `invalid_grant` means that it does not know the `grant_type`.
        Kind::NextcloudOauth2 => "invalid_request",
    }
}

fn refusal(kind: Kind, status: http::StatusCode, body: &[u8]) -> TokenError {
    match serde_json::from_slice::<ErrorResponse>(body) {
        Ok(response) if response.error == spent(kind) => TokenError::Grant,
        // The code goes to the log: only what RFC 6749 §5.2 lets an error code be, and not much.
        Ok(response)
            if response.error.len() <= 64
                && response.error.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            TokenError::Refused {
                status,
                error: response.error,
            }
        }
        _ => TokenError::Refused {
            status,
            error: "unknown".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_invalid_grant_blames_the_code() {
        let status = http::StatusCode::BAD_REQUEST;
        assert!(matches!(
            refusal(
                Kind::Oidc,
                status,
                br#"{"error":"invalid_grant","error_description":"spent"}"#
            ),
            TokenError::Grant
        ));
        assert!(matches!(
            refusal(Kind::Oidc, status, br#"{"error":"invalid_client"}"#),
            TokenError::Refused { error, .. } if error == "invalid_client"
        ));
        assert!(matches!(
            refusal(Kind::Oidc, status, b"<html>no</html>"),
            TokenError::Refused { error, .. } if error == "unknown"
        ));
        assert!(matches!(
            refusal(Kind::Oidc, status, br#"{"error":"line\nbreak"}"#),
            TokenError::Refused { error, .. } if error == "unknown"
        ));
    }

    #[test]
    fn the_bundled_oauth2_app_says_invalid_request_for_what_is_spent() {
        let refused = |error: &str| {
            let body = format!(r#"{{"error":"{error}"}}"#);
            let status = http::StatusCode::BAD_REQUEST;
            refusal(Kind::NextcloudOauth2, status, body.as_bytes())
        };
        assert!(matches!(refused("invalid_request"), TokenError::Grant));
        for error in ["invalid_client", "invalid_grant"] {
            assert!(
                matches!(refused(error), TokenError::Refused { .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn a_life_in_seconds_may_be_a_number_or_text_and_an_empty_token_is_none() {
        let read = |body: &str| {
            serde_json::from_str::<TokenResponse>(body)
                .unwrap()
                .tokens()
        };
        for (written, seconds) in [
            ("300", Some(300)),
            ("\"300\"", Some(300)),
            ("-1", None),
            ("null", None),
            ("\"soon\"", None),
        ] {
            let tokens = read(&format!(r#"{{"access_token":"a","expires_in":{written}}}"#));
            assert_eq!(
                tokens.unwrap().lifetime.map(|life| life.as_secs()),
                seconds,
                "{written}"
            );
        }
        let tokens = read(r#"{"access_token":"a","refresh_token":""}"#).unwrap();
        assert!(tokens.refresh_token.is_none() && tokens.lifetime.is_none());
        assert!(read(r#"{"id_token":"x"}"#).is_none());
    }
}
