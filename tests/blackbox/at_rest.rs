//! What a stolen database gives: no token, code, secret or cookie in clear, whatever the strategy.
//!
//! Every column of every table is read, as the database itself lists them, after everything that
//! leaves something behind. On PostgreSQL too when `TEST_POSTGRES_URL` names a server on which schemas
//! may be created.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use harness::browser::Landing;
use harness::client::Tokens;
use harness::database::{Dump, fresh_schema, postgres_server};
use harness::deployment::{Deployment, LoginApp, Options};
use harness::nextcloud::AccessTokens;
use harness::wait;
use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::support::{Agent, also, own, run, secret};

/// A background job.
const JOB: &str = "nightly-job";

/// What a test has seen of secrets, from the side of the caller and from the other one.
struct Secrets(BTreeSet<String>);

impl Secrets {
    /// An answer of the admin API.
    fn learn(&mut self, answer: &harness::http::Answer) {
        self.0.extend(answer.secrets());
    }

    /// All there are in the end.
    fn complete(mut self, deployment: &Deployment, agent: &Agent<'_>) -> Result<BTreeSet<String>> {
        let transcript = agent.http.transcript().secrets();
        ensure!(transcript.len() >= 10, "the search would prove nothing");
        self.0.extend(transcript);
        if let Some(idp) = &deployment.idp {
            self.0.extend(idp.issued());
        }
        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        self.0.extend(nextcloud.issued_tokens());
        self.0.extend(nextcloud.observations().bearer_tokens());
        let described = deployment.describe();
        let admin_token = described["admin_token"].as_str().context("no token")?;
        let (_, gateway_secret) = deployment.gateway_credentials();
        let key = std::fs::read_to_string(deployment.data_dir().join("encryption.key"))?;
        let ours = [
            admin_token,
            gateway_secret,
            deployment.upstream_secret(),
            key.trim(),
        ];
        self.0.extend(ours.map(str::to_owned));
        Ok(self.0)
    }
}

/// Logs in, calls tools, exchanges, refreshes, registers and rotates.
async fn use_it(agent: &Agent<'_>, secrets: &mut Secrets) -> Result<Tokens> {
    let tokens = agent.log_in("alice").await?;
    let alice = agent.poster(&tokens.access_token);
    let note = json!({"title": "n", "content": "", "category": ""});
    let created = alice.call("nc_notes_create_note", note).await?;
    assert_ne!(created["isError"], true, "{created}");
    agent.exchange(&tokens.access_token).await?.success()?;
    let spent = tokens.refresh_token.context("no refresh token")?;
    let tokens = Tokens::try_from(agent.refresh(&spent).await?)?;
    // A login that gets no further than the IdP, and one whose code nobody redeems.
    let pending = agent.pending()?;
    agent.person("bob")?.browser.open(&pending.url).await?;
    agent.code(&agent.person("bob")?, &agent.pending()?).await?;

    let admin = |method, path: &str, body: Value| {
        let (path, deployment) = (path.to_owned(), agent.deployment);
        async move {
            deployment
                .administer(method, &path, Some(&body))
                .await?
                .success()
        }
    };
    let job = json!({
        "client_id": JOB, "token_endpoint_auth_method": "client_secret_basic",
        "exchange": ["nextcloud"], "background": true,
    });
    secrets.learn(&admin(Method::POST, "clients", job).await?);
    let rotate = format!("clients/{JOB}/rotate-secret");
    secrets.learn(&admin(Method::POST, &rotate, json!({})).await?);
    Ok(tokens)
}

/// Alice lets background jobs act for her, and the job does.
async fn work_in_the_background(agent: &Agent<'_>, secrets: &mut Secrets) -> Result<()> {
    let issuer = agent.deployment.issuer();
    let person = agent.person("alice")?;
    let start = format!("{issuer}/oauth/authorize-nextcloud?downstream=nextcloud");
    let mut landing = person.browser.open(&Url::parse(&start)?).await?;
    for _ in 0..8 {
        let Landing::Page(page) = &landing else {
            break;
        };
        let form = if page.password_form().is_some() {
            person.credentials(page)?
        } else {
            let Ok(form) = page.form() else { break };
            if form.has_button("decision", "allow") {
                form.press("decision", "allow")?
            } else {
                form
            }
        };
        landing = person.browser.submit(&form).await?;
    }
    let rotated = agent
        .deployment
        .administer(Method::POST, &format!("clients/{JOB}/rotate-secret"), None)
        .await?
        .success()?;
    secrets.learn(&rotated);
    let body = rotated.json()?;
    let job_secret = body["client_secret"].as_str().context("no secret")?;
    let list = agent
        .http
        .client()
        .post(format!("{issuer}/oauth/offline-grants"))
        .basic_auth(JOB, Some(job_secret))
        .form::<[(&str, &str)]>(&[]);
    let list = agent.http.send(list).await?.success()?.json()?;
    let grant = list["offline_grants"][0]["id"].as_str();
    let grant = grant.with_context(|| format!("she did not allow it: {list}"))?;
    let form = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", grant),
        (
            "subject_token_type",
            "urn:mcp-token-broker:token-type:offline-grant",
        ),
        ("audience", "nextcloud"),
        ("reason", "the nightly run"),
    ];
    let credentials = secret(JOB, job_secret);
    agent
        .client
        .token_request(&agent.server, &credentials, &form)
        .await?
        .success()?;
    Ok(())
}

