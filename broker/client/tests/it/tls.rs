//! TLS at the accept loop: what is negotiated, what is cut off, and certificates that change. Over
//! real sockets, with the certificates of `tests/fixtures/tls`.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use broker_client::ambient::SystemClock;
use broker_client::http::{HttpClient, Options, readiness};
use broker_client::server::{Limits, Tls, TlsError, TlsFiles, serve};
use broker_client::testing::FakeClock;
use http::{HeaderMap, StatusCode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Longer than anything here should take, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

const REQUEST: &[u8] = b"GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/tls")
        .join(name)
}

fn files(name: &str) -> TlsFiles {
    TlsFiles {
        certificate: fixture(&format!("{name}.pem")),
        key: fixture(&format!("{name}.key")),
    }
}

fn tls(files: TlsFiles) -> Tls {
    Tls::load(files, Arc::new(SystemClock)).unwrap()
}

/// A certificate as it goes over the wire.
fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(fixture(&format!("{name}.pem"))).unwrap()
}

/// A server with TLS.
struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start(tls: Tls, limits: Limits) -> Self {
        let router = Router::new().route("/health/ready", get(async || "fine"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, Some(tls), router, limits, stop.clone()));
        Self {
            address,
            stop,
            served,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A client's side of a handshake.
    async fn shake_hands(&self, client: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(client));
        let handshake = connector.connect(name, self.connect().await);
        tokio::time::timeout(PATIENCE, handshake).await.unwrap()
    }

    /// The certificate that a new client sees.
    async fn shown(&self) -> CertificateDer<'static> {
        let stream = self.shake_hands(client(rustls::ALL_VERSIONS)).await;
        let stream = stream.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    }
}

/// A client that trusts the authority of the fixtures.
fn client(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate("authority")).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn ask(mut stream: TlsStream<TcpStream>) -> String {
    let mut answer = String::new();
    stream.write_all(REQUEST).await.unwrap();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer));
    read.await.expect("the connection stays open").unwrap();
    answer
}

