//! Tool calls from the client to Nextcloud: who sees what, with which token, and what is left of it.

use anyhow::{Context as _, Result};
use harness::client::parameter;
use harness::http::Http;
use harness::jwt;
use harness::mcp_client::{self, Era, McpPoster, SdkClient};
use harness::nextcloud::SeenRequest;
use harness::sinks::Sinks;
use serde_json::{Value, json};

use crate::support::{Agent, OTHER_RESOURCE, on_sqlite, own, run, shared};

const CREATE: &str = "nc_notes_create_note";
const GET: &str = "nc_notes_get_note";
const SEARCH: &str = "nc_notes_search_notes";
/// The longest life of a token for Nextcloud, in seconds.
const LONGEST_LIFE: u64 = 60;

fn note(title: &str) -> Value {
    json!({ "title": title, "content": format!("{title}: the content"), "category": "" })
}

#[test]
fn a_real_client_lists_and_calls_tools_in_both_eras_of_the_protocol() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let token = agent.log_in("alice").await?.access_token;
        let mut lists = Vec::new();
        for era in Era::ALL {
            let client = SdkClient::connect(&deployment.mcp_url(), &token, era).await?;
            lists.push(client.tools().await?);
            let title = format!("From {}", era.version());
            let created = client.call(CREATE, note(&title)).await?;
            assert_ne!(created["isError"], true, "{created}");
            let id = &created["structuredContent"]["id"];
            let read = client.call(GET, json!({ "note_id": id })).await?;
            assert_eq!(read["structuredContent"]["title"], title.as_str(), "{read}");
            assert!(!client.resources().await?.is_empty());
        }
        let first = lists.first().context("no list")?;
        assert!(first.iter().any(|tool| tool == CREATE), "{first:?}");
        assert!(lists.iter().all(|list| list == first), "{lists:?}");
        Ok(())
    })
}

#[test]
fn two_people_never_see_each_others_notes() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let alice = agent.poster(&agent.log_in("alice").await?.access_token);
        let bob = agent.poster(&agent.log_in("bob").await?.access_token);
        let created = alice
            .call(CREATE, note("Alice keeps this to herself"))
            .await?;
        let id = created["structuredContent"]["id"].clone();

        let read = bob.call(GET, json!({ "note_id": id })).await?;
        assert_eq!(read["isError"], true, "{read}");
        let found = bob.call(SEARCH, json!({ "query": "herself" })).await?;
        assert!(!found.to_string().contains("keeps this"), "{found}");
        let own = alice.call(SEARCH, json!({ "query": "herself" })).await?;
        assert!(own.to_string().contains("keeps this"), "{own}");
        Ok(())
    })
}

#[test]
fn interleaved_calls_of_two_people_each_run_as_the_right_one() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let grace = agent.poster(&agent.log_in("grace").await?.access_token);
        let heidi = agent.poster(&agent.log_in("heidi").await?.access_token);
        let call = async |poster: &McpPoster, name: &str, n: usize| -> Result<()> {
            let created = poster.call(CREATE, note(&format!("{name} {n}"))).await?;
            assert_ne!(created["isError"], true, "{created}");
            Ok(())
        };
        for n in 0..8 {
            let both = tokio::join!(call(&grace, "grace", n), call(&heidi, "heidi", n));
            both.0.and(both.1)?;
        }
        for name in ["grace", "heidi"] {
            let requests = seen(deployment, name)?;
            assert_eq!(
                requests
                    .iter()
                    .filter(|request| request.method == "POST")
                    .count(),
                8
            );
        }
        let found = grace.call(SEARCH, json!({ "query": "heidi" })).await?;
        assert!(!found.to_string().contains("heidi 1"), "{found}");
        Ok(())
    })
}

fn seen(deployment: &harness::deployment::Deployment, user: &str) -> Result<Vec<SeenRequest>> {
    let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
    Ok(nextcloud.observations().requests_of(user))
}

