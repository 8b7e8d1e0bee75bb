//! A day of work in Nextcloud, done by an agent over MCP with the real broker and gateway.
//!
//! Judy moves her office. She writes things down, files offers, makes appointments, keeps her
//! customers, her board, a table of boxes and a recipe for the party, and shares some of it. On the
//! way she meets conflicts, things that are not there, and names as people give them. In the
//! evening Nextcloud holds exactly what the day made, and nothing else ([`office`] looks).
//!
//! Each chapter is a file, with what remains of it. [`apart`] has two people use the same names.

mod apart;
mod board;
mod calendar;
mod contacts;
mod files;
mod notes;
mod office;
mod recipes;
mod shares;
mod tables;
mod worker;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use harness::nextcloud::{Credential, NextcloudStandIn};

use self::office::Office;
use self::worker::Worker;
use crate::support::{Agent, run, shared};

/// The families, by how the names of their tools begin.
const FAMILIES: [&str; 12] = [
    "nc_whoami",
    "nc_capabilities",
    "nc_notes_",
    "nc_webdav_",
    "nc_calendar_list_",
    "nc_calendar_create_todo",
    "nc_contacts_",
    "nc_cookbook_",
    "deck_",
    "nc_tables_",
    "nc_share_",
    "nc_calendar_find_availability",
];

#[test]
fn a_day_of_work_leaves_exactly_what_was_done() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let judy = Worker::arrives(&agent, "judy").await?;
        let olaf = Worker::arrives(&agent, "olaf").await?;
        let office = Office::of(deployment, "judy")?;

        let me = judy.does("nc_whoami", serde_json::json!({})).await?;
        assert_eq!(me["user_id"], "judy");
        let able = judy
            .does("nc_capabilities", serde_json::json!({ "app": "notes" }))
            .await?;
        assert!(able["capabilities"]["notes"].is_object(), "{able}");

        notes::chapter(&judy).await?;
        files::chapter(&judy).await?;
        calendar::chapter(&judy).await?;
        calendar::tasks(&judy).await?;
        contacts::chapter(&judy).await?;
        board::chapter(&judy).await?;
        tables::chapter(&judy, &office).await?;
        recipes::chapter(&judy).await?;
        shares::chapter(&judy, &olaf).await?;

        notes::remain(&office);
        files::remain(&office)?;
        calendar::remain(&office).await?;
        contacts::remain(&office).await?;
        board::remain(&office)?;
        tables::remain(&office).await?;
        recipes::remain(&office).await?;
        shares::remain(&office)?;

        let calls = judy.calls();
        assert!(calls.len() >= 60, "only {} calls", calls.len());
        for family in FAMILIES {
            let is_of = |tool: &&str| tool.starts_with(family);
            assert!(
                calls.iter().any(|tool| is_of(&tool.as_str())),
                "nothing of {family}"
            );
        }
        every_request_was_hers(office.nextcloud, "judy", &calls)?;
        every_request_was_hers(office.nextcloud, "olaf", &olaf.calls())
    })
}

#[test]
fn two_people_with_the_same_names_never_meet() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let karl = Worker::arrives(&agent, "karl").await?;
        let lena = Worker::arrives(&agent, "lena").await?;
        let (karls, lenas) = tokio::try_join!(
            apart::same_names(&karl, deployment),
            apart::same_names(&lena, deployment),
        )?;
        tokio::try_join!(
            apart::reaches_nothing_of(&karl, &lenas),
            apart::reaches_nothing_of(&lena, &karls),
        )?;
        tokio::try_join!(
            apart::is_untouched(&karl, &karls, deployment),
            apart::is_untouched(&lena, &lenas, deployment),
        )?;
        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        every_request_was_hers(nextcloud, "karl", &karl.calls())?;
        every_request_was_hers(nextcloud, "lena", &lena.calls())
    })
}

/// Every request that carried a token of `name` or ran as `name` did both, broke no rule (asked for
/// no route that could take the account over, above all), and each call had tokens of its own.
fn every_request_was_hers(
    nextcloud: &NextcloudStandIn,
    name: &str,
    calls: &[String],
) -> Result<()> {
    let mut tokens = BTreeSet::new();
    for request in nextcloud.observations().requests() {
        let subject = request.claims.as_ref().and_then(|claims| claims.sub());
        let is_hers = subject == Some(name) || request.user.as_deref() == Some(name);
        if !is_hers || request.credential == Credential::Basic {
            // With a password this test looked itself.
            continue;
        }
        assert!(request.violations.is_empty(), "{request:?}");
        assert_eq!(subject, Some(name), "{request:?}");
        assert_eq!(request.user.as_deref(), Some(name), "{request:?}");
        let claims = request.claims.as_ref().context("no claims")?;
        tokens.insert(claims.jti().context("no jti")?.to_owned());
    }
    // A call that is refused for its arguments asks for no token, a few others do with a cached one.
    assert!(
        tokens.len() * 10 >= calls.len() * 8,
        "{} calls of {name} with {} tokens",
        calls.len(),
        tokens.len()
    );
    Ok(())
}
