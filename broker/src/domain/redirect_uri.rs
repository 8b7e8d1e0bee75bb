//! Redirect URIs: which may be registered, and when two are the same (RFC 6749 §3.1.2, RFC 8252).

use std::fmt;

use url::{Host, Url};

/// A redirect URI that may be registered, kept exactly as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedirectUri(String);

/// Why a redirect URI cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    /// Not an absolute URI, or with characters that a URI cannot have, plain or escaped.
    #[error("is not an absolute URI")]
    NotAbsolute,
    /// A browser would read it as another address than it looks like.
    #[error("is not in its normal form: scheme and host in lower case, no dot segments")]
    NotNormal,
    /// RFC 6749 §3.1.2.
    #[error("must not have a fragment")]
    Fragment,
    /// `javascript:`, `data:` and the like run or read things in the browser.
    #[error("has a scheme that is never allowed")]
    ForbiddenScheme,
    /// Plain http is for loopback only (RFC 8252 §8.3).
    #[error("must use https, except for loopback (localhost, 127.0.0.1, [::1])")]
    PlainHttp,
    /// A private-use scheme in a form that no app uses.
    #[error(
        "has a private-use scheme, which must look like com.example.app:/path or app://host/path"
    )]
    PrivateUse,
    /// No host, credentials in it, or a wildcard.
    #[error("must name one host, without user information or wildcards")]
    Host,
    /// RFC 6749 §3.1: no parameter of the answer may come twice.
    #[error("must not have a parameter of the answer in its query")]
    ReservedParameter,
    /// Longer than 2048 bytes.
    #[error("is longer than 2048 bytes")]
    TooLong,
}

/// Schemes that browsers or operating systems handle themselves.
const FORBIDDEN_SCHEMES: [&str; 28] = [
    "about",
    "blob",
    "chrome",
    "content",
    "data",
    "feed",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "jar",
    "javascript",
    "ldap",
    "livescript",
    "mailto",
    "mhtml",
    "ms-msdt",
    "res",
    "resource",
    "search-ms",
    "sftp",
    "smb",
    "ssh",
    "telnet",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

/// The parameters of our answers (RFC 6749 §4.1.2, RFC 9207 §2).
const ANSWERS: [&str; 6] = [
    "code",
    "state",
    "iss",
    "error",
    "error_description",
    "error_uri",
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
            || !has_good_escapes(&value)
        {
            return Err(InvalidRedirectUri::NotAbsolute);
        }
        let url = Url::parse(&value).map_err(|_| InvalidRedirectUri::NotAbsolute)?;
        if url.fragment().is_some() {
            return Err(InvalidRedirectUri::Fragment);
        }
        let scheme = url.scheme();
        if FORBIDDEN_SCHEMES.contains(&scheme) {
            return Err(InvalidRedirectUri::ForbiddenScheme);
        }
        let is_web = matches!(scheme, "http" | "https");
        if !is_web && !is_private_use(&url) {
            return Err(InvalidRedirectUri::PrivateUse);
        }
        if has_strange_host(&url) || value.contains('*') {
            return Err(InvalidRedirectUri::Host);
        }
        if !is_normal(&value, &url) {
            return Err(InvalidRedirectUri::NotNormal);
        }
        if scheme == "http" && !is_loopback(&url) {
            return Err(InvalidRedirectUri::PlainHttp);
        }
        if url
            .query_pairs()
            .any(|(name, _)| ANSWERS.contains(&name.as_ref()))
        {
            return Err(InvalidRedirectUri::ReservedParameter);
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

/// Whether every `%` begins the escape of something that is no control character.
fn has_good_escapes(value: &str) -> bool {
    value.split('%').skip(1).all(|rest| {
        let escape = rest.get(..2).unwrap_or_default();
        let is_hex = escape.len() == 2 && escape.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = u8::from_str_radix(escape, 16).unwrap_or_default();
        is_hex && !byte.is_ascii_control()
    })
}

/// Whether an app could have this one: a reverse domain name as scheme (RFC 8252 §7.1), or a scheme of
/// its own with a host part, as many apps have. `urn:` and other schemes without a path are none.
fn is_private_use(url: &Url) -> bool {
    !url.cannot_be_a_base()
        && (url.scheme().contains('.') || url.host_str().is_some_and(|host| !host.is_empty()))
}

/// User information, or a host that looks like another one.
fn has_strange_host(url: &Url) -> bool {
    !url.username().is_empty()
        || url.password().is_some()
        || url.host_str().is_some_and(|host| host.ends_with('.'))
}

/// Whether scheme, host and path stand in the text as the URL parser understands them. What it would
/// repair, browsers repair too, each in its way: `https:a.example/cb` leads to our own host.
fn is_normal(value: &str, url: &Url) -> bool {
    let Some(rest) = value
        .strip_prefix(url.scheme())
        .and_then(|rest| rest.strip_prefix(':'))
    else {
        return false;
    };
    let (host, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
            (host_of(authority), path)
        }
        None => ("", rest),
    };
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    host == url.host_str().unwrap_or_default() && (path == url.path() || path.is_empty())
}

/// An authority without its port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // The last colon inside the brackets of an IPv6 address begins no port.
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// An `http` URI in two parts, scheme and host, and all after the port.
fn without_port(uri: &str) -> Option<(&str, &str)> {
    let authority = "http://".len();
    let rest = uri.get(authority..)?;
    let end = authority + rest.find(['/', '?']).unwrap_or(rest.len());
    let (before, after) = uri.split_at_checked(end)?;
    Some((host_of(before), after))
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
mod tests;