#[test]
fn each_call_reaches_nextcloud_with_its_own_short_token_of_that_user() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let tokens = agent.log_in("frank").await?;
        let poster = agent.poster(&tokens.access_token);
        for title in ["One", "Two", "Three"] {
            poster.call(CREATE, note(title)).await?;
        }
        let requests = seen(deployment, "frank")?;
        let mut ids = Vec::new();
        for request in &requests {
            let claims = request
                .claims
                .as_ref()
                .with_context(|| format!("{request:?}"))?;
            assert_eq!(claims.iss(), Some(deployment.issuer().as_str()));
            assert_eq!(claims.aud(), ["nextcloud"]);
            assert_eq!(claims.sub(), Some("frank"));
            assert_eq!(claims.act_sub(), Some(deployment.gateway_credentials().0));
            assert!(
                claims.lifetime().is_some_and(|life| life <= LONGEST_LIFE),
                "{claims:?}"
            );
            assert!(request.cookies.is_empty(), "{request:?}");
            assert!(request.violations.is_empty(), "{request:?}");
            assert_ne!(request.bearer_token(), Some(tokens.access_token.as_str()));
            ids.push(claims.jti().context("no jti")?.to_owned());
        }
        ids.sort();
        ids.dedup();
        assert!(ids.len() >= 3, "three calls shared {} tokens", ids.len());
        Ok(())
    })
}

#[test]
fn the_scope_of_the_caller_bounds_the_scope_in_nextclouds_token() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let resource = Some(agent.resource.id.as_str());
        let tokens = agent
            .log_in_for("alice", resource, Some("notes.read"))
            .await?;
        assert_eq!(tokens.scope, "notes.read");
        let answer = agent.exchange(&tokens.access_token).await?.success()?;
        let body = answer.json()?;
        assert_eq!(body["scope"], "notes.read", "{}", body["scope"]);
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["refresh_token"], Value::Null);
        assert_eq!(
            body["issued_token_type"],
            "urn:ietf:params:oauth:token-type:access_token"
        );
        let claims = jwt::claims(body["access_token"].as_str().context("no token")?)?;
        assert_eq!(claims["scope"], "notes.read");
        Ok(())
    })
}

#[test]
fn without_a_token_or_with_a_bad_one_the_gateway_tells_where_to_get_one() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let other = agent
            .log_in_for("alice", Some(OTHER_RESOURCE), None)
            .await?
            .access_token;
        let good = agent.log_in("alice").await?.access_token;
        let exchanged = agent.exchange(&good).await?.json()?;
        let nextclouds = exchanged["access_token"].as_str().context("no token")?;

        let poster = agent.poster("");
        let bad = ["not-a-token", "a.b.c", other.as_str(), nextclouds];
        for token in bad {
            let answer = poster
                .with_token(token)
                .post("tools/list", json!({}))
                .await?;
            assert_eq!(answer.status.as_u16(), 401, "{}", answer.describe());
            let challenge = answer.header("www-authenticate").context("no challenge")?;
            assert_eq!(
                parameter(challenge, "error").as_deref(),
                Some("invalid_token")
            );
            let metadata = parameter(challenge, "resource_metadata").context("no metadata")?;
            agent.http.get(metadata).await?.success()?;
        }
        let anonymous =
            McpPoster::new(Http::default(), deployment.mcp_url(), None, Era::Initialize);
        let answer = anonymous.post("tools/list", json!({})).await?;
        assert_eq!(answer.status.as_u16(), 401);
        let challenge = answer.header("www-authenticate").context("no challenge")?;
        // RFC 6750 §3.1: who brought no token is told no error.
        assert_eq!(parameter(challenge, "error"), None, "{challenge}");
        Ok(())
    })
}

