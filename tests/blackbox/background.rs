//! Background access (Flow 2) as its people meet it: the user in his browser, the job at its API, the
//! agent at a gateway for background jobs only; and whoever tries to get round them.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use harness::client::Credentials;
use harness::deployment::{Deployment, Options};
use harness::http::{Answer, Http};
use harness::jwt;
use harness::mcp_client::{Era, OpenPage, SdkClient};
use harness::nextcloud::NextcloudStandIn;
use harness::person::Person;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;

use crate::support::{Agent, SECRET, also, bad_request, own, refusal, run, secret};

const OFFLINE_GRANT: &str = "urn:mcp-token-broker:token-type:offline-grant";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const REASON: &str = "nightly note of the day";
/// A form with nothing in it.
const NO_FIELDS: [(&str, &str); 0] = [];
/// A background job.
const JOB: &str = "nightly-job";

const PROVISION: &str = "provision_nextcloud_access";
const REVOKE: &str = "revoke_nextcloud_access";
const CHECK: &str = "check_provisioning_status";

static WITH_SESSIONS: OnceCell<Deployment> = OnceCell::const_new();
static JOBS_ONLY: OnceCell<Deployment> = OnceCell::const_new();

/// An installation whose users may allow background jobs; sessions work too.
async fn with_sessions() -> Result<&'static Deployment> {
    WITH_SESSIONS
        .get_or_try_init(|| {
            own("background", |options| {
                also(options, offer);
            })
        })
        .await
}

/// Two brokers and a gateway, where background jobs are all that reaches Nextcloud.
async fn jobs_only() -> Result<&'static Deployment> {
    JOBS_ONLY
        .get_or_try_init(|| own("background-only", for_jobs_only))
        .await
}

fn for_jobs_only(options: &mut Options) {
    options.replicas = 2;
    also(options, |config| {
        offer(config);
        config["downstreams"][0]["sessions"] = json!(false);
    });
    options.adjust_gateway = Some(Arc::new(|config: &mut Value, _| {
        config["nextcloud"]["credentials"] = json!("background_only");
    }));
}

/// Lets users allow background jobs at Nextcloud, and registers one.
fn offer(config: &mut Value) {
    config["downstreams"][0]["offline"] = json!(true);
    let job = json!({
        "client_id": JOB, "client_secret": SECRET, "name": "Nightly job", "redirect_uris": [],
        "exchange": ["nextcloud"], "background": true,
    });
    if let Some(clients) = config["clients"].as_array_mut() {
        clients.push(job);
    }
}

/// The job, as it uses the API.
struct Job<'a> {
    agent: &'a Agent<'a>,
    credentials: Credentials,
}

impl<'a> Job<'a> {
    fn new(agent: &'a Agent<'a>) -> Self {
        Self {
            agent,
            credentials: secret(JOB, SECRET),
        }
    }

    /// The id of the grant that a user has given, if one stands.
    async fn grant_of(&self, sub: &str) -> Result<Option<String>> {
        let endpoint = self.agent.server.endpoint("offline_grants_endpoint")?;
        let http = &self.agent.http;
        let request = http.client().post(endpoint).form(&NO_FIELDS);
        let answer = http.send(request.basic_auth(JOB, Some(SECRET))).await?;
        let list = answer.success()?.json()?;
        let grants = list["offline_grants"].as_array().context("no list")?;
        let grant = grants.iter().find(|grant| grant["sub"] == sub);
        Ok(grant.and_then(|grant| grant["id"].as_str().map(str::to_owned)))
    }

    /// Exchanges what it is given as an offline grant; the answer as it came.
    async fn exchange(&self, grant: &str) -> Result<Answer> {
        let form = offline(grant);
        let (client, server) = (&self.agent.client, &self.agent.server);
        client.token_request(server, &self.credentials, &form).await
    }

    /// Creates a note in the user's Nextcloud with what an exchange gives.
    async fn work(&self, grant: &str, title: &str) -> Result<()> {
        let body = self.exchange(grant).await?.success()?.json()?;
        assert!(body["expires_in"].as_u64().unwrap() <= 60, "{body}");
        assert!(body["refresh_token"].is_null(), "{body}");
        let base = self.agent.deployment.nextcloud_url();
        let http = Http::default();
        let request = http
            .client()
            .post(format!("{base}/index.php/apps/notes/api/v1/notes"))
            .header("ocs-apirequest", "true")
            .bearer_auth(body["access_token"].as_str().context("no token")?)
            .json(&json!({ "title": title, "content": "", "category": "" }));
        http.send(request).await?.success()?;
        Ok(())
    }
}

