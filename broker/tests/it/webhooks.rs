//! Webhooks of Nextcloud: kept there, taken in, handed on to the background client; and what becomes of
//! each when something fails in between.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker::crypto::WebhookKey;
use broker::domain::{
    AuditKind, Client, ClientId, DownstreamName, GrantType, OfflineGrant, OfflineGrantId, Outcome,
    Preset,
};
use broker::storage::{AdminRole, WebhookFilter};
use broker::webhooks::{Look, Receiver};
use broker_client::oauth::ErrorCode;
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::administrator::{Administrator, admin_token, assert_problem};
use crate::harness::{Answer, Broker, Plan, alice, client};
use crate::nextcloud::FakeNextcloud;

const JOB: (&str, &str) = ("indexer", "the indexer's own secret");
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT_KEY: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const CREATED: &str = r"OCP\Files\Events\Node\NodeCreatedEvent";
const ENABLE: &str = "webhooks/presets/files/enable";
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// A background client on a real socket.
struct Job {
    url: Url,
    seen: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    status: Arc<Mutex<StatusCode>>,
}

type Heard = (Arc<Mutex<Vec<(HeaderMap, String)>>>, Arc<Mutex<StatusCode>>);

impl Job {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let seen = Arc::default();
        let status = Arc::new(Mutex::new(StatusCode::OK));
        let state: Heard = (Arc::clone(&seen), Arc::clone(&status));
        let app = Router::new().route("/hooks", post(hear)).with_state(state);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap_or_default() });
        Self {
            url: Url::parse(&url).unwrap(),
            seen,
            status,
        }
    }

    fn answers(&self, status: StatusCode) {
        *self.status.lock().unwrap() = status;
    }

    fn heard(&self) -> Vec<(HeaderMap, String)> {
        self.seen.lock().unwrap().clone()
    }
}

async fn hear(State((seen, status)): State<Heard>, headers: HeaderMap, body: String) -> StatusCode {
    seen.lock().unwrap().push((headers, body));
    *status.lock().unwrap()
}

struct World {
    broker: Broker,
    nextcloud: FakeNextcloud,
    job: Job,
    /// Of an administrator who may change things.
    token: String,
}

/// Where Alice lets background jobs act for her, and the job may.
const DOWNSTREAM: &str = "nextcloud";

impl World {
    /// Alice lets background jobs act for her.
    async fn new() -> Self {
        let world = Self::planned(|_| {}).await;
        world.alice_allows(DOWNSTREAM).await;
        world
    }

    async fn planned(change: impl FnOnce(&mut Plan)) -> Self {
        let (nextcloud, job) = (FakeNextcloud::start().await, Job::start().await);
        let broker = Broker::planned(|plan| {
            arrange(plan, &nextcloud, &job);
            change(plan);
        })
        .await;
        let token = admin_token(&broker, "writer", AdminRole::Write).await;
        Self {
            broker,
            nextcloud,
            job,
            token,
        }
    }

