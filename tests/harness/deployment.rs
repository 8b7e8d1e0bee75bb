//! A whole installation on the loopback interface: identity provider, Nextcloud, brokers, gateway.
//!
//! The broker and the gateway are real processes; the identity provider and the stand-in Nextcloud
//! run inside this one, unless real ones are given. Everything stops when it is dropped, or when
//! this process ends in any other way.

mod addresses;
mod administration;
mod config;
mod options;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use url::Url;

pub use self::addresses::Addresses;
use self::config::{
    BROKER_CLIENT_ID, GATEWAY_CLIENT_ID, NEXTCLOUD, OFFLINE_CLIENT_ID, Secrets, UpstreamConfig,
    UpstreamKind,
};
pub use self::options::{Adjust, LoginApp, Options, Upstream};
use crate::idp::{IdpHandle, IdpOptions, User};
use crate::nextcloud::{
    Account, NextcloudStandIn, OAuth2Client, OidcClient, ProviderEntry, StandInConfig,
};
use crate::ports;
use crate::process::{Binaries, Launch, Process};
use crate::proxy::RoundRobin;
use crate::random;

/// A running installation.
pub struct Deployment {
    options: Options,
    addresses: Addresses,
    upstream_issuer: String,
    secrets: Secrets,
    admin_token: String,
    /// The brokers, in the order of their replicas.
    pub brokers: Vec<Process>,
    /// The gateway.
    pub gateway: Process,
    /// The development identity provider, unless a real one is used.
    pub idp: Option<IdpHandle>,
    /// The stand-in Nextcloud, unless a real one is used.
    pub nextcloud: Option<NextcloudStandIn>,
    _proxies: Vec<RoundRobin>,
}

impl Deployment {
    /// Installs and starts everything, and waits until it is ready.
    ///
    /// # Errors
    /// When a port is taken, or a program does not start; then with what it said.
    pub async fn start(binaries: &Binaries, options: Options) -> Result<Self> {
        fs::create_dir_all(&options.data_dir).context("data directory")?;
        let addresses = Addresses::choose(options.port_base, options.replicas, options.tls)?;
        if let Some(certificates) = options.certificates() {
            certificates.put("first")?;
        }
        let secrets = Secrets::generate();
        let (idp, upstream) = start_idp(&options, &addresses, &secrets).await?;
        let nextcloud = start_nextcloud(&options, &addresses, &upstream).await?;

        let key_file = config::write_encryption_key(&options)?;
        let mut brokers = Vec::new();
        let mut first_config = None;
        for replica in 0..options.replicas {
            let config = config::broker(
                &options, &addresses, replica, &upstream, &secrets, &key_file,
            );
            let file = match options.replicas {
                1 => "broker.toml".to_owned(),
                _ => format!("broker-{}.toml", replica + 1),
            };
            let file = config::write(options.data_dir.join(file), &config)?;
            // One after the other: the first creates the database.
            brokers.push(start_broker(binaries, &options, &addresses, replica, &file).await?);
            first_config.get_or_insert(file);
        }
        let proxies = start_proxies(&addresses).await?;
        let admin_token = create_admin_token(&binaries.broker, first_config.as_deref())?;

        let config = config::gateway(&options, &addresses, &secrets);
        let file = config::write(options.data_dir.join("mcp-gateway.toml"), &config)?;
        let gateway = Process::start(Launch {
            name: "mcp-gateway".to_owned(),
            program: binaries.gateway.clone(),
            arguments: vec!["--config".into(), file.into(), "serve".into()],
            environment: options.environment(),
            log: options.data_dir.join("mcp-gateway.log"),
            health: Url::parse(&format!("{}/health/ready", addresses.gateway_url()))?,
        })
        .await?;
        Ok(Self {
            upstream_issuer: upstream.issuer,
            options,
            addresses,
            secrets,
            admin_token,
            brokers,
            gateway,
            idp,
            nextcloud,
            _proxies: proxies,
        })
    }

