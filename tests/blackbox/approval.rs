//! Registration with the policy `approval`: a person, a program that nobody here knows, and an
//! administrator who lets it in with one call.

use anyhow::{Result, bail};
use serde_json::json;

use crate::support::{Agent, own, run};

#[test]
fn a_person_waits_for_the_administrator_and_then_goes_on() -> Result<()> {
    run(async {
        let deployment = own("approval", |options| {
            "approval".clone_into(&mut options.registration);
        })
        .await?;
        let agent = Agent::new(&deployment).await?;
        let client_id = agent.credentials.client_id();
        let person = agent.person("alice")?;
        let pending = agent.pending()?;

        let page = person.browser.open(&pending.url).await?.page()?;
        assert_eq!(page.answer.status, 403, "{}", page.describe());
        let text = page.text();
        for words in [
            "Waiting for an administrator",
            "an administrator of this server has to approve it",
            client_id,
            "Black-box agent",
            "127.0.0.1",
            "Check again",
        ] {
            assert!(text.contains(words), "{words}: {}", page.describe());
        }
        let links = page.links();
        let [check_again] = links.as_slice() else {
            bail!("not one link: {links:?}");
        };
        let still = person.browser.open(check_again).await?.page()?;
        assert!(still.text().contains("Waiting"), "{}", still.describe());

        agent.judged("approve").await?;

        let redirect = person.log_in(check_again).await?;
        let tokens = agent.redeem(&pending, &redirect).await?;
        let note = json!({ "title": "Approved", "content": "", "category": "" });
        let poster = agent.poster(&tokens.access_token);
        let created = poster.call("nc_notes_create_note", note).await?;
        assert_ne!(created["isError"], true, "{created}");

        // Everything that happened to the client, oldest first.
        let query = format!("client_id={client_id}&limit=50");
        let mut trail = deployment.audit(&query).await?;
        trail.reverse();
        let told: Vec<_> = trail
            .iter()
            .map(|row| format!("{} {}", row["event"], row["actor"]["kind"]).replace('"', ""))
            .collect();
        let story = [
            "client.registered anonymous",
            "authorization.started client",
            "authorization.started client",
            "client.approved administrator",
            "authorization.started client",
            "authorization.consented anonymous",
        ];
        assert_eq!(told[..story.len()], story, "{told:?}");
        assert_eq!(
            trail[1]["details"]["reason"], "client_pending",
            "{}",
            trail[1]
        );
        for event in ["login.succeeded", "code.issued", "token.issued"] {
            let found = told.iter().any(|row| row.starts_with(event));
            assert!(found, "{event}: {told:?}");
        }
        Ok(())
    })
}
