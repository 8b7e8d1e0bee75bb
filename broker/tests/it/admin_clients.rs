//! The whitelist through the admin API: what an administrator sees of clients, and that his word
//! counts at once.

use std::time::Duration;

use broker::domain::{Actor, AuditKind, ClientId, RegistrationPolicy};
use http::StatusCode;
use serde_json::{Value, json};

use crate::administrator::{Administrator, assert_problem};
use crate::harness::{AGENT, Broker, GATEWAY, OTHER_AGENT, REDIRECT_URI, RESOURCE, WEB_APP};

async fn register(broker: &Broker, name: &str) -> String {
    let body = json!({
        "client_name": name,
        "redirect_uris": [REDIRECT_URI],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let answer = broker.post_json("/oauth/register", &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    answer.json()["client_id"].as_str().unwrap().to_owned()
}

fn ids(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .map(|item| item["client_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_client_that_waits_is_let_in_by_one_call() {
    let approval = |plan: &mut crate::harness::Plan| {
        plan.settings.registration = RegistrationPolicy::Approval;
    };
    let broker = Broker::planned(approval).await;
    let replica = broker.replica(approval).await;
    let admin = Administrator::new(&broker).await;
    let id = register(&broker, "Helpful Agent").await;
    let code = broker.code(&id).await;
    broker
        .redeem(&code)
        .await
        .assert_refused(400, "unauthorized_client");

    let waiting = admin.get("clients?status=pending").await.json();
    assert_eq!(ids(waiting["items"].as_array().unwrap()), [id.as_str()]);
    let approved = admin.post(&format!("clients/{id}/approve")).await;

    assert_eq!(approved.status, StatusCode::OK, "{}", approved.body);
    assert_eq!(approved.json()["status"], "approved");
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ClientApproved);
    assert_eq!(row.actor, Actor::Administrator("ops".to_owned()));
    assert_eq!(row.client_id, Some(ClientId::parse(id.as_str()).unwrap()));
    assert_eq!(row.details["before"], json!({"status": "pending"}));
    assert_eq!(row.details["after"], json!({"status": "approved"}));
    assert!(row.request_id.is_some());
    for place in [&broker, &replica] {
        let code = place.code(&id).await;
        place.redeem(&code).await.tokens();
    }
    let again = admin.post(&format!("clients/{id}/approve")).await;
    assert_eq!(again.json(), approved.json(), "nothing changes twice");
    assert_eq!(again.header("etag"), approved.header("etag"));
}

#[tokio::test]
async fn a_block_ends_everything_of_the_client_on_every_replica() {
    let broker = Broker::start().await;
    let replica = broker.replica(|_| {}).await;
    let admin = Administrator::new(&broker).await;
    let session = broker.session().await;
    let other = broker.code(OTHER_AGENT).await;
    let other = broker.redeem(&other).await.tokens();
    let pending = broker.code(AGENT).await;

    let blocked = admin
        .at(&replica)
        .post(&format!("clients/{AGENT}/block"))
        .await;

    assert_eq!(blocked.json()["status"], "blocked", "{}", blocked.body);
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ClientBlocked);
    assert_eq!(row.details["ended_sessions"], 1);
    assert_eq!(row.details["ended_logins"], 1);
    // The replica that did it acts at once, the other when it next looks.
    replica
        .exchange(&session.access)
        .await
        .assert_refused(400, "invalid_request");
    assert_eq!(
        broker.exchange(&session.access).await.status,
        StatusCode::OK
    );
    broker.advance(Duration::from_millis(250)).await;
    replica.parts.live.refresh().await.unwrap();
    for place in [&broker, &replica] {
        place
            .exchange(&session.access)
            .await
            .assert_refused(400, "invalid_request");
        place
            .refresh(&session.refresh)
            .await
            .assert_refused(400, "unauthorized_client");
        place
            .redeem(&pending)
            .await
            .assert_refused(400, "unauthorized_client");
        assert_eq!(place.exchange(&other.access).await.status, StatusCode::OK);
    }

    admin.post(&format!("clients/{AGENT}/approve")).await;
    for place in [&broker, &replica] {
        place
            .refresh(&session.refresh)
            .await
            .assert_refused(400, "invalid_grant");
        place
            .redeem(&pending)
            .await
            .assert_refused(400, "invalid_grant");
    }
    broker.session().await;
}

#[tokio::test]
async fn a_blocked_gateway_exchanges_nothing_more() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let session = broker.session().await;
    assert_eq!(
        broker.exchange(&session.access).await.status,
        StatusCode::OK
    );
    admin.post(&format!("clients/{}/block", GATEWAY.0)).await;
    broker
        .exchange(&session.access)
        .await
        .assert_refused(400, "unauthorized_client");
}

#[tokio::test]
async fn a_deleted_client_is_gone_from_the_memory_of_every_replica() {
    let broker = Broker::start().await;
    let replica = broker.replica(|_| {}).await;
    let admin = Administrator::new(&broker).await;
    let session = broker.session().await;
    for (client_id, ended) in [(AGENT, 1), (GATEWAY.0, 0)] {
        let answer = admin.delete(&format!("clients/{client_id}")).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
        let row = broker.newest().await;
        assert_eq!(row.kind, AuditKind::ClientDeleted);
        assert_eq!(row.details["before"]["client_id"], client_id);
        assert_eq!(row.details["after"], Value::Null);
        assert_eq!(row.details["ended_sessions"], ended);
        assert_problem(
            &admin.get(&format!("clients/{client_id}")).await,
            404,
            "not-found",
        );
        assert_problem(
            &admin.delete(&format!("clients/{client_id}")).await,
            404,
            "not-found",
        );
    }
    replica.parts.live.refresh().await.unwrap();
    for place in [&broker, &replica] {
        place
            .exchange(&session.access)
            .await
            .assert_refused(401, "invalid_client");
        place
            .refresh(&session.refresh)
            .await
            .assert_refused(401, "invalid_client");
    }
    // The same id, registered anew, is another client: the old sessions stay ended.
    let body = json!({
        "client_id": GATEWAY.0,
        "token_endpoint_auth_method": "client_secret_basic",
        "serves": [RESOURCE],
        "exchange": ["nextcloud"],
    });
    let created = admin.create("clients", &body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    let secret = created.json()["client_secret"].as_str().unwrap().to_owned();
    replica.parts.live.refresh().await.unwrap();
    let fields = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", session.access.as_str()),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("audience", "nextcloud"),
    ];
    for place in [&broker, &replica] {
        place
            .post_as((GATEWAY.0, &secret), "/oauth/token", &fields)
            .await
            .assert_refused(400, "invalid_request");
        place
            .exchange(&session.access)
            .await
            .assert_refused(401, "invalid_client");
    }
}

#[tokio::test]
async fn a_client_is_shown_without_its_secrets() {
    let broker = Broker::start().await;
    let admin = Administrator::reading(&broker).await;
    let answer = admin.get(&format!("clients/{}", GATEWAY.0)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.json(),
        json!({
            "client_id": "gateway",
            "kind": "preregistered",
            "status": "approved",
            "client_name": "gateway",
            "redirect_uris": [REDIRECT_URI],
            "grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"],
            "token_endpoint_auth_method": "client_secret_basic",
            "serves": [RESOURCE],
            "exchange": ["nextcloud", "vault"], "background": false,
            "secrets": [{}],
            "metadata": {},
            "created_at": "2027-01-15T08:00:00Z",
            "updated_at": "2027-01-15T08:00:00Z",
            "version": 1,
        })
    );
    assert!(answer.header("etag").unwrap().starts_with('"'));
    for unknown in [
        "clients/nobody",
        "clients/a%20b",
        "clients/%FF",
        "clients/%00",
    ] {
        assert_problem(&admin.get(unknown).await, 404, "not-found");
    }
}

#[tokio::test]
async fn the_list_is_filtered_and_comes_in_pages() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let mut newest_first = Vec::new();
    for n in 0..3 {
        broker.advance(Duration::from_secs(1)).await;
        newest_first.insert(0, register(&broker, &format!("Agent 100% No_{n}")).await);
    }
    admin
        .post(&format!("clients/{}/block", newest_first[1]))
        .await;

    let all = admin.all("clients").await;
    assert_eq!(all.len(), 7);
    assert_eq!(ids(&all)[..3], newest_first, "newest first");
    assert_eq!(ids(&all)[3..], [WEB_APP.0, OTHER_AGENT, GATEWAY.0, AGENT]);
    for (query, expected) in [
        ("kind=dynamic", vec![0, 1, 2]),
        ("kind=dynamic&status=pending", vec![0, 2]),
        ("status=blocked", vec![1]),
        ("name=no_2", vec![0]),
        ("name=100%25", vec![0, 1, 2]),
        ("name=%25%25", vec![]),
        ("name=agent+100", vec![0, 1, 2]),
        ("kind=url", vec![]),
    ] {
        let found = admin.all(&format!("clients?{query}")).await;
        let expected: Vec<_> = expected
            .into_iter()
            .map(|n: usize| &newest_first[n])
            .collect();
        assert_eq!(ids(&found), expected, "{query}");
    }
    for query in [
        "limit=0",
        "limit=501",
        "cursor=x",
        "status=new",
        "kind=x",
        "name=%00",
        "unknown=1",
        "kind=url&kind=url",
    ] {
        assert_problem(
            &admin.get(&format!("clients?{query}")).await,
            400,
            "invalid-parameter",
        );
    }
}

