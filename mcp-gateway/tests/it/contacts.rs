//! Contacts on the wire.

use serde_json::{Value, json};

use crate::support::{Answer, Gateway};

const READ: &str = "contacts.read";
const WRITE: &str = "contacts.write";
const HOME: &str = "/remote.php/dav/addressbooks/users/alice/";
const BOOK: &str = "/remote.php/dav/addressbooks/users/alice/my%20b%C3%B6ok%20%231/";
const NAME: &str = "my böok #1";
const CARD: &str = "/remote.php/dav/addressbooks/users/alice/my%20b%C3%B6ok%20%231/whatever.vcf";

const STORED: &str = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:u/1\r\nFN:Ada\r\nKIND:individual\r\n\
     item1.TEL;PREF=1:+1\r\nitem1.X-ABLabel:Boat\r\nX-ODD;A=\"b;c\":d\r\n e\r\nEND:VCARD\r\n";

fn encoded(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    escaped.replace('\r', "&#13;")
}

fn response(href: &str, properties: &str) -> String {
    format!(
        "<d:response><d:href>{href}</d:href><d:propstat><d:prop>{properties}</d:prop>\
         <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
    )
}

fn multistatus(responses: &[String]) -> Answer {
    Answer::xml(
        207,
        &format!(
            "<?xml version=\"1.0\"?><d:multistatus xmlns:d=\"DAV:\" \
             xmlns:card=\"urn:ietf:params:xml:ns:carddav\" xmlns:cs=\"http://calendarserver.org/ns/\">\
             {}</d:multistatus>",
            responses.concat()
        ),
    )
}

fn card(href: &str, etag: &str, text: &str) -> String {
    let text = encoded(text);
    response(
        href,
        &format!(
            "<d:getetag>&quot;{etag}&quot;</d:getetag><card:address-data>{text}</card:address-data>"
        ),
    )
}

fn stored(gateway: &Gateway, etag: &str, text: &str) {
    gateway
        .nextcloud
        .on("REPORT", BOOK, multistatus(&[card(CARD, etag, text)]));
    gateway
        .nextcloud
        .on("PROPFIND", CARD, multistatus(&[card(CARD, etag, text)]));
}

fn created(etag: &str) -> Answer {
    Answer::text(201, "text/html; charset=UTF-8", "").with("etag", &format!("\"{etag}\""))
}

#[tokio::test]
async fn address_books_say_whose_they_are_and_what_one_may_do() {
    let gateway = Gateway::start().await;
    let kind = "<d:resourcetype><d:collection/><card:addressbook/></d:resourcetype>";
    let privilege = |name: &str| {
        format!(
            "<d:current-user-privilege-set><d:privilege><d:{name}/></d:privilege></d:current-user-privilege-set>"
        )
    };
    let owner = |name: &str| {
        format!("<d:owner><d:href>/remote.php/dav/principals/users/{name}/</d:href></d:owner>")
    };
    let listed = multistatus(&[
        response(HOME, "<d:resourcetype><d:collection/></d:resourcetype>"),
        response(
            BOOK,
            &format!(
                "{kind}<d:displayname>Mine &amp; yours</d:displayname><cs:getctag>30</cs:getctag>{}{}",
                privilege("write"),
                owner("alice")
            ),
        ),
        response(
            &format!("{HOME}team_shared_by_bob/"),
            &format!("{kind}{}{}", privilege("read"), owner("bob")),
        ),
    ]);
    gateway.nextcloud.on("PROPFIND", HOME, listed);
    let books = gateway
        .ok(READ, "nc_contacts_list_addressbooks", json!({}))
        .await;
    assert_eq!(
        books["addressbooks"],
        json!([
            { "name": NAME, "display_name": "Mine & yours", "description": "", "writable": true, "ctag": "30" },
            { "name": "team_shared_by_bob", "display_name": "team_shared_by_bob", "description": "", "writable": false, "shared_by": "bob" },
        ])
    );
    let seen = &gateway.nextcloud.seen()[0];
    assert_eq!(seen.header("depth"), Some("1"));
    assert!(
        seen.body.contains("<card:addressbook-description/>"),
        "{}",
        seen.body
    );
}

