//! What strangers may register: so much from an address, so much together, and not for ever.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::ConnectInfo;
use broker::clients::forget_unused;
use broker::domain::{AuditKind, ClientId, Outcome};
use broker::register::Limits;
use broker_client::oauth::ErrorCode;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Broker, REDIRECT_URI};

async fn limited(attempts_per_hour: u32, most_clients: u32) -> Broker {
    Broker::planned(|plan| {
        plan.settings.registration_limits = Limits {
            attempts_per_hour,
            most_clients,
        };
    })
    .await
}

async fn register_from(broker: &Broker, address: &str, document: &Value) -> Answer {
    let request = Request::post("/oauth/register")
        .header("content-type", "application/json")
        .extension(ConnectInfo(SocketAddr::new(address.parse().unwrap(), 1)));
    let request = request.body(document.to_string().into()).unwrap();
    broker.send(request).await
}

fn document() -> Value {
    json!({"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none"})
}

#[tokio::test]
async fn one_address_registers_only_so_many_clients_an_hour() {
    let broker = limited(3, 100).await;
    let replica = broker
        .replica(|plan| plan.settings.registration_limits.attempts_per_hour = 3)
        .await;
    broker.advance(Duration::from_mins(20)).await;
    for broker in [&broker, &replica] {
        let answer = register_from(broker, "192.0.2.1", &document()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    }
    // What is refused counts too.
    let refused = register_from(&broker, "192.0.2.1", &json!([])).await;
    refused.assert_refused(400, "invalid_client_metadata");

    for broker in [&broker, &replica, &broker] {
        let answer = register_from(broker, "192.0.2.1", &document()).await;
        answer.assert_refused(429, "temporarily_unavailable");
        // To the end of the hour; the tests begin with one.
        assert_eq!(answer.header("retry-after"), Some("2400"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    let rows = broker.trail().await;
    let too_many = Outcome::Refused(ErrorCode::TemporarilyUnavailable);
    let refusals = rows.iter().filter(|event| event.outcome == too_many);
    assert_eq!(refusals.count(), 1, "a flood does not fill the audit trail");

    let other = register_from(&broker, "192.0.2.2", &document()).await;
    assert_eq!(other.status, StatusCode::CREATED);
    broker.advance(Duration::from_mins(40)).await;
    let later = register_from(&broker, "192.0.2.1", &document()).await;
    assert_eq!(later.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_whole_ipv6_network_is_one_address() {
    let broker = limited(1, 100).await;
    for (address, status) in [
        ("2001:db8:1:2::1", 201),
        ("2001:db8:1:2:ffff::7", 429),
        ("2001:db8:1:3::1", 201),
    ] {
        let answer = register_from(&broker, address, &document()).await;
        assert_eq!(answer.status.as_u16(), status, "{address}");
    }
}

#[tokio::test]
async fn there_are_only_so_many_clients_that_registered_themselves() {
    let broker = limited(100, 2).await;
    for _ in 0..2 {
        let answer = broker.post_json("/oauth/register", &document()).await;
        assert_eq!(answer.status, StatusCode::CREATED);
    }
    let answer = broker.post_json("/oauth/register", &document()).await;
    answer.assert_refused(429, "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_client_that_nobody_logs_in_with_is_forgotten() {
    let broker = limited(100, 2).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = broker.post_json("/oauth/register", &document()).await;
        ids.push(answer.json()["client_id"].as_str().unwrap().to_owned());
    }
    let [used, unused] = &ids[..] else {
        panic!("{ids:?}")
    };
    let code = broker.code(used).await;
    assert_eq!(broker.redeem(&code).await.status, StatusCode::OK);
    let days = |days: u64| Duration::from_hours(24 * days);
    let forget = async || {
        let forgotten = forget_unused(broker.store(), broker.now(), days(30)).await;
        forgotten.unwrap()
    };

    broker.advance(days(30)).await;
    assert_eq!(forget().await, 0);
    broker.advance(Duration::from_secs(1)).await;
    assert_eq!(forget().await, 1);

    let event = broker.newest().await;
    assert_eq!(event.kind, AuditKind::ClientExpired);
    assert_eq!(event.client_id, Some(ClientId::parse(&**unused).unwrap()));
    let code = broker.code(unused).await;
    broker
        .redeem(&code)
        .await
        .assert_refused(401, "invalid_client");
    // Long after its session ended, too: the program may remember its id.
    broker.advance(days(365)).await;
    assert_eq!(forget().await, 0);
    let code = broker.code(used).await;
    assert_eq!(broker.redeem(&code).await.status, StatusCode::OK);
    // And there is room again.
    let answer = broker.post_json("/oauth/register", &document()).await;
    assert_eq!(answer.status, StatusCode::CREATED);
}
