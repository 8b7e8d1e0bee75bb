//! Attacks on the guarded client: spellings of forbidden addresses, names that lead inside, names
//! that change their mind, answers that are too much.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;

const JSON: (&str, &str) = ("content-type", "application/json");

/// A client whose names resolve as told, one list of addresses a question, and the count of questions.
fn client(loopback: Loopback, answers: &[&[&str]]) -> (GuardedClient, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answers: Vec<Vec<IpAddr>> = answers
        .iter()
        .map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect())
        .collect();
    let lookup: Arc<Lookup> = Arc::new(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let answer = answers.get(number).or(answers.last()).cloned();
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    });
    let timeout = Duration::from_secs(5);
    (
        GuardedClient::with(loopback, lookup, timeout).unwrap(),
        asked,
    )
}

/// What the client says to a URL that it refuses.
async fn refusal(client: &GuardedClient, url: &str) -> GuardError {
    client.get(&Url::parse(url).unwrap()).await.unwrap_err()
}

async fn serve(app: Router) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

async fn fetch(app: Router) -> Result<Answer, GuardError> {
    let port = serve(app).await;
    let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let (client, _) = client(Loopback::Allowed, &[]);
    client.get(&url).await
}

#[tokio::test]
async fn addresses_in_the_url_are_judged_in_every_spelling() {
    let (client, asked) = client(Loopback::Refused, &[&["8.8.8.8"]]);
    for url in [
        // Loopback: dotted, short, decimal, octal, hexadecimal, mixed, with leading zeros.
        "https://127.0.0.1/c.json",
        "https://127.0.0.1:8443/c.json",
        "https://127.1/c.json",
        "https://127.0.1/c.json",
        "https://2130706433/c.json",
        "https://017700000001/c.json",
        "https://0x7f000001/c.json",
        "https://0x7F.1/c.json",
        "https://0177.0.0.1/c.json",
        "https://0x7f.0x0.0x0.0x1/c.json",
        "https://00000177.0.0.01/c.json",
        "https://127.0.0.1./c.json",
        "https://0/c.json",
        "https://0.0.0.0/c.json",
        // Escaped, and in characters that only look different.
        "https://%31%32%37.0.0.1/c.json",
        "https://127%2e0%2e0%2e1/c.json",
        "https://①②⑦.⓪.⓪.①/c.json",
        "https://１２７。０。０。１/c.json",
        // Metadata of clouds.
        "https://169.254.169.254/latest/meta-data/",
        "https://2852039166/latest/meta-data/",
        "https://0xa9fea9fe/latest/meta-data/",
        "https://0251.0376.0251.0376/latest/meta-data/",
        "https://169.254.43518/latest/meta-data/",
        "https://169.254.170.2/v2/credentials",
        "https://100.100.100.200/latest/meta-data/",
        "https://168.63.129.16/machine",
        "https://192.0.0.192/opc/v1/instance/",
        // Private, link-local, shared, multicast, reserved, documentation.
        "https://10.0.0.1/c.json",
        "https://0xa.1/c.json",
        "https://012.0.0.1/c.json",
        "https://167772161/c.json",
        "https://172.16.0.1/c.json",
        "https://172.31.255.254/c.json",
        "https://192.168.1.1/c.json",
        "https://3232235777/c.json",
        "https://100.64.0.1/c.json",
        "https://198.18.0.1/c.json",
        "https://192.0.2.1/c.json",
        "https://224.0.0.1/c.json",
        "https://255.255.255.255/c.json",
        "https://4294967295/c.json",
        // IPv6, and IPv4 inside it.
        "https://[::1]/c.json",
        "https://[0:0:0:0:0:0:0:1]/c.json",
        "https://[::]/c.json",
        "https://[::ffff:127.0.0.1]/c.json",
        "https://[::ffff:7f00:1]/c.json",
        "https://[0:0:0:0:0:ffff:a9fe:a9fe]/c.json",
        "https://[::127.0.0.1]/c.json",
        "https://[::a9fe:a9fe]/c.json",
        "https://[64:ff9b::127.0.0.1]/c.json",
        "https://[64:ff9b::a00:1]/c.json",
        "https://[64:ff9b:1::808:808]/c.json",
        "https://[2002:7f00:1::]/c.json",
        "https://[2001:0:7f00:1::]/c.json",
        "https://[fd00:ec2::254]/latest/meta-data/",
        "https://[fe80::1]/c.json",
        "https://[fc00::1]/c.json",
        "https://[ff02::1]/c.json",
        "https://[2001:db8::1]/c.json",
    ] {
        let error = refusal(&client, url).await;
        assert!(matches!(error, GuardError::Address), "{url}: {error:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 0, "{url} is no name");
    }
}

#[tokio::test]
async fn only_https_without_credentials_is_fetched() {
    let (client, asked) = client(Loopback::Refused, &[&["8.8.8.8"]]);
    for url in [
        "http://a.example/c.json",
        "http://127.0.0.1/c.json",
        "http://localhost/c.json",
        "ftp://a.example/c.json",
        "file:///etc/passwd",
        "data:application/json,{}",
        "gopher://a.example/",
        "unix:/run/docker.sock",
        "ws://a.example/",
        "javascript:alert(1)",
    ] {
        let error = refusal(&client, url).await;
        assert!(matches!(error, GuardError::Scheme), "{url}: {error:?}");
    }
    for url in [
        "https://user@a.example/c.json",
        "https://user:password@a.example/c.json",
        "https://:password@a.example/c.json",
        "https://claude.ai@127.0.0.1/c.json",
    ] {
        let error = refusal(&client, url).await;
        assert!(matches!(error, GuardError::Credentials), "{url}: {error:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_followed() {
    let answers = [
        &["127.0.0.1"][..],
        &["10.1.2.3"],
        &["169.254.169.254"],
        &["192.168.0.10"],
        &["::1"],
        &["::ffff:10.0.0.1"],
        &["64:ff9b::169.254.169.254"],
        &["fd12:3456::1"],
        // Among others: the client would try them all.
        &["8.8.8.8", "127.0.0.1"],
        &["2606:4700::1", "fe80::1"],
    ];
    let (guarded, asked) = client(Loopback::Refused, &answers);
    for answer in answers {
        let error = refusal(&guarded, "https://inside.example/c.json").await;
        assert!(
            matches!(error, GuardError::Address),
            "{answer:?}: {error:?}"
        );
        assert!(!error.is_transient());
    }
    assert_eq!(asked.load(Ordering::SeqCst), answers.len());
    // Names are names of this machine and its network only when they resolve to it.
    let (guarded, _) = client(Loopback::Refused, &[&["127.0.0.1"]]);
    for url in [
        "https://localhost/c.json",
        "https://localhost./c.json",
        "https://metadata.google.internal/computeMetadata/v1/",
        "https://nextcloud/c.json",
    ] {
        let error = refusal(&guarded, url).await;
        assert!(matches!(error, GuardError::Address), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn in_development_only_loopback_by_its_own_names_is_added() {
    let (client, _) = client(Loopback::Allowed, &[&["127.0.0.1"]]);
    for url in [
        // Any name may resolve to loopback; only one is meant to.
        "https://inside.example/c.json",
        "https://sub.localhost/c.json",
        "https://[::ffff:127.0.0.1]/c.json",
        "https://10.0.0.1/c.json",
        "https://169.254.169.254/c.json",
    ] {
        let error = refusal(&client, url).await;
        assert!(matches!(error, GuardError::Address), "{url}: {error:?}");
    }
    let error = refusal(&client, "http://inside.example/c.json").await;
    assert!(matches!(error, GuardError::Scheme), "{error:?}");
}

#[tokio::test]
async fn a_name_is_resolved_once_a_fetch_and_anew_for_the_next() {
    let app = Router::new().route(
        "/",
        get(async |headers: HeaderMap| {
            let host = headers["host"].to_str().unwrap().to_owned();
            ([JSON], format!("\"{host}\""))
        }),
    );
    let port = serve(app).await;
    let url = Url::parse(&format!("http://localhost:{port}/")).unwrap();
    let (client, asked) = client(Loopback::Allowed, &[&["127.0.0.1"], &["169.254.169.254"]]);

    let first = client.get(&url).await.unwrap();
    assert_eq!(first.body, format!("\"localhost:{port}\""));
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "checked and used: one answer"
    );

    // Rebound: no kept connection hides it, and the new answer is judged like the first.
    let second = client.get(&url).await;
    assert!(matches!(second, Err(GuardError::Address)), "{second:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_connection_goes_to_the_checked_address_under_the_name_of_the_url() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let greeting = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut greeting = vec![0; 4096];
        let length = stream.read(&mut greeting).await.unwrap();
        greeting.truncate(length);
        greeting
    });
    let (client, _) = client(Loopback::Allowed, &[&["127.0.0.1"]]);
    let url = Url::parse(&format!("https://localhost:{port}/")).unwrap();
    let error = client.get(&url).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let greeting = greeting.await.unwrap();
    let named = greeting.windows(9).any(|bytes| bytes == b"localhost");
    assert!(named, "TLS asks for the name, not for the address");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_may_do_so_later() {
    let (client, _) = client(Loopback::Refused, &[]);
    let url = Url::parse("https://a.example/c.json").unwrap();
    let error = client.get(&url).await.unwrap_err();
    assert!(matches!(error, GuardError::Unresolved(_)), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_redirect_is_a_refusal_wherever_it_leads() {
    let app = Router::new()
        .route("/", get(async || Redirect::temporary("/other")))
        .route("/other", get(async || ([JSON], "{}")));
    let result = fetch(app).await;
    assert!(
        matches!(
            result,
            Err(GuardError::Status(StatusCode::TEMPORARY_REDIRECT))
        ),
        "{result:?}"
    );
    assert!(!result.unwrap_err().is_transient());
}

#[tokio::test]
async fn of_statuses_only_200_is_an_answer() {
    for (status, is_transient) in [
        (201, false),
        (204, false),
        (401, false),
        (404, false),
        (410, false),
        (429, true),
        (500, true),
        (503, true),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let app = Router::new().route("/", get(move || async move { (status, [JSON], "{}") }));
        let error = fetch(app).await.unwrap_err();
        assert!(matches!(error, GuardError::Status(it) if it == status));
        assert_eq!(error.is_transient(), is_transient, "{status}");
    }
}

#[tokio::test]
async fn only_json_is_read() {
    for (content_type, is_json) in [
        ("application/json", true),
        ("Application/JSON; charset=utf-8", true),
        ("application/oauth-client-metadata+json", true),
        ("application/jsonp", false),
        ("text/json", false),
        ("text/html", false),
        ("image/svg+json", false),
        ("", false),
    ] {
        let app = Router::new().route(
            "/",
            get(move || async move { ([("content-type", content_type)], "{}") }),
        );
        let result = fetch(app).await;
        assert_eq!(result.is_ok(), is_json, "{content_type}: {result:?}");
    }
    let untyped = Router::new().route("/", get(async || Body::from("{}").into_response()));
    assert!(matches!(fetch(untyped).await, Err(GuardError::ContentType)));
}

#[tokio::test]
async fn five_kib_are_read_and_no_byte_more() {
    let sized = |length: usize| {
        Router::new().route(
            "/",
            get(move || async move { ([JSON], "x".repeat(length)) }),
        )
    };
    assert_eq!(fetch(sized(5 * 1024)).await.unwrap().body.len(), 5 * 1024);
    let endless = Router::new().route(
        "/",
        get(async || {
            let chunk = Ok::<_, std::convert::Infallible>(Bytes::from_static(&[b' '; 512]));
            let body = Body::from_stream(futures_util::stream::repeat(chunk));
            ([JSON], body)
        }),
    );
    for app in [sized(5 * 1024 + 1), endless] {
        let result = fetch(app).await;
        assert!(
            matches!(result, Err(GuardError::Http(HttpError::TooLarge(5120)))),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn the_time_limit_covers_all_of_it() {
    let silent = Router::new().route("/", get(async || std::future::pending::<()>().await));
    let stuck = Router::new().route(
        "/",
        get(async || {
            let body = Body::from_stream(futures_util::stream::pending::<io::Result<Bytes>>());
            ([JSON], body)
        }),
    );
    let slow_name: Arc<Lookup> = Arc::new(|_| Box::pin(std::future::pending()));
    let client =
        GuardedClient::with(Loopback::Allowed, slow_name, Duration::from_millis(50)).unwrap();
    let mut urls = vec!["https://a.example/".to_owned()];
    for app in [silent, stuck] {
        urls.push(format!("http://127.0.0.1:{}/", serve(app).await));
    }
    for url in urls {
        let error = client.get(&Url::parse(&url).unwrap()).await.unwrap_err();
        assert!(
            matches!(
                error,
                GuardError::Http(HttpError::Timeout | HttpError::Connect(_))
            ),
            "{url}: {error:?}"
        );
        assert!(error.is_transient());
    }
    assert_eq!(TIMEOUT, Duration::from_secs(5));
}
