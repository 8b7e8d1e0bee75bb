//! The URL that the browser is sent to (OIDC Core §3.1.2.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

use super::{DiscoveryError, Kind, Upstream};
use crate::crypto;
use crate::domain::ResourceUri;

/// What one login is bound to; all secrets of the caller's making.
pub struct Login<'a> {
    /// Comes back unchanged with the answer.
    pub state: &'a str,
    /// Comes back inside the `id_token`.
    pub nonce: &'a str,
    /// PKCE: shown only when the code is redeemed (RFC 7636).
    pub code_verifier: &'a str,
    /// The resource that a client wants tokens for, sent on only where configured; none when the user
    /// signs in for himself.
    pub resource: Option<&'a ResourceUri>,
}

/// A configured extra parameter that is one of the protocol's own.
#[derive(Debug, thiserror::Error)]
#[error("the parameter `{0}` belongs to the protocol and cannot be configured")]
pub struct ProtocolParameter(String);

/// What only we may say in a login request.
const PROTOCOL_PARAMETERS: [&str; 14] = [
    "response_type",
    "response_mode",
    "client_id",
    "client_secret",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
    "resource",
    "audience",
];

/// Refuses extra parameters that would replace one of the protocol's own.
///
/// # Errors
/// Names the first such parameter.
pub fn check_parameters(parameters: &[(String, String)]) -> Result<(), ProtocolParameter> {
    match parameters
        .iter()
        .find(|(name, _)| PROTOCOL_PARAMETERS.contains(&name.as_str()))
    {
        Some((name, _)) => Err(ProtocolParameter(name.clone())),
        None => Ok(()),
    }
}

impl Upstream {
    /// The URL at which the browser logs in. Changes nothing, here or there.
    ///
    /// # Errors
    /// When the IdP's metadata cannot be read.
    pub async fn login_url(&self, login: &Login<'_>) -> Result<Url, DiscoveryError> {
        let mut url = self.endpoints.authorization().await?;
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", self.config.authentication.client_id())
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("state", login.state);
        if self.config.kind == Kind::NextcloudOauth2 {
            // It knows no scopes, no PKCE and no ID token: the cookie and `state` bind the login.
            query.extend_pairs(&self.config.authorize_parameters);
            drop(query);
            return Ok(url);
        }
        query
            .append_pair("scope", &self.scope())
            .append_pair("nonce", login.nonce)
            .append_pair("code_challenge", &challenge(login.code_verifier))
            .append_pair("code_challenge_method", "S256");
        if self.config.send_resource
            && let Some(resource) = login.resource
        {
            query.append_pair("resource", resource.as_str());
        }
        if let Some(audience) = &self.config.audience {
            query.append_pair("audience", audience);
        }
        query.extend_pairs(&self.config.authorize_parameters);
        drop(query);
        Ok(url)
    }

    fn scope(&self) -> String {
        let others = self.config.scopes.iter().filter(|scope| *scope != "openid");
        ["openid"]
            .into_iter()
            .chain(others)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// RFC 7636 §4.2, method S256.
fn challenge(code_verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(crypto::hash(code_verifier).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_the_one_of_rfc_7636_appendix_b() {
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn extra_parameters_may_not_touch_the_protocol() {
        let extra = |name: &str| vec![(name.to_owned(), "x".to_owned())];
        assert!(check_parameters(&extra("prompt")).is_ok());
        for name in PROTOCOL_PARAMETERS {
            assert!(check_parameters(&extra(name)).is_err(), "{name}");
        }
    }
}