/// Nothing of it stands in the database; what should stand there does.
async fn assert_nothing_in_clear(
    deployment: &Deployment,
    agent: &Agent<'_>,
    tokens: &Tokens,
    secrets: Secrets,
) -> Result<()> {
    let dump = Dump::of(deployment.database_url()).await?;
    for secret in secrets.complete(deployment, agent)? {
        let places = dump.places_of(secret.as_bytes());
        assert_eq!(places, [""; 0], "{}…", &secret[..8.min(secret.len())]);
    }
    assert_eq!(dump.places_of_jwts(), [""; 0]);

    // The search finds what is there: text, and bytes.
    assert!(dump.len() > 100, "{}", dump.len());
    let is_in = |table: &str, needle: &[u8]| {
        let places = dump.places_of(needle);
        places.iter().any(|place| place.starts_with(table))
    };
    let client_id = agent.credentials.client_id();
    assert!(is_in("clients.", client_id.as_bytes()));
    let refresh_token = tokens
        .refresh_token
        .as_deref()
        .context("no refresh token")?;
    let hash = digest(&SHA256, refresh_token.as_bytes());
    assert!(is_in("refresh_tokens.", hash.as_ref()));
    if deployment.strategy() == "upstream_exchange" {
        assert!(is_in("offline_tokens.", b"1"), "no refresh token is kept");
    }
    Ok(())
}

/// Uses an installation with this strategy, on this database.
async fn check(name: &str, database: Option<String>, change: Change) -> Result<()> {
    let deployment = own(&format!("at-rest-{name}"), |options| {
        change(options);
        if let Some(url) = database {
            options.database = url;
        }
    })
    .await?;
    let agent = Agent::new(&deployment).await?;
    let mut secrets = Secrets(BTreeSet::new());
    let tokens = use_it(&agent, &mut secrets).await?;
    match deployment.strategy() {
        "mint" | "upstream_exchange" => work_in_the_background(&agent, &mut secrets).await?,
        "session" => renew(&deployment, &agent).await?,
        _ => {}
    }
    assert_nothing_in_clear(&deployment, &agent, &tokens, secrets).await
}

/// The provider's tokens of a login are renewed.
async fn renew(deployment: &Deployment, agent: &Agent<'_>) -> Result<()> {
    let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
    nextcloud.set_oidc_life(2);
    let tokens = agent.log_in("bob").await?;
    wait::until("a renewal", Duration::from_secs(20), async || {
        agent.exchange(&tokens.access_token).await.ok()?;
        (nextcloud.oidc_renewals() > 0).then_some(())
    })
    .await
}

/// With background access, which users allow.
fn mint(options: &mut Options) {
    also(options, |config| {
        config["downstreams"][0]["offline"] = json!(true);
    });
}

/// The same; the provider's refresh token for it is kept.
fn upstream_exchange(options: &mut Options) {
    "upstream_exchange".clone_into(&mut options.strategy);
    mint(options);
}

/// With tokens that are JWTs, which a search for their shape finds too.
fn session(options: &mut Options) {
    "session".clone_into(&mut options.strategy);
    options.login_app = LoginApp::Oidc(AccessTokens::Jwt);
    also(options, |config| {
        config["downstreams"][0]["audience"] = json!("mcp-token-broker");
    });
}

/// Makes an installation another one.
type Change = fn(&mut Options);

const STRATEGIES: [(&str, Change); 3] = [
    ("mint", mint),
    ("exchange", upstream_exchange),
    ("session", session),
];

#[test]
fn a_stolen_sqlite_database_holds_nothing_that_anybody_could_use() -> Result<()> {
    run(async {
        for (name, change) in STRATEGIES {
            check(name, None, change).await.context(name)?;
        }
        Ok(())
    })
}

#[test]
fn a_stolen_postgresql_database_holds_nothing_that_anybody_could_use() -> Result<()> {
    run(async {
        let Some(server) = postgres_server() else {
            return Ok(());
        };
        for (name, change) in STRATEGIES {
            let url = fresh_schema(&server, &format!("at_rest_{name}")).await?;
            check(&format!("postgres-{name}"), Some(url), change)
                .await
                .context(name)?;
        }
        Ok(())
    })
}
