//! Background access with the identity provider's refresh token: two real brokers, real pages, a
//! provider that counts, and a broker that is killed at the worst moment.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use harness::browser::Page;
use harness::deployment::{Addresses, Deployment};
use harness::http::{Answer, Http};
use harness::idp::Fault;
use harness::person::Person;
use harness::wait;
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use url::Url;

use crate::support::{Agent, SECRET, own, refusal, run};

/// The background job.
const JOB: &str = "nightly-job";

/// Two brokers, whose Nextcloud tokens the provider exchanges, and a job.
async fn installation(name: &str) -> Result<Deployment> {
    own(name, |options| {
        "upstream_exchange".clone_into(&mut options.strategy);
        options.replicas = 2;
        options.adjust_broker = Some(Arc::new(|config: &mut Value, _: &Addresses| {
            config["downstreams"][0]["offline"] = json!(true);
            let job = json!({
                "client_id": JOB,
                "client_secret": SECRET,
                "name": "Nightly job",
                "exchange": ["nextcloud"],
                "background": true,
            });
            config["clients"].as_array_mut().unwrap().push(job);
        }));
    })
    .await
}

/// Goes through the pages until background access is on.
async fn allow(deployment: &Deployment, person: &Person) -> Result<Page> {
    let url = format!("{}/oauth/authorize-nextcloud", deployment.issuer());
    let mut page = person.browser.open(&Url::parse(&url)?).await?.page()?;
    for _ in 0..8 {
        if page.text().contains("Background access is on") {
            return Ok(page);
        }
        let form = match page.password_form() {
            Some(_) => person.credentials(&page)?,
            None => page.form()?,
        };
        let form = if form.has_button("decision", "allow") {
            form.press("decision", "allow")?
        } else {
            form
        };
        page = person.browser.submit(&form).await?.page()?;
    }
    bail!("it does not end: {}", page.describe())
}

/// A request of the job to one of the brokers.
async fn job(
    deployment: &Deployment,
    replica: usize,
    path: &str,
    form: &[(&str, &str)],
) -> Result<Answer> {
    let http = Http::default();
    let url = deployment.addresses().replica_url(replica) + path;
    let request = http.client().post(url).basic_auth(JOB, Some(SECRET));
    http.send(request.form(form)).await
}

/// The only grant there is, as the job sees it.
async fn grant(deployment: &Deployment, replica: usize) -> Result<Value> {
    let list = job(deployment, replica, "/oauth/offline-grants", &[]).await?;
    let list = list.success()?.json()?;
    let grants = list["offline_grants"].as_array().context("no list")?;
    assert_eq!(grants.len(), 1, "{list}");
    Ok(grants[0].clone())
}

async fn exchange(deployment: &Deployment, replica: usize, grant: &str) -> Result<Answer> {
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
        ("reason", "nightly backup"),
    ];
    job(deployment, replica, "/oauth/token", &form).await
}

