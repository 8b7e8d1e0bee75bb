//! Background access of a caller: what is asked, and what becomes of the answer.

use std::sync::Arc;

use broker_client::ambient::SystemClock;
use broker_client::background::{AccessRequest, BackgroundAccessClient};
use broker_client::discovery::Discovery;
use broker_client::exchange::{ExchangeError, Unavailable};
use broker_client::http::ClientAuthentication;
use broker_client::oauth::AccessState;
use broker_client::secret::Secret;
use broker_client::testing::FakeServer;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::http_client;

fn client_of(issuer: &str) -> BackgroundAccessClient {
    let discovery = Discovery::new(http_client(), issuer, None, Arc::new(SystemClock));
    let authentication = ClientAuthentication::Basic {
        client_id: "mcp-gateway".to_owned(),
        client_secret: "s+cret".into(),
    };
    BackgroundAccessClient::new(http_client(), Arc::new(discovery), authentication)
}

fn request(subject_token: &Secret) -> AccessRequest<'_> {
    AccessRequest {
        subject_token,
        audience: "nextcloud",
        tool: Some("check_provisioning_status"),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    }
}

#[tokio::test]
async fn the_callers_token_is_all_that_says_who_is_meant() {
    let server = FakeServer::start().await;
    let client = client_of(server.issuer().issuer());
    let token = Secret::new("a.b&c=d");

    let found = client.state(request(&token)).await.unwrap();
    assert_eq!(found.state, AccessState::None);
    assert!(found.authorization_uri.ends_with("/allow?user=someone"));
    let body = json!({
        "downstream": "nextcloud", "state": "withdrawn", "since": 7,
        "authorization_uri": "https://b.example/x", "more": "that is not known yet",
    });
    server.answer_access_requests_with(StatusCode::OK, body);
    let found = client.withdraw(request(&token)).await.unwrap();
    assert_eq!(
        (found.state, found.since),
        (AccessState::Withdrawn, Some(7))
    );

    let asked = server.access_requests();
    let paths: Vec<_> = asked.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/access", "/access/withdraw"]);
    for (_, sent) in &asked {
        let mut fields: Vec<_> = sent.form.iter().collect();
        fields.sort();
        let expected = [
            ("audience", "nextcloud"),
            ("subject_token", "a.b&c=d"),
            (
                "subject_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("tool", "check_provisioning_status"),
        ];
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(fields, expected);
        // base64 of `mcp-gateway:s%2Bcret`
        let authorization = &sent.headers["authorization"];
        assert_eq!(authorization, "Basic bWNwLWdhdGV3YXk6cyUyQmNyZXQ=");
        assert!(sent.headers.contains_key("traceparent"));
    }
}

#[tokio::test]
async fn a_refusal_an_outage_and_nonsense_are_told_apart() {
    let server = FakeServer::start().await;
    let client = client_of(server.issuer().issuer());
    let token = Secret::new("t");
    let mut outcomes = Vec::new();
    let answers: [(u16, Value); 4] = [
        (400, json!({"error": "invalid_target"})),
        (503, json!({"error": "temporarily_unavailable"})),
        (200, json!({"state": "sideways"})),
        (404, json!({"title": "Not Found"})),
    ];
    for (status, body) in answers {
        server.answer_access_requests_with(StatusCode::from_u16(status).unwrap(), body);
        outcomes.push(client.state(request(&token)).await.unwrap_err());
    }
    assert!(
        matches!(&outcomes[0], ExchangeError::Refused { body, .. } if body.error == "invalid_target")
    );
    let unavailable = ExchangeError::Unavailable;
    assert_eq!(
        outcomes[1].to_string(),
        unavailable(Unavailable::Status(StatusCode::SERVICE_UNAVAILABLE)).to_string()
    );
    for nonsense in &outcomes[2..] {
        assert!(
            matches!(nonsense, ExchangeError::Protocol(_)),
            "{nonsense:?}"
        );
    }
}
