//! People in an address book that an agent keeps, over the whole installation.

use anyhow::{Context as _, Result};
use harness::mcp_client::{self, McpPoster};
use serde_json::{Value, json};

use crate::support::{Agent, run, shared};

/// A contact as another program wrote it: version 4.0, with what no tool of ours knows.
const THEIRS: &str = "BEGIN:VCARD\r\nVERSION:4.0\r\nPRODID:-//Somebody//Else//EN\r\nUID:urn:uuid:4fbe-1\r\n\
     FN;LANGUAGE=de:Jürgen Groß\r\nN:Groß;Jürgen;;Dr.;\r\nKIND:individual\r\nGENDER:M\r\n\
     item1.TEL;VALUE=uri;PREF=1;TYPE=\"voice,home\":tel:+49-221-1\r\nitem1.X-ABLabel:Boot\r\n\
     EMAIL;TYPE=work:j@work.test\r\nX-SOCIALPROFILE;TYPE=mastodon;X-USER=\"j:g;x\":https://m.test/@jg\r\n\
     NOTE:A long note that is folded by the other program\\, in the mid\r\n dle of a word.\r\n\
     ANNIVERSARY:20100401\r\nPHOTO:data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ\r\n \
     AAAADUlEQVR42mNk\r\nEND:VCARD\r\n";

async fn ok(poster: &McpPoster, tool: &str, arguments: Value) -> Result<Value> {
    let result = poster.call(tool, arguments).await?;
    assert_ne!(result["isError"], true, "{tool}: {result}");
    Ok(result["structuredContent"].clone())
}

#[test]
fn a_contact_of_another_program_keeps_all_that_nobody_changed() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        let agent = Agent::new(deployment).await?;
        let poster = agent.poster(&agent.log_in("carol").await?.access_token);
        nextcloud.put_card("carol", "contacts", "some-object.vcf", THEIRS)?;

        let listed = ok(
            &poster,
            "nc_contacts_list_contacts",
            json!({ "addressbook": "contacts" }),
        )
        .await?;
        let contact = &listed["contacts"][0];
        assert_eq!(contact["fn"], "Jürgen Groß", "{listed}");
        assert_eq!(contact["tel"][0]["value"], "+49-221-1", "{listed}");
        let change = json!({
            "addressbook": "contacts", "uid": contact["uid"], "etag": contact["etag"],
            "contact_data": { "email": "j.gross@work.test", "title": "Kapitän" },
        });
        let changed = ok(&poster, "nc_contacts_update_contact", change.clone()).await?;
        assert_eq!(changed["title"], "Kapitän");
        let expected = THEIRS
            .replace("j@work.test", "j.gross@work.test")
            .replace("END:", "TITLE:Kapitän\r\nEND:");
        let stored = nextcloud.cards("carol", "contacts");
        assert_eq!(stored, [("some-object.vcf".to_owned(), expected)]);

        // The etag is of the version before: nothing is written, and the current one is told.
        let refused = poster.call("nc_contacts_update_contact", change).await?;
        assert_eq!(refused["isError"], true, "{refused}");
        assert!(mcp_client::text(&refused).contains("Kapitän"), "{refused}");

        let gone = json!({ "addressbook": "contacts", "uid": "urn:uuid:4fbe-1" });
        let gone = ok(&poster, "nc_contacts_delete_contact", gone).await?;
        assert_eq!(
            (&gone["deleted"], &gone["fn"]),
            (&json!(true), &json!("Jürgen Groß"))
        );
        assert!(nextcloud.cards("carol", "contacts").is_empty());
        Ok(())
    })
}

#[test]
fn a_book_is_filled_read_in_pages_and_deleted() -> Result<()> {
    run(async {
        let agent = Agent::new(shared().await?).await?;
        let poster = agent.poster(&agent.log_in("dave").await?.access_token);
        let book = "Kunden & Co #1 50%";
        let made = json!({ "name": book, "display_name": "Kunden <wichtig>" });
        ok(&poster, "nc_contacts_create_addressbook", made).await?;
        for (uid, name) in [
            ("1", "Zoë O'Hara"),
            ("a/b", "李 小龍 🐉"),
            ("", "שלום; \"x\", y\\z"),
        ] {
            let contact =
                json!({ "addressbook": book, "uid": uid, "contact_data": { "fn": name } });
            let made = ok(&poster, "nc_contacts_create_contact", contact).await?;
            assert_eq!(made["fn"], name);
        }
        let again = json!({ "addressbook": book, "uid": "a/b", "contact_data": { "fn": "x" } });
        let refused = poster.call("nc_contacts_create_contact", again).await?;
        assert!(mcp_client::text(&refused).contains("already"), "{refused}");

        let (mut names, mut offset) = (Vec::new(), json!(0));
        while !offset.is_null() {
            let page = json!({ "addressbook": book, "limit": 2, "offset": offset });
            let page = ok(&poster, "nc_contacts_list_contacts", page).await?;
            names.extend(
                page["contacts"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|one| one["fn"].clone()),
            );
            offset = page["next_offset"].clone();
        }
        names.sort_by_key(ToString::to_string);
        assert_eq!(names, ["Zoë O'Hara", "שלום; \"x\", y\\z", "李 小龍 🐉"]);
        let gone = ok(
            &poster,
            "nc_contacts_delete_addressbook",
            json!({ "name": book }),
        )
        .await?;
        assert_eq!(
            (&gone["deleted"], &gone["contacts_deleted"]),
            (&json!(true), &json!(3))
        );
        Ok(())
    })
}