    fn administrator(&self) -> Administrator<'_> {
        Administrator::with(&self.broker, self.token.clone())
    }

    async fn enable(&self, users: &[&str]) -> Value {
        self.enable_for(users, &[]).await
    }

    async fn enable_for(&self, users: &[&str], technical: &[&str]) -> Value {
        let body = json!({
            "client_id": JOB.0, "users": users, "technical_accounts": technical,
        });
        let administrator = self.administrator();
        let answer = administrator.create(ENABLE, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    async fn alice_allows(&self, downstream: &str) {
        let grant = OfflineGrant {
            id: OfflineGrantId::parse(format!("offline-{downstream}")).unwrap(),
            sub: alice(),
            downstream: DownstreamName::parse(downstream).unwrap(),
            scope: "files.read".parse().unwrap(),
            granted_at: self.broker.now(),
            failing: None,
            withdrawn_at: None,
        };
        let store = self.broker.store();
        store.record_offline_grant(&grant).await.unwrap();
    }

    async fn alice_withdraws(&self) {
        let (alice, now) = (alice(), self.broker.now());
        let transaction = self.broker.store().begin().await.unwrap();
        let withdrawn = transaction.withdraw_offline_grants(&alice, None, now);
        withdrawn.await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// How many deliveries there are, once this event has come: it is always taken.
    async fn waiting_after(&self, uid: &str) -> u64 {
        let answer = self.deliver(CREATED, uid).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
        self.broker.store().count_deliveries().await.unwrap()
    }

    /// What Nextcloud sends for the first webhook of this event, as it was registered.
    async fn deliver(&self, event: &str, uid: &str) -> Answer {
        let hooks = self.nextcloud.hooks();
        let is_it = |hook: &&Value| hook["event"] == event && hook["authData"].is_object();
        let hook = hooks.iter().find(is_it).unwrap();
        let secret = hook["authData"]["Authorization"].as_str().unwrap();
        self.post(Some(secret), &event_of(event, uid)).await
    }

    async fn post(&self, authorization: Option<&str>, body: &Value) -> Answer {
        let mut request = Request::post("/webhooks/nextcloud");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let body = Body::from(Bytes::from(body.to_string()));
        self.broker.send(request.body(body).unwrap()).await
    }

    async fn forward(&self) -> usize {
        self.broker.parts.webhooks.forward().await.unwrap()
    }

    async fn settle(&self, look: Look) {
        self.broker.parts.webhooks.settle(look).await.unwrap();
    }

    async fn states(&self) -> Vec<String> {
        let list = self.administrator().get("webhooks").await;
        let items = list.json()["items"].as_array().unwrap().clone();
        let states = items
            .iter()
            .map(|item| item["state"].as_str().unwrap().to_owned());
        states.collect()
    }
}

fn arrange(plan: &mut Plan, nextcloud: &FakeNextcloud, job: &Job) {
    nextcloud.administered(plan);
    plan.clients.push(Client {
        redirect_uris: Vec::new(),
        background: true,
        exchange: ["nextcloud", "vault"]
            .map(|name| DownstreamName::parse(name).unwrap())
            .into(),
        ..client(JOB.0, Some(JOB.1), &[GrantType::TokenExchange])
    });
    let keys = [KEY, NEXT_KEY].map(|key| WebhookKey::parse(&key.into()).unwrap());
    plan.webhooks.receivers.insert(
        ClientId::parse(JOB.0).unwrap(),
        Receiver {
            url: job.url.clone(),
            keys: keys.into(),
        },
    );
    plan.webhooks.retry_after = RETRY_AFTER;
    plan.webhooks.attempts = 3;
}

fn event_of(class: &str, uid: &str) -> Value {
    json!({
        "event": {"node": {"id": 7, "path": format!("/{uid}/files/a.txt")}, "class": class},
        "user": {"uid": uid, "displayName": uid}, "time": 1_800_000_000,
    })
}

// At Nextcloud.

#[tokio::test]
async fn a_preset_is_registered_with_a_secret_of_each_webhook() {
    let world = World::new().await;
    let list = world.enable(&["bob", "alice", "bob"]).await;
    let events = Preset::Files.events();
    assert_eq!(list["items"].as_array().unwrap().len(), events.len());
    assert!(list.get("problem").is_none(), "{list}");

    let hooks = world.nextcloud.hooks();
    assert_eq!(hooks.len(), events.len());
    let mut secrets = Vec::new();
    for hook in &hooks {
        assert!(events.contains(&hook["event"].as_str().unwrap()));
        assert_eq!(
            hook["eventFilter"],
            json!({"user.uid": {"$in": ["alice", "bob"]}})
        );
        assert_eq!(hook["userIdFilter"], Value::Null, "it does not work");
        assert_eq!(hook["authMethod"], "header");
        assert_eq!(hook["headers"]["Content-Type"], "application/json");
        secrets.push(
            hook["authData"]["Authorization"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    secrets.sort_unstable();
    secrets.dedup();
    assert_eq!(secrets.len(), events.len());
    assert_eq!(world.states().await, vec!["active"; events.len()]);
    let row = world.broker.newest().await;
    assert_eq!(row.kind, AuditKind::WebhookEnabled);
    assert_eq!(row.details["preset"], "files");

    // Again, it is as it is.
    world.enable(&["alice", "bob"]).await;
    assert_eq!(world.nextcloud.hooks(), hooks);
    // For somebody else, only he counts.
    world.enable(&["carol"]).await;
    let hooks = world.nextcloud.hooks();
    assert_eq!(hooks.len(), events.len());
    assert_eq!(hooks[0]["eventFilter"], json!({"user.uid": "carol"}));
}

#[tokio::test]
async fn a_disabled_preset_is_gone_there_and_its_deliveries_are_refused() {
    let world = World::new().await;
    world.enable(&[]).await;
    let administrator = world.administrator();
    let secret = world.nextcloud.hooks()[0]["authData"]["Authorization"].clone();
    let body = json!({"client_id": JOB.0});
    let answer = administrator
        .create("webhooks/presets/files/disable", &body)
        .await;
    assert_eq!(answer.json()["items"], json!([]), "{}", answer.body);
    assert_eq!(world.nextcloud.hooks().len(), 0);
    let late = world
        .post(secret.as_str(), &event_of(CREATED, "alice"))
        .await;
    assert_eq!(late.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        world.broker.trail().await[1].kind,
        AuditKind::WebhookDisabled
    );

    // One, or all at once.
    let list = world.enable(&[]).await;
    let id = list["items"][0]["webhook_id"].as_str().unwrap();
    let gone = administrator.delete(&format!("webhooks/{id}")).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_problem(
        &administrator.get(&format!("webhooks/{id}")).await,
        404,
        "not-found",
    );
    let rest = world.nextcloud.hooks().len();
    assert_eq!(rest, Preset::Files.events().len() - 1);
    let cleared = administrator.delete("webhooks").await;
    assert_eq!(cleared.status, StatusCode::OK, "{}", cleared.body);
    assert_eq!(world.nextcloud.hooks().len(), 0);
}

#[tokio::test]
async fn whoever_dies_in_between_leaves_nothing_that_is_not_settled_later() {
    let world = World::new().await;
    // Nextcloud registers it, and its answer is lost.
    world.nextcloud.lose_answers(true);
    let list = world.enable(&[]).await;
    assert!(list["problem"].is_string(), "{list}");
    assert_eq!(world.nextcloud.hooks().len(), 1);
    assert!(world.states().await.iter().all(|state| state == "pending"));
    world.nextcloud.lose_answers(false);
    world.settle(Look::Unsettled).await;
    let hooks = world.nextcloud.hooks();
    assert_eq!(hooks.len(), Preset::Files.events().len(), "the orphan went");
    assert!(world.states().await.iter().all(|state| state == "active"));

    // Deleting fails, and is done later.
    world.nextcloud.set_broken(Some((500, json!({}))));
    let administrator = world.administrator();
    let cleared = administrator.delete("webhooks").await.json();
    assert!(cleared["problem"].is_string(), "{cleared}");
    assert!(world.states().await.iter().all(|state| state == "removing"));
    world.nextcloud.set_broken(None);
    world.settle(Look::Unsettled).await;
    assert_eq!(world.nextcloud.hooks().len(), 0);
    let everything = WebhookFilter::default();
    let left = world.broker.store().webhooks(&everything).await;
    assert_eq!(left.unwrap(), []);
}

#[tokio::test]
async fn a_refresh_repairs_what_changed_there_and_touches_nothing_of_others() {
    let world = World::new().await;
    world.enable(&["alice"]).await;
    let foreign = world.nextcloud.add_hook(json!({
        "uri": "https://other.example/hook", "event": CREATED, "eventFilter": {},
    }));
    let stray = world.nextcloud.add_hook(json!({
        "uri": format!("{}/webhooks/nextcloud", crate::harness::ISSUER),
        "event": CREATED, "eventFilter": {},
    }));
    let hooks = world.nextcloud.hooks();
    let number = |hook: &Value| hook["id"].as_i64().unwrap();
    world.nextcloud.delete_hook(number(&hooks[0]));
    world
        .nextcloud
        .change_hook(number(&hooks[1]), "eventFilter", json!({"user.uid": "bob"}));

    // From the database first: nothing is known of it.
    assert!(world.states().await.iter().all(|state| state == "active"));
    let reader = Administrator::reading(&world.broker).await;
    assert_problem(&reader.get("webhooks?refresh=true").await, 403, "forbidden");
    let writer = world.administrator();
    let list = writer.get("webhooks?refresh=true").await;
    assert_eq!(list.status, StatusCode::OK, "{}", list.body);
    let hooks = world.nextcloud.hooks();
    let ours: Vec<_> = hooks
        .iter()
        .filter(|hook| number(hook) != foreign)
        .collect();
    assert_eq!(ours.len(), Preset::Files.events().len());
    assert!(
        ours.iter()
            .all(|hook| hook["eventFilter"] == json!({"user.uid": "alice"}))
    );
    assert!(hooks.iter().any(|hook| number(hook) == foreign));
    assert!(hooks.iter().all(|hook| number(hook) != stray));
    for event in Preset::Files.events() {
        let answer = world.deliver(event, "alice").await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{event}");
    }
}

#[tokio::test]
async fn only_an_approved_background_client_with_a_receiver_is_told() {
    let world = World::planned(|plan| {
        plan.clients.push(Client {
            redirect_uris: Vec::new(),
            background: true,
            ..client("no-receiver", Some("a secret of sixteen"), &[])
        });
    })
    .await;
    let administrator = world.administrator();
    for id in ["gateway", "agent", "nobody", "no-receiver", ""] {
        let answer = administrator
            .create(ENABLE, &json!({"client_id": id}))
            .await;
        assert_problem(&answer, 400, "invalid-body");
    }
    let answer = administrator
        .create(
            "webhooks/presets/users/enable",
            &json!({"client_id": JOB.0}),
        )
        .await;
    assert_problem(&answer, 404, "not-found");
    let presets = administrator.get("webhooks/presets").await.json();
    assert_eq!(presets["receivers"], json!([JOB.0]));
    assert_eq!(presets["items"].as_array().unwrap().len(), 4);
    assert_eq!(world.nextcloud.hooks().len(), 0);
}

// From Nextcloud.

#[tokio::test]
async fn what_does_not_carry_the_secret_is_refused() {
    let world = World::new().await;
    world.enable(&[]).await;
    let hooks = world.nextcloud.hooks();
    let [first, second] = [0, 1].map(|index| {
        let value = &hooks[index]["authData"]["Authorization"];
        value.as_str().unwrap().to_owned()
    });
    let (id, _) = first.split_once('.').unwrap();
    let (_, of_another) = second.split_once('.').unwrap();
    let mixed = format!("{id}.{of_another}");
    for wrong in [
        None,
        Some("Bearer x"),
        Some("Bearer ."),
        Some("Basic YTpi"),
        Some(&*mixed),
        Some(&first[..first.len() - 1]),
    ] {
        let answer = world.post(wrong, &event_of(CREATED, "alice")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong:?}");
        let row = world.broker.newest().await;
        assert_eq!(row.kind, AuditKind::WebhookRefused);
        assert_eq!(row.outcome, Outcome::Refused(ErrorCode::InvalidToken));
    }
    assert_eq!(world.broker.store().count_deliveries().await.unwrap(), 0);
}

#[tokio::test]
async fn only_events_of_the_webhook_are_stored() {
    let world = World::new().await;
    world.enable(&["alice"]).await;
    let hooks = world.nextcloud.hooks();
    let secret = hooks
        .iter()
        .find(|hook| hook["event"] == CREATED)
        .and_then(|hook| hook["authData"]["Authorization"].as_str())
        .unwrap();
    for body in [
        json!([]),
        json!({}),
        json!({"event": {"class": r"OCP\Other"}}),
    ] {
        let answer = world.post(Some(secret), &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
    }
    let large = json!({"event": {"class": CREATED}, "more": "x".repeat(300_000)});
    let answer = world.post(Some(secret), &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    // Another's event is none of the job's business, whatever Nextcloud's filter did.
    assert_eq!(
        world.deliver(CREATED, "bob").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(world.broker.store().count_deliveries().await.unwrap(), 0);
    assert_eq!(
        world.deliver(CREATED, "alice").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(world.broker.store().count_deliveries().await.unwrap(), 1);
}

#[tokio::test]
async fn a_full_queue_takes_no_more() {
    let world = World::planned(|plan| plan.webhooks.queue = 1).await;
    world.alice_allows(DOWNSTREAM).await;
    world.enable(&[]).await;
    assert_eq!(
        world.deliver(CREATED, "alice").await.status,
        StatusCode::NO_CONTENT
    );
    let answer = world.deliver(CREATED, "alice").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    world.forward().await;
    assert_eq!(
        world.deliver(CREATED, "alice").await.status,
        StatusCode::NO_CONTENT
    );
}

// Of whom.

#[tokio::test]
async fn of_a_person_the_job_hears_while_that_person_lets_it() {
    let world = World::planned(|_| {}).await;
    world.enable(&[]).await;
    assert_eq!(world.waiting_after("alice").await, 0, "never asked");
    // Neither where the job may not, nor where nobody may be asked.
    for downstream in ["calendar", "vault"] {
        world.alice_allows(downstream).await;
        assert_eq!(world.waiting_after("alice").await, 0, "{downstream}");
    }
    world.alice_allows(DOWNSTREAM).await;
    assert_eq!(world.waiting_after("alice").await, 1);
    assert_eq!(world.waiting_after("bob").await, 1, "Alice's leave");
    assert_eq!(world.waiting_after("Alice").await, 1, "another uid");

    // What waits when she withdraws it is told to nobody and kept for nobody.
    world.alice_withdraws().await;
    assert_eq!(world.waiting_after("alice").await, 1);
    world.forward().await;
    assert_eq!(world.job.heard().len(), 0);
    assert_eq!(world.broker.store().count_deliveries().await.unwrap(), 0);
}

#[tokio::test]
async fn what_died_before_it_was_withdrawn_is_not_sent_again() {
    let world = World::planned(|plan| plan.webhooks.attempts = 1).await;
    world.alice_allows(DOWNSTREAM).await;
    world.enable(&[]).await;
    world.deliver(CREATED, "alice").await;
    world.job.answers(StatusCode::INTERNAL_SERVER_ERROR);
    world.forward().await;
    let administrator = world.administrator();
    let dead = administrator.get("webhook-deliveries?state=dead").await;
    let dead = dead.json();
    let id = dead["items"][0]["delivery_id"].as_str().unwrap();

    world.alice_withdraws().await;
    world.job.answers(StatusCode::OK);
    let again = format!("webhook-deliveries/{id}/redeliver");
    assert_eq!(administrator.post(&again).await.status, StatusCode::OK);
    assert_eq!(world.forward().await, 1);
    assert_eq!(world.job.heard().len(), 1, "the one that failed");
    assert_eq!(world.broker.store().count_deliveries().await.unwrap(), 0);
}

#[tokio::test]
async fn technical_accounts_are_asked_nothing_and_people_still_are() {
    let world = World::planned(|_| {}).await;
    let list = world.enable_for(&[], &["scanner"]).await;
    assert_eq!(list["items"][0]["technical_accounts"], json!(["scanner"]));
    let filter = &world.nextcloud.hooks()[0]["eventFilter"];
    assert_eq!(*filter, json!({"user.uid": "scanner"}));
    let row = world.broker.newest().await;
    assert_eq!(row.details["technical_accounts"], json!(["scanner"]));

    assert_eq!(world.waiting_after("scanner").await, 1);
    world.alice_allows(DOWNSTREAM).await;
    assert_eq!(world.waiting_after("alice").await, 1, "not of hers");

    world.enable_for(&["alice"], &["scanner"]).await;
    let filter = &world.nextcloud.hooks()[0]["eventFilter"];
    assert_eq!(*filter, json!({"user.uid": {"$in": ["alice", "scanner"]}}));
    assert_eq!(world.waiting_after("alice").await, 2);
    world.alice_withdraws().await;
    assert_eq!(world.waiting_after("alice").await, 2);
    assert_eq!(world.waiting_after("scanner").await, 3);
}

// To the background client.

#[tokio::test]
async fn the_job_hears_of_it_signed_with_each_key() {
    let world = World::new().await;
    world.enable(&[]).await;
    world.deliver(CREATED, "alice").await;
    assert_eq!(world.forward().await, 1);

    let [(headers, body)] = world.job.heard().try_into().unwrap();
    let text = |name: &str| headers[name].to_str().unwrap();
    let id = text("webhook-id");
    let timestamp: i64 = text("webhook-timestamp").parse().unwrap();
    assert_eq!(timestamp, world.broker.now().as_secs());
    let signatures: Vec<_> = text("webhook-signature").split(' ').collect();
    let expected = [KEY, NEXT_KEY].map(|key| {
        let key = WebhookKey::parse(&key.into()).unwrap();
        key.sign(id, timestamp, &body)
    });
    assert_eq!(signatures, expected);
    assert_eq!(text("content-type"), "application/json");
    assert!(headers.get("authorization").is_none());
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["type"], "nextcloud.files");
    assert_eq!(told["timestamp"], "2027-01-15T08:00:00Z");
    assert_eq!(told["data"], event_of(CREATED, "alice"));
    // The spelling of the specification: `v1,` and base64.
    let tag = signatures[0].strip_prefix("v1,").unwrap();
    assert_eq!(STANDARD.decode(tag).unwrap().len(), 32);

    assert_eq!(world.forward().await, 0, "it has arrived");
    assert_eq!(world.broker.store().count_deliveries().await.unwrap(), 0);
}

#[tokio::test]
async fn what_fails_is_tried_again_then_waits_for_an_administrator() {
    let world = World::new().await;
    world.enable(&[]).await;
    world.deliver(CREATED, "alice").await;
    world.job.answers(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(world.forward().await, 1);
    assert_eq!(world.forward().await, 0, "not at once");
    world.broker.advance(RETRY_AFTER).await;
    assert_eq!(world.forward().await, 1);
    world.broker.advance(RETRY_AFTER).await;
    assert_eq!(world.forward().await, 0, "the pause grows");
    world.broker.advance(RETRY_AFTER * 3).await;
    assert_eq!(world.forward().await, 1);
    world.broker.advance(RETRY_AFTER * 100).await;
    assert_eq!(world.forward().await, 0, "three times");

    let administrator = world.administrator();
    let list = administrator
        .get("webhook-deliveries?state=dead")
        .await
        .json();
    let letter = &list["items"][0];
    let webhooks = &world.broker.parts.webhooks;
    assert_eq!(webhooks.deliveries().await.unwrap(), (0, 1));
    assert_eq!(letter["attempts"], 3, "{list}");
    assert_eq!(letter["state"], "dead");
    let error = letter["last_error"].as_str().unwrap();
    assert!(error.contains("500"), "{error}");
    assert!(!list.to_string().contains("a.txt"), "not what it says");
    let id = letter["delivery_id"].as_str().unwrap();
    let heard = world.job.heard();
    assert!(heard.iter().all(|(headers, _)| headers["webhook-id"] == id));

    world.job.answers(StatusCode::ACCEPTED);
    let again = administrator
        .post(&format!("webhook-deliveries/{id}/redeliver"))
        .await;
    assert_eq!(again.json()["state"], "waiting", "{}", again.body);
    assert_eq!(webhooks.deliveries().await.unwrap(), (1, 0));
    assert_eq!(
        world.broker.newest().await.kind,
        AuditKind::WebhookRedelivered
    );
    assert_eq!(world.forward().await, 1);
    assert_eq!(world.job.heard().len(), 4);
    let gone = administrator
        .delete(&format!("webhook-deliveries/{id}"))
        .await;
    assert_problem(&gone, 404, "not-found");
}

#[tokio::test]
async fn a_job_that_is_blocked_or_wants_no_more_hears_nothing() {
    let world = World::new().await;
    world.enable(&[]).await;
    let administrator = world.administrator();
    world.deliver(CREATED, "alice").await;
    administrator
        .post(&format!("clients/{}/block", JOB.0))
        .await;
    // Nothing new is kept for it.
    assert_eq!(world.waiting_after("alice").await, 1);
    assert_eq!(world.forward().await, 1);
    assert_eq!(world.job.heard().len(), 0);
    let dead = async || {
        let list = administrator.get("webhook-deliveries?state=dead").await;
        list.json()["items"].as_array().unwrap().clone()
    };
    assert_eq!(dead().await.len(), 1);
    let id = dead().await[0]["delivery_id"].as_str().unwrap().to_owned();
    let dropped = administrator
        .delete(&format!("webhook-deliveries/{id}"))
        .await;
    assert_eq!(dropped.status, StatusCode::NO_CONTENT);
    assert_eq!(world.broker.newest().await.kind, AuditKind::WebhookDropped);

    administrator
        .post(&format!("clients/{}/approve", JOB.0))
        .await;
    world.job.answers(StatusCode::GONE);
    world.deliver(CREATED, "alice").await;
    assert_eq!(world.forward().await, 1);
    assert_eq!(dead().await[0]["attempts"], 1, "410 is final");
}

#[tokio::test]
async fn of_two_replicas_one_hands_it_on() {
    let world = World::new().await;
    let replica = world
        .broker
        .replica(|plan| arrange(plan, &world.nextcloud, &world.job))
        .await;
    world.enable(&[]).await;
    for _ in 0..8 {
        world.deliver(CREATED, "alice").await;
    }
    let (here, there) = tokio::join!(
        world.broker.parts.webhooks.forward(),
        replica.parts.webhooks.forward()
    );
    assert!(here.unwrap() + there.unwrap() >= 8);
    let mut ids: Vec<_> = world
        .job
        .heard()
        .into_iter()
        .map(|(headers, _)| headers["webhook-id"].to_str().unwrap().to_owned())
        .collect();
    ids.sort_unstable();
    let heard = ids.len();
    ids.dedup();
    assert_eq!((heard, ids.len()), (8, 8));
}
