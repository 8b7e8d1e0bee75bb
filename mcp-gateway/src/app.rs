//! The composition root: [`Config`] to parts to [`Routers`], and serving them.
//!
//! The only place that sees all parts. Nothing here talks to the network before the first request.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use broker_client::{
    ambient::{Clock, SystemClock},
    background::BackgroundAccessClient,
    bearer::{ProtectedResource, ProtectedResourceError},
    exchange::TokenExchanger,
    http::{ClientAuthentication, HttpClient, HttpError, Options, is_secure},
    server::{self, Limits, Tls, TlsError},
    telemetry::{Count, Exporter, Spans, Target},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Broker, Config, Credentials},
    credentials::{BackgroundOnly, Basic, CredentialSource, Exchange, PassThrough},
    health::Health,
    http::{self, Routers},
    metrics::Metrics,
    nextcloud::Transport,
    tools::{self, Catalog},
};

/// How long connecting to Nextcloud may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the last spans may take to be sent.
const FLUSH: Duration = Duration::from_secs(2);

/// Why the gateway cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No HTTP client.
    #[error("the HTTP client cannot be set up")]
    Http(#[from] HttpError),
    /// The resource or issuer is none.
    #[error("the protected resource cannot be described")]
    Resource(#[from] ProtectedResourceError),
    /// The configured account is missing or cannot be sent.
    #[error("nextcloud.basic is missing or has characters that no header may have")]
    Account,
    /// Pass-through without the second audience; the configuration's own check says it first.
    #[error("nextcloud.audience is missing")]
    Audience,
    /// No broker, or no client there, where one is needed; the configuration's own check says it first.
    #[error(
        "nextcloud.credentials needs broker.client_id, and broker.client_secret or broker.client_assertion"
    )]
    BrokerClient,
}

/// Puts the gateway together.
///
/// # Errors
///
/// [`BuildError`] says which part cannot be made.
pub fn build(config: &Config) -> Result<Routers, BuildError> {
    build_at(config, Arc::new(SystemClock), CancellationToken::new())
}

/// Puts the gateway together; its tools live in the time of `clock`, and it is not ready once
/// `stopping` is cancelled.
///
/// # Errors
///
/// As [`build`].
pub fn build_at(
    config: &Config,
    clock: Arc<dyn Clock>,
    stopping: CancellationToken,
) -> Result<Routers, BuildError> {
    let catalog = Arc::new(match config.nextcloud.credentials {
        Credentials::BackgroundOnly => tools::background_catalog(),
        Credentials::Exchange | Credentials::Basic | Credentials::DangerPassThrough => {
            tools::catalog()
        }
    });
    let metrics = Metrics::default();
    let (spans, exporter) = telemetry(config, &metrics);
    let transport = Arc::new(transport(config, Arc::clone(&clock), metrics.clone())?);
    let broker = match &config.broker {
        Some(broker) => Some(broker_side(config, broker, &catalog)?),
        None => None,
    };
    let resource = broker.as_ref().map(|(_, resource)| resource.clone());
    let credentials = credentials(config, broker.as_ref(), &transport)?;
    warn_about_dangers(config);
    Ok(http::routers(http::Parts {
        catalog,
        credentials,
        health: Health::new(
            transport,
            broker.map(|(http, resource)| (http, resource.discovery())),
            stopping,
        ),
        resource,
        allowed_hosts: config.server.allowed_hosts.clone(),
        allowed_origins: config.server.allowed_origins.clone(),
        request_limit: config.server.request_limit,
        call_timeout: config.server.call_timeout,
        requests_per_caller: config.server.requests_per_caller,
        metrics,
        spans,
        exporter,
        clock,
    }))
}

/// Where spans go.
fn telemetry(config: &Config, metrics: &Metrics) -> (Spans, Option<Exporter>) {
    let Some(endpoint) = config.telemetry.otlp_endpoint.clone() else {
        return (Spans::default(), None);
    };
    let target = Target {
        endpoint,
        service: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
    };
    let metrics = metrics.clone();
    let count: Count = Arc::new(move |outcome, number| metrics.spans(outcome.as_str(), number));
    let (spans, exporter) = Spans::to(target, count);
    (spans, Some(exporter))
}

/// Judges the certificate of the public listener, which [`serve`] will show, if it has one.
///
/// # Errors
///
/// [`ServeError::Tls`] when clients would refuse it.
pub fn check_certificate(config: &Config, clock: &dyn Clock) -> Result<(), ServeError> {
    match &config.server.tls {
        Some(files) => Ok(Tls::check(files, clock)?),
        None => Ok(()),
    }
}

