//! TLS where it ends at this process, with a certificate that may change while it runs.
//!
//! The files are read again every [`REREAD`] and their content decides, not their times: Kubernetes
//! changes a secret by a symbolic link, other programs write one file after the other. Nobody has to
//! be told by a signal, which in a container nobody could send. What cannot be used leaves the
//! certificate in place that was there.
//!
//! What the files hold, and whether it is any good, is `certificate`'s matter.

mod certificate;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use self::certificate::TlsError;
use self::certificate::{Digest, Pair};
use crate::ambient::Clock;

/// How often the files are read again.
pub const REREAD: Duration = Duration::from_secs(10);

/// A certificate and its key, by their files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and behind it the ones that lead to its authority, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// The server's side of TLS 1.2 and 1.3. Cloning it is cheap and shares the certificate.
#[derive(Clone)]
pub struct Tls {
    files: TlsFiles,
    clock: Arc<dyn Clock>,
    shown: Arc<Shown>,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads the files. One that has expired is shown all the same, since the next one may be on its
    /// way; the log says so.
    ///
    /// # Errors
    /// When the files cannot be read, or do not belong together: see [`TlsError`].
    pub fn load(files: TlsFiles, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let pair = Pair::read(&files)?;
        if let Err(error) = pair.check_time(clock.now()) {
            tracing::error!(%error, "clients will refuse this listener");
        }
        let shown = Arc::new(Shown::new(pair));
        // The provider is named: another crate's default must not choose it.
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&TLS13, &TLS12])
                .map_err(TlsError::Setup)?
                .with_no_client_auth()
                .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            files,
            clock,
            shown,
            config: Arc::new(config),
        })
    }

    /// Judges the files as a client would, its time included.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn check(files: &TlsFiles, clock: &dyn Clock) -> Result<(), TlsError> {
        Pair::read(files)?.check_time(clock.now())
    }

    /// Reads the files again, and shows what they hold if it is good.
    pub async fn reread(&self) {
        let files = self.files.clone();
        let read = tokio::task::spawn_blocking(move || Pair::read(&files)).await;
        let Ok(read) = read else {
            // The runtime is going away.
            return;
        };
        let now = self.clock.now();
        let good = read.and_then(|pair| {
            if self.shown.is(&pair.digest) {
                return Ok(None);
            }
            pair.check_time(now).map(|()| Some(pair))
        });
        match good {
            Ok(None) => self.shown.complain(None),
            Ok(Some(pair)) => {
                self.shown.show(pair);
                tracing::info!(file = %self.files.certificate.display(), "new certificate");
            }
            Err(error) => self.shown.complain(Some(&error)),
        }
    }

    /// Reads the files again and again, for as long as it is polled.
    pub(super) async fn watch(&self) {
        loop {
            tokio::time::sleep(REREAD).await;
            self.reread().await;
        }
    }

    /// The server's side of a handshake.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        acceptor.accept(stream).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// The certificate that handshakes show now.
struct Shown {
    pair: RwLock<(Digest, Arc<CertifiedKey>)>,
    /// What was said about the files, so that the log says it once.
    complaint: Mutex<Option<String>>,
}

impl Shown {
    fn new(pair: Pair) -> Self {
        Self {
            pair: RwLock::new((pair.digest, pair.certified)),
            complaint: Mutex::default(),
        }
    }

    fn is(&self, digest: &Digest) -> bool {
        let pair = self.pair.read().unwrap_or_else(PoisonError::into_inner);
        pair.0 == *digest
    }

    fn show(&self, pair: Pair) {
        let mut shown = self.pair.write().unwrap_or_else(PoisonError::into_inner);
        *shown = (pair.digest, pair.certified);
        drop(shown);
        self.complain(None);
    }

    fn complain(&self, error: Option<&TlsError>) {
        let said = error.map(ToString::to_string);
        let mut complaint = self
            .complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = error
            && *complaint != said
        {
            tracing::error!(
                error = error as &(dyn std::error::Error + 'static),
                "the new certificate cannot be used; the one before stays"
            );
        }
        *complaint = said;
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shown").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Shown {
    /// There is one, whatever name the client asks for.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pair = self.pair.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&pair.1))
    }
}
