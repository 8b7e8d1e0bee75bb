//! `[limits]`: who comes too often is told when to come again, once in the audit, and others are not.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::ConnectInfo;
use broker::domain::{AuditKind, Rate, TrustedProxies};
use http::{Method, Request, StatusCode, header};

use crate::harness::{AGENT, Answer, Broker, GATEWAY, basic};

const NOISY: &str = "192.0.2.1";
const QUIET: &str = "192.0.2.2";

async fn limited(per_address: u32, in_total: u32) -> Broker {
    let rate = Rate {
        per_address,
        in_total,
    };
    Broker::planned(|plan| {
        plan.settings.page_rate = rate;
        plan.settings.refusal_rate = rate;
    })
    .await
}

async fn ask(broker: &Broker, from: &str, method: &str, path: &str, body: &str) -> Answer {
    ask_with(broker, from, method, path, &[], body).await
}

async fn ask_with(
    broker: &Broker,
    from: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let peer: SocketAddr = format!("{from}:1").parse().unwrap();
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .extension(ConnectInfo(peer));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    broker
        .send(request.body(body.to_owned().into()).unwrap())
        .await
}

async fn rows(broker: &Broker) -> usize {
    let trail = broker.trail().await;
    let limited = trail
        .iter()
        .filter(|event| event.kind == AuditKind::RequestLimited);
    limited.count()
}

