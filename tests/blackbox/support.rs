//! What the tests share: the runtime, the binaries, the installation, and an agent to use it with.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use harness::browser::Browser;
use harness::client::{Credentials, OAuthClient, Pending, Resource, Server, Tokens};
use harness::database;
use harness::deployment::{Addresses, Deployment, Options};
use harness::http::{Answer, Http};
use harness::idp::User;
use harness::mcp_client::{Era, McpPoster};
use harness::person::Person;
use harness::process::Binaries;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;
use url::Url;

/// A second protected resource, with another server behind it.
pub(crate) const OTHER_RESOURCE: &str = "https://tools.example";
/// The client that serves [`OTHER_RESOURCE`].
pub(crate) const OTHER_SERVER: &str = "tools-server";
/// A confidential client that may not exchange anything.
pub(crate) const BATCH: &str = "batch";
/// The secret of both.
pub(crate) const SECRET: &str = "a-secret-for-tests-0123456789-abcdefghij";
/// A downstream that the gateway may ask for, but not on behalf of its resource.
pub(crate) const ARCHIVE: &str = "archive";

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Runs older than this are removed.
const OLD_RUN: Duration = Duration::from_hours(1);

/// The runtime that outlives every single test, since the shared installation lives on it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
/// Built once; a build that fails is not tried again by every test.
static BINARIES: OnceCell<Result<Binaries, String>> = OnceCell::const_new();
static SHARED: OnceCell<Deployment> = OnceCell::const_new();

/// Runs a test on the shared runtime.
pub(crate) fn run(test: impl Future<Output = Result<()>>) -> Result<()> {
    RUNTIME.block_on(test)
}

/// The installation that all tests share.
pub(crate) async fn shared() -> Result<&'static Deployment> {
    SHARED.get_or_try_init(|| own("shared", |_| ())).await
}

/// The two programs, built by whichever test needs them first.
pub(crate) async fn binaries() -> Result<&'static Binaries> {
    let built = BINARIES
        .get_or_init(async || {
            let built = tokio::task::spawn_blocking(Binaries::build).await;
            built.unwrap().map_err(|error| format!("{error:#}"))
        })
        .await;
    built.as_ref().map_err(|error| anyhow!(error.clone()))
}

/// An installation for one test alone; on PostgreSQL where a server is given, else on SQLite.
pub(crate) async fn own(name: &str, change: impl FnOnce(&mut Options)) -> Result<Deployment> {
    let binaries = binaries().await?;
    let mut options = Options::new(&run_dir()?.join(name));
    let names = [
        "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan",
        // Each works for one test of a family of tools.
        "peggy", "rupert", "sybil", "trent",
        // These are looked at as a whole: only `day` works with them.
        "judy", "karl", "lena", "olaf",
    ];
    options.users = names
        .map(|name| User::new(name, &format!("{name}-secret-pass")))
        .to_vec();
    options.adjust_broker = Some(Arc::new(add_peers));
    // Everything our own code says: the search for tokens in the logs should have something to find.
    let filter = "info,broker=trace,mcp_gateway=trace,broker_client=trace";
    filter.clone_into(&mut options.log_filter);
    if let Some(server) = std::env::var_os("TEST_POSTGRES_URL") {
        let server = server.to_str().context("TEST_POSTGRES_URL is no text")?;
        let schema = format!("blackbox_{}", name.replace('-', "_"));
        options.database = database::fresh_schema(server, &schema).await?;
    }
    change(&mut options);
    Deployment::start(binaries, options).await
}

/// On SQLite whatever the others use, where a test is about its files.
pub(crate) fn on_sqlite(options: &mut Options) {
    options.database = Options::new(&options.data_dir).database;
}

/// Makes one more change to the broker's configuration.
pub(crate) fn also(options: &mut Options, change: impl Fn(&mut Value) + Send + Sync + 'static) {
    options.adjust_broker = Some(Arc::new(
        move |config: &mut Value, addresses: &Addresses| {
            add_peers(config, addresses);
            change(config);
        },
    ));
}

