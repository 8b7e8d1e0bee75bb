//! A broker in this process, on a database of its own, that the tests talk to as clients would.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use broker::ambient::{Ambient, Entropy};
use broker::app::{self, Parts, Routers, Settings};
use broker::audit::AuditLog;
use broker::clients::guarded_client;
use broker::crypto::{self, Cipher, Handle};
use broker::domain::{
    AuditEvent, Authorization, AuthorizationId, Catalog, Client, ClientId, ClientKind,
    ClientStatus, ConsentPolicy, Downstream, DownstreamName, EmailUids, GrantType, Rate,
    RedirectUri, RegistrationPolicy, Resource, ResourceUri, Stage, Strategy, Subject, Timestamp,
    TokenEndpointAuthMethod, TrustedProxies, UrlClients, User,
};
use broker::keys::{Algorithm, Keyring, Policy};
use broker::live::Live;
use broker::metrics::Metrics;
use broker::nextcloud::{AdminCredentials, Nextcloud};
use broker::offline_tokens::{self, OfflineTokens};
use broker::register::Limits;
use broker::storage::{self, AuditFilter, Store, Synchronous};
use broker::token::Lifetimes;
use broker::upstream::{self, Upstream};
use broker::upstream_tokens::{Keeping, UpstreamTokens};
use broker::webhooks::{self, Webhooks};
use broker_client::http::{ClientAuthentication, HttpClient, Options};
use broker_client::oauth::{Scope, grant_type, token_type};
use broker_client::telemetry::Spans;
use broker_client::testing::FakeClock;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use url::Url;

/// Our issuer.
pub(crate) const ISSUER: &str = "http://127.0.0.1:4280";
/// The resource that the gateway serves, and the default one.
pub(crate) const RESOURCE: &str = "http://127.0.0.1:4282/mcp";
/// A resource that another server serves.
pub(crate) const OTHER_RESOURCE: &str = "https://other.example/mcp";
/// The gateway: a confidential client that exchanges.
pub(crate) const GATEWAY: (&str, &str) = ("gateway", "the gateway's secret: 1+1=2 %");
/// A public client, as agents are.
pub(crate) const AGENT: &str = "agent";
/// Another public client.
pub(crate) const OTHER_AGENT: &str = "other-agent";
/// A confidential login client.
pub(crate) const WEB_APP: (&str, &str) = ("web-app", "web-app-secret");
/// Where answers to the login clients go.
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:33418/callback";
/// A code verifier and its S256 challenge (RFC 7636 appendix B).
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Our client at the IdP for background access.
pub(crate) const OFFLINE_CLIENT: (&str, &str) = ("broker-offline", "offline-secret");
/// When the tests happen, in seconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000;

/// What a test may change before the broker starts.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) upstream: upstream::Config,
    pub(crate) clients: Vec<Client>,
    pub(crate) catalog: Catalog,
    /// The ring of encryption keys; empty: none is configured.
    pub(crate) encryption: Vec<(String, [u8; 32])>,
    /// Our client at the IdP for background access, if there is one.
    pub(crate) offline_client: Option<(&'static str, &'static str)>,
    /// The Nextcloud that the broker itself asks.
    pub(crate) nextcloud: Url,
    pub(crate) nextcloud_admin: Option<AdminCredentials>,
    pub(crate) webhooks: webhooks::Settings,
    /// How long an IdP that is not well is asked for new tokens.
    pub(crate) patience: Duration,
    /// How many database connections there may be.
    pub(crate) connections: u32,
}

/// A broker under test.
pub(crate) struct Broker {
    pub(crate) parts: Parts,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) administration: Router,
    pub(crate) public: Router,
    counter: AtomicU64,
    // Last, so that everything that uses the files is dropped before they go.
    directory: Directory,
}

/// A faulty request: its name, the fields that differ from a good one, the error.
pub(crate) type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

/// A code as a client holds it.
pub(crate) struct Code {
    pub(crate) code: String,
    pub(crate) client_id: String,
}

