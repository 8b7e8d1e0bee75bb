//! Serving: nobody holds it up, and nothing that has begun is lost when it stops. Over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use broker_client::server::{Limits, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here should take, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
    /// Lets `/slow` answer.
    go: Arc<Notify>,
    /// `/slow` has begun.
    begun: Arc<Notify>,
}

impl Running {
    async fn start(limits: Limits) -> Self {
        let (go, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (wait, say) = (Arc::clone(&go), Arc::clone(&begun));
        let slow = move || {
            let (wait, say) = (Arc::clone(&wait), Arc::clone(&say));
            async move {
                say.notify_one();
                wait.notified().await;
                "done"
            }
        };
        let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
        let router = Router::new()
            .route("/slow", get(slow))
            .route("/peer", get(peer))
            .route("/echo", post(|body: String| async move { body }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, None, router, limits, stop.clone()));
        Self {
            address,
            stop,
            served,
            go,
            begun,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Everything until the other end hangs up.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text));
    // Cut off hard is cut off too.
    drop(read.await.expect("the connection stays open"));
    String::from_utf8(text).unwrap()
}

/// An answer, up to the last of `end`.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 1024];
    while !text.ends_with(end) {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer));
        let count = read.await.expect("no answer").unwrap();
        assert_ne!(count, 0, "hung up after {text}");
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    text
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off() {
    let running = Running::start(Limits {
        head: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    let stream = running.connect().await;
    let (mut from, mut to) = stream.into_split();
    let trickle = tokio::spawn(async move {
        to.write_all(b"GET /peer HTTP/1.1\r\nx: ").await.unwrap();
        // A byte now and then, for as long as somebody listens.
        while to.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, from.read_to_end(&mut answer));
    drop(read.await.expect("the connection stays open"));
    tokio::time::timeout(PATIENCE, trickle)
        .await
        .expect("it may trickle for ever")
        .unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
}

#[tokio::test]
async fn a_body_may_take_longer_than_the_head_and_so_may_the_pause_between_requests() {
    let head = Duration::from_millis(100);
    let running = Running::start(Limits {
        head,
        ..Limits::default()
    })
    .await;
    let mut stream = running.connect().await;
    for _ in 0..3 {
        stream
            .write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nabc")
            .await
            .unwrap();
        tokio::time::sleep(head * 2).await;
        stream.write_all(b"def").await.unwrap();
        let answer = until(&mut stream, "abcdef").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        tokio::time::sleep(head * 2).await;
    }
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_after_a_while() {
    let running = Running::start(Limits {
        idle: Duration::from_millis(100),
        ..Limits::default()
    })
    .await;
    let mut stream = running.connect().await;
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let running = Running::start(Limits::default()).await;
    let mut stream = running.connect().await;
    let head = format!(
        "GET /peer HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "x".repeat(64 * 1024)
    );
    // The answer may come before all is sent.
    drop(stream.write_all(head.as_bytes()).await);
    assert!(!rest(&mut stream).await.contains("200 OK"));

    let mut stream = running.connect().await;
    let many = "x: x\r\n".repeat(500);
    let head = format!("GET /peer HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    drop(stream.write_all(head.as_bytes()).await);
    assert!(!rest(&mut stream).await.contains("200 OK"));
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_until_there_is_a_place() {
    let running = Running::start(Limits {
        connections: 1,
        ..Limits::default()
    })
    .await;
    let mut first = running.connect().await;
    first
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    running.begun.notified().await;
    let mut second = running.connect().await;
    second
        .write_all(b"GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(200), second.read(&mut byte)).await;
    assert!(early.is_err(), "answered beside the one there may be");
    running.go.notify_one();
    assert!(rest(&mut first).await.ends_with("done"));
    let answer = rest(&mut second).await;
    let own = second.local_addr().unwrap().to_string();
    assert!(answer.ends_with(&own), "{answer}");
}

#[tokio::test]
async fn what_has_begun_is_answered_after_the_signal_and_nothing_new_is_taken() {
    let running = Running::start(Limits::default()).await;
    let mut idle = running.connect().await;
    let mut busy = running.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    running.begun.notified().await;
    running.stop.cancel();
    assert_eq!(rest(&mut idle).await, "", "nothing is going on there");
    let refused = async {
        while TcpStream::connect(running.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused)
        .await
        .expect("it still listens");
    assert!(!running.served.is_finished(), "one is still being answered");
    running.go.notify_one();
    let answer = rest(&mut busy).await;
    assert!(answer.ends_with("done"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    tokio::time::timeout(PATIENCE, running.served)
        .await
        .expect("it goes on")
        .unwrap();
}

#[tokio::test]
async fn whoever_does_not_wait_cuts_off_what_is_left() {
    let running = Running::start(Limits::default()).await;
    let mut busy = running.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    running.begun.notified().await;
    running.served.abort();
    assert_eq!(rest(&mut busy).await, "");
}

/// A request that `/slow` answers without a look at its body.
const UNREAD: &str = "GET /slow HTTP/1.1\r\nhost: a\r\n";

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_leaves_the_connection_good() {
    let running = Running::start(Limits::default()).await;
    let mut stream = running.connect().await;
    for head in [
        "content-length: 5\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n",
    ] {
        let head = format!("{UNREAD}{head}");
        stream.write_all(head.as_bytes()).await.unwrap();
        running.begun.notified().await;
        running.go.notify_one();
        // Time for an answer that does not wait for the body.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let body = if head.contains("chunked") {
            "5\r\nhello\r\n0\r\n\r\n"
        } else {
            "hello"
        };
        stream.write_all(body.as_bytes()).await.unwrap();
        let answer = until(&mut stream, "done").await;
        assert!(
            !answer.to_lowercase().contains("connection: close"),
            "{answer}"
        );
    }
    stream
        .write_all(b"GET /peer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(&mut stream).await.contains("127.0.0.1"));
}

#[tokio::test]
async fn an_answer_says_so_where_the_connection_ends_with_it() {
    let running = Running::start(Limits {
        leftover: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    // One that never sends its body, and one that waits to be asked for it (RFC 9110 §10.1.1).
    for more in ["", "expect: 100-continue\r\n"] {
        let mut stream = running.connect().await;
        let head = format!("{UNREAD}{more}content-length: 5\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        running.begun.notified().await;
        running.go.notify_one();
        let answer = rest(&mut stream).await.to_lowercase();
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(answer.ends_with("done"), "{answer}");
        assert!(!answer.contains("100 continue"), "{answer}");
    }
}