fn offline(grant: &str) -> [(&str, &str); 5] {
    [
        ("grant_type", TOKEN_EXCHANGE),
        ("subject_token", grant),
        ("subject_token_type", OFFLINE_GRANT),
        ("audience", "nextcloud"),
        ("reason", REASON),
    ]
}

/// The link with which a user allows everything at Nextcloud.
pub(crate) fn link(deployment: &Deployment, more: &str) -> Result<Url> {
    let issuer = deployment.issuer();
    let url = format!("{issuer}/oauth/authorize-nextcloud?downstream=nextcloud{more}");
    Ok(Url::parse(&url)?)
}

/// Follows the link, signs in, and allows it.
pub(crate) async fn allow(person: &Person, link: &Url) -> Result<()> {
    let page = person.visit(link).await?;
    let text = page.text();
    assert!(text.contains("Allow background access?"), "{text}");
    let done = person.decide(&page, "allow").await?;
    let text = done.text();
    assert!(text.contains("Background access is on"), "{text}");
    Ok(())
}

/// Withdraws it on the account page.
async fn withdraw(deployment: &Deployment, person: &Person) -> Result<()> {
    let account = Url::parse(&format!("{}/account", deployment.issuer()))?;
    let page = person.visit(&account).await?;
    let form = page.form_with("downstream")?;
    let after = person.browser.submit(&form).await?.page()?;
    let text = after.text();
    assert!(text.contains("you withdrew it on"), "{text}");
    Ok(())
}

/// Who a token is about.
fn sub_of(token: &str) -> Result<String> {
    let claims = jwt::claims(token)?;
    Ok(claims["sub"].as_str().context("no sub")?.to_owned())
}

/// The audit row of the request that was answered so.
async fn row_of(deployment: &Deployment, event: &str, answer: &Answer) -> Result<Value> {
    let id = answer.header("x-request-id").context("no request id")?;
    let rows = deployment
        .audit(&format!("event={event}&limit=500"))
        .await?;
    let row = rows.into_iter().find(|row| row["request_id"] == id);
    row.with_context(|| format!("no {event} of the request {id}"))
}

/// The notes of somebody, by title.
fn titles(nextcloud: &NextcloudStandIn, name: &str) -> Vec<String> {
    let notes = nextcloud.notes(name);
    let titles = notes.iter().filter_map(|note| note["title"].as_str());
    titles.map(str::to_owned).collect()
}

#[test]
fn a_user_allows_it_and_a_job_works_as_him_until_he_withdraws_it() -> Result<()> {
    run(async {
        let deployment = with_sessions().await?;
        let agent = Agent::new(deployment).await?;
        let job = Job::new(&agent);
        let sub = sub_of(&agent.log_in("alice").await?.access_token)?;
        let alice = agent.person("alice")?;
        assert_eq!(job.grant_of(&sub).await?, None);

        let asks = link(deployment, "&scope=notes.read+notes.write")?;
        allow(&alice, &asks).await?;
        let grant = job.grant_of(&sub).await?.context("no grant")?;
        job.work(&grant, "By night").await?;

        let nextcloud = deployment.nextcloud.as_ref().unwrap();
        assert_eq!(titles(nextcloud, "alice"), ["By night"]);
        let seen = nextcloud.observations().requests_of("alice");
        let claims = seen.last().and_then(|request| request.claims.as_ref());
        let claims = claims.context("no minted token at Nextcloud")?;
        assert_eq!((claims.sub(), claims.act_sub()), (Some("alice"), Some(JOB)));
        assert_eq!(claims.scope(), Some("notes.read notes.write"));
        let rows = deployment
            .audit(&format!("event=exchange.granted&client_id={JOB}&sub={sub}"))
            .await?;
        assert_eq!(rows.len(), 1, "{rows:?}");
        let details = &rows[0]["details"];
        assert_eq!(details["reason"], REASON);
        assert_eq!(details["offline_grant"], grant);
        assert_eq!(details["strategy"], "offline");

        withdraw(deployment, &alice).await?;
        assert_eq!(job.grant_of(&sub).await?, None);
        let refused = job.exchange(&grant).await?;
        assert_eq!(refusal(&refused)?, bad_request("invalid_request"));
        assert!(refused.body.contains("withdrawn"), "{}", refused.describe());
        let row = row_of(deployment, "exchange.refused", &refused).await?;
        assert_eq!(
            (&row["sub"], &row["error"]),
            (&json!(sub), &json!("invalid_request"))
        );
        assert_eq!(row["details"]["reason"], REASON);
        let rows = deployment
            .audit(&format!("event=offline.withdrawn&sub={sub}"))
            .await?;
        assert_eq!(rows[0]["actor"]["id"], sub, "{rows:?}");
        Ok(())
    })
}

