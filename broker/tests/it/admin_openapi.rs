//! The admin API's description: committed as it is, and true of the answers.

use std::path::PathBuf;

use serde_json::Value;

use crate::administrator::Administrator;
use crate::harness::{AGENT, Broker};

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/admin-openapi.json")
}

fn document() -> String {
    broker::http::admin_document().to_pretty_json().unwrap() + "\n"
}

#[test]
fn the_committed_description_is_that_of_the_code() {
    let committed = std::fs::read_to_string(path()).unwrap_or_default();
    assert!(
        committed == document(),
        "docs/admin-openapi.json is old: cargo test -p broker --test it -- --ignored write_the_description"
    );
}

#[test]
#[ignore = "it writes docs/admin-openapi.json"]
fn write_the_description() {
    std::fs::write(path(), document()).unwrap();
}

#[test]
fn every_operation_is_named_and_every_answer_has_an_example() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(
                names.insert(operation["operationId"].to_string()),
                "{place}"
            );
            assert!(operation["summary"].is_string(), "{place}");
            if let Some(body) = operation.get("requestBody") {
                assert!(
                    body["content"]["application/json"]["example"].is_object(),
                    "{place}"
                );
            }
            for (status, answer) in operation["responses"].as_object().unwrap() {
                if status.starts_with('2') && status != "204" {
                    let content = &answer["content"]["application/json"];
                    assert!(content["example"].is_object(), "{place}: {status}");
                }
            }
        }
    }
}

/// What the examples show is what is answered: the same members, and the described ones at that.
#[tokio::test]
async fn answers_have_the_members_that_the_description_names() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    broker.session().await;
    let document: Value = serde_json::from_str(&document()).unwrap();
    for (path, schema) in [
        (format!("clients/{AGENT}"), "ClientItem"),
        ("clients".to_owned(), "ClientList"),
        ("grants".to_owned(), "GrantList"),
        ("users".to_owned(), "UserList"),
        ("keys".to_owned(), "KeyList"),
        ("audit".to_owned(), "AuditList"),
        ("resources".to_owned(), "ResourceList"),
        ("downstreams".to_owned(), "DownstreamList"),
        ("stats".to_owned(), "Stats"),
        ("clients/nobody".to_owned(), "Problem"),
    ] {
        let answer = admin.get(&path).await.json();
        assert_members(&document["components"]["schemas"][schema], &answer, &path);
    }
}

/// An answer has the members that its schema requires, and none that it does not name.
pub(crate) fn assert_members(schema: &Value, answer: &Value, place: &str) {
    let members = schema["properties"].as_object().unwrap();
    for (name, _) in answer.as_object().unwrap() {
        assert!(members.contains_key(name), "{place}: {name}");
    }
    for required in schema["required"].as_array().unwrap() {
        assert!(
            answer.get(required.as_str().unwrap()).is_some(),
            "{place}: {required}"
        );
    }
}
