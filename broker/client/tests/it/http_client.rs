//! The one HTTP client: what it refuses to do.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Redirect;
use axum::routing::get;
use broker_client::http::{Answer, HttpClient, HttpError, Options};
use http::{HeaderMap, StatusCode};

use crate::support::serve;

async fn fetch(app: Router, options: Options) -> Result<Answer, HttpError> {
    let url = serve(app).await;
    HttpClient::new(&options)
        .unwrap()
        .get(&url, HeaderMap::new())
        .await
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let app = Router::new()
        .route("/", get(async || Redirect::temporary("/elsewhere")))
        .route("/elsewhere", get(async || "followed"));
    let answer = fetch(app, Options::default()).await.unwrap();
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn an_error_status_is_an_answer() {
    let app = Router::new().route("/", get(async || (StatusCode::BAD_GATEWAY, "no")));
    let answer = fetch(app, Options::default()).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_ref()),
        (StatusCode::BAD_GATEWAY, &b"no"[..])
    );
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_with_and_without_a_length() {
    let options = Options {
        body_limit: 1_000,
        ..Options::default()
    };
    let sized = Router::new().route("/", get(async || "x".repeat(1_001)));
    let result = fetch(sized, options.clone()).await;
    assert!(
        matches!(result, Err(HttpError::TooLarge(1_000))),
        "{result:?}"
    );

    let endless = Router::new().route(
        "/",
        get(async || {
            let chunk = Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 100]));
            Body::from_stream(futures_util::stream::repeat(chunk))
        }),
    );
    let result = fetch(endless, options.clone()).await;
    assert!(
        matches!(result, Err(HttpError::TooLarge(1_000))),
        "{result:?}"
    );

    let exact = Router::new().route("/", get(async || "x".repeat(1_000)));
    assert_eq!(fetch(exact, options).await.unwrap().body.len(), 1_000);
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for() {
    let app = Router::new().route("/", get(async || std::future::pending::<()>().await));
    let options = Options {
        timeout: Duration::from_millis(50),
        ..Options::default()
    };
    let result = fetch(app, options).await;
    assert!(matches!(result, Err(HttpError::Timeout)), "{result:?}");
}

#[tokio::test]
async fn errors_do_not_show_the_url() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{closed}/?token=secret").parse().unwrap();
    let client = HttpClient::new(&Options::default()).unwrap();
    let error = client.get(&url, HeaderMap::new()).await.unwrap_err();
    let mut text = format!("{error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text.push_str(&error.to_string());
        source = error.source();
    }
    assert!(!text.contains("secret"), "{text}");
}
