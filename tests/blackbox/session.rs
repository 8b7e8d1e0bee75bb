//! Strategy `session` on a Nextcloud that has nothing but what every Nextcloud has: users log in at
//! its bundled app `oauth2`, and the gateway works with the token of that login.

use std::time::Duration;

use anyhow::Result;
use harness::deployment::Deployment;
use harness::nextcloud::Credential;
use harness::sinks::Sinks;
use harness::wait;
use serde_json::json;

use crate::support::{Agent, own, run};

const CREATE: &str = "nc_notes_create_note";
const SEARCH: &str = "nc_notes_search_notes";

async fn installation(name: &str) -> Result<Deployment> {
    own(name, |options| {
        "session".clone_into(&mut options.strategy);
        // What one replica keeps, the other one opens.
        options.replicas = 2;
    })
    .await
}

#[test]
fn a_login_at_nextcloud_itself_is_enough_for_a_tool_call_as_that_user() -> Result<()> {
    run(async {
        let deployment = installation("session").await?;
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;
        let alice = agent.poster(&tokens.access_token);
        let bob = agent.poster(&agent.log_in("bob").await?.access_token);
        for number in 0..4 {
            let note = json!({"title": format!("n{number}"), "content": "", "category": ""});
            let created = alice.call(CREATE, note).await?;
            assert_ne!(created["isError"], true, "{created}");
        }
        let found = bob.call(SEARCH, json!({"query": "n0"})).await?;
        assert_ne!(found["isError"], true, "{found}");

        let nextcloud = deployment.nextcloud.as_ref().unwrap();
        assert_eq!(nextcloud.notes("alice").len(), 4);
        assert!(nextcloud.notes("bob").is_empty());
        assert!(nextcloud.observations().violations().is_empty());
        let requests = nextcloud.observations().requests_of("alice");
        let by_token = requests
            .iter()
            .filter(|request| request.credential == Credential::OpaqueBearer);
        assert!(by_token.count() >= 4, "{requests:?}");

        // One token a login, in nobody's hands but the broker's and the gateway's for a call.
        let seen = nextcloud.observations().bearer_tokens();
        assert_eq!(seen.len(), 2);
        let sinks = Sinks::collect(&deployment, agent.http.transcript())?;
        for token in &seen {
            assert_eq!(sinks.with(token), [""; 0]);
        }
        Ok(())
    })
}

#[test]
fn the_end_of_the_session_takes_the_token_away() -> Result<()> {
    run(async {
        let deployment = installation("session-ends").await?;
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;
        let alice = agent.poster(&tokens.access_token);
        let note = json!({"title": "n", "content": "", "category": ""});
        assert_ne!(alice.call(CREATE, note.clone()).await?["isError"], true);

        let revoke = agent.server.endpoint("revocation_endpoint")?;
        let form = [
            ("token", tokens.access_token.as_str()),
            ("client_id", agent.credentials.client_id()),
        ];
        let answer = agent.http.post_form(revoke.as_str(), &form).await?;
        assert_eq!(answer.status, 200, "{}", answer.describe());
        // Each replica hears of it within a second.
        wait::until(
            "the session to be over",
            Duration::from_secs(5),
            async || {
                let answer = agent.exchange(&tokens.access_token).await.ok()?;
                let again = agent.exchange(&tokens.access_token).await.ok()?;
                [answer, again]
                    .iter()
                    .all(|answer| answer.status == 400)
                    .then_some(())
            },
        )
        .await?;
        let refused = alice.call(CREATE, note).await?;
        assert_eq!(refused["isError"], true, "{refused}");
        let nextcloud = deployment.nextcloud.as_ref().unwrap();
        assert_eq!(nextcloud.notes("alice").len(), 1);
        Ok(())
    })
}
