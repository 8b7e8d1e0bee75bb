//! A downstream checked over the admin API: who may, what is recorded, and what comes back. What each
//! state of a Nextcloud looks like is a black-box test.

use broker::domain::{Actor, AuditKind, Catalog, Downstream, ResourceUri};
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::administrator::{Administrator, assert_problem};
use crate::documents::{DocumentServer, Published};
use crate::harness::{Broker, Plan};

const CHECK: &str = "downstreams/nextcloud/check";

/// Nextcloud is where nothing is published but what the test publishes.
fn at(plan: &mut Plan, nextcloud: &DocumentServer) {
    let mut downstreams: Vec<Downstream> = plan.catalog.downstreams().to_vec();
    for downstream in &mut downstreams {
        downstream.uri = ResourceUri::parse(&nextcloud.url("/cloud")).unwrap();
    }
    plan.catalog = Catalog::new(plan.catalog.resources().to_vec(), downstreams);
}

fn codes(answer: &Value) -> Vec<&str> {
    let findings = answer["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| finding["code"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn what_was_found_comes_back_with_what_mends_it() {
    let nextcloud = DocumentServer::start().await;
    let broker = Broker::planned(|plan| at(plan, &nextcloud)).await;
    let admin = Administrator::new(&broker).await;

    let answer = admin.post(CHECK).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let found = answer.json();
    assert_eq!(codes(&found), ["not_nextcloud"]);
    assert_eq!(found["good"], false);
    assert_eq!(found["downstream"], "nextcloud");
    assert_eq!(found["user"], "alice", "she logged in last");
    let finding = &found["findings"][0];
    assert_eq!(finding["severity"], "problem");
    let text = finding["text"].as_str().unwrap();
    assert!(text.contains(&nextcloud.url("/cloud")), "{text}");

    let status = json!({
        "installed": true, "maintenance": true, "needsDbUpgrade": false, "versionstring": "32.0.1",
    });
    nextcloud.publish("/cloud/status.php", Published::document(&status));
    let found = admin.post(CHECK).await.json();
    assert_eq!(codes(&found), ["maintenance"]);
    assert_eq!(
        found["findings"][0]["commands"],
        json!(["occ upgrade", "occ maintenance:mode --off"])
    );
}

#[tokio::test]
async fn a_check_is_recorded_before_anybody_is_asked() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    for (options, user) in [
        (json!({}), "alice"),
        (json!({"user": "bob", "provider": "other"}), "bob"),
    ] {
        let answer = admin.create(CHECK, &options).await;
        // Nobody is there to answer, and all the same a token could have been made.
        assert_eq!(codes(&answer.json()), ["unreachable"]);
        let row = broker.newest().await;
        assert_eq!(row.kind, AuditKind::DownstreamChecked);
        assert_eq!(row.actor, Actor::Administrator("ops".to_owned()));
        assert_eq!(row.downstream.unwrap().as_str(), "nextcloud");
        assert_eq!(row.details["user"], user);
        assert!(row.request_id.is_some());
    }
}

#[tokio::test]
async fn who_may_only_look_and_what_does_not_fit_ask_nobody() {
    let nextcloud = DocumentServer::start().await;
    let broker = Broker::planned(|plan| at(plan, &nextcloud)).await;
    let auditor = Administrator::reading(&broker).await;
    assert_problem(&auditor.post(CHECK).await, 403, "forbidden");

    let admin = Administrator::new(&broker).await;
    for unknown in ["downstreams/nowhere/check", "downstreams/%00/check"] {
        assert_problem(&admin.post(unknown).await, 404, "not-found");
    }
    for (body, named) in [
        (json!({"user": ""}), "user"),
        (json!({"user": "a".repeat(65)}), "user"),
        (json!({"user": "a\u{0}"}), "user"),
        (json!({"provider": "a".repeat(65)}), "provider"),
        (json!({"try_unknown_user": "yes"}), "boolean"),
        (json!({"uid": "alice"}), "uid"),
        (json!([]), "map"),
    ] {
        let answer = admin.create(CHECK, &body).await;
        assert_problem(&answer, 400, "invalid-body");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(named), "{body}: {detail}");
    }
    let form = (header::CONTENT_TYPE.as_str(), "text/plain");
    let answer = admin.call("POST", CHECK, &[form], None).await;
    assert_problem(&answer, 415, "unsupported-media-type");

    assert_eq!(nextcloud.hits(), 0);
    let trail = broker.trail().await;
    assert!(
        trail
            .iter()
            .all(|row| row.kind != AuditKind::DownstreamChecked)
    );
}