#[tokio::test]
async fn a_long_address_book_is_read_page_by_page() {
    let gateway = Gateway::start().await;
    let href = |n: usize| format!("{BOOK}c%20{n}.vcf");
    let tag = |n: usize| response(&href(n), &format!("<d:getetag>\"e{n}\"</d:getetag>"));
    let mut all = vec![response(
        BOOK,
        "<d:resourcetype><d:collection/></d:resourcetype>",
    )];
    all.extend((0..5).rev().map(tag));
    gateway.nextcloud.on("PROPFIND", BOOK, multistatus(&all));
    let text =
        |n: usize| format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u{n}\r\nFN:N{n}\r\nEND:VCARD\r\n");
    let page = [
        card(&href(2), "e2", &text(2)),
        card(&href(1), "e1", "broken"),
    ];
    gateway.nextcloud.on("REPORT", BOOK, multistatus(&page));
    let arguments = json!({ "addressbook": NAME, "limit": 2, "offset": 1 });
    let listed = gateway
        .ok(READ, "nc_contacts_list_contacts", arguments)
        .await;
    assert_eq!(
        (&listed["total"], &listed["next_offset"]),
        (&json!(5), &json!(3))
    );
    assert_eq!(listed["contacts"][0]["fn"], "N2");
    assert_eq!(listed["contacts"][0]["etag"], "e2");
    assert_eq!(listed["unreadable"], json!(["c 1.vcf"]));
    let seen = gateway.nextcloud.seen();
    let report = &seen[1];
    assert_eq!(
        (report.method.as_str(), report.header("depth")),
        ("REPORT", Some("1"))
    );
    assert!(
        report.body.contains(&format!(
            "<d:href>{}</d:href><d:href>{}</d:href>",
            href(1),
            href(2)
        )),
        "{}",
        report.body
    );
    assert!(!report.body.contains("PHOTO") && !report.body.contains(&href(3)));
}

#[tokio::test]
async fn a_contact_is_created_under_its_uid_and_only_if_there_is_none() {
    let gateway = Gateway::start().await;
    let object = format!("{BOOK}ada%40example.test.vcf");
    gateway.nextcloud.on("PUT", &object, created("e1"));
    let data =
        json!({ "fn": "Ada Lovelace", "email": "ada@example.test", "note": "one\ntwo, three" });
    let arguments = json!({ "addressbook": NAME, "uid": "ada@example.test", "contact_data": data });
    let made = gateway
        .ok(WRITE, "nc_contacts_create_contact", arguments.clone())
        .await;
    assert_eq!(
        (&made["uid"], &made["etag"]),
        (&json!("ada@example.test"), &json!("e1"))
    );
    let put = gateway.nextcloud.seen()[0].clone();
    assert_eq!(put.target, object);
    assert_eq!(put.header("if-none-match"), Some("*"));
    assert_eq!(
        put.header("content-type"),
        Some("text/vcard; charset=utf-8")
    );
    assert_eq!(
        put.body,
        "BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:-//MCP Token Broker//Nextcloud tools//EN\r\n\
         UID:ada@example.test\r\nFN:Ada Lovelace\r\nN:Lovelace;Ada;;;\r\nEMAIL:ada@example.test\r\n\
         NOTE:one\\ntwo\\, three\r\nEND:VCARD\r\n"
    );

    let gateway = Gateway::start().await;
    let exists =
        "An If-None-Match header was specified, but the ETag matched (or * was specified).";
    gateway
        .nextcloud
        .on("PUT", &object, Answer::dav_error(412, exists));
    let text = gateway
        .failure(WRITE, "nc_contacts_create_contact", arguments)
        .await;
    assert!(
        text.contains("already") && text.contains("nc_contacts_update_contact"),
        "{text}"
    );
}

