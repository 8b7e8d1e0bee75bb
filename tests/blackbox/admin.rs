//! The administrator's word over two replicas: what he says to one counts at the other within a
//! second.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::client::Tokens;
use harness::deployment::Deployment;
use harness::http::Http;
use harness::wait;
use http::Method;
use serde_json::json;

use crate::support::{Agent, own, refusal, run};

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
        let sessions = deployment
            .administer(
                Method::GET,
                &format!("grants?client_id={}", agent.credentials.client_id()),
                None,
            )
            .await?
            .success()?
            .json()?;
        let id = sessions["items"][0]["grant_id"].as_str().context("no id")?;
        deployment
            .administer(Method::POST, &format!("grants/{id}/revoke"), None)
            .await?
            .success()?;
        refused_everywhere(&deployment, &tokens.access_token, "invalid_request").await?;

        // The client blocked: its sessions end, and it gets no other.
        let tokens = agent.log_in("alice").await?;
        agent.exchange(&tokens.access_token).await?.success()?;
        let blocked = deployment
            .administer(Method::POST, &format!("{client}/block"), None)
            .await?
            .success()?
            .json()?;
        assert_eq!(blocked["status"], "blocked");
        refused_everywhere(&deployment, &tokens.access_token, "invalid_request").await?;
        let refresh_token = tokens.refresh_token.context("no refresh token")?;
        let refused = agent.refresh(&refresh_token).await?;
        assert_eq!(refusal(&refused)?, (400, "unauthorized_client".to_owned()));

        // Let in again, the old session stays ended, and a new login works.
        deployment
            .administer(Method::POST, &format!("{client}/approve"), None)
            .await?
            .success()?;
        let refused = agent.refresh(&refresh_token).await?;
        assert_eq!(refusal(&refused)?, (400, "invalid_grant".to_owned()));
        let tokens: Tokens = agent.log_in("alice").await?;
        agent.exchange(&tokens.access_token).await?.success()?;

        // Gone: the agent is a stranger.
        let deleted = deployment.administer(Method::DELETE, &client, None).await?;
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
