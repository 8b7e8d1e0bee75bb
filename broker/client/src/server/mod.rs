//! Serving HTTP/1.1 on a TCP listener, with TLS or without, so that nobody can hold it up, and stopping without losing a request.
//!
//! | Against | |
//! | --- | --- |
//! | a request whose head trickles in | [`Limits::head`], then the connection is cut |
//! | connections that nobody uses | [`Limits::idle`] |
//! | too many connections | [`Limits::connections`]; more wait in the system's queue |
//! | a TLS handshake that trickles in | [`Limits::handshake`]; it has a place like any connection |
//! | an answer that is there before the request is complete | the rest is read first, for [`Limits::leftover`] |
//! | Nagle's algorithm, which adds 40 ms to small answers | `TCP_NODELAY` on every connection |
//!
//! How long a request may take once its head is there, body included, is for the routes to say, who
//! know what it is about. Handlers find the peer as `ConnectInfo<SocketAddr>`.

mod leftover;
mod patience;
mod signals;
mod tls;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use leftover::Leftover;
use patience::{Patient, Phase};
pub use signals::stop_on_signal;
pub use tls::{REREAD, Tls, TlsError, TlsFiles};

/// How long to wait when no connection can be accepted, such as when all file descriptors are used.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// The largest head of a request, in bytes: the request line and all headers.
const LARGEST_HEAD: usize = 32 * 1024;

/// The most headers of a request.
const MOST_HEADERS: usize = 100;

/// Who has once come over TLS does not try without for a year (RFC 6797 §6.1). Subdomains are others'.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// How much clients may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a TLS handshake may take. Default 10 s.
    pub handshake: Duration,
    /// How long the head of a request may take, from its first byte. Default 10 s.
    pub head: Duration,
    /// How long a connection may be without a request. Default 75 s, longer than the proxies in front
    /// of us keep one: the end that sends requests should be the one that hangs up.
    pub idle: Duration,
    /// How long the rest of a body that nobody wants may take, after the answer is there; then the
    /// connection is closed. Default 5 s.
    pub leftover: Duration,
    /// How many connections there may be at once. Default 4096.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            leftover: Duration::from_secs(5),
            connections: 4096,
        }
    }
}

/// Serves `router` until `stop`; then accepts no more and returns once every request in progress is
/// answered. Whoever does not want to wait that long drops it, which cuts them off.
///
/// With `tls`, connections without it get no answer.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    // Dropped with this future, and then every connection ends.
    let abort = CancellationToken::new();
    let _abort_on_drop = abort.clone().drop_guard();
    let watched = tls.clone();
    let served = Served {
        tls,
        router,
        limits,
        stop,
    };
    let watch = async {
        match watched {
            Some(tls) => tls.watch().await,
            None => pending().await,
        }
    };
    // Nobody waits in the queue of a listener that is not served: it is dropped by the first.
    tokio::select! {
        () = take_in(listener, &served, &connections, &abort) => {}
        () = watch => {}
    }
    connections.close();
    connections.wait().await;
}

/// What every connection of a listener is served with.
#[derive(Clone)]
struct Served {
    tls: Option<Tls>,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
}

/// Accepts connections until it is time to stop.
async fn take_in(
    listener: TcpListener,
    served: &Served,
    connections: &TaskTracker,
    abort: &CancellationToken,
) {
    let places = Arc::new(Semaphore::new(served.limits.connections));
    loop {
        let accepted = tokio::select! {
            () = served.stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_about_one_connection(&error) => continue,
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = served.clone().connection(stream, peer);
        let abort = abort.clone();
        connections.spawn(async move {
            let _place = place;
            tokio::select! {
                () = connection => {}
                () = abort.cancelled() => {}
            }
        });
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned();
    let place = place.await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

/// A connection that ended before it was accepted says nothing about the next.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

impl Served {
    /// Answers the requests of one connection.
    async fn connection(self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let Some(tls) = &self.tls else {
            return self.requests(stream, peer).await;
        };
        let handshake = timeout(self.limits.handshake, tls.accept(stream));
        let shaken = tokio::select! {
            // Nothing has begun.
            () = self.stop.cancelled() => return,
            shaken = handshake => shaken,
        };
        match shaken {
            Ok(Ok(stream)) => self.requests(stream, peer).await,
            // Strangers do what they like.
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    /// Answers the requests that come over one stream.
    async fn requests<S>(self, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            tls,
            router,
            limits,
            stop,
        } = self;
        let phase = Phase::default();
        let stream = Patient::new(stream, phase.clone(), limits.head);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            let phase = phase.clone();
            phase.busy();
            request.extensions_mut().insert(ConnectInfo(peer));
            // Who asks first sends nothing while we say nothing.
            let asks_first = request.headers().contains_key(header::EXPECT);
            let (parts, body) = request.into_parts();
            let (body, leftover) = Leftover::of(body);
            let request = hyper::Request::from_parts(parts, Body::new(body));
            let answer = router.clone().oneshot(request);
            let is_secure = tls.is_some();
            async move {
                let mut answer = answer.await?;
                let headers = answer.headers_mut();
                if is_secure {
                    headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
                }
                let is_done = if asks_first {
                    !leftover.is_some()
                } else {
                    leftover.read(limits.leftover).await
                };
                if !is_done {
                    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                phase.idle();
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle)
            .max_buf_size(LARGEST_HEAD)
            .max_headers(MOST_HEADERS)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            // Clients hang up as they like.
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
