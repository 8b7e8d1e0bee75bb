//! What may be registered, what matches, what people see. The attacks are in the specification tests
//! (`redirect_attacks.rs`), where they go through every door.

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
