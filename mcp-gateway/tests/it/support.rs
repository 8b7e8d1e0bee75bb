//! A gateway with everything around it: an issuer, a Nextcloud that answers as told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use broker_client::testing::{FakeClock, FakeServer};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use mcp_gateway::{app, config, http::Routers};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The resource of every gateway here.
pub(crate) const RESOURCE: &str = "http://127.0.0.1:4282/mcp";
/// The host that `RESOURCE` names.
pub(crate) const HOST: &str = "127.0.0.1:4282";

/// A request that Nextcloud got.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// As on the wire, with the query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

/// An answer that Nextcloud gives.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    never: bool,
}

impl Answer {
    /// None: the request waits until whoever sent it goes away.
    pub(crate) fn never() -> Self {
        let mut answer = Self::text(200, "text/plain", "");
        answer.never = true;
        answer
    }

    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self::text(status, "application/json; charset=utf-8", &body.to_string())
    }

    pub(crate) fn xml(status: u16, body: &str) -> Self {
        Self::text(status, "application/xml; charset=utf-8", body)
    }

    pub(crate) fn text(status: u16, content_type: &str, body: &str) -> Self {
        Self::bytes(status, content_type, body.as_bytes())
    }

    pub(crate) fn bytes(status: u16, content_type: &str, body: &[u8]) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self {
            status,
            headers,
            body: body.to_vec(),
            never: false,
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// One DAV error body, as Sabre writes it.
    pub(crate) fn dav_error(status: u16, message: &str) -> Self {
        Self::xml(
            status,
            &format!(
                r#"<?xml version="1.0" encoding="utf-8"?><d:error xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns"><s:exception>Sabre</s:exception><s:message>{message}</s:message></d:error>"#
            ),
        )
    }
}

type Script = Arc<Mutex<HashMap<(String, String), Vec<Answer>>>>;

/// What the handler of the fake shares with its handle.
type Shared = (Script, Arc<Mutex<Vec<Seen>>>, Arc<AtomicUsize>);

/// Counts a request whose sender went away before it was answered.
struct Abandoned(Arc<AtomicUsize>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Waits until something is as expected.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool + Send + Sync) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), poll).await;
    assert!(waited.is_ok(), "waited in vain: {what}");
}

/// A Nextcloud that answers what it was told and remembers what it was asked.
pub(crate) struct FakeNextcloud {
    pub(crate) url: String,
    script: Script,
    seen: Arc<Mutex<Vec<Seen>>>,
    abandoned: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl FakeNextcloud {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shared = Shared::default();
        let (script, seen, abandoned) = shared.clone();
        let app = Router::new().fallback(answer).with_state(shared);
        let task =
            tokio::spawn(async move { axum::serve(listener, app).await.unwrap_or_default() });
        let nextcloud = Self {
            url: format!("http://{address}"),
            script,
            seen,
            abandoned,
            task,
        };
        nextcloud.on("PROPFIND", "/remote.php/dav/", principal("alice"));
        nextcloud
    }

    /// Answers `method path` with this from now on; several calls queue, the last one stays.
    pub(crate) fn on(&self, method: &str, path: &str, answer: Answer) {
        let key = (method.to_owned(), path.to_owned());
        self.script
            .lock()
            .expect("lock")
            .entry(key)
            .or_default()
            .push(answer);
    }

    /// Everything that was asked, without the question who the user is.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = self.seen.lock().expect("lock").clone();
        seen.into_iter()
            .filter(|seen| seen.target != "/remote.php/dav/" || seen.method == "SEARCH")
            .collect()
    }

    /// How many requests ended before they were answered.
    pub(crate) fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::SeqCst)
    }

    /// Everything that was asked.
    pub(crate) fn all_seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("lock").clone()
    }
}

