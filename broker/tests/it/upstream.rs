//! The login at the identity provider (OIDC Core §3.1, RFC 9207): what we ask, what we believe of the
//! answers, and what happens when it is not well.

use std::collections::BTreeMap;
use std::time::Duration;

use broker::domain::{AuditKind, Outcome};
use broker::metrics::{EventCounts, Metrics};
use broker::upstream;
use broker_client::http::{ClientAuthentication, HttpClient, Options};
use http::StatusCode;
use serde_json::{Value, json};
use url::Url;

use crate::browser::{Browser, broker_and_idp, planned};
use crate::harness::{Broker, ISSUER, NOW, RESOURCE};
use crate::idp::{Idp, Signing};

const FINISHED: &str = "This login is already finished";

// At the identity provider.

#[tokio::test]
async fn the_login_request_is_ours_and_made_after_consent() {
    let (broker, idp) = planned(|plan| {
        plan.upstream.send_resource = true;
        plan.upstream.audience = Some("api".to_owned());
        plan.upstream.authorize_parameters = vec![("prompt".to_owned(), "login".to_owned())];
    })
    .await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let answer = browser.press(&flow, "allow").await;
    let url = Url::parse(answer.location()).unwrap();
    let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["redirect_uri"], format!("{ISSUER}/oauth/callback"));
    assert_eq!(query["scope"], "openid profile");
    assert_eq!(query["resource"], RESOURCE);
    assert_eq!(query["audience"], "api");
    assert_eq!(query["prompt"], "login");
    assert!(query["state"].starts_with(&format!("{flow}.")));
    assert!(
        !answer.location().contains("the%20client"),
        "the client's state went upstream"
    );
    browser.get(&idp.log_in(answer.location())).await.location();
}

#[tokio::test]
async fn protocol_parameters_cannot_be_configured() {
    let refused = |parameter: &str| {
        let config = upstream::Config {
            kind: upstream::Kind::Oidc,
            issuer: "https://id.example".to_owned(),
            authentication: ClientAuthentication::None {
                client_id: "broker".to_owned(),
            },
            scopes: "openid".parse().unwrap(),
            public_url: None,
            back_channel_url: None,
            send_resource: false,
            audience: None,
            authorize_parameters: vec![(parameter.to_owned(), "x".to_owned())],
            uid_claim: "sub".to_owned(),
        };
        let http = HttpClient::new(&Options::default()).unwrap();
        let ambient = broker::ambient::Ambient::system();
        let callback = format!("{ISSUER}/oauth/callback");
        let metrics = Metrics::new(&EventCounts::default());
        upstream::Upstream::new(config, callback, http, ambient, metrics).is_err()
    };
    assert!(!refused("prompt"));
    for parameter in [
        "state",
        "nonce",
        "redirect_uri",
        "code_challenge",
        "client_id",
    ] {
        assert!(refused(parameter), "{parameter}");
    }
}

#[tokio::test]
async fn the_broker_authenticates_as_it_is_told() {
    let id = || "broker".to_owned();
    let secret = || "upstream-secret".into();
    for (authentication, header, field) in [
        (
            ClientAuthentication::Basic {
                client_id: id(),
                client_secret: secret(),
            },
            true,
            false,
        ),
        (
            ClientAuthentication::Post {
                client_id: id(),
                client_secret: secret(),
            },
            false,
            true,
        ),
        (ClientAuthentication::None { client_id: id() }, false, false),
    ] {
        let (broker, idp) = planned(|plan| plan.upstream.authentication = authentication).await;
        let browser = Browser::new(&broker);
        browser.log_in(&idp, &[]).await.code();
        let request = &idp.token_requests()[0];
        assert_eq!(request.contains_key("authorization"), header);
        assert_eq!(request.contains_key("client_secret"), field);
    }
}

