//! The configuration: every key, its default, and when to change it.
//!
//! A TOML file, overridden by the environment (`BROKER__SECTION__KEY`; entries of a list by their
//! number, from 0: `BROKER__CLIENTS__0__CLIENT_SECRET`). Durations are written `"90s"`, `"10m"`,
//! `"1h30m"`, `"30d"`. Secrets stand inline or in a file of their own: `{ file = "/run/secrets/x" }`
//! (`BROKER__UPSTREAM__CLIENT_SECRET__FILE`). Relative paths start at the working directory.
//!
//! Loading reports every problem at once. `deploy/broker.toml` shows every key in the same words.
//! Only [`crate::app`] and [`crate::cli`] read the configuration; the rest receives parts.

mod admin;
mod check;
mod clients;
mod consent;
mod jwks;
mod limits;
mod load;
mod nextcloud;
mod offline;
mod parts;
mod read;
mod registration;
mod resources;
mod secret;
mod telemetry;
mod tls;
mod tokens;
mod upstream;
mod values;
mod webhooks;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use broker_client::secret::Secret;
use broker_client::server::TlsFiles;

pub use admin::Admin;
pub use clients::{Client, ServiceAccount};
pub use consent::Consent;
pub use jwks::Jwks;
pub use limits::Limits;
pub use load::{ConfigError, from_table, load};
pub use nextcloud::Nextcloud;
pub use offline::OfflineClient;
pub use read::Problem;
pub use registration::{AllowedClient, Registration};
pub use resources::{Downstream, Resource};
pub use secret::KeyMaterial;
pub use telemetry::Telemetry;
pub use tokens::Tokens;
pub use upstream::{AuthenticationMethod, Upstream};
pub use webhooks::{WebhookReceiver, Webhooks};

pub(crate) use self::values::duration;

use self::read::Section;
use crate::domain::Network;
use crate::keys::Algorithm;
use crate::storage::Synchronous;

/// The whole configuration of one broker.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[server]`: who we are and where we listen.
    pub server: Server,
    /// `[admin]`: the listener for administrators.
    pub admin: Admin,
    /// `[database]`: where everything is kept.
    pub database: Database,
    /// `[keys]`: signing and encryption keys.
    pub keys: Keys,
    /// `[upstream]`: the identity provider where users log in.
    pub upstream: Upstream,
    /// `[nextcloud]`: what the broker itself asks Nextcloud.
    pub nextcloud: Nextcloud,
    /// `[webhooks]`: events of Nextcloud for background clients.
    pub webhooks: Webhooks,
    /// `[tokens]`: how long things live.
    pub tokens: Tokens,
    /// `[consent]`: what is remembered of the consent page.
    pub consent: Consent,
    /// `[limits]`: how often strangers may come.
    pub limits: Limits,
    /// `[registration]`: clients that register themselves, or whose id is a URL.
    pub registration: Registration,
    /// `[telemetry]`: who is told about requests, besides the log.
    pub telemetry: Telemetry,
    /// `[[resources]]`: the protected MCP servers.
    pub resources: Vec<Resource>,
    /// `[[downstreams]]`: the APIs that tokens are exchanged for.
    pub downstreams: Vec<Downstream>,
    /// `[[clients]]`: clients that need no registration.
    pub clients: Vec<Client>,
}

impl Config {
    fn read(mut root: Section<'_>) -> Option<Self> {
        let server = Server::read(root.section("server"));
        let admin = Admin::read(root.section("admin"));
        let database = Database::read(root.section("database"));
        let keys = Keys::read(root.section("keys"));
        let upstream = Upstream::read(root.section("upstream"));
        let nextcloud = Nextcloud::read(root.section("nextcloud"));
        let webhooks = Webhooks::read(root.section("webhooks"));
        let tokens = Tokens::read(root.section("tokens"));
        let consent = Consent::read(root.section("consent"));
        let limits = Limits::read(root.section("limits"));
        let registration = Registration::read(root.section("registration"));
        let telemetry = Telemetry::read(root.section("telemetry"));
        let resources = every(root.sections("resources"), Resource::read);
        let downstreams = every(root.sections("downstreams"), Downstream::read);
        let clients = every(root.sections("clients"), Client::read);
        root.finish();
        Some(Self {
            server: server?,
            admin,
            database,
            keys: keys?,
            upstream: upstream?,
            nextcloud,
            webhooks: webhooks?,
            tokens,
            consent,
            limits,
            registration,
            telemetry,
            resources: resources?,
            downstreams: downstreams?,
            clients: clients?,
        })
    }
}

/// Reads every entry, so that the problems of all are found, and gives them if all are good.
fn every<'a, T>(
    sections: Vec<Section<'a>>,
    read: impl Fn(Section<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let entries: Vec<Option<T>> = sections.into_iter().map(read).collect();
    entries.into_iter().collect()
}

