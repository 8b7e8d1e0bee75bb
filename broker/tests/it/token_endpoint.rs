//! The token endpoint and the authorization code grant: RFC 6749 §4.1.3 and §5, RFC 7636 §4.6,
//! RFC 8707 §2.2, RFC 9068.

use std::time::Duration;

use axum::body::Body;
use broker::domain::{AuditKind, ClientStatus, EndReason, GrantType, Outcome};
use broker_client::oauth::ErrorCode;
use futures_util::future::join_all;
use http::{Request, StatusCode, header};

use crate::harness::{
    AGENT, Broker, Case, GATEWAY, ISSUER, NOW, OTHER_AGENT, OTHER_RESOURCE, REDIRECT_URI, RESOURCE,
    VERIFIER, WEB_APP, alice, claims, client, form, jose_header,
};

#[tokio::test]
async fn a_code_becomes_an_access_token_for_its_resource_and_a_refresh_token() {
    let broker = Broker::start().await;
    let code = broker
        .code_for(AGENT, RESOURCE, "notes.read notes.write")
        .await;

    let answer = broker.redeem(&code).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    let json = answer.json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["expires_in"], 600);
    assert_eq!(json["scope"], "notes.read notes.write");
    let tokens = answer.tokens();
    assert_eq!(tokens.refresh.len(), 43, "256 bits in base64url");

    let head = jose_header(&tokens.access);
    assert_eq!(head["typ"], "at+jwt");
    assert_eq!(head["alg"], "ES256");
    let jwks = broker.get("/oauth/jwks").await.json();
    assert!(
        jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .any(|key| key["kid"] == head["kid"]),
        "{jwks}"
    );

    let body = claims(&tokens.access);
    let expected = serde_json::json!({
        "iss": ISSUER, "sub": alice().as_str(), "aud": RESOURCE, "client_id": AGENT,
        "scope": "notes.read notes.write", "iat": NOW, "exp": NOW + 600,
        "jti": body["jti"], "sid": body["sid"],
    });
    assert_eq!(body, expected);
    assert!(body["jti"].as_str().unwrap().len() >= 20);

    let event = broker.newest().await;
    assert_eq!(event.kind, AuditKind::TokenIssued);
    assert_eq!(event.outcome, Outcome::Ok);
    assert_eq!(event.sub, Some(alice()));
    assert_eq!(event.client_id.unwrap().as_str(), AGENT);
    assert_eq!(event.grant.unwrap().as_str(), body["sid"].as_str().unwrap());
    assert_eq!(event.scope.as_deref(), Some("notes.read notes.write"));
}

#[tokio::test]
async fn a_code_presented_twice_ends_the_session_it_became() {
    let broker = Broker::start().await;
    let code = broker.code(AGENT).await;
    let tokens = broker.redeem(&code).await.tokens();
    assert_eq!(broker.exchange(&tokens.access).await.status, StatusCode::OK);

    broker
        .redeem(&code)
        .await
        .assert_refused(400, "invalid_grant");

    let trail = broker.trail().await;
    assert_eq!(trail[0].kind, AuditKind::CodeReplayed);
    assert_eq!(trail[0].outcome, Outcome::Refused(ErrorCode::InvalidGrant));
    assert_eq!(trail[0].sub, Some(alice()));
    assert_eq!(trail[1].kind, AuditKind::GrantEnded);
    assert_eq!(trail[1].details["reason"], EndReason::CodeReplayed.as_str());
    broker
        .refresh(&tokens.refresh)
        .await
        .assert_refused(400, "invalid_grant");
    broker
        .exchange(&tokens.access)
        .await
        .assert_refused(400, "invalid_request");

    // A third time there is nothing left to end, and no second row says so.
    broker
        .redeem(&code)
        .await
        .assert_refused(400, "invalid_grant");
    let ended = broker.trail().await;
    let ended = ended
        .iter()
        .filter(|event| event.kind == AuditKind::GrantEnded);
    assert_eq!(ended.count(), 1);
}

