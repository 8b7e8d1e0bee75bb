//! Routes that turn a token of one minute into an account for good, and are never asked.
//!
//! Nextcloud ignores the scope of a bearer token: whoever holds one may make an app password,
//! change the password or drive a login. No tool needs these routes; the client refuses them
//! itself, after normalising, so that a mistake in a tool cannot reach them.

use percent_encoding::percent_decode_str;

/// How often a path is decoded: a proxy and PHP may each decode once more than we think.
const DECODINGS: usize = 4;

/// First segments below `/ocs/v{1,2}.php` that are refused, each a prefix.
const OCS: &[&[&str]] = &[
    &["core", "getapppassword"],
    &["core", "apppassword"],
    &["core", "login"],
    // Accounts, groups and apps of others, and one's own password; `cloud/user` stays.
    &["cloud", "users"],
    &["cloud", "groups"],
    &["cloud", "apps"],
    &["apps", "provisioning_api"],
    &["apps", "user_oidc"],
    &["apps", "webhook_listeners"],
    &["apps", "serverinfo"],
    &["apps", "app_api"],
];

/// First segments below the base or `/index.php` that are refused, each a prefix.
const ROUTES: &[&[&str]] = &[
    &["settings"],
    &["login"],
    &["logout"],
    &["lostpassword"],
    &["core", "apppassword"],
    &["core", "wipe"],
    &["apps", "settings"],
    &["apps", "oauth2"],
    &["apps", "oidc"],
    &["apps", "user_oidc"],
    &["apps", "twofactor_totp"],
    &["apps", "twofactor_backupcodes"],
    &["apps", "app_api"],
    &["apps", "updatenotification"],
];

/// Whether `path`, below Nextcloud's base and encoded, leads to a refused route.
pub(super) fn is_denied(path: &str) -> bool {
    let mut text = path.to_owned();
    // Every reading counts: `%252e` is one thing before and another after the second decoding.
    for _ in 0..DECODINGS {
        if reading_is_denied(&text) {
            return true;
        }
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return false;
        }
        text = decoded;
    }
    // Still changing: nobody encodes a name five times in good faith.
    true
}

fn reading_is_denied(path: &str) -> bool {
    let path = path
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_lowercase();
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split(['/', '\\']) {
        // `/settings;x` and `/settings ` are `/settings` to some servers.
        let segment = segment
            .split(';')
            .next()
            .unwrap_or_default()
            .trim_matches(|c: char| c.is_whitespace() || c.is_control());
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let segments = match segments.as_slice() {
        ["index.php", rest @ ..] => rest,
        all => all,
    };
    match segments {
        ["ocs", version, rest @ ..] if version.starts_with('v') => starts_with_any(rest, OCS),
        _ => starts_with_any(segments, ROUTES),
    }
}

/// Whether the segments start with one of the prefixes; the last segment of a prefix may go on,
/// as in `getapppassword-onetime`.
fn starts_with_any(segments: &[&str], prefixes: &[&[&str]]) -> bool {
    prefixes.iter().any(|prefix| {
        let Some((last, init)) = prefix.split_last() else {
            return false;
        };
        segments.len() >= prefix.len()
            && init.iter().zip(segments).all(|(a, b)| a == b)
            && segments.get(init.len()).is_some_and(|segment| {
                segment.strip_prefix(last).is_some_and(|rest| {
                    !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
                })
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_taking_routes_are_refused_however_they_are_written() {
        for path in [
            "/ocs/v2.php/core/getapppassword",
            "/ocs/v1.php/core/getapppassword-onetime",
            "/ocs/v2.php/core/apppassword/rotate",
            "/ocs/v2.php/cloud/users/alice",
            "/ocs/v2.php/cloud/users?search=a",
            "/ocs/v2.php/apps/webhook_listeners/api/v1/webhooks",
            "/index.php/settings/personal/authtokens",
            "/settings/user",
            "/index.php/login/v2",
            "/login/flow",
            "/index.php/apps/oauth2/authorize",
            "/apps/oidc/authorize",
            "/index.php/apps/oidc/authorize",
            // Other spellings of the same.
            "/OCS/V2.PHP/Core/GetAppPassword",
            "//ocs//v2.php//core//getapppassword",
            "/ocs/v2.php/./core/x/../getapppassword",
            "/ocs/v2.php/cloud/user/../users/alice",
            "/index.php/index.php/../settings/user",
            "/remote.php/dav/files/alice/..%2F..%2F..%2F..%2Fsettings/user",
            "/%73ettings/user",
            "/%2573ettings/user",
            "/remote.php/dav/%2e%2e/%2e%2e/login/v2",
            "/remote.php/dav/%252e%252e/%252e%252e/login/v2",
            "/settings;jsessionid=1/user",
            "/settings%20/user",
            "/apps\\..\\settings\\user",
            "/ocs/v2.php/core/getapppassword%00",
        ] {
            assert!(is_denied(path), "{path}");
        }
    }

    #[test]
    fn routes_of_the_tools_pass() {
        for path in [
            "/ocs/v2.php/cloud/user",
            "/ocs/v2.php/cloud/capabilities",
            "/ocs/v2.php/apps/files_sharing/api/v1/shares",
            "/index.php/apps/notes/api/v1/settings",
            "/index.php/apps/notes/api/v1/notes/7",
            "/remote.php/dav/files/alice/settings/login",
            "/remote.php/dav/files/alice/100%25.txt",
            "/remote.php/dav/",
            "/status.php",
        ] {
            assert!(!is_denied(path), "{path}");
        }
    }
}