#[tokio::test]
async fn refusals_of_a_new_contact_are_told_apart() {
    for (status, message, part) in [
        (
            400,
            "VCard object with uid already exists in this addressbook collection.",
            "already",
        ),
        (
            415,
            "This resource only supports valid vCard or jCard data. Parse error: x",
            "does not take this contact",
        ),
        (
            404,
            "Addressbook with name 'x' could not be found",
            "nc_contacts_list_addressbooks",
        ),
        (403, "Permission denied", "Permission denied"),
        (507, "Insufficient space", "storage is full"),
    ] {
        let gateway = Gateway::start().await;
        gateway.nextcloud.on(
            "PUT",
            &format!("{BOOK}u.vcf"),
            Answer::dav_error(status, message),
        );
        let arguments = json!({ "addressbook": NAME, "uid": "u", "contact_data": { "fn": "U" } });
        let text = gateway
            .failure(WRITE, "nc_contacts_create_contact", arguments)
            .await;
        assert!(text.contains(part), "{status}: {text}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_anything_is_asked() {
    let gateway = Gateway::start().await;
    for (tool, arguments, part) in [
        (
            "nc_contacts_create_contact",
            json!({ "addressbook": NAME, "uid": "u", "contact_data": { "email": "x" } }),
            "needs a name",
        ),
        (
            "nc_contacts_create_contact",
            json!({ "addressbook": NAME, "uid": "u", "contact_data": { "fn": "U", "bday": "soon" } }),
            "is no day",
        ),
        (
            "nc_contacts_create_contact",
            json!({ "addressbook": NAME, "uid": "u", "contact_data": { "fn": "U", "fax": "1" } }),
            "unknown field `fax`",
        ),
        (
            "nc_contacts_create_contact",
            json!({ "addressbook": "a/b", "uid": "u", "contact_data": { "fn": "U" } }),
            "cannot be the name",
        ),
        (
            "nc_contacts_create_contact",
            json!({ "addressbook": NAME, "uid": "x".repeat(256), "contact_data": { "fn": "U" } }),
            "at most 255",
        ),
        (
            "nc_contacts_create_addressbook",
            json!({ "name": "..", "display_name": "x" }),
            "cannot be the name",
        ),
        (
            "nc_contacts_create_addressbook",
            json!({ "name": "z-app-generated--x", "display_name": "x" }),
            "keeps for itself",
        ),
        (
            "nc_contacts_delete_addressbook",
            json!({ "name": "a/../b" }),
            "cannot be the name",
        ),
    ] {
        let text = gateway.failure(WRITE, tool, arguments).await;
        assert!(text.contains(part), "{tool}: {text}");
    }
    assert!(gateway.nextcloud.all_seen().is_empty());
}

#[tokio::test]
async fn an_update_keeps_every_other_byte_of_what_is_stored() {
    let gateway = Gateway::start().await;
    // Reports give version 3.0, which is not what is stored.
    let converted = "BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:x\r\nUID:u/1\r\nFN:Ada\r\nEND:VCARD\r\n";
    gateway
        .nextcloud
        .on("REPORT", BOOK, multistatus(&[card(CARD, "e1", converted)]));
    gateway
        .nextcloud
        .on("PROPFIND", CARD, multistatus(&[card(CARD, "e1", STORED)]));
    let done = Answer::text(204, "text/html; charset=UTF-8", "").with("oc-etag", "\"e2\"");
    gateway.nextcloud.on("PUT", CARD, done);
    let arguments =
        json!({ "addressbook": NAME, "uid": "u/1", "contact_data": { "tel": "+2", "title": "" } });
    let changed = gateway
        .ok(WRITE, "nc_contacts_update_contact", arguments)
        .await;
    assert_eq!(
        (&changed["etag"], &changed["tel"][0]["label"]),
        (&json!("e2"), &json!("Boat"))
    );
    let seen = gateway.nextcloud.seen();
    let asked: Vec<_> = seen.iter().map(|one| one.method.as_str()).collect();
    assert_eq!(asked, ["REPORT", "PROPFIND", "PUT"]);
    assert!(
        seen[0].body.contains(">u/1</card:text-match>"),
        "{}",
        seen[0].body
    );
    assert_eq!(seen[1].header("depth"), Some("0"));
    assert_eq!(seen[2].header("if-match"), Some("\"e1\""));
    assert_eq!(seen[2].body, STORED.replace("PREF=1:+1", "PREF=1:+2"));
}

#[tokio::test]
async fn a_conflict_brings_the_current_contact() {
    let gateway = Gateway::start().await;
    stored(&gateway, "e9", STORED);
    let refused = Answer::dav_error(
        412,
        "An If-Match header was specified, but none of the specified ETags matched.",
    );
    gateway.nextcloud.on("PUT", CARD, refused);
    let arguments = json!({
        "addressbook": NAME, "uid": "u/1", "contact_data": { "note": "mine" }, "etag": "\"e1\"",
    });
    let text = gateway
        .failure(WRITE, "nc_contacts_update_contact", arguments)
        .await;
    let (sentence, current) = text.split_once('\n').expect("a sentence and the contact");
    assert!(sentence.contains("changed since you read it"), "{sentence}");
    let current: Value = serde_json::from_str(current).expect("json");
    assert_eq!(
        (&current["etag"], &current["fn"]),
        (&json!("e9"), &json!("Ada"))
    );
    let seen = gateway.nextcloud.seen();
    assert_eq!(seen[2].header("if-match"), Some("\"e1\""));
}

#[tokio::test]
async fn an_update_that_changes_nothing_writes_nothing() {
    let gateway = Gateway::start().await;
    stored(&gateway, "e1", STORED);
    let arguments = json!({ "addressbook": NAME, "uid": "u/1", "contact_data": { "fn": "Ada", "note": "" }, "etag": "e1" });
    let same = gateway
        .ok(WRITE, "nc_contacts_update_contact", arguments)
        .await;
    assert_eq!(same["etag"], "e1");
    assert!(
        gateway
            .nextcloud
            .seen()
            .iter()
            .all(|seen| seen.method != "PUT")
    );
}

#[tokio::test]
async fn only_the_exact_uid_is_the_contact() {
    let gateway = Gateway::start().await;
    // Nextcloud compares without case.
    gateway
        .nextcloud
        .on("REPORT", BOOK, multistatus(&[card(CARD, "e1", STORED)]));
    gateway.nextcloud.on(
        "PROPFIND",
        &format!("{BOOK}U-1.vcf"),
        Answer::dav_error(404, "Card not found"),
    );
    let arguments = json!({ "addressbook": NAME, "uid": "U/1", "contact_data": { "note": "x" } });
    let text = gateway
        .failure(WRITE, "nc_contacts_update_contact", arguments)
        .await;
    assert!(text.contains("no contact with the uid \"U/1\""), "{text}");
    let arguments = json!({ "addressbook": NAME, "uid": "U-1" });
    let gone = gateway
        .ok(WRITE, "nc_contacts_delete_contact", arguments)
        .await;
    assert_eq!(
        (&gone["deleted"], &gone["in_trash_bin"]),
        (&json!(false), &json!(false))
    );
    assert!(
        gateway
            .nextcloud
            .seen()
            .iter()
            .all(|seen| seen.method != "DELETE")
    );
}

#[tokio::test]
async fn a_contact_is_deleted_in_the_version_that_was_found() {
    let gateway = Gateway::start().await;
    stored(&gateway, "e1", STORED);
    gateway.nextcloud.on(
        "DELETE",
        CARD,
        Answer::text(204, "text/html; charset=UTF-8", ""),
    );
    let arguments = json!({ "addressbook": NAME, "uid": "u/1" });
    let gone = gateway
        .ok(WRITE, "nc_contacts_delete_contact", arguments)
        .await;
    assert_eq!(
        gone,
        json!({ "uid": "u/1", "fn": "Ada", "deleted": true, "in_trash_bin": false })
    );
    assert_eq!(
        gateway.nextcloud.seen()[1].header("if-match"),
        Some("\"e1\"")
    );
}

#[tokio::test]
async fn address_books_are_made_with_a_name_that_is_only_a_text() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "MKCOL",
        BOOK,
        Answer::text(201, "text/html; charset=UTF-8", ""),
    );
    let display = "A</d:displayname> & B";
    let made = gateway
        .ok(
            WRITE,
            "nc_contacts_create_addressbook",
            json!({ "name": NAME, "display_name": display }),
        )
        .await;
    assert_eq!(made, json!({ "name": NAME, "display_name": display }));
    let seen = &gateway.nextcloud.seen()[0];
    assert!(
        seen.body
            .contains("<d:displayname>A&lt;/d:displayname&gt; &amp; B</d:displayname>"),
        "{}",
        seen.body
    );

    let gateway = Gateway::start().await;
    let exists = "The resource you tried to create already exists";
    gateway
        .nextcloud
        .on("MKCOL", BOOK, Answer::dav_error(405, exists));
    let text = gateway
        .failure(
            WRITE,
            "nc_contacts_create_addressbook",
            json!({ "name": NAME, "display_name": "" }),
        )
        .await;
    assert!(text.contains("already"), "{text}");
}

