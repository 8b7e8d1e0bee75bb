//! Calls to the IdP's token endpoint (RFC 6749 §4.1.3, OIDC Core §3.1.3).

use broker_client::http::HttpError;
use broker_client::secret::Secret;
use serde::Deserialize;

use super::{DiscoveryError, Upstream};

/// Why a code was not redeemed. Holds nothing secret.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// Where the token endpoint is cannot be found out.
    #[error("the token endpoint is not known")]
    Discovery(#[from] DiscoveryError),
    /// No answer; whether the code was spent is unknown.
    #[error("the token endpoint does not answer")]
    Unreachable(#[source] HttpError),
    /// 5xx or 429.
    #[error("the token endpoint answers {status}")]
    Unwell {
        /// The HTTP status.
        status: http::StatusCode,
    },
    /// `invalid_grant`: the code is spent, too old or not ours.
    #[error("the token endpoint refuses the code")]
    Code,
    /// Refused for what we are or how we ask: a matter of configuration.
    #[error("the token endpoint answers {status} with error `{error}`")]
    Refused {
        /// The HTTP status.
        status: http::StatusCode,
        /// The OAuth error code, if it is one.
        error: String,
    },
    /// 200, but no `id_token` in it.
    #[error("the token response is not as OIDC Core §3.1.3.3 says: {0}")]
    Response(&'static str),
}

/// What we use of a token response; the rest is not even parsed.
#[derive(Deserialize)]
struct TokenResponse {
    id_token: Option<Secret>,
}

#[derive(Deserialize)]
struct ErrorResponse {
    error: String,
}

impl Upstream {
    /// Redeems `code`; returns the `id_token`, not yet verified.
    pub(super) async fn redeem(
        &self,
        code: &str,
        code_verifier: &str,
    ) -> Result<Secret, RedeemError> {
        let endpoint = self.endpoints.token().await?;
        let answer = self
            .http
            .post_form(
                &endpoint,
                &self.config.authentication,
                &[
                    ("grant_type", "authorization_code"),
                    ("code", code),
                    ("redirect_uri", &self.redirect_uri),
                    ("code_verifier", code_verifier),
                ],
            )
            .await
            .map_err(RedeemError::Unreachable)?;
        let status = answer.status;
        if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
            return Err(RedeemError::Unwell { status });
        }
        if !status.is_success() {
            return Err(refusal(status, &answer.body));
        }
        serde_json::from_slice::<TokenResponse>(&answer.body)
            .map_err(|_| RedeemError::Response("not JSON"))?
            .id_token
            .ok_or(RedeemError::Response("no id_token"))
    }
}

fn refusal(status: http::StatusCode, body: &[u8]) -> RedeemError {
    match serde_json::from_slice::<ErrorResponse>(body) {
        Ok(response) if response.error == "invalid_grant" => RedeemError::Code,
        // The code goes to the log: only what RFC 6749 §5.2 lets an error code be, and not much.
        Ok(response)
            if response.error.len() <= 64
                && response.error.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            RedeemError::Refused {
                status,
                error: response.error,
            }
        }
        _ => RedeemError::Refused {
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
                status,
                br#"{"error":"invalid_grant","error_description":"spent"}"#
            ),
            RedeemError::Code
        ));
        assert!(matches!(
            refusal(status, br#"{"error":"invalid_client"}"#),
            RedeemError::Refused { error, .. } if error == "invalid_client"
        ));
        assert!(matches!(
            refusal(status, b"<html>no</html>"),
            RedeemError::Refused { error, .. } if error == "unknown"
        ));
        assert!(matches!(
            refusal(status, br#"{"error":"line\nbreak"}"#),
            RedeemError::Refused { error, .. } if error == "unknown"
        ));
    }
}
