//! Redirect URIs: which may be registered, and when two are the same (RFC 6749 §3.1.2, RFC 8252).

use std::fmt;

use url::{Host, Url};

/// A redirect URI that may be registered, kept exactly as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedirectUri(String);

/// Why a redirect URI cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    /// Not an absolute URI, or with characters that a URI cannot have.
    #[error("is not an absolute URI")]
    NotAbsolute,
    /// RFC 6749 §3.1.2.
    #[error("must not have a fragment")]
    Fragment,
    /// `javascript:`, `data:` and the like run or read things in the browser.
    #[error("has a scheme that is never allowed")]
    ForbiddenScheme,
    /// Plain http is for loopback only (RFC 8252 §8.3).
    #[error("must use https, except for loopback (localhost, 127.0.0.1, [::1])")]
    PlainHttp,
    /// No host, credentials in it, or a wildcard.
    #[error("must name one host, without user information or wildcards")]
    Host,
    /// Longer than 2048 bytes.
    #[error("is longer than 2048 bytes")]
    TooLong,
}

const FORBIDDEN_SCHEMES: [&str; 12] = [
    "javascript",
    "data",
    "file",
    "blob",
    "about",
    "vbscript",
    "view-source",
    "filesystem",
    "ftp",
    "ws",
    "wss",
    "mailto",
];