#[tokio::test]
async fn of_many_who_redeem_one_code_at_once_one_succeeds_and_its_session_ends() {
    let broker = Broker::start().await;
    let code = broker.code(AGENT).await;

    let answers = join_all((0..10).map(|_| broker.redeem(&code))).await;

    let (granted, refused): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.status == StatusCode::OK);
    assert_eq!(granted.len(), 1);
    for answer in refused {
        answer.assert_refused(400, "invalid_grant");
    }
    let tokens = granted[0].tokens();
    broker
        .refresh(&tokens.refresh)
        .await
        .assert_refused(400, "invalid_grant");
}

/// What is refused, and that the client it belongs to can still redeem the code.
#[tokio::test]
async fn a_code_with_something_wrong_is_refused_and_not_lost() {
    let long = "a".repeat(129);
    let cases = [
        ("another client", "client_id", OTHER_AGENT, "invalid_grant"),
        (
            "another verifier",
            "code_verifier",
            &VERIFIER.replace('d', "e"),
            "invalid_grant",
        ),
        (
            "a verifier too short",
            "code_verifier",
            "short",
            "invalid_grant",
        ),
        (
            "a verifier too long",
            "code_verifier",
            &long,
            "invalid_grant",
        ),
        ("no verifier", "code_verifier", "", "invalid_request"),
        (
            "another path",
            "redirect_uri",
            "http://127.0.0.1:33418/other",
            "invalid_grant",
        ),
        (
            "another port",
            "redirect_uri",
            "http://127.0.0.1:33419/callback",
            "invalid_grant",
        ),
        (
            "a trailing slash",
            "redirect_uri",
            "http://127.0.0.1:33418/callback/",
            "invalid_grant",
        ),
        ("no URI", "redirect_uri", "nonsense", "invalid_grant"),
        (
            "another resource",
            "resource",
            OTHER_RESOURCE,
            "invalid_target",
        ),
        (
            "an unknown resource",
            "resource",
            "https://nobody.example",
            "invalid_target",
        ),
        (
            "another code",
            "code",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "invalid_grant",
        ),
        ("no code", "code", "", "invalid_request"),
    ];
    let broker = Broker::start().await;
    for (name, field, value, error) in cases {
        let code = broker.code(AGENT).await;

        let answer = broker.redeem_with(&code, &[(field, value)]).await;

        assert_eq!(answer.json()["error"], error, "{name}: {}", answer.body);
        answer.assert_refused(400, error);
        let event = broker.newest().await;
        assert_eq!(event.kind, AuditKind::TokenRefused, "{name}");
        assert_eq!(
            event.outcome,
            Outcome::Refused(match error {
                "invalid_grant" => ErrorCode::InvalidGrant,
                "invalid_target" => ErrorCode::InvalidTarget,
                _ => ErrorCode::InvalidRequest,
            }),
            "{name}"
        );
        assert_eq!(broker.redeem(&code).await.status, StatusCode::OK, "{name}");
    }
}

#[tokio::test]
async fn redirect_uri_and_resource_may_be_left_out_or_said_again() {
    let broker = Broker::start().await;
    for change in [
        [("redirect_uri", "")],
        [("redirect_uri", REDIRECT_URI)],
        [("resource", RESOURCE)],
        [("resource", "HTTP://127.0.0.1:4282/mcp")],
    ] {
        let code = broker.code(AGENT).await;
        let answer = broker.redeem_with(&code, &change).await;
        assert_eq!(answer.status, StatusCode::OK, "{change:?}: {}", answer.body);
    }
    let code = broker.code(AGENT).await;
    let twice = [("resource", RESOURCE), ("resource", OTHER_RESOURCE)];
    broker
        .redeem_with(&code, &twice)
        .await
        .assert_refused(400, "invalid_target");
}

#[tokio::test]
async fn a_code_is_good_for_a_minute() {
    let broker = Broker::start().await;
    let (early, late) = (broker.code(AGENT).await, broker.code(AGENT).await);
    broker.advance(Duration::from_millis(59_999)).await;
    assert_eq!(broker.redeem(&early).await.status, StatusCode::OK);
    broker.advance(Duration::from_millis(1)).await;
    broker
        .redeem(&late)
        .await
        .assert_refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_client_that_may_not_refresh_gets_no_refresh_token() {
    let broker = Broker::planned(|plan| {
        plan.clients
            .push(client("once", None, &[GrantType::AuthorizationCode]));
    })
    .await;
    let code = broker.code("once").await;

    let answer = broker.redeem(&code).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(answer.json().get("refresh_token").is_none());
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_id", "once"),
    ];
    broker
        .post("/oauth/token", &refresh)
        .await
        .assert_refused(400, "unauthorized_client");
}

