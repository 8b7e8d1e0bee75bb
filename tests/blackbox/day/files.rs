//! Files: offers in folders with impossible names, two versions of one plan, and a clean-up.

use anyhow::Result;
use serde_json::{Value, json};

use super::office::Office;
use super::worker::{Worker, each, text};

const OFFICE: &str = "Büro ✓ 2026";
const OFFERS: &str = "Büro ✓ 2026/Angebote #3 + 50%";
/// Looks encoded and is not; has everything that ends a path in a URL.
const TRICKY: &str = "a+b %20 #1?.txt";
/// Reads backwards: the override turns `txt.exe` around.
const TURNED: &str = "דוח \u{202e}exe.txt";

const FILM: &str = "Rundgang 100%.mp4";
/// More than goes in one request, in bytes.
const FILM_SIZE: usize = (21 << 20) + 5;

/// As long as a name may be.
fn long() -> String {
    format!("{}.txt", "l".repeat(246))
}

fn path(folder: &str, name: &str) -> Value {
    json!({ "path": format!("{folder}/{name}") })
}

pub(crate) async fn chapter(judy: &Worker) -> Result<()> {
    let long = long();

    for (folder, is_new) in [(OFFICE, true), (OFFERS, true), (OFFICE, false)] {
        let made = judy
            .does("nc_webdav_create_directory", json!({ "path": folder }))
            .await?;
        assert_eq!(made["created"], is_new, "{made}");
    }
    for name in [TRICKY, TURNED, &long, "🗂.md", "..versteckt..md"] {
        let mut file = path(OFFERS, name);
        file["content"] = json!(format!("Inhalt von {name}\n"));
        let saved = judy.does("nc_webdav_write_file", file).await?;
        assert_eq!(saved["created"], true, "{saved}");
    }

    // Nothing is overwritten unseen, and nothing on an old version.
    let mut blind = path(OFFERS, TRICKY);
    blind["content"] = json!("BLIND");
    judy.cannot("nc_webdav_write_file", blind).await?;
    let read = judy
        .does("nc_webdav_read_file", path(OFFERS, TRICKY))
        .await?;
    assert_eq!(read["content"], format!("Inhalt von {TRICKY}\n"));
    let mut change = path(OFFERS, TRICKY);
    change["content"] = json!("Zweite Fassung 🖊\n");
    change["if_match"] = read["etag"].clone();
    judy.does("nc_webdav_write_file", change.clone()).await?;
    change["content"] = json!("VERALTET");
    judy.cannot("nc_webdav_write_file", change).await?;

    // Out of the home leads no path, and into a folder that is not there neither.
    for wrong in [
        "../../bob/files/x.txt",
        "Büro ✓ 2026/../../x",
        "./x",
        "nirgends/x.txt",
    ] {
        judy.cannot(
            "nc_webdav_write_file",
            json!({ "path": wrong, "content": "x" }),
        )
        .await?;
    }
    judy.cannot("nc_webdav_read_file", json!({ "path": "Büro/fehlt.txt" }))
        .await?;

    pictures(judy).await
}

async fn pictures(judy: &Worker) -> Result<()> {
    // A picture, whole and in part.
    let picture = json!({
        "path": format!("{OFFICE}/Grundriß (alt).png"),
        "content": "AAECAwQF/w==",
        "content_type": "image/png;base64",
    });
    judy.does("nc_webdav_write_file", picture.clone()).await?;
    let part = judy
        .does(
            "nc_webdav_read_file",
            json!({ "path": picture["path"], "offset": 5, "length": 2 }),
        )
        .await?;
    assert_eq!(
        (&part["content"], &part["encoding"]),
        (&json!("Bf8="), &json!("base64"))
    );

    // Copied, not over anything; moved over the version that was seen, and over no other.
    let plan = format!("{OFFICE}/Grundriß (neu).png");
    let from_to = |from: &Value, to: &str| json!({ "source_path": from, "destination_path": to });
    judy.does("nc_webdav_copy_resource", from_to(&picture["path"], &plan))
        .await?;
    judy.cannot("nc_webdav_copy_resource", from_to(&picture["path"], &plan))
        .await?;
    let mut replace = from_to(&picture["path"], &plan);
    replace["if_destination_match"] = json!("0123456789abcdef");
    judy.cannot("nc_webdav_move_resource", replace.clone())
        .await?;
    let listed = judy
        .does("nc_webdav_list_directory", json!({ "path": OFFICE }))
        .await?;
    let is_plan = |entry: &&Value| entry["path"] == format!("/{plan}");
    let entries = listed["entries"].as_array().into_iter().flatten();
    replace["if_destination_match"] = entries.clone().find(is_plan).unwrap()["etag"].clone();
    judy.does("nc_webdav_move_resource", replace).await?;

    // Found again by name, by type, by both.
    let found = judy
        .does(
            "nc_webdav_find_by_name",
            json!({ "pattern": "Grundriß", "scope": OFFICE }),
        )
        .await?;
    assert_eq!(each(&found["results"], "path"), [json!(format!("/{plan}"))]);
    let found = judy
        .does(
            "nc_webdav_find_by_type",
            json!({ "mime_type": "image", "scope": OFFICE }),
        )
        .await?;
    assert_eq!(each(&found["results"], "path"), [json!(format!("/{plan}"))]);
    let found = judy
        .does(
            "nc_webdav_search_files",
            json!({ "scope": OFFERS, "name_pattern": "*.md" }),
        )
        .await?;
    let mut names = each(&found["results"], "name");
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, [json!("..versteckt..md"), json!("🗂.md")]);
    let found = judy.does("nc_webdav_list_favorites", json!({})).await?;
    assert_eq!(found["results"], json!([]));

    // Cleaned up, twice.
    for is_there in [true, false] {
        let gone = judy
            .does("nc_webdav_delete_resource", path(OFFERS, "🗂.md"))
            .await?;
        assert_eq!(gone["deleted"], is_there, "{gone}");
        if is_there {
            assert_eq!(gone["in_trash_bin"], true, "{gone}");
        }
    }
    judy.cannot("nc_webdav_delete_resource", json!({ "path": "/" }))
        .await?;
    let read = judy
        .does("nc_webdav_read_file", json!({ "path": plan }))
        .await?;
    assert_eq!(text(&read, "content")?, "AAECAwQF/w==");
    film(judy).await
}

