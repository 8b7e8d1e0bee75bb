//! Where a request came from, when proxies stand in front of us (RFC 7239): what the audit and the
//! limits see of it.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::{Request, StatusCode};
use serde_json::json;

use broker::domain::TrustedProxies;

use crate::harness::{Answer, Broker, Plan, REDIRECT_URI};

const PROXY: &str = "10.0.0.1";

async fn behind_a_proxy(change: impl FnOnce(&mut Plan)) -> Broker {
    Broker::planned(|plan| {
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        plan.settings.trusted_proxies = TrustedProxies::new(networks);
        change(plan);
    })
    .await
}

async fn register(broker: &Broker, peer: &str, header: (&str, &str)) -> Answer {
    let document = json!({"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none"});
    let request = Request::post("/oauth/register")
        .header("content-type", "application/json")
        .header(header.0, header.1)
        .extension(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
    broker
        .send(request.body(document.to_string().into()).unwrap())
        .await
}

#[tokio::test]
async fn the_audit_has_the_address_that_a_trusted_proxy_noted_down() {
    let broker = behind_a_proxy(|_| {}).await;
    for (peer, header, seen) in [
        (
            PROXY,
            ("forwarded", "for=\"[2001:db8::1]:80\""),
            "2001:db8::1",
        ),
        (
            PROXY,
            ("x-forwarded-for", "203.0.113.9, 192.0.2.1"),
            "192.0.2.1",
        ),
        (
            PROXY,
            ("x-forwarded-for", "192.0.2.1, 10.0.0.2"),
            "192.0.2.1",
        ),
        (PROXY, ("x-forwarded-for", "nonsense"), PROXY),
        (PROXY, ("x-other", "192.0.2.1"), PROXY),
        // Not by way of the proxy: anybody can write a header.
        (
            "198.51.100.7",
            ("x-forwarded-for", "192.0.2.1"),
            "198.51.100.7",
        ),
        (
            "198.51.100.7",
            ("forwarded", "for=10.0.0.1"),
            "198.51.100.7",
        ),
    ] {
        register(&broker, peer, header).await;
        let address = broker.newest().await.address;
        assert_eq!(address.as_deref(), Some(seen), "{peer} {header:?}");
    }
}

#[tokio::test]
async fn without_trusted_proxies_no_header_is_believed() {
    let broker = Broker::start().await;
    for header in [
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1"),
    ] {
        register(&broker, PROXY, header).await;
        assert_eq!(broker.newest().await.address.as_deref(), Some(PROXY));
    }
}

#[tokio::test]
async fn the_limit_is_each_stranger_s_own_and_cannot_be_talked_away() {
    let broker =
        behind_a_proxy(|plan| plan.settings.registration_limits.attempts_per_hour = 1).await;
    let first = register(&broker, PROXY, ("x-forwarded-for", "192.0.2.1")).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
    // The proxy appends what it saw to whatever the stranger made up.
    for forged in ["192.0.2.1", "203.0.113.9, 192.0.2.1", "10.0.0.9, 192.0.2.1"] {
        let again = register(&broker, PROXY, ("x-forwarded-for", forged)).await;
        again.assert_refused(429, "temporarily_unavailable");
    }
    let other = register(&broker, PROXY, ("x-forwarded-for", "192.0.2.2")).await;
    assert_eq!(other.status, StatusCode::CREATED, "{}", other.body);
}