#[tokio::test]
async fn an_answer_from_another_issuer_is_not_believed_and_ends_nothing() {
    let (broker, idp) = broker_and_idp().await;
    idp.faults().announces_iss = true;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let allowed = browser.press(&flow, "allow").await;
    let callback = idp.log_in(allowed.location());
    let (without, _) = callback.split_once("&iss=").unwrap();
    for mixed_up in [
        format!("{without}&iss=https%3A%2F%2Fevil.example"),
        // Announced, so it must be there (RFC 9207 §2.4).
        without.to_owned(),
        format!("{callback}&iss=https%3A%2F%2Fevil.example"),
    ] {
        let page = browser.get(&mixed_up).await;
        page.assert_page(400, "This answer does not fit");
    }
    assert!(idp.token_requests().is_empty());
    browser.get(&callback).await.code();
}

#[tokio::test]
async fn iss_is_checked_where_it_is_not_announced_too() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let allowed = browser.press(&flow, "allow").await;
    let callback = idp.log_in(allowed.location());
    let page = browser
        .get(&format!("{callback}&iss=https%3A%2F%2Fevil.example"))
        .await;
    page.assert_page(400, "This answer does not fit");
}

#[tokio::test]
async fn a_state_that_we_did_not_make_is_refused() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let (flow, other) = (browser.begin().await, browser.begin().await);
    let allowed = browser.press(&flow, "allow").await;
    let callback = idp.log_in(allowed.location());
    let (_, tag) = callback.split_once(&format!("state={flow}.")).unwrap();
    for forged in [
        format!("/oauth/callback?code=c&state={flow}.{}", "A".repeat(43)),
        // The tag of another flow of the same browser.
        format!("/oauth/callback?code=c&state={other}.{tag}"),
        format!("/oauth/callback?code=c&state={flow}"),
        "/oauth/callback?code=c".to_owned(),
        "/oauth/callback".to_owned(),
        format!("{callback}&code=second"),
    ] {
        let page = browser.get(&forged).await;
        page.assert_page(400, "This answer does not fit");
    }
    assert!(idp.token_requests().is_empty());
    browser.get(&callback).await.code();
}

#[tokio::test]
async fn no_login_counts_before_consent() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let secret = browser.cookies().into_values().next().unwrap();
    let tag = broker::crypto::derive(&secret, "state", &flow);
    let page = browser
        .get(&format!("/oauth/callback?code=c&state={flow}.{tag}"))
        .await;
    page.assert_page(400, "This answer does not fit");
    assert!(idp.token_requests().is_empty());
}

#[tokio::test]
async fn a_login_that_the_provider_ends_is_told_to_the_client() {
    for (upstream, at_client) in [
        ("access_denied", "access_denied"),
        ("interaction_required", "access_denied"),
        ("temporarily_unavailable", "temporarily_unavailable"),
        ("server_error", "server_error"),
        ("invalid_scope", "server_error"),
        ("<script>", "server_error"),
    ] {
        let (broker, idp) = broker_and_idp().await;
        let browser = Browser::new(&broker);
        let flow = browser.begin().await;
        let allowed = browser.press(&flow, "allow").await;
        let callback = idp.refuse(allowed.location(), upstream);
        let answer = browser.get(&callback).await;
        answer.assert_error_at_client(at_client);
        let row = broker.newest().await;
        assert_eq!(row.kind, AuditKind::LoginFailed);
        assert!(matches!(row.outcome, Outcome::Refused(code) if code.as_str() == at_client));
        browser.get(&callback).await.assert_page(200, FINISHED);
    }
}

