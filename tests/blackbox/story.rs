//! The story that `cargo demo` tells, as a test.

use anyhow::Result;
use harness::story::{self, narrator::Narrator};

use crate::support::{own, run};

#[test]
fn the_story_of_the_demo_comes_true_and_shows_no_token() -> Result<()> {
    comes_true("mint", &["the broker is a provider there"])
}

#[test]
fn the_story_comes_true_where_the_identity_provider_exchanges_its_own_tokens() -> Result<()> {
    comes_true(
        "upstream_exchange",
        &["which exchanged that of the login (RFC 8693)"],
    )
}

#[test]
fn a_nextcloud_with_nothing_added_will_do_for_the_story() -> Result<()> {
    comes_true("session", &["Nextcloud's own app `oauth2`"])
}

fn comes_true(strategy: &str, more: &[&str]) -> Result<()> {
    run(async {
        let deployment = own(&format!("story-{strategy}"), |options| {
            strategy.clone_into(&mut options.strategy);
        })
        .await?;
        let mut out: Vec<u8> = Vec::new();
        story::tell(&deployment, &mut Narrator::new(&mut out)).await?;
        let text = String::from_utf8(out)?;
        for words in [
            "401 Unauthorized",
            "RFC 9728",
            "RFC 7591",
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
