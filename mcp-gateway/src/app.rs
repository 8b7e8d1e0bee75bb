//! The composition root: [`Config`] to parts to [`Router`], and serving it.
//!
//! The only place that sees all parts. Nothing here talks to the network before the first request.

use std::{sync::Arc, time::Duration};

use axum::{Router, serve::ListenerExt};
use broker_client::{
    ambient::{Clock, SystemClock},
    bearer::{ProtectedResource, ProtectedResourceError},
    exchange::TokenExchanger,
    http::{ClientAuthentication, HttpClient, HttpError, Options, is_secure},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Broker, Config, Credentials},
    credentials::{Basic, CredentialSource, Exchange, PassThrough},
    health::Health,
    http,
    nextcloud::Transport,
    tools::{self, Catalog},
};

/// How long open requests may take after the signal to stop.
const GRACE: Duration = Duration::from_secs(30);
/// How long connecting to Nextcloud may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// Exchange without a broker or without a client; the configuration's own check says it first.
    #[error(
        "nextcloud.credentials = \"exchange\" needs broker.client_id, and broker.client_secret or broker.client_assertion"
    )]
    ExchangeClient,
}

/// Puts the gateway together.
///
/// # Errors
///
/// [`BuildError`] says which part cannot be made.
pub fn build(config: &Config) -> Result<Router, BuildError> {
    build_at(config, Arc::new(SystemClock))
}

/// Puts the gateway together; its tools live in the time of `clock`.
///
/// # Errors
///
/// As [`build`].
pub fn build_at(config: &Config, clock: Arc<dyn Clock>) -> Result<Router, BuildError> {
    let catalog = Arc::new(tools::catalog());
    let transport = Arc::new(transport(config, clock)?);
    let broker = match &config.broker {
        Some(broker) => Some(broker_side(config, broker, &catalog)?),
        None => None,
    };
    let resource = broker.as_ref().map(|(_, resource)| resource.clone());
    let credentials = credentials(config, broker.as_ref(), &transport)?;
    warn_about_dangers(config);
    Ok(http::router(http::Parts {
        catalog,
        credentials,
        health: Health::new(
            transport,
            broker.map(|(http, resource)| (http, resource.discovery())),
        ),
        resource,
        allowed_hosts: config.server.allowed_hosts.clone(),
        allowed_origins: config.server.allowed_origins.clone(),
        request_limit: config.server.request_limit,
        call_timeout: config.server.call_timeout,
        requests_per_caller: config.server.requests_per_caller,
    }))
}

/// Serves until `stop`, then finishes open requests.
///
/// # Errors
///
/// When accepting connections fails for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    // An answer is one small write: waiting for more would only delay it.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
    });
    let graceful =
        axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        result = graceful => result,
        () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => {
            tracing::warn!("open requests were cut off");
            Ok(())
        }
    }
}

fn transport(config: &Config, clock: Arc<dyn Clock>) -> Result<Transport, HttpError> {
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
        Credentials::Exchange => {
            let settings = config.broker.as_ref();
            let client = settings.and_then(|broker| Some((broker, authentication(broker)?)));
            let (Some((http, resource)), Some((settings, authentication))) = (broker, client)
            else {
                return Err(BuildError::ExchangeClient);
            };
            let exchanger = TokenExchanger::new(http.clone(), resource.discovery(), authentication);
            Arc::new(Exchange::new(
                transport,
                exchanger,
                settings.downstream.clone(),
            ))
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
        (Credentials::Exchange, _) => {}
    }
    if !is_secure(&config.nextcloud.url) {
        tracing::warn!("nextcloud.url is plain http: tokens can be read on the way");
    }
}
