//! Two brokers behind one address: every request may meet the other one.

use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::client::Tokens;
use harness::http::Http;
use harness::wait;
use serde_json::json;

use crate::support::{Agent, own, refusal, run};

#[test]
fn a_whole_session_runs_over_two_replicas_and_a_revocation_reaches_both() -> Result<()> {
    run(async {
        let deployment = own("replicas", |options| options.replicas = 2).await?;
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;
        let poster = agent.poster(&tokens.access_token);
        for n in 0..4 {
            let note = json!({ "title": format!("Note {n}"), "content": "", "category": "" });
            let created = poster.call("nc_notes_create_note", note).await?;
            assert_ne!(created["isError"], true, "{created}");
        }
        let spent = tokens.refresh_token.context("no refresh token")?;
        let fresh: Tokens = agent.refresh(&spent).await?.try_into()?;

        let refresh_token = fresh.refresh_token.context("no refresh token")?;
        let form = [
            ("token", refresh_token.as_str()),
            ("client_id", agent.credentials.client_id()),
        ];
        let revoke = agent.server.endpoint("revocation_endpoint")?;
        agent
            .http
            .post_form(revoke.as_str(), &form)
            .await?
            .success()?;

        // Asked directly, each replica must know it within a second.
        for replica in 0..deployment.brokers.len() {
            let endpoint = deployment.addresses().replica_url(replica) + "/oauth/token";
            let (client_id, client_secret) = deployment.gateway_credentials();
            let http = Http::default();
            wait::until("the refusal", Duration::from_secs(1), async || {
                let request = http
                    .client()
                    .post(&endpoint)
                    .basic_auth(client_id, Some(client_secret));
                let answer = http
                    .send(request.form(&[
                        (
                            "grant_type",
                            "urn:ietf:params:oauth:grant-type:token-exchange",
                        ),
                        ("subject_token", fresh.access_token.as_str()),
                        (
                            "subject_token_type",
                            "urn:ietf:params:oauth:token-type:access_token",
                        ),
                        ("audience", "nextcloud"),
                    ]))
                    .await
                    .ok()?;
                (refusal(&answer).ok()? == (400, "invalid_request".to_owned())).then_some(())
            })
            .await
            .with_context(|| format!("replica {replica}"))?;
        }
        Ok(())
    })
}

#[test]
fn when_one_replica_dies_the_other_carries_on() -> Result<()> {
    run(async {
        let deployment = own("replica-dies", |options| options.replicas = 2).await?;
        let agent = Agent::new(&deployment).await?;
        let person = agent.person("alice")?;
        let pending = agent.pending()?;
        let consent = person.consent_page(&pending.url).await?;
        deployment.brokers.first().context("no broker")?.kill()?;
        let login = person.login_page(&consent).await?;
        let redirect = person
            .browser
            .submit(&person.credentials(&login)?)
            .await?
            .stopped()?;
        let tokens = agent.redeem(&pending, &redirect).await?;
        agent.exchange(&tokens.access_token).await?.success()?;
        Ok(())
    })
}
