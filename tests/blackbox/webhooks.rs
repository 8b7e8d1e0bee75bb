//! Webhooks of Nextcloud for a background job, from the tool call that makes a file to the job that hears
//! of it; and what becomes of an event when the job is away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::deployment::{Deployment, Options};
use harness::nextcloud::Account;
use harness::wait;
use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::background::{allow, link};
use crate::support::{Agent, SECRET, also, own, run};

const JOB: &str = "indexer";
const SIGNED_WITH: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const CREATE: &str = "nc_notes_create_note";
const CREATED: &str = r"OCP\Files\Events\Node\NodeCreatedEvent";
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Heard {
    messages: VecDeque<(HeaderMap, String)>,
    bodies: String,
    is_down: bool,
}

type Shared = Arc<Mutex<Heard>>;

/// A background job that hears of events, on a real socket.
struct Job {
    url: String,
    heard: Shared,
}

impl Job {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hooks", listener.local_addr()?);
        let heard = Shared::default();
        let app = Router::new()
            .route("/hooks", post(hear))
            .with_state(Arc::clone(&heard));
        tokio::spawn(async move { axum::serve(listener, app).await.ok() });
        Ok(Self { url, heard })
    }

    fn set_down(&self, is_down: bool) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.is_down = is_down;
    }

    /// Whether anything that was told says this.
    fn heard_of(&self, text: &str) -> bool {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.bodies.contains(text)
    }

    /// The next event of this class whose node is at `path`, its signature verified.
    async fn hears(&self, class: &str, path: &str) -> Result<Value> {
        wait::until("an event", PATIENCE, async || {
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some((headers, body)) = heard.messages.pop_front() {
                let event = verified(&headers, &body)?;
                let data = &event["data"]["event"];
                if data["class"] == class && data["node"]["path"] == path {
                    return Some(event);
                }
            }
            None
        })
        .await
    }
}

async fn hear(State(heard): State<Shared>, headers: HeaderMap, body: String) -> StatusCode {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    if heard.is_down {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    heard.bodies.push_str(&body);
    heard.messages.push_back((headers, body));
    StatusCode::NO_CONTENT
}

/// The body, if the signature of Standard Webhooks is right and fresh.
fn verified(headers: &HeaderMap, body: &str) -> Option<Value> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let (id, timestamp) = (text("webhook-id")?, text("webhook-timestamp")?);
    let age = harness::random::unix_now().checked_sub(timestamp.parse().ok()?)?;
    if age > 300 {
        return None;
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(SIGNED_WITH).ok()?);
    let content = format!("{id}.{timestamp}.{body}");
    let mut signatures = text("webhook-signature")?.split(' ');
    let is_right = signatures.any(|signature| {
        let tag = signature.strip_prefix("v1,").unwrap_or_default();
        STANDARD
            .decode(tag)
            .is_ok_and(|tag| hmac::verify(&key, content.as_bytes(), &tag).is_ok())
    });
    is_right.then(|| serde_json::from_str(body).ok())?
}

/// An installation with the job, and what `change` makes of it; `adjust` changes the broker's
/// configuration.
async fn installation(
    name: &str,
    job: &Job,
    change: impl FnOnce(&mut Options),
    adjust: fn(&mut Value),
) -> Result<Deployment> {
    let url = job.url.clone();
    let deployment = own(name, |options| {
        options.replicas = 2;
        change(options);
        also(options, move |config| {
            config["nextcloud"] = json!({
                "admin_user": "admin",
                "admin_password": "admin-password",
            });
            config["webhooks"] = json!({
                "receivers": [{
                    "client_id": JOB,
                    "url": url,
                    "secrets": [format!("whsec_{SIGNED_WITH}")],
                }],
                "attempts": 2,
                "retry_after": "1s",
            });
            let job = json!({
                "client_id": JOB,
                "client_secret": SECRET,
                "background": true,
                "exchange": ["nextcloud"],
            });
            if let Some(clients) = config["clients"].as_array_mut() {
                clients.push(job);
            }
            adjust(config);
        });
    })
    .await?;
    let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
    nextcloud.add_account(Account::new("admin", "admin-password").administrator());
    Ok(deployment)
}

/// Lets users allow background jobs at Nextcloud.
fn offer_offline(config: &mut Value) {
    config["downstreams"][0]["offline"] = json!(true);
}

/// Nobody gets a token for Nextcloud; the broker itself still asks it.
fn without_downstreams(config: &mut Value) {
    config["nextcloud"]["url"] = config["downstreams"][0]["uri"].take();
    config["downstreams"] = json!([]);
    for (list, member) in [("resources", "downstreams"), ("clients", "exchange")] {
        for item in config[list].as_array_mut().into_iter().flatten() {
            item[member] = json!([]);
        }
    }
}

/// The gateway works with one account for everybody.
fn with_one_account(options: &mut Options) {
    options.adjust_gateway = Some(Arc::new(|config: &mut Value, _| {
        config["nextcloud"]["credentials"] = json!("basic");
        config["nextcloud"]["basic"] = json!({
            "username": "carol", "password": "carol-secret-pass",
        });
    }));
}

