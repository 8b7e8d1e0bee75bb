//! [`FakeServer`]: a [`FakeIssuer`] behind a real socket.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use super::FakeIssuer;
use crate::ambient::{Clock, SystemClock};
use crate::oauth::token_type;

/// A running issuer on loopback: metadata, `/jwks`, `/token`, `/access` and `/access/withdraw`. Stops
/// when dropped.
///
/// The token endpoint answers every request with a fresh token for the `audience` asked, unless
/// [`FakeServer::answer_token_requests_with`] says otherwise, and keeps what it was asked.
#[derive(Debug)]
pub struct FakeServer {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    issuer: FakeIssuer,
    jwks_requests: AtomicUsize,
    metadata_requests: AtomicUsize,
    jwks_status: AtomicU16,
    answer: Mutex<Option<(StatusCode, Value)>>,
    token_requests: Mutex<Vec<RecordedRequest>>,
    access_answer: Mutex<Option<(StatusCode, Value)>>,
    access_requests: Mutex<Vec<(String, RecordedRequest)>>,
}

/// A request that the token endpoint got.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its form fields.
    pub form: HashMap<String, String>,
}

impl FakeServer {
    /// Starts a server on a free port of loopback, living by the machine's clock.
    pub async fn start() -> Self {
        Self::start_with_clock(Arc::new(SystemClock)).await
    }

    /// Starts a server on a free port of loopback, living by the given clock.
    pub async fn start_with_clock(clock: Arc<dyn Clock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            issuer: FakeIssuer::with_clock(format!("http://{address}"), clock),
            jwks_requests: AtomicUsize::new(0),
            metadata_requests: AtomicUsize::new(0),
            jwks_status: AtomicU16::new(StatusCode::OK.as_u16()),
            answer: Mutex::new(None),
            token_requests: Mutex::new(Vec::new()),
            access_answer: Mutex::new(None),
            access_requests: Mutex::new(Vec::new()),
        });
        let app = Router::new()
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .route("/access", post(access))
            .route("/access/withdraw", post(access))
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            // Ends only with the task.
            axum::serve(listener, app).await.unwrap_or_default();
        });
        Self { shared, task }
    }

    /// The issuer behind the socket.
    #[must_use]
    pub fn issuer(&self) -> &FakeIssuer {
        &self.shared.issuer
    }

    /// The URL of a path of this server.
    #[must_use]
    pub fn url(&self, path: &str) -> Url {
        let url = format!("{}{path}", self.shared.issuer.issuer());
        Url::parse(&url).expect("a path makes a URL")
    }

    /// How often the keys were fetched.
    #[must_use]
    pub fn jwks_requests(&self) -> usize {
        self.shared.jwks_requests.load(Ordering::SeqCst)
    }

    /// How often the metadata was fetched.
    #[must_use]
    pub fn metadata_requests(&self) -> usize {
        self.shared.metadata_requests.load(Ordering::SeqCst)
    }

    /// Lets `/jwks` answer with this status from now on.
    pub fn answer_jwks_requests_with(&self, status: StatusCode) {
        self.shared
            .jwks_status
            .store(status.as_u16(), Ordering::SeqCst);
    }

    /// Lets `/token` answer with this from now on.
    pub fn answer_token_requests_with(&self, status: StatusCode, body: Value) {
        *self
            .shared
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some((status, body));
    }

    /// Lets the endpoints of background access answer with this from now on; without it, that there is
    /// none.
    pub fn answer_access_requests_with(&self, status: StatusCode, body: Value) {
        *self
            .shared
            .access_answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some((status, body));
    }

    /// What the endpoints of background access were asked so far, each with its path.
    #[must_use]
    pub fn access_requests(&self) -> Vec<(String, RecordedRequest)> {
        self.shared
            .access_requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What `/token` was asked so far.
    #[must_use]
    pub fn token_requests(&self) -> Vec<RecordedRequest> {
        self.shared
            .token_requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn metadata(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.metadata_requests.fetch_add(1, Ordering::SeqCst);
    let issuer = shared.issuer.issuer();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "background_access_endpoint": format!("{issuer}/access"),
        "background_access_withdrawal_endpoint": format!("{issuer}/access/withdraw"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
    }))
}

async fn jwks(State(shared): State<Arc<Shared>>) -> Response {
    shared.jwks_requests.fetch_add(1, Ordering::SeqCst);
    let status = StatusCode::from_u16(shared.jwks_status.load(Ordering::SeqCst));
    (status.unwrap_or_default(), Json(shared.issuer.jwks())).into_response()
}

async fn token(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let (audience, scope) = (field("audience"), field("scope"));
    let request = RecordedRequest { headers, form };
    shared
        .token_requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    let answer = shared
        .answer
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let (status, body) = answer.unwrap_or_else(|| {
        let body = json!({
            "access_token": shared.issuer.access_token(&audience, &scope),
            "issued_token_type": token_type::ACCESS_TOKEN,
            "token_type": "Bearer", "expires_in": 60, "scope": scope,
        });
        (StatusCode::OK, body)
    });
    (status, Json(body)).into_response()
}

async fn access(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let audience = form.get("audience").cloned();
    let request = RecordedRequest { headers, form };
    shared
        .access_requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((uri.path().to_owned(), request));
    let answer = shared
        .access_answer
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let (status, body) = answer.unwrap_or_else(|| {
        let link = format!("{}/allow?user=someone", shared.issuer.issuer());
        let body = json!({"downstream": audience, "state": "none", "authorization_uri": link});
        (StatusCode::OK, body)
    });
    (status, Json(body)).into_response()
}