#[test]
fn a_link_made_for_somebody_else_stores_nothing() -> Result<()> {
    run(async {
        let deployment = with_sessions().await?;
        let agent = Agent::new(deployment).await?;
        let job = Job::new(&agent);
        let attacker = sub_of(&agent.log_in("bob").await?.access_token)?;
        let victim = sub_of(&agent.log_in("carol").await?.access_token)?;

        let page = agent
            .person("carol")?
            .visit(&link(deployment, &format!("&user={attacker}"))?)
            .await?;

        assert_eq!(page.answer.status.as_u16(), 403, "{}", page.describe());
        assert!(
            page.text().contains("made for somebody else"),
            "{}",
            page.describe()
        );
        assert!(page.form_with("csrf").is_err(), "there is nothing to press");
        for sub in [&attacker, &victim] {
            assert_eq!(job.grant_of(sub).await?, None);
        }
        let rows = deployment
            .audit(&format!("event=offline.granted&sub={victim}"))
            .await?;
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(
            (&rows[0]["outcome"], &rows[0]["error"]),
            (&json!("refused"), &json!("access_denied"))
        );
        Ok(())
    })
}

#[test]
fn who_presses_deny_gives_nothing_and_the_audit_says_so() -> Result<()> {
    run(async {
        let deployment = with_sessions().await?;
        let agent = Agent::new(deployment).await?;
        let sub = sub_of(&agent.log_in("dave").await?.access_token)?;
        let dave = agent.person("dave")?;
        let page = dave.visit(&link(deployment, "&scope=notes.read")?).await?;

        let after = dave.decide(&page, "deny").await?;

        assert!(
            after.text().contains("Your account"),
            "{}",
            after.describe()
        );
        assert_eq!(Job::new(&agent).grant_of(&sub).await?, None);
        let rows = deployment
            .audit(&format!("event=offline.granted&sub={sub}"))
            .await?;
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(
            (&rows[0]["outcome"], &rows[0]["error"]),
            (&json!("refused"), &json!("access_denied"))
        );
        assert_eq!(
            (&rows[0]["scope"], &rows[0]["actor"]["id"]),
            (&json!("notes.read"), &json!(sub))
        );
        Ok(())
    })
}

/// Erin, or whoever, with a live session and background access of his own.
async fn both_kinds(agent: &Agent<'_>, name: &str) -> Result<(String, String)> {
    let session = agent.log_in(name).await?.access_token;
    allow(&agent.person(name)?, &link(agent.deployment, "")?).await?;
    let grant = Job::new(agent).grant_of(&sub_of(&session)?).await?;
    Ok((session, grant.context("no grant")?))
}

/// A refused exchange: its code, what its sentence is about, and its row in the audit.
async fn refused(
    deployment: &Deployment,
    answer: &Answer,
    code: &str,
    about: &str,
) -> Result<Value> {
    assert_eq!(refusal(answer)?, bad_request(code), "{}", answer.describe());
    assert!(answer.body.contains(about), "{}", answer.describe());
    let row = row_of(deployment, "exchange.refused", answer).await?;
    assert_eq!(
        (&row["outcome"], &row["error"]),
        (&json!("refused"), &json!(code))
    );
    Ok(row)
}

#[test]
fn a_session_never_leads_to_background_access() -> Result<()> {
    run(async {
        let deployment = with_sessions().await?;
        let agent = Agent::new(deployment).await?;
        let (session, grant) = both_kinds(&agent, "erin").await?;
        // The gateway holds a live token of the user himself, and knows the grant's id.
        let gateway = agent.gateway();
        let access_token = "urn:ietf:params:oauth:token-type:access_token";
        for (token, kind, audience, scope, code, about) in [
            (
                &grant,
                OFFLINE_GRANT,
                "nextcloud",
                "",
                "invalid_request",
                "is for background clients",
            ),
            (
                &session,
                OFFLINE_GRANT,
                "nextcloud",
                "",
                "invalid_request",
                "is for background clients",
            ),
            (
                &grant,
                access_token,
                "nextcloud",
                "",
                "invalid_request",
                "subject_token",
            ),
            (
                &session,
                access_token,
                "offline",
                "",
                "invalid_target",
                "not a downstream",
            ),
            (
                &session,
                access_token,
                "nextcloud",
                "offline_access",
                "invalid_scope",
                "more than",
            ),
        ] {
            let mut form = vec![
                ("grant_type", TOKEN_EXCHANGE),
                ("subject_token", token.as_str()),
                ("subject_token_type", kind),
                ("audience", audience),
                ("reason", REASON),
            ];
            if !scope.is_empty() {
                form.push(("scope", scope));
            }
            let (client, server) = (&agent.client, &agent.server);
            let answer = client.token_request(server, &gateway, &form).await?;
            let row = refused(deployment, &answer, code, about).await?;
            assert_eq!(row["client_id"], gateway.client_id());
        }
        let list = agent.server.endpoint("offline_grants_endpoint")?;
        let (id, password) = deployment.gateway_credentials();
        let request = agent
            .http
            .client()
            .post(list)
            .form(&NO_FIELDS)
            .basic_auth(id, Some(password));
        let answer = agent.http.send(request).await?;
        refused(
            deployment,
            &answer,
            "unauthorized_client",
            "background client",
        )
        .await?;
        Ok(())
    })
}

