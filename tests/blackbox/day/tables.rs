//! Tables: the boxes, in a table that was made in the browser.

use anyhow::Result;
use serde_json::{Value, json};

use super::office::Office;
use super::worker::{Worker, each};

const TABLE: &str = "Kisten #1: 100% & mehr 📦";
const TABLES: &str = "/index.php/apps/tables/api/1/tables";

/// Makes a table with the columns "Inhalt" and "Stück", as people do in the browser; its id.
pub(crate) async fn table(office: &Office<'_>, title: &str) -> Result<Value> {
    let table = json!({ "title": title, "emoji": "📦", "template": "custom" });
    let table = office.json("POST", TABLES, &table).await?["id"].clone();
    let columns = [
        json!({ "type": "text", "subtype": "line", "title": "Inhalt", "mandatory": false }),
        json!({ "type": "number", "title": "Stück", "mandatory": false, "numberDecimals": 0 }),
    ];
    for column in columns {
        office
            .json("POST", &format!("{TABLES}/{table}/columns"), &column)
            .await?;
    }
    Ok(table)
}

/// The values of all rows of a table.
pub(crate) async fn rows(office: &Office<'_>, table: &Value) -> Result<Vec<Value>> {
    let rows = office
        .json("GET", &format!("{TABLES}/{table}/rows"), &Value::Null)
        .await?;
    Ok(rows
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| Value::Array(each(&row["data"], "value")))
        .collect())
}

pub(crate) async fn chapter(judy: &Worker, office: &Office<'_>) -> Result<()> {
    let id = table(office, TABLE).await?;
    let listed = judy.does("nc_tables_list_tables", json!({})).await?;
    let mut own = listed["tables"].as_array().into_iter().flatten();
    assert!(
        own.any(|table| table["id"] == id && table["title"] == TABLE),
        "{listed}"
    );
    let schema = judy
        .does("nc_tables_get_schema", json!({ "table_id": id }))
        .await?;
    assert_eq!(
        each(&schema["columns"], "title"),
        [json!("Inhalt"), json!("Stück")]
    );

    let row = |data: Value| json!({ "table_id": id, "data": data });
    let books = row(json!({ "Inhalt": "Bücher & „Akten“ <2>", "Stück": 3 }));
    let books = judy.does("nc_tables_insert_row", books).await?;
    let waste = row(json!({ "Inhalt": "Abfall" }));
    let waste = judy.does("nc_tables_insert_row", waste).await?;
    let plates = row(json!({ "Inhalt": "כלים 100%", "stück": "12" }));
    judy.does("nc_tables_insert_row", plates).await?;
    judy.cannot("nc_tables_insert_row", row(json!({ "Farbe": "rot" })))
        .await?;
    judy.cannot("nc_tables_insert_row", row(json!({ "Stück": "viele" })))
        .await?;
    judy.does(
        "nc_tables_update_row",
        json!({ "row_id": books["id"], "data": { "Stück": 4 } }),
    )
    .await?;
    for is_there in [true, false] {
        let gone = judy
            .does("nc_tables_delete_row", json!({ "row_id": waste["id"] }))
            .await?;
        assert_eq!(gone["deleted"], is_there, "{gone}");
    }
    let late = json!({ "row_id": waste["id"], "data": { "Stück": 1 } });
    judy.cannot("nc_tables_update_row", late).await?;
    judy.cannot("nc_tables_get_schema", json!({ "table_id": 99_999_999 }))
        .await?;
    let read = judy
        .does(
            "nc_tables_read_table",
            json!({ "table_id": id, "limit": 1 }),
        )
        .await?;
    assert_eq!(each(&read["rows"], "id"), [books["id"].clone()]);
    Ok(())
}

pub(crate) async fn remain(office: &Office<'_>) -> Result<()> {
    let tables = office.json("GET", TABLES, &Value::Null).await?;
    assert_eq!(each(&tables, "title"), [json!(TABLE)]);
    let mut stored = rows(office, &tables[0]["id"]).await?;
    stored.sort_by_key(ToString::to_string);
    assert_eq!(
        stored,
        [json!(["Bücher & „Akten“ <2>", 4]), json!(["כלים 100%", 12])]
    );
    Ok(())
}
