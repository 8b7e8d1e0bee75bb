//! A table that an agent reads and writes, over the whole installation.

use anyhow::{Context as _, Result};
use harness::mcp_client::{self, McpPoster};
use serde_json::{Value, json};

use crate::support::{Agent, run, shared};

async fn ok(poster: &McpPoster, tool: &str, arguments: Value) -> Result<Value> {
    let result = poster.call(tool, arguments).await?;
    assert_ne!(result["isError"], true, "{tool}: {result}");
    Ok(result["structuredContent"].clone())
}

#[test]
fn rows_are_written_by_title_and_nothing_wrong_is_written() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        let agent = Agent::new(deployment).await?;
        let carol = agent.poster(&agent.log_in("carol").await?.access_token);
        let dave = agent.poster(&agent.log_in("dave").await?.access_token);
        let size = json!({
            "type": "selection", "title": "Größe",
            "selectionOptions": [{ "id": 0, "label": "klein" }, { "id": 1, "label": "groß" }],
        });
        let columns = [
            json!({ "type": "text", "subtype": "line", "title": "Inhalt & Ort" }),
            json!({ "type": "number", "title": "Stück", "numberMin": 0 }),
            size,
        ];
        let table = nextcloud.add_table("carol", "Kisten 📦 #1", &columns)?;

        let row = |data: Value| json!({ "table_id": table, "data": data });
        let data = json!({ "inhalt & ort": "Bücher, <Keller>", "Stück": "12", "Größe": "groß" });
        let first = ok(&carol, "nc_tables_insert_row", row(data)).await?;
        let second = ok(&carol, "nc_tables_insert_row", row(json!({ "Stück": 1 }))).await?;
        for data in [
            json!({ "Farbe": "rot" }),
            json!({ "Stück": -1 }),
            json!({ "Größe": "riesig" }),
        ] {
            let refused = carol.call("nc_tables_insert_row", row(data)).await?;
            assert!(
                mcp_client::text(&refused).contains("nothing was written"),
                "{refused}"
            );
        }
        let change = json!({ "row_id": first["id"], "data": { "Größe": "klein" } });
        ok(&carol, "nc_tables_update_row", change.clone()).await?;
        let gone = ok(
            &carol,
            "nc_tables_delete_row",
            json!({ "row_id": second["id"] }),
        )
        .await?;
        assert_eq!(gone["deleted"], true);

        let refused = dave.call("nc_tables_update_row", change).await?;
        assert_eq!(refused["isError"], true, "{refused}");
        let gone = ok(
            &dave,
            "nc_tables_delete_row",
            json!({ "row_id": first["id"] }),
        )
        .await?;
        assert_eq!(gone["deleted"], false);
        let page = ok(
            &carol,
            "nc_tables_read_table",
            json!({ "table_id": table, "limit": 1 }),
        )
        .await?;
        assert_eq!(page["columns"][2]["options"][0]["label"], "klein");
        assert_eq!(
            nextcloud.table(table),
            Some(json!([
                ["Inhalt & Ort", "Stück", "Größe"],
                ["Bücher, <Keller>", 12, 0]
            ]))
        );
        Ok(())
    })
}