#[tokio::test]
async fn a_client_may_use_only_the_grants_it_is_registered_for() {
    let broker = Broker::start().await;
    let code = [
        ("grant_type", "authorization_code"),
        ("code", "x"),
        ("code_verifier", VERIFIER),
    ];
    broker
        .post_as(GATEWAY, "/oauth/token", &code)
        .await
        .assert_refused(400, "unauthorized_client");
}

#[tokio::test]
async fn a_blocked_client_gets_nothing() {
    let broker = Broker::planned(|plan| {
        plan.clients.push(broker::domain::Client {
            status: ClientStatus::Blocked,
            ..client("blocked", None, &[GrantType::AuthorizationCode])
        });
    })
    .await;
    let code = broker.code("blocked").await;
    broker
        .redeem(&code)
        .await
        .assert_refused(400, "unauthorized_client");
    assert_eq!(broker.newest().await.client_id.unwrap().as_str(), "blocked");
}

#[tokio::test]
async fn a_confidential_client_redeems_with_its_secret_only() {
    let broker = Broker::start().await;
    let code = broker.code(WEB_APP.0).await;
    broker
        .redeem(&code)
        .await
        .assert_refused(401, "invalid_client");
    let answer = broker
        .redeem_with(&code, &[("client_secret", WEB_APP.1)])
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn a_malformed_request_is_refused_and_recorded() {
    let broker = Broker::start().await;
    let cases: [Case; 6] = [
        ("nothing", &[], "invalid_request"),
        ("no grant type", &[("client_id", AGENT)], "invalid_request"),
        (
            "empty grant type",
            &[("grant_type", ""), ("client_id", AGENT)],
            "invalid_request",
        ),
        (
            "a parameter twice",
            &[
                ("grant_type", "refresh_token"),
                ("grant_type", "refresh_token"),
            ],
            "invalid_request",
        ),
        (
            "an unknown parameter twice",
            &[("grant_type", "refresh_token"), ("x", "1"), ("x", "2")],
            "invalid_request",
        ),
        (
            "passwords",
            &[("grant_type", "password"), ("client_id", AGENT)],
            "unsupported_grant_type",
        ),
    ];
    for (index, (name, fields, error)) in cases.into_iter().enumerate() {
        let answer = broker.post("/oauth/token", fields).await;
        assert_eq!(answer.json()["error"], error, "{name}");
        answer.assert_refused(400, error);
        let trail = broker.trail().await;
        let refused = trail
            .iter()
            .filter(|event| event.kind == AuditKind::TokenRefused)
            .count();
        assert_eq!(refused, index + 1, "{name}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_form_or_too_large_is_refused() {
    let broker = Broker::start().await;
    let json = Request::post("/oauth/token")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(r#"{"grant_type":"refresh_token"}"#))
        .unwrap();
    broker
        .send(json)
        .await
        .assert_refused(400, "invalid_request");
    let huge = "x".repeat(70_000);
    let huge = form("/oauth/token", None, &[("grant_type", &huge)]);
    broker
        .send(huge)
        .await
        .assert_refused(400, "invalid_request");
}

#[tokio::test]
async fn the_request_id_is_answered_and_stands_in_the_trail() {
    let broker = Broker::start().await;
    let mut request = form("/oauth/token", None, &[]);
    request
        .headers_mut()
        .insert("x-request-id", "from-the-ingress-7".parse().unwrap());
    request.headers_mut().insert(
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            .parse()
            .unwrap(),
    );
    let answer = broker.send(request).await;
    assert_eq!(answer.header("x-request-id"), Some("from-the-ingress-7"));
    let event = broker.newest().await;
    assert_eq!(event.request_id.as_deref(), Some("from-the-ingress-7"));
    assert_eq!(
        event.trace_id.as_deref(),
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    );

    let mut request = form("/oauth/token", None, &[]);
    request
        .headers_mut()
        .insert("x-request-id", "evil id, with spaces".parse().unwrap());
    let own = broker.send(request).await;
    let own = own.header("x-request-id").unwrap();
    assert_eq!(own.len(), 32);
    assert_eq!(broker.newest().await.request_id.as_deref(), Some(own));
}
