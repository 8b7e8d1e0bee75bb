//! Address books where the recordings do not go: the conversion of cards, and whose they are.

use anyhow::{Context as _, Result};
use reqwest::StatusCode;

use super::Scene;

const HOME: &str = "/remote.php/dav/addressbooks/users/alice";
const BOOK: &str = "/remote.php/dav/addressbooks/users/alice/contacts/";
const FOUR: &str = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:u-1\r\nFN:Ada\r\nANNIVERSARY:20260401\r\n\
     KIND:individual\r\nEND:VCARD\r\n";

async fn put(scene: &Scene, name: &str, card: &str) -> Result<StatusCode> {
    let target = format!("{BOOK}{name}");
    Ok(scene.call("alice", "PUT", &target, card).await?.status)
}

#[tokio::test]
async fn only_a_propfind_gives_a_card_of_version_4_as_it_is() -> Result<()> {
    let scene = Scene::new().await?;
    assert_eq!(put(&scene, "a.vcf", FOUR).await?, StatusCode::CREATED);
    let target = format!("{BOOK}a.vcf");
    let read = scene.call("alice", "GET", &target, "").await?;
    assert!(read.body.contains("VERSION:3.0") && read.body.contains("X-ANNIVERSARY"));
    assert!(!read.body.contains("KIND"), "{}", read.body);
    let four = [("accept", "text/vcard; version=4.0")];
    let read = scene.call_with("alice", "GET", &target, &four, "").await?;
    assert_eq!(read.body, FOUR);

    let wanted = "<d:propfind xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:carddav\"><d:prop>\
         <c:address-data/></d:prop></d:propfind>";
    let depth = [("depth", "0")];
    let found = scene
        .call_with("alice", "PROPFIND", &target, &depth, wanted)
        .await?;
    assert!(
        found.body.contains("KIND:individual&#13;"),
        "{}",
        found.body
    );
    let query = "<c:addressbook-query xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:carddav\"><d:prop>\
         <c:address-data><c:prop name=\"VERSION\"/></c:address-data></d:prop><c:filter>\
         <c:prop-filter name=\"UID\"><c:text-match match-type=\"equals\">U-1</c:text-match></c:prop-filter>\
         </c:filter></c:addressbook-query>";
    let found = scene
        .call_with("alice", "REPORT", BOOK, &[("depth", "1")], query)
        .await?;
    assert!(
        found.body.contains("FN:Ada") && !found.body.contains("ANNIVERSARY"),
        "{}",
        found.body
    );
    assert_eq!(
        scene.nextcloud.cards("alice", "contacts"),
        [("a.vcf".to_owned(), FOUR.to_owned())]
    );
    Ok(())
}

#[tokio::test]
async fn a_uid_is_there_once_in_an_address_book() -> Result<()> {
    let scene = Scene::new().await?;
    put(&scene, "a.vcf", FOUR).await?;
    let again = scene
        .call("alice", "PUT", &format!("{BOOK}b.vcf"), FOUR)
        .await?;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert!(again.body.contains("uid already exists"), "{}", again.body);
    assert_eq!(put(&scene, "a.vcf", FOUR).await?, StatusCode::NO_CONTENT);
    Ok(())
}

#[tokio::test]
async fn a_card_without_a_uid_gets_one_and_the_tag_is_not_told() -> Result<()> {
    let scene = Scene::new().await?;
    let target = format!("{BOOK}a.vcf");
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nEND:VCARD\r\n";
    let stored = scene.call("alice", "PUT", &target, card).await?;
    assert_eq!(
        (stored.status, stored.header("etag")),
        (StatusCode::CREATED, None)
    );
    let cards = scene.nextcloud.cards("alice", "contacts");
    let (_, text) = cards.first().context("no card")?;
    assert!(
        text.contains("\r\nUID:") && text.ends_with("END:VCARD\r\n"),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_found_and_what_the_server_makes_is_only_read() -> Result<()>
{
    let scene = Scene::new().await?;
    for (user, method, target, status) in [
        ("bob", "PROPFIND", format!("{HOME}/"), 404),
        ("bob", "PUT", format!("{BOOK}a.vcf"), 404),
        (
            "alice",
            "PUT",
            format!("{HOME}/z-server-generated--system/a.vcf"),
            403,
        ),
        (
            "alice",
            "DELETE",
            format!("{HOME}/z-app-generated--contactsinteraction--recent/"),
            403,
        ),
        (
            "alice",
            "GET",
            format!("{HOME}/z-server-generated--system/Database%3Abob.vcf"),
            200,
        ),
        ("alice", "PUT", format!("{HOME}/none/a.vcf"), 404),
        ("alice", "MKCOL", format!("{HOME}/contacts/"), 405),
        ("alice", "MKCOL", format!("{HOME}/plain/"), 403),
        ("alice", "MKCOL", format!("{HOME}/z-app-generated--x/"), 405),
    ] {
        let answer = scene
            .call(
                user,
                method,
                &target,
                if method == "PUT" { FOUR } else { "" },
            )
            .await?;
        assert_eq!(answer.status.as_u16(), status, "{user} {method} {target}");
    }
    Ok(())
}