#[tokio::test]
async fn a_page_is_not_shifted_by_what_comes_and_goes() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let first = admin.get("clients?limit=2").await.json();
    assert_eq!(
        ids(first["items"].as_array().unwrap()),
        [WEB_APP.0, OTHER_AGENT]
    );
    broker.advance(Duration::from_secs(1)).await;
    register(&broker, "new").await;
    admin.delete(&format!("clients/{OTHER_AGENT}")).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = admin
        .get(&format!("clients?limit=2&cursor={cursor}"))
        .await
        .json();
    assert_eq!(ids(second["items"].as_array().unwrap()), [GATEWAY.0, AGENT]);
    assert_eq!(second.get("next_cursor"), None);
}

#[tokio::test]
async fn a_client_registered_by_hand_is_approved_and_works() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let body = json!({"client_name": "Notes", "redirect_uris": [REDIRECT_URI]});
    let created = admin.create("clients", &body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    let client = created.json();
    let id = client["client_id"].as_str().unwrap();
    assert_eq!(client["status"], "approved");
    assert_eq!(
        client["grant_types"],
        json!(["authorization_code", "refresh_token"])
    );
    assert_eq!(client.get("client_secret"), None);
    assert_eq!(
        created.header("location"),
        Some(
            format!(
                "/admin/v1/clients/{}",
                id.replace('-', "%2D").replace('_', "%5F")
            )
            .as_str()
        )
    );
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ClientCreated);
    assert_eq!(row.details["before"], Value::Null);
    assert_eq!(row.details["after"]["redirect_uris"], json!([REDIRECT_URI]));
    let code = broker.code(id).await;
    broker.redeem(&code).await.tokens();

    let taken = json!({"client_id": id, "redirect_uris": [REDIRECT_URI]});
    assert_problem(&admin.create("clients", &taken).await, 409, "conflict");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_named() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    for (body, named) in [
        (json!([]), "map"),
        (json!({"client_id": "a b"}), "client_id"),
        (json!({"name": "x"}), "name"),
        (json!({"client_name": ""}), "client_name"),
        (json!({"client_name": "a\u{0}"}), "client_name"),
        (json!({"client_name": "a".repeat(101)}), "client_name"),
        (
            json!({"redirect_uris": ["https://good.example/", "javascript:x"]}),
            "redirect_uris[1]",
        ),
        (
            json!({"redirect_uris": vec!["https://a.example/"; 51]}),
            "redirect_uris",
        ),
        (json!({"grant_types": ["password"]}), "grant_types[0]"),
        (
            json!({"grant_types": ["authorization_code"]}),
            "redirect_uris",
        ),
        (json!({"grant_types": ["refresh_token"]}), "grant_types"),
        (
            json!({"token_endpoint_auth_method": "magic"}),
            "token_endpoint_auth_method",
        ),
        (
            json!({"exchange": ["nextcloud"]}),
            "token_endpoint_auth_method",
        ),
        (
            json!({"exchange": ["nowhere"], "token_endpoint_auth_method": "client_secret_basic"}),
            "exchange",
        ),
        (json!({"serves": ["https://nowhere.example"]}), "serves"),
        (json!({"scope": "\"quoted\""}), "scope"),
    ] {
        let answer = admin.create("clients", &body).await;
        assert_problem(&answer, 400, "invalid-body");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(named), "{body}: {detail}");
    }
    let no_json = admin.call("POST", "clients", &[], None).await;
    assert_problem(&no_json, 415, "unsupported-media-type");
}

