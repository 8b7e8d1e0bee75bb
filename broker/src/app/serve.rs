//! `broker serve`: from the configuration to two listeners, and to an orderly end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use broker_client::http::{HttpClient, HttpError, Options};
use broker_client::server::{self, Limits, Tls, TlsError, TlsFiles};
use broker_client::telemetry::{Count, Exporter, Spans, Target};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Parts, Routers, SeedError, Settings, routers, seed, seed_resources};
use crate::accounts::AccountWatch;
use crate::ambient::Ambient;
use crate::audit::{AuditChain, AuditLog};
use crate::clients::guarded_client;
use crate::config::Config;
use crate::keys::{KeyError, Keyring};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::nextcloud::Nextcloud;
use crate::offline_tokens::{self, OfflineTokens};
use crate::storage::{self, OpenError, Retention, StoreError};
use crate::tasks::Tasks;
use crate::upstream::{self, InvalidConfig, Upstream};
use crate::upstream_tokens::{Keeping, UpstreamTokens};
use crate::vault::{Vault, VaultError};
use crate::webhooks::{self, Webhooks};

/// How long the end may take once no request is left: a database that is away must not hold it up.
const FLUSH: Duration = Duration::from_secs(5);

/// How long the last spans may take to be sent.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// How long finished rows stay: authorizations for noticing replayed codes, grants and refresh
/// tokens for noticing reuse and for people who look why they had to log in again.
const RETENTION: Retention = Retention {
    authorizations: Duration::from_hours(24),
    grants: Duration::from_hours(7 * 24),
};