/// The tokens of a session.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Broker {
    /// A broker as most tests want it.
    pub(crate) async fn start() -> Self {
        Self::planned(|_| {}).await
    }

    /// A broker with a change of plan.
    pub(crate) async fn planned(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = plan();
        change(&mut plan);
        let directory = Directory::new();
        let clock = Arc::new(FakeClock::at(NOW));
        let broker = Self::on(&directory, plan, Arc::clone(&clock)).await;
        let Routers {
            public,
            administration,
        } = broker.1;
        Self {
            parts: broker.0,
            clock,
            administration,
            public,
            counter: AtomicU64::new(0),
            directory,
        }
    }

    async fn on(directory: &Directory, plan: Plan, clock: Arc<FakeClock>) -> (Parts, Routers) {
        let ambient = Ambient {
            clock,
            entropy: Arc::new(SeededEntropy::new(directory.seed)),
        };
        let store = storage::open(&storage::Options {
            url: directory.database_url(),
            synchronous: Synchronous::Normal,
            max_connections: plan.connections,
        })
        .await
        .unwrap();
        app::seed_resources(&store, plan.catalog.resources(), ambient.now())
            .await
            .unwrap();
        app::seed(&store, &plan.clients, ambient.now())
            .await
            .unwrap();
        record_alice(&store, ambient.now()).await;
        let cipher = Cipher::new(plan.encryption);
        let keyring = Keyring::load(
            store.clone(),
            cipher.clone(),
            Policy::new(Algorithm::Es256, Duration::from_hours(30 * 24)),
            ambient.clone(),
        )
        .await
        .unwrap();
        let metrics = Metrics::new(store.event_counts());
        let client = |of: upstream::Config, callback: &str| {
            let http = HttpClient::new(&Options::default()).unwrap();
            let redirect_uri = format!("{ISSUER}{callback}");
            let made = Upstream::new(of, redirect_uri, http, ambient.clone(), metrics.clone());
            Arc::new(made.unwrap())
        };
        let for_background_jobs = plan
            .offline_client
            .map(|offline| for_background_jobs(&plan.upstream, offline))
            .map(|of| client(of, "/oauth/callback-nextcloud"));
        let upstream = client(plan.upstream, "/oauth/callback");
        let audit = AuditLog::start(store.clone());
        let offline_tokens = OfflineTokens::new(offline_tokens::Dependencies {
            store: store.clone(),
            audit: audit.clone(),
            cipher: cipher.clone(),
            upstream: for_background_jobs,
            ambient: ambient.clone(),
            allowed_at: format!("{ISSUER}/oauth/authorize-nextcloud"),
            patience: plan.patience,
        });
        let upstream_tokens = UpstreamTokens::new(
            store.clone(),
            cipher,
            Arc::clone(&upstream),
            ambient.clone(),
            Keeping {
                needed: plan.catalog.needs_upstream_tokens(),
                patience: plan.patience,
            },
        );
        let nextcloud = nextcloud(plan.nextcloud, plan.nextcloud_admin);
        let downstreams = plan.catalog.downstreams().to_vec();
        let live = Live::load(store.clone(), ambient.clone(), downstreams)
            .await
            .unwrap();
        let http = HttpClient::new(&Options::default()).unwrap();
        let webhooks = webhooks::Dependencies {
            store: store.clone(),
            audit: audit.clone(),
            nextcloud: Some(nextcloud.clone()),
            catalog: live.catalog(),
            http: http.clone(),
            ambient: ambient.clone(),
        };
        let parts = Parts {
            live,
            audit,
            store,
            keyring,
            upstream,
            webhooks: Webhooks::new(webhooks, plan.webhooks),
            nextcloud: Some(nextcloud),
            upstream_tokens,
            offline_tokens,
            guarded: guarded_client(&plan.settings.url_clients).unwrap(),
            http,
            downstream_http: HttpClient::new(&Options {
                allow_insecure_http: true,
                ..Options::default()
            })
            .unwrap(),
            ambient,
            metrics,
            spans: Spans::default(),
            stopping: CancellationToken::new(),
        };
        let routers = app::routers(&parts, &plan.settings);
        (parts, routers)
    }

    /// A second process on the same database: its memory, routes and randomness are its own.
    pub(crate) async fn replica(&self, change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = plan();
        change(&mut plan);
        let mut directory = self.directory.shared();
        directory.seed ^= u64::MAX;
        let (parts, routers) = Self::on(&directory, plan, Arc::clone(&self.clock)).await;
        Self {
            parts,
            clock: Arc::clone(&self.clock),
            administration: routers.administration,
            public: routers.public,
            counter: AtomicU64::new(1_000),
            directory,
        }
    }

    /// Lets time pass, and the replica follow as its task would.
    pub(crate) async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.parts.live.refresh().await.unwrap();
    }

    /// The path of the SQLite file.
    pub(crate) fn database(&self) -> PathBuf {
        self.directory.path.join("broker.db")
    }

    /// Sends a request to the public listener.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        Answer::of(self.public.clone(), request).await
    }

    /// Gets a page.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    /// Posts a form.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(form(path, None, fields)).await
    }

    /// Posts a form with HTTP Basic.
    pub(crate) async fn post_as(
        &self,
        (client_id, secret): (&str, &str),
        path: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        self.send(form(path, Some(&basic(client_id, secret)), fields))
            .await
    }

    /// Posts JSON.
    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Answer {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    /// A code that alice's login gave to `client_id`, for all scopes of [`RESOURCE`].
    pub(crate) async fn code(&self, client_id: &str) -> Code {
        self.code_for(client_id, RESOURCE, "files.read notes.read notes.write")
            .await
    }

    /// A code as the browser flow leaves it behind.
    pub(crate) async fn code_for(&self, client_id: &str, resource: &str, scope: &str) -> Code {
        let number = self.counter.fetch_add(1, Ordering::SeqCst);
        let now = self.now();
        let code = Handle::generate(&self.parts.ambient);
        let authorization = Authorization {
            id: AuthorizationId::parse(format!("flow{number}")).unwrap(),
            client_id: ClientId::parse(client_id).unwrap(),
            redirect_uri: RedirectUri::parse(REDIRECT_URI).unwrap(),
            state: None,
            scope: scope.parse().unwrap(),
            resource: ResourceUri::parse(resource).unwrap(),
            code_challenge: CHALLENGE.to_owned(),
            browser: crypto::hash("browser"),
            created_at: now,
            expires_at: now.plus(Duration::from_mins(10)),
            stage: Stage::AwaitingLogin,
        };
        let store = &self.parts.store;
        store.insert_authorization(&authorization).await.unwrap();
        let approved = authorization
            .approved(alice(), code.hash(), now.plus(Duration::from_mins(1)))
            .unwrap();
        assert!(
            store
                .advance_authorization(&approved, broker::domain::StageKind::AwaitingLogin)
                .await
                .unwrap()
        );
        Code {
            code: code.expose().to_owned(),
            client_id: client_id.to_owned(),
        }
    }

    /// Redeems a code of a public client as it should be done.
    pub(crate) async fn redeem(&self, code: &Code) -> Answer {
        self.redeem_with(code, &[]).await
    }

    /// Redeems a code with some fields changed or added; an empty one is left out.
    pub(crate) async fn redeem_with(&self, code: &Code, changes: &[(&str, &str)]) -> Answer {
        let fields = changed(
            &[
                ("grant_type", grant_type::AUTHORIZATION_CODE),
                ("code", &code.code),
                ("redirect_uri", REDIRECT_URI),
                ("client_id", &code.client_id),
                ("code_verifier", VERIFIER),
            ],
            changes,
        );
        self.post("/oauth/token", &fields).await
    }

    /// The tokens of a new session of alice at the public client [`AGENT`].
    pub(crate) async fn session(&self) -> Tokens {
        self.session_with("files.read notes.read notes.write").await
    }

    /// The same with this scope.
    pub(crate) async fn session_with(&self, scope: &str) -> Tokens {
        let code = self.code_for(AGENT, RESOURCE, scope).await;
        self.redeem(&code).await.tokens()
    }

    /// Uses a refresh token of [`AGENT`].
    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        self.refresh_with(refresh_token, &[]).await
    }

    /// The same with some fields changed or added; an empty one is left out.
    pub(crate) async fn refresh_with(
        &self,
        refresh_token: &str,
        changes: &[(&str, &str)],
    ) -> Answer {
        let fields = changed(
            &[
                ("grant_type", grant_type::REFRESH_TOKEN),
                ("refresh_token", refresh_token),
                ("client_id", AGENT),
            ],
            changes,
        );
        self.post("/oauth/token", &fields).await
    }

    /// Exchanges a subject token as the gateway.
    pub(crate) async fn exchange(&self, subject_token: &str) -> Answer {
        self.exchange_with(subject_token, &[]).await
    }

    /// The same with some fields changed or added; an empty one is left out.
    pub(crate) async fn exchange_with(
        &self,
        subject_token: &str,
        changes: &[(&str, &str)],
    ) -> Answer {
        let fields = changed(
            &[
                ("grant_type", grant_type::TOKEN_EXCHANGE),
                ("subject_token", subject_token),
                ("subject_token_type", token_type::ACCESS_TOKEN),
                ("audience", "nextcloud"),
            ],
            changes,
        );
        self.post_as(GATEWAY, "/oauth/token", &fields).await
    }

    /// The audit trail, newest first.
    pub(crate) async fn trail(&self) -> Vec<AuditEvent> {
        let page = self
            .parts
            .store
            .list_audit(&AuditFilter::default(), None, 500)
            .await
            .unwrap();
        page.items.into_iter().map(|item| item.event).collect()
    }

    /// The newest audit row.
    pub(crate) async fn newest(&self) -> AuditEvent {
        self.trail().await.swap_remove(0)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.parts.ambient.now()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.parts.store
    }
}

