//! The answer to the client: its redirect URI with parameters (RFC 6749 §4.1.2, RFC 9207 §2).

use broker_client::oauth::OAuthError;
use url::form_urlencoded;

use crate::domain::{Authorization, RedirectUri};

/// A URL at the client that the browser is sent to. May hold a code, so it has no `Debug` that
/// shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientRedirect(String);

impl ClientRedirect {
    /// The URL, for the `Location` header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The answer with a code.
    pub(super) fn with_code(authorization: &Authorization, code: &str, issuer: &str) -> Self {
        Self::new(
            &authorization.redirect_uri,
            &[("code", code)],
            authorization.state.as_deref(),
            issuer,
        )
    }

    /// The answer with an error.
    pub(super) fn with_error(
        redirect_uri: &RedirectUri,
        error: &OAuthError,
        state: Option<&str>,
        issuer: &str,
    ) -> Self {
        Self::new(
            redirect_uri,
            &[
                ("error", error.code().as_str()),
                ("error_description", error.description()),
            ],
            state,
            issuer,
        )
    }

    /// Adds the parameters to the text of the URI, which keeps the rest as the client wrote it; a
    /// URL parser would repair it. The URI has no fragment.
    fn new(
        redirect_uri: &RedirectUri,
        parameters: &[(&str, &str)],
        state: Option<&str>,
        issuer: &str,
    ) -> Self {
        let base = redirect_uri.as_str();
        let separator = match base.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .extend_pairs(state.map(|state| ("state", state)))
            // On errors too: a client that knows we announce `iss` refuses an answer without it.
            .append_pair("iss", issuer)
            .finish();
        Self(format!("{base}{separator}{query}"))
    }
}

impl std::fmt::Debug for ClientRedirect {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ClientRedirect([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_at(redirect_uri: &str, state: Option<&str>) -> String {
        let redirect_uri = RedirectUri::parse(redirect_uri).unwrap();
        let error = OAuthError::access_denied("No.");
        ClientRedirect::with_error(&redirect_uri, &error, state, "https://broker.example")
            .as_str()
            .to_owned()
    }

    #[test]
    fn parameters_follow_the_uris_own_query() {
        let rest =
            "error=access_denied&error_description=No.&state=s&iss=https%3A%2F%2Fbroker.example";
        for (base, separator) in [
            ("https://a.example/cb", "?"),
            ("https://a.example/cb?", ""),
            ("https://a.example/cb?x=1", "&"),
            ("https://a.example/cb?x=1&", ""),
            ("cursor://anysphere.cursor-mcp/oauth/callback", "?"),
            ("http://[::1]:5000", "?"),
        ] {
            assert_eq!(
                error_at(base, Some("s")),
                format!("{base}{separator}{rest}")
            );
        }
    }

    #[test]
    fn the_state_comes_back_exactly_or_not_at_all() {
        let url = error_at("https://a.example/cb", Some("a b+c&d=é\"#"));
        let query = url.split_once('?').unwrap().1;
        let state = form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "state")
            .map(|(_, value)| value.into_owned());
        assert_eq!(state.as_deref(), Some("a b+c&d=é\"#"));
        assert!(!error_at("https://a.example/cb", None).contains("state="));
    }
}
