//! What the token endpoint refuses: exactly the error of the RFC, an audit row, and nothing lost.

use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::client::{Credentials, Tokens, code_grant};
use harness::jwt::{self, SigningKey};
use harness::random;
use harness::wait;
use serde_json::{Value, json};

use crate::support::{
    ARCHIVE, Agent, BATCH, OTHER_RESOURCE, OTHER_SERVER, SECRET, also, bad_request, own, refusal,
    run, secret, shared,
};

/// The newest audit row of a refused exchange with this error, by this client.
async fn refused_exchange(agent: &Agent<'_>, client_id: &str, error: &str) -> Result<Value> {
    let query = format!("event=exchange.refused&client_id={client_id}&limit=100");
    let rows = agent.deployment.audit(&query).await?;
    let row = rows.iter().find(|row| row["error"] == error);
    let row = row.with_context(|| format!("no row about {error} by {client_id}: {rows:?}"))?;
    assert_eq!(row["outcome"], "refused");
    Ok(row.clone())
}

/// That the subject token still works: the refusal has cost nothing.
async fn nothing_is_lost(agent: &Agent<'_>, tokens: &Tokens) -> Result<()> {
    agent.exchange(&tokens.access_token).await?.success()?;
    agent.poster(&tokens.access_token).tools().await?;
    Ok(())
}

#[test]
fn a_subject_token_for_another_resource_is_an_invalid_target() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let other = agent
            .log_in_for("alice", Some(OTHER_RESOURCE), None)
            .await?;
        let answer = agent.exchange(&other.access_token).await?;
        assert_eq!(refusal(&answer)?, bad_request("invalid_target"));
        refused_exchange(&agent, "mcp-gateway", "invalid_target").await?;
        // The server that it is for may use it.
        let server = secret(OTHER_SERVER, SECRET);
        let more = [("audience", "nextcloud")];
        agent
            .exchange_as(&server, &other.access_token, &more)
            .await?
            .success()?;
        Ok(())
    })
}

#[test]
fn forged_subject_tokens_are_invalid_requests_at_the_broker_and_401_at_the_gateway() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let tokens = agent.log_in("alice").await?;
        let good = &tokens.access_token;
        let (header, claims) = (jwt::header(good)?, jwt::claims(good)?);
        let keys = agent
            .http
            .get(agent.server.endpoint("jwks_uri")?)
            .await?
            .json()?;
        let public_key = &keys["keys"][0];
        let mut other_subject = claims.clone();
        other_subject["sub"] = json!("somebody-else");
        let (body, signature) = good.rsplit_once('.').context("no signature")?;
        let head = body.split('.').next().context("no header")?;
        let tampered = jwt::unsigned(&header, &other_subject);
        let tampered = tampered.split('.').nth(1).context("no claims")?;
        let x = public_key["x"].as_str().context("no x")?;

        let forgeries = [
            (
                "other key",
                SigningKey::generate("other").sign_with_header(&header, &claims),
            ),
            ("alg none", jwt::unsigned(&header, &claims)),
            (
                "HS256 with the JWK",
                jwt::hmac(&header, &claims, public_key.to_string().as_bytes()),
            ),
            (
                "HS256 with the point",
                jwt::hmac(&header, &claims, x.as_bytes()),
            ),
            ("no signature", format!("{body}.")),
            ("other claims", format!("{head}.{tampered}.{signature}")),
            ("not a token", random::token()),
        ];
        for (name, forgery) in forgeries {
            let answer = agent.exchange(&forgery).await?;
            assert_eq!(refusal(&answer)?, bad_request("invalid_request"), "{name}");
            let answer = agent.poster(&forgery).post("tools/list", json!({})).await?;
            assert_eq!(answer.status.as_u16(), 401, "{name}");
        }
        refused_exchange(&agent, "mcp-gateway", "invalid_request").await?;
        nothing_is_lost(&agent, &tokens).await
    })
}

#[test]
fn an_id_token_or_another_type_of_token_is_no_subject_token() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let tokens = agent.log_in("alice").await?;
        let minted = agent.exchange(&tokens.access_token).await?.json()?;
        let minted = minted["access_token"].as_str().context("no token")?;
        // Nextcloud's token is signed by the same key, but is no access token of a resource.
        let answer = agent.exchange(minted).await?;
        let (status, code) = refusal(&answer)?;
        assert_eq!(status, 400);
        assert!(
            ["invalid_request", "invalid_target"].contains(&code.as_str()),
            "{code}"
        );
        let refresh_token = tokens
            .refresh_token
            .as_deref()
            .context("no refresh token")?;
        assert_eq!(
            refusal(&agent.exchange(refresh_token).await?)?,
            bad_request("invalid_request")
        );
        nothing_is_lost(&agent, &tokens).await
    })
}

