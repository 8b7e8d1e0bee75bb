//! Resources that an administrator adds and deletes while the brokers run.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::deployment::Deployment;
use harness::http::Http;
use harness::wait;
use http::Method;
use serde_json::json;
use url::Url;

use crate::support::{Agent, own, refusal, run};

const ADDED: &str = "https://added.example/mcp";
const PATH: &str = "resources/https%3A%2F%2Fadded.example%2Fmcp";

/// Waits until each replica, asked directly, publishes the resource or publishes it no more.
async fn published_everywhere(deployment: &Deployment, expected: bool) -> Result<()> {
    for replica in 0..deployment.brokers.len() {
        let document =
            deployment.addresses().replica_url(replica) + "/.well-known/oauth-authorization-server";
        let http = Http::default();
        wait::until("the metadata", Duration::from_secs(1), async || {
            let document = http.get(&document).await.ok()?.json().ok()?;
            let resources = document["protected_resources"].as_array()?;
            (resources.contains(&json!(ADDED)) == expected).then_some(())
        })
        .await
        .with_context(|| format!("replica {replica}"))?;
    }
    Ok(())
}

/// Where each replica, asked directly, sends a login for the resource.
async fn sent_to(agent: &Agent<'_>) -> Result<Vec<String>> {
    let mut places = Vec::new();
    for replica in 0..agent.deployment.brokers.len() {
        let asked = agent.pending_for(Some(ADDED), None)?.url;
        let mut url = Url::parse(&agent.deployment.addresses().replica_url(replica))?;
        url.set_path(asked.path());
        url.set_query(asked.query());
        let answer = agent.http.get(url.as_str()).await?;
        let place = answer
            .header("location")
            .with_context(|| answer.describe())?;
        places.push(place.to_owned());
    }
    Ok(places)
}

#[test]
fn an_added_resource_is_good_for_logins_at_every_replica_until_it_is_deleted() -> Result<()> {
    run(async {
        let deployment = own("admin-resources", |options| options.replicas = 2).await?;
        let agent = Agent::new(&deployment).await?;
        for place in sent_to(&agent).await? {
            ensure!(place.contains("error=invalid_target"), "{place}");
        }

        let body = json!({
            "id": ADDED, "name": "Added tools", "scopes": { "added.use": "Use the added tools" },
        });
        let created = deployment
            .administer(Method::POST, "resources", Some(&body))
            .await?;
        assert_eq!(created.status, 201, "{}", created.describe());
        published_everywhere(&deployment, true).await?;
        for place in sent_to(&agent).await? {
            ensure!(place.contains("/oauth/consent"), "{place}");
        }
        let tokens = agent.log_in_for("alice", Some(ADDED), None).await?;
        let refresh_token = tokens.refresh_token.context("no refresh token")?;
        assert_eq!(tokens.scope, "added.use");

        let deleted = deployment.administer(Method::DELETE, PATH, None).await?;
        assert_eq!(deleted.status, 204, "{}", deleted.describe());
        published_everywhere(&deployment, false).await?;
        for place in sent_to(&agent).await? {
            ensure!(place.contains("error=invalid_target"), "{place}");
        }
        let refused = agent.refresh(&refresh_token).await?;
        assert_eq!(refusal(&refused)?, (400, "invalid_target".to_owned()));
        let trail = deployment.audit("event=resource.deleted").await?;
        let row = trail.first().context("no audit row")?;
        assert_eq!(row["resource"], ADDED);
        ensure!(row["details"]["ended_sessions"] == 1, "{row}");

        // Added again under the same name, what was before stays over.
        deployment
            .administer(Method::POST, "resources", Some(&body))
            .await?
            .success()?;
        published_everywhere(&deployment, true).await?;
        let refused = agent.refresh(&refresh_token).await?;
        assert_eq!(refusal(&refused)?, (400, "invalid_grant".to_owned()));
        Ok(())
    })
}
