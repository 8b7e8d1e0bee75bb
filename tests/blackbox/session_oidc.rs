//! Strategy `session` where people log in at Nextcloud's app `oidc`: what it takes, and its quirks.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::deployment::{Deployment, LoginApp, Options};
use harness::nextcloud::{AccessTokens, Credential, NextcloudStandIn};
use harness::{jwt, wait};
use serde_json::{Value, json};

use crate::support::{Agent, also, own, refusal, run};

const CREATE: &str = "nc_notes_create_note";
const SEARCH: &str = "nc_notes_search_notes";
/// A life after half of which the broker renews; Nextcloud takes the tokens for twice as long.
const SHORT: u64 = 4;
const USUAL: u64 = 900;

async fn installation(name: &str, change: impl FnOnce(&mut Options)) -> Result<Deployment> {
    own(name, |options| {
        "session".clone_into(&mut options.strategy);
        options.login_app = LoginApp::Oidc(AccessTokens::Opaque);
        options.replicas = 2;
        change(options);
    })
    .await
}

fn nextcloud(deployment: &Deployment) -> Result<&NextcloudStandIn> {
    deployment.nextcloud.as_ref().context("no stand-in")
}

fn note(title: &str) -> Value {
    json!({"title": title, "content": "", "category": ""})
}

#[test]
fn a_login_at_the_app_is_enough_for_a_tool_call_as_that_user() -> Result<()> {
    run(async {
        let deployment = installation("session-oidc", |_| ()).await?;
        let agent = Agent::new(&deployment).await?;
        let alice = agent.poster(&agent.log_in("alice").await?.access_token);
        let bob = agent.poster(&agent.log_in("bob").await?.access_token);
        let created = alice.call(CREATE, note("mine")).await?;
        assert_ne!(created["isError"], true, "{created}");
        let found = bob.call(SEARCH, json!({"query": "mine"})).await?;
        assert_ne!(found["isError"], true, "{found}");

        let nextcloud = nextcloud(&deployment)?;
        assert_eq!(nextcloud.notes("alice").len(), 1);
        assert!(nextcloud.notes("bob").is_empty());
        let requests = nextcloud.observations().requests_of("alice");
        let by_token = requests
            .iter()
            .filter(|request| request.credential == Credential::OpaqueBearer);
        assert!(by_token.count() >= 1, "{requests:?}");
        assert!(nextcloud.observations().violations().is_empty());

        // A second factor is no obstacle: the login asked for it.
        nextcloud.set_second_factor("alice", true);
        let created = alice.call(CREATE, note("second")).await?;
        assert_ne!(created["isError"], true, "{created}");
        // Without the switch in user_oidc the tokens are worth nothing, and the model is told.
        nextcloud.set_oidc_bearer_validation(false);
        let refused = alice.call(CREATE, note("third")).await?;
        assert_eq!(refused["isError"], true, "{refused}");
        Ok(())
    })
}

#[test]
fn a_renewal_that_kills_the_old_pair_loses_no_call() -> Result<()> {
    run(async {
        let deployment = installation("session-oidc-renewal", |_| ()).await?;
        let nextcloud = nextcloud(&deployment)?;
        nextcloud.set_oidc_life(SHORT);
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;
        nextcloud.set_oidc_life(USUAL);
        let alice = agent.poster(&tokens.access_token);

        let mut calls = 0;
        wait::until("a renewal", Duration::from_secs(20), async || {
            let created = alice.call(CREATE, note("before")).await.ok()?;
            assert_ne!(created["isError"], true, "{created}");
            calls += 1;
            (nextcloud.oidc_renewals() > 0).then_some(())
        })
        .await?;
        // Both replicas have the new one, and nobody asks for another.
        for _ in 0..6 {
            let created = alice.call(CREATE, note("after")).await?;
            assert_ne!(created["isError"], true, "{created}");
            calls += 1;
        }
        assert_eq!(nextcloud.notes("alice").len(), calls);
        assert_eq!(nextcloud.oidc_renewals(), 1);
        assert_eq!(nextcloud.observations().bearer_tokens().len(), 2);
        let rows = deployment.audit("event=upstream.renewed").await?;
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0]["outcome"], "ok");
        Ok(())
    })
}

#[test]
fn a_login_that_nextcloud_forgot_ends_the_session() -> Result<()> {
    run(async {
        let deployment = installation("session-oidc-ends", |_| ()).await?;
        let nextcloud = nextcloud(&deployment)?;
        nextcloud.set_oidc_life(SHORT);
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;
        nextcloud.forget_oidc("alice");
        let refused = wait::until("the refusal", Duration::from_secs(20), async || {
            let answer = agent.exchange(&tokens.access_token).await.ok()?;
            (answer.status == 400).then_some(answer)
        })
        .await?;
        assert_eq!(refusal(&refused)?, (400, "invalid_grant".to_owned()));
        let rows = deployment.audit("event=grant.ended").await?;
        assert_eq!(rows[0]["details"]["reason"], "upstream_ended", "{rows:?}");
        let refresh = tokens.refresh_token.context("no refresh token")?;
        let refused = agent.refresh(&refresh).await?;
        assert_eq!(refusal(&refused)?, (400, "invalid_grant".to_owned()));
        Ok(())
    })
}

/// With `token_type = jwt` a token says for whom it is: for the client, unless a resource was asked for.
#[test]
fn a_jwt_of_the_app_goes_to_the_audience_that_it_names() -> Result<()> {
    run(async {
        for (audience, fits) in [("mcp-token-broker", true), ("another", false)] {
            let deployment = installation(&format!("session-oidc-{fits}"), |options| {
                options.login_app = LoginApp::Oidc(AccessTokens::Jwt);
                options.replicas = 1;
                also(options, move |config| {
                    config["downstreams"][0]["audience"] = json!(audience);
                });
            })
            .await?;
            let agent = Agent::new(&deployment).await?;
            let tokens = agent.log_in("alice").await?;
            let answer = agent.exchange(&tokens.access_token).await?;
            if fits {
                let body = answer.success()?.json()?;
                let token = body["access_token"].as_str().context("no token")?;
                assert_eq!(jwt::claims(token)?["aud"], audience);
                let alice = agent.poster(&tokens.access_token);
                let created = alice.call(CREATE, note("mine")).await?;
                assert_ne!(created["isError"], true, "{created}");
            } else {
                assert_eq!(refusal(&answer)?, (400, "invalid_target".to_owned()));
            }
        }
        Ok(())
    })
}

/// The app's issuer is whatever host it is asked as. A broker that reaches Nextcloud by another name
/// than its users do finds out at the login, not with a token of the wrong issuer.
#[test]
fn another_name_for_nextcloud_is_another_issuer() -> Result<()> {
    run(async {
        let deployment = installation("session-oidc-host", |options| {
            options.replicas = 1;
            also(options, |config| {
                let issuer = config["upstream"]["issuer"].as_str().unwrap_or_default();
                let other = issuer.replace("127.0.0.1", "localhost");
                config["upstream"]["back_channel_url"] = json!(other);
            });
        })
        .await?;
        let agent = Agent::new(&deployment).await?;
        let pending = agent.pending()?;
        let person = agent.person("alice")?;
        let consent = person.consent_page(&pending.url).await?;
        let form = consent.form()?.press("decision", "allow")?;
        let answer = person.browser.submit_hop(&form).await?;
        let landing = match answer.location() {
            Some(url) => url.to_string(),
            None => answer.body,
        };
        ensure!(!landing.contains("/apps/oidc/authorize"), "{landing}");
        assert!(deployment.logs().contains("issuer"), "the log says why");
        Ok(())
    })
}
