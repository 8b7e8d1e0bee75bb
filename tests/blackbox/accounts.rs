//! Accounts that end at Nextcloud end here, and are not brought back; and a logout at the identity
//! provider is one here.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::deployment::{Deployment, Options};
use harness::nextcloud::{Account, NextcloudStandIn};
use harness::wait;
use serde_json::{Value, json};

use crate::support::{Agent, also, bad_request, own, refusal, run};

const SEARCH: &str = "nc_notes_search_notes";
const PATIENCE: Duration = Duration::from_secs(20);

/// The broker asks Nextcloud as an administrator, this often.
fn administered(options: &mut Options, interval: &'static str) {
    also(options, move |config| {
        config["nextcloud"] = json!({
            "admin_user": "admin",
            "admin_password": "admin-password",
            "account_interval": interval,
        });
    });
}

fn nextcloud(deployment: &Deployment) -> &NextcloudStandIn {
    let nextcloud = deployment.nextcloud.as_ref().unwrap();
    nextcloud.add_account(Account::new("admin", "admin-password").administrator());
    nextcloud
}

/// Waits until the broker has ended the account; gives the audit row.
async fn ended(deployment: &Deployment) -> Result<Value> {
    wait::until("the end of the account", PATIENCE, async || {
        let rows = deployment.audit("event=account.ended").await.ok()?;
        rows.into_iter().next()
    })
    .await
}

#[test]
fn a_deleted_account_is_not_made_again_by_a_minted_token() -> Result<()> {
    run(async {
        // Without an administrator: only the account's picture is asked for.
        let deployment = own("accounts-deleted", |options| {
            options.replicas = 2;
            also(options, |config| {
                config["nextcloud"] = json!({ "account_interval": "1s" });
            });
        })
        .await?;
        let nextcloud = deployment.nextcloud.as_ref().unwrap();
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;
        let alice = agent.poster(&tokens.access_token);
        let found = alice.call(SEARCH, json!({"query": "x"})).await?;
        assert_ne!(found["isError"], true, "{found}");
        wait::until("a look at the account", PATIENCE, async || {
            let requests = nextcloud.observations().requests();
            let looked = |path: &str| path == "/index.php/avatar/alice/64";
            requests
                .iter()
                .any(|seen| looked(&seen.path) && seen.status == Some(200))
                .then_some(())
        })
        .await?;

        nextcloud.delete_account("alice");
        let row = ended(&deployment).await?;
        assert_eq!(row["details"]["reason"], "gone", "{row}");

        // Nothing is minted any more, so nothing brings her back.
        let refused = agent.exchange(&tokens.access_token).await?;
        assert_eq!(refusal(&refused)?, bad_request("invalid_request"));
        let call = alice.call(SEARCH, json!({"query": "x"})).await?;
        assert_eq!(call["isError"], true, "{call}");
        ensure!(nextcloud.account("alice").is_none(), "she is back");
        let refresh_token = tokens.refresh_token.context("no refresh token")?;
        let refused = agent.refresh(&refresh_token).await?;
        assert_eq!(refusal(&refused)?, bad_request("invalid_grant"));
        ensure!(nextcloud.observations().violations().is_empty());
        Ok(())
    })
}

#[test]
fn a_disabled_account_is_noticed_when_nextcloud_refuses_its_token() -> Result<()> {
    run(async {
        // The interval is out of reach: what makes the broker look is the refused token.
        let deployment = own("accounts-disabled", |options| administered(options, "1d")).await?;
        let nextcloud = nextcloud(&deployment);
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;
        let alice = agent.poster(&tokens.access_token);
        let found = alice.call(SEARCH, json!({"query": "x"})).await?;
        assert_ne!(found["isError"], true, "{found}");

        nextcloud.set_enabled("alice", false);
        wait::until("the end of her session", PATIENCE, async || {
            let call = alice.call(SEARCH, json!({"query": "x"})).await.ok()?;
            assert_eq!(call["isError"], true, "{call}");
            let refused = agent.exchange(&tokens.access_token).await.ok()?;
            (refused.status == 400).then_some(())
        })
        .await?;
        let row = ended(&deployment).await?;
        assert_eq!(row["details"]["reason"], "disabled", "{row}");

        // Nobody else noticed anything.
        let bob = agent.log_in("bob").await?;
        agent.exchange(&bob.access_token).await?.success()?;
        // Enabled again, she signs in anew.
        nextcloud.set_enabled("alice", true);
        let tokens = agent.log_in("alice").await?;
        agent.exchange(&tokens.access_token).await?.success()?;
        Ok(())
    })
}

#[test]
fn a_logout_at_the_identity_provider_ends_the_sessions_here() -> Result<()> {
    run(async {
        let deployment = own("accounts-logout", |options| options.replicas = 2).await?;
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;
        let bob = agent.log_in("bob").await?;
        agent.exchange(&tokens.access_token).await?.success()?;
        let idp = deployment.idp.as_ref().context("no provider")?;
        let logout_token = idp.logout_token("alice").context("no alice")?;
        let url = format!("{}/oauth/backchannel-logout", deployment.issuer());
        let post = async || {
            let form = [("logout_token", logout_token.as_str())];
            agent
                .http
                .send(agent.http.client().post(&url).form(&form))
                .await
        };
        assert_eq!(post().await?.status, 200);
        // At the other replica too, it counts once.
        assert_eq!(refusal(&post().await?)?, bad_request("invalid_request"));
        wait::until("the refusal", Duration::from_secs(1), async || {
            let first = agent.exchange(&tokens.access_token).await.ok()?;
            let second = agent.exchange(&tokens.access_token).await.ok()?;
            (first.status == 400 && second.status == 400).then_some(())
        })
        .await?;
        agent.exchange(&bob.access_token).await?.success()?;
        Ok(())
    })
}
