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
        let (Ok(registered), Ok(parsed)) = (Url::parse(&self.0), Self::parse(requested)) else {
            return false;
        };
        let Ok(mut requested) = Url::parse(&parsed.0) else {
            return false;
        };
        if registered.scheme() != "http" || !is_loopback(&registered) {
            return false;
        }
        requested.set_port(registered.port()).is_ok() && requested == registered
    }

    /// Whether the answer goes to a program on the user's own machine over http.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| url.scheme() == "http" && is_loopback(&url))
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

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        // Only the literal of RFC 8252 §7.3, not all of 127.0.0.0/8.
        Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
        None => false,
    }
}
