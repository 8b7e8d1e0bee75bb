//! MCP access tokens (RFC 9068), bound to one resource (RFC 8707).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker_client::oauth::{OAuthError, Scope};
use serde::Serialize;

use crate::ambient::Ambient;
use crate::domain::{Client, Grant, Resource, Timestamp};
use crate::keys::Keyring;

/// Makes access tokens.
#[derive(Clone)]
pub struct Issuer {
    /// Our issuer identifier: the `iss` of every token.
    pub identifier: String,
    /// What signs them.
    pub keyring: Keyring,
    /// Time and randomness.
    pub ambient: Ambient,
    /// How long they live, at most.
    pub lifetime: Duration,
}

/// RFC 9068 §2.2, and `sid` for the grant, if there is one.
#[derive(Serialize)]
struct AccessTokenClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Scope::is_empty")]
    scope: &'a Scope,
    iat: i64,
    exp: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
}

/// A signed access token.
pub(super) struct AccessToken {
    /// The token.
    pub(super) token: String,
    /// How long it lives, in seconds.
    pub(super) expires_in: u64,
}

impl Issuer {
    /// An access token of `grant` that carries `scope`. It never outlives the grant.
    ///
    /// # Errors
    /// `server_error` when the key cannot sign.
    pub(super) fn access_token(
        &self,
        grant: &Grant,
        scope: &Scope,
    ) -> Result<AccessToken, OAuthError> {
        let end = self.ambient.now().plus(self.lifetime).min(grant.expires_at);
        self.sign(end, |iat, exp, jti| AccessTokenClaims {
            iss: &self.identifier,
            sub: grant.sub.as_str(),
            aud: grant.resource.as_str(),
            client_id: grant.client_id.as_str(),
            scope,
            iat,
            exp,
            jti,
            sid: Some(grant.id.as_str()),
        })
    }

    /// An access token of `client` itself (RFC 6749 §4.4), of no session.
    ///
    /// # Errors
    /// `server_error` when the key cannot sign.
    pub(super) fn client_token(
        &self,
        client: &Client,
        resource: &Resource,
        scope: &Scope,
    ) -> Result<AccessToken, OAuthError> {
        let end = self.ambient.now().plus(self.lifetime);
        self.sign(end, |iat, exp, jti| AccessTokenClaims {
            iss: &self.identifier,
            sub: client.id.as_str(),
            aud: resource.id.as_str(),
            client_id: client.id.as_str(),
            scope,
            iat,
            exp,
            jti,
            sid: None,
        })
    }

    fn sign<'a>(
        &self,
        end: Timestamp,
        claims: impl FnOnce(i64, i64, String) -> AccessTokenClaims<'a>,
    ) -> Result<AccessToken, OAuthError> {
        let (iat, exp) = (self.ambient.now().as_secs(), end.as_secs());
        let claims = claims(iat, exp, identifier(&self.ambient));
        let token = self.keyring.sign("at+jwt", &claims).map_err(|error| {
            OAuthError::server_error("The broker could not sign the token.").because(error)
        })?;
        Ok(AccessToken {
            token,
            expires_in: u64::try_from(exp - iat).unwrap_or(0),
        })
    }
}

/// A new identifier of 128 random bits, for `jti` and grants.
pub(super) fn identifier(ambient: &Ambient) -> String {
    URL_SAFE_NO_PAD.encode(ambient.random::<16>())
}
