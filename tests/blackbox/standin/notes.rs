//! The Notes app where the recordings do not go: one tree behind it and WebDAV, versions, chunks.

use anyhow::{Context as _, Result};
use harness::http::Answer;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{FILES, NOTES, Scene};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn create(scene: &Scene, user: &str, note: Value) -> Result<Value> {
    scene
        .call_with(user, "POST", NOTES, &[JSON], &note.to_string())
        .await?
        .json()
}

async fn update(scene: &Scene, id: &Value, tag: &str, change: Value) -> Result<Answer> {
    let headers = [JSON, ("if-match", tag)];
    scene
        .call_with(
            "alice",
            "PUT",
            &format!("{NOTES}/{id}"),
            &headers,
            &change.to_string(),
        )
        .await
}

#[tokio::test]
async fn a_note_is_a_file_and_a_file_is_a_note() -> Result<()> {
    let scene = Scene::new().await?;
    let note = json!({"title": "Plan", "category": "Work/2026", "content": "one"});
    let made = create(&scene, "alice", note).await?;
    let file = format!("{FILES}/Notes/Work/2026/Plan.md");
    assert_eq!(scene.call("alice", "GET", &file, "").await?.body, "one");
    scene.call("alice", "PUT", &file, "two").await?;
    let read = scene
        .call("alice", "GET", &format!("{NOTES}/{}", made["id"]), "")
        .await?
        .json()?;
    assert_eq!(read["content"], "two");
    assert_ne!(read["etag"], made["etag"]);
    scene
        .call("alice", "PUT", &format!("{FILES}/Notes/Loose.txt"), "x")
        .await?;
    let titles: Vec<Value> = scene
        .nextcloud
        .notes("alice")
        .iter()
        .map(|note| note["title"].clone())
        .collect();
    assert_eq!(titles, ["Plan", "Loose"]);
    Ok(())
}

#[tokio::test]
async fn deleting_a_note_removes_its_empty_categories() -> Result<()> {
    let scene = Scene::new().await?;
    let id = scene
        .nextcloud
        .add_note("alice", "Plan", "Work/2026", "x")?;
    scene.nextcloud.add_note("alice", "Other", "Work", "y")?;
    scene
        .call("alice", "DELETE", &format!("{NOTES}/{id}"), "")
        .await?;
    let paths = scene.nextcloud.paths("alice");
    assert!(!paths.contains(&"Notes/Work/2026/".to_owned()));
    assert!(paths.contains(&"Notes/Work/Other.md".to_owned()));
    Ok(())
}

#[tokio::test]
async fn an_update_needs_the_quoted_tag_of_the_current_version() -> Result<()> {
    let scene = Scene::new().await?;
    let made = create(&scene, "alice", json!({"title": "Plan", "content": "one"})).await?;
    let tag = made["etag"].as_str().context("no tag")?;
    for wrong in [tag, "*", "\"other\""] {
        let answer = update(&scene, &made["id"], wrong, json!({"content": "two"})).await?;
        assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{wrong}");
        assert_eq!(
            answer.json()?["content"],
            "one",
            "the current note comes with the refusal"
        );
    }
    let listed = format!("\"other\", \"{tag}\"");
    let answer = update(&scene, &made["id"], &listed, json!({"content": "two"})).await?;
    assert_eq!(
        (answer.status, answer.json()?["content"].clone()),
        (StatusCode::OK, json!("two"))
    );
    Ok(())
}

#[tokio::test]
async fn an_update_changes_only_what_it_names_and_can_empty_a_field() -> Result<()> {
    let scene = Scene::new().await?;
    let note = json!({"title": "Plan", "category": "Work", "content": "one", "favorite": true});
    let made = create(&scene, "alice", note).await?;
    let tag = format!("\"{}\"", made["etag"].as_str().unwrap_or_default());
    let changed = update(&scene, &made["id"], &tag, json!({"category": ""}))
        .await?
        .json()?;
    assert_eq!(changed["internalPath"], "/Notes/Plan.md");
    assert_eq!(changed["favorite"], true);
    assert_eq!(changed["id"], made["id"]);
    assert!(
        !scene
            .nextcloud
            .paths("alice")
            .contains(&"Notes/Work/".to_owned())
    );
    Ok(())
}

#[tokio::test]
async fn a_taken_title_gets_a_number() -> Result<()> {
    let scene = Scene::new().await?;
    create(&scene, "alice", json!({"title": "Plan"})).await?;
    let second = create(&scene, "alice", json!({"title": "Plan"})).await?;
    assert_eq!(second["title"], "Plan (2)");
    Ok(())
}

#[tokio::test]
async fn chunks_lead_through_all_notes_and_the_last_names_the_others() -> Result<()> {
    let scene = Scene::new().await?;
    let mut ids = Vec::new();
    for title in ["a", "b", "c"] {
        ids.push(scene.nextcloud.add_note("alice", title, "", title)?);
    }
    let first = scene
        .call("alice", "GET", &format!("{NOTES}?chunkSize=2"), "")
        .await?;
    assert_eq!(first.header("x-notes-chunk-pending"), Some("1"));
    assert_eq!(first.json()?.as_array().map(Vec::len), Some(2));
    let cursor = first.header("x-notes-chunk-cursor").context("no cursor")?;
    let target = format!("{NOTES}?chunkSize=2&chunkCursor={cursor}");
    let last = scene.call("alice", "GET", &target, "").await?;
    assert_eq!(last.header("x-notes-chunk-cursor"), None);
    let body = last.json()?;
    assert_eq!(body[0]["title"], "c");
    assert_eq!(
        body[1],
        json!({"id": ids[0]}),
        "bare ids tell what still exists"
    );
    assert_eq!(body[2], json!({"id": ids[1]}));
    Ok(())
}

#[tokio::test]
async fn only_changed_notes_come_whole_after_a_time() -> Result<()> {
    let scene = Scene::new().await?;
    let old = scene.nextcloud.add_note("alice", "old", "", "x")?;
    scene
        .nextcloud
        .clock()
        .advance(std::time::Duration::from_secs(100));
    scene.nextcloud.add_note("alice", "new", "", "y")?;
    let since = super::NOW + 50;
    let answer = scene
        .call("alice", "GET", &format!("{NOTES}?pruneBefore={since}"), "")
        .await?;
    let body = answer.json()?;
    assert_eq!(
        (&body[0]["title"], &body[1]),
        (&json!("new"), &json!({"id": old}))
    );
    Ok(())
}
