//! The administrator's word over two replicas: what he says to one counts at the other within a
//! second.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::client::Tokens;
use harness::deployment::Deployment;
use harness::http::{Answer, Http};
use harness::wait;
use serde_json::json;

use crate::support::{Agent, own, refusal, run};

/// Asks the admin API; which replica answers is left to chance.
async fn administer(deployment: &Deployment, method: &str, path: &str) -> Result<Answer> {
    let line = deployment.describe();
    let url = line["admin_url"].as_str().context("no admin_url")?;
    let token = line["admin_token"].as_str().context("no admin_token")?;
    let http = Http::default();
    let request = http
        .client()
        .request(method.parse()?, format!("{url}/admin/v1/{path}"))
        .bearer_auth(token);
    http.send(request).await
}

/// Waits until every replica, asked directly, refuses to exchange the token with this code.
async fn refused_everywhere(deployment: &Deployment, token: &str, code: &str) -> Result<()> {
    let (client_id, client_secret) = deployment.gateway_credentials();
    for replica in 0..deployment.brokers.len() {
        let endpoint = deployment.addresses().replica_url(replica) + "/oauth/token";
        let http = Http::default();
        wait::until("the refusal", Duration::from_secs(1), async || {
            let request = http
                .client()
                .post(&endpoint)
                .basic_auth(client_id, Some(client_secret))
                .form(&[
                    (
                        "grant_type",
                        "urn:ietf:params:oauth:grant-type:token-exchange",
                    ),
                    ("subject_token", token),
                    (
                        "subject_token_type",
                        "urn:ietf:params:oauth:token-type:access_token",
                    ),
                    ("audience", "nextcloud"),
                ]);
            let answer = http.send(request).await.ok()?;
            (refusal(&answer).ok()?.1 == code).then_some(())
        })
        .await
        .with_context(|| format!("replica {replica}"))?;
    }
    Ok(())
}

#[test]
fn a_block_and_a_revocation_count_at_every_replica_within_a_second() -> Result<()> {
    run(async {
        let deployment = own("admin-replicas", |options| options.replicas = 2).await?;
        let agent = Agent::new(&deployment).await?;
        let client = format!("clients/{}", agent.credentials.client_id());

        // One session ended, the client stays.
        let tokens = agent.log_in("alice").await?;
        agent.exchange(&tokens.access_token).await?.success()?;
        let sessions = administer(
            &deployment,
            "GET",
            &format!("grants?client_id={}", agent.credentials.client_id()),
        )
        .await?
        .success()?
        .json()?;
        let id = sessions["items"][0]["grant_id"].as_str().context("no id")?;
        administer(&deployment, "POST", &format!("grants/{id}/revoke"))
            .await?
            .success()?;
        refused_everywhere(&deployment, &tokens.access_token, "invalid_request").await?;

        // The client blocked: its sessions end, and it gets no other.
        let tokens = agent.log_in("alice").await?;
        agent.exchange(&tokens.access_token).await?.success()?;
        let blocked = administer(&deployment, "POST", &format!("{client}/block"))
            .await?
            .success()?
            .json()?;
        assert_eq!(blocked["status"], "blocked");
        refused_everywhere(&deployment, &tokens.access_token, "invalid_request").await?;
        let refresh_token = tokens.refresh_token.context("no refresh token")?;
        let refused = agent.refresh(&refresh_token).await?;
        assert_eq!(refusal(&refused)?, (400, "unauthorized_client".to_owned()));

        // Let in again, the old session stays ended, and a new login works.
        administer(&deployment, "POST", &format!("{client}/approve"))
            .await?
            .success()?;
        let refused = agent.refresh(&refresh_token).await?;
        assert_eq!(refusal(&refused)?, (400, "invalid_grant".to_owned()));
        let tokens: Tokens = agent.log_in("alice").await?;
        agent.exchange(&tokens.access_token).await?.success()?;

        // Gone: the agent is a stranger.
        let deleted = administer(&deployment, "DELETE", &client).await?;
        assert_eq!(deleted.status, 204, "{}", deleted.describe());
        refused_everywhere(&deployment, &tokens.access_token, "invalid_request").await?;
        let trail = deployment.audit("event=client.blocked").await?;
        let row = trail.first().context("no audit row")?;
        assert_eq!(row["details"]["before"], json!({"status": "pending"}));
        assert_eq!(row["details"]["after"], json!({"status": "blocked"}));
        assert_eq!(row["actor"]["kind"], "administrator");
        ensure!(row["details"]["ended_sessions"] == 1, "{row}");
        Ok(())
    })
}