impl Answer {
    /// What a router answers.
    pub(crate) async fn of(router: Router, request: Request<Body>) -> Self {
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The tokens in it.
    pub(crate) fn tokens(&self) -> Tokens {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        let json = self.json();
        Tokens {
            access: json["access_token"].as_str().unwrap().to_owned(),
            refresh: json["refresh_token"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// Asserts that it is a refusal of RFC 6749 §5.2 that nobody may cache.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, error: &str) {
        assert_eq!(
            (self.status.as_u16(), self.json()["error"].as_str()),
            (status, Some(error)),
            "{}",
            self.body
        );
        let description = self.json()["error_description"].to_string();
        assert!(description.len() > 10, "{description}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
    }
}

/// Alice, as the broker names her.
pub(crate) fn alice() -> Subject {
    crypto::subject_for("https://id.example", "alice")
}

/// A form post.
pub(crate) fn form(
    path: &str,
    authorization: Option<&str>,
    fields: &[(&str, &str)],
) -> Request<Body> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let body = serde_urlencoded::to_string(fields).unwrap();
    request.body(Body::from(body)).unwrap()
}

/// HTTP Basic as RFC 6749 §2.3.1 wants it: both parts form-encoded first.
pub(crate) fn basic(client_id: &str, secret: &str) -> String {
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret));
    format!("Basic {}", STANDARD.encode(pair))
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The JOSE header of a JWT.
pub(crate) fn jose_header(token: &str) -> Value {
    part(token, 0)
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// `fields` with `changes`; a change to an empty value leaves the field out.
fn changed<'a>(
    fields: &[(&'a str, &'a str)],
    changes: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut result: Vec<_> = fields
        .iter()
        .copied()
        .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name))
        .collect();
    result.extend(
        changes
            .iter()
            .copied()
            .filter(|(_, value)| !value.is_empty()),
    );
    result
}