#[tokio::test]
async fn deleting_an_address_book_says_what_went_with_it() {
    let gateway = Gateway::start().await;
    let kind = "<d:resourcetype><d:collection/><card:addressbook/></d:resourcetype>";
    let books = [
        response(BOOK, &format!("{kind}<d:displayname>Mine</d:displayname>")),
        response(&format!("{HOME}z-server-generated--system/"), kind),
    ];
    gateway.nextcloud.on("PROPFIND", HOME, multistatus(&books));
    let cards: Vec<String> = (0..3)
        .map(|n| response(&format!("{BOOK}{n}.vcf"), "<d:getetag>\"e\"</d:getetag>"))
        .collect();
    gateway.nextcloud.on("PROPFIND", BOOK, multistatus(&cards));
    gateway.nextcloud.on(
        "DELETE",
        BOOK,
        Answer::text(204, "text/html; charset=UTF-8", ""),
    );
    let gone = gateway
        .ok(
            WRITE,
            "nc_contacts_delete_addressbook",
            json!({ "name": NAME }),
        )
        .await;
    assert_eq!(
        gone,
        json!({ "name": NAME, "display_name": "Mine", "deleted": true, "contacts_deleted": 3, "in_trash_bin": false })
    );
    let none = gateway
        .ok(
            WRITE,
            "nc_contacts_delete_addressbook",
            json!({ "name": "none" }),
        )
        .await;
    assert_eq!(none["deleted"], false);
    let system = json!({ "name": "z-server-generated--system" });
    let text = gateway
        .failure(WRITE, "nc_contacts_delete_addressbook", system)
        .await;
    assert!(text.contains("cannot be deleted"), "{text}");
}

#[tokio::test]
async fn reading_does_not_let_one_write() {
    let gateway = Gateway::start().await;
    let params = json!({ "name": "nc_contacts_delete_addressbook", "arguments": { "name": "x" } });
    let reply = gateway.rpc(READ, "tools/call", params).await;
    assert_eq!(reply.status, 403);
    assert!(reply.header("www-authenticate").contains("contacts.write"));
    assert!(gateway.nextcloud.all_seen().is_empty());
}