/// `[server]`.
#[derive(Debug, Clone)]
pub struct Server {
    /// The broker's public base URL, which is also the `iss` of its tokens, byte for byte.
    ///
    /// Required. `BROKER__SERVER__ISSUER`. https, or http on loopback; no trailing slash, query or
    /// fragment. Changing it makes every token and every client's discovery invalid.
    pub issuer: String,
    /// The address of the public listener, mostly behind a proxy that ends TLS.
    ///
    /// Default `127.0.0.1:4280`. `BROKER__SERVER__LISTEN`. In a container use `0.0.0.0:4280`.
    pub listen: SocketAddr,
    /// Certificate and key of the public listener, where TLS ends at the broker itself:
    /// `{ certificate = "…", key = "…" }`, the paths of PEM files, the certificate with those that
    /// lead to its authority behind it.
    ///
    /// Default: none, a proxy ends TLS. `BROKER__SERVER__TLS__CERTIFICATE` and
    /// `BROKER__SERVER__TLS__KEY`. Set it where there is no proxy, or where the way from the proxy is
    /// not to be trusted. The files are read again every ten seconds, so a renewal needs no restart.
    pub tls: Option<TlsFiles>,
    /// The proxies in front of us, by address or network, whose `Forwarded` or `X-Forwarded-For` says
    /// where a request came from.
    ///
    /// Default: none; then the peer is what audit and limits see. `BROKER__SERVER__TRUSTED_PROXIES`,
    /// separated by commas. Set it behind a proxy, to nothing but the proxies, and let them overwrite
    /// or extend the header: whoever is trusted can claim any address.
    pub trusted_proxies: Vec<Network>,
    /// How long the broker goes on after the signal to stop, saying that it is not ready.
    ///
    /// Default `0s`: it stops accepting at once. `BROKER__SERVER__SHUTDOWN_DELAY`. Where a load balancer
    /// has to notice first: in Kubernetes `5s`.
    pub shutdown_delay: Duration,
    /// How long requests in progress may take to end after that.
    ///
    /// Default `20s`. `BROKER__SERVER__SHUTDOWN_GRACE`. Both together have to be less than what the
    /// process is given (in Kubernetes `terminationGracePeriodSeconds`).
    pub shutdown_grace: Duration,
}

impl Server {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let issuer = section.required("issuer", "the public base URL, such as https://mcp.example");
        let listen = section.or("listen", loopback(4280));
        let tls = tls::tls(&mut section);
        let trusted_proxies = section.list("trusted_proxies");
        let shutdown_delay = section.or("shutdown_delay", Duration::ZERO);
        let shutdown_grace = section.or("shutdown_grace", Duration::from_secs(20));
        section.finish();
        Some(Self {
            issuer: issuer?,
            listen,
            tls,
            trusted_proxies,
            shutdown_delay,
            shutdown_grace,
        })
    }
}

/// `[database]`.
#[derive(Debug, Clone)]
pub struct Database {
    /// Where everything is kept: `sqlite:path` or `postgres://user:password@host/name`.
    ///
    /// Default `sqlite:broker.db`. `BROKER__DATABASE__URL`. Created and migrated at the first
    /// start. SQLite serves one machine; several replicas need PostgreSQL. A secret, because it
    /// may hold a password: `{ file = "…" }` works too.
    pub url: Secret,
    /// When an SQLite commit counts as done: `full` (survives power loss) or `normal` (survives a
    /// crash of the process).
    ///
    /// Default `full`. `BROKER__DATABASE__SYNCHRONOUS`. `normal` is faster, but power loss may undo
    /// the last refresh-token rotations, and their clients' next attempt looks like theft.
    pub synchronous: Synchronous,
    /// The most connections held open.
    ///
    /// Default 8. `BROKER__DATABASE__MAX_CONNECTIONS`. Raise it when requests wait for the
    /// database; all replicas together must fit PostgreSQL's `max_connections`.
    pub max_connections: u32,
}

impl Database {
    fn read(mut section: Section<'_>) -> Self {
        let url = section.or("url", Secret::new("sqlite:broker.db"));
        let synchronous = section.or("synchronous", Synchronous::Full);
        let max_connections = section.checked(
            "max_connections",
            8,
            |number| (1..=1000).contains(number),
            "must be from 1 to 1000",
        );
        section.finish();
        Self {
            url,
            synchronous,
            max_connections,
        }
    }
}

/// `[keys]`.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The algorithm of new signing keys: `ES256`, `EdDSA` or `RS256`.
    ///
    /// Default `ES256`. `BROKER__KEYS__ALGORITHM`. `RS256` when something that verifies our tokens
    /// knows nothing else. A change takes effect two hours later, once the new key is known
    /// everywhere.
    pub algorithm: Algorithm,
    /// How long a signing key signs before the next one takes over.
    ///
    /// Default `30d`, at least `1d`. `BROKER__KEYS__ROTATE_AFTER`. Shorter when your rules ask.
    pub rotate_after: Duration,
    /// The encryption keys for secrets in the database: `[{ id = "…", key = "…" }]`, each key 32
    /// bytes in base64 (`openssl rand -base64 32`). The first one seals, all of them open.
    ///
    /// Default: none; then signing keys stand in the database unsealed. `BROKER__KEYS__ENCRYPTION`.
    /// Set it in production; to change it, add the new key at the end of every replica's list before
    /// it moves to the front of any.
    pub encryption: Vec<EncryptionKey>,
}

/// An entry of `keys.encryption`.
#[derive(Debug, Clone)]
pub struct EncryptionKey {
    /// The name that sealed values carry, to find their key again. Required.
    pub id: String,
    /// 32 bytes in base64, inline or `{ file = "…" }`. Required.
    pub key: KeyMaterial,
}

impl Keys {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let algorithm = section.or("algorithm", Algorithm::Es256);
        let rotate_after = section.checked(
            "rotate_after",
            Duration::from_hours(30 * 24),
            |duration| *duration >= Duration::from_hours(24),
            "must be at least 1d: a new key is published two hours before it signs",
        );
        let encryption = every(section.sections("encryption"), EncryptionKey::read);
        section.finish();
        Some(Self {
            algorithm,
            rotate_after,
            encryption: encryption?,
        })
    }
}

impl EncryptionKey {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let id = section.required("id", "a name for the key, such as the month it is from");
        let key = section.required("key", "32 bytes in base64: `openssl rand -base64 32`");
        section.finish();
        Some(Self { id: id?, key: key? })
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