#[test]
fn a_tool_beyond_the_scopes_is_refused_before_it_runs() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let resource = Some(agent.resource.id.as_str());
        let token = agent
            .log_in_for("erin", resource, Some("notes.read"))
            .await?
            .access_token;
        for era in Era::ALL {
            let poster =
                McpPoster::new(agent.http.clone(), deployment.mcp_url(), Some(&token), era);
            let answer = poster.call_answer(CREATE, note("Never written")).await?;
            assert_eq!(answer.status.as_u16(), 403, "{}", answer.describe());
            let challenge = answer.header("www-authenticate").context("no challenge")?;
            assert_eq!(
                parameter(challenge, "error").as_deref(),
                Some("insufficient_scope")
            );
            let scope = parameter(challenge, "scope").context("no scope")?;
            assert!(
                scope.split(' ').any(|scope| scope == "notes.write"),
                "{scope}"
            );
            let tools = poster.tools().await?;
            assert!(
                !tools.iter().any(|tool| tool == CREATE),
                "shown though not allowed"
            );
            assert!(tools.iter().any(|tool| tool == GET), "{tools:?}");
        }
        let posts = seen(deployment, "erin")?
            .iter()
            .filter(|seen| seen.method == "POST")
            .count();
        assert_eq!(posts, 0);
        Ok(())
    })
}

#[test]
fn an_error_of_nextcloud_becomes_a_sentence_for_the_model() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let poster = agent.poster(&agent.log_in("alice").await?.access_token);
        let result = poster.call(GET, json!({ "note_id": 99_999_999 })).await?;
        assert_eq!(result["isError"], true, "{result}");
        let text = mcp_client::text(&result);
        assert!(!text.is_empty() && !text.contains("OCA\\"), "{text}");
        Ok(())
    })
}

#[test]
fn no_token_is_left_in_the_database_the_logs_or_an_answer() -> Result<()> {
    run(async {
        // An installation of its own, so that everything in it came from this test.
        let deployment = own("sinks", on_sqlite).await?;
        let agent = Agent::new(&deployment).await?;
        let person = agent.person("alice")?;
        let pending = agent.pending()?;
        let code = agent.code(&person, &pending).await?;
        let first = agent
            .client
            .redeem(&agent.server, &agent.credentials, &pending, &code)
            .await?;
        let spent = first.refresh_token.context("no refresh token")?;
        let second = agent
            .client
            .refresh(&agent.server, &agent.credentials, &spent)
            .await?;
        let poster = agent.poster(&second.access_token);
        poster.call(CREATE, note("Leaves no trace")).await?;
        poster.call(GET, json!({ "note_id": 99_999_999 })).await?;
        agent
            .exchange_as(
                &agent.gateway(),
                &second.access_token,
                &[("audience", "nowhere")],
            )
            .await?;

        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        let ephemeral = nextcloud.observations().bearer_tokens();
        assert!(ephemeral.len() >= 2, "{} tokens seen", ephemeral.len());
        let sinks = Sinks::collect(&deployment, agent.http.transcript())?;
        for (place, size) in sinks.sizes() {
            assert!(
                size > 500,
                "{place} holds only {size} bytes: the search proves nothing"
            );
        }
        // The search finds what is there, also in what the database has not yet moved into place.
        let client_id = agent.credentials.client_id();
        assert_eq!(
            sinks.with(client_id),
            ["database", "logs", "answers to clients"]
        );
        for token in &ephemeral {
            assert_eq!(sinks.with(token), Vec::<&str>::new());
            // The signature alone would be enough to rebuild it from logged claims.
            let signature = token.rsplit('.').next().context("no signature")?;
            assert_eq!(sinks.with(signature), Vec::<&str>::new());
        }
        let refresh = second.refresh_token.context("no refresh token")?;
        let inside: [(&str, &str); 8] = [
            ("access token", &first.access_token),
            ("access token", &second.access_token),
            ("refresh token", &spent),
            ("refresh token", &refresh),
            ("authorization code", &code),
            ("code verifier", &pending.verifier),
            ("gateway's secret", deployment.gateway_credentials().1),
            ("upstream secret", deployment.upstream_secret()),
        ];
        for (name, secret) in inside {
            // The client has seen its own tokens; database and logs must not have them.
            let places: Vec<_> = sinks
                .with(secret)
                .into_iter()
                .filter(|place| !place.contains("clients"))
                .collect();
            assert_eq!(places, Vec::<&str>::new(), "{name}");
        }
        Ok(())
    })
}
