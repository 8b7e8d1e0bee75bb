//! The composition root: configuration becomes parts, parts become routes, routes are served.
//!
//! The one place that sees everything. No rule stands here; who needs what can be read off
//! [`routers`].

mod seed;
mod seed_resources;
mod serve;
mod service_account;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use broker_client::http::{GuardedClient, HttpClient};
use broker_client::keys::KeySource;
use broker_client::telemetry::Spans;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

pub use seed::{SeedError, seed};
pub use seed_resources::seed_resources;
pub use serve::{ServeError, check, open, serve};
pub use service_account::ServiceAccountSettings;

use crate::admin::{AdminApi, GroupPolicy, Groups, Refusals};
use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::authorize::{Authorize, Logins};
use crate::clients::{Clients, KeyReader, Policies};
use crate::config::Config;
use crate::domain::{
    ConsentPolicy, EmailUids, Rate, RateLimit, RegistrationPolicy, TrustedProxies, UrlClients,
};
use crate::exchange::check::Check;
use crate::exchange::{Mint, Session, Strategies, Uids, UpstreamExchange};
use crate::http::{
    self, AccountPages, BrowserFlow, Endpoints, Health, Observer, Published, RateLimits, Scrape,
};
use crate::keys::Keyring;
use crate::live::Live;
use crate::logout::LogoutEndpoint;
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::nextcloud::Nextcloud;
use crate::offline_tokens::OfflineTokens;
use crate::provision::Provision;
use crate::register::{Limits, RegistrationEndpoint};
use crate::storage::Store;
use crate::token::{
    AccessTokens, Assertions, ClientAuthenticator, IntrospectionEndpoint, Issuer, Lifetimes,
    RevocationEndpoint, TokenEndpoint, UserInfoEndpoint,
};
use crate::upstream::Upstream;
use crate::upstream_tokens::UpstreamTokens;
use crate::webhooks::Webhooks;

/// The running parts of one broker process.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Ended grants, exchanging clients and the catalog, in memory.
    pub live: Live,
    /// The audit trail's writer.
    pub audit: AuditLog,
    /// The signing keys.
    pub keyring: Keyring,
    /// What is asked about accounts; `None` where there is no downstream.
    pub nextcloud: Option<Nextcloud>,
    /// Events of Nextcloud for background clients.
    pub webhooks: Webhooks,
    /// The identity provider.
    pub upstream: Arc<Upstream>,
    /// What it gave at logins.
    pub upstream_tokens: UpstreamTokens,
    /// What it gave for background jobs.
    pub offline_tokens: OfflineTokens,
    /// Fetches what strangers name.
    pub guarded: GuardedClient,
    /// Fetches what the operator names, over https or from this machine.
    pub http: HttpClient,
    /// Asks downstreams, which the operator may have at plain `http`.
    pub downstream_http: HttpClient,
    /// Time and randomness.
    pub ambient: Ambient,
    /// What is counted and measured.
    pub metrics: Metrics,
    /// What a collector is told.
    pub spans: Spans,
    /// Cancelled when the broker is about to stop.
    pub stopping: CancellationToken,
}

/// What the configuration decides besides the parts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our issuer identifier.
    pub issuer: String,
    /// Who may say where a request came from.
    pub trusted_proxies: TrustedProxies,
    /// Who may register himself.
    pub registration: RegistrationPolicy,
    /// How much strangers may register.
    pub registration_limits: Limits,
    /// Whose ids may be URLs.
    pub url_clients: UrlClients,
    /// How often strangers may ask for pages.
    pub page_rate: Rate,
    /// How often programs may be refused.
    pub refusal_rate: Rate,
    /// How long a request may take, its body included.
    pub longest_request: Duration,
    /// How long an access token lives.
    pub access_token: Duration,
    /// How long an authorization code is good.
    pub authorization_code: Duration,
    /// How long a login may take.
    pub login: Duration,
    /// Which consents are remembered.
    pub consent: ConsentPolicy,
    /// How long refresh tokens and grants live.
    pub lifetimes: Lifetimes,
    /// The upstream claim that carries the Nextcloud uid, to name it when it is missing.
    pub uid_claim: String,
    /// Whether it may be an e-mail address.
    pub email_uids: EmailUids,
    /// The platforms that vouch for clients.
    pub service_accounts: Vec<ServiceAccountSettings>,
    /// Which groups of the identity provider administer.
    pub admin_groups: Option<GroupPolicy>,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            issuer: config.server.issuer.clone(),
            trusted_proxies: TrustedProxies::new(config.server.trusted_proxies.clone()),
            registration: config.registration.policy,
            registration_limits: config.registration_limits(),
            url_clients: config.url_clients(),
            page_rate: config.page_rate(),
            refusal_rate: config.refusal_rate(),
            longest_request: http::LONGEST_REQUEST,
            access_token: config.tokens.access_token,
            authorization_code: config.tokens.authorization_code,
            login: config.tokens.login,
            consent: config.consent_policy(),
            lifetimes: config.lifetimes(),
            uid_claim: config.upstream.uid_claim.clone(),
            email_uids: config.email_uids(),
            service_accounts: service_account::settings(config),
            admin_groups: config.admin_groups(),
        }
    }
}

