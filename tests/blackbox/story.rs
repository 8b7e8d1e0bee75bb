//! The story that `cargo demo` tells, as a test.

use anyhow::Result;
use harness::deployment::Options;
use harness::story::{self, narrator::Narrator};

use crate::support::{own, run};

#[test]
fn the_story_of_the_demo_comes_true_and_shows_no_token() -> Result<()> {
    comes_true(
        "mint",
        |_| (),
        &["RFC 7591", "the broker is a provider there"],
    )
}

#[test]
fn the_story_comes_true_where_the_identity_provider_exchanges_its_own_tokens() -> Result<()> {
    comes_true(
        "upstream_exchange",
        |options| "upstream_exchange".clone_into(&mut options.strategy),
        &["which exchanged that of the login (RFC 8693)"],
    )
}

#[test]
fn a_nextcloud_with_nothing_added_will_do_for_the_story() -> Result<()> {
    comes_true(
        "session",
        |options| "session".clone_into(&mut options.strategy),
        &["Nextcloud's own app `oauth2`"],
    )
}

#[test]
fn the_story_comes_true_where_an_administrator_approves_clients() -> Result<()> {
    comes_true(
        "approval",
        |options| "approval".clone_into(&mut options.registration),
        &[
            "Waiting for an administrator",
            "An administrator approves the client",
        ],
    )
}

#[test]
fn the_story_comes_true_where_nobody_may_register() -> Result<()> {
    comes_true(
        "closed",
        |options| "closed".clone_into(&mut options.registration),
        &[
            "no registration_endpoint",
            "An administrator enters it by hand",
        ],
    )
}

fn comes_true(name: &str, change: impl FnOnce(&mut Options), more: &[&str]) -> Result<()> {
    run(async {
        let deployment = own(&format!("story-{name}"), change).await?;
        let mut out: Vec<u8> = Vec::new();
        story::tell(&deployment, &mut Narrator::new(&mut out)).await?;
        let text = String::from_utf8(out)?;
        for words in [
            "401 Unauthorized",
            "RFC 9728",
            "RFC 8693",
            "note id",
            "none is there",
        ]
        .iter()
        .chain(more)
        {
            assert!(
                text.contains(words),
                "the story does not speak of {words}:\n{text}"
            );
        }
        // Every JWT starts like this.
        assert!(!text.contains("eyJ"), "the story shows a token:\n{text}");
        Ok(())
    })
}