fn nextcloud(url: Url, admin: Option<AdminCredentials>) -> Nextcloud {
    let http = HttpClient::new(&Options::default()).unwrap();
    Nextcloud::new(url, admin, http)
}

/// Alice has logged in before.
async fn record_alice(store: &Store, now: Timestamp) {
    let alice = User {
        sub: alice(),
        upstream_issuer: "https://id.example".to_owned(),
        upstream_subject: "alice".to_owned(),
        nextcloud_uid: Some("alice".to_owned()),
        name: Some("Alice".to_owned()),
        created_at: now,
        last_login_at: now,
    };
    store.record_login(&alice).await.unwrap();
}

/// Webhooks of nobody.
fn no_webhooks() -> webhooks::Settings {
    webhooks::Settings {
        callback_url: format!("{ISSUER}/webhooks/nextcloud"),
        receivers: BTreeMap::new(),
        queue: 1_000,
        attempts: 8,
        retry_after: Duration::from_secs(10),
    }
}

fn names(names: &[&str]) -> Vec<DownstreamName> {
    let names = names.iter();
    names
        .map(|name| DownstreamName::parse(*name).unwrap())
        .collect()
}

fn plan() -> Plan {
    let resource = |id: &str, is_default, downstreams| Resource {
        id: ResourceUri::parse(id).unwrap(),
        name: id.to_owned(),
        aliases: vec![],
        scopes: BTreeMap::from(
            ["notes.read", "notes.write", "files.read"]
                .map(|scope| (scope.to_owned(), scope.to_owned())),
        ),
        default_scopes: "notes.read".parse().unwrap(),
        downstreams,
        is_default,
    };
    let downstream = |name: &str| Downstream {
        name: DownstreamName::parse(name).unwrap(),
        uri: ResourceUri::parse(&format!("http://{name}.example")).unwrap(),
        audience: format!("{name}-audience"),
        strategy: Strategy::Mint,
        token_lifetime: Duration::from_mins(1),
        exchange_scope: Scope::new(),
        offline: name == "nextcloud",
        sessions: true,
    };
    let login = [GrantType::AuthorizationCode, GrantType::RefreshToken];
    Plan {
        settings: settings(),
        upstream: upstream::Config {
            kind: upstream::Kind::Oidc,
            // Nothing listens there; tests of logins put their own.
            issuer: "http://127.0.0.1:9".to_owned(),
            authentication: ClientAuthentication::Basic {
                client_id: "broker".to_owned(),
                client_secret: "upstream-secret".into(),
            },
            scopes: "openid profile".parse().unwrap(),
            public_url: None,
            back_channel_url: None,
            send_resource: false,
            audience: None,
            authorize_parameters: Vec::new(),
            uid_claim: "preferred_username".to_owned(),
        },
        clients: vec![
            Client {
                serves: vec![ResourceUri::parse(RESOURCE).unwrap()],
                exchange: names(&["nextcloud", "vault"]),
                ..client(GATEWAY.0, Some(GATEWAY.1), &[GrantType::TokenExchange])
            },
            client(AGENT, None, &login),
            client(OTHER_AGENT, None, &login),
            client(WEB_APP.0, Some(WEB_APP.1), &login),
        ],
        // `calendar` is allowed for the resource but not for the gateway, `vault` the other way.
        catalog: Catalog::new(
            vec![
                resource(RESOURCE, true, names(&["nextcloud", "calendar"])),
                resource(OTHER_RESOURCE, false, names(&["nextcloud"])),
            ],
            ["nextcloud", "calendar", "vault"].map(downstream).into(),
        ),
        encryption: Vec::new(),
        offline_client: Some(OFFLINE_CLIENT),
        // Nothing listens there.
        nextcloud: Url::parse("http://127.0.0.1:9").unwrap(),
        nextcloud_admin: None,
        webhooks: no_webhooks(),
        patience: Duration::from_millis(400),
        connections: 8,
    }
}

