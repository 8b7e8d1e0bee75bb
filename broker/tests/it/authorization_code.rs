//! The authorization endpoint (RFC 6749 §4.1, RFC 9207, OIDC Core §3.1.2.6): what is answered on a
//! page, what at the client, and what a good request leads to.

use broker::domain::{Actor, AuditKind, ClientStatus, GrantType, Outcome, RedirectUri};

use crate::browser::{Browser, authorize_path, broker_and_idp, parameters, planned};
use crate::harness::{AGENT, ISSUER, REDIRECT_URI, claims, client, scope};

#[tokio::test]
async fn a_login_brings_the_client_a_code_its_state_and_our_issuer() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let answer = browser
        .log_in(&idp, &[("scope", "notes.read notes.write")])
        .await;
    assert!(answer.location().starts_with(REDIRECT_URI));
    let brought = parameters(&answer);
    assert_eq!(brought.len(), 3, "{brought:?}");
    assert_eq!(brought["state"], "the client's state");
    assert_eq!(brought["iss"], ISSUER);

    let tokens = broker.redeem(&answer.code()).await.tokens();
    let claims = claims(&tokens.access);
    assert_eq!(claims["client_id"], AGENT);
    assert_eq!(claims["scope"], "notes.read notes.write");
    let sub = broker::crypto::subject_for(idp.issuer(), "subject-of-alice");
    assert_eq!(claims["sub"], sub.as_str());
}

#[tokio::test]
async fn a_request_without_a_client_to_trust_ends_on_a_page() {
    let (broker, _idp) = planned(|plan| {
        let mut blocked = client("blocked", None, &[GrantType::AuthorizationCode]);
        blocked.status = ClientStatus::Blocked;
        plan.clients.push(blocked);
    })
    .await;
    let browser = Browser::new(&broker);
    let unreadable = (400, "This link does not work");
    let twice = [("client_id", AGENT), ("client_id", AGENT)];
    let two_uris = [
        ("redirect_uri", REDIRECT_URI),
        ("redirect_uri", "https://evil.example/"),
    ];
    let endless = "x".repeat(20_000);
    for (changes, (status, heading)) in [
        (&[("client_id", "")][..], (400, "Unknown program")),
        (&[("client_id", "nobody")], (400, "Unknown program")),
        (&[("client_id", "with a space")], (400, "Unknown program")),
        (
            &[("client_id", "blocked")],
            (403, "This program is blocked"),
        ),
        (&twice, unreadable),
        (&two_uris, unreadable),
        (&[("state", &endless)], unreadable),
    ] {
        let answer = browser.get(&authorize_path(changes)).await;
        answer.assert_page(status, heading);
        let row = broker.newest().await;
        assert_eq!(row.kind, AuditKind::AuthorizationStarted);
        assert!(matches!(row.outcome, Outcome::Refused(_)), "{row:?}");
        assert!(row.request_id.is_some());
    }
    assert!(browser.cookies().is_empty());
}

#[tokio::test]
async fn every_other_fault_goes_to_the_client() {
    let (broker, _idp) = planned(|plan| {
        plan.clients
            .push(client("refresher", None, &[GrantType::RefreshToken]));
    })
    .await;
    let browser = Browser::new(&broker);
    for (changes, error) in [
        (&[("response_type", "")][..], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (
            &[("response_type", "code id_token")],
            "unsupported_response_type",
        ),
        (&[("response_mode", "fragment")], "invalid_request"),
        (&[("response_mode", "form_post")], "invalid_request"),
        (&[("request", "eyJ")], "request_not_supported"),
        (
            &[("request_uri", "https://a.example/r")],
            "request_uri_not_supported",
        ),
        (&[("prompt", "none")], "login_required"),
        (&[("scope", "notes.read unknown")], "invalid_scope"),
        (&[("scope", "notes.read \"")], "invalid_scope"),
        (&[("scope", "notes.read\tnotes.write")], "invalid_scope"),
        (
            &[("scope", "notes.read"), ("scope", "notes.write")],
            "invalid_request",
        ),
        (
            &[("unheard-of", "a"), ("unheard-of", "b")],
            "invalid_request",
        ),
        (&[("client_id", "refresher")], "unauthorized_client"),
    ] {
        let answer = browser.get(&authorize_path(changes)).await;
        answer.assert_error_at_client(error);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let row = broker.newest().await;
        assert_eq!(row.kind, AuditKind::AuthorizationStarted);
        let Outcome::Refused(code) = row.outcome else {
            panic!("{row:?}")
        };
        assert_eq!(code.as_str(), error);
        assert!(row.client_id.is_some());
    }
    assert!(browser.cookies().is_empty());
}

#[tokio::test]
async fn the_state_comes_back_to_the_letter() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let state = "a b+c&d=e%20é\"'<>#?/\\";
    let answer = browser.log_in(&idp, &[("state", state)]).await;
    assert_eq!(parameters(&answer)["state"], state);
    let changes = [("state", state), ("response_type", "token")];
    let answer = browser.get(&authorize_path(&changes)).await;
    assert_eq!(parameters(&answer)["state"], state);
}