/// Resources, downstreams and clients that the refusals need.
fn add_peers(config: &mut Value, addresses: &Addresses) {
    push(
        config,
        "resources",
        json!({
            "id": OTHER_RESOURCE,
            "name": "Other tools",
            "downstreams": ["nextcloud"],
            "scopes": { "tools.use": "Use the other tools" },
        }),
    );
    push(
        config,
        "downstreams",
        json!({
            "name": ARCHIVE,
            "uri": "https://archive.example",
            "audience": "archive",
            "strategy": "mint",
        }),
    );
    push(
        config,
        "clients",
        json!({
            "client_id": OTHER_SERVER,
            "client_secret": SECRET,
            "name": "Other server",
            "redirect_uris": [],
            "serves": [OTHER_RESOURCE],
            "exchange": ["nextcloud"],
        }),
    );
    push(
        config,
        "clients",
        json!({
            "client_id": BATCH,
            "client_secret": SECRET,
            "name": "Batch",
            "redirect_uris": [],
            "serves": [addresses.mcp_url()],
            "exchange": [],
        }),
    );
    if let Some(gateway) = config["clients"].get_mut(0) {
        push(gateway, "exchange", json!(ARCHIVE));
    }
}

fn push(object: &mut Value, list: &str, item: Value) {
    if let Some(items) = object[list].as_array_mut() {
        items.push(item);
    }
}

/// A directory for this run, below the target directory; old ones are removed on the way.
pub(crate) fn run_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let target = exe.ancestors().nth(2).context("no target directory")?;
    let runs = target.join("blackbox");
    std::fs::create_dir_all(&runs)?;
    for run in std::fs::read_dir(&runs)?.flatten() {
        let age = run.metadata()?.modified()?.elapsed().unwrap_or_default();
        if age > OLD_RUN {
            std::fs::remove_dir_all(run.path()).ok();
        }
    }
    Ok(runs.join(std::process::id().to_string()))
}

/// A client that has found the server and registered, with an HTTP client of its own.
pub(crate) struct Agent<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) http: Http,
    pub(crate) client: OAuthClient,
    pub(crate) resource: Resource,
    pub(crate) server: Server,
    pub(crate) credentials: Credentials,
}

impl<'a> Agent<'a> {
    /// Goes through discovery and registration.
    pub(crate) async fn new(deployment: &'a Deployment) -> Result<Self> {
        let http = Http::default();
        let client = OAuthClient::new(http.clone(), deployment.mcp_url());
        let resource = client.resource(&client.challenge().await?).await?;
        let server = client.server(&resource.authorization_server).await?;
        let credentials = client.register(&server, "Black-box agent").await?;
        Ok(Self {
            deployment,
            http,
            client,
            resource,
            server,
            credentials,
        })
    }

    /// Someone with a fresh browser.
    pub(crate) fn person(&self, name: &str) -> Result<Person> {
        let user = self
            .deployment
            .users()
            .iter()
            .find(|user| user.name == name);
        let user = user.with_context(|| format!("no user {name}"))?;
        Ok(Person::new(
            Browser::new(self.http.clone()),
            name,
            &user.password,
        ))
    }

    /// An authorization request for the gateway and all its scopes.
    pub(crate) fn pending(&self) -> Result<Pending> {
        self.pending_for(Some(&self.resource.id), None)
    }

    /// An authorization request for a resource and scopes of choice.
    pub(crate) fn pending_for(
        &self,
        resource: Option<&str>,
        scope: Option<&str>,
    ) -> Result<Pending> {
        self.client
            .authorize(&self.server, self.credentials.client_id(), resource, scope)
    }

    /// The code that a person's login gives.
    pub(crate) async fn code(&self, person: &Person, pending: &Pending) -> Result<String> {
        let redirect = person.log_in(&pending.url).await?;
        self.client.code(&self.server, pending, &redirect)
    }

