//! A web server that publishes client metadata documents, and misbehaves when told to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What is published at a path.
#[derive(Clone)]
pub(crate) struct Published {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, &'static str)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    published: Mutex<BTreeMap<String, Published>>,
    hits: AtomicUsize,
}

/// The server. Stops when dropped.
pub(crate) struct DocumentServer {
    base: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Published {
    /// A document as it should be served.
    pub(crate) fn document(document: &Value) -> Self {
        Self {
            status: StatusCode::OK,
            headers: vec![(header::CONTENT_TYPE, "application/json")],
            body: document.to_string().into_bytes(),
        }
    }

    /// The same with one more header.
    pub(crate) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.retain(|(present, _)| *present != name);
        self.headers.push((name, value));
        self
    }

    /// The same with another status.
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = StatusCode::from_u16(status).unwrap();
        self
    }
}

impl DocumentServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let app = Router::new()
            .fallback(serve)
            .with_state(Arc::clone(&shared));
        let task =
            tokio::spawn(async move { axum::serve(listener, app).await.unwrap_or_default() });
        Self { base, shared, task }
    }

    /// The URL of a path, which is a client id.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Publishes something at a path.
    pub(crate) fn publish(&self, path: &str, published: Published) {
        let mut all = self.shared.published.lock().unwrap();
        all.insert(path.to_owned(), published);
    }

    /// Publishes the document of a public client at a path; returns its client id.
    pub(crate) fn publish_client(&self, path: &str) -> String {
        self.publish(path, Published::document(&self.document(path)));
        self.url(path)
    }

    /// The document of a public client at a path.
    pub(crate) fn document(&self, path: &str) -> Value {
        json!({
            "client_id": self.url(path),
            "client_name": "Desktop agent",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        })
    }

    /// How many requests there were.
    pub(crate) fn hits(&self) -> usize {
        self.shared.hits.load(Ordering::SeqCst)
    }
}

impl Drop for DocumentServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    shared.hits.fetch_add(1, Ordering::SeqCst);
    let published = shared.published.lock().unwrap().get(uri.path()).cloned();
    let Some(published) = published else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers: HeaderMap = published
        .headers
        .into_iter()
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect();
    (published.status, headers, published.body).into_response()
}
