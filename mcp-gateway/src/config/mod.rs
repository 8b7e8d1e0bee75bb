//! The gateway's configuration: every key with its meaning, default and environment name.
//!
//! Owns the typed [`Config`] and the rules between keys. Reading TOML and the environment is
//! `load`, picking values out of a table `reader`, values that are no plain strings `value`.
//! Nothing but `app` and `cli` reads a [`Config`]; everything else receives parts.
//! `deploy/mcp-gateway.toml` says the same to the operator, key by key.

mod load;
mod reader;
mod rules;
mod value;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use broker_client::{secret::Secret, server::TlsFiles};
use url::Url;

pub use load::{ConfigError, from_file, from_parts};
pub use reader::Problem;

/// Everything the gateway can be told.
#[derive(Debug)]
pub struct Config {
    /// Where the gateway listens and what it is called.
    pub server: Server,
    /// The authorization server whose tokens are accepted; `None` only with `basic`.
    pub broker: Option<Broker>,
    /// The Nextcloud behind the tools.
    pub nextcloud: Nextcloud,
    /// Who is told about calls, besides the log.
    pub telemetry: Telemetry,
}

/// `[server]`: the MCP endpoint itself.
#[derive(Debug)]
pub struct Server {
    /// The base URL under which clients reach the gateway, without a trailing slash. Required.
    /// Environment: `GATEWAY__SERVER__PUBLIC_URL`. The resource identifier (RFC 8707) is this
    /// plus `/mcp`; change it together with the broker's `[[resources]]`.
    pub public_url: Url,
    /// The address to listen on. Default `127.0.0.1:4282`. Environment:
    /// `GATEWAY__SERVER__LISTEN`. Use `0.0.0.0:4282` in a container.
    pub listen: SocketAddr,
    /// Certificate and key, where TLS ends at the gateway itself: `{ certificate = "…", key = "…" }`,
    /// the paths of PEM files, the certificate with those that lead to its authority behind it.
    /// Default: none, a proxy ends TLS. Environment: `GATEWAY__SERVER__TLS__CERTIFICATE` and
    /// `GATEWAY__SERVER__TLS__KEY`. Set it where there is no proxy, or where the way from the proxy is
    /// not to be trusted. The files are read again every ten seconds, so a renewal needs no restart.
    pub tls: Option<TlsFiles>,
    /// The address of the listener for metrics, always plain HTTP. Default: none. Environment:
    /// `GATEWAY__SERVER__METRICS_LISTEN`. Where metrics are collected, an address that only the
    /// collector reaches: `127.0.0.1:4285`, or `0.0.0.0:4285` in a container.
    pub metrics_listen: Option<SocketAddr>,
    /// `Host` values that are answered. Default: host and port of `public_url`, and the listen
    /// address. Environment: `GATEWAY__SERVER__ALLOWED_HOSTS`, comma separated. Add the names a
    /// proxy forwards.
    pub allowed_hosts: Vec<String>,
    /// Browser origins that may call `/mcp`. Default: the origin of `public_url`; on loopback
    /// every loopback origin. Environment: `GATEWAY__SERVER__ALLOWED_ORIGINS`, comma separated.
    /// Add the origin of a browser-based MCP client.
    pub allowed_origins: Vec<String>,
    /// The largest MCP request body, in bytes. Default `64MiB`. Environment:
    /// `GATEWAY__SERVER__REQUEST_LIMIT`. Raise it when agents write larger files.
    pub request_limit: usize,
    /// How long one call of a tool may take altogether. Default `2m`. Environment:
    /// `GATEWAY__SERVER__CALL_TIMEOUT`. Raise it when bulk operations are cut off.
    pub call_timeout: Duration,
    /// How long the gateway goes on after the signal to stop, saying that it is not ready. Default:
    /// none, it stops accepting at once. Environment: `GATEWAY__SERVER__SHUTDOWN_DELAY`. Where a load
    /// balancer has to notice first: in Kubernetes `5s`.
    pub shutdown_delay: Duration,
    /// How long open requests may take to end after that. Default `20s`. Environment:
    /// `GATEWAY__SERVER__SHUTDOWN_GRACE`. Both together have to be less than what the process is given
    /// (in Kubernetes `terminationGracePeriodSeconds`).
    pub shutdown_grace: Duration,
    /// How many requests one caller may have running. Default `16`. Environment:
    /// `GATEWAY__SERVER__REQUESTS_PER_CALLER`. It is counted on each replica.
    pub requests_per_caller: usize,
}

