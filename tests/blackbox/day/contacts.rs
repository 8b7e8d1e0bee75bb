//! Contacts: the customers, two who write the same card, one who leaves.

use anyhow::Result;
use serde_json::{Value, json};

use super::office::{Office, lines};
use super::worker::{Worker, each};

const BOOK: &str = "kunden #1 & +ü";
const NAME: &str = "Zoë O'Brien; Söhne, \"Ltd.\" 🎻";
const ARABIC: &str = "شركة ٥٠٪";

pub(crate) async fn chapter(judy: &Worker) -> Result<()> {
    let book = json!({ "name": BOOK, "display_name": "Kunden <A–Z> & Co" });
    judy.does("nc_contacts_create_addressbook", book.clone())
        .await?;
    judy.cannot("nc_contacts_create_addressbook", book).await?;
    judy.cannot(
        "nc_contacts_create_addressbook",
        json!({ "name": "../x", "display_name": "x" }),
    )
    .await?;

    let contact =
        |uid: &str, data: Value| json!({ "addressbook": BOOK, "uid": uid, "contact_data": data });
    let zoe = contact(
        "zoë/1 #%",
        json!({ "fn": NAME, "email": "zoe+söhne@example.test", "note": "Zeile 1\nZeile 2; 100%" }),
    );
    let made = judy.does("nc_contacts_create_contact", zoe.clone()).await?;
    judy.cannot("nc_contacts_create_contact", zoe).await?;
    judy.does(
        "nc_contacts_create_contact",
        contact("arab", json!({ "fn": ARABIC, "tel": "+49 221 1" })),
    )
    .await?;
    judy.does(
        "nc_contacts_create_contact",
        contact("weg", json!({ "fn": "Weg" })),
    )
    .await?;
    judy.cannot(
        "nc_contacts_create_contact",
        contact("leer", json!({ "note": "ohne Namen" })),
    )
    .await?;

    // Two change the same card; an empty text clears, the rest stays.
    let mut change = contact("zoë/1 #%", json!({ "title": "Geigerin", "email": "" }));
    change["etag"] = made["etag"].clone();
    judy.does("nc_contacts_update_contact", change.clone())
        .await?;
    change["contact_data"] = json!({ "title": "VERALTET" });
    let conflict = judy.cannot("nc_contacts_update_contact", change).await?;
    assert!(
        conflict.contains("Geigerin"),
        "the current version is there: {conflict}"
    );
    judy.cannot(
        "nc_contacts_update_contact",
        contact("niemand", json!({ "title": "x" })),
    )
    .await?;

    for is_there in [true, false] {
        let gone = judy
            .does(
                "nc_contacts_delete_contact",
                json!({ "addressbook": BOOK, "uid": "weg" }),
            )
            .await?;
        assert_eq!(gone["deleted"], is_there, "{gone}");
    }
    let listed = judy
        .does("nc_contacts_list_contacts", json!({ "addressbook": BOOK }))
        .await?;
    let mut names = each(&listed["contacts"], "fn");
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, [json!(NAME), json!(ARABIC)]);
    judy.cannot(
        "nc_contacts_list_contacts",
        json!({ "addressbook": "fehlt" }),
    )
    .await?;

    // A second book, gone again with what was in it.
    judy.does(
        "nc_contacts_create_addressbook",
        json!({ "name": "zwei", "display_name": "" }),
    )
    .await?;
    let mut guest = contact("gast", json!({ "fn": "Gast" }));
    guest["addressbook"] = json!("zwei");
    judy.does("nc_contacts_create_contact", guest).await?;
    let gone = judy
        .does("nc_contacts_delete_addressbook", json!({ "name": "zwei" }))
        .await?;
    assert_eq!(gone["contacts_deleted"], 1, "{gone}");
    let books = judy
        .does("nc_contacts_list_addressbooks", json!({}))
        .await?;
    let mut names = each(&books["addressbooks"], "name");
    names.retain(|name| name == BOOK || name == "zwei");
    assert_eq!(names, [json!(BOOK)]);
    Ok(())
}

pub(crate) async fn remain(office: &Office<'_>) -> Result<()> {
    let books = office
        .members("/remote.php/dav/addressbooks/users/judy/")
        .await?;
    assert_eq!(
        books,
        [
            "contacts",
            BOOK,
            "z-app-generated--contactsinteraction--recent",
            "z-server-generated--system",
        ]
    );
    let encoded = percent_encoding::utf8_percent_encode(BOOK, percent_encoding::NON_ALPHANUMERIC);
    let cards = office
        .objects(&format!(
            "/remote.php/dav/addressbooks/users/judy/{encoded}/"
        ))
        .await?;
    let mut cards: Vec<String> = cards
        .iter()
        .map(|card| {
            ["UID", "FN", "TITLE", "NOTE", "EMAIL", "TEL"]
                .map(|name| {
                    let lines = lines(card, name);
                    lines
                        .iter()
                        .map(|line| line.split_once(':').unwrap().1)
                        .collect::<String>()
                })
                .join("|")
        })
        .collect();
    cards.sort();
    assert_eq!(
        cards,
        [
            format!("arab|{ARABIC}||||+49 221 1"),
            "zoë/1 #%|Zoë O'Brien\\; Söhne\\, \"Ltd.\" 🎻|Geigerin|Zeile 1\\nZeile 2\\; 100%||"
                .to_owned(),
        ]
    );
    Ok(())
}
