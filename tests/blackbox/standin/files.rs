//! WebDAV where the recordings do not go: isolation, ranges, conditions, search, properties.

use anyhow::Result;
use harness::http::Answer;
use reqwest::StatusCode;
use serde_json::json;

use super::{FILES, NOTES, Scene};

const JSON: (&str, &str) = ("content-type", "application/json");
const XML: (&str, &str) = ("content-type", "text/xml");

/// The hrefs of a multistatus, in order.
fn hrefs(answer: &Answer) -> Vec<&str> {
    let parts = answer.body.split("<d:href>").skip(1);
    parts
        .filter_map(|part| part.split("</d:href>").next())
        .collect()
}

fn search(scope: &str, condition: &str, limit: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><d:searchrequest xmlns:d=\"DAV:\" \
         xmlns:oc=\"http://owncloud.org/ns\"><d:basicsearch><d:select><d:prop><oc:fileid/>\
         </d:prop></d:select><d:from><d:scope><d:href>{scope}</d:href><d:depth>infinity</d:depth>\
         </d:scope></d:from><d:where>{condition}</d:where>{limit}</d:basicsearch>\
         </d:searchrequest>"
    )
}

fn name_like(pattern: &str) -> String {
    format!("<d:like><d:prop><d:displayname/></d:prop><d:literal>{pattern}</d:literal></d:like>")
}

#[tokio::test]
async fn users_never_see_each_others_notes_and_files() -> Result<()> {
    let scene = Scene::new().await?;
    let id = scene.nextcloud.add_note("alice", "Secret", "", "hidden")?;
    let note = format!("{NOTES}/{id}");
    for method in ["GET", "PUT", "DELETE"] {
        let answer = scene.call_with("bob", method, &note, &[JSON], "{}").await?;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method}");
    }
    assert_eq!(
        scene.call("bob", "GET", NOTES, "").await?.json()?,
        json!([])
    );
    let file = format!("{FILES}/Notes/Secret.md");
    for (method, status) in [
        ("GET", 404),
        ("PROPFIND", 404),
        ("DELETE", 404),
        ("PUT", 404),
    ] {
        let answer = scene.call("bob", method, &file, "x").await?;
        assert_eq!(answer.status.as_u16(), status, "{method}");
    }
    for (method, status) in [("PUT", 403), ("MKCOL", 403)] {
        let answer = scene
            .call("bob", method, &format!("{FILES}/new"), "")
            .await?;
        assert_eq!(answer.status.as_u16(), status, "{method}");
    }
    let stolen = format!("{}{FILES}/mine.txt", scene.nextcloud.url());
    let target = "/remote.php/dav/files/bob/Readme.md";
    let answer = scene
        .call_with("bob", "COPY", target, &[("destination", &stolen)], "")
        .await?;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let found = search("/files/alice", &name_like("%"), "");
    let answer = scene
        .call_with("bob", "SEARCH", "/remote.php/dav/", &[XML], &found)
        .await?;
    assert!(
        answer.status.is_server_error(),
        "a foreign scope is no directory"
    );
    assert_eq!(
        scene
            .nextcloud
            .read_file("alice", "Notes/Secret.md")
            .as_deref(),
        Some(&b"hidden"[..])
    );
    Ok(())
}

#[tokio::test]
async fn ranges_are_cut_as_asked() -> Result<()> {
    let scene = Scene::new().await?;
    scene.nextcloud.write_file("alice", "ten.txt", "0123456789");
    let file = format!("{FILES}/ten.txt");
    for (range, status, body) in [
        ("bytes=0-3", 206, "0123"),
        ("bytes=7-", 206, "789"),
        ("bytes=-2", 206, "89"),
        ("bytes=5-99", 206, "56789"),
        ("bytes=0-1,3-4", 200, "0123456789"),
        ("lines=0-3", 200, "0123456789"),
    ] {
        let answer = scene
            .call_with("alice", "GET", &file, &[("range", range)], "")
            .await?;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (status, body),
            "{range}"
        );
    }
    let answer = scene
        .call_with("alice", "GET", &file, &[("range", "bytes=10-")], "")
        .await?;
    assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE);
    Ok(())
}

#[tokio::test]
async fn a_move_can_be_bound_to_the_version_it_replaces() -> Result<()> {
    let scene = Scene::new().await?;
    scene.nextcloud.write_file("alice", "new.txt", "new");
    scene.nextcloud.write_file("alice", "old.txt", "old");
    let old = format!("{FILES}/old.txt");
    let tag = scene
        .call("alice", "HEAD", &old, "")
        .await?
        .header("etag")
        .unwrap_or("")
        .to_owned();
    let destination = format!("{}{old}", scene.nextcloud.url());
    for (tag, status) in [("\"other\"", 412), (tag.as_str(), 204)] {
        let condition = format!("<{destination}> ([{tag}])");
        let headers = [
            ("destination", destination.as_str()),
            ("if", condition.as_str()),
        ];
        let answer = scene
            .call_with("alice", "MOVE", &format!("{FILES}/new.txt"), &headers, "")
            .await?;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    }
    assert_eq!(
        scene.nextcloud.read_file("alice", "old.txt").as_deref(),
        Some(&b"new"[..])
    );
    Ok(())
}

