//! The certificates of an installation whose programs end TLS themselves, and clients that trust them.
//!
//! Both are fixtures, of an authority that nobody has the key of any more.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const AUTHORITY: &[u8] = include_bytes!("../fixtures/tls/authority.pem");

/// A client that goes straight to where it is sent, and trusts the machine's authorities and ours.
///
/// # Panics
/// When the fixture is no certificate.
pub fn client() -> reqwest::ClientBuilder {
    let authority = reqwest::Certificate::from_pem(AUTHORITY).unwrap();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_merge([authority])
}

/// A file of the fixtures.
#[must_use]
pub fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls");
    folder.join(name)
}

/// The files of an installation: what its listeners show, and whom its programs trust.
#[derive(Clone, Debug)]
pub struct Certificates(PathBuf);

impl Certificates {
    /// The files below `data_dir`.
    #[must_use]
    pub fn below(data_dir: &Path) -> Self {
        Self(data_dir.join("tls"))
    }

    /// Writes the authority, and the certificate `first` or `second`, over what is there.
    ///
    /// # Errors
    /// When a file cannot be written, or there is no such certificate.
    pub fn put(&self, name: &str) -> Result<()> {
        fs::create_dir_all(&self.0)?;
        fs::write(self.authority(), AUTHORITY)?;
        for ending in ["pem", "key"] {
            let fixture = fixture(&format!("{name}.{ending}"));
            fs::copy(&fixture, self.0.join(format!("server.{ending}")))
                .with_context(|| fixture.display().to_string())?;
        }
        Ok(())
    }

    /// The certificate `first` or `second` as it goes over the wire.
    ///
    /// # Errors
    /// When there is no such certificate.
    pub fn shown_as(name: &str) -> Result<Vec<u8>> {
        let text = fs::read_to_string(fixture(&format!("{name}.pem")))?;
        let body: String = text.lines().filter(|line| !line.contains('-')).collect();
        Ok(STANDARD.decode(body)?)
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.0.join("authority.pem")
    }

    /// The value of `tls` in the configuration of a listener.
    #[must_use]
    pub fn keys(&self) -> Value {
        json!({ "certificate": self.0.join("server.pem"), "key": self.0.join("server.key") })
    }
}
