//! Sharing a file between two people through their agents, over the whole installation.

use anyhow::{Context as _, Result};
use harness::mcp_client;
use serde_json::json;

use crate::support::{Agent, run, shared};

#[test]
fn a_file_is_shared_seen_restricted_and_taken_back() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let alice = agent.poster(&agent.log_in("alice").await?.access_token);
        let bob = agent.poster(&agent.log_in("bob").await?.access_token);
        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        let path = "Shared/50% + ümlaut & more #1.txt";
        nextcloud.write_file("alice", path, "for bob");

        let share = json!({ "path": path, "share_with": "bob" });
        let made = alice.call("nc_share_create", share).await?;
        let share = &made["structuredContent"];
        assert_eq!(share["allowed"], json!(["read"]), "{made}");
        let id = share["share_id"].clone();
        let link = json!({ "path": path, "share_type": 3 });
        let link = alice.call("nc_share_create", link).await?;
        let url = link["structuredContent"]["url"].as_str().context("url")?;
        assert!(url.contains("/s/"), "{url}");

        let with_me = json!({ "shared_with_me": true });
        let seen = bob.call("nc_share_list", with_me.clone()).await?;
        let seen = &seen["structuredContent"]["shares"];
        let found = seen.as_array().context("no shares")?.iter();
        assert!(found.clone().any(|share| share["share_id"] == id), "{seen}");
        let change = json!({ "share_id": id, "permissions": 31 });
        let refused = bob.call("nc_share_update", change).await?;
        assert_eq!(refused["isError"], true, "{refused}");

        let ended = alice
            .call("nc_share_delete", json!({ "share_id": id }))
            .await?;
        let removed = ended["structuredContent"]["removed"].as_str();
        assert!(removed.is_some_and(|text| text.contains("bob")), "{ended}");
        let gone = bob.call("nc_share_get", json!({ "share_id": id })).await?;
        assert!(mcp_client::text(&gone).contains("does not exist"), "{gone}");
        let left = json!({ "path": path });
        let left = alice.call("nc_share_list", left).await?;
        assert_eq!(left["structuredContent"]["total"], 1, "{left}");
        Ok(())
    })
}