/// The routes of both listeners.
pub struct Routers {
    /// For everybody.
    pub public: Router,
    /// For administrators, on its own port.
    pub administration: Router,
}

/// Builds the routes: hands each endpoint what it needs and nothing else.
#[must_use]
pub fn routers(parts: &Parts, settings: &Settings) -> Routers {
    let known = Clients::new(
        parts.store.clone(),
        parts.ambient.clone(),
        Policies {
            registration: settings.registration,
            url_clients: settings.url_clients.clone(),
        },
        parts.guarded.clone(),
    );
    let clients = ClientAuthenticator {
        clients: known.clone(),
        live: parts.live.clone(),
        assertions: Assertions {
            issuer: settings.issuer.clone(),
            keys: KeyReader::new(parts.guarded.clone(), Arc::clone(&parts.ambient.clock)),
            service_accounts: service_account::trusted(parts, &settings.service_accounts),
            store: parts.store.clone(),
            ambient: parts.ambient.clone(),
        },
        ambient: parts.ambient.clone(),
    };
    let verifier = Arc::new(verifier(parts, settings));
    let catalog = parts.live.catalog();
    let health = Arc::new(health(parts));
    let endpoints = Endpoints {
        user_info: Arc::new(UserInfoEndpoint {
            store: parts.store.clone(),
            live: parts.live.clone(),
            clients: known.clone(),
            verifier: Arc::clone(&verifier),
        }),
        webhooks: Arc::new(parts.webhooks.clone()),
        logout: Arc::new(LogoutEndpoint {
            store: parts.store.clone(),
            live: parts.live.clone(),
            audit: parts.audit.clone(),
            upstream: Arc::clone(&parts.upstream),
            ambient: parts.ambient.clone(),
        }),
        introspection: Arc::new(IntrospectionEndpoint {
            store: parts.store.clone(),
            live: parts.live.clone(),
            audit: parts.audit.clone(),
            clients: clients.clone(),
            verifier: Arc::clone(&verifier),
            ambient: parts.ambient.clone(),
            issuer: settings.issuer.clone(),
        }),
        browser: Arc::new(BrowserFlow::new(authorize(parts, settings, known))),
        account: Arc::new(AccountPages::new(
            provision(parts, settings),
            &settings.issuer,
            settings.login,
        )),
        published: Arc::new(Published {
            metadata: Metadata::new(
                settings.issuer.clone(),
                catalog.clone(),
                settings.registration,
                settings.url_clients.policy,
            ),
            keys: parts.keyring.clone(),
        }),
        token: Arc::new(token(parts, settings, &clients, &verifier)),
        revocation: Arc::new(RevocationEndpoint {
            store: parts.store.clone(),
            live: parts.live.clone(),
            audit: parts.audit.clone(),
            clients,
            verifier,
            ambient: parts.ambient.clone(),
        }),
        registration: Arc::new(RegistrationEndpoint {
            store: parts.store.clone(),
            live: parts.live.clone(),
            audit: parts.audit.clone(),
            ambient: parts.ambient.clone(),
            policy: settings.registration,
            limits: settings.registration_limits,
            catalog,
            issuer: settings.issuer.clone(),
        }),
        health: Arc::clone(&health),
        limits: Arc::new(rate_limits(parts, settings)),
    };
    let observer = observer(parts, settings);
    let scrape = Scrape {
        metrics: parts.metrics.clone(),
        health,
        audit: parts.audit.clone(),
        ambient: parts.ambient.clone(),
    };
    let api = Arc::new(admin_api(parts, settings));
    Routers {
        public: http::public(endpoints, observer.clone()),
        administration: http::administration(api, scrape, observer),
    }
}

fn observer(parts: &Parts, settings: &Settings) -> Observer {
    Observer {
        ambient: parts.ambient.clone(),
        proxies: settings.trusted_proxies.clone(),
        metrics: parts.metrics.clone(),
        spans: parts.spans.clone(),
        longest_request: settings.longest_request,
    }
}