impl RedirectUri {
    /// Checks a URI that a client wants to register.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(value: impl Into<String>) -> Result<Self, InvalidRedirectUri> {
        let value = value.into();
        if value.len() > 2048 {
            return Err(InvalidRedirectUri::TooLong);
        }
        // The URL parser strips and repairs; a redirect URI is compared as text, so what it would
        // repair (white space, control characters, backslashes) is refused instead.
        if !value
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        {
            return Err(InvalidRedirectUri::NotAbsolute);
        }
        let url = Url::parse(&value).map_err(|_| InvalidRedirectUri::NotAbsolute)?;
        if url.fragment().is_some() {
            return Err(InvalidRedirectUri::Fragment);
        }
        match url.scheme() {
            "https" => require_plain_host(&url)?,
            "http" => {
                require_plain_host(&url)?;
                if !is_loopback(&url) {
                    return Err(InvalidRedirectUri::PlainHttp);
                }
            }
            scheme if FORBIDDEN_SCHEMES.contains(&scheme) => {
                return Err(InvalidRedirectUri::ForbiddenScheme);
            }
            // A private-use scheme (RFC 8252 §7.1): compared by exact text.
            _ => {}
        }
        Ok(Self(value))
    }

    /// Takes back what was checked before, from the database.
    #[must_use]
    pub fn from_trusted(value: String) -> Self {
        Self(value)
    }

    /// The URI as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request's `redirect_uri` is this registered one: the exact text, or, for loopback
    /// over http, the same but for the port (RFC 8252 §7.3).
    #[must_use]
    pub fn matches(&self, requested: &str) -> bool {
        if self.0 == requested {
            return true;
        }
        if !self.is_loopback() || Self::parse(requested).is_err() {
            return false;
        }
        // As text too: a URL parser would make `/a/../b` and `/b` one.
        match (without_port(&self.0), without_port(requested)) {
            (Some(registered), Some(requested)) => registered == requested,
            _ => false,
        }
    }

    /// Whether the answer goes to a program on the user's own machine over http.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| url.scheme() == "http" && is_loopback(&url))
    }

    /// Whether the answer goes to a program on the user's own machine, where any other program could
    /// be waiting for it (RFC 8252 §8.6): loopback, or a private-use scheme.
    #[must_use]
    pub fn is_native(&self) -> bool {
        !Url::parse(&self.0).is_ok_and(|url| url.scheme() == "https" && !is_loopback(&url))
    }

    /// What a person should look at: the host, or the scheme of a private-use URI.
    #[must_use]
    pub fn display_host(&self) -> String {
        match Url::parse(&self.0) {
            Ok(url) => match url.host_str() {
                Some(host) if matches!(url.scheme(), "http" | "https") => host.to_owned(),
                _ => format!("{}:", url.scheme()),
            },
            Err(_) => self.0.clone(),
        }
    }

    /// The URI as a URL, to add the answer's parameters to.
    #[must_use]
    pub fn to_url(&self) -> Option<Url> {
        Url::parse(&self.0).ok()
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn require_plain_host(url: &Url) -> Result<(), InvalidRedirectUri> {
    let plain = url
        .host_str()
        .is_some_and(|host| !host.is_empty() && !host.contains('*'))
        && url.username().is_empty()
        && url.password().is_none();
    if plain {
        Ok(())
    } else {
        Err(InvalidRedirectUri::Host)
    }
}

/// An `http` URI in two parts, scheme and host, and all after the port.
fn without_port(uri: &str) -> Option<(&str, &str)> {
    let authority = "http://".len();
    let rest = uri.get(authority..)?;
    let end = authority + rest.find(['/', '?']).unwrap_or(rest.len());
    let (before, after) = uri.split_at_checked(end)?;
    let host = match before.rsplit_once(':') {
        // The last colon inside the brackets of an IPv6 address begins no port.
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => before,
    };
    Some((host, after))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        // Only the literal of RFC 8252 §7.3, not all of 127.0.0.0/8.
        Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_registered() {
        for good in [
            "https://claude.ai/api/mcp/auth_callback",
            "https://a.example:8443/cb?x=1",
            "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
            "http://localhost:8787/callback",
            "http://[::1]:5000/callback",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "com.example.app:/callback",
        ] {
            assert!(RedirectUri::parse(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", InvalidRedirectUri::NotAbsolute),
            ("/callback", InvalidRedirectUri::NotAbsolute),
            ("https://a.example/a b", InvalidRedirectUri::NotAbsolute),
            (
                "https://a.example\\@b.example/",
                InvalidRedirectUri::NotAbsolute,
            ),
            ("https://a.example/\n", InvalidRedirectUri::NotAbsolute),
            ("https://a.example/ä", InvalidRedirectUri::NotAbsolute),
            ("https://a.example/#x", InvalidRedirectUri::Fragment),
            ("https://a.example/#", InvalidRedirectUri::Fragment),
            ("javascript:alert(1)", InvalidRedirectUri::ForbiddenScheme),
            ("JavaScript:alert(1)", InvalidRedirectUri::ForbiddenScheme),
            ("data:text/html,x", InvalidRedirectUri::ForbiddenScheme),
            ("file:///etc/passwd", InvalidRedirectUri::ForbiddenScheme),
            ("http://a.example/cb", InvalidRedirectUri::PlainHttp),
            ("http://127.0.0.2/cb", InvalidRedirectUri::PlainHttp),
            (
                "http://localhost.a.example/cb",
                InvalidRedirectUri::PlainHttp,
            ),
            ("https://*.a.example/cb", InvalidRedirectUri::Host),
            ("https://user@a.example/cb", InvalidRedirectUri::Host),
            ("http://user:pw@localhost/cb", InvalidRedirectUri::Host),
        ] {
            assert_eq!(RedirectUri::parse(bad), Err(why), "{bad:?}");
        }
        let long = format!("https://a.example/{}", "a".repeat(2048));
        assert_eq!(RedirectUri::parse(long), Err(InvalidRedirectUri::TooLong));
    }

    #[test]
    fn a_request_matches_by_exact_text_but_for_a_loopback_port() {
        for (registered, requested, same) in [
            // Exact, to the letter.
            ("https://a.example/cb", "https://a.example/cb", true),
            ("https://a.example/cb", "https://a.example/cb/", false),
            ("https://a.example/cb", "https://a.example/CB", false),
            ("https://a.example/cb", "https://A.example/cb", false),
            ("https://a.example/cb", "HTTPS://a.example/cb", false),
            ("https://a.example/cb", "https://a.example:443/cb", false),
            ("https://a.example/cb", "https://a.example:444/cb", false),
            ("https://a.example/cb", "https://a.example/cb?x=1", false),
            ("https://a.example/cb", "https://a.example/cb?", false),
            ("https://a.example/cb", "https://a.example/x/../cb", false),
            ("https://a.example/cb", "https://a.example/%63b", false),
            ("https://a.example/cb", "https://a.example/cb#x", false),
            ("https://a.example/cb", "https://user@a.example/cb", false),
            (
                "https://a.example/cb",
                "https://a.example.evil.example/cb",
                false,
            ),
            ("https://a.example/cb", "http://a.example/cb", false),
            ("https://a.example/cb?x=1", "https://a.example/cb?x=1", true),
            (
                "https://a.example/cb?x=1",
                "https://a.example/cb?x=2",
                false,
            ),
            ("https://a.example", "https://a.example/", false),
            // Loopback over http: any port, all else to the letter.
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", true),
            ("http://127.0.0.1:5000/cb", "http://127.0.0.1/cb", true),
            ("http://127.0.0.1:5000/cb", "http://127.0.0.1:6001/cb", true),
            ("http://localhost:5000/cb", "http://localhost:1/cb", true),
            ("http://[::1]/cb", "http://[::1]:5000/cb", true),
            ("http://[::1]:5000/cb", "http://[::1]:1/cb", true),
            ("http://127.0.0.1/", "http://127.0.0.1:33418/", true),
            ("http://127.0.0.1:1", "http://127.0.0.1:2", true),
            ("http://127.0.0.1/", "http://127.0.0.1:33418", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb/", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/CB", false),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1:5000/x/../cb",
                false,
            ),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb?x=1", false),
            (
                "http://127.0.0.1/cb?x=1",
                "http://127.0.0.1:5000/cb?x=1",
                true,
            ),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb#x", false),
            ("http://127.0.0.1/cb", "http://u@127.0.0.1:5000/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:70000/cb", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1/cb", false),
            // The three spellings of loopback are three hosts.
            ("http://127.0.0.1/cb", "http://localhost/cb", false),
            ("http://localhost/cb", "http://LOCALHOST:1/cb", false),
            ("http://[::1]/cb", "http://127.0.0.1/cb", false),
            (
                "http://localhost/cb",
                "http://localhost.evil.example/cb",
                false,
            ),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1.evil.example/cb",
                false,
            ),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1:5000@evil.example/cb",
                false,
            ),
            // https on loopback and private-use schemes: exact.
            (
                "https://localhost:5000/cb",
                "https://localhost:5001/cb",
                false,
            ),
            ("com.example.app:/cb", "com.example.app:/cb", true),
            ("com.example.app:/cb", "com.example.app:/other", false),
        ] {
            let registered = RedirectUri::parse(registered).unwrap();
            assert_eq!(
                registered.matches(requested),
                same,
                "{registered} and {requested}"
            );
        }
    }

    #[test]
    fn only_a_web_address_of_somebody_else_is_out_of_reach_of_local_programs() {
        for (uri, is_native) in [
            ("https://claude.ai/api/mcp/auth_callback", false),
            ("https://localhost.a.example/cb", false),
            ("https://localhost/cb", true),
            ("https://127.0.0.1:8443/cb", true),
            ("http://localhost:8787/cb", true),
            ("http://[::1]/cb", true),
            ("cursor://anysphere.cursor-mcp/oauth/callback", true),
            ("com.example.app:/callback", true),
        ] {
            assert_eq!(
                RedirectUri::parse(uri).unwrap().is_native(),
                is_native,
                "{uri}"
            );
        }
    }

    #[test]
    fn people_see_the_host_or_the_apps_scheme() {
        for (uri, shown) in [
            ("https://claude.ai/api/mcp/auth_callback", "claude.ai"),
            ("http://127.0.0.1:5000/cb", "127.0.0.1"),
            ("http://[::1]:5000/cb", "[::1]"),
            ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor:"),
        ] {
            assert_eq!(RedirectUri::parse(uri).unwrap().display_host(), shown);
        }
    }
}