impl Drop for FakeNextcloud {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State((script, seen, abandoned)): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
    seen.lock().expect("lock").push(Seen {
        method: method.clone(),
        target: parts
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    let answer = {
        let mut script = script.lock().expect("lock");
        // The folder of an upload has a name that nobody knows before.
        let place = if path.starts_with("/remote.php/dav/uploads/") {
            "uploads"
        } else {
            path.as_str()
        };
        // Nor does a new event or task.
        let anywhere = place
            .strip_suffix(".ics")
            .and_then(|place| place.rsplit_once('/'))
            .map(|(folder, _)| format!("{folder}/*"));
        let exact = (method.clone(), place.to_owned());
        let key = match anywhere {
            Some(anywhere) if !script.contains_key(&exact) => (method.clone(), anywhere),
            Some(_) | None => exact,
        };
        match script.get_mut(&key) {
            Some(queue) if queue.len() > 1 => queue.remove(0),
            Some(queue) => queue[0].clone(),
            None => Answer::text(599, "text/plain", &format!("no script for {method} {path}")),
        }
    };
    if answer.never {
        let _abandoned = Abandoned(abandoned);
        std::future::pending::<()>().await;
    }
    let status = StatusCode::from_u16(answer.status).expect("status");
    let mut response = (status, answer.body).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    // As the real one: cookies on every answer.
    response.headers_mut().append(
        header::SET_COOKIE,
        HeaderValue::from_static("oc_sessionPassphrase=abc; path=/; HttpOnly"),
    );
    for (name, value) in answer.headers {
        response
            .headers_mut()
            .append(name, HeaderValue::from_str(&value).expect("value"));
    }
    response
}

fn principal(user: &str) -> Answer {
    Answer::xml(
        207,
        &format!(
            r#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:"><d:response><d:href>/remote.php/dav/</d:href><d:propstat><d:prop><d:current-user-principal><d:href>/remote.php/dav/principals/users/{user}/</d:href></d:current-user-principal></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#
        ),
    )
}

/// An answer of the gateway.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }
}

/// A gateway and its surroundings.
pub(crate) struct Gateway {
    pub(crate) issuer: FakeServer,
    pub(crate) nextcloud: FakeNextcloud,
    router: Router,
    metrics: Router,
}

impl Gateway {
    /// One that exchanges.
    pub(crate) async fn start() -> Self {
        Self::with("", "").await
    }

    /// One that lives at this time, in seconds since 1970.
    pub(crate) async fn at(unix: u64) -> Self {
        let (issuer, nextcloud) = (FakeServer::start().await, FakeNextcloud::start().await);
        let lines = format!("url = \"{}\"", nextcloud.url);
        let config = exchanging_config(&issuer, "", &lines);
        let clock = Arc::new(FakeClock::at(unix));
        let routers = app::build_at(&config, clock, CancellationToken::new()).expect("a gateway");
        Self::of(issuer, nextcloud, routers)
    }

    /// One with more lines in `[server]` and in `[nextcloud]`.
    pub(crate) async fn with(server_lines: &str, nextcloud_lines: &str) -> Self {
        let (issuer, nextcloud) = (FakeServer::start().await, FakeNextcloud::start().await);
        let nextcloud_lines = format!("url = \"{}\"\n{nextcloud_lines}", nextcloud.url);
        let routers = exchanging(&issuer, server_lines, &nextcloud_lines);
        Self::of(issuer, nextcloud, routers)
    }

    /// One whose `[nextcloud]` is exactly this, wherever it points.
    pub(crate) async fn with_nextcloud(lines: &str) -> Self {
        let (issuer, nextcloud) = (FakeServer::start().await, FakeNextcloud::start().await);
        let routers = exchanging(&issuer, "", lines);
        Self::of(issuer, nextcloud, routers)
    }

    /// One that lets background jobs in, and conversations not.
    pub(crate) async fn background_only() -> Self {
        Self::with("", "credentials = \"background_only\"").await
    }

    /// One without a broker, for a single user.
    pub(crate) async fn single_user() -> Self {
        let (issuer, nextcloud) = (FakeServer::start().await, FakeNextcloud::start().await);
        let text = format!(
            r#"
            [nextcloud]
            url = "{}"
            credentials = "basic"
            basic = {{ username = "alice", password = "app-pass" }}
            [server]
            public_url = "http://{HOST}"
            "#,
            nextcloud.url,
        );
        let config = config::from_parts(&text, []).expect("a good configuration");
        let routers = app::build(&config).expect("a gateway");
        Self::of(issuer, nextcloud, routers)
    }

    fn of(issuer: FakeServer, nextcloud: FakeNextcloud, routers: Routers) -> Self {
        Self {
            issuer,
            nextcloud,
            router: routers.public,
            metrics: routers.metrics,
        }
    }

    /// What the metrics listener says.
    pub(crate) async fn metrics(&self) -> String {
        let request = Request::get("/metrics").body(Body::empty());
        let answer = self.metrics.clone().oneshot(request.expect("a request"));
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        let body = answer.into_body().collect().await.expect("a body");
        String::from_utf8(body.to_bytes().to_vec()).expect("text")
    }

    /// A good token with this scope.
    pub(crate) fn token(&self, scope: &str) -> String {
        self.issuer.issuer().access_token(RESOURCE, scope)
    }

    /// A good token of another user with this scope.
    pub(crate) fn token_of(&self, sub: &str, scope: &str) -> String {
        let issuer = self.issuer.issuer();
        let mut claims = issuer.claims(RESOURCE, scope);
        claims["sub"] = json!(sub);
        claims["jti"] = json!(format!("token of {sub}"));
        issuer.sign(&claims)
    }