#[tokio::test]
async fn names_with_spaces_and_umlauts_are_escaped_in_addresses() -> Result<()> {
    let scene = Scene::new().await?;
    scene
        .nextcloud
        .write_file("alice", "Über uns/a b#c%d.txt", "x");
    let folder = format!("{FILES}/%C3%9Cber%20uns/");
    let answer = scene
        .call_with("alice", "PROPFIND", &folder, &[("depth", "1")], "")
        .await?;
    assert_eq!(
        hrefs(&answer),
        [folder.clone(), format!("{folder}a%20b%23c%25d.txt")]
    );
    Ok(())
}

#[tokio::test]
async fn a_search_takes_its_scope_literally_and_stops_at_a_hundred() -> Result<()> {
    let scene = Scene::new().await?;
    for number in 0..105 {
        scene
            .nextcloud
            .write_file("alice", &format!("My files/{number}.csv"), "x");
    }
    let send = async |body: String| {
        scene
            .call_with("alice", "SEARCH", "/remote.php/dav/", &[XML], &body)
            .await
    };
    let found = send(search("/files/alice/My files", &name_like("%.CSV"), "")).await?;
    assert_eq!(hrefs(&found).len(), 100);
    let limit = "<d:limit><d:nresults>3</d:nresults></d:limit>";
    let found = send(search("/files/alice", &name_like("%.csv"), limit)).await?;
    assert_eq!(hrefs(&found).len(), 3);
    let found = send(search("/files/alice/My%20files", &name_like("%"), "")).await?;
    assert_eq!(found.status, StatusCode::NOT_FOUND);
    Ok(())
}

#[tokio::test]
async fn favourites_are_found_by_search() -> Result<()> {
    let scene = Scene::new().await?;
    scene.nextcloud.write_file("alice", "a.png", "x");
    scene.nextcloud.write_file("alice", "b.png", "x");
    let set = "<d:propertyupdate xmlns:d=\"DAV:\" xmlns:oc=\"http://owncloud.org/ns\"><d:set>\
               <d:prop><oc:favorite>1</oc:favorite></d:prop></d:set></d:propertyupdate>";
    let file = format!("{FILES}/b.png");
    let answer = scene.call("alice", "PROPPATCH", &file, set).await?;
    assert_eq!(answer.status, StatusCode::MULTI_STATUS);
    let favourite = "<d:eq><d:prop><oc:favorite/></d:prop><d:literal>1</d:literal></d:eq>";
    let image =
        "<d:like><d:prop><d:getcontenttype/></d:prop><d:literal>image/%</d:literal></d:like>";
    for (condition, expected) in [
        (favourite.to_owned(), vec![file.as_str()]),
        (
            format!("<d:and>{image}{}</d:and>", name_like("a%")),
            vec!["/remote.php/dav/files/alice/a.png"],
        ),
    ] {
        let body = search("/files/alice", &condition, "");
        let found = scene
            .call_with("alice", "SEARCH", "/remote.php/dav/", &[XML], &body)
            .await?;
        assert_eq!(hrefs(&found), expected);
    }
    Ok(())
}

#[tokio::test]
async fn protected_properties_cannot_be_set_and_foreign_ones_are_kept() -> Result<()> {
    let scene = Scene::new().await?;
    let file = format!("{FILES}/Readme.md");
    let set = |property: &str| {
        format!(
            "<d:propertyupdate xmlns:d=\"DAV:\"><d:set><d:prop>{property}</d:prop></d:set>\
             </d:propertyupdate>"
        )
    };
    let refused = scene
        .call(
            "alice",
            "PROPPATCH",
            &file,
            &set("<d:getetag>x</d:getetag><x xmlns=\"u:v\">1</x>"),
        )
        .await?;
    assert!(refused.body.contains("403 Forbidden") && refused.body.contains("424"));
    scene
        .call(
            "alice",
            "PROPPATCH",
            &file,
            &set("<x xmlns=\"u:v\">kept</x>"),
        )
        .await?;
    let asked = "<d:propfind xmlns:d=\"DAV:\"><d:prop><x xmlns=\"u:v\"/></d:prop></d:propfind>";
    let read = scene
        .call_with("alice", "PROPFIND", &file, &[("depth", "0")], asked)
        .await?;
    assert!(read.body.contains(">kept<"), "{}", read.body);
    Ok(())
}

#[tokio::test]
async fn paths_cannot_climb_out_of_the_home() -> Result<()> {
    let scene = Scene::new().await?;
    scene.nextcloud.write_file("bob", "secret.txt", "x");
    // An escaped slash is what keeps the client from resolving the dots itself.
    let path = format!("{FILES}/a%2f..%2f..%2fbob%2fsecret.txt");
    let answer = scene.call("alice", "GET", &path, "").await?;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let destination = format!("{FILES}/%2e%2e/bob/x.txt");
    let headers = [("destination", destination.as_str())];
    let source = format!("{FILES}/Readme.md");
    let answer = scene
        .call_with("alice", "COPY", &source, &headers, "")
        .await?;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    Ok(())
}