#[tokio::test]
async fn requests_are_answered_over_both_versions_and_the_answer_asks_for_more_of_it() {
    let running = Running::start(tls(files("first")), Limits::default()).await;
    for (version, expected) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut client = client(&[version]);
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = running.shake_hands(client).await.unwrap();
        let connection = stream.get_ref().1;
        assert_eq!(connection.protocol_version(), Some(expected));
        assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
        let answer = ask(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(
            answer.contains("strict-transport-security: max-age=31536000\r\n"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn who_speaks_another_protocol_gets_no_answer() {
    let running = Running::start(tls(files("first")), Limits::default()).await;
    let mut plain = running.connect().await;
    plain.write_all(REQUEST).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, plain.read_to_end(&mut answer));
    drop(read.await.expect("the connection stays open"));
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP"));

    let mut h2 = client(rustls::ALL_VERSIONS);
    h2.alpn_protocols = vec![b"h2".to_vec()];
    let refused = running.shake_hands(h2).await.unwrap_err().to_string();
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
}

#[tokio::test]
async fn the_http_client_and_the_health_check_get_along_with_it() {
    let running = Running::start(tls(files("first")), Limits::default()).await;
    let roots = fs::read(fixture("authority.pem")).unwrap();
    let trusting = HttpClient::new(&Options {
        roots: Some(roots.into()),
        ..Options::default()
    })
    .unwrap();
    let url = Url::parse(&format!("https://{}/health/ready", running.address)).unwrap();
    let answer = trusting.get(&url, HeaderMap::new()).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let strict = HttpClient::new(&Options::default()).unwrap();
    assert!(strict.get(&url, HeaderMap::new()).await.is_err());

    // Whose certificate it is does not matter there.
    let answer = readiness(running.address, true).await.unwrap();
    assert_eq!(answer.body, "fine");
    assert!(readiness(running.address, false).await.is_err());
}

#[tokio::test]
async fn a_handshake_that_trickles_in_is_cut_off_and_has_a_place_until_then() {
    let handshake = Duration::from_millis(300);
    let limits = Limits {
        handshake,
        connections: 1,
        ..Limits::default()
    };
    let running = Running::start(tls(files("first")), limits).await;
    let (mut from, mut to) = running.connect().await.into_split();
    let begun = tokio::time::Instant::now();
    let trickle = tokio::spawn(async move {
        // The head of a handshake record of 512 bytes, which never comes to its end.
        let mut record = vec![
            0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03,
        ];
        while to.write_all(&record).await.is_ok() {
            record = vec![0];
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    // Served only once the place is free.
    let stream = running.shake_hands(client(rustls::ALL_VERSIONS)).await;
    assert!(begun.elapsed() >= handshake);
    assert!(ask(stream.unwrap()).await.starts_with("HTTP/1.1 200 OK"));
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, from.read_to_end(&mut answer));
    drop(read.await.expect("the connection stays open"));
    tokio::time::timeout(PATIENCE, trickle)
        .await
        .expect("it may trickle for ever")
        .unwrap();
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off_under_tls_too() {
    let limits = Limits {
        head: Duration::from_millis(300),
        ..Limits::default()
    };
    let running = Running::start(tls(files("first")), limits).await;
    let stream = running.shake_hands(client(rustls::ALL_VERSIONS)).await;
    let mut stream = stream.unwrap();
    stream.write_all(b"GET /health/ready HTT").await.unwrap();
    let trickle = async {
        while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, trickle)
        .await
        .expect("it may trickle for ever");
}

#[tokio::test]
async fn a_handshake_in_progress_does_not_hold_up_the_end() {
    let limits = Limits {
        handshake: PATIENCE * 2,
        ..Limits::default()
    };
    let running = Running::start(tls(files("first")), limits).await;
    let mut begun = running.connect().await;
    begun.write_all(&[0x16]).await.unwrap();
    // Accepted after it, so it is too.
    running.shown().await;
    running.stop.cancel();
    tokio::time::timeout(PATIENCE, running.served)
        .await
        .expect("it waits for a stranger")
        .unwrap();
}

/// A folder of one test, as Kubernetes mounts a secret: the files are links through a link that is
/// replaced as a whole.
struct Mounted(PathBuf);

impl Mounted {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        symlink("data/tls.crt", folder.join("tls.crt")).unwrap();
        symlink("data/tls.key", folder.join("tls.key")).unwrap();
        Self(folder)
    }

    fn files(&self) -> TlsFiles {
        TlsFiles {
            certificate: self.0.join("tls.crt"),
            key: self.0.join("tls.key"),
        }
    }

    /// Puts these two fixtures there, both at once.
    fn put(&self, version: &str, certificate: &str, key: &str) {
        let data = self.0.join(version);
        fs::create_dir_all(&data).unwrap();
        fs::copy(fixture(certificate), data.join("tls.crt")).unwrap();
        fs::copy(fixture(key), data.join("tls.key")).unwrap();
        let next = self.0.join("next");
        symlink(version, &next).unwrap();
        fs::rename(next, self.0.join("data")).unwrap();
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_from_then_on_and_open_connections_go_on() {
    let mounted = Mounted::new("tls-renewal");
    mounted.put("1", "first.pem", "first.key");
    let tls = tls(mounted.files());
    let running = Running::start(tls.clone(), Limits::default()).await;
    let open = running.shake_hands(client(rustls::ALL_VERSIONS)).await;
    assert_eq!(running.shown().await, certificate("first"));

    mounted.put("2", "second.pem", "second.key");
    tls.reread().await;
    assert_eq!(running.shown().await, certificate("second"));
    assert!(ask(open.unwrap()).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn what_cannot_be_used_leaves_the_certificate_that_was_there() {
    let mounted = Mounted::new("tls-broken");
    mounted.put("0", "first.pem", "first.key");
    let tls = tls(mounted.files());
    let running = Running::start(tls.clone(), Limits::default()).await;
    for (index, (certificate_file, key)) in [
        // Half of a renewal.
        ("second.pem", "first.key"),
        ("first.pem", "second.key"),
        ("expired.pem", "expired.key"),
        ("first.key", "first.key"),
        ("second.pem", "second.pem"),
    ]
    .into_iter()
    .enumerate()
    {
        mounted.put(&format!("broken-{index}"), certificate_file, key);
        tls.reread().await;
        assert_eq!(
            running.shown().await,
            certificate("first"),
            "{certificate_file} and {key}"
        );
    }
    fs::remove_file(mounted.0.join("data")).unwrap();
    tls.reread().await;
    assert_eq!(running.shown().await, certificate("first"));
    // And none of it is in the way of what is good.
    mounted.put("good", "second.pem", "second.key");
    tls.reread().await;
    assert_eq!(running.shown().await, certificate("second"));
}

#[test]
fn every_fault_is_told_by_its_file_and_never_by_its_content() {
    let key_of = |certificate: &str, key: &str| TlsFiles {
        certificate: fixture(certificate),
        key: fixture(key),
    };
    let check = |files: TlsFiles| Tls::check(&files, &SystemClock).unwrap_err();
    let is = |error: &TlsError, words: &str| {
        let said = error.to_string();
        assert!(said.contains(words), "{said}");
        assert!(!said.contains("-----"), "{said}");
    };
    let error = check(key_of("nothing.pem", "first.key"));
    assert!(matches!(error, TlsError::Unreadable { .. }), "{error:?}");
    is(&error, "nothing.pem");
    let error = check(key_of("first.pem", "nothing.key"));
    assert!(matches!(error, TlsError::Unreadable { .. }), "{error:?}");
    is(&error, "nothing.key");
    let error = check(key_of("first.key", "first.key"));
    assert!(matches!(error, TlsError::NoCertificate(_)), "{error:?}");
    is(&error, "first.key");
    let error = check(key_of("first.pem", "second.pem"));
    assert!(matches!(error, TlsError::NoKey(_)), "{error:?}");
    is(&error, "second.pem");
    let error = check(key_of("first.pem", "second.key"));
    assert!(matches!(error, TlsError::Mismatch { .. }), "{error:?}");
    is(&error, "second.key is not that of the certificate in");
    let error = check(files("expired"));
    assert!(matches!(error, TlsError::Expired(_)), "{error:?}");
    is(&error, "expired.pem has expired");
}

#[test]
fn a_certificate_is_judged_by_the_clock_it_is_given() {
    const YEAR: u64 = 365 * 24 * 3600;
    let judged = |clock: FakeClock| Tls::check(&files("first"), &clock);
    // From 2020 to 2119.
    judged(FakeClock::at(57 * YEAR)).unwrap();
    assert!(matches!(
        judged(FakeClock::at(40 * YEAR)),
        Err(TlsError::NotYetValid(_))
    ));
    assert!(matches!(
        judged(FakeClock::at(151 * YEAR)),
        Err(TlsError::Expired(_))
    ));
}
