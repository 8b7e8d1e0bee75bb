//! Machines that ask for themselves: RFC 6749 §4.4, RFC 9068 §2.2 (MCP extension SEP-1046).

use broker::domain::{AuditKind, Client, ClientStatus, GrantType, Outcome};
use serde_json::json;

use crate::harness::{
    AGENT, Answer, Broker, ISSUER, NOW, OTHER_RESOURCE, RESOURCE, WEB_APP, alice, claims, client,
    jose_header, scope,
};

const MACHINE: (&str, &str) = ("machine", "the machine's secret");

fn machine() -> Client {
    Client {
        scope: Some(scope("notes.read notes.write deck.read")),
        ..client(MACHINE.0, Some(MACHINE.1), &[GrantType::ClientCredentials])
    }
}

async fn set_up() -> Broker {
    Broker::planned(|plan| plan.clients.push(machine())).await
}

async fn ask(broker: &Broker, fields: &[(&str, &str)]) -> Answer {
    let fields = [&[("grant_type", "client_credentials")], fields].concat();
    broker.post_as(MACHINE, "/oauth/token", &fields).await
}

#[tokio::test]
async fn a_machine_gets_a_token_of_its_own_and_nothing_to_refresh() {
    let broker = set_up().await;
    let answer = ask(&broker, &[]).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let json = answer.json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["expires_in"], 600);
    // What it may have of what this resource knows.
    assert_eq!(json["scope"], "notes.read notes.write");
    assert_eq!(json.get("refresh_token"), None);
    let token = json["access_token"].as_str().unwrap();
    assert_eq!(jose_header(token)["typ"], "at+jwt");
    let mut found = claims(token);
    assert!(found["jti"].take().as_str().unwrap().len() > 20);
    assert_eq!(
        found,
        json!({
            "iss": ISSUER, "sub": MACHINE.0, "aud": RESOURCE, "client_id": MACHINE.0,
            "scope": "notes.read notes.write", "iat": NOW, "exp": NOW + 600, "jti": null,
        })
    );
    let event = broker.newest().await;
    assert_eq!(event.kind, AuditKind::TokenIssued);
    assert_eq!(event.outcome, Outcome::Ok);
    assert_eq!(event.details["grant_type"], "client_credentials");
    assert_eq!(event.actor.id(), Some(MACHINE.0));
    assert_eq!(event.resource.unwrap().as_str(), RESOURCE);
    assert_eq!(event.sub, None);
}

#[tokio::test]
async fn scope_and_resource_are_what_it_asks_within_what_it_may() {
    let broker = set_up().await;
    let other = [("resource", OTHER_RESOURCE), ("scope", "notes.read")];
    let token = ask(&broker, &other).await.tokens().access;
    assert_eq!(claims(&token)["aud"], OTHER_RESOURCE);
    assert_eq!(claims(&token)["scope"], "notes.read");
    for (fields, error) in [
        (&[("scope", "files.read")][..], "invalid_scope"),
        (&[("scope", "notes.read files.read")], "invalid_scope"),
        // Registered, but unknown to the resource.
        (&[("scope", "deck.read")], "invalid_scope"),
        (&[("resource", "https://nowhere.example")], "invalid_target"),
        (
            &[("resource", RESOURCE), ("resource", OTHER_RESOURCE)],
            "invalid_target",
        ),
    ] {
        let answer = ask(&broker, fields).await;
        answer.assert_refused(400, error);
        assert_eq!(broker.newest().await.kind, AuditKind::TokenRefused);
    }
}

#[tokio::test]
async fn only_an_approved_confidential_client_with_the_grant_asks_for_itself() {
    let broker = Broker::planned(|plan| {
        plan.clients.push(Client {
            status: ClientStatus::Pending,
            ..machine()
        });
        plan.clients.push(Client {
            scope: Some(scope("notes.read")),
            ..client("public", None, &[GrantType::ClientCredentials])
        });
        plan.clients.push(client(
            "scopeless",
            Some("scopeless-secret"),
            &[GrantType::ClientCredentials],
        ));
    })
    .await;
    // The policy is open, so it may log users in; this is another thing.
    let pending = ask(&broker, &[]).await;
    pending.assert_refused(400, "unauthorized_client");
    let grant = [("grant_type", "client_credentials")];
    let without = broker.post_as(WEB_APP, "/oauth/token", &grant).await;
    without.assert_refused(400, "unauthorized_client");
    for public in ["public", AGENT] {
        let fields = [grant[0], ("client_id", public)];
        let answer = broker.post("/oauth/token", &fields).await;
        answer.assert_refused(400, "unauthorized_client");
    }
    let scopeless = ("scopeless", "scopeless-secret");
    let answer = broker.post_as(scopeless, "/oauth/token", &grant).await;
    answer.assert_refused(400, "invalid_scope");
}

#[tokio::test]
async fn a_machines_token_opens_no_nextcloud_account() {
    let broker = set_up().await;
    let token = ask(&broker, &[]).await.tokens().access;
    let answer = broker.exchange(&token).await;
    answer.assert_refused(400, "invalid_request");
    let event = broker.newest().await;
    assert_eq!(event.kind, AuditKind::ExchangeRefused);
}

#[tokio::test]
async fn a_machine_cannot_pass_for_a_user() {
    let alice = alice();
    let broker = Broker::planned(|plan| {
        plan.clients.push(Client {
            scope: Some(scope("notes.read")),
            ..client(
                alice.as_str(),
                Some("impostor-secret"),
                &[GrantType::ClientCredentials],
            )
        });
    })
    .await;
    let grant = [("grant_type", "client_credentials")];
    let impostor = (alice.as_str(), "impostor-secret");
    let answer = broker.post_as(impostor, "/oauth/token", &grant).await;
    answer.assert_refused(400, "unauthorized_client");
}

#[tokio::test]
async fn nobody_registers_himself_as_a_machine() {
    let broker = Broker::start().await;
    let document = json!({
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "client_credentials"],
        "scope": "notes.read",
    });
    let registered = broker.post_json("/oauth/register", &document).await.json();
    assert_eq!(registered["grant_types"], json!(["authorization_code"]));
    let text = |member: &str| registered[member].as_str().unwrap().to_owned();
    let credentials = (text("client_id"), text("client_secret"));
    let credentials = (credentials.0.as_str(), credentials.1.as_str());
    let grant = [("grant_type", "client_credentials")];
    let answer = broker.post_as(credentials, "/oauth/token", &grant).await;
    answer.assert_refused(400, "unauthorized_client");
}