/// Why the broker does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database is not usable.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database failed during the start.
    #[error("the database failed during the start")]
    Store(#[from] StoreError),
    /// The signing keys are not usable.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A sealed value needs an encryption key that is not there.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The configured clients and resources could not be recorded.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The configured identity provider cannot be one.
    #[error(transparent)]
    Upstream(#[from] InvalidConfig),
    /// The HTTP client could not be made.
    #[error("the HTTP client could not be made")]
    Http(#[from] HttpError),
    /// The certificate of a listener cannot be shown.
    #[error("{key}: the listener cannot serve TLS")]
    Tls {
        /// The key of the configuration that names it.
        key: &'static str,
        /// Why.
        #[source]
        source: TlsError,
    },
    /// An address is taken or not ours.
    #[error("cannot listen on {address}; is another broker running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system does not let us wait for signals.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
}

/// Makes the parts: opens and migrates the database, brings the configured resources and clients
/// up to date, loads the keys. Asks the identity provider nothing: the broker starts while it is down.
///
/// # Errors
/// See [`ServeError`].
pub async fn open(config: &Config, ambient: Ambient) -> Result<Parts, ServeError> {
    let store = storage::open(&config.storage_options()).await?;
    let metrics = Metrics::new(store.event_counts());
    let now = ambient.now();
    let catalog = config.catalog();
    seed_resources(&store, catalog.resources(), now).await?;
    seed(&store, &config.registered_clients(now), now).await?;
    let cipher = config.cipher();
    let vault = Vault {
        store: store.clone(),
        cipher: cipher.clone(),
        ambient: ambient.clone(),
    };
    vault.check().await?;
    let keyring = Keyring::load(
        store.clone(),
        cipher.clone(),
        config.key_policy(),
        ambient.clone(),
    )
    .await?;
    let to_provider = HttpClient::new(&Options {
        // Plain http is for whoever configured it, not for whatever metadata may name.
        allow_insecure_http: names_plain_http(config),
        ..Options::default()
    })?;
    let issuer = &config.server.issuer;
    let client = |of: upstream::Config, callback: &str| {
        let redirect_uri = format!("{issuer}{callback}");
        let (http, ambient) = (to_provider.clone(), ambient.clone());
        Upstream::new(of, redirect_uri, http, ambient, metrics.clone()).map(Arc::new)
    };
    let upstream = client(config.upstream_config(), "/oauth/callback")?;
    let for_background_jobs = config
        .offline_upstream_config()
        .map(|of| client(of, "/oauth/callback-nextcloud"))
        .transpose()?;
    if catalog.needs_upstream_tokens() && !cipher.is_configured() {
        tracing::warn!(
            "no encryption key is configured: downstreams that need the identity provider's \
             tokens give errors (keys.encryption)"
        );
    }
    let audit = AuditLog::start(store.clone());
    let offline_tokens = OfflineTokens::new(offline_tokens::Dependencies {
        store: store.clone(),
        audit: audit.clone(),
        cipher: cipher.clone(),
        upstream: for_background_jobs,
        ambient: ambient.clone(),
        allowed_at: format!("{issuer}/oauth/authorize-nextcloud"),
        patience: Keeping::PATIENCE,
    });
    let upstream_tokens = UpstreamTokens::new(
        store.clone(),
        cipher,
        Arc::clone(&upstream),
        ambient.clone(),
        Keeping {
            needed: catalog.needs_upstream_tokens(),
            patience: Keeping::PATIENCE,
        },
    );
    let downstreams = catalog.downstreams().to_vec();
    let live = Live::load(store.clone(), ambient.clone(), downstreams).await?;
    let nextcloud = nextcloud(config)?;
    let with = webhooks::Dependencies {
        store: store.clone(),
        audit: audit.clone(),
        nextcloud: nextcloud.clone(),
        catalog: live.catalog(),
        http: to_receivers(config)?,
        ambient: ambient.clone(),
    };
    let webhooks = Webhooks::new(with, config.webhook_settings());
    Ok(Parts {
        live,
        audit,
        store,
        keyring,
        upstream,
        webhooks,
        nextcloud,
        upstream_tokens,
        offline_tokens,
        guarded: guarded_client(&config.url_clients())?,
        http: HttpClient::new(&Options::default())?,
        downstream_http: HttpClient::new(&Options {
            allow_insecure_http: true,
            ..Options::default()
        })?,
        ambient,
        metrics,
        spans: Spans::default(),
        stopping: CancellationToken::new(),
    })
}

/// Looks at what only [`serve`] reads: the certificates of the listeners.
///
/// # Errors
/// [`ServeError::Tls`] with the first that clients would refuse.
pub fn check(config: &Config, ambient: &Ambient) -> Result<(), ServeError> {
    for (key, files) in certificates(config) {
        if let Some(files) = files {
            Tls::check(files, ambient.clock.as_ref())
                .map_err(|source| ServeError::Tls { key, source })?;
        }
    }
    Ok(())
}

/// The certificates of the public and the admin listener, by their keys.
fn certificates(config: &Config) -> [(&'static str, Option<&TlsFiles>); 2] {
    [
        ("server.tls", config.server.tls.as_ref()),
        ("admin.tls", config.admin.tls.as_ref()),
    ]
}

/// Both listeners' sides of TLS, in the same order.
fn load_certificates(config: &Config, ambient: &Ambient) -> Result<[Option<Tls>; 2], ServeError> {
    let [public, admin] = certificates(config).map(|(key, files)| {
        let files = files.cloned();
        files
            .map(|files| Tls::load(files, Arc::clone(&ambient.clock)))
            .transpose()
            .map_err(|source| ServeError::Tls { key, source })
    });
    Ok([public?, admin?])
}

fn nextcloud(config: &Config) -> Result<Option<Nextcloud>, HttpError> {
    let Some(url) = config.nextcloud_url() else {
        return Ok(None);
    };
    let http = HttpClient::new(&Options {
        allow_insecure_http: url.scheme() == "http",
        ..Options::default()
    })?;
    let admin = config.nextcloud_admin();
    if admin.is_none() && !config.nextcloud.account_interval.is_zero() {
        tracing::warn!(
            "no Nextcloud administrator is configured: disabled accounts are not noticed \
             (nextcloud.admin_user)"
        );
    }
    Ok(Some(Nextcloud::new(url, admin, http)))
}

/// For receivers of webhooks: on networks that the operator trusts, if he says so by plain http.
fn to_receivers(config: &Config) -> Result<HttpClient, HttpError> {
    let mut receivers = config.webhooks.receivers.iter();
    HttpClient::new(&Options {
        allow_insecure_http: receivers.any(|receiver| receiver.url.scheme() == "http"),
        ..Options::default()
    })
}

/// Where spans go.
fn telemetry(config: &Config, metrics: &Metrics) -> (Spans, Option<Exporter>) {
    let Some(endpoint) = config.telemetry.otlp_endpoint.clone() else {
        return (Spans::default(), None);
    };
    let target = Target {
        endpoint,
        service: "mcp-token-broker",
        version: env!("CARGO_PKG_VERSION"),
    };
    let metrics = metrics.clone();
    let count: Count = Arc::new(move |outcome, number| metrics.spans(outcome.as_str(), number));
    let (spans, exporter) = Spans::to(target, count);
    (spans, Some(exporter))
}

/// Watches accounts, where that is wanted.
fn account_watch(parts: &Parts, config: &Config) -> Option<AccountWatch> {
    let interval = config.nextcloud.account_interval;
    let nextcloud = parts.nextcloud.clone().filter(|_| !interval.is_zero())?;
    Some(AccountWatch::new(
        parts.store.clone(),
        parts.live.clone(),
        nextcloud,
        parts.offline_tokens.clone(),
        parts.ambient.clone(),
        interval,
    ))
}

fn names_plain_http(config: &Config) -> bool {
    let upstream = &config.upstream;
    upstream.issuer.starts_with("http://")
        || upstream
            .back_channel_url
            .as_ref()
            .is_some_and(|url| url.scheme() == "http")
}

/// Runs the broker until SIGTERM or SIGINT.
///
/// Then, in this order: it says that it is not ready, accepts no more, finishes what is in progress,
/// stops its tasks, and writes what the audit trail still waits for.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(config: Config) -> Result<(), ServeError> {
    let mut parts = open(&config, Ambient::system()).await?;
    let exporter;
    (parts.spans, exporter) = telemetry(&config, &parts.metrics);
    let Routers {
        public,
        administration,
    } = routers(&parts, &Settings::from(&config));
    let [public_tls, admin_tls] = load_certificates(&config, &parts.ambient)?;
    let public_listener = bind(config.server.listen).await?;
    let admin_listener = bind(config.admin.listen).await?;
    let stop = server::stop_on_signal().map_err(ServeError::Signals)?;
    let chain = AuditChain::new(
        parts.store.clone(),
        config.cipher(),
        parts.ambient.clone(),
        parts.metrics.clone(),
    );
    // Not stopped by the signal: requests that are being finished still need fresh revocations.
    let background = CancellationToken::new();
    let tasks = Tasks {
        store: parts.store.clone(),
        live: parts.live.clone(),
        keyring: parts.keyring.clone(),
        offline_tokens: parts.offline_tokens.clone(),
        accounts: account_watch(&parts, &config),
        chain: chain.clone(),
        webhooks: parts.webhooks.clone(),
        ambient: parts.ambient.clone(),
        retention: RETENTION,
        unused_after: config.registration.unused_after,
        metrics: parts.metrics.clone(),
    }
    .start(&background);
    let exporting = exporter.map(|exporter| tokio::spawn(exporter.run(background.clone())));
    tracing::info!(
        issuer = config.server.issuer,
        public = %config.server.listen,
        admin = %config.admin.listen,
        "serving"
    );

    let closing = CancellationToken::new();
    let limits = Limits::default();
    let both = async {
        tokio::join!(
            server::serve(public_listener, public_tls, public, limits, closing.clone()),
            server::serve(
                admin_listener,
                admin_tls,
                administration,
                limits,
                closing.clone()
            ),
        )
    };
    let deadline = async {
        stop.cancelled().await;
        parts.stopping.cancel();
        sleep(config.server.shutdown_delay).await;
        closing.cancel();
        sleep(config.server.shutdown_grace).await;
    };
    tokio::select! {
        _ = both => {}
        () = deadline => tracing::warn!("requests were still running and are cut off"),
    }
    background.cancel();
    let flush = async {
        tasks.wait().await;
        // Last: requests that just ended may still have rows in the queue.
        parts.audit.close().await;
        // Else the last rows would be open to changes until the next start.
        if let Err(error) = chain.seal().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the last audit rows have no seal yet");
        }
    };
    if timeout(FLUSH, flush).await.is_err() {
        tracing::error!("the database does not answer; what waited for it is refused");
    }
    if let Some(exporting) = exporting
        && timeout(LAST_SPANS, exporting).await.is_err()
    {
        tracing::warn!("the collector does not answer; the last spans are lost");
    }
    tracing::info!("stopped");
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })
}
