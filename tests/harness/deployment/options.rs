//! What to install.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use url::Url;

use super::Addresses;
use crate::idp::User;
use crate::nextcloud::AccessTokens;
use crate::tls::Certificates;

/// Changes a broker's configuration before it is written.
pub type Adjust = Arc<dyn Fn(&mut Value, &Addresses) + Send + Sync>;

/// An identity provider that runs already.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its issuer.
    pub issuer: String,
    /// The broker's client id there.
    pub client_id: String,
    /// The broker's secret there.
    pub client_secret: String,
}

/// What to install.
#[derive(Clone)]
pub struct Options {
    /// The first of the ports; `None` takes free ones.
    pub port_base: Option<u16>,
    /// Where configuration, database and logs go.
    pub data_dir: PathBuf,
    /// How many brokers.
    pub replicas: usize,
    /// The database URL.
    pub database: String,
    /// The registration policy: `open`, `approval` or `closed`.
    pub registration: String,
    /// The strategy of the Nextcloud downstream.
    pub strategy: String,
    /// The claim of the ID token that carries the Nextcloud user id.
    pub uid_claim: String,
    /// The accounts of the development identity provider and of the stand-in Nextcloud.
    pub users: Vec<User>,
    /// A real identity provider instead of the development one.
    pub upstream: Option<Upstream>,
    /// A real Nextcloud instead of the stand-in.
    pub nextcloud: Option<Url>,
    /// Changes to the broker's configuration.
    pub adjust_broker: Option<Adjust>,
    /// Changes to the gateway's configuration.
    pub adjust_gateway: Option<Adjust>,
    /// With the strategy `session` and no provider of its own: where users log in at Nextcloud.
    pub login_app: LoginApp,
    /// Whether our two programs end TLS themselves, the admin listener included.
    pub tls: bool,
    /// `RUST_LOG` of the processes.
    pub log_filter: String,
}

impl Options {
    /// The installation of the demo in `data_dir`, with free ports.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self {
            port_base: None,
            data_dir: data_dir.to_owned(),
            replicas: 1,
            database: format!("sqlite:{}", data_dir.join("broker.db").display()),
            registration: "open".to_owned(),
            strategy: "mint".to_owned(),
            uid_claim: "preferred_username".to_owned(),
            users: User::defaults(),
            upstream: None,
            nextcloud: None,
            adjust_broker: None,
            adjust_gateway: None,
            login_app: LoginApp::Oauth2,
            tls: false,
            log_filter: "info".to_owned(),
        }
    }

    /// The files of its certificates, where there are any.
    #[must_use]
    pub fn certificates(&self) -> Option<Certificates> {
        self.tls.then(|| Certificates::below(&self.data_dir))
    }

    /// What both programs find in their environment.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let mut environment = vec![("RUST_LOG".to_owned(), self.log_filter.clone())];
        if let Some(certificates) = self.certificates() {
            let authority = certificates.authority().display().to_string();
            environment.push(("SSL_CERT_FILE".to_owned(), authority));
        }
        environment
    }

    pub(super) fn nextcloud_url(&self, addresses: &Addresses) -> String {
        match &self.nextcloud {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://127.0.0.1:{}", addresses.nextcloud),
        }
    }
}

/// The app at which users log in where Nextcloud itself is the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginApp {
    /// The bundled one.
    Oauth2,
    /// The app `oidc`, with access tokens of this form.
    Oidc(AccessTokens),
}
