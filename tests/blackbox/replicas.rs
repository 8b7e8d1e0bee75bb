//! Two brokers behind one address: every request may meet the other one.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::future::try_join_all;
use harness::browser::Page;
use harness::client::{Pending, REDIRECT_URI, Tokens};
use harness::http::Http;
use harness::person::Person;
use harness::process::Process;
use harness::{jwt, wait};
use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::support::{Agent, bad_request, own, refusal, run};

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

/// What a login has come to.
enum Login {
    Asked(Pending),
    Consent(Pending, Page),
    Password(Pending, Page),
    Code(Pending, Url),
    Tokens(Tokens),
    Refreshed(Tokens),
}

/// One step of a login, of as many requests as a browser or a client makes for it.
async fn step(agent: &Agent<'_>, person: &Person, login: Login) -> Result<Login> {
    Ok(match login {
        Login::Asked(pending) => {
            let page = person.consent_page(&pending.url).await?;
            Login::Consent(pending, page)
        }
        Login::Consent(pending, page) => {
            let page = person.login_page(&page).await?;
            Login::Password(pending, page)
        }
        Login::Password(pending, page) => {
            let form = person.credentials(&page)?;
            let redirect = person.browser.submit(&form).await?.stopped()?;
            Login::Code(pending, redirect)
        }
        Login::Code(pending, redirect) => Login::Tokens(agent.redeem(&pending, &redirect).await?),
        Login::Tokens(tokens) | Login::Refreshed(tokens) => {
            agent.exchange(&tokens.access_token).await?.success()?;
            let spent = tokens.refresh_token.context("no refresh token")?;
            Login::Refreshed(agent.refresh(&spent).await?.try_into()?)
        }
    })
}

/// How many steps there are until the first refresh is done.
const STEPS: usize = 5;

#[test]
fn every_request_of_a_login_may_land_on_another_replica() -> Result<()> {
    run(async {
        let deployment = own("replica-turns", |options| options.replicas = 2).await?;
        let agent = Agent::new(&deployment).await?;
        let served = || deployment.brokers.iter().map(requests).collect::<Vec<_>>();
        let person = agent.person("alice")?;
        let mut login = Login::Asked(agent.pending()?);
        let before = served();
        for _ in 0..STEPS {
            login = step(&agent, &person, login).await?;
        }
        assert!(matches!(login, Login::Refreshed(_)));
        // In turn; other programs ask for the keys now and then.
        let after = served();
        let each: Vec<_> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
        assert!(each[0] >= 3 && each[0].abs_diff(each[1]) <= 2, "{each:?}");
        Ok(())
    })
}

/// How many requests a broker has answered, as its log has it.
fn requests(broker: &Process) -> usize {
    let log = broker.log();
    let is_one = |line: &&str| line.contains("answered") && line.contains("/oauth/");
    log.lines().filter(is_one).count()
}

#[test]
fn either_replica_may_be_killed_before_any_step_of_a_login() -> Result<()> {
    run(async {
        let deployment = own("replica-killed", |options| options.replicas = 2).await?;
        let agent = Agent::new(&deployment).await?;
        for (victim, name) in deployment.brokers.iter().zip(["alice", "bob"]) {
            let person = agent.person(name)?;
            let mut login = Login::Asked(agent.pending()?);
            for number in 0..STEPS {
                victim.kill()?;
                login = step(&agent, &person, login)
                    .await
                    .with_context(|| format!("step {number} of {name}"))?;
                victim.launch().await?;
            }
            let Login::Refreshed(tokens) = login else {
                bail!("{name} has not come to the end");
            };
            agent.poster(&tokens.access_token).tools().await?;
        }
        Ok(())
    })
}

#[test]
fn of_a_code_redeemed_at_both_replicas_at_once_one_redemption_succeeds() -> Result<()> {
    run(async {
        let deployment = own("replica-code", |options| options.replicas = 2).await?;
        let agent = Agent::new(&deployment).await?;
        for _ in 0..5 {
            let pending = agent.pending()?;
            let code = agent.code(&agent.person("alice")?, &pending).await?;
            let redeem = async |replica: usize| {
                let form = [
                    ("grant_type", "authorization_code"),
                    ("code", code.as_str()),
                    ("code_verifier", pending.verifier.as_str()),
                    ("redirect_uri", REDIRECT_URI),
                    ("client_id", agent.credentials.client_id()),
                ];
                let endpoint = deployment.addresses().replica_url(replica) + "/oauth/token";
                agent.http.post_form(endpoint, &form).await
            };
            let (one, two) = tokio::join!(redeem(0), redeem(1));
            let (won, lost): (Vec<_>, Vec<_>) = [one?, two?]
                .into_iter()
                .partition(|answer| answer.status.is_success());
            assert_eq!(won.len(), 1, "{lost:?}");
            assert_eq!(refusal(&lost[0])?, bad_request("invalid_grant"));
        }
        Ok(())
    })
}

#[test]
fn a_hundred_parallel_refreshes_leave_one_branch_and_no_failure() -> Result<()> {
    run(async {
        let deployment = own("replica-refresh", |options| options.replicas = 2).await?;
        let agent = Agent::new(&deployment).await?;
        let spent = agent.log_in("alice").await?.refresh_token.context("none")?;
        let answers = try_join_all((0..100).map(|_| agent.refresh(&spent))).await?;
        let mut successors = BTreeSet::new();
        for answer in answers {
            let tokens: Tokens = answer.try_into()?;
            agent.exchange(&tokens.access_token).await?.success()?;
            successors.extend(tokens.refresh_token);
        }
        assert_eq!(successors.len(), 1);
        let successor = successors.first().context("no successor")?;
        agent.refresh(successor).await?.success()?;
        assert_eq!(agent.audit("refresh.reused").await?, Vec::<Value>::new());
        Ok(())
    })
}

#[test]
fn keys_rotate_while_tokens_are_issued_and_verified() -> Result<()> {
    run(async {
        let deployment = own("replica-keys", |options| options.replicas = 2).await?;
        let agent = Agent::new(&deployment).await?;
        let mut tokens = agent.log_in("alice").await?;
        let mut signed_with = BTreeSet::new();
        let mut with_the_new = 0;
        let start = Instant::now();
        let rotated = deployment.administer(Method::POST, "keys/rotate?at_once=true", None);
        rotated.await?.success()?;
        while with_the_new < 10 {
            ensure!(
                start.elapsed() < Duration::from_mins(1),
                "the new key never signed: {signed_with:?}"
            );
            let spent = tokens.refresh_token.context("no refresh token")?;
            tokens = agent.refresh(&spent).await?.try_into()?;
            // Verified at the gateway, and at whichever replica the exchange lands on.
            agent.poster(&tokens.access_token).tools().await?;
            agent.exchange(&tokens.access_token).await?.success()?;
            signed_with.insert(jwt::header(&tokens.access_token)?["kid"].to_string());
            with_the_new += usize::from(signed_with.len() == 2);
        }
        Ok(())
    })
}
