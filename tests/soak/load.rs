//! Sessions that do what agents do: exchange, refresh, log in again; and judge each answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use harness::browser::Browser;
use harness::client::{Credentials, OAuthClient, Server, Tokens};
use harness::deployment::Deployment;
use harness::http::Http;
use harness::jwt;
use harness::mcp_client::{Era, McpPoster};
use harness::person::Person;
use serde_json::{Value, json};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// For how long a client tries again before it gives up, as the gateway would within one call.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it waits before.
const PAUSE: Duration = Duration::from_millis(20);

/// What happened, over all sessions.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) exchanges: AtomicU64,
    pub(crate) refreshes: AtomicU64,
    pub(crate) logins: AtomicU64,
    pub(crate) tool_calls: AtomicU64,
    /// Tries that met a replica that had just died, or said `temporarily_unavailable`.
    pub(crate) tries_again: AtomicU64,
}

/// One user with one client.
pub(crate) struct Session {
    user: String,
    password: String,
    shared: Arc<Shared>,
    access_token: String,
    refresh_token: String,
}

/// What all sessions have in common.
struct Shared {
    client: OAuthClient,
    server: Server,
    credentials: Credentials,
    gateway: (String, String),
    resource: String,
    mcp: McpPoster,
    /// Keeps connections, as a gateway does.
    http: reqwest::Client,
}

/// A session for each user, through the pages.
pub(crate) async fn log_in_all(deployment: &Deployment) -> Result<Vec<Session>> {
    let client = OAuthClient::new(Http::default(), deployment.mcp_url());
    let resource = client.resource(&client.challenge().await?).await?;
    let server = client.server(&resource.authorization_server).await?;
    let credentials = client.register(&server, "Load").await?;
    let (id, secret) = deployment.gateway_credentials();
    let mcp = McpPoster::new(Http::default(), deployment.mcp_url(), None, Era::Stateless);
    let shared = Arc::new(Shared {
        client,
        server,
        credentials,
        gateway: (id.to_owned(), secret.to_owned()),
        resource: resource.id,
        mcp,
        http: reqwest::Client::builder().no_proxy().build()?,
    });
    let mut sessions = Vec::new();
    for user in deployment.users() {
        let mut session = Session {
            user: user.name.clone(),
            password: user.password.clone(),
            shared: Arc::clone(&shared),
            access_token: String::new(),
            refresh_token: String::new(),
        };
        session.take(session.tokens().await?)?;
        sessions.push(session);
    }
    Ok(sessions)
}

impl Session {
    /// One exchange: the token must be this user's, and Nextcloud's.
    pub(crate) async fn exchange(&mut self, counts: &Counts) -> Result<()> {
        let (id, secret) = &self.shared.gateway;
        let form = [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", self.access_token.as_str()),
            ("subject_token_type", ACCESS_TOKEN),
            ("audience", "nextcloud"),
            ("tool", "soak"),
        ];
        let answer = self.ask(&form, Some((id, secret)), counts).await?;
        let token = answer["access_token"].as_str().context("no access_token")?;
        let claims = jwt::claims(token)?;
        ensure!(
            claims["sub"] == self.user.as_str() && claims["aud"] == "nextcloud",
            "a token of somebody else: {claims}"
        );
        counts.exchanges.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// One refresh; what it gives is used from now on.
    pub(crate) async fn refresh(&mut self, counts: &Counts) -> Result<()> {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", self.refresh_token.as_str()),
            ("client_id", self.shared.credentials.client_id()),
        ];
        let answer = self.ask(&form, None, counts).await?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        self.access_token = text("access_token").context("no access_token")?;
        self.refresh_token = text("refresh_token").context("no refresh_token")?;
        counts.refreshes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// One tool call: through the gateway, with an exchange, to the Nextcloud account of this user.
    /// Only an answer that names him counts; what could not be done is tried again.
    pub(crate) async fn call_tool(&mut self, counts: &Counts) -> Result<()> {
        let mcp = self.shared.mcp.with_token(&self.access_token);
        let start = Instant::now();
        loop {
            let call = json!({ "name": "nc_whoami", "arguments": {} });
            let request = mcp.request("tools/call", call).build()?;
            let answer = self.shared.http.execute(request).await?;
            let (status, body) = (answer.status(), answer.text().await?);
            if body.contains(&format!("\"{}\"", self.user)) {
                counts.tool_calls.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            let undecided = status.is_success() && body.contains("isError");
            if !undecided || start.elapsed() > PATIENCE {
                bail!("{status}: {body}");
            }
            counts.tries_again.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A new login through the pages. A person whose page did not come loads it again: from the start.
    pub(crate) async fn log_in(&mut self, counts: &Counts) -> Result<()> {
        let start = Instant::now();
        loop {
            match self.tokens().await {
                Ok(tokens) => {
                    counts.logins.fetch_add(1, Ordering::Relaxed);
                    return self.take(tokens);
                }
                Err(error) if start.elapsed() > PATIENCE => return Err(error),
                Err(_) => {
                    counts.tries_again.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    async fn tokens(&self) -> Result<Tokens> {
        let shared = &self.shared;
        let id = shared.credentials.client_id();
        let resource = Some(shared.resource.as_str());
        let pending = shared
            .client
            .authorize(&shared.server, id, resource, None)?;
        let browser = Browser::new(shared.client.http().clone());
        let person = Person::new(browser, &self.user, &self.password);
        let redirect = person.log_in(&pending.url).await?;
        let code = shared.client.code(&shared.server, &pending, &redirect)?;
        shared
            .client
            .redeem(&shared.server, &shared.credentials, &pending, &code)
            .await
    }

    fn take(&mut self, tokens: Tokens) -> Result<()> {
        self.access_token = tokens.access_token;
        self.refresh_token = tokens.refresh_token.context("no refresh token")?;
        Ok(())
    }

    /// A token request, tried again as long as nobody decided it.
    async fn ask(
        &self,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
        counts: &Counts,
    ) -> Result<Value> {
        let endpoint = self.shared.server.endpoint("token_endpoint")?;
        let start = Instant::now();
        loop {
            let mut request = self.shared.http.post(endpoint.as_str()).form(form);
            if let Some((id, secret)) = basic {
                request = request.basic_auth(id, Some(secret));
            }
            let answer = match request.send().await {
                Ok(response) => {
                    let status = response.status();
                    response.text().await.map(|body| (status, body))
                }
                Err(error) => Err(error),
            };
            match answer {
                Ok((status, body)) if status.is_success() => {
                    return Ok(serde_json::from_str(&body)?);
                }
                Ok((status, body)) if status.as_u16() != 503 => bail!("{status}: {body}"),
                undecided if start.elapsed() > PATIENCE => {
                    bail!("nobody answered for {PATIENCE:?}; at last {undecided:?}")
                }
                _ => counts.tries_again.fetch_add(1, Ordering::Relaxed),
            };
            tokio::time::sleep(PAUSE).await;
        }
    }
}
