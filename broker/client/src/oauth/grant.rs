//! The names of grants, of token types and of client assertions; and a parameter of our own.

/// The `client_assertion_type` of a JWT (RFC 7523 §2.2).
pub const CLIENT_ASSERTION_JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Values of the parameter `grant_type`.
pub mod grant_type {
    /// RFC 6749 §4.1.3.
    pub const AUTHORIZATION_CODE: &str = "authorization_code";
    /// RFC 6749 §6.
    pub const REFRESH_TOKEN: &str = "refresh_token";
    /// RFC 6749 §4.4.
    pub const CLIENT_CREDENTIALS: &str = "client_credentials";
    /// RFC 8693 §2.1.
    pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
    /// RFC 7523 §2.1.
    pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
}

/// Token type identifiers (RFC 8693 §3): `subject_token_type`, `issued_token_type` and friends.
pub mod token_type {
    /// An OAuth 2.0 access token, whatever its form.
    pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
    /// A JWT.
    pub const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
    /// An OpenID Connect ID token.
    pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
    /// An OAuth 2.0 refresh token.
    pub const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
    /// The id of an offline grant at the broker: the `subject_token` of a background job.
    pub const OFFLINE_GRANT: &str = "urn:mcp-token-broker:token-type:offline-grant";
}

/// What a client says in an exchange about the token that it got before.
pub mod previous_token {
    /// The parameter; left out when there is nothing to say.
    pub const PARAMETER: &str = "previous_token";
    /// Its value when the downstream refused that token: the broker then looks whether the account is
    /// still there.
    pub const REFUSED: &str = "refused";
}
