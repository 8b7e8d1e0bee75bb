//! Notes: a shopping list that grows, minutes that two people change at once, a picture.

use anyhow::Result;
use serde_json::json;

use super::office::Office;
use super::worker::{Worker, each, number, text};

const SHOPPING: &str = "Einkauf 100% Bio + Käse #1 🧀";
const MINUTES: &str = "יומן פגישות";
const CATEGORY: &str = "Projekte/Über & Co";
/// A picture, in base64: nobody looks at it.
const PICTURE: &str = "iVBORw0KGgoAAAA=";

pub(crate) async fn chapter(judy: &Worker) -> Result<()> {
    let shopping = judy
        .does(
            "nc_notes_create_note",
            json!({ "title": SHOPPING, "content": "- Käse", "category": "" }),
        )
        .await?;
    let shopping = number(&shopping, "id")?;
    let minutes = judy
        .does(
            "nc_notes_create_note",
            json!({ "title": MINUTES, "content": "<b>תקציב</b> & 50 %", "category": CATEGORY }),
        )
        .await?;
    let (minutes, first) = (number(&minutes, "id")?, text(&minutes, "etag")?);

    // The list grows; an empty note gets no separator.
    judy.does(
        "nc_notes_append_content",
        json!({ "note_id": shopping, "content": "- Brot & Öl" }),
    )
    .await?;

    // Somebody else writes into the minutes meanwhile: the version that Judy read is gone.
    judy.does(
        "nc_notes_append_content",
        json!({ "note_id": minutes, "content": "Nachtrag" }),
    )
    .await?;
    let change = json!({ "note_id": minutes, "etag": first, "content": "ÜBERSCHRIEBEN" });
    let conflict = judy.cannot("nc_notes_update_note", change).await?;
    assert!(
        conflict.contains("Nachtrag"),
        "the current version is there: {conflict}"
    );

    // A picture beside the note follows it out of its category.
    let folder = format!("Notes/{CATEGORY}/.attachments.{minutes}");
    judy.does("nc_webdav_create_directory", json!({ "path": folder }))
        .await?;
    judy.does(
        "nc_webdav_write_file",
        json!({
            "path": format!("{folder}/Tafel #1 + 2.png"),
            "content": PICTURE,
            "content_type": "image/png;base64",
        }),
    )
    .await?;
    let current = judy
        .does("nc_notes_get_note", json!({ "note_id": minutes }))
        .await?;
    let change = json!({ "note_id": minutes, "etag": current["etag"], "category": "" });
    let moved = judy.does("nc_notes_update_note", change).await?;
    assert_eq!(
        (&moved["category"], &moved["title"]),
        (&json!(""), &json!(MINUTES))
    );
    let picture = judy
        .does(
            "nc_notes_get_attachment",
            json!({ "note_id": minutes, "attachment_filename": "Tafel #1 + 2.png" }),
        )
        .await?;
    assert_eq!(picture["data"], PICTURE);
    judy.cannot(
        "nc_notes_get_attachment",
        json!({ "note_id": minutes, "attachment_filename": "../../Readme.md" }),
    )
    .await?;

    // What is thrown away is gone, and what never was is said to be missing.
    let scrap = judy
        .does(
            "nc_notes_create_note",
            json!({ "title": "Wegwerfen", "content": "x", "category": "" }),
        )
        .await?;
    let scrap = json!({ "note_id": scrap["id"] });
    judy.does("nc_notes_delete_note", scrap.clone()).await?;
    judy.cannot("nc_notes_get_note", scrap).await?;
    judy.cannot("nc_notes_get_note", json!({ "note_id": 99_999_999 }))
        .await?;

    let found = judy
        .does("nc_notes_search_notes", json!({ "query": "KÄSE" }))
        .await?;
    assert_eq!(each(&found["results"], "id"), [json!(shopping)]);
    Ok(())
}

pub(crate) fn remain(office: &Office<'_>) {
    let title = |title: &str| title.to_owned();
    assert_eq!(
        office.notes(),
        [
            [
                title(SHOPPING),
                title(""),
                title("- Käse\n---\n- Brot & Öl")
            ],
            [
                title(MINUTES),
                title(""),
                title("<b>תקציב</b> & 50 %\n---\nNachtrag")
            ],
        ]
    );
}