    /// What it was made of.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The broker's issuer.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.addresses.issuer()
    }

    /// Who listens where.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The MCP endpoint of the gateway.
    ///
    /// # Panics
    /// Never: the URL is made of a port.
    #[must_use]
    pub fn mcp_url(&self) -> Url {
        Url::parse(&self.addresses.mcp_url()).unwrap()
    }

    /// The accounts.
    #[must_use]
    pub fn users(&self) -> &[User] {
        &self.options.users
    }

    /// Whether users log in at something of this installation, where their passwords are known.
    #[must_use]
    pub fn knows_passwords(&self) -> bool {
        self.idp.is_some() || self.options.upstream.is_none()
    }

    /// The Nextcloud that the gateway uses.
    #[must_use]
    pub fn nextcloud_url(&self) -> String {
        self.options.nextcloud_url(&self.addresses)
    }

    /// The strategy of the Nextcloud downstream.
    #[must_use]
    pub fn strategy(&self) -> &str {
        &self.options.strategy
    }

    /// The registration policy.
    #[must_use]
    pub fn registration(&self) -> &str {
        &self.options.registration
    }

    /// The issuer of the identity provider.
    #[must_use]
    pub fn upstream_issuer(&self) -> &str {
        &self.upstream_issuer
    }

    /// Where configuration, database and logs are.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.options.data_dir
    }

    /// Client id and secret of the gateway at the broker.
    #[must_use]
    pub fn gateway_credentials(&self) -> (&str, &str) {
        (GATEWAY_CLIENT_ID, &self.secrets.gateway)
    }

    /// The broker's client secret at the development identity provider.
    #[must_use]
    pub fn upstream_secret(&self) -> &str {
        &self.secrets.upstream
    }

    /// Everything that the processes have logged.
    #[must_use]
    pub fn logs(&self) -> String {
        self.brokers
            .iter()
            .chain([&self.gateway])
            .map(Process::log)
            .collect()
    }

    /// The database, as the broker's configuration names it.
    #[must_use]
    pub fn database_url(&self) -> &str {
        &self.options.database
    }

    /// The raw bytes of the database files, as text: the database itself and its write-ahead log.
    ///
    /// Empty where the database is not a file.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn database_bytes(&self) -> Result<String> {
        let Some(path) = self.options.database.strip_prefix("sqlite:") else {
            return Ok(String::new());
        };
        let mut all = String::new();
        for suffix in ["", "-wal", "-journal"] {
            let file = PathBuf::from(format!("{path}{suffix}"));
            if file.exists() {
                all.push_str(&String::from_utf8_lossy(&fs::read(file)?));
            }
        }
        Ok(all)
    }

    /// The line that tells another program all there is to know (`cargo demo --json`).
    #[must_use]
    pub fn describe(&self) -> Value {
        let users: Vec<_> = self
            .users()
            .iter()
            .map(|user| json!({ "name": user.name, "password": user.password }))
            .collect();
        let brokers: Vec<_> = self.brokers.iter().map(Process::pid).collect();
        json!({
            "issuer": self.issuer(),
            "mcp_url": self.addresses.mcp_url(),
            "admin_url": self.addresses.admin_url(),
            "admin_token": self.admin_token,
            "upstream_issuer": self.upstream_issuer,
            "nextcloud_url": self.nextcloud_url(),
            "users": users,
            "gateway_client_id": GATEWAY_CLIENT_ID,
            "gateway_client_secret": self.secrets.gateway,
            "database_url": self.options.database,
            "data_dir": self.options.data_dir,
            "pids": {
                "broker": brokers,
                "gateway": self.gateway.pid(),
                "demo": std::process::id(),
            },
        })
    }
}

impl std::fmt::Debug for Deployment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Deployment")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

async fn start_idp(
    options: &Options,
    addresses: &Addresses,
    secrets: &Secrets,
) -> Result<(Option<IdpHandle>, UpstreamConfig)> {
    if let Some(upstream) = &options.upstream {
        let config = UpstreamConfig {
            kind: UpstreamKind::Oidc,
            issuer: upstream.issuer.clone(),
            client_id: upstream.client_id.clone(),
            client_secret: upstream.client_secret.clone(),
        };
        return Ok((None, config));
    }
    if options.strategy == "session" {
        // What every Nextcloud has: users log in at the Nextcloud itself.
        ensure!(
            options.nextcloud.is_none(),
            "with a real Nextcloud the strategy session needs a provider (--upstream)"
        );
        let config = UpstreamConfig {
            kind: match options.login_app {
                LoginApp::Oauth2 => UpstreamKind::NextcloudOauth2,
                LoginApp::Oidc(_) => UpstreamKind::NextcloudOidc,
            },
            issuer: options.nextcloud_url(addresses),
            client_id: BROKER_CLIENT_ID.to_owned(),
            client_secret: secrets.upstream.clone(),
        };
        return Ok((None, config));
    }
    let issuer = addresses.issuer();
    let idp = IdpHandle::start(IdpOptions {
        port: addresses.idp,
        users: options.users.clone(),
        client_id: BROKER_CLIENT_ID.to_owned(),
        client_secret: Some(secrets.upstream.clone()),
        offline_client: Some((OFFLINE_CLIENT_ID.to_owned(), secrets.offline.clone())),
        redirect_uris: ["/oauth/callback", "/oauth/callback-nextcloud"]
            .map(|path| format!("{issuer}{path}"))
            .to_vec(),
        exchange_audiences: vec![NEXTCLOUD.to_owned()],
    })
    .await
    .context("development identity provider")?;
    let config = UpstreamConfig {
        kind: UpstreamKind::Oidc,
        issuer: idp.issuer().to_owned(),
        client_id: BROKER_CLIENT_ID.to_owned(),
        client_secret: secrets.upstream.clone(),
    };
    Ok((Some(idp), config))
}

