//! The app `webhook_listeners` 1.3.0: registrations over OCS, and events of files as they happen.
//!
//! As on the real server: administrators only, an update of an unknown number answers 200, each event is
//! sent once and forgotten, whatever the receiver says. Files are watched by what changed while a
//! request ran, so notes count as the files that they are. Other events register and never fire.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{Method, Uri};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::gate::OcsRoute;
use super::server::{Server, Shared};
use super::text::query_parameter;

/// The namespaces of events that can be listened to.
const EVENTS: [&str; 4] = [
    r"OCP\Files\Events\Node\",
    r"OCP\Calendar\Events\CalendarObject",
    r"OCP\SystemTag\Tag",
    r"OCA\Tables\Event\Row",
];

/// The webhooks, by number.
#[derive(Default)]
struct Hooks {
    last: i64,
    by_id: BTreeMap<i64, Value>,
    http: reqwest::Client,
}

/// The routes of the app.
pub(super) fn routes() -> Router<Shared> {
    const ALL: &str = "/ocs/{version}/apps/webhook_listeners/api/v1/webhooks";
    Router::new().route(ALL, get(list).post(create)).route(
        &format!("{ALL}/{{id}}"),
        get(show).post(update).delete(delete),
    )
}

/// What is registered, with its secrets.
pub(super) fn all(server: &Server) -> Vec<Value> {
    hooks(server, |hooks| hooks.by_id.values().cloned().collect())
}

/// Deletes a webhook behind everybody's back.
pub(super) fn forget(server: &Server, id: i64) {
    hooks(server, |hooks| hooks.by_id.remove(&id));
}

async fn list(State(server): State<Shared>, uri: Uri, route: OcsRoute) -> Response {
    if let Some(refusal) = refused(&server, &route) {
        return refusal;
    }
    let wanted = query_parameter(uri.query(), "uri");
    let found: Vec<Value> = all(&server)
        .into_iter()
        .filter(|hook| wanted.as_deref().is_none_or(|wanted| hook["uri"] == wanted))
        .map(shown)
        .collect();
    route.ocs.ok(&json!(found))
}

async fn create(
    State(server): State<Shared>,
    route: OcsRoute,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refusal) = refused(&server, &route) {
        return refusal;
    }
    let id = hooks(&server, |hooks| {
        hooks.last += 1;
        hooks.last
    });
    write(&server, &route, id, &body)
}

async fn update(
    State(server): State<Shared>,
    Path((_, id)): Path<(String, i64)>,
    route: OcsRoute,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refusal) = refused(&server, &route) {
        return refusal;
    }
    if hooks(&server, |hooks| hooks.by_id.contains_key(&id)) {
        return write(&server, &route, id, &body);
    }
    // It answers as if there were one.
    match registered(&route, id, &body) {
        Ok(hook) => route.ocs.ok(&shown(hook)),
        Err(message) => route.ocs.failure(400, &message),
    }
}

async fn show(
    State(server): State<Shared>,
    Path((_, id)): Path<(String, i64)>,
    route: OcsRoute,
) -> Response {
    if let Some(refusal) = refused(&server, &route) {
        return refusal;
    }
    match hooks(&server, |hooks| hooks.by_id.get(&id).cloned()) {
        Some(hook) => route.ocs.ok(&shown(hook)),
        None => route
            .ocs
            .failure(404, "Did expect one result but found none"),
    }
}

async fn delete(
    State(server): State<Shared>,
    Path((_, id)): Path<(String, i64)>,
    route: OcsRoute,
) -> Response {
    if let Some(refusal) = refused(&server, &route) {
        return refusal;
    }
    let was_there = hooks(&server, |hooks| hooks.by_id.remove(&id).is_some());
    route.ocs.ok(&json!(was_there))
}

fn refused(server: &Server, route: &OcsRoute) -> Option<Response> {
    let uid = &route.session.uid;
    let is_admin =
        server.store(|store| store.accounts.get(uid).is_some_and(|account| account.admin));
    (!is_admin).then(|| {
        let message = "Logged in account must be an admin, a sub admin or gotten special right to \
                       access this setting";
        route.ocs.failure(403, message)
    })
}

fn write(server: &Server, route: &OcsRoute, id: i64, body: &Value) -> Response {
    match registered(route, id, body) {
        Ok(hook) => {
            hooks(server, |hooks| hooks.by_id.insert(id, hook.clone()));
            route.ocs.ok(&shown(hook))
        }
        Err(message) => route.ocs.failure(400, &message),
    }
}

/// The webhook that a body makes, if it makes one. Address and method are not looked at.
fn registered(route: &OcsRoute, id: i64, body: &Value) -> Result<Value, String> {
    let event = body["event"].as_str().unwrap_or_default();
    let event = event.trim_start_matches('\\');
    let is_compatible = EVENTS.iter().any(|prefix| event.starts_with(prefix));
    if !is_compatible || !event.ends_with("Event") {
        return Err(format!(
            "{event} is not an event class compatible with webhooks"
        ));
    }
    let method = body["authMethod"].as_str().unwrap_or("none");
    if !["none", "header"].contains(&method) {
        return Err("This auth method does not exist".to_owned());
    }
    let filter = body
        .get("eventFilter")
        .filter(|filter| **filter != json!({}));
    Ok(json!({
        "id": id,
        "appId": null,
        "userId": route.session.uid,
        "httpMethod": body["httpMethod"],
        "uri": body["uri"],
        "event": event,
        // PHP writes an empty object as a list.
        "eventFilter": filter.cloned().unwrap_or(json!([])),
        "userIdFilter": body["userIdFilter"].as_str().unwrap_or_default(),
        "headers": body.get("headers"),
        "authMethod": method,
        "authData": body.get("authData"),
    }))
}

