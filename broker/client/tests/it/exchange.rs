//! RFC 8693 §2: what an exchange sends, and what it makes of the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use broker_client::exchange::{ExchangeError, ExchangeRequest, TokenExchanger, Unavailable};
use broker_client::http::{ClientAuthentication, HttpError};
use broker_client::oauth::Scope;
use broker_client::secret::Secret;
use broker_client::testing::FakeServer;
use http::StatusCode;
use serde_json::{Value, json};
use url::Url;

use crate::support::http_client;

fn basic() -> ClientAuthentication {
    ClientAuthentication::Basic {
        client_id: "mcp-gateway".to_owned(),
        client_secret: "s+cret".into(),
    }
}

fn exchanger_of(server: &FakeServer) -> TokenExchanger {
    TokenExchanger::new(http_client(), server.url("/token"), basic())
}

/// What an exchange makes of an answer of the token endpoint.
async fn outcome(status: StatusCode, body: Value) -> Result<Scope, ExchangeError> {
    let server = FakeServer::start().await;
    server.answer_token_requests_with(status, body);
    let subject = Secret::new("subject");
    let asked = "notes.read".parse().unwrap();
    let request = ExchangeRequest {
        scope: Some(&asked),
        ..ExchangeRequest::new(&subject, "nextcloud")
    };
    exchanger_of(&server)
        .exchange(request)
        .await
        .map(|token| token.scope)
}

fn good() -> Value {
    json!({
        "access_token": "t", "token_type": "bearer", "expires_in": 60,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    })
}

#[tokio::test]
async fn the_request_is_as_the_rfc_says() {
    let server = FakeServer::start().await;
    let subject = Secret::new("a.b&c=d");
    let scope = "notes.write notes.read".parse().unwrap();
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = ExchangeRequest {
        scope: Some(&scope),
        tool: Some("nc_notes_create"),
        was_refused: true,
        traceparent: Some(traceparent),
        ..ExchangeRequest::new(&subject, "nextcloud")
    };
    let token = exchanger_of(&server).exchange(request).await.unwrap();
    assert_eq!(token.expires_in, 60);
    assert_eq!(token.scope, scope);
    assert!(!format!("{token:?}").contains(token.token.expose()));

    let [sent] = server.token_requests().try_into().unwrap();
    let expected = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", "a.b&c=d"),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("audience", "nextcloud"),
        ("scope", "notes.read notes.write"),
        ("tool", "nc_notes_create"),
        ("previous_token", "refused"),
    ];
    assert_eq!(sent.form.len(), expected.len());
    for (name, value) in expected {
        assert_eq!(sent.form[name], value, "{name}");
    }
    assert_eq!(sent.headers["traceparent"], traceparent);
    // base64 of `mcp-gateway:s%2Bcret`
    assert_eq!(
        sent.headers["authorization"],
        "Basic bWNwLWdhdGV3YXk6cyUyQmNyZXQ="
    );
    assert_eq!(
        sent.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
}

#[tokio::test]
async fn the_secret_can_be_sent_in_the_form() {
    let server = FakeServer::start().await;
    let post = ClientAuthentication::Post {
        client_id: "g".to_owned(),
        client_secret: "s".into(),
    };
    let exchanger = TokenExchanger::new(http_client(), server.url("/token"), post);
    let subject = Secret::new("subject");
    exchanger
        .exchange(ExchangeRequest::new(&subject, "nextcloud"))
        .await
        .unwrap();
    let [sent] = server.token_requests().try_into().unwrap();
    assert_eq!(
        (
            sent.form["client_id"].as_str(),
            sent.form["client_secret"].as_str()
        ),
        ("g", "s")
    );
    assert!(!sent.headers.contains_key("authorization"));
    assert!(!sent.form.contains_key("scope") && !sent.form.contains_key("tool"));
}