async fn start_nextcloud(
    options: &Options,
    addresses: &Addresses,
    upstream: &UpstreamConfig,
) -> Result<Option<NextcloudStandIn>> {
    if options.nextcloud.is_some() {
        return Ok(None);
    }
    // The broker is a provider there for minted tokens, the identity provider for exchanged ones.
    let mut idp = ProviderEntry::for_issuer("idp", NEXTCLOUD, &upstream.issuer);
    idp.mapping_uid.clone_from(&options.uid_claim);
    let accounts = options
        .users
        .iter()
        .map(|user| Account::new(&user.name, &user.password).display_name(&user.full_name));
    let nextcloud = NextcloudStandIn::start(StandInConfig {
        port: addresses.nextcloud,
        accounts: accounts.collect(),
        providers: vec![
            ProviderEntry::for_issuer("broker", NEXTCLOUD, &addresses.issuer()),
            idp,
        ],
        ..StandInConfig::default()
    })
    .await?;
    let id = upstream.client_id.clone();
    let secret = upstream.client_secret.clone();
    let redirect_uri = format!("{}/oauth/callback", addresses.issuer());
    match (upstream.kind, options.login_app) {
        (UpstreamKind::NextcloudOauth2, _) => nextcloud.register_oauth2_client(OAuth2Client {
            id,
            secret,
            redirect_uri,
        }),
        (UpstreamKind::NextcloudOidc, LoginApp::Oidc(access_tokens)) => {
            nextcloud.enter_oidc_client(OidcClient {
                id,
                secret,
                redirect_uri,
                access_tokens,
            })?;
        }
        (UpstreamKind::Oidc | UpstreamKind::NextcloudOidc, _) => {}
    }
    Ok(Some(nextcloud))
}

async fn start_broker(
    binaries: &Binaries,
    options: &Options,
    addresses: &Addresses,
    replica: usize,
    file: &Path,
) -> Result<Process> {
    let name = match options.replicas {
        1 => "broker".to_owned(),
        _ => format!("broker-{}", replica + 1),
    };
    Process::start(Launch {
        log: options.data_dir.join(format!("{name}.log")),
        name,
        program: binaries.broker.clone(),
        arguments: vec!["--config".into(), file.into(), "serve".into()],
        environment: options.environment(),
        health: Url::parse(&format!("{}/health/ready", addresses.replica_url(replica)))?,
    })
    .await
}

async fn start_proxies(addresses: &Addresses) -> Result<Vec<RoundRobin>> {
    if addresses.replicas.len() == 1 {
        return Ok(Vec::new());
    }
    let (public, admin): (Vec<_>, Vec<_>) = addresses
        .replicas
        .iter()
        .map(|(public, admin)| (ports::loopback(*public), ports::loopback(*admin)))
        .unzip();
    Ok(vec![
        RoundRobin::start(addresses.broker, public).await?,
        RoundRobin::start(addresses.admin, admin).await?,
    ])
}

/// Runs `broker admin-token create`, which prints nothing but the token.
fn create_admin_token(broker: &Path, config: Option<&Path>) -> Result<String> {
    // Its own name for every run: the database may be an old one.
    let name = format!("harness-{}", &random::token()[..8]);
    let output = Command::new(broker)
        .arg("--config")
        .arg(config.context("no broker")?)
        .args(["admin-token", "create", "--name", &name, "--role", "write"])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "admin-token create failed: {said}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
