//! A cookie jar (RFC 6265bis): host-only or domain, path, `Secure`, the `__Host-` prefix, deletion.
//!
//! As in real browsers the port does not separate cookies: everything on 127.0.0.1 sees them all.
//! Stricter than some browsers, `Secure` is not granted to plain http on the loopback interface.

use url::Url;

/// The cookies of one browser.
#[derive(Clone, Debug, Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
}

/// One stored cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// The name, prefix included.
    pub name: String,
    /// The value.
    pub value: String,
    /// The host or, with a `Domain` attribute, the domain it is for.
    pub domain: String,
    /// Whether subdomains get it too.
    pub subdomains: bool,
    /// The path below which it is sent.
    pub path: String,
    /// Whether it is sent over https only.
    pub secure: bool,
    /// Whether scripts could not read it.
    pub http_only: bool,
    /// The `SameSite` attribute, if any.
    pub same_site: Option<String>,
}

impl Jar {
    /// All cookies.
    #[must_use]
    pub fn all(&self) -> &[Cookie] {
        &self.cookies
    }

    /// Forgets the cookies whose names start like this.
    pub fn forget(&mut self, prefix: &str) {
        self.cookies
            .retain(|cookie| !cookie.name.starts_with(prefix));
    }

    /// The `Cookie` header for a request, longest path first (RFC 6265 §5.4).
    #[must_use]
    pub fn header_for(&self, url: &Url) -> Option<String> {
        let mut fitting: Vec<_> = self
            .cookies
            .iter()
            .filter(|cookie| cookie.fits(url))
            .collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<_> = fitting
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Stores, replaces or deletes a cookie as a `Set-Cookie` header from `url` says.
    ///
    /// What a browser would ignore is ignored: a foreign domain, `Secure` from plain http, a
    /// `__Host-` cookie that is not secure, host-only and for `/`.
    pub fn set(&mut self, url: &Url, header: &str) {
        let Some((cookie, expired)) = parse(url, header) else {
            return;
        };
        self.cookies.retain(|old| {
            (&old.name, &old.domain, &old.path) != (&cookie.name, &cookie.domain, &cookie.path)
        });
        if !expired {
            self.cookies.push(cookie);
        }
    }
}

impl Cookie {
    fn fits(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let below = host
            .strip_suffix(&self.domain)
            .is_some_and(|rest| rest.ends_with('.'));
        (host == self.domain || (self.subdomains && below))
            && path_matches(&self.path, url.path())
            && (!self.secure || url.scheme() == "https")
    }
}

fn parse(url: &Url, header: &str) -> Option<(Cookie, bool)> {
    let host = url.host_str()?;
    let mut parts = header.split(';').map(str::trim);
    let (name, value) = parts.next()?.split_once('=')?;
    let mut cookie = Cookie {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        domain: host.to_owned(),
        subdomains: false,
        path: default_path(url.path()).to_owned(),
        secure: false,
        http_only: false,
        same_site: None,
    };
    let mut expired = false;
    for part in parts {
        let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
        match attribute.to_ascii_lowercase().as_str() {
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "domain" => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                let ours = host == domain || host.ends_with(&format!(".{domain}"));
                if !ours || domain.is_empty() {
                    return None;
                }
                cookie.domain = domain;
                cookie.subdomains = true;
            }
            "secure" => cookie.secure = true,
            "httponly" => cookie.http_only = true,
            "samesite" => cookie.same_site = Some(value.to_owned()),
            "max-age" => expired = value.parse::<i64>().is_ok_and(|seconds| seconds <= 0),
            // The only date that servers send to delete a cookie.
            "expires" if value.contains("1970") => expired = true,
            _ => {}
        }
    }
    if cookie.secure && url.scheme() != "https" {
        return None;
    }
    if name.starts_with("__Secure-") && !cookie.secure {
        return None;
    }
    let locked = cookie.secure && !cookie.subdomains && cookie.path == "/";
    if name.starts_with("__Host-") && !locked {
        return None;
    }
    Some((cookie, expired))
}

/// RFC 6265 §5.1.4: the directory of the request path.
fn default_path(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((directory, _)) => directory,
    }
}

fn path_matches(cookie: &str, request: &str) -> bool {
    request
        .strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || cookie.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(set_at: &str, header: &str, asked: &str) -> Option<String> {
        let mut jar = Jar::default();
        jar.set(&Url::parse(set_at).unwrap(), header);
        jar.header_for(&Url::parse(asked).unwrap())
    }

    #[test]
    fn a_cookie_goes_back_to_its_host_whatever_the_port() {
        let cookie = Some("a=1".to_owned());
        assert_eq!(
            sent(
                "http://127.0.0.1:1/x",
                "a=1; Path=/",
                "http://127.0.0.1:2/y"
            ),
            cookie
        );
        assert_eq!(
            sent(
                "http://127.0.0.1:1/x",
                "a=1; Path=/",
                "http://localhost:1/x"
            ),
            None
        );
    }

    #[test]
    fn a_path_is_matched_by_segments() {
        let cookie = Some("a=1".to_owned());
        assert_eq!(
            sent("http://h/oauth/x", "a=1; Path=/oauth", "http://h/oauth/y"),
            cookie
        );
        assert_eq!(
            sent("http://h/oauth/x", "a=1; Path=/oauth", "http://h/oauthy"),
            None
        );
        assert_eq!(sent("http://h/oauth/x", "a=1", "http://h/oauth/z"), cookie);
        assert_eq!(sent("http://h/oauth/x", "a=1", "http://h/account"), None);
    }

    #[test]
    fn a_host_prefixed_cookie_must_be_secure_host_only_and_for_the_root() {
        let good = "__Host-a=1; Secure; Path=/";
        assert!(sent("https://h/", good, "https://h/").is_some());
        assert!(sent("http://h/", good, "https://h/").is_none());
        assert!(sent("https://h/", "__Host-a=1; Path=/", "https://h/").is_none());
        assert!(sent("https://h/", "__Host-a=1; Secure; Path=/x", "https://h/x").is_none());
        assert!(
            sent(
                "https://h/",
                "__Host-a=1; Secure; Path=/; Domain=h",
                "https://h/"
            )
            .is_none()
        );
    }

    #[test]
    fn a_secure_cookie_is_not_sent_over_plain_http() {
        assert!(sent("https://h/", "a=1; Secure", "http://h/").is_none());
    }

    #[test]
    fn a_foreign_domain_is_refused_and_an_own_one_reaches_subdomains() {
        assert!(
            sent(
                "https://a.example/",
                "a=1; Domain=b.example",
                "https://b.example/"
            )
            .is_none()
        );
        assert!(
            sent(
                "https://a.example/",
                "a=1; Domain=example",
                "https://b.example/"
            )
            .is_some()
        );
        assert!(sent("https://a.example/", "a=1", "https://x.a.example/").is_none());
    }

    #[test]
    fn max_age_zero_deletes() {
        let url = Url::parse("http://h/").unwrap();
        let mut jar = Jar::default();
        jar.set(&url, "a=1");
        jar.set(&url, "a=; Max-Age=0");
        assert!(jar.all().is_empty());
    }
}