#[test]
fn a_job_never_gets_what_is_a_sessions_or_what_nobody_allowed() -> Result<()> {
    run(async {
        let deployment = with_sessions().await?;
        let agent = Agent::new(deployment).await?;
        let job = Job::new(&agent);
        let (session, grant) = both_kinds(&agent, "grace").await?;
        let answer = agent
            .exchange_as(&job.credentials, &session, &[("audience", "nextcloud")])
            .await?;
        let about = "never the token of a caller";
        let row = refused(deployment, &answer, "invalid_request", about).await?;
        assert_eq!(row["client_id"], JOB);

        // Frank has a session and never consented: nothing that is known of him is a grant.
        let never = agent.log_in("frank").await?.access_token;
        let claims = jwt::claims(&never)?;
        let claim = |name: &str| claims[name].as_str().context("a claim");
        let own = sub_of(&session)?;
        for guess in [
            &session,
            &never,
            claim("sub")?,
            claim("sid")?,
            &own,
            "made-up",
        ] {
            let answer = job.exchange(guess).await?;
            let about = "There is no such offline grant.";
            let row = refused(deployment, &answer, "invalid_request", about).await?;
            assert!(row["sub"].is_null(), "nobody is meant by a guess: {row}");
            assert_eq!(row["details"]["reason"], REASON);
        }
        job.work(&grant, "Before").await?;
        withdraw(deployment, &agent.person("grace")?).await?;
        let answer = job.exchange(&grant).await?;
        let row = refused(deployment, &answer, "invalid_request", "withdrawn").await?;
        assert_eq!(row["sub"], own);
        let standin = deployment.nextcloud.as_ref().unwrap();
        assert_eq!(titles(standin, "grace"), ["Before"]);
        assert_eq!(titles(standin, "frank"), [""; 0]);
        Ok(())
    })
}

/// A structured result of a tool.
async fn told(client: &SdkClient, tool: &str) -> Result<Value> {
    let result = client.call(tool, json!({})).await?;
    assert_ne!(result["isError"], true, "{result}");
    Ok(result["structuredContent"].clone())
}

#[test]
fn an_agent_without_elicitation_shows_the_link_and_learns_what_came_of_it() -> Result<()> {
    run(async {
        let deployment = jobs_only().await?;
        let agent = Agent::new(deployment).await?;
        let job = Job::new(&agent);
        for (era, name) in Era::ALL.into_iter().zip(["alice", "bob"]) {
            let token = agent.log_in(name).await?.access_token;
            let sub = sub_of(&token)?;
            let client = SdkClient::connect(&deployment.mcp_url(), &token, era).await?;
            assert_eq!(client.tools().await?, [PROVISION, REVOKE, CHECK]);
            assert_eq!(told(&client, CHECK).await?["state"], "none");

            let offered = told(&client, PROVISION).await?;
            let link = Url::parse(offered["link"].as_str().context("no link")?)?;
            assert!(link.as_str().starts_with(&deployment.issuer()), "{link}");
            // Somebody else who gets hold of the link can do nothing with it.
            let page = agent.person("carol")?.visit(&link).await?;
            assert_eq!(page.answer.status.as_u16(), 403, "{}", page.describe());
            assert_eq!(told(&client, CHECK).await?["state"], "none");
            let person = agent.person(name)?;
            allow(&person, &link).await?;
            let active = told(&client, CHECK).await?;
            assert_eq!(active["state"], "active", "{active}");
            assert!(
                active["scopes"].to_string().contains("notes.write"),
                "{active}"
            );

            // Either replica serves the job; the session still gets nothing.
            let grant = job.grant_of(&sub).await?.context("no grant")?;
            for title in ["First", "Second"] {
                job.work(&grant, title).await?;
            }
            let refused = agent.exchange(&token).await?;
            assert_eq!(refusal(&refused)?, bad_request("invalid_target"));
            let row = row_of(deployment, "exchange.refused", &refused).await?;
            assert_eq!(
                (&row["sub"], &row["error"]),
                (&json!(sub), &json!("invalid_target"))
            );

            let ended = told(&client, REVOKE).await?;
            assert_eq!(ended["state"], "withdrawn", "{ended}");
            assert_eq!(told(&client, CHECK).await?["state"], "withdrawn");
            let rows = deployment
                .audit(&format!("event=offline.withdrawn&sub={sub}"))
                .await?;
            assert_eq!(rows.len(), 1, "{rows:?}");
            assert_eq!(rows[0]["actor"]["id"], "mcp-gateway");
            assert_eq!(rows[0]["tool"], REVOKE);
            let refused = job.exchange(&grant).await?;
            assert_eq!(refusal(&refused)?, bad_request("invalid_request"));
            let nextcloud = deployment.nextcloud.as_ref().unwrap();
            assert_eq!(titles(nextcloud, name), ["First", "Second"]);
        }
        Ok(())
    })
}