#[tokio::test]
async fn a_change_needs_the_version_that_was_seen() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let path = format!("clients/{AGENT}");
    let seen = admin.get(&path).await.header("etag").unwrap().to_owned();
    let body = json!({"client_name": "Renamed", "redirect_uris": ["https://app.example/cb"]});

    assert_problem(
        &admin.call("PUT", &path, &[], Some(&body)).await,
        428,
        "precondition-required",
    );
    for wrong in ["\"0-0\"", &format!("W/{seen}")] {
        let answer = admin
            .call("PUT", &path, &[("if-match", wrong)], Some(&body))
            .await;
        assert_problem(&answer, 412, "precondition-failed");
    }
    let malformed = admin
        .call("PUT", &path, &[("if-match", "1")], Some(&body))
        .await;
    assert_problem(&malformed, 400, "invalid-parameter");
    broker.advance(Duration::from_secs(1)).await;
    let done = admin
        .call("PUT", &path, &[("if-match", &seen)], Some(&body))
        .await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    assert_eq!(done.json()["client_name"], "Renamed");
    assert_eq!(done.json()["version"], 2);
    assert_ne!(done.header("etag"), Some(seen.as_str()));
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ClientUpdated);
    assert_eq!(
        row.details["before"],
        json!({"client_name": AGENT, "redirect_uris": [REDIRECT_URI]})
    );
    assert_eq!(
        row.details["after"],
        json!({"client_name": "Renamed", "redirect_uris": ["https://app.example/cb"]})
    );

    // A verdict may name the version too: what was looked at is what is let in.
    for action in ["approve", "block"] {
        let answer = admin
            .call(
                "POST",
                &format!("{path}/{action}"),
                &[("if-match", &seen)],
                None,
            )
            .await;
        assert_problem(&answer, 412, "precondition-failed");
    }
    let answer = admin
        .call("DELETE", &path, &[("if-match", &seen)], None)
        .await;
    assert_problem(&answer, 412, "precondition-failed");
    assert_eq!(
        admin
            .call("DELETE", &path, &[("if-match", "*")], None)
            .await
            .status,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn a_client_that_becomes_public_forgets_its_secret() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let path = format!("clients/{}", WEB_APP.0);
    let body = json!({"redirect_uris": [REDIRECT_URI]});
    let done = admin
        .call("PUT", &path, &[("if-match", "*")], Some(&body))
        .await;
    assert_eq!(done.json()["secrets"], json!([]), "{}", done.body);
    assert_eq!(done.json()["token_endpoint_auth_method"], "none");
    let code = broker.code(WEB_APP.0).await;
    broker.redeem(&code).await.tokens();
}

#[tokio::test]
async fn an_id_that_is_a_url_is_one_part_of_the_path() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let id = "https://client.example/metadata.json?v=1";
    let body = json!({"client_id": id, "redirect_uris": [REDIRECT_URI]});
    let created = admin.create("clients", &body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    let path = created.header("location").unwrap().to_owned();
    let path = path.strip_prefix("/admin/v1/").unwrap();
    assert_eq!(admin.get(path).await.json()["client_id"], id);
    assert_eq!(
        admin.post(&format!("{path}/block")).await.json()["status"],
        "blocked"
    );
    assert_eq!(
        admin.post(&format!("{path}/approve")).await.json()["status"],
        "approved"
    );
    assert_eq!(admin.delete(path).await.status, StatusCode::NO_CONTENT);
}
