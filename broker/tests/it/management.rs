//! Managing a registration: RFC 7592.

use std::time::Duration;

use broker::domain::{
    AuditKind, Client, ClientId, ClientStatus, Consent, EndReason, Outcome, RedirectUri,
    ResourceUri,
};
use broker::storage::ConsentsOf;
use broker_client::oauth::ErrorCode;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::harness::{Answer, Broker, ISSUER, REDIRECT_URI, RESOURCE, alice};

/// A client that registered itself, and what it knows of itself.
struct Registration {
    client_id: String,
    uri: String,
    token: String,
    answer: Value,
}

impl Registration {
    fn of(answer: &Answer) -> Self {
        let answer = answer.json();
        let text = |member: &str| answer[member].as_str().unwrap().to_owned();
        Self {
            client_id: text("client_id"),
            uri: text("registration_client_uri"),
            token: text("registration_access_token"),
            answer,
        }
    }

    async fn new(broker: &Broker, document: &Value) -> Self {
        let answer = broker.post_json("/oauth/register", document).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        Self::of(&answer)
    }

    async fn public(broker: &Broker) -> Self {
        Self::new(
            broker,
            &json!({
                "client_name": "Notes agent",
                "redirect_uris": [REDIRECT_URI, "https://agent.example/cb"],
                "grant_types": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_method": "none",
                "client_uri": "https://agent.example",
            }),
        )
        .await
    }

    /// The document of an update that changes `members`; null takes one out.
    fn document(&self, members: &Value) -> Value {
        let mut document = self.answer.clone();
        for ours in [
            "registration_access_token",
            "registration_client_uri",
            "client_id_issued_at",
            "client_secret_expires_at",
        ] {
            document.as_object_mut().unwrap().remove(ours);
        }
        for (member, value) in members.as_object().unwrap() {
            document[member] = value.clone();
        }
        document
    }

    fn path(&self) -> &str {
        self.uri.strip_prefix(ISSUER).unwrap()
    }

    async fn ask(&self, broker: &Broker, method: Method, body: &Value) -> Answer {
        ask(broker, method, self.path(), Some(&self.token), body).await
    }

    async fn get(&self, broker: &Broker) -> Answer {
        self.ask(broker, Method::GET, &Value::Null).await
    }

    async fn put(&self, broker: &Broker, document: &Value) -> Answer {
        self.ask(broker, Method::PUT, document).await
    }

    async fn stored(&self, broker: &Broker) -> Client {
        let id = ClientId::parse(&*self.client_id).unwrap();
        broker.store().client(&id).await.unwrap().unwrap()
    }

    /// Gives it the status that an administrator decided on.
    async fn decided(&self, broker: &Broker, status: ClientStatus) {
        let stored = self.stored(broker).await;
        let next = Client {
            status,
            version: stored.version + 1,
            ..stored.clone()
        };
        let changed = broker.store().update_client(&next, stored.version).await;
        assert!(changed.unwrap());
    }
}

async fn ask(
    broker: &Broker,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: &Value,
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    broker.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn a_registration_has_an_address_and_a_token_to_read_it_with() {
    let broker = Broker::start().await;
    let client = Registration::public(&broker).await;
    assert_eq!(
        client.uri,
        format!("{ISSUER}/oauth/register/{}", client.client_id)
    );
    assert_eq!(client.token.len(), 43);
    let stored = client.stored(&broker).await;
    assert!(
        !format!("{stored:?}").contains(&client.token),
        "only its hash is kept"
    );

    let answer = client.get(&broker).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.json(), client.answer);
}

#[tokio::test]
async fn a_secret_is_shown_once_and_not_when_it_is_read() {
    let broker = Broker::start().await;
    let document = json!({"redirect_uris": [REDIRECT_URI]});
    let client = Registration::new(&broker, &document).await;
    let read = client.get(&broker).await.json();
    assert_eq!(read["token_endpoint_auth_method"], "client_secret_basic");
    assert!(read.get("client_secret").is_none(), "{read}");
}