/// Enables the files, and waits until Nextcloud has them.
async fn enable(deployment: &Deployment, of: Value) -> Result<()> {
    let mut body = of;
    body["client_id"] = json!(JOB);
    deployment
        .administer(Method::POST, "webhooks/presets/files/enable", Some(&body))
        .await?
        .success()?;
    wait::until("active webhooks", PATIENCE, async || {
        let list = administer(deployment, Method::GET, "webhooks").await.ok()?;
        let webhooks = list["items"].as_array()?;
        let are_active = webhooks.iter().all(|one| one["state"] == "active");
        (are_active && !webhooks.is_empty()).then_some(())
    })
    .await
}

async fn create(agent: &Agent<'_>, token: &str, title: &str) -> Result<()> {
    let note = json!({"title": title, "content": "x", "category": ""});
    let created = agent.poster(token).call(CREATE, note).await?;
    ensure!(created["isError"] != true, "{created}");
    Ok(())
}

async fn administer(deployment: &Deployment, method: Method, path: &str) -> Result<Value> {
    let answer = deployment.administer(method, path, None).await?;
    answer.success()?.json()
}

#[test]
fn a_job_hears_of_a_file_that_a_tool_made_or_finds_it_as_a_dead_letter() -> Result<()> {
    run(async {
        let job = Job::start().await?;
        let deployment = installation("webhooks", &job, |_| (), offer_offline).await?;
        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        enable(&deployment, json!({"users": ["alice", "bob"]})).await?;

        let agent = Agent::new(&deployment).await?;
        allow(&agent.person("alice")?, &link(&deployment, "")?).await?;
        let alice = agent.log_in("alice").await?.access_token;
        let bob = agent.log_in("bob").await?.access_token;
        create(&agent, &bob, "Bob's own").await?;
        create(&agent, &alice, "First").await?;
        let event = job.hears(CREATED, "/alice/files/Notes/First.md").await?;
        assert_eq!(event["type"], "nextcloud.files", "{event}");
        assert_eq!(event["data"]["user"]["uid"], "alice");

        // The job is away: tried twice, then kept.
        job.set_down(true);
        create(&agent, &alice, "Second").await?;
        let dead = wait::until("a dead letter", PATIENCE, async || {
            let path = "webhook-deliveries?state=dead";
            let list = administer(&deployment, Method::GET, path).await.ok()?;
            let items = list["items"].as_array()?;
            let created: Vec<Value> = items
                .iter()
                .filter(|item| item["event"] == CREATED)
                .cloned()
                .collect();
            created.into_iter().next()
        })
        .await?;
        assert_eq!(dead["attempts"], 2, "{dead}");
        assert_eq!(dead["client_id"], JOB);

        // It is back; an administrator has it told again.
        job.set_down(false);
        let id = dead["delivery_id"].as_str().context("no id")?;
        let again = format!("webhook-deliveries/{id}/redeliver");
        administer(&deployment, Method::POST, &again).await?;
        job.hears(CREATED, "/alice/files/Notes/Second.md").await?;

        // Bob was never asked. Of him nobody heard, and nothing of the secrets in what the processes wrote.
        let hooks = nextcloud.webhooks();
        let logs = deployment.logs();
        for hook in &hooks {
            let secret = hook["authData"]["Authorization"].as_str().unwrap();
            let secret = secret.rsplit_once('.').unwrap().1;
            ensure!(!logs.contains(secret) && !deployment.database_bytes()?.contains(secret));
        }
        ensure!(!job.heard_of("/bob/"));
        ensure!(!logs.contains("Bob's own") && !logs.contains(SIGNED_WITH));

        // What somebody deletes there comes back; what is disabled here goes there.
        nextcloud.forget_webhook(hooks[0]["id"].as_i64().unwrap());
        administer(&deployment, Method::GET, "webhooks?refresh=true").await?;
        assert_eq!(nextcloud.webhooks().len(), hooks.len());
        administer(&deployment, Method::DELETE, "webhooks").await?;
        assert_eq!(nextcloud.webhooks().len(), 0);
        ensure!(nextcloud.observations().violations().is_empty());
        Ok(())
    })
}

#[test]
fn webhooks_need_no_way_to_a_users_token() -> Result<()> {
    run(async {
        // Users log in at Nextcloud itself: nothing is minted, nothing exchanged, nobody can be asked for
        // background access. The account is declared a technical one.
        let job = Job::start().await?;
        let session = |options: &mut Options| "session".clone_into(&mut options.strategy);
        let deployment = installation("webhooks-session", &job, session, |_| ()).await?;
        enable(&deployment, json!({"technical_accounts": ["alice"]})).await?;
        let agent = Agent::new(&deployment).await?;
        let alice = agent.log_in("alice").await?.access_token;
        create(&agent, &alice, "Third").await?;
        job.hears(CREATED, "/alice/files/Notes/Third.md").await?;
        Ok(())
    })
}

#[test]
fn of_the_one_account_that_everybody_works_with_the_job_hears_too() -> Result<()> {
    run(async {
        let job = Job::start().await?;
        let name = "webhooks-one-account";
        let deployment = installation(name, &job, with_one_account, without_downstreams).await?;
        enable(&deployment, json!({"technical_accounts": ["carol"]})).await?;
        let agent = Agent::new(&deployment).await?;
        let alice = agent.log_in("alice").await?.access_token;
        create(&agent, &alice, "Fourth").await?;
        let event = job.hears(CREATED, "/carol/files/Notes/Fourth.md").await?;
        assert_eq!(event["data"]["user"]["uid"], "carol");
        Ok(())
    })
}