/// What is shown of a webhook: its secret is sealed.
fn shown(mut hook: Value) -> Value {
    if hook["authData"].is_object() {
        hook["authData"] = json!("35ce7c6c786272c4|70513dd2c6a1b00e|ae4ad4006eb87715|3");
    }
    hook
}

/// A user's files before a request that may change them, if anybody listens: number and entity tag.
pub(super) fn watch(server: &Server, method: &Method, uid: Option<&str>) -> Option<Files> {
    let is_reading = matches!(
        method.as_str(),
        "GET" | "HEAD" | "PROPFIND" | "REPORT" | "SEARCH"
    );
    let nobody_listens = hooks(server, |hooks| hooks.by_id.is_empty());
    if is_reading || nobody_listens {
        return None;
    }
    uid.map(|uid| files(server, uid))
}

/// A user's files: path to number and entity tag; folders end with a slash.
pub(super) type Files = BTreeMap<String, (u64, String)>;

fn files(server: &Server, uid: &str) -> Files {
    server.store(|store| {
        let (tree, _) = store.files(uid);
        let nodes = tree.subtree(&[]).skip(1);
        nodes
            .map(|(path, node)| {
                let end = if node.is_folder() { "/" } else { "" };
                let path = format!("{}{end}", path.join("/"));
                (path, (node.id, node.etag.clone()))
            })
            .collect()
    })
}

/// Tells those who listen what happened to a user's files since `before`.
pub(super) fn tell(server: &Server, uid: &str, before: &Files) {
    let after = files(server, uid);
    let node = |path: &str, id: u64| {
        let path = path.trim_end_matches('/');
        json!({"id": id, "path": format!("/{uid}/files/{path}")})
    };
    let fire = |name: &str, mut event: Value| {
        let class = format!(r"OCP\Files\Events\Node\{name}");
        event["class"] = class.as_str().into();
        send(server, uid, &class, &event);
    };
    let old: BTreeMap<u64, &String> = before.iter().map(|(path, (id, _))| (*id, path)).collect();
    for (path, (id, etag)) in &after {
        match (before.get(path), old.get(id)) {
            (Some((_, known)), _) if known == etag || path.ends_with('/') => {}
            (Some(_), _) => fire("NodeWrittenEvent", json!({"node": node(path, *id)})),
            (None, Some(source)) => fire(
                "NodeRenamedEvent",
                json!({"source": node(source, *id), "target": node(path, *id)}),
            ),
            (None, None) => {
                fire("NodeCreatedEvent", json!({"node": node(path, *id)}));
                if !path.ends_with('/') {
                    fire("NodeWrittenEvent", json!({"node": node(path, *id)}));
                }
            }
        }
    }
    let there: Vec<u64> = after.values().map(|(id, _)| *id).collect();
    for (path, (id, _)) in before {
        if !after.contains_key(path) && !there.contains(id) {
            let path = format!("/{uid}/files/{}", path.trim_end_matches('/'));
            fire("NodeDeletedEvent", json!({"node": {"path": path}}));
        }
    }
}

/// Sends an event to everybody who listens to it: once, in a task of its own.
fn send(server: &Server, uid: &str, class: &str, event: &Value) {
    let name = server.store(|store| {
        let account = store.accounts.get(uid);
        account.map_or_else(|| uid.to_owned(), |one| one.display_name.clone())
    });
    let body = json!({
        "event": event,
        "user": {"uid": uid, "displayName": name},
        "time": server.clock().now(),
    });
    let (listening, http) = hooks(server, |hooks| {
        let listening = hooks
            .by_id
            .values()
            .filter(|hook| hook["event"] == class && passes(&hook["eventFilter"]["user.uid"], uid));
        (listening.cloned().collect::<Vec<_>>(), hooks.http.clone())
    });
    for hook in listening {
        let mut request = http
            .post(hook["uri"].as_str().unwrap_or_default())
            .timeout(Duration::from_secs(30))
            .header("user-agent", "Nextcloud Server Crawler")
            .body(body.to_string());
        for headers in [&hook["headers"], &hook["authData"]] {
            for (name, value) in headers.as_object().into_iter().flatten() {
                request = request.header(name, value.as_str().unwrap_or_default());
            }
        }
        tokio::spawn(async move {
            // Whatever comes of it: it is not sent again.
            request.send().await.ok();
        });
    }
}

/// Whether a user passes a filter: none, one uid, or `$in` a list.
fn passes(filter: &Value, uid: &str) -> bool {
    if let Some(only) = filter.as_str() {
        return only == uid;
    }
    filter.is_null()
        || filter["$in"]
            .as_array()
            .is_some_and(|some| some.iter().any(|one| one == uid))
}

fn hooks<R>(server: &Server, work: impl FnOnce(&mut Hooks) -> R) -> R {
    server.family(work).unwrap()
}