#[tokio::test]
async fn a_wrong_token_and_a_client_that_is_not_there_look_the_same() {
    let broker = Broker::start().await;
    let client = Registration::public(&broker).await;
    let other = Registration::public(&broker).await;
    let nobody = "/oauth/register/nobody";
    let cases = [
        (client.path(), "nonsense"),
        (client.path(), &*other.token),
        (nobody, "nonsense"),
        (nobody, &*client.token),
        // Registered by configuration: it has no registration access token.
        ("/oauth/register/agent", "nonsense"),
        ("/oauth/register/%00%ff", "nonsense"),
    ];
    let update = client.document(&json!({}));
    let mut bodies = Vec::new();
    for (path, token) in cases {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = ask(&broker, method.clone(), path, Some(token), &update).await;
            if path.contains("%ff") {
                // No text, so no client id.
                assert!(answer.status.is_client_error(), "{method} {path}");
                continue;
            }
            answer.assert_refused(401, "invalid_token");
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Bearer realm=\"registration\", error=\"invalid_token\""),
            );
            bodies.push(answer.body);
            let event = broker.newest().await;
            assert_eq!(event.outcome, Outcome::Refused(ErrorCode::InvalidToken));
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(client.get(&broker).await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_a_token_the_challenge_says_which_is_wanted() {
    let broker = Broker::start().await;
    let client = Registration::public(&broker).await;
    let answer = ask(&broker, Method::GET, client.path(), None, &Value::Null).await;
    answer.assert_refused(401, "invalid_token");
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer realm=\"registration\"")
    );
    for header in ["Basic YTpi", "Bearer", "Bearer "] {
        let request = Request::get(client.path()).header("authorization", header);
        let answer = broker.send(request.body("".into()).unwrap()).await;
        answer.assert_refused(401, "invalid_token");
    }
}

#[tokio::test]
async fn an_update_replaces_everything_and_rotates_the_token() {
    let broker = Broker::start().await;
    let client = Registration::public(&broker).await;
    let document = json!({
        "client_id": client.client_id,
        "redirect_uris": ["http://localhost/new"],
        "token_endpoint_auth_method": "none",
        "scope": "notes.write", "contacts": ["a@b.example"],
    });

    let answer = client.put(&broker, &document).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let updated = Registration::of(&answer);
    assert_ne!(updated.token, client.token);
    let expected = json!({
        "client_id": client.client_id, "client_id_issued_at": client.answer["client_id_issued_at"],
        "registration_client_uri": client.uri, "registration_access_token": updated.token,
        "redirect_uris": ["http://localhost/new"], "grant_types": ["authorization_code"],
        "response_types": ["code"], "token_endpoint_auth_method": "none",
        "scope": "notes.write", "contacts": ["a@b.example"],
    });
    assert_eq!(updated.answer, expected, "what is left out is taken away");
    let event = broker.newest().await;
    assert_eq!(
        (event.kind, event.outcome),
        (AuditKind::ClientUpdated, Outcome::Ok)
    );
    assert_eq!(event.details["before"]["client_name"], "Notes agent");
    assert_eq!(
        event.details["after"]["redirect_uris"],
        json!(["http://localhost/new"])
    );

    client
        .get(&broker)
        .await
        .assert_refused(401, "invalid_token");
    assert_eq!(updated.get(&broker).await.json(), updated.answer);
}

#[tokio::test]
async fn an_update_that_breaks_a_rule_changes_nothing() {
    let broker = Broker::start().await;
    let client = Registration::public(&broker).await;
    for (members, error) in [
        (json!({"client_id": null}), "invalid_client_metadata"),
        (json!({"client_id": "agent"}), "invalid_client_metadata"),
        (
            json!({"registration_access_token": client.token}),
            "invalid_client_metadata",
        ),
        (
            json!({"registration_client_uri": client.uri}),
            "invalid_client_metadata",
        ),
        (json!({"client_id_issued_at": 0}), "invalid_client_metadata"),
        (
            json!({"client_secret_expires_at": 0}),
            "invalid_client_metadata",
        ),
        (json!({"client_secret": "mine"}), "invalid_client_metadata"),
        (json!({"client_secret": 7}), "invalid_client_metadata"),
        (json!({"redirect_uris": []}), "invalid_redirect_uri"),
        (
            json!({"redirect_uris": ["http://evil.example/cb"]}),
            "invalid_redirect_uri",
        ),
        (
            json!({"grant_types": ["client_credentials"]}),
            "invalid_client_metadata",
        ),
    ] {
        let answer = client.put(&broker, &client.document(&members)).await;
        answer.assert_refused(400, error);
        let event = broker.newest().await;
        assert_eq!(event.kind, AuditKind::ClientUpdated);
        assert!(matches!(event.outcome, Outcome::Refused(_)));
    }
    assert_eq!(client.get(&broker).await.json(), client.answer);
}

