//! The form of a token request, read once into a closed set of grants.

use broker_client::oauth::{OAuthError, Scope, grant_type, token_type};
use broker_client::secret::Secret;

use super::Form;
use super::background::OfflineExchangeRequest;
use super::exchange::ExchangeRequest;
use crate::domain::GrantType;

/// A token request, by grant.
pub(super) enum TokenRequest {
    /// RFC 6749 §4.1.3.
    AuthorizationCode(CodeRequest),
    /// RFC 6749 §6.
    RefreshToken(RefreshRequest),
    /// RFC 8693 §2.1, with a caller's token.
    TokenExchange(ExchangeRequest),
    /// RFC 6749 §4.4.2.
    ClientCredentials(CredentialsRequest),
    /// RFC 8693 §2.1, with an offline grant.
    OfflineExchange(OfflineExchangeRequest),
}

/// A request with an authorization code.
pub(super) struct CodeRequest {
    /// The code.
    pub(super) code: Secret,
    /// Optional here (OAuth 2.1 §4.1.3); given, it must be the one of the authorization request.
    pub(super) redirect_uri: Option<String>,
    /// RFC 7636 §4.5.
    pub(super) code_verifier: Secret,
    /// RFC 8707 §2.2: what the access token is for.
    pub(super) resources: Vec<String>,
}

/// A request with a refresh token.
pub(super) struct RefreshRequest {
    /// The refresh token.
    pub(super) refresh_token: Secret,
    /// The scope asked, if not all of it.
    pub(super) scope: Option<Scope>,
    /// RFC 8707 §2.2.
    pub(super) resources: Vec<String>,
}

/// A request of a client for itself.
pub(super) struct CredentialsRequest {
    /// The scope asked, if not all that the client may have.
    pub(super) scope: Option<Scope>,
    /// RFC 8707 §2.2.
    pub(super) resources: Vec<String>,
}

/// The grant that a request is for. Told before the client is known, so that a client of another
/// server's extension learns what is wrong.
pub(super) fn grant_type(form: &Form) -> Result<GrantType, OAuthError> {
    match form.require("grant_type")? {
        grant_type::AUTHORIZATION_CODE => Ok(GrantType::AuthorizationCode),
        grant_type::REFRESH_TOKEN => Ok(GrantType::RefreshToken),
        grant_type::TOKEN_EXCHANGE => Ok(GrantType::TokenExchange),
        grant_type::CLIENT_CREDENTIALS => Ok(GrantType::ClientCredentials),
        _ => Err(unsupported()),
    }
}

impl TokenRequest {
    /// Reads the parameters of `grant`.
    pub(super) fn parse(grant: GrantType, form: &Form) -> Result<Self, OAuthError> {
        match grant {
            GrantType::AuthorizationCode => Ok(Self::AuthorizationCode(CodeRequest {
                code: form.require("code")?.into(),
                redirect_uri: form.get("redirect_uri").map(str::to_owned),
                code_verifier: form.require("code_verifier")?.into(),
                resources: form.all("resource").map(str::to_owned).collect(),
            })),
            GrantType::RefreshToken => Ok(Self::RefreshToken(RefreshRequest {
                refresh_token: form.require("refresh_token")?.into(),
                scope: scope(form)?,
                resources: form.all("resource").map(str::to_owned).collect(),
            })),
            // Background access is another thing than a session: no caller gets from one to the other.
            GrantType::TokenExchange
                if form.get("subject_token_type") == Some(token_type::OFFLINE_GRANT) =>
            {
                OfflineExchangeRequest::parse(form).map(Self::OfflineExchange)
            }
            GrantType::TokenExchange => ExchangeRequest::parse(form).map(Self::TokenExchange),
            GrantType::ClientCredentials => Ok(Self::ClientCredentials(CredentialsRequest {
                scope: scope(form)?,
                resources: form.all("resource").map(str::to_owned).collect(),
            })),
        }
    }
}

/// The `scope` parameter.
pub(super) fn scope(form: &Form) -> Result<Option<Scope>, OAuthError> {
    form.get("scope")
        .map(str::parse)
        .transpose()
        .map_err(|error| {
            OAuthError::invalid_scope("The scope has characters that no scope has.").because(error)
        })
}

fn unsupported() -> OAuthError {
    OAuthError::unsupported_grant_type(
        "Supported are authorization_code, refresh_token, client_credentials and token exchange \
         (RFC 8693).",
    )
}