/// Serves on the configured addresses until `stop`; then says that it is not ready, and after
/// `server.shutdown_delay` accepts no more and finishes open requests, for `server.shutdown_grace` at
/// most.
///
/// # Errors
///
/// When an address cannot be listened on, or the certificate not be shown.
pub async fn serve(
    config: &Config,
    routers: Routers,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let server = &config.server;
    let tls = match server.tls.clone() {
        Some(files) => Some(Tls::load(files, Arc::new(SystemClock))?),
        None => None,
    };
    let public = listen(server.listen).await?;
    let metrics = match server.metrics_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    tracing::info!(listen = %server.listen, resource = server.resource(), "serving");
    let background = CancellationToken::new();
    let exporting = routers
        .exporter
        .map(|exporter| tokio::spawn(exporter.run(background.clone())));
    let closing = CancellationToken::new();
    let limits = Limits::default();
    let both = async {
        let measured = async {
            if let Some(listener) = metrics {
                server::serve(listener, None, routers.metrics, limits, closing.clone()).await;
            }
        };
        let public = server::serve(public, tls, routers.public, limits, closing.clone());
        tokio::join!(public, measured);
    };
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(server.shutdown_delay).await;
        closing.cancel();
        tokio::time::sleep(server.shutdown_grace).await;
    };
    tokio::select! {
        () = both => tracing::info!("stopped"),
        () = deadline => tracing::warn!("open requests were cut off"),
    }
    background.cancel();
    if let Some(exporting) = exporting
        && tokio::time::timeout(FLUSH, exporting).await.is_err()
    {
        tracing::warn!("the collector does not answer; the last spans are lost");
    }
    Ok(())
}

/// Why the gateway does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address is taken or not ours.
    #[error("cannot listen on {address}; is another gateway running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The certificate cannot be shown.
    #[error("server.tls: the listener cannot serve TLS")]
    Tls(#[from] TlsError),
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })
}

fn transport(
    config: &Config,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
) -> Result<Transport, HttpError> {
    let nextcloud = &config.nextcloud;
    let options = Options {
        timeout: nextcloud.timeout,
        connect_timeout: CONNECT_TIMEOUT,
        ..Options::default()
    };
    let client = broker_client::http::client(&options)?;
    Ok(Transport::new(
        client,
        &nextcloud.url,
        nextcloud.read_limit,
        clock,
        metrics,
    ))
}

fn broker_side(
    config: &Config,
    broker: &Broker,
    catalog: &Catalog,
) -> Result<(HttpClient, ProtectedResource), BuildError> {
    // Plain http to another host only where the operator wrote it down as the back channel.
    let allow_insecure_http = broker
        .back_channel_url
        .as_ref()
        .is_some_and(|url| !is_secure(url));
    let http = HttpClient::new(&Options {
        allow_insecure_http,
        ..Options::default()
    })?;
    let mut builder = ProtectedResource::builder(config.server.resource(), &broker.issuer)
        .name("Nextcloud tools")
        .scopes(catalog.scopes().clone())
        .http(http.clone());
    if let Some(url) = &broker.back_channel_url {
        builder = builder.back_channel(url.clone());
    }
    Ok((http, builder.build()?))
}

fn credentials(
    config: &Config,
    broker: Option<&(HttpClient, ProtectedResource)>,
    transport: &Arc<Transport>,
) -> Result<Arc<dyn CredentialSource>, BuildError> {
    let transport = Arc::clone(transport);
    Ok(match config.nextcloud.credentials {
        Credentials::Basic => {
            let account = config.nextcloud.basic.as_ref();
            let source = account
                .and_then(|account| Basic::new(transport, &account.username, &account.password));
            Arc::new(source.ok_or(BuildError::Account)?)
        }
        Credentials::DangerPassThrough => {
            let audience = config.nextcloud.audience.clone();
            Arc::new(PassThrough::new(
                transport,
                audience.ok_or(BuildError::Audience)?,
            ))
        }
        Credentials::Exchange | Credentials::BackgroundOnly => {
            let settings = config.broker.as_ref();
            let client = settings.and_then(|broker| Some((broker, authentication(broker)?)));
            let (Some((http, resource)), Some((settings, authentication))) = (broker, client)
            else {
                return Err(BuildError::BrokerClient);
            };
            let (http, discovery) = (http.clone(), resource.discovery());
            let downstream = &settings.downstream;
            if config.nextcloud.credentials == Credentials::BackgroundOnly {
                let broker = BackgroundAccessClient::new(http, discovery, authentication);
                Arc::new(BackgroundOnly::new(broker, downstream))
            } else {
                let exchanger = TokenExchanger::new(http, discovery, authentication);
                Arc::new(Exchange::new(transport, exchanger, downstream.clone()))
            }
        }
    })
}

/// How the gateway proves to the broker who it is.
fn authentication(broker: &Broker) -> Option<ClientAuthentication> {
    let client_id = broker.client_id.clone()?;
    Some(match (&broker.client_assertion, &broker.client_secret) {
        (Some(path), _) => ClientAuthentication::AssertionFile {
            client_id,
            path: path.clone(),
        },
        (None, Some(client_secret)) => ClientAuthentication::Basic {
            client_id,
            client_secret: client_secret.clone(),
        },
        (None, None) => return None,
    })
}

fn warn_about_dangers(config: &Config) {
    match (config.nextcloud.credentials, &config.broker) {
        (Credentials::DangerPassThrough, _) => tracing::warn!(
            "danger_pass_through: callers' own tokens are forwarded to Nextcloud and stay valid there \
             until they expire; use credentials = \"exchange\" wherever the broker can mint"
        ),
        (Credentials::Basic, Some(_)) => tracing::warn!(
            "basic: everybody who can sign in at the broker acts as the one configured Nextcloud account"
        ),
        (Credentials::Basic, None) => tracing::warn!(
            "basic without a broker: every program on this machine can act as the configured Nextcloud account"
        ),
        (Credentials::Exchange | Credentials::BackgroundOnly, _) => {}
    }
    if !is_secure(&config.nextcloud.url) {
        tracing::warn!("nextcloud.url is plain http: tokens can be read on the way");
    }
}
