//! The cookie that ties a flow to its browser, one for each flow, and the one that outlives them all:
//! by it the browser's user is known at the next login.
//!
//! Each flow has its own name, so that flows in several tabs do not overwrite each other. With
//! https the prefix `__Host-` makes the browser vouch that no other host and no plain-http page has
//! set it (RFC 6265bis §4.1.3.2); on loopback http, where browsers refuse that prefix, the name is
//! plain. `SameSite=Lax`, because the way back from the IdP is a cross-site navigation.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};

/// What follows the prefix in the name of the browser's own cookie. No flow is called so: their
/// cookies have a dash there.
const BROWSER: &str = "mtb_browser";

/// The same for the cookie of the account pages.
const ACCOUNT: &str = "mtb_account";

/// Makes and reads the browser's cookies.
#[derive(Debug, Clone)]
pub(super) struct Cookies {
    is_secure: bool,
    flow_lifetime: Duration,
    browser_lifetime: Duration,
}

impl Cookies {
    /// Cookies for a broker reached by this issuer: how long a login may take, and how long its
    /// user is known afterwards.
    pub(super) fn new(issuer: &str, flow_lifetime: Duration, browser_lifetime: Duration) -> Self {
        Self {
            is_secure: issuer.starts_with("https://"),
            flow_lifetime,
            browser_lifetime,
        }
    }

    /// The `Set-Cookie` of a new flow.
    pub(super) fn set(&self, flow: &str, secret: &str) -> Option<HeaderValue> {
        self.header(&self.of_flow(flow)?, secret, self.flow_lifetime)
    }

    /// The `Set-Cookie` that removes it.
    pub(super) fn clear(&self, flow: &str) -> Option<HeaderValue> {
        self.header(&self.of_flow(flow)?, "", Duration::ZERO)
    }

    /// The flow's cookie, if the browser has it.
    pub(super) fn read<'a>(&self, headers: &'a HeaderMap, flow: &str) -> Option<&'a str> {
        find(headers, &self.of_flow(flow)?)
    }

    /// The `Set-Cookie` by which the browser's user is known next time.
    pub(super) fn set_browser(&self, handle: &str) -> Option<HeaderValue> {
        self.header(&self.prefixed(BROWSER), handle, self.browser_lifetime)
    }

    /// The cookie that [`Cookies::set_browser`] left.
    pub(super) fn read_browser<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        find(headers, &self.prefixed(BROWSER))
    }

    /// The `Set-Cookie` of a browser that is signed in to the account pages.
    pub(super) fn set_account(&self, handle: &str) -> Option<HeaderValue> {
        self.header(&self.prefixed(ACCOUNT), handle, self.browser_lifetime)
    }

    /// The `Set-Cookie` that removes it.
    pub(super) fn clear_account(&self) -> Option<HeaderValue> {
        self.header(&self.prefixed(ACCOUNT), "", Duration::ZERO)
    }

    /// The cookie that [`Cookies::set_account`] left.
    pub(super) fn read_account<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        find(headers, &self.prefixed(ACCOUNT))
    }

    /// The `Set-Cookie` of a sign-in to the account pages.
    pub(super) fn set_sign_in(&self, sign_in: &str, secret: &str) -> Option<HeaderValue> {
        self.header(&self.of_sign_in(sign_in)?, secret, self.flow_lifetime)
    }

    /// The `Set-Cookie` that removes it.
    pub(super) fn clear_sign_in(&self, sign_in: &str) -> Option<HeaderValue> {
        self.header(&self.of_sign_in(sign_in)?, "", Duration::ZERO)
    }

    /// The sign-in's cookie, if the browser has it.
    pub(super) fn read_sign_in<'a>(
        &self,
        headers: &'a HeaderMap,
        sign_in: &str,
    ) -> Option<&'a str> {
        find(headers, &self.of_sign_in(sign_in)?)
    }

    /// The name of a sign-in's cookie. The sign-in may come from a query.
    fn of_sign_in(&self, sign_in: &str) -> Option<String> {
        sign_in
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric())
            .then(|| self.prefixed(&format!("mtb_signin_{sign_in}")))
    }

    /// The name of a flow's cookie. The flow may come from a query; only letters and digits belong
    /// into a cookie's name.
    fn of_flow(&self, flow: &str) -> Option<String> {
        flow.bytes()
            .all(|byte| byte.is_ascii_alphanumeric())
            .then(|| self.prefixed(&format!("mtb-{flow}")))
    }

    fn prefixed(&self, name: &str) -> String {
        let prefix = if self.is_secure { "__Host-" } else { "" };
        format!("{prefix}{name}")
    }

    fn header(&self, name: &str, value: &str, lifetime: Duration) -> Option<HeaderValue> {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let max_age = lifetime.as_secs();
        let mut header = HeaderValue::from_str(&format!(
            "{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age}{secure}"
        ))
        .ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

/// The value of the cookie called `name`.
fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(issuer: &str) -> Cookies {
        Cookies::new(issuer, Duration::from_mins(10), Duration::from_hours(24))
    }

    #[test]
    fn with_https_the_browser_vouches_for_it() {
        assert_eq!(
            cookies("https://broker.example")
                .set("abc", "secret")
                .unwrap(),
            "__Host-mtb-abc=secret; Path=/; HttpOnly; SameSite=Lax; Max-Age=600; Secure"
        );
        assert_eq!(
            cookies("http://127.0.0.1:4280")
                .set("abc", "secret")
                .unwrap(),
            "mtb-abc=secret; Path=/; HttpOnly; SameSite=Lax; Max-Age=600"
        );
    }

    #[test]
    fn the_browser_keeps_its_own_for_longer() {
        let secure = cookies("https://broker.example");
        assert_eq!(
            secure.set_browser("handle").unwrap(),
            "__Host-mtb_browser=handle; Path=/; HttpOnly; SameSite=Lax; Max-Age=86400; Secure"
        );
        let mut headers = HeaderMap::new();
        headers.insert(
            header::COOKIE,
            HeaderValue::from_static("mtb_browser=x; __Host-mtb-browser=y; __Host-mtb_browser=z"),
        );
        assert_eq!(secure.read_browser(&headers), Some("z"));
        assert_eq!(
            cookies("http://127.0.0.1:4280").read_browser(&headers),
            Some("x")
        );
    }

    #[test]
    fn a_flow_that_is_no_id_sets_nothing() {
        assert!(
            cookies("https://broker.example")
                .clear("a; Domain=x")
                .is_none()
        );
    }

    #[test]
    fn the_right_one_is_read_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; mtb-one=x"));
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("__Host-mtb-two=y;mtb-two=z"),
        );
        let plain = cookies("http://127.0.0.1:4280");
        assert_eq!(plain.read(&headers, "one"), Some("x"));
        assert_eq!(plain.read(&headers, "two"), Some("z"));
        assert_eq!(plain.read(&headers, "three"), None);
        let secure = cookies("https://broker.example");
        assert_eq!(secure.read(&headers, "two"), Some("y"));
        assert_eq!(secure.read(&headers, "one"), None);
    }
}