#[tokio::test]
async fn an_id_token_that_is_not_for_this_login_gives_no_code() {
    type Spoil = fn(&mut Value);
    let spoiled: [(Spoil, Signing, &str); 16] = [
        (
            |claims| claims["nonce"] = "another".into(),
            Signing::Good,
            "nonce",
        ),
        (
            |claims| drop(claims.as_object_mut().unwrap().remove("nonce")),
            Signing::Good,
            "nonce",
        ),
        (
            |claims| claims["aud"] = "another".into(),
            Signing::Good,
            "audience",
        ),
        (
            |claims| claims["aud"] = json!(["a", "b"]),
            Signing::Good,
            "audience",
        ),
        (
            |claims| claims["aud"] = json!(["broker", "b"]),
            Signing::Good,
            "authorized_party",
        ),
        (
            |claims| claims["azp"] = "another".into(),
            Signing::Good,
            "authorized_party",
        ),
        (
            |claims| claims["iss"] = "https://evil.example".into(),
            Signing::Good,
            "issuer",
        ),
        (
            |claims| claims["exp"] = (NOW - 10).into(),
            Signing::Good,
            "expired",
        ),
        (
            |claims| drop(claims.as_object_mut().unwrap().remove("exp")),
            Signing::Good,
            "missing_claim",
        ),
        (
            |claims| claims["iat"] = (NOW + 60).into(),
            Signing::Good,
            "not_yet_valid",
        ),
        (
            |claims| drop(claims.as_object_mut().unwrap().remove("iat")),
            Signing::Good,
            "missing_claim",
        ),
        (
            |claims| drop(claims.as_object_mut().unwrap().remove("sub")),
            Signing::Good,
            "missing_claim",
        ),
        (
            |claims| claims["sub"] = "x".repeat(256).into(),
            Signing::Good,
            "subject",
        ),
        (|_| {}, Signing::AnotherKey, "signature"),
        (|_| {}, Signing::Unsigned, "algorithm"),
        (|_| {}, Signing::PublicKeyAsSecret, "algorithm"),
    ];
    for (claims, signing, reason) in spoiled {
        let (broker, idp) = broker_and_idp().await;
        idp.faults().claims = claims;
        idp.faults().signing = signing;
        let browser = Browser::new(&broker);
        let answer = browser.log_in(&idp, &[]).await;
        answer.assert_error_at_client("server_error");
        let row = broker.newest().await;
        assert_eq!(row.kind, AuditKind::LoginFailed);
        assert_eq!(row.details["reason"], reason);
        assert!(browser.cookies().is_empty());
    }
}

#[tokio::test]
async fn several_audiences_are_fine_when_the_token_was_issued_to_us() {
    let (broker, idp) = broker_and_idp().await;
    idp.faults().claims = |claims| {
        claims["aud"] = json!(["other", "broker"]);
        claims["azp"] = "broker".into();
    };
    let browser = Browser::new(&broker);
    browser.log_in(&idp, &[]).await.code();
}

#[tokio::test]
async fn the_user_is_recorded_with_the_exact_uid() {
    let (broker, idp) = broker_and_idp().await;
    idp.faults().claims = |claims| claims["preferred_username"] = "Älice 1".into();
    let browser = Browser::new(&broker);
    browser.log_in(&idp, &[]).await.location();
    let sub = broker::crypto::subject_for(idp.issuer(), "subject-of-alice");
    let user = broker.store().user(&sub).await.unwrap().unwrap();
    assert_eq!(user.upstream_issuer, idp.issuer());
    assert_eq!(user.upstream_subject, "subject-of-alice");
    assert_eq!(user.nextcloud_uid.as_deref(), Some("Älice 1"));
    assert_eq!(user.name.as_deref(), Some("Alice <A.>"));
}

#[tokio::test]
async fn a_login_without_the_uid_claim_works_and_names_no_uid() {
    let (broker, idp) = broker_and_idp().await;
    idp.faults().claims = |claims| claims["preferred_username"] = Value::Null;
    let browser = Browser::new(&broker);
    let answer = browser.log_in(&idp, &[]).await;
    broker.redeem(&answer.code()).await.tokens();
    let sub = broker::crypto::subject_for(idp.issuer(), "subject-of-alice");
    let user = broker.store().user(&sub).await.unwrap().unwrap();
    assert_eq!(user.nextcloud_uid, None);
}

