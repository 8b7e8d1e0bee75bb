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

/// What a user has answered at one downstream about background jobs, as the server of a resource is
/// told that he calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackgroundAccess {
    /// The downstream's name.
    pub downstream: String,
    /// How it stands.
    pub state: AccessState,
    /// What jobs may do, while it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Since when his last answer stands there: seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Where he allows it, in his own browser. The link is made for him: nobody else can follow it.
    pub authorization_uri: String,
}

/// How background access stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessState {
    /// The user was never asked, or never allowed it.
    None,
    /// He allowed it here and is still at the identity provider.
    Pending,
    /// It works.
    Active,
    /// The identity provider refused the last renewal: he has to allow it again.
    Failing,
    /// He took it back.
    Withdrawn,
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
    fn background_access_that_was_never_allowed_says_where_to_allow_it_and_no_more() {
        let access = BackgroundAccess {
            downstream: "nextcloud".to_owned(),
            state: AccessState::None,
            scope: None,
            since: None,
            authorization_uri: "https://b.example/x".to_owned(),
        };
        let text = serde_json::to_string(&access).unwrap();
        assert_eq!(
            text,
            r#"{"downstream":"nextcloud","state":"none","authorization_uri":"https://b.example/x"}"#
        );
        assert_eq!(
            serde_json::from_str::<BackgroundAccess>(&text).unwrap(),
            access
        );
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