#[tokio::test]
async fn the_secret_stays_when_it_is_repeated_and_is_new_when_it_is_not() {
    let broker = Broker::start().await;
    let document = json!({"redirect_uris": [REDIRECT_URI]});
    let client = Registration::new(&broker, &document).await;
    let works = async |secret: &Value| {
        let code = broker.code(&client.client_id).await;
        let secret = secret.as_str().unwrap();
        let answer = broker
            .redeem_with(&code, &[("client_secret", secret)])
            .await;
        answer.status == StatusCode::OK
    };

    let kept = Registration::of(&client.put(&broker, &client.document(&json!({}))).await);
    assert_eq!(kept.answer["client_secret"], client.answer["client_secret"]);
    assert!(works(&kept.answer["client_secret"]).await);

    let without = kept.document(&json!({"client_secret": null}));
    let renewed = Registration::of(&kept.put(&broker, &without).await);
    assert_ne!(
        renewed.answer["client_secret"],
        client.answer["client_secret"]
    );
    assert!(works(&renewed.answer["client_secret"]).await);
    assert!(!works(&client.answer["client_secret"]).await);

    let public = renewed.document(&json!({"token_endpoint_auth_method": "none"}));
    let public = Registration::of(&renewed.put(&broker, &public).await);
    assert!(public.answer.get("client_secret").is_none());
    assert!(public.stored(&broker).await.secrets.is_empty());
    assert!(!works(&renewed.answer["client_secret"]).await);
}

#[tokio::test]
async fn a_client_does_not_approve_itself() {
    let broker = Broker::start().await;
    let client = Registration::public(&broker).await;
    let members = json!({"status": "approved", "client_name": "Trusted"});
    let answer = client.put(&broker, &client.document(&members)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(client.stored(&broker).await.status, ClientStatus::Pending);
}

#[tokio::test]
async fn an_approved_client_that_becomes_another_waits_for_approval_again() {
    let broker = Broker::start().await;
    for (members, status) in [
        (json!({}), ClientStatus::Approved),
        (json!({"software_version": "2"}), ClientStatus::Approved),
        (
            json!({"redirect_uris": [REDIRECT_URI]}),
            ClientStatus::Approved,
        ),
        (json!({"client_name": "Other"}), ClientStatus::Pending),
        (
            json!({"redirect_uris": [REDIRECT_URI, "https://other.example/cb"]}),
            ClientStatus::Pending,
        ),
        (
            json!({"token_endpoint_auth_method": "client_secret_basic"}),
            ClientStatus::Pending,
        ),
        (
            json!({"client_uri": "https://other.example"}),
            ClientStatus::Pending,
        ),
    ] {
        let client = Registration::public(&broker).await;
        client.decided(&broker, ClientStatus::Approved).await;
        let answer = client.put(&broker, &client.document(&members)).await;
        assert_eq!(answer.status, StatusCode::OK, "{members}");
        assert_eq!(client.stored(&broker).await.status, status, "{members}");
    }
}

#[tokio::test]
async fn a_blocked_client_may_not_touch_its_registration() {
    let broker = Broker::start().await;
    let client = Registration::public(&broker).await;
    client.decided(&broker, ClientStatus::Blocked).await;
    let update = client.document(&json!({}));
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = client.ask(&broker, method, &update).await;
        answer.assert_refused(403, "access_denied");
    }
    assert_eq!(client.stored(&broker).await.status, ClientStatus::Blocked);
}

#[tokio::test]
async fn a_login_under_way_does_not_end_at_an_address_that_was_given_up() {
    let broker = Broker::start().await;
    let client = Registration::public(&broker).await;
    let code = broker.code(&client.client_id).await;
    let answer = client
        .put(
            &broker,
            &client.document(&json!({"contacts": ["a@b.example"]})),
        )
        .await;
    let client = Registration::of(&answer);
    assert_eq!(broker.redeem(&code).await.status, StatusCode::OK);

    let code = broker.code(&client.client_id).await;
    let moved = client.document(&json!({"redirect_uris": ["http://localhost/elsewhere"]}));
    assert_eq!(client.put(&broker, &moved).await.status, StatusCode::OK);
    broker
        .redeem(&code)
        .await
        .assert_refused(400, "invalid_grant");
    assert_eq!(broker.trail().await[1].details["logins_ended"], 1);
}

