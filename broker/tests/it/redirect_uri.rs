//! Redirect URIs at the authorization endpoint (RFC 6749 §3.1.2, RFC 8252 §7.3, RFC 9700 §2.1).
//!
//! The table of what matches is beside the rule, in `domain/redirect_uri.rs`.

use broker::domain::{GrantType, RedirectUri};

use crate::browser::{Browser, authorize_path, planned};
use crate::harness::{Plan, client};

const DESKTOP: &str = "desktop";

/// A client with several redirect URIs, as Cursor and VS Code have.
fn with_desktop_client(plan: &mut Plan) {
    let mut desktop = client(DESKTOP, None, &[GrantType::AuthorizationCode]);
    desktop.redirect_uris = [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "http://localhost:8787/callback",
        "http://[::1]/callback",
        "https://app.example/callback?tenant=1",
    ]
    .map(|uri| RedirectUri::parse(uri).unwrap())
    .into();
    plan.clients.push(desktop);
}

#[tokio::test]
async fn the_answer_goes_to_the_uri_as_the_client_wrote_it() {
    let (broker, idp) = planned(with_desktop_client).await;
    let browser = Browser::new(&broker);
    for (requested, prefix) in [
        (
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "cursor://anysphere.cursor-mcp/oauth/callback?code=",
        ),
        (
            "http://localhost:49152/callback",
            "http://localhost:49152/callback?code=",
        ),
        (
            "http://[::1]:49152/callback",
            "http://[::1]:49152/callback?code=",
        ),
        (
            "https://app.example/callback?tenant=1",
            "https://app.example/callback?tenant=1&code=",
        ),
    ] {
        let changes = [("client_id", DESKTOP), ("redirect_uri", requested)];
        let answer = browser.log_in(&idp, &changes).await;
        assert!(
            answer.location().starts_with(prefix),
            "{}",
            answer.location()
        );
    }
}

#[tokio::test]
async fn any_other_uri_ends_on_a_page_and_never_in_a_redirect() {
    let (broker, _idp) = planned(with_desktop_client).await;
    let browser = Browser::new(&broker);
    for requested in [
        "https://evil.example/callback",
        "https://app.example/callback",
        "https://app.example/callback?tenant=1&x=2",
        "https://app.example/callback?tenant=1#x",
        "http://localhost:8787/callback/",
        "http://127.0.0.1:8787/callback",
        "https://localhost:8787/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback/",
        "javascript:alert(1)",
        "not a uri",
        "//evil.example",
    ] {
        let changes = [("client_id", DESKTOP), ("redirect_uri", requested)];
        let answer = browser.get(&authorize_path(&changes)).await;
        answer.assert_page(400, "The way back does not match");
    }
    let refused = broker.newest().await;
    assert_eq!(refused.client_id.unwrap().as_str(), DESKTOP);
}

#[tokio::test]
async fn it_may_be_left_out_only_when_there_is_one() {
    let (broker, _idp) = planned(with_desktop_client).await;
    let browser = Browser::new(&broker);
    browser.begin_with(&[("redirect_uri", "")]).await;
    let several = [("client_id", DESKTOP), ("redirect_uri", "")];
    let answer = browser.get(&authorize_path(&several)).await;
    answer.assert_page(400, "The way back does not match");
}

#[tokio::test]
async fn a_client_without_any_cannot_log_in() {
    let (broker, _idp) = planned(|plan| {
        let mut gateway = client("no-login", None, &[]);
        gateway.redirect_uris.clear();
        plan.clients.push(gateway);
    })
    .await;
    let browser = Browser::new(&broker);
    for redirect_uri in ["", "https://app.example/callback"] {
        let changes = [("client_id", "no-login"), ("redirect_uri", redirect_uri)];
        let answer = browser.get(&authorize_path(&changes)).await;
        answer.assert_page(400, "The way back does not match");
    }
}

#[tokio::test]
async fn errors_keep_the_uris_own_query() {
    let (broker, _idp) = planned(with_desktop_client).await;
    let browser = Browser::new(&broker);
    let changes = [
        ("client_id", DESKTOP),
        ("redirect_uri", "https://app.example/callback?tenant=1"),
        ("response_type", "token"),
    ];
    let answer = browser.get(&authorize_path(&changes)).await;
    let location = answer.location();
    assert!(
        location
            .starts_with("https://app.example/callback?tenant=1&error=unsupported_response_type&"),
        "{location}"
    );
}
