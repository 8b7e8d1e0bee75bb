//! A Nextcloud on a real socket, as far as the broker itself asks it, that misbehaves when told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker::nextcloud::AdminCredentials;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use crate::harness::Plan;

/// Where its webhooks are.
const HOOKS: &str = "/ocs/v2.php/apps/webhook_listeners/api/v1/webhooks";

/// Its administrator.
pub(crate) const ADMIN: (&str, &str) = ("admin", "app:password");

#[derive(Default)]
struct Memory {
    /// Whether each account is enabled.
    accounts: BTreeMap<String, bool>,
    /// The accounts asked about, in order.
    asked: Vec<String>,
    /// Everything answers this.
    broken: Option<(StatusCode, Value)>,
    /// The webhooks, by number.
    hooks: BTreeMap<i64, Value>,
    last_hook: i64,
    /// Webhooks are registered, and the answer does not arrive.
    loses_answers: bool,
}

type Shared = Arc<Mutex<Memory>>;

/// The Nextcloud, with the account `alice`. Stops when dropped.
pub(crate) struct FakeNextcloud {
    pub(crate) url: Url,
    memory: Shared,
    task: JoinHandle<()>,
}

impl FakeNextcloud {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let memory = Shared::default();
        let app = Router::new()
            .route("/index.php/avatar/{uid}/64", get(avatar))
            .route("/ocs/v2.php/cloud/users/{uid}", get(profile))
            .route(HOOKS, get(hooks).post(register))
            .route(&format!("{HOOKS}/{{id}}"), delete(forget))
            .with_state(Arc::clone(&memory));
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.unwrap_or_default();
        });
        let nextcloud = Self {
            url: Url::parse(&format!("http://{address}")).unwrap(),
            memory,
            task,
        };
        nextcloud.set("alice", true);
        nextcloud
    }

    /// Makes a broker ask it, as its administrator.
    pub(crate) fn administered(&self, plan: &mut Plan) {
        plan.nextcloud = self.url.clone();
        plan.nextcloud_admin = Some(AdminCredentials {
            user: ADMIN.0.to_owned(),
            password: ADMIN.1.into(),
        });
    }

    /// Makes an account, or enables or disables it.
    pub(crate) fn set(&self, uid: &str, enabled: bool) {
        let mut memory = self.memory.lock().unwrap();
        memory.accounts.insert(uid.to_owned(), enabled);
    }

    pub(crate) fn delete(&self, uid: &str) {
        self.memory.lock().unwrap().accounts.remove(uid);
    }

    /// Answers so from now on, or as it should.
    pub(crate) fn set_broken(&self, answer: Option<(u16, Value)>) {
        let answer = answer.map(|(status, body)| (StatusCode::from_u16(status).unwrap(), body));
        self.memory.lock().unwrap().broken = answer;
    }

    /// Registers webhooks without saying so, from now on or no more.
    pub(crate) fn lose_answers(&self, loses: bool) {
        self.memory.lock().unwrap().loses_answers = loses;
    }

    /// The webhooks, by number.
    pub(crate) fn hooks(&self) -> Vec<Value> {
        let memory = self.memory.lock().unwrap();
        memory.hooks.values().cloned().collect()
    }

    /// Somebody registers a webhook; gives its number.
    pub(crate) fn add_hook(&self, hook: Value) -> i64 {
        self.memory.lock().unwrap().add_hook(hook)
    }

    /// Somebody changes one.
    pub(crate) fn change_hook(&self, id: i64, member: &str, value: Value) {
        let mut memory = self.memory.lock().unwrap();
        memory.hooks.get_mut(&id).unwrap()[member] = value;
    }

    /// Somebody deletes one.
    pub(crate) fn delete_hook(&self, id: i64) {
        self.memory.lock().unwrap().hooks.remove(&id);
    }

    /// How often it was asked about an account.
    pub(crate) fn asked(&self) -> usize {
        self.memory.lock().unwrap().asked.len()
    }
}

impl Drop for FakeNextcloud {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is known of the account, or the answer that hides it.
fn look_up(shared: &Shared, uid: &str) -> Result<Option<bool>, Box<Response>> {
    let mut memory = shared.lock().unwrap();
    memory.asked.push(uid.to_owned());
    match &memory.broken {
        Some((status, body)) => Err(Box::new((*status, Json(body.clone())).into_response())),
        None => Ok(memory.accounts.get(uid).copied()),
    }
}

async fn avatar(State(shared): State<Shared>, Path(uid): Path<String>) -> Response {
    match look_up(&shared, &uid) {
        Ok(Some(_)) => ([("content-type", "image/png")], "picture").into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, Json(json!([]))).into_response(),
        Err(answer) => *answer,
    }
}

impl Memory {
    fn add_hook(&mut self, mut hook: Value) -> i64 {
        self.last_hook += 1;
        hook["id"] = self.last_hook.into();
        self.hooks.insert(self.last_hook, hook);
        self.last_hook
    }
}

fn ocs(status: u16, code: u16, data: &Value) -> Response {
    let body = json!({"ocs": {"meta": {"statuscode": code}, "data": data}});
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

/// The answer to whoever is no administrator, or to everybody.
fn refusal(shared: &Shared, headers: &HeaderMap) -> Option<Response> {
    let expected = STANDARD.encode(format!("{}:{}", ADMIN.0, ADMIN.1));
    let is_admin = headers
        .get("authorization")
        .is_some_and(|value| value == format!("Basic {expected}").as_str());
    if !is_admin || headers.get("ocs-apirequest").is_none() {
        return Some(ocs(401, 997, &json!([])));
    }
    let broken = shared.lock().unwrap().broken.clone();
    broken.map(|(status, body)| (status, Json(body)).into_response())
}

async fn profile(
    State(shared): State<Shared>,
    Path(uid): Path<String>,
    headers: HeaderMap,
) -> Response {
    let known = look_up(&shared, &uid);
    if let Some(answer) = refusal(&shared, &headers) {
        return answer;
    }
    match known {
        Ok(Some(enabled)) => ocs(200, 200, &json!({"id": uid, "enabled": enabled})),
        Ok(None) => ocs(404, 404, &json!([])),
        Err(answer) => *answer,
    }
}

async fn hooks(
    State(shared): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if let Some(answer) = refusal(&shared, &headers) {
        return answer;
    }
    let memory = shared.lock().unwrap();
    let there = memory.hooks.values();
    let found: Vec<_> = there
        .filter(|hook| hook["uri"] == query["uri"].as_str())
        .collect();
    ocs(200, 200, &json!(found))
}

async fn register(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(mut hook): Json<Value>,
) -> Response {
    if let Some(answer) = refusal(&shared, &headers) {
        return answer;
    }
    let mut memory = shared.lock().unwrap();
    hook["id"] = memory.add_hook(hook.clone()).into();
    if memory.loses_answers {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    ocs(200, 200, &hook)
}

async fn forget(State(shared): State<Shared>, Path(id): Path<i64>, headers: HeaderMap) -> Response {
    if let Some(answer) = refusal(&shared, &headers) {
        return answer;
    }
    let was_there = shared.lock().unwrap().hooks.remove(&id).is_some();
    ocs(200, 200, &json!(was_there))
}