fn rate_limits(parts: &Parts, settings: &Settings) -> RateLimits {
    RateLimits {
        pages: RateLimit::new(settings.page_rate),
        refusals: RateLimit::new(settings.refusal_rate),
        audit: parts.audit.clone(),
        ambient: parts.ambient.clone(),
        metrics: parts.metrics.clone(),
    }
}

fn health(parts: &Parts) -> Health {
    Health {
        store: parts.store.clone(),
        live: parts.live.clone(),
        keyring: parts.keyring.clone(),
        upstream: Arc::clone(&parts.upstream),
        catalog: parts.live.catalog(),
        http: parts.downstream_http.clone(),
        stopping: parts.stopping.clone(),
        others: Mutex::default(),
    }
}

fn admin_api(parts: &Parts, settings: &Settings) -> AdminApi {
    AdminApi {
        store: parts.store.clone(),
        live: parts.live.clone(),
        audit: parts.audit.clone(),
        keyring: parts.keyring.clone(),
        catalog: parts.live.catalog(),
        check: Check {
            issuer: settings.issuer.clone(),
            keyring: parts.keyring.clone(),
            http: parts.downstream_http.clone(),
            ambient: parts.ambient.clone(),
        },
        webhooks: parts.webhooks.clone(),
        groups: settings.admin_groups.clone().map(|policy| Groups {
            upstream: Arc::clone(&parts.upstream),
            policy,
        }),
        offline_tokens: parts.offline_tokens.clone(),
        refusals: Refusals::default(),
        ambient: parts.ambient.clone(),
    }
}

fn provision(parts: &Parts, settings: &Settings) -> Provision {
    Provision {
        store: parts.store.clone(),
        live: parts.live.clone(),
        audit: parts.audit.clone(),
        ambient: parts.ambient.clone(),
        catalog: parts.live.catalog(),
        upstream: Arc::clone(&parts.upstream),
        offline_tokens: parts.offline_tokens.clone(),
        login_lifetime: settings.login,
    }
}

fn authorize(parts: &Parts, settings: &Settings, clients: Clients) -> Authorize {
    Authorize {
        store: parts.store.clone(),
        clients,
        audit: parts.audit.clone(),
        ambient: parts.ambient.clone(),
        catalog: parts.live.catalog(),
        upstream: Arc::clone(&parts.upstream),
        upstream_tokens: parts.upstream_tokens.clone(),
        logins: Logins::default(),
        issuer: settings.issuer.clone(),
        login_lifetime: settings.login,
        code_lifetime: settings.authorization_code,
        consent: settings.consent,
    }
}

fn token(
    parts: &Parts,
    settings: &Settings,
    clients: &ClientAuthenticator,
    verifier: &Arc<AccessTokens>,
) -> TokenEndpoint {
    TokenEndpoint {
        store: parts.store.clone(),
        live: parts.live.clone(),
        audit: parts.audit.clone(),
        catalog: parts.live.catalog(),
        clients: clients.clone(),
        issuer: Issuer {
            identifier: settings.issuer.clone(),
            keyring: parts.keyring.clone(),
            ambient: parts.ambient.clone(),
            lifetime: settings.access_token,
        },
        verifier: Arc::clone(verifier),
        strategies: Strategies {
            mint: Mint {
                issuer: settings.issuer.clone(),
                uid_claim: settings.uid_claim.clone(),
                keyring: parts.keyring.clone(),
                uids: Uids::new(parts.store.clone(), settings.email_uids),
                ambient: parts.ambient.clone(),
            },
            session: Session {
                tokens: parts.upstream_tokens.clone(),
                issuer: parts.upstream.issuer().to_owned(),
            },
            upstream_exchange: UpstreamExchange {
                tokens: parts.upstream_tokens.clone(),
                upstream: Arc::clone(&parts.upstream),
            },
            offline: parts.offline_tokens.clone(),
        },
        ambient: parts.ambient.clone(),
        lifetimes: settings.lifetimes,
        metrics: parts.metrics.clone(),
    }
}

fn verifier(parts: &Parts, settings: &Settings) -> AccessTokens {
    let keys: Arc<dyn KeySource> = Arc::new(parts.keyring.clone());
    AccessTokens::new(
        settings.issuer.clone(),
        parts.live.catalog(),
        keys,
        Arc::clone(&parts.ambient.clock),
        parts.metrics.clone(),
    )
}
