//! What the tests share: a server in process, and requests to routers.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use broker_client::http::{HttpClient, Options};
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;
use url::Url;

/// 2026-11-21T00:00:00Z: the time of tests whose clock stands still.
pub(crate) const NOW: u64 = 1_795_219_200;

/// A client with the default options.
pub(crate) fn http_client() -> HttpClient {
    HttpClient::new(&Options::default()).expect("a client can be built")
}

/// Serves a router on a free port of loopback until the test ends.
pub(crate) async fn serve(app: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener
        .local_addr()
        .expect("a bound socket has an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    Url::parse(&format!("http://{address}")).expect("an address makes a URL")
}

/// Sends one request to a router.
pub(crate) async fn send(app: &Router, request: Request<Body>) -> Response {
    app.clone()
        .oneshot(request)
        .await
        .expect("a router never fails")
}

/// The JSON body of a response.
pub(crate) async fn json(response: Response) -> Value {
    let body = response
        .into_body()
        .collect()
        .await
        .expect("the body can be read")
        .to_bytes();
    serde_json::from_slice(&body).expect("the body is JSON")
}

/// The text of a response header; empty when it is absent.
pub(crate) fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("a text"))
}