#[tokio::test]
async fn no_state_means_none_in_the_answer() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let answer = browser.log_in(&idp, &[("state", "")]).await;
    assert!(!parameters(&answer).contains_key("state"));
    // Two states: neither is the client's.
    let twice = [("state", "a"), ("state", "b")];
    let answer = browser.get(&authorize_path(&twice)).await;
    assert_eq!(parameters(&answer)["error"], "invalid_request");
    assert!(!parameters(&answer).contains_key("state"));
}

/// What the user is asked for when the client asks `asked`.
async fn scope_asked(registered: Option<&str>, asked: &str) -> String {
    let (broker, _idp) = planned(|plan| {
        let mut app = client("app", None, &[GrantType::AuthorizationCode]);
        app.redirect_uris = vec![RedirectUri::parse(REDIRECT_URI).unwrap()];
        app.scope = registered.map(scope);
        plan.clients.push(app);
    })
    .await;
    let browser = Browser::new(&broker);
    browser
        .begin_with(&[("client_id", "app"), ("scope", asked)])
        .await;
    broker.newest().await.scope.unwrap()
}

#[tokio::test]
async fn the_scope_is_what_is_asked_else_the_clients_default_else_the_resources() {
    for (registered, asked, expected) in [
        (None, "notes.write notes.read", "notes.read notes.write"),
        (None, "", "notes.read"),
        (Some("files.read"), "", "files.read"),
        // A default, never a ceiling: clients register with their first challenge and step up.
        (Some("notes.read"), "notes.write", "notes.write"),
        // A default that the resource does not know is none.
        (Some("elsewhere"), "", "notes.read"),
        (Some("elsewhere files.read"), "", "files.read"),
        // What clients add by themselves asks for nothing.
        (None, "openid profile email offline_access", "notes.read"),
        (None, "offline_access notes.write", "notes.write"),
    ] {
        assert_eq!(
            scope_asked(registered, asked).await,
            expected,
            "{registered:?} {asked:?}"
        );
    }
}

#[tokio::test]
async fn prompts_that_ask_for_a_page_change_nothing() {
    let (broker, _idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    for prompt in ["login", "consent", "select_account", "login consent"] {
        browser.begin_with(&[("prompt", prompt)]).await;
    }
}

#[tokio::test]
async fn each_step_leaves_its_audit_row() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    browser.log_in(&idp, &[]).await;
    let mut trail = broker.trail().await;
    trail.truncate(4);
    trail.reverse();
    let kinds: Vec<_> = trail.iter().map(|row| row.kind).collect();
    assert_eq!(
        kinds,
        [
            AuditKind::AuthorizationStarted,
            AuditKind::AuthorizationConsented,
            AuditKind::LoginSucceeded,
            AuditKind::CodeIssued,
        ]
    );
    let sub = broker::crypto::subject_for(idp.issuer(), "subject-of-alice");
    for row in &trail {
        assert_eq!(row.outcome, Outcome::Ok);
        assert_eq!(row.client_id.as_ref().unwrap().as_str(), AGENT);
        assert_eq!(row.scope.as_deref(), Some("notes.read"));
        assert!(row.request_id.is_some());
        assert_eq!(row.details["flow"], trail[0].details["flow"]);
    }
    assert_eq!(trail[0].actor, Actor::Client(AGENT.to_owned()));
    assert_eq!(trail[2].sub.as_ref(), Some(&sub));
    assert_eq!(trail[2].details["nextcloud_uid"], "alice");
    assert_eq!(trail[3].actor, Actor::User(sub.as_str().to_owned()));
}