fn settings() -> Settings {
    Settings {
        issuer: ISSUER.to_owned(),
        trusted_proxies: TrustedProxies::default(),
        registration: RegistrationPolicy::Open,
        registration_limits: Limits {
            // Tests of other things register much.
            attempts_per_hour: 10_000,
            most_clients: 1_000,
        },
        url_clients: UrlClients {
            policy: RegistrationPolicy::Open,
            allow: Vec::new(),
            deny: Vec::new(),
            allows_loopback: false,
            named: Vec::new(),
        },
        // Tests of other things come often, and from nowhere.
        page_rate: Rate::NONE,
        refusal_rate: Rate::NONE,
        longest_request: broker::http::LONGEST_REQUEST,
        access_token: Duration::from_mins(10),
        authorization_code: Duration::from_mins(1),
        login: Duration::from_mins(10),
        consent: ConsentPolicy {
            remember: Duration::from_hours(90 * 24),
            remembers_native_apps: false,
        },
        lifetimes: Lifetimes {
            refresh_token: Duration::from_hours(30 * 24),
            refresh_token_absolute: Duration::from_hours(90 * 24),
            refresh_grace: Duration::from_mins(1),
        },
        uid_claim: "preferred_username".to_owned(),
        email_uids: EmailUids::Refused,
        service_accounts: Vec::new(),
        admin_groups: None,
    }
}