#[tokio::test]
async fn pages_beyond_the_limit_say_when_to_come_again() {
    for (method, path) in [
        ("GET", "/oauth/authorize"),
        ("GET", "/oauth/consent"),
        ("GET", "/oauth/callback"),
        ("GET", "/account/sign-in"),
        ("POST", "/account/sign-in"),
        ("GET", "/oauth/authorize-nextcloud"),
    ] {
        let broker = limited(3, 0).await;
        for _ in 0..3 {
            let answer = ask(&broker, NOISY, method, path, "").await;
            assert_ne!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        }
        for _ in 0..5 {
            let answer = ask(&broker, NOISY, method, path, "").await;
            assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
            assert_eq!(answer.header("retry-after"), Some("20"), "{path}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert!(answer.body.contains("Wait a minute"), "{}", answer.body);
        }
        let answer = ask(&broker, QUIET, method, path, "").await;
        assert_ne!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert_eq!(rows(&broker).await, 1, "{path}: one row, not five");

        broker.advance(Duration::from_secs(20)).await;
        let answer = ask(&broker, NOISY, method, path, "").await;
        assert_ne!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
}

#[tokio::test]
async fn a_row_says_who_it_was_and_what_was_too_much() {
    let broker = limited(1, 0).await;
    for _ in 0..2 {
        ask(&broker, NOISY, "GET", "/oauth/authorize", "").await;
    }
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::RequestLimited);
    assert_eq!(row.address.as_deref(), Some(NOISY));
    assert_eq!(row.details["what"], "pages");
    assert_eq!(row.details["limit_of"], "address");
    broker.advance(Duration::from_mins(1)).await;
    ask(&broker, NOISY, "GET", "/oauth/authorize", "").await;
    ask(&broker, NOISY, "GET", "/oauth/authorize", "").await;
    assert_eq!(rows(&broker).await, 2, "the next minute has its own");
}

#[tokio::test]
async fn programs_are_counted_when_they_are_refused_and_only_then() {
    let guess = format!("grant_type=refresh_token&client_id={AGENT}&refresh_token=guess");
    for (path, body) in [
        ("/oauth/token", guess.as_str()),
        ("/oauth/revoke", ""),
        ("/oauth/introspect", ""),
        ("/oauth/userinfo", ""),
        ("/oauth/register", "{}"),
        ("/oauth/offline-grants", ""),
        ("/oauth/background-access", ""),
        ("/oauth/background-access/withdraw", ""),
        ("/oauth/backchannel-logout", ""),
    ] {
        let broker = limited(3, 0).await;
        for _ in 0..3 {
            let answer = ask(&broker, NOISY, "POST", path, body).await;
            assert!(answer.status.is_client_error(), "{path}");
            assert_ne!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        }
        let before = broker.trail().await.len();
        for _ in 0..5 {
            let answer = ask(&broker, NOISY, "POST", path, body).await;
            answer.assert_refused(429, "temporarily_unavailable");
            assert_eq!(answer.header("retry-after"), Some("20"), "{path}");
        }
        assert_eq!(broker.trail().await.len(), before + 1, "{path}: one row");
        assert_eq!(rows(&broker).await, 1, "{path}");
        let answer = ask(&broker, QUIET, "POST", path, body).await;
        assert_ne!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }

    let broker = limited(3, 3).await;
    let session = broker.session().await;
    for _ in 0..10 {
        let answer = broker.exchange(&session.access).await;
        assert_eq!(answer.status, StatusCode::OK, "good work is free");
    }
}

#[tokio::test]
async fn guesses_at_webhooks_fill_no_trail() {
    let broker = limited(3, 0).await;
    let path = "/webhooks/nextcloud";
    let before = broker.trail().await.len();
    for _ in 0..3 {
        let answer = ask(&broker, NOISY, "POST", path, "{}").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    for _ in 0..5 {
        let answer = ask(&broker, NOISY, "POST", path, "{}").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.header("retry-after"), Some("20"));
    }
    assert_eq!(broker.trail().await.len(), before + 3 + 1);
}

#[tokio::test]
async fn a_client_that_proves_itself_is_heard_whatever_strangers_at_its_address_do() {
    let broker = limited(3, 3).await;
    let session = broker.session().await;
    let guess = format!("grant_type=refresh_token&client_id={AGENT}&refresh_token=guess");
    for _ in 0..10 {
        ask(&broker, NOISY, "POST", "/oauth/token", &guess).await;
    }
    let exchange = |scope: &str| {
        let form = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            (
                "subject_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token", session.access.as_str()),
            ("resource", "http://nextcloud.example"),
            ("scope", scope),
        ];
        let form = form.into_iter().filter(|(_, value)| !value.is_empty());
        serde_urlencoded::to_string(form.collect::<Vec<_>>()).unwrap()
    };
    let asked = async |secret: &str, body: String| {
        let authorization = basic(GATEWAY.0, secret);
        let headers = [("authorization", authorization.as_str())];
        ask_with(&broker, NOISY, "POST", "/oauth/token", &headers, &body).await
    };
    let answer = asked(GATEWAY.1, exchange("")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    // It is told what is wrong with its requests, too, and that is in the trail.
    let answer = asked(GATEWAY.1, exchange("no.such.scope")).await;
    answer.assert_refused(400, "invalid_scope");
    assert_eq!(broker.newest().await.kind, AuditKind::ExchangeRefused);
    // Whoever only says so is a stranger; and so is a public client, who proves nothing.
    let before = broker.trail().await.len();
    let answer = asked("guess", exchange("")).await;
    answer.assert_refused(429, "temporarily_unavailable");
    let good = format!(
        "grant_type=refresh_token&client_id={AGENT}&refresh_token={}",
        session.refresh
    );
    let answer = ask(&broker, NOISY, "POST", "/oauth/token", &good).await;
    answer.assert_refused(429, "temporarily_unavailable");
    assert_eq!(broker.trail().await.len(), before);
    broker.advance(Duration::from_mins(1)).await;
    let answer = ask(&broker, NOISY, "POST", "/oauth/token", &good).await;
    assert_eq!(answer.status, StatusCode::OK, "nothing was spent");
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_caller_has_his_own_count() {
    let proxy = "10.0.0.1";
    for (trusted, others) in [
        (true, StatusCode::BAD_REQUEST),
        (false, StatusCode::TOO_MANY_REQUESTS),
    ] {
        let broker = Broker::planned(|plan| {
            plan.settings.page_rate.per_address = 2;
            if trusted {
                let networks = vec!["10.0.0.0/8".parse().unwrap()];
                plan.settings.trusted_proxies = TrustedProxies::new(networks);
            }
        })
        .await;
        let authorize = async |caller: &str| {
            let headers = [("x-forwarded-for", caller)];
            let path = "/oauth/authorize";
            ask_with(&broker, proxy, "GET", path, &headers, "")
                .await
                .status
        };
        for _ in 0..2 {
            assert_eq!(authorize(NOISY).await, StatusCode::BAD_REQUEST);
        }
        assert_eq!(authorize(NOISY).await, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(authorize(QUIET).await, others, "trusted: {trusted}");
    }
}

#[tokio::test]
async fn a_browser_can_read_that_it_was_too_much() {
    let broker = limited(1, 0).await;
    for _ in 0..2 {
        ask(&broker, NOISY, "POST", "/oauth/token", "").await;
    }
    let headers = [("origin", "https://inspector.example")];
    let answer = ask_with(&broker, NOISY, "POST", "/oauth/token", &headers, "").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn all_addresses_together_have_a_limit_and_keys_and_health_have_none() {
    let broker = limited(0, 3).await;
    for n in 1..=3 {
        let from = format!("192.0.2.{n}");
        ask(&broker, &from, "GET", "/oauth/authorize", "").await;
    }
    let answer = ask(&broker, "192.0.2.9", "GET", "/oauth/authorize", "").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(broker.newest().await.details["limit_of"], "total");
    for path in ["/oauth/jwks", "/health/live", "/health/ready"] {
        for _ in 0..10 {
            let answer = ask(&broker, NOISY, "GET", path, "").await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
        }
    }
}
