//! A board worked on by two people through their agents, over the whole installation.

use anyhow::{Context as _, Result};
use harness::mcp_client::{self, McpPoster};
use serde_json::{Value, json};

use crate::support::{Agent, run, shared};

/// Calls a tool that has to succeed and gives its structured content.
async fn ok(poster: &McpPoster, tool: &str, arguments: Value) -> Result<Value> {
    let result = poster.call(tool, arguments).await?;
    assert_ne!(result["isError"], true, "{tool}: {result}");
    Ok(result["structuredContent"].clone())
}

/// Calls a tool that has to fail and gives what the model reads.
async fn failure(poster: &McpPoster, tool: &str, arguments: Value) -> Result<String> {
    let result = poster.call(tool, arguments).await?;
    assert_eq!(result["isError"], true, "{tool}: {result}");
    Ok(mcp_client::text(&result))
}

#[test]
fn a_card_goes_over_the_board_and_keeps_what_nobody_changed() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let agent = Agent::new(deployment).await?;
        let alice = agent.poster(&agent.log_in("alice").await?.access_token);

        let title = "Umzug: Köln → 東京 #1 🚚";
        let board = json!({ "title": title, "color": "#0082C9" });
        let board = ok(&alice, "deck_create_board", board).await?["board_id"].clone();
        let mut lists = Vec::new();
        for (order, title) in ["To do", "Done"].into_iter().enumerate() {
            let list = json!({ "board_id": board, "title": title, "order": order });
            lists.push(ok(&alice, "deck_create_stack", list).await?["stack_id"].clone());
        }
        let card = json!({
            "board_id": board, "stack_id": lists[0], "title": "Pack & label",
            "description": "100 % of the books", "duedate": "2027-03-01T09:00:00+01:00",
        });
        let card = ok(&alice, "deck_create_card", card).await?["card_id"].clone();
        let at = |list: &Value| json!({ "board_id": board, "stack_id": list, "card_id": card });

        let mut change = at(&lists[0]);
        change["title"] = json!("Pack & label all");
        ok(&alice, "deck_update_card", change).await?;
        let mut step = at(&lists[0]);
        step["target_stack_id"] = lists[1].clone();
        step["order"] = json!(0);
        ok(&alice, "deck_reorder_card", step).await?;
        let mut done = at(&lists[1]);
        done["done"] = json!("2027-02-27");
        done["duedate"] = json!("");
        ok(&alice, "deck_update_card", done).await?;

        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        let boards = nextcloud.boards("alice");
        let stored = boards
            .iter()
            .find(|one| one["id"] == board)
            .context("no board")?;
        assert_eq!(stored["title"], title);
        let card = &stored["stacks"][1]["cards"][0];
        assert_eq!(
            (
                &card["title"],
                &card["description"],
                &card["duedate"],
                &card["done"]
            ),
            (
                &json!("Pack & label all"),
                &json!("100 % of the books"),
                &Value::Null,
                &json!("2027-02-27T00:00:00+00:00")
            )
        );
        Ok(())
    })
}

#[test]
fn a_board_is_nobody_elses_until_it_is_shared() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let alice = agent.poster(&agent.log_in("alice").await?.access_token);
        let bob = agent.poster(&agent.log_in("bob").await?.access_token);
        let board = json!({ "title": "Secret plans", "color": "ff0000" });
        let board = ok(&alice, "deck_create_board", board.clone()).await?["board_id"].clone();
        let list = json!({ "board_id": board, "title": "Ideas", "order": 1 });
        let list = ok(&alice, "deck_create_stack", list).await?["stack_id"].clone();

        let mine = ok(&bob, "deck_get_boards", json!({})).await?;
        assert!(!mine.to_string().contains("Secret plans"), "{mine}");
        let place = json!({ "board_id": board, "stack_id": list, "title": "Mine", "order": 1 });
        for tool in ["deck_get_board", "deck_get_stacks", "deck_get_labels"] {
            let text = failure(&bob, tool, place.clone()).await?;
            assert!(text.contains("not shared with this account"), "{text}");
        }
        for tool in ["deck_create_card", "deck_create_stack"] {
            let text = failure(&bob, tool, place.clone()).await?;
            assert!(text.contains("may not do that"), "{text}");
        }
        let text = failure(&bob, "deck_delete_stack", place).await?;
        assert!(text.contains("not shared with this account"), "{text}");
        let lists = ok(&alice, "deck_get_stacks", json!({ "board_id": board })).await?;
        assert_eq!(lists["stacks"].as_array().map(Vec::len), Some(1));
        Ok(())
    })
}