#[test]
fn a_client_that_may_not_exchange_is_unauthorized() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let tokens = agent.log_in("alice").await?;
        let more = [("audience", "nextcloud")];
        let answer = agent
            .exchange_as(&secret(BATCH, SECRET), &tokens.access_token, &more)
            .await?;
        assert_eq!(refusal(&answer)?, bad_request("unauthorized_client"));
        refused_exchange(&agent, BATCH, "unauthorized_client").await?;

        // The agent itself, a public client with a perfectly good token of its own.
        let answer = agent
            .exchange_as(&agent.credentials, &tokens.access_token, &more)
            .await?;
        assert_eq!(refusal(&answer)?, bad_request("unauthorized_client"));
        refused_exchange(&agent, agent.credentials.client_id(), "unauthorized_client").await?;
        nothing_is_lost(&agent, &tokens).await
    })
}

#[test]
fn a_wrong_secret_is_an_invalid_client() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let tokens = agent.log_in("alice").await?;
        let more = [("audience", "nextcloud")];
        let wrong = secret("mcp-gateway", "a-wrong-secret");
        let answer = agent
            .exchange_as(&wrong, &tokens.access_token, &more)
            .await?;
        assert_eq!(refusal(&answer)?, (401, "invalid_client".to_owned()));
        // RFC 6749 §5.2: who tried Basic is challenged with Basic.
        let challenge = answer.header("www-authenticate").context("no challenge")?;
        assert!(challenge.starts_with("Basic"), "{challenge}");
        let public = Credentials::Public {
            client_id: "mcp-gateway".to_owned(),
        };
        let answer = agent
            .exchange_as(&public, &tokens.access_token, &more)
            .await?;
        assert_eq!(refusal(&answer)?, (401, "invalid_client".to_owned()));
        let rows = agent
            .deployment
            .audit("client_id=mcp-gateway&event=exchange.refused&limit=100")
            .await?;
        assert!(
            rows.iter().any(|row| row["error"] == "invalid_client"),
            "{rows:?}"
        );
        nothing_is_lost(&agent, &tokens).await
    })
}

#[test]
fn a_downstream_that_is_unknown_or_not_allowed_is_an_invalid_target() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let tokens = agent.log_in("alice").await?;
        let targets = [
            [("audience", ARCHIVE)],
            [("audience", "nowhere")],
            [("resource", "https://archive.example")],
        ];
        for target in targets {
            let answer = agent
                .exchange_as(&agent.gateway(), &tokens.access_token, &target)
                .await?;
            assert_eq!(
                refusal(&answer)?,
                bad_request("invalid_target"),
                "{target:?}"
            );
        }
        refused_exchange(&agent, "mcp-gateway", "invalid_target").await?;
        nothing_is_lost(&agent, &tokens).await
    })
}

#[test]
fn more_scopes_than_the_subject_has_are_an_invalid_scope() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let resource = Some(agent.resource.id.as_str());
        let tokens = agent
            .log_in_for("alice", resource, Some("notes.read"))
            .await?;
        let more = [
            ("audience", "nextcloud"),
            ("scope", "notes.read notes.write"),
        ];
        let answer = agent
            .exchange_as(&agent.gateway(), &tokens.access_token, &more)
            .await?;
        assert_eq!(refusal(&answer)?, bad_request("invalid_scope"));
        refused_exchange(&agent, "mcp-gateway", "invalid_scope").await?;
        nothing_is_lost(&agent, &tokens).await
    })
}

#[test]
fn a_replayed_code_is_an_invalid_grant_and_ends_what_it_gave() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let pending = agent.pending()?;
        let code = agent.code(&agent.person("alice")?, &pending).await?;
        let form = code_grant(&pending, &code);
        let tokens: Tokens = agent.token(&form).await?.try_into()?;
        assert_eq!(
            refusal(&agent.token(&form).await?)?,
            bad_request("invalid_grant")
        );
        assert_eq!(agent.audit("code.replayed").await?.len(), 1);
        // RFC 6749 §4.1.2: the tokens of the first use are revoked.
        let refresh_token = tokens.refresh_token.context("no refresh token")?;
        assert_eq!(
            refusal(&agent.refresh(&refresh_token).await?)?,
            bad_request("invalid_grant")
        );
        let answer = wait::until(
            "the end of the session",
            Duration::from_secs(2),
            async || {
                let answer = agent.exchange(&tokens.access_token).await.ok()?;
                (!answer.status.is_success()).then_some(answer)
            },
        )
        .await?;
        assert_eq!(refusal(&answer)?, bad_request("invalid_request"));
        Ok(())
    })
}