impl Server {
    /// The resource identifier of the MCP endpoint (RFC 8707), which tokens carry as `aud`.
    #[must_use]
    pub fn resource(&self) -> String {
        format!("{}/mcp", self.public_url.as_str().trim_end_matches('/'))
    }
}

/// `[broker]`: the authorization server.
#[derive(Debug)]
pub struct Broker {
    /// The broker's `issuer`, exactly as its metadata says. Required.
    /// Environment: `GATEWAY__BROKER__ISSUER`.
    pub issuer: String,
    /// The base URL the gateway uses instead of the issuer's for its own calls. Default: none.
    /// Environment: `GATEWAY__BROKER__BACK_CHANNEL_URL`. Set it when the public name of the
    /// broker does not resolve inside the cluster.
    pub back_channel_url: Option<Url>,
    /// The gateway's own client id at the broker. Needed with `exchange` and `background_only`.
    /// Environment: `GATEWAY__BROKER__CLIENT_ID`.
    pub client_id: Option<String>,
    /// The secret of that client. Where the id is needed, this or `client_assertion` is.
    /// Environment: `GATEWAY__BROKER__CLIENT_SECRET`, or `…__CLIENT_SECRET__FILE`.
    pub client_secret: Option<Secret>,
    /// The file with the token of the pod's Kubernetes service account, in place of a secret. It
    /// is read for every exchange, so a token that the kubelet replaces counts at once. Default:
    /// none. Environment: `GATEWAY__BROKER__CLIENT_ASSERTION__FILE`.
    pub client_assertion: Option<PathBuf>,
    /// The name of the Nextcloud downstream at the broker. Default `nextcloud`.
    /// Environment: `GATEWAY__BROKER__DOWNSTREAM`.
    pub downstream: String,
}

/// `[nextcloud]`: the server behind the tools.
#[derive(Debug)]
pub struct Nextcloud {
    /// The base URL of Nextcloud, a sub-path included. Required.
    /// Environment: `GATEWAY__NEXTCLOUD__URL`.
    pub url: Url,
    /// How the gateway gets into Nextcloud. Default `exchange`.
    /// Environment: `GATEWAY__NEXTCLOUD__CREDENTIALS`. Change it where there is no broker, or
    /// one that cannot mint.
    pub credentials: Credentials,
    /// The account of `basic`; there with it, and only then. Default: none. Environment:
    /// `GATEWAY__NEXTCLOUD__BASIC__USERNAME` and `…__PASSWORD`, or `…__PASSWORD__FILE`.
    pub basic: Option<Account>,
    /// The second audience that `danger_pass_through` demands; there with it, and only then.
    /// Default: none. Environment: `GATEWAY__NEXTCLOUD__AUDIENCE`.
    pub audience: Option<String>,
    /// How long one Nextcloud request may take. Default `30s`.
    /// Environment: `GATEWAY__NEXTCLOUD__TIMEOUT`.
    pub timeout: Duration,
    /// The most bytes that one Nextcloud answer may bring. Default `10MiB`.
    /// Environment: `GATEWAY__NEXTCLOUD__READ_LIMIT`. It bounds memory and what a model is sent.
    pub read_limit: usize,
}

/// `[telemetry]`: who is told about calls, besides the log.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// The base URL of an `OpenTelemetry` collector, which takes spans at `/v1/traces` below it
    /// (OTLP/HTTP). Default: none, and no spans. Environment: `GATEWAY__TELEMETRY__OTLP_ENDPOINT`. Set
    /// it to see in one trace what an agent's call took where; plain `http` is for a collector close by.
    pub otlp_endpoint: Option<Url>,
}

/// How the gateway gets into Nextcloud (`nextcloud.credentials`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// `exchange`: a short token per tool call from the broker (RFC 8693).
    Exchange,
    /// `basic`: one configured account for everybody who may call the gateway.
    Basic,
    /// `danger_pass_through`: the caller's own token, verified first, is forwarded.
    DangerPassThrough,
    /// `background_only`: not at all; users may let background jobs in.
    BackgroundOnly,
}

impl Credentials {
    /// Whether the gateway asks the broker as a client of its own.
    #[must_use]
    pub const fn needs_client(self) -> bool {
        match self {
            Self::Exchange | Self::BackgroundOnly => true,
            Self::Basic | Self::DangerPassThrough => false,
        }
    }
}

/// `nextcloud.basic`: one Nextcloud account.
#[derive(Debug)]
pub struct Account {
    /// The login name.
    pub username: String,
    /// An app password.
    pub password: Secret,
}

#[cfg(test)]
mod tests;
