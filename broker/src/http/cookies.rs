//! The cookie that ties a flow to its browser, one for each flow.
//!
//! Each flow has its own name, so that flows in several tabs do not overwrite each other. With
//! https the prefix `__Host-` makes the browser vouch that no other host and no plain-http page has
//! set it (RFC 6265bis §4.1.3.2); on loopback http, where browsers refuse that prefix, the name is
//! plain. `SameSite=Lax`, because the way back from the IdP is a cross-site navigation.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};

/// Makes and reads flow cookies.
#[derive(Debug, Clone)]
pub(super) struct FlowCookies {
    is_secure: bool,
    lifetime: Duration,
}

impl FlowCookies {
    /// Cookies for a broker reached by this issuer; `lifetime` is how long a login may take.
    pub(super) fn new(issuer: &str, lifetime: Duration) -> Self {
        Self {
            is_secure: issuer.starts_with("https://"),
            lifetime,
        }
    }

    /// The `Set-Cookie` of a new flow.
    pub(super) fn set(&self, flow: &str, secret: &str) -> Option<HeaderValue> {
        self.header(flow, secret, self.lifetime.as_secs())
    }

    /// The `Set-Cookie` that removes it.
    pub(super) fn clear(&self, flow: &str) -> Option<HeaderValue> {
        self.header(flow, "", 0)
    }

    /// The flow's cookie, if the browser has it.
    pub(super) fn read<'a>(&self, headers: &'a HeaderMap, flow: &str) -> Option<&'a str> {
        let name = self.name(flow);
        headers
            .get_all(header::COOKIE)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(found, value)| (found == name).then_some(value))
    }

    fn name(&self, flow: &str) -> String {
        let prefix = if self.is_secure { "__Host-" } else { "" };
        format!("{prefix}mtb-{flow}")
    }

    fn header(&self, flow: &str, value: &str, max_age: u64) -> Option<HeaderValue> {
        let secure = if self.is_secure { "; Secure" } else { "" };
        // The flow may come from a query; only letters and digits belong into a cookie's name.
        if !flow.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let mut header = HeaderValue::from_str(&format!(
            "{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age}{secure}",
            self.name(flow)
        ))
        .ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(issuer: &str) -> FlowCookies {
        FlowCookies::new(issuer, Duration::from_mins(10))
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
