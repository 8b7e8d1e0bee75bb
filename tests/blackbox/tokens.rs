//! The ordinary life of tokens: what they say, how they are renewed, how they end.

use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::client::{Tokens, code_grant};
use harness::{jwt, wait};
use serde_json::{Value, json};

use crate::support::{Agent, bad_request, refusal, run, shared};

#[test]
fn an_access_token_is_a_jwt_of_rfc_9068_for_this_resource_alone() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let tokens = agent.log_in("alice").await?;
        let header = jwt::header(&tokens.access_token)?;
        assert_eq!(header["typ"], "at+jwt");
        assert_eq!(header["alg"], "ES256");
        let claims = jwt::claims(&tokens.access_token)?;
        assert_eq!(claims["iss"], deployment.issuer().as_str());
        assert_eq!(claims["aud"], agent.resource.id.as_str());
        assert_eq!(claims["client_id"], agent.credentials.client_id());
        assert_eq!(claims["scope"], tokens.scope.as_str());
        for name in ["sub", "jti", "sid"] {
            assert!(
                claims[name].as_str().is_some_and(|value| !value.is_empty()),
                "{name}"
            );
        }
        let seconds = |name: &str| claims[name].as_u64().context("no number");
        assert_eq!(seconds("exp")? - seconds("iat")?, 600);
        assert_eq!(tokens.expires_in, 600);

        let keys = agent
            .http
            .get(agent.server.endpoint("jwks_uri")?)
            .await?
            .success()?
            .json()?;
        let known = keys["keys"].as_array().context("no keys")?;
        assert!(
            known.iter().any(|key| key["kid"] == header["kid"]),
            "{keys}"
        );
        assert!(
            known.iter().all(|key| key["d"] == Value::Null),
            "a private key is published"
        );
        Ok(())
    })
}

#[test]
fn a_refresh_gives_new_tokens_for_the_same_grant() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let first = agent.log_in("alice").await?;
        let spent = first.refresh_token.context("no refresh token")?;
        let second: Tokens = agent.refresh(&spent).await?.try_into()?;
        assert_ne!(second.refresh_token.as_ref(), Some(&spent));
        let (before, after) = (
            jwt::claims(&first.access_token)?,
            jwt::claims(&second.access_token)?,
        );
        for name in ["sub", "aud", "client_id", "scope", "sid"] {
            assert_eq!(before[name], after[name], "{name}");
        }
        assert_ne!(before["jti"], after["jti"]);
        Ok(())
    })
}

#[test]
fn two_processes_that_refresh_at_the_same_moment_both_go_on() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let shared_token = agent.log_in("alice").await?.refresh_token.context("none")?;
        let (one, two) = tokio::join!(agent.refresh(&shared_token), agent.refresh(&shared_token));
        let (one, two): (Tokens, Tokens) = (one?.try_into()?, two?.try_into()?);
        for tokens in [one, two] {
            agent.poster(&tokens.access_token).tools().await?;
        }
        assert_eq!(agent.audit("refresh.reused").await?, Vec::<Value>::new());
        Ok(())
    })
}

#[test]
fn a_refresh_may_ask_for_fewer_scopes() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let refresh_token = agent.log_in("alice").await?.refresh_token.context("none")?;
        let answer = agent
            .token(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", &refresh_token),
                ("scope", "notes.read"),
            ])
            .await?;
        assert_eq!(Tokens::try_from(answer)?.scope, "notes.read");
        Ok(())
    })
}

#[test]
fn a_code_needs_no_redirect_uri_at_the_token_endpoint_but_a_wrong_one_is_refused() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        // OAuth 2.1 §4.1.3 dropped the parameter; PKCE does its work.
        let pending = agent.pending()?;
        let code = agent.code(&agent.person("alice")?, &pending).await?;
        let form: Vec<_> = code_grant(&pending, &code)
            .into_iter()
            .filter(|(name, _)| *name != "redirect_uri")
            .collect();
        agent.token(&form).await?.success()?;

        let pending = agent.pending()?;
        let code = agent.code(&agent.person("alice")?, &pending).await?;
        let form = code_grant(&pending, &code).map(|(name, value)| match name {
            "redirect_uri" => (name, "http://127.0.0.1:33418/elsewhere"),
            _ => (name, value),
        });
        assert_eq!(
            refusal(&agent.token(&form).await?)?,
            bad_request("invalid_grant")
        );
        Ok(())
    })
}

#[test]
fn revoking_a_refresh_token_ends_the_session_for_exchange_within_a_second() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let tokens = agent.log_in("alice").await?;
        let refresh_token = tokens.refresh_token.context("no refresh token")?;
        agent.exchange(&tokens.access_token).await?.success()?;

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

        assert_eq!(
            refusal(&agent.refresh(&refresh_token).await?)?,
            bad_request("invalid_grant")
        );
        let answer = wait::until("the refusal", Duration::from_secs(1), async || {
            let answer = agent.exchange(&tokens.access_token).await.ok()?;
            (!answer.status.is_success()).then_some(answer)
        })
        .await?;
        assert_eq!(refusal(&answer)?, bad_request("invalid_request"));
        assert_eq!(agent.audit("token.revoked").await?.len(), 1);
        // A stranger's token, or none at all, is revoked as well (RFC 7009 §2.2).
        let form = [
            ("token", "unknown"),
            ("client_id", agent.credentials.client_id()),
        ];
        agent
            .http
            .post_form(revoke.as_str(), &form)
            .await?
            .success()?;
        Ok(())
    })
}

#[test]
fn a_login_leaves_its_trail_in_the_audit() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let tokens = agent.log_in("bob").await?;
        let subject = jwt::claims(&tokens.access_token)?["sub"].clone();
        for event in [
            "client.registered",
            "authorization.started",
            "authorization.consented",
            "login.succeeded",
            "code.issued",
            "token.issued",
        ] {
            let rows = agent.audit(event).await?;
            assert_eq!(rows.len(), 1, "{event}: {rows:?}");
        }
        let issued = agent.audit("token.issued").await?;
        let row = issued.first().context("no row")?;
        assert_eq!(row["outcome"], "ok");
        assert_eq!(row["sub"], subject);
        assert_eq!(row["resource"], agent.resource.id.as_str());
        assert!(row["request_id"].is_string(), "{row}");
        Ok(())
    })
}

#[test]
fn a_tool_call_leaves_its_trail_in_the_audit() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let tokens = agent.log_in("heidi").await?;
        let subject = jwt::claims(&tokens.access_token)?["sub"].clone();
        let poster = agent.poster(&tokens.access_token);
        poster
            .call("nc_notes_search_notes", json!({ "query": "anything" }))
            .await?;
        let subject = subject.as_str().context("no sub")?;
        let rows = deployment
            .audit(&format!("event=exchange.granted&sub={subject}"))
            .await?;
        let row = rows
            .iter()
            .find(|row| row["tool"] == "nc_notes_search_notes")
            .with_context(|| format!("{rows:?}"))?;
        assert_eq!(row["client_id"], deployment.gateway_credentials().0);
        assert_eq!(row["downstream"], "nextcloud");
        assert_eq!(row["outcome"], "ok");
        Ok(())
    })
}