    /// Redeems the code of a redirect.
    pub(crate) async fn redeem(&self, pending: &Pending, redirect: &Url) -> Result<Tokens> {
        let code = self.client.code(&self.server, pending, redirect)?;
        self.client
            .redeem(&self.server, &self.credentials, pending, &code)
            .await
    }

    /// Tokens for the gateway and all its scopes.
    pub(crate) async fn log_in(&self, name: &str) -> Result<Tokens> {
        self.log_in_for(name, Some(&self.resource.id), None).await
    }

    /// Tokens for a resource and scopes of choice.
    pub(crate) async fn log_in_for(
        &self,
        name: &str,
        resource: Option<&str>,
        scope: Option<&str>,
    ) -> Result<Tokens> {
        let pending = self.pending_for(resource, scope)?;
        let redirect = self.person(name)?.log_in(&pending.url).await?;
        self.redeem(&pending, &redirect).await
    }

    /// Any request at the token endpoint by this client.
    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Result<Answer> {
        self.client
            .token_request(&self.server, &self.credentials, form)
            .await
    }

    /// Refreshes; the answer as it came.
    pub(crate) async fn refresh(&self, refresh_token: &str) -> Result<Answer> {
        self.token(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ])
        .await
    }

    /// Sends JSON-RPC messages to the gateway with this token.
    pub(crate) fn poster(&self, token: &str) -> McpPoster {
        let url = self.deployment.mcp_url();
        McpPoster::new(self.http.clone(), url, Some(token), Era::Initialize)
    }

    /// A token exchange by the gateway for Nextcloud; the answer as it came.
    pub(crate) async fn exchange(&self, subject_token: &str) -> Result<Answer> {
        self.exchange_as(&self.gateway(), subject_token, &[("audience", "nextcloud")])
            .await
    }

    /// A token exchange by any client with any parameters; the answer as it came.
    pub(crate) async fn exchange_as(
        &self,
        credentials: &Credentials,
        subject_token: &str,
        more: &[(&str, &str)],
    ) -> Result<Answer> {
        let mut form = vec![
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", subject_token),
            ("subject_token_type", ACCESS_TOKEN),
        ];
        form.extend_from_slice(more);
        self.client
            .token_request(&self.server, credentials, &form)
            .await
    }

    /// The gateway's own credentials.
    pub(crate) fn gateway(&self) -> Credentials {
        let (client_id, client_secret) = self.deployment.gateway_credentials();
        secret(client_id, client_secret)
    }

    /// An administrator approves or blocks this client.
    pub(crate) async fn judged(&self, verdict: &str) -> Result<Value> {
        let client_id = self.credentials.client_id();
        self.deployment.judge_client(client_id, verdict).await
    }

    /// Audit rows of this client.
    pub(crate) async fn audit(&self, event: &str) -> Result<Vec<Value>> {
        let client_id = self.credentials.client_id();
        self.deployment
            .audit(&format!("client_id={client_id}&event={event}&limit=50"))
            .await
    }
}

/// A confidential client.
pub(crate) fn secret(client_id: &str, client_secret: &str) -> Credentials {
    Credentials::Secret {
        client_id: client_id.to_owned(),
        client_secret: client_secret.to_owned(),
    }
}

/// The status and the OAuth error code of a refusal, which must not be cached.
pub(crate) fn refusal(answer: &Answer) -> Result<(u16, String)> {
    let body = answer.json()?;
    assert_eq!(
        answer.header("cache-control"),
        Some("no-store"),
        "{}",
        answer.describe()
    );
    let code = body["error"].as_str().with_context(|| answer.describe())?;
    Ok((answer.status.as_u16(), code.to_owned()))
}

/// What [`refusal`] returns for a bad request with this code.
pub(crate) fn bad_request(code: &str) -> (u16, String) {
    (400, code.to_owned())
}
