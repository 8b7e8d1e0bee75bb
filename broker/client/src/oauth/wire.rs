//! The bodies of the token endpoint's answers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::OAuthError;

/// A successful answer of the token endpoint (RFC 6749 §5.1, RFC 8693 §2.2.1).
///
/// `Debug` shows no token.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenResponse {
    /// The issued token. In an exchange it may be something else than an access token; then
    /// `issued_token_type` says what.
    pub access_token: String,
    /// How to use the token: `Bearer`, in any case of letters.
    pub token_type: String,
    /// The token's life in seconds from now.
    pub expires_in: u64,
    /// What was granted; left out when it is what was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The token to get the next one with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// OpenID Connect Core §3.1.3.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// RFC 8693 §2.2.1: required in an exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<String>,
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redacted = |token: &Option<String>| token.as_ref().map(|_| "[redacted]");
        formatter
            .debug_struct("TokenResponse")
            .field("access_token", &"[redacted]")
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .field("refresh_token", &redacted(&self.refresh_token))
            .field("id_token", &redacted(&self.id_token))
            .field("issued_token_type", &self.issued_token_type)
            .finish()
    }
}

/// The body of an error answer (RFC 6749 §5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The code. A text, since the other side may use codes that we do not know.
    pub error: String,
    /// A sentence for the developer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}

impl From<&OAuthError> for ErrorBody {
    fn from(error: &OAuthError) -> Self {
        Self {
            error: error.code().as_str().to_owned(),
            error_description: Some(error.description().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_left_out_and_nothing_secret_is_shown() {
        let response = TokenResponse {
            access_token: "very-secret".to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: 60,
            scope: None,
            refresh_token: Some("also-secret".to_owned()),
            id_token: None,
            issued_token_type: None,
        };
        assert_eq!(
            serde_json::to_value(&response).unwrap(),
            serde_json::json!({
                "access_token": "very-secret", "token_type": "Bearer", "expires_in": 60,
                "refresh_token": "also-secret",
            })
        );
        let shown = format!("{response:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn an_error_becomes_its_body() {
        let body = ErrorBody::from(&OAuthError::invalid_scope("Too much.").because("private"));
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"error":"invalid_scope","error_description":"Too much."}"#
        );
    }
}