#[test]
fn two_hundred_calls_at_two_brokers_cause_one_refresh_and_act_as_the_user() -> Result<()> {
    run(async {
        let deployment = Arc::new(installation("background-tokens").await?);
        let agent = Agent::new(&deployment).await?;
        let person = agent.person("alice")?;
        let idp = deployment.idp.as_ref().context("no provider")?;
        // Due from the beginning.
        idp.inject("alice", Fault::ShortFirstTokens);
        allow(&deployment, &person).await?;
        assert_eq!(idp.refreshes("alice"), 0);
        let grant = grant(&deployment, 1).await?;
        assert_eq!(grant["state"], "active");
        let id = grant["id"].as_str().context("no id")?.to_owned();

        let mut calls = JoinSet::new();
        for number in 0..200 {
            let (deployment, id) = (Arc::clone(&deployment), id.clone());
            calls.spawn(async move {
                // Who is told to try again, because the machine is slow, does.
                for _ in 0..5 {
                    let answer = exchange(&deployment, number % 2, &id).await?;
                    if answer.status != 503 {
                        return Ok(answer);
                    }
                }
                exchange(&deployment, number % 2, &id).await
            });
        }
        let mut token = String::new();
        while let Some(answer) = calls.join_next().await {
            let body = answer??.success()?.json()?;
            assert!(body["expires_in"].as_u64().unwrap() <= 300, "{body}");
            body["access_token"]
                .as_str()
                .unwrap()
                .clone_into(&mut token);
        }
        assert_eq!(idp.refreshes("alice"), 1);

        let http = Http::default();
        let whoami = format!(
            "{}/ocs/v2.php/cloud/user?format=json",
            deployment.nextcloud_url()
        );
        let request = http.client().get(whoami).header("OCS-APIRequest", "true");
        let answer = http.send(request.bearer_auth(&token)).await?.success()?;
        assert_eq!(answer.json()?["ocs"]["data"]["id"], "alice");
        let rows = deployment.audit("event=exchange.granted&limit=1").await?;
        assert_eq!(rows[0]["details"]["reason"], "nightly backup");
        assert!(!deployment.database_bytes()?.contains(&token));

        // Withdrawn on the account page: here and at the provider.
        let before = idp.refresh_tokens("alice");
        let account = Url::parse(&format!("{}/account", deployment.issuer()))?;
        let page = person.browser.open(&account).await?.page()?;
        let form = page.form_with("downstream")?;
        let page = person.browser.submit(&form).await?.page()?;
        assert!(page.text().contains("you withdrew it"), "{}", page.text());
        for replica in 0..2 {
            let refused = exchange(&deployment, replica, &id).await?;
            assert_eq!(refusal(&refused)?, (400, "invalid_request".to_owned()));
        }
        wait::until("the revocation", Duration::from_secs(10), async || {
            let rows = deployment.audit("event=upstream.revoked").await.ok()?;
            (rows.first()?["outcome"] == "ok").then_some(())
        })
        .await?;
        assert_eq!(idp.refresh_tokens("alice"), before - 1);
        Ok(())
    })
}

#[test]
fn a_broker_that_is_killed_before_it_stored_the_answer_leaves_a_grant_that_says_so() -> Result<()> {
    run(async {
        let deployment = Arc::new(installation("background-killed").await?);
        let agent = Agent::new(&deployment).await?;
        let person = agent.person("bob")?;
        let idp = deployment.idp.as_ref().context("no provider")?;
        idp.inject("bob", Fault::ShortFirstTokens);
        allow(&deployment, &person).await?;
        let id = grant(&deployment, 1).await?["id"]
            .as_str()
            .context("no id")?
            .to_owned();
        // The provider spends the refresh token, and its answer does not arrive.
        idp.inject("bob", Fault::SlowTokenEndpoint(Duration::from_mins(10)));
        let call = tokio::spawn({
            let (deployment, id) = (Arc::clone(&deployment), id.clone());
            async move { exchange(&deployment, 0, &id).await.is_err() }
        });
        wait::until("the refresh", Duration::from_secs(10), async || {
            (idp.refreshes("bob") == 1).then_some(())
        })
        .await?;
        deployment.brokers.first().context("no broker")?.kill()?;
        assert!(call.await?, "it was answered");
        idp.heal("bob");

        // The other broker notices by itself, when nobody can be at work on it any more.
        let failing = wait::until("the failing grant", Duration::from_secs(90), async || {
            let path = "offline-grants";
            let answer = deployment.administer(Method::GET, path, None).await.ok()?;
            let item = answer.json().ok()?["items"].get(0)?.clone();
            (item["state"] == "failing").then_some(item)
        })
        .await?;
        assert_eq!(failing["failing_reason"], "interrupted");
        assert_eq!(grant(&deployment, 1).await?["state"], "failing");
        let refused = exchange(&deployment, 1, &id).await?;
        assert_eq!(refusal(&refused)?, (400, "invalid_request".to_owned()));
        assert!(refused.body.contains("/oauth/authorize-nextcloud?"));

        // Allowed again, the same grant works.
        allow(&deployment, &person).await?;
        assert_eq!(grant(&deployment, 1).await?["id"], id.as_str());
        exchange(&deployment, 1, &id).await?.success()?;
        Ok(())
    })
}
