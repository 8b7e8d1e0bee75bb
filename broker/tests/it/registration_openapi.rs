//! `docs/registration-openapi.json` is true: its examples work, answers look as it says, and its
//! bounds are the ones that hold.
//!
//! It is written by hand, since what clients send is read member by member, not into one type.

use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::admin_openapi::assert_members;
use crate::harness::{Answer, Broker};

pub(crate) fn document() -> Value {
    serde_json::from_str(include_str!("../../../docs/registration-openapi.json")).unwrap()
}

const ONE: &str = "/oauth/register/{client_id}";

/// The schema of this name.
fn schema(name: &str) -> Value {
    document()["components"]["schemas"][name].clone()
}

/// The example of an operation's request.
fn request_example(path: &str, method: &str) -> Value {
    document()["paths"][path][method]["requestBody"]["content"]["application/json"]["example"]
        .clone()
}

async fn manage(
    broker: &Broker,
    method: Method,
    client_id: &Value,
    token: &Value,
    body: String,
) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(ONE.replace("{client_id}", client_id.as_str().unwrap()))
        .header(header::CONTENT_TYPE, "application/json")
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", token.as_str().unwrap()),
        );
    broker.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn the_examples_work_and_are_answered_with_the_described_members() {
    let broker = Broker::start().await;
    let registration = schema("Registration");

    let example = request_example("/oauth/register", "post");
    let answer = broker.post_json("/oauth/register", &example).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let registered = answer.json();
    assert_members(&registration, &registered, "registered");
    assert!(registered["client_secret"].is_string());
    let id = &registered["client_id"];

    let mut example = request_example(ONE, "put");
    for member in ["client_id", "client_secret"] {
        assert!(example[member].is_string());
        example[member] = registered[member].clone();
    }
    let token = &registered["registration_access_token"];
    let answer = manage(&broker, Method::PUT, id, token, example.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let replaced = answer.json();
    assert_members(&registration, &replaced, "replaced");

    let wrong = manage(&broker, Method::GET, id, token, String::new()).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_members(&schema("InvalidToken"), &wrong.json(), "wrong token");

    let token = &replaced["registration_access_token"];
    let answer = manage(&broker, Method::GET, id, token, String::new()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_members(&registration, &answer.json(), "read");
    assert_eq!(answer.json().get("client_secret"), None);

    let answer = manage(&broker, Method::DELETE, id, token, String::new()).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
}

#[test]
fn the_examples_of_answers_have_the_described_members() {
    let registration = schema("Registration");
    let mut examples = 0;
    for (path, item) in document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for status in ["200", "201"] {
                let content = &operation["responses"][status]["content"]["application/json"];
                if let Some(example) = content.get("example") {
                    assert_members(&registration, example, &format!("{method} {path}"));
                    examples += 1;
                }
            }
        }
    }
    assert_eq!(examples, 3, "registered, read, replaced");
}

#[tokio::test]
async fn the_bounds_that_it_names_are_the_ones_that_hold() {
    let broker = Broker::start().await;
    let metadata = schema("Metadata");
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let uri = |length: usize| format!("{:x<length$}", "https://app.example/");
    let mut bounded = 0;
    for (member, about) in metadata["properties"].as_object().unwrap() {
        let is_address = about["pattern"]
            .as_str()
            .is_some_and(|it| it.contains("http"));
        if let Some(most) = about.get("maxLength").map(number) {
            bounded += 1;
            for (length, status) in [(most, 201), (most + 1, 400)] {
                let text = if is_address {
                    uri(length)
                } else {
                    "x".repeat(length)
                };
                assert_registers(&broker, member, json!(text), status).await;
            }
        }
        if let Some(most) = about.get("maxItems").map(number) {
            bounded += 1;
            let longest = number(&about["items"]["maxLength"]);
            for (items, status) in [(most, 201), (most + 1, 400)] {
                let list: Vec<_> = (0..items).map(|item| uri(item + 30)).collect();
                assert_registers(&broker, member, json!(list), status).await;
            }
            for (length, status) in [(longest, 201), (longest + 1, 400)] {
                assert_registers(&broker, member, json!([uri(length)]), status).await;
            }
        }
        for value in about["enum"].as_array().into_iter().flatten() {
            bounded += 1;
            assert_registers(&broker, member, value.clone(), 201).await;
        }
    }
    assert!(bounded > 10, "{bounded}");
}

/// What becomes of a registration that has this member.
async fn assert_registers(broker: &Broker, member: &str, value: Value, status: u16) {
    let mut example = request_example("/oauth/register", "post");
    // One of the authentication methods needs keys.
    example["jwks_uri"] = json!("https://app.example/jwks");
    example[member] = value;
    let answer = broker.post_json("/oauth/register", &example).await;
    let about = &example[member];
    assert_eq!(answer.status, status, "{member} {about}: {}", answer.body);
}