    pub(crate) async fn send(&self, request: http::Request<Body>) -> Reply {
        Self::answer(self.router.clone(), request).await
    }

    /// Sends a request in a task of its own; aborting the task is what a lost connection is.
    pub(crate) fn start_sending(&self, request: http::Request<Body>) -> JoinHandle<Reply> {
        tokio::spawn(Self::answer(self.router.clone(), request))
    }

    async fn answer(router: Router, request: http::Request<Body>) -> Reply {
        let response = router.oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Posts raw text to `/mcp` as a client of the older era would.
    pub(crate) async fn post_text(
        &self,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: String,
    ) -> Reply {
        self.send(post(token, headers, body)).await
    }

    /// Posts one JSON-RPC request with a good token.
    pub(crate) async fn rpc(&self, scope: &str, method: &str, params: Value) -> Reply {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let headers = [("mcp-protocol-version", "2025-11-25")];
        self.post_text(Some(&self.token(scope)), &headers, body.to_string())
            .await
    }

    /// A request that calls a tool of the older era under this id, with a good token.
    pub(crate) fn tool_call(
        &self,
        scope: &str,
        id: u64,
        tool: &str,
        arguments: Value,
    ) -> http::Request<Body> {
        let params = json!({ "name": tool, "arguments": arguments });
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        post(
            Some(&self.token(scope)),
            &[("mcp-protocol-version", "2025-11-25")],
            body.to_string(),
        )
    }

    /// Calls a tool and returns its `result`.
    pub(crate) async fn call(&self, scope: &str, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let reply = self.rpc(scope, "tools/call", params).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply
            .body
            .get("result")
            .cloned()
            .unwrap_or_else(|| panic!("no result: {reply:?}"))
    }

    /// Calls a tool that has to succeed and returns its structured content.
    pub(crate) async fn ok(&self, scope: &str, tool: &str, arguments: Value) -> Value {
        let result = self.call(scope, tool, arguments).await;
        assert_ne!(result["isError"], true, "{result}");
        assert_eq!(
            result["structuredContent"],
            serde_json::from_str::<Value>(result["content"][0]["text"].as_str().expect("text"))
                .expect("json"),
            "the text says the same"
        );
        result["structuredContent"].clone()
    }

    /// Calls a tool that has to fail and returns what the model reads.
    pub(crate) async fn failure(&self, scope: &str, tool: &str, arguments: Value) -> String {
        let result = self.call(scope, tool, arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        assert!(
            result.get("structuredContent").is_none(),
            "it would have to match the schema"
        );
        let texts = result["content"].as_array().expect("content").iter();
        texts
            .map(|block| block["text"].as_str().expect("text"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// A request that posts text to `/mcp` as a client of the older era would.
pub(crate) fn post(
    token: Option<&str>,
    headers: &[(&str, &str)],
    body: String,
) -> http::Request<Body> {
    let mut request = http::Request::post("/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Body::from(body))
        .expect("a request");
    request
        .headers_mut()
        .insert("host", HeaderValue::from_static(HOST));
    if let Some(token) = token {
        let value = HeaderValue::try_from(format!("Bearer {token}")).expect("token");
        request.headers_mut().insert("authorization", value);
    }
    for (name, value) in headers {
        let name = http::HeaderName::try_from(*name).expect("name");
        request
            .headers_mut()
            .insert(name, HeaderValue::try_from(*value).expect("value"));
    }
    request
}

fn exchanging(issuer: &FakeServer, server_lines: &str, nextcloud_lines: &str) -> Routers {
    let config = exchanging_config(issuer, server_lines, nextcloud_lines);
    app::build(&config).expect("a gateway")
}

fn exchanging_config(
    issuer: &FakeServer,
    server_lines: &str,
    nextcloud_lines: &str,
) -> config::Config {
    let text = format!(
        r#"
        [nextcloud]
        {nextcloud_lines}
        [broker]
        issuer = "{}"
        client_id = "mcp-gateway"
        client_secret = "gateway-secret"
        [server]
        public_url = "http://{HOST}"
        {server_lines}
        "#,
        issuer.issuer().issuer(),
    );
    config::from_parts(&text, []).expect("a good configuration")
}

/// A note as the Notes app sends it.
pub(crate) fn note(id: u64, title: &str, content: &str, category: &str, etag: &str) -> Value {
    let folder = if category.is_empty() {
        String::new()
    } else {
        format!("{category}/")
    };
    json!({
        "id": id, "title": title, "modified": 1_795_226_805, "category": category,
        "favorite": false, "readonly": false, "internalPath": format!("/Notes/{folder}{title}.md"),
        "shareTypes": [], "isShared": false, "error": false, "errorType": "",
        "content": content, "etag": etag,
    })
}