/// The IdP of `login`, as our client for background access sees it.
fn for_background_jobs(login: &upstream::Config, client: (&str, &str)) -> upstream::Config {
    upstream::Config {
        kind: login.kind,
        issuer: login.issuer.clone(),
        authentication: ClientAuthentication::Basic {
            client_id: client.0.to_owned(),
            client_secret: client.1.into(),
        },
        scopes: "openid offline_access".parse().unwrap(),
        public_url: login.public_url.clone(),
        back_channel_url: login.back_channel_url.clone(),
        send_resource: login.send_resource,
        audience: login.audience.clone(),
        authorize_parameters: vec![("prompt".to_owned(), "consent".to_owned())],
        uid_claim: login.uid_claim.clone(),
    }
}

/// A configured client.
pub(crate) fn client(id: &str, secret: Option<&str>, grant_types: &[GrantType]) -> Client {
    let at = Timestamp::from_millis(i64::try_from(NOW).unwrap() * 1000);
    Client {
        id: ClientId::parse(id).unwrap(),
        kind: ClientKind::Preregistered,
        status: ClientStatus::Approved,
        name: Some(id.to_owned()),
        redirect_uris: vec![RedirectUri::parse(REDIRECT_URI).unwrap()],
        grant_types: grant_types.to_vec(),
        auth_method: match secret {
            Some(_) => TokenEndpointAuthMethod::ClientSecretBasic,
            None => TokenEndpointAuthMethod::None,
        },
        secrets: secret
            .map(|secret| crypto::hash(secret).into())
            .into_iter()
            .collect(),
        scope: None,
        serves: Vec::new(),
        exchange: Vec::new(),
        background: false,
        metadata: Map::new(),
        registration_token: None,
        created_at: at,
        updated_at: at,
        version: 1,
    }
}

/// A scope from its text.
pub(crate) fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

/// Randomness that is the same at every run: splitmix64 over a counter.
#[derive(Debug)]
struct SeededEntropy(AtomicU64);

impl SeededEntropy {
    fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut word = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A directory of one test, removed at its end by whoever made it.
struct Directory {
    path: PathBuf,
    is_owner: bool,
    seed: u64,
}

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let mut name = "broker-it".to_owned();
        write!(name, "-{}-{number}", std::process::id()).unwrap();
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self {
            path,
            is_owner: true,
            seed: 42,
        }
    }

    fn shared(&self) -> Self {
        Self {
            path: self.path.clone(),
            is_owner: false,
            seed: self.seed,
        }
    }

    fn database_url(&self) -> String {
        format!("sqlite:{}", self.path.join("broker.db").display())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.is_owner {
            // What is left behind is in the system's temporary directory.
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}