/// A file that is too large for one request: sent in parts, replaced on the version that was seen only.
async fn film(judy: &Worker) -> Result<()> {
    let path = format!("{OFFICE}/{FILM}");
    let write = |byte: &str, etag: Option<&str>| {
        let mut file = json!({ "path": path, "content": byte.repeat(FILM_SIZE) });
        if let Some(etag) = etag {
            file["if_match"] = json!(etag);
        }
        file
    };
    let saved = judy.does("nc_webdav_write_file", write("a", None)).await?;
    assert_eq!(
        (&saved["created"], &saved["size"]),
        (&json!(true), &json!(FILM_SIZE)),
        "{saved}"
    );
    judy.cannot("nc_webdav_write_file", write("b", None))
        .await?;
    judy.cannot("nc_webdav_write_file", write("b", Some("0123456789abcdef")))
        .await?;
    let etag = text(&saved, "etag")?;
    let saved = judy
        .does("nc_webdav_write_file", write("c", Some(&etag)))
        .await?;
    assert_eq!(saved["created"], false, "{saved}");
    Ok(())
}

pub(crate) fn remain(office: &Office<'_>) -> Result<()> {
    let long = long();
    let mut wanted = [
        "Notes/".to_owned(),
        "Notes/.attachments.<id>/".to_owned(),
        "Notes/.attachments.<id>/Tafel #1 + 2.png".to_owned(),
        "Notes/Einkauf 100% Bio + Käse #1 🧀.md".to_owned(),
        // Nextcloud keeps the category while the picture is still in it, and no tool deletes
        // folders that nobody named.
        "Notes/Projekte/".to_owned(),
        "Notes/Projekte/Über & Co/".to_owned(),
        "Notes/יומן פגישות.md".to_owned(),
        format!("{OFFICE}/"),
        format!("{OFFICE}/Grundriß (neu).png"),
        format!("{OFFICE}/{FILM}"),
        format!("{OFFERS}/"),
        format!("{OFFERS}/..versteckt..md"),
        format!("{OFFERS}/{TRICKY}"),
        format!("{OFFERS}/{TURNED}"),
        format!("{OFFERS}/{long}"),
    ];
    wanted.sort();
    assert_eq!(office.paths(), wanted);
    // Deleted, and replaced by a move: whoever did not mean it finds it there.
    let mut trashed = office.nextcloud.trashed("judy");
    trashed.sort();
    assert_eq!(
        trashed,
        [
            "Büro ✓ 2026/Angebote #3 + 50%/🗂.md",
            "Büro ✓ 2026/Grundriß (neu).png",
            "Notes/Wegwerfen.md",
        ]
    );
    let film = office.file(&format!("{OFFICE}/{FILM}"))?;
    assert!(film.len() == FILM_SIZE && film.bytes().all(|byte| byte == b'c'));
    let tricky = office.file(&format!("{OFFERS}/{TRICKY}"))?;
    assert_eq!(tricky, "Zweite Fassung 🖊\n");
    for name in [TURNED, &long, "..versteckt..md"] {
        let content = office.file(&format!("{OFFERS}/{name}"))?;
        assert_eq!(content, format!("Inhalt von {name}\n"));
    }
    Ok(())
}
