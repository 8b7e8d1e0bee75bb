//! A certificate and its key as two files hold them, and whether a client could accept them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, InconsistentKeys, RootCertStore};
use zeroize::Zeroizing;

use super::TlsFiles;
use crate::ambient::unix;

/// Why a certificate cannot be shown. Names files, never what is in them.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or not for us to read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds no certificate that can be read.
    #[error("{} holds no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// The file holds no private key that can be read.
    #[error("{} holds no private key in PEM (without a password)", .0.display())]
    NoKey(PathBuf),
    /// The key is of a kind that TLS does not know.
    #[error("the key in {} cannot be used", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Error,
    },
    /// The key is another certificate's.
    #[error("the key in {} is not that of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// The certificate is good no more.
    #[error("the certificate in {} has expired", .0.display())]
    Expired(PathBuf),
    /// The certificate is not good yet; or the clock of this machine is wrong.
    #[error("the certificate in {} is not valid yet", .0.display())]
    NotYetValid(PathBuf),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Setup(#[source] Error),
}

/// The SHA-256 of both files.
pub(super) type Digest = Vec<u8>;

/// A certificate with its key.
pub(super) struct Pair {
    pub(super) digest: Digest,
    pub(super) certified: Arc<CertifiedKey>,
    /// Where it was read.
    path: PathBuf,
}

impl Pair {
    /// Reads both files, and sees that they belong together.
    pub(super) fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let certificate = content(&files.certificate)?;
        let key = Zeroizing::new(content(&files.key)?);
        let mut digests = digest(&SHA256, &certificate).as_ref().to_vec();
        digests.extend_from_slice(digest(&SHA256, &key).as_ref());
        let chain: Result<Vec<CertificateDer<'static>>, PemError> =
            CertificateDer::pem_slice_iter(&certificate).collect();
        let chain = chain
            .ok()
            .filter(|chain| !chain.is_empty())
            .ok_or_else(|| TlsError::NoCertificate(files.certificate.clone()))?;
        let key =
            PrivateKeyDer::from_pem_slice(&key).map_err(|_| TlsError::NoKey(files.key.clone()))?;
        let certified = CertifiedKey::from_der(chain, key, &default_provider())
            .map_err(|error| refused(error, files))?;
        Ok(Self {
            digest: digests,
            certified: Arc::new(certified),
            path: files.certificate.clone(),
        })
    }

    /// Whether the certificate is valid at this time.
    pub(super) fn check_time(&self, now: SystemTime) -> Result<(), TlsError> {
        let invalid = || TlsError::NoCertificate(self.path.clone());
        let own = self.certified.end_entity_cert().map_err(|_| invalid())?;
        let own = ParsedCertificate::try_from(own).map_err(|_| invalid())?;
        // No authority is trusted here, so this fails in any case: which one clients trust is theirs
        // to know. But a certificate's own times come first.
        let verdict = verify_server_cert_signed_by_trust_anchor(
            &own,
            &RootCertStore::empty(),
            &[],
            UnixTime::since_unix_epoch(Duration::from_secs(unix(now))),
            default_provider().signature_verification_algorithms.all,
        );
        let Err(Error::InvalidCertificate(error)) = verdict else {
            return Ok(());
        };
        if matches!(
            error,
            CertificateError::Expired | CertificateError::ExpiredContext { .. }
        ) {
            return Err(TlsError::Expired(self.path.clone()));
        }
        if matches!(
            error,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }
        ) {
            return Err(TlsError::NotYetValid(self.path.clone()));
        }
        Ok(())
    }
}

/// Why a certificate and a key make no pair.
fn refused(error: Error, files: &TlsFiles) -> TlsError {
    if error == Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
        return TlsError::Mismatch {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        };
    }
    if matches!(error, Error::InvalidCertificate(_)) {
        return TlsError::NoCertificate(files.certificate.clone());
    }
    TlsError::Key {
        path: files.key.clone(),
        source: error,
    }
}

fn content(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    })
}
