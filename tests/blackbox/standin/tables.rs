//! The Tables app where the recordings do not go: whose rows, and what columns keep.

use anyhow::{Context as _, Result};
use harness::http::Answer;
use serde_json::{Value, json};

use super::Scene;

const API: &str = "/index.php/apps/tables/api/1";

async fn send(scene: &Scene, user: &str, method: &str, place: &str, body: Value) -> Result<Answer> {
    let json = ("content-type", "application/json");
    let target = format!("{API}/{place}");
    scene
        .call_with(user, method, &target, &[json], &body.to_string())
        .await
}

/// A table of alice with a column for numbers and one for a choice, and a row.
async fn table(scene: &Scene) -> Result<[u64; 4]> {
    let number = |value: &Value| value["id"].as_u64().context("no id");
    let made = send(scene, "alice", "POST", "tables", json!({"title": "Stock"}))
        .await?
        .json()?;
    let table = number(&made)?;
    let columns = format!("tables/{table}/columns");
    let count = json!({"type": "number", "title": "Qty"});
    let count = number(
        &send(scene, "alice", "POST", &columns, count)
            .await?
            .json()?,
    )?;
    let options = json!([{"id": 0, "label": "Small"}, {"id": 1, "label": "Large"}]);
    let size =
        json!({"type": "selection", "title": "Size", "selectionOptions": options.to_string()});
    let size = number(&send(scene, "alice", "POST", &columns, size).await?.json()?)?;
    let data = json!({"data": {count.to_string(): "3", size.to_string(): "Large"}});
    let row = send(
        scene,
        "alice",
        "POST",
        &format!("tables/{table}/rows"),
        data,
    )
    .await?;
    Ok([table, count, size, number(&row.json()?)?])
}

#[tokio::test]
async fn what_a_column_cannot_keep_becomes_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    let [table, _, size, row] = table(&scene).await?;
    assert_eq!(
        scene.nextcloud.table(table),
        Some(json!([["Qty", "Size"], [3, null]])),
        "a label is no option"
    );
    let change = json!({"data": {size.to_string(): 1}});
    send(&scene, "alice", "PUT", &format!("rows/{row}"), change).await?;
    assert_eq!(
        scene.nextcloud.table(table),
        Some(json!([["Qty", "Size"], [3, 1]]))
    );
    Ok(())
}

#[tokio::test]
async fn rows_of_somebody_else_cannot_be_read_and_do_not_exist_for_writing() -> Result<()> {
    let scene = Scene::new().await?;
    let [table, count, _, row] = table(&scene).await?;
    let data = json!({"data": {count.to_string(): 9}});
    for (method, place, status) in [
        ("GET", format!("rows/{row}"), 403),
        ("PUT", format!("rows/{row}"), 404),
        ("DELETE", format!("rows/{row}"), 404),
        ("GET", format!("tables/{table}/rows"), 404),
        ("POST", format!("tables/{table}/rows"), 404),
        ("DELETE", format!("tables/{table}"), 404),
    ] {
        let answer = send(&scene, "bob", method, &place, data.clone()).await?;
        assert_eq!(answer.status.as_u16(), status, "{method} {place}");
    }
    assert_eq!(
        scene.nextcloud.table(table),
        Some(json!([["Qty", "Size"], [3, null]]))
    );
    Ok(())
}

#[tokio::test]
async fn an_unknown_column_writes_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    let [table, count, _, _] = table(&scene).await?;
    let data = json!({"data": {count.to_string(): 1, "99999": "x"}});
    let answer = send(
        &scene,
        "alice",
        "POST",
        &format!("tables/{table}/rows"),
        data,
    )
    .await?;
    assert_eq!(answer.status.as_u16(), 500);
    assert!(
        answer.body.contains("Column with id 99999"),
        "{}",
        answer.body
    );
    let rows = send(
        &scene,
        "alice",
        "GET",
        &format!("tables/{table}/rows?limit=1&offset=1"),
        Value::Null,
    )
    .await?;
    assert_eq!(rows.json()?, json!([]));
    Ok(())
}