/// A user who decides on the page that his client opens.
fn deciding(person: Person, button: &'static str) -> OpenPage {
    Arc::new(move |url| {
        let person = person.clone();
        Box::pin(async move {
            let page = person.visit(&url).await.unwrap();
            person.decide(&page, button).await.unwrap();
            true
        })
    })
}

#[test]
fn a_client_with_elicitation_opens_the_page_within_the_call() -> Result<()> {
    run(async {
        let deployment = jobs_only().await?;
        let agent = Agent::new(deployment).await?;
        let url = deployment.mcp_url();

        // 2026-07-28: one call, from the model's point of view.
        let token = agent.log_in("dave").await?.access_token;
        let unwilling: OpenPage = Arc::new(|_| Box::pin(async { false }));
        let client = SdkClient::connect_opening(&url, &token, Era::Stateless, unwilling).await?;
        let declined = told(&client, PROVISION).await?;
        assert_eq!(declined["state"], "none", "{declined}");
        let next = declined["next_step"].as_str().unwrap();
        assert!(next.contains("did not want"), "{next}");
        let denying = deciding(agent.person("dave")?, "deny");
        let client = SdkClient::connect_opening(&url, &token, Era::Stateless, denying).await?;
        assert_eq!(told(&client, PROVISION).await?["state"], "none");
        let allowing = deciding(agent.person("dave")?, "allow");
        let client = SdkClient::connect_opening(&url, &token, Era::Stateless, allowing).await?;
        assert_eq!(told(&client, PROVISION).await?["state"], "active");
        assert_eq!(told(&client, REVOKE).await?["state"], "withdrawn");

        // 2025-11-25: the call fails with the page to open, and succeeds once it was.
        let token = agent.log_in("erin").await?.access_token;
        let unused: OpenPage = Arc::new(|_| Box::pin(async { false }));
        let client = SdkClient::connect_opening(&url, &token, Era::Initialize, unused).await?;
        assert_eq!(told(&client, CHECK).await?["state"], "none");
        let page = client.call_wanting_a_page(PROVISION).await?;
        allow(&agent.person("erin")?, &page).await?;
        assert_eq!(told(&client, PROVISION).await?["state"], "active");
        assert_eq!(told(&client, CHECK).await?["state"], "active");
        Ok(())
    })
}

#[test]
fn what_is_allowed_and_withdrawn_at_one_replica_counts_at_the_other_at_once() -> Result<()> {
    run(async {
        let deployment = jobs_only().await?;
        let agent = Agent::new(deployment).await?;
        let job = Job::new(&agent);
        let sub = sub_of(&agent.log_in("frank").await?.access_token)?;
        let frank = agent.person("frank")?;
        // The pages themselves go through both replicas in turn.
        allow(&frank, &link(deployment, "")?).await?;
        let grant = job.grant_of(&sub).await?.context("no grant")?;
        let at = async |replica: usize| {
            let url = deployment.addresses().replica_url(replica) + "/oauth/token";
            let http = Http::default();
            let request = http.client().post(url).basic_auth(JOB, Some(SECRET));
            http.send(request.form(&offline(&grant))).await
        };
        for replica in 0..deployment.brokers.len() {
            at(replica).await?.success()?;
        }
        withdraw(deployment, &frank).await?;
        for replica in 0..deployment.brokers.len() {
            let refused = at(replica).await?;
            assert_eq!(
                refusal(&refused)?,
                bad_request("invalid_request"),
                "replica {replica}"
            );
        }
        Ok(())
    })
}
