//! Remembered consent as a person meets it, and an attacker who counts on it.

use anyhow::{Result, bail};
use harness::browser::Landing;
use harness::person::Person;

use crate::support::{Agent, run, shared};

/// A login in which the person does what the pages ask.
async fn log_in(agent: &Agent<'_>, person: &Person) -> Result<()> {
    let pending = agent.pending()?;
    let redirect = person.log_in(&pending.url).await?;
    agent.redeem(&pending, &redirect).await?;
    Ok(())
}

/// A login in which the person does nothing at all: whether it succeeds.
async fn succeeds_without_a_click(agent: &Agent<'_>, person: &Person) -> Result<bool> {
    let pending = agent.pending()?;
    match person.browser.open(&pending.url).await? {
        Landing::Stopped(redirect) => {
            agent.redeem(&pending, &redirect).await?;
            Ok(true)
        }
        Landing::Page(page) if page.form()?.has_button("decision", "allow") => Ok(false),
        Landing::Page(page) => bail!("{}", page.describe()),
    }
}

#[test]
fn an_approved_client_is_let_in_without_asking_again_until_it_is_blocked() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let person = agent.person("alice")?;
        log_in(&agent, &person).await?;
        assert!(
            !succeeds_without_a_click(&agent, &person).await?,
            "nobody approved it"
        );
        agent.judged("approve").await?;
        assert!(succeeds_without_a_click(&agent, &person).await?);

        // The audit tells it from a click.
        let rows = agent.audit("authorization.consented").await?;
        assert_eq!(rows[0]["details"]["remembered"], true, "{rows:?}");
        assert_eq!(rows[1]["details"]["remembered"], serde_json::Value::Null);

        agent.judged("block").await?;
        agent.judged("approve").await?;
        assert!(
            !succeeds_without_a_click(&agent, &person).await?,
            "blocking forgets"
        );
        Ok(())
    })
}

#[test]
fn another_client_another_scope_and_another_person_are_asked_for() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        agent.judged("approve").await?;
        let person = agent.person("alice")?;
        let narrow = agent.pending_for(Some(&agent.resource.id), Some("notes.read"))?;
        let redirect = person.log_in(&narrow.url).await?;
        agent.redeem(&narrow, &redirect).await?;
        // Every scope of the server is more than this one.
        assert!(!succeeds_without_a_click(&agent, &person).await?);
        log_in(&agent, &person).await?;
        assert!(succeeds_without_a_click(&agent, &person).await?);

        // The attacker's client has registered under the same name and is as approved, and the
        // victim's session at the identity provider is live.
        let evil = Agent::new(shared().await?).await?;
        evil.judged("approve").await?;
        assert!(!succeeds_without_a_click(&evil, &person).await?);

        // A browser of somebody else knows nothing of this one's consents.
        let other = agent.person("bob")?;
        assert!(!succeeds_without_a_click(&agent, &other).await?);
        Ok(())
    })
}