#[tokio::test]
async fn what_users_allowed_is_forgotten_when_the_client_becomes_another() {
    let broker = Broker::start().await;
    for (members, remembered) in [
        (json!({"contacts": ["a@b.example"]}), 1),
        (json!({"redirect_uris": [REDIRECT_URI]}), 0),
        (json!({"client_name": "Other"}), 0),
    ] {
        let client = Registration::public(&broker).await;
        client.decided(&broker, ClientStatus::Approved).await;
        let id = ClientId::parse(&*client.client_id).unwrap();
        let consent = Consent {
            sub: alice(),
            client_id: id.clone(),
            redirect_uri: RedirectUri::parse(REDIRECT_URI).unwrap(),
            resource: ResourceUri::parse(RESOURCE).unwrap(),
            scope: "notes.read".parse().unwrap(),
            client: broker::crypto::hash("as it was"),
            given_at: broker.now(),
            expires_at: broker.now().plus(Duration::from_hours(1)),
        };
        broker.store().record_consent(&consent).await.unwrap();
        let answer = client.put(&broker, &client.document(&members)).await;
        assert_eq!(answer.status, StatusCode::OK, "{members}");
        let consents = broker.store().consents(ConsentsOf::Client(&id)).await;
        assert_eq!(consents.unwrap().len(), remembered, "{members}");
    }
}

#[tokio::test]
async fn deleting_a_registration_ends_everything_that_the_client_began() {
    let broker = Broker::start().await;
    let replica = broker.replica(|_| {}).await;
    let client = Registration::public(&broker).await;
    let code = broker.code(&client.client_id).await;
    let tokens = broker.redeem(&code).await.tokens();
    let pending = broker.code(&client.client_id).await;

    let answer = client.ask(&broker, Method::DELETE, &Value::Null).await;

    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(
        (answer.body.as_str(), answer.header("cache-control")),
        ("", Some("no-store"))
    );
    let event = broker.newest().await;
    assert_eq!(
        (event.kind, event.outcome),
        (AuditKind::ClientDeleted, Outcome::Ok)
    );
    assert_eq!(event.details["grants_ended"], 1);
    assert_eq!(event.details["logins_ended"], 1);
    assert_eq!(event.details["before"]["client_name"], "Notes agent");
    client
        .get(&broker)
        .await
        .assert_refused(401, "invalid_token");

    for broker in [&broker, &replica] {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &*tokens.refresh),
            ("client_id", &*client.client_id),
        ];
        let refreshed = broker.post("/oauth/token", &fields).await;
        refreshed.assert_refused(401, "invalid_client");
        broker
            .redeem(&pending)
            .await
            .assert_refused(401, "invalid_client");
        broker.advance(Duration::ZERO).await;
        broker
            .exchange(&tokens.access)
            .await
            .assert_refused(400, "invalid_request");
    }
    let ended = broker
        .store()
        .grants_ended_since(broker.now())
        .await
        .unwrap();
    let grant = broker.store().grant(&ended[0].0).await.unwrap().unwrap();
    assert_eq!(grant.ended.unwrap().1, EndReason::ClientBlocked);
}

#[tokio::test]
async fn of_two_updates_with_one_token_one_wins() {
    let broker = Broker::start().await;
    let replica = broker.replica(|_| {}).await;
    let client = Registration::public(&broker).await;
    let (one, other) = (
        client.document(&json!({"client_name": "One"})),
        client.document(&json!({"client_name": "Other"})),
    );
    let (one, other) = tokio::join!(client.put(&broker, &one), client.put(&replica, &other));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn a_path_that_is_no_text_names_no_client() {
    let broker = Broker::start().await;
    let client = Registration::public(&broker).await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let path = "/oauth/register/%ff";
        let answer = ask(&broker, method, path, Some(&client.token), &Value::Null).await;
        answer.assert_refused(401, "invalid_token");
    }
}
