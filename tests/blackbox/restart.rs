//! The broker is killed, as by a crash, in the middle of things: nothing is lost.

use anyhow::{Context as _, Result};
use harness::client::Tokens;
use harness::deployment::Deployment;
use serde_json::json;

use crate::support::{Agent, own, run};

/// Kills the broker and starts it again.
async fn crash(deployment: &Deployment) -> Result<()> {
    deployment
        .brokers
        .first()
        .context("no broker")?
        .restart()
        .await
}

#[test]
fn a_login_survives_a_crash_of_the_broker_after_each_of_its_steps() -> Result<()> {
    run(async {
        let deployment = own("restart-login", |_| ()).await?;
        let agent = Agent::new(&deployment).await?;
        crash(&deployment).await.context("after the registration")?;

        let person = agent.person("alice")?;
        let pending = agent.pending()?;
        let consent = person.consent_page(&pending.url).await?;
        crash(&deployment)
            .await
            .context("while the consent page is shown")?;

        let login = person.login_page(&consent).await?;
        crash(&deployment)
            .await
            .context("while the person types the password")?;

        let redirect = person
            .browser
            .submit(&person.credentials(&login)?)
            .await?
            .stopped()?;
        crash(&deployment)
            .await
            .context("between the code and its redemption")?;

        let first = agent.redeem(&pending, &redirect).await?;
        crash(&deployment).await.context("before the refresh")?;

        let spent = first.refresh_token.context("no refresh token")?;
        let second: Tokens = agent.refresh(&spent).await?.try_into()?;
        agent.poster(&second.access_token).tools().await?;
        Ok(())
    })
}

#[test]
fn tool_calls_go_on_after_a_crash_with_the_token_from_before() -> Result<()> {
    run(async {
        let deployment = own("restart-call", |_| ()).await?;
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;
        let poster = agent.poster(&tokens.access_token);
        let keys = agent
            .http
            .get(agent.server.endpoint("jwks_uri")?)
            .await?
            .json()?;
        let created = poster
            .call(
                "nc_notes_create_note",
                json!({ "title": "Before", "content": "", "category": "" }),
            )
            .await?;
        assert_ne!(created["isError"], true, "{created}");

        crash(&deployment).await?;

        let id = &created["structuredContent"]["id"];
        let read = poster
            .call("nc_notes_get_note", json!({ "note_id": id }))
            .await?;
        assert_eq!(read["structuredContent"]["title"], "Before", "{read}");
        let same = agent
            .http
            .get(agent.server.endpoint("jwks_uri")?)
            .await?
            .json()?;
        assert_eq!(keys, same, "the signing keys changed");
        Ok(())
    })
}

#[test]
fn while_the_broker_is_down_a_tool_call_fails_with_a_sentence_and_works_again_after() -> Result<()>
{
    run(async {
        let deployment = own("restart-down", |_| ()).await?;
        let agent = Agent::new(&deployment).await?;
        let poster = agent.poster(&agent.log_in("alice").await?.access_token);
        let search = || poster.call("nc_notes_search_notes", json!({ "query": "anything" }));
        assert_ne!(search().await?["isError"], true);

        let broker = deployment.brokers.first().context("no broker")?;
        broker.kill()?;
        let failed = search().await?;
        assert_eq!(failed["isError"], true, "{failed}");
        broker.launch().await?;
        assert_ne!(search().await?["isError"], true);
        Ok(())
    })
}

#[test]
fn what_was_revoked_before_a_crash_is_revoked_after_it() -> Result<()> {
    run(async {
        let deployment = own("restart-revoked", |_| ()).await?;
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;
        let refresh_token = tokens.refresh_token.context("no refresh token")?;
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

        crash(&deployment).await?;

        assert!(
            !agent
                .exchange(&tokens.access_token)
                .await?
                .status
                .is_success()
        );
        assert!(!agent.refresh(&refresh_token).await?.status.is_success());
        Ok(())
    })
}