#[tokio::test]
async fn a_refusal_carries_the_reason() {
    let body = json!({"error": "invalid_target", "error_description": "Not for this resource."});
    let error = outcome(StatusCode::BAD_REQUEST, body).await.unwrap_err();
    let ExchangeError::Refused { body, status } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (body.error.as_str(), *status),
        ("invalid_target", StatusCode::BAD_REQUEST)
    );
    assert_eq!(
        body.error_description.as_deref(),
        Some("Not for this resource.")
    );
    assert_eq!(
        error.to_string(),
        "the broker refused the exchange: invalid_target (status 400 Bad Request)"
    );
    let body = json!({"error": "invalid_client"});
    let error = outcome(StatusCode::UNAUTHORIZED, body).await.unwrap_err();
    assert!(matches!(error, ExchangeError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_fault_of_the_broker_is_not_a_refusal() {
    for status in [
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::TOO_MANY_REQUESTS,
    ] {
        let error = outcome(status, json!({"error": "server_error"}))
            .await
            .unwrap_err();
        let ExchangeError::Unavailable(Unavailable::Status(found)) = error else {
            panic!("{error:?}")
        };
        assert_eq!(found, status);
    }
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_unavailable() {
    // A port that was free a moment ago.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = Url::parse(&format!("http://{closed}/token")).unwrap();
    let subject = Secret::new("subject");
    let exchanger = TokenExchanger::new(http_client(), url, basic());
    let error = exchanger
        .exchange(ExchangeRequest::new(&subject, "nextcloud"))
        .await
        .unwrap_err();
    let ExchangeError::Unavailable(Unavailable::Http(HttpError::Connect(_))) = error else {
        panic!("{error:?}")
    };
}

#[tokio::test]
async fn a_failed_connection_is_tried_once_more_and_nothing_else_is() {
    // Accepts and hangs up, so that TLS never comes about: nothing was sent.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let url = Url::parse(&format!("https://{address}/token")).unwrap();
    let subject = Secret::new("subject");
    let exchanger = TokenExchanger::new(http_client(), url, basic());
    let error = exchanger
        .exchange(ExchangeRequest::new(&subject, "nextcloud"))
        .await
        .unwrap_err();
    assert!(matches!(error, ExchangeError::Unavailable(_)), "{error:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 2);

    let server = FakeServer::start().await;
    server.answer_token_requests_with(StatusCode::SERVICE_UNAVAILABLE, json!({}));
    let request = ExchangeRequest::new(&subject, "nextcloud");
    exchanger_of(&server).exchange(request).await.unwrap_err();
    assert_eq!(server.token_requests().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_no_exchange_is_not_used() {
    let mut answers = Vec::new();
    for (name, value) in [
        (
            "issued_token_type",
            json!("urn:ietf:params:oauth:token-type:refresh_token"),
        ),
        ("issued_token_type", Value::Null),
        ("token_type", json!("DPoP")),
        ("token_type", json!("N_A")),
        ("access_token", json!("")),
        ("expires_in", Value::Null),
        ("scope", json!("a\"b")),
    ] {
        let mut answer = good();
        answer[name] = value;
        answers.push((StatusCode::OK, answer));
    }
    answers.push((StatusCode::OK, json!("hello")));
    answers.push((StatusCode::FOUND, good()));
    answers.push((StatusCode::BAD_REQUEST, json!({})));
    for (status, answer) in answers {
        let error = outcome(status, answer.clone()).await.unwrap_err();
        assert!(
            matches!(error, ExchangeError::Protocol(_)),
            "{status} {answer}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_missing_scope_means_as_asked() {
    assert_eq!(
        outcome(StatusCode::OK, good()).await.unwrap(),
        "notes.read".parse().unwrap()
    );
    let mut narrowed = good();
    narrowed["scope"] = json!("");
    assert_eq!(
        outcome(StatusCode::OK, narrowed).await.unwrap(),
        Scope::new()
    );
}