#[test]
fn a_code_with_another_verifier_or_client_is_an_invalid_grant_and_stays_with_its_owner()
-> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let pending = agent.pending()?;
        let code = agent.code(&agent.person("alice")?, &pending).await?;

        let thief = Agent::new(deployment).await?;
        let answer = thief.token(&code_grant(&pending, &code)).await?;
        assert_eq!(refusal(&answer)?, bad_request("invalid_grant"));
        assert!(!thief.audit("token.refused").await?.is_empty());

        let verifier = random::token();
        let wrong = code_grant(&pending, &code).map(|(name, value)| match name {
            "code_verifier" => (name, verifier.as_str()),
            _ => (name, value),
        });
        assert_eq!(
            refusal(&agent.token(&wrong).await?)?,
            bad_request("invalid_grant")
        );
        let missing: Vec<_> = code_grant(&pending, &code)
            .into_iter()
            .filter(|(name, _)| *name != "code_verifier")
            .collect();
        let (status, error) = refusal(&agent.token(&missing).await?)?;
        assert_eq!(status, 400);
        assert!(
            ["invalid_grant", "invalid_request"].contains(&error.as_str()),
            "{error}"
        );
        assert!(!agent.audit("token.refused").await?.is_empty());
        Ok(())
    })
}

#[test]
fn a_spent_refresh_token_ends_its_family_once_its_successor_was_used() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let first = agent.log_in("alice").await?.refresh_token.context("none")?;
        let second: Tokens = agent.refresh(&first).await?.try_into()?;
        let second = second.refresh_token.context("none")?;
        let third: Tokens = agent.refresh(&second).await?.try_into()?;

        assert_eq!(
            refusal(&agent.refresh(&first).await?)?,
            bad_request("invalid_grant")
        );
        assert_eq!(agent.audit("refresh.reused").await?.len(), 1);
        let successor = third.refresh_token.context("none")?;
        assert_eq!(
            refusal(&agent.refresh(&successor).await?)?,
            bad_request("invalid_grant")
        );
        Ok(())
    })
}

#[test]
fn a_refresh_token_of_another_client_or_for_more_scopes_is_refused_and_still_good() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let (agent, thief) = (Agent::new(deployment).await?, Agent::new(deployment).await?);
        let resource = Some(agent.resource.id.as_str());
        let tokens = agent
            .log_in_for("alice", resource, Some("notes.read"))
            .await?;
        let refresh_token = tokens.refresh_token.context("none")?;
        assert_eq!(
            refusal(&thief.refresh(&refresh_token).await?)?,
            bad_request("invalid_grant")
        );
        let more = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.as_str()),
            ("scope", "notes.read notes.write"),
        ];
        assert_eq!(
            refusal(&agent.token(&more).await?)?,
            bad_request("invalid_scope")
        );
        agent.refresh(&refresh_token).await?.success()?;
        Ok(())
    })
}

#[test]
fn a_malformed_request_is_told_what_is_wrong_with_it() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let cases: [(&[(&str, &str)], &str); 5] = [
            (&[], "invalid_request"),
            (&[("grant_type", "password")], "unsupported_grant_type"),
            (&[("grant_type", "authorization_code")], "invalid_request"),
            (&[("grant_type", "refresh_token")], "invalid_request"),
            (
                &[
                    ("grant_type", "refresh_token"),
                    ("grant_type", "refresh_token"),
                ],
                "invalid_request",
            ),
        ];
        for (form, expected) in cases {
            let answer = agent.token(form).await?;
            assert_eq!(refusal(&answer)?, bad_request(expected), "{form:?}");
        }
        let unknown = [("grant_type", "authorization_code"), ("code", "unknown")];
        let mut unknown = unknown.to_vec();
        let verifier = random::token();
        unknown.push(("code_verifier", &verifier));
        assert_eq!(
            refusal(&agent.token(&unknown).await?)?,
            bad_request("invalid_grant")
        );
        Ok(())
    })
}

#[test]
fn an_expired_access_token_is_refused_everywhere_and_a_refresh_helps() -> Result<()> {
    run(async {
        let deployment = own("short", |options| {
            also(options, |config| {
                config["tokens"] = json!({ "access_token": "30s" });
            });
        })
        .await?;
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;
        // Thirty seconds of life, the shortest that can be configured, and five of leeway.
        let answer = wait::until("the token to expire", Duration::from_secs(50), async || {
            let poster = agent.poster(&tokens.access_token);
            let answer = poster.post("tools/list", json!({})).await.ok()?;
            (answer.status.as_u16() == 401).then_some(answer)
        })
        .await?;
        let challenge = answer.header("www-authenticate").context("no challenge")?;
        assert!(challenge.contains("invalid_token"), "{challenge}");
        let answer = wait::until(
            "the broker's refusal",
            Duration::from_secs(10),
            async || {
                let answer = agent.exchange(&tokens.access_token).await.ok()?;
                (!answer.status.is_success()).then_some(answer)
            },
        )
        .await?;
        assert_eq!(refusal(&answer)?, bad_request("invalid_request"));
        refused_exchange(&agent, "mcp-gateway", "invalid_request").await?;
        let refresh_token = tokens.refresh_token.context("none")?;
        let fresh: Tokens = agent.refresh(&refresh_token).await?.try_into()?;
        agent.poster(&fresh.access_token).tools().await?;
        Ok(())
    })
}