// When the identity provider is not well.

#[tokio::test]
async fn a_provider_that_is_down_can_be_tried_again_at_every_step() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    idp.faults().down = Some(StatusCode::SERVICE_UNAVAILABLE);
    let page = browser.press(&flow, "allow").await;
    page.assert_page(503, "The login page cannot be reached");
    assert!(page.body.contains(&format!("/oauth/consent?flow={flow}")));

    idp.faults().down = None;
    // The metadata is asked for once a second at most.
    broker.advance(Duration::from_secs(2)).await;
    let allowed = browser.press(&flow, "allow").await;
    let callback = idp.log_in(allowed.location());

    idp.faults().down = Some(StatusCode::BAD_GATEWAY);
    let page = browser.get(&callback).await;
    page.assert_page(503, "The login page cannot be reached");
    assert_eq!(broker.newest().await.kind, AuditKind::LoginFailed);

    idp.faults().down = None;
    let answer = browser.get(&callback).await;
    broker.redeem(&answer.code()).await.tokens();
}

#[tokio::test]
async fn a_provider_that_nobody_listens_at_is_the_same() {
    let broker = Broker::start().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let page = browser.press(&flow, "allow").await;
    page.assert_page(503, "The login page cannot be reached");
    // The decision was not taken: the page is still there.
    browser.csrf(&flow).await;
}

#[tokio::test]
async fn keys_that_cannot_be_had_do_not_end_the_login() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let allowed = browser.press(&flow, "allow").await;
    idp.faults().down = Some(StatusCode::INTERNAL_SERVER_ERROR);
    let callback = idp.log_in(allowed.location());
    let page = browser.get(&callback).await;
    page.assert_page(503, "The login page cannot be reached");
    idp.faults().down = None;
    browser.get(&callback).await.code();
}

#[tokio::test]
async fn a_spent_code_of_the_provider_asks_for_another_login() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let allowed = browser.press(&flow, "allow").await;
    let callback = idp.log_in(allowed.location());
    idp.faults().token = Some((StatusCode::BAD_REQUEST, json!({"error": "invalid_grant"})));
    let page = browser.get(&callback).await;
    page.assert_page(400, "Please log in once more");
    assert!(page.body.contains(&format!("/oauth/consent?flow={flow}")));

    idp.faults().token = None;
    let allowed = browser.press(&flow, "allow").await;
    let answer = browser.get(&idp.log_in(allowed.location())).await;
    broker.redeem(&answer.code()).await.tokens();
}

#[tokio::test]
async fn a_provider_that_refuses_us_is_a_server_error_at_the_client() {
    let cases = [
        (
            StatusCode::UNAUTHORIZED,
            json!({"error": "invalid_client"}),
            "refused",
        ),
        (StatusCode::BAD_REQUEST, json!("no object"), "refused"),
        (
            StatusCode::OK,
            json!({"access_token": "a", "token_type": "Bearer"}),
            "response",
        ),
        (StatusCode::OK, json!("no object"), "response"),
        (StatusCode::OK, json!({"id_token": "no jwt"}), "malformed"),
    ];
    for (status, body, reason) in cases {
        let (broker, idp) = broker_and_idp().await;
        idp.faults().token = Some((status, body));
        let browser = Browser::new(&broker);
        let answer = browser.log_in(&idp, &[]).await;
        answer.assert_error_at_client("server_error");
        assert_eq!(broker.newest().await.details["reason"], reason);
    }
}

#[tokio::test]
async fn metadata_of_another_issuer_is_not_used() {
    let idp = Idp::start().await;
    idp.faults().issuer = Some(format!("{}/", idp.issuer()));
    let broker = Broker::planned(|plan| plan.upstream.issuer = idp.issuer().to_owned()).await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let page = browser.press(&flow, "allow").await;
    page.assert_page(503, "The login page cannot be reached");
}
