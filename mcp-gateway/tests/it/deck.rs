//! Deck on the wire.

use serde_json::{Value, json};

use crate::support::{Answer, Gateway, Reply, Seen};

const BOARDS: &str = "/index.php/apps/deck/api/v1.0/boards";
const WRITE: &str = "deck.write";
const READ: &str = "deck.read";

fn path(rest: &str) -> String {
    format!("{BOARDS}/{rest}")
}

fn person(uid: &str) -> Value {
    json!({ "primaryKey": uid, "uid": uid, "displayname": format!("{uid} Example"), "type": 0 })
}

fn label(id: u64, title: &str, board: u64) -> Value {
    json!({ "id": id, "title": title, "color": "ff0000", "boardId": board, "cardId": null,
            "lastModified": 0, "ETag": "e" })
}

fn board(id: u64, title: &str, deleted_at: u64) -> Value {
    json!({
        "id": id, "title": title, "owner": person("alice"), "color": "0082c9", "archived": false,
        "labels": [label(47, "urgent", id)],
        "acl": [{ "id": 1, "participant": person("bob"), "type": 0, "boardId": id,
                  "permissionEdit": true, "permissionShare": false, "permissionManage": false,
                  "owner": false }],
        "permissions": { "PERMISSION_READ": true, "PERMISSION_EDIT": true,
                         "PERMISSION_MANAGE": true, "PERMISSION_SHARE": true },
        "users": [person("alice"), person("bob")], "shared": 0, "stacks": [stack(9, id, &[])],
        "activeSessions": [], "deletedAt": deleted_at, "lastModified": 1_795_226_808, "settings": [],
        "ETag": "e",
    })
}

fn stack(id: u64, board: u64, cards: &[Value]) -> Value {
    let mut stack = json!({ "id": id, "title": format!("List {id}"), "boardId": board,
        "deletedAt": 0, "lastModified": 0, "order": id, "ETag": "e" });
    if !cards.is_empty() {
        stack["cards"] = json!(cards);
    }
    stack
}

fn card(id: u64, stack: u64) -> Value {
    json!({
        "id": id, "title": format!("Card {id}"), "description": "Some text", "stackId": stack,
        "type": "plain", "lastModified": 2, "lastEditor": null, "createdAt": 1,
        "labels": [label(47, "urgent", 10)],
        "assignedUsers": [{ "id": 1, "participant": person("bob"), "cardId": id, "type": 0 }],
        "attachments": null, "attachmentCount": 0, "owner": person("carol"), "order": id,
        "archived": false, "done": "2026-11-20T08:00:00+00:00",
        "duedate": "2026-12-24T10:00:00+00:00", "deletedAt": 0, "commentsUnread": 0,
        "commentsCount": 0, "ETag": "e", "overdue": 0, "referenceData": null,
    })
}

/// A card as the calls answer that do not load everything.
fn row(id: u64, stack: u64, order: u64) -> Value {
    let mut row = card(id, stack);
    row["owner"] = json!("carol");
    row["order"] = json!(order);
    for name in ["labels", "assignedUsers", "attachmentCount"] {
        row[name] = Value::Null;
    }
    row
}

fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

fn denied() -> Answer {
    Answer::json(
        403,
        json!({ "status": 403, "message": "Permission denied" }),
    )
}

fn last(gateway: &Gateway) -> Seen {
    gateway.nextcloud.seen().pop().expect("a request")
}

#[tokio::test]
async fn deleted_boards_are_not_shown_though_deck_lists_them() {
    let gateway = Gateway::start().await;
    let boards = json!([board(1, "Old", 1_795_226_811), board(2, "Plans", 0)]);
    gateway
        .nextcloud
        .on("GET", BOARDS, Answer::json(200, boards));
    let shown = gateway.ok(READ, "deck_get_boards", json!({})).await;
    assert_eq!(shown["boards"].as_array().expect("boards").len(), 1);
    assert_eq!(
        (
            &shown["boards"][0]["board_id"],
            &shown["boards"][0]["may_edit"]
        ),
        (&json!(2), &json!(true))
    );
    let seen = last(&gateway);
    assert_eq!(seen.target, BOARDS);
    // Deck fails inside when the date is ahead of its clock.
    assert_eq!(seen.header("if-modified-since"), None);
    assert_eq!(seen.header("ocs-apirequest"), Some("true"));
}

#[tokio::test]
async fn what_is_not_asked_for_is_left_out_of_a_board() {
    let gateway = Gateway::start().await;
    gateway
        .nextcloud
        .on("GET", &path("10"), Answer::json(200, board(10, "Plans", 0)));
    let shown = gateway
        .ok(READ, "deck_get_board", json!({ "board_id": 10 }))
        .await;
    assert_eq!(shown["labels"][0]["label_id"], 47);
    assert_eq!(shown["stacks"][0]["stack_id"], 9);
    assert_eq!(shown["acl"][0]["participant"], "bob");
    assert_eq!(shown["users"][1]["user_id"], "bob");
    let arguments = json!({ "board_id": 10, "include_acl": false, "include_users": false,
                            "include_labels": false });
    let shown = gateway.ok(READ, "deck_get_board", arguments).await;
    for left_out in ["acl", "users", "labels"] {
        assert!(shown.get(left_out).is_none(), "{left_out}");
    }
    let labels = gateway
        .ok(READ, "deck_get_labels", json!({ "board_id": 10 }))
        .await;
    let label = json!({ "label_id": 47, "title": "urgent", "color": "ff0000" });
    assert_eq!(labels, json!({ "labels": [label] }));
}

#[tokio::test]
async fn what_is_missing_or_foreign_is_one_sentence() {
    let gateway = Gateway::start().await;
    for (place, tool, arguments, what) in [
        (
            "99",
            "deck_get_board",
            json!({ "board_id": 99 }),
            "Board 99",
        ),
        (
            "99/stacks",
            "deck_get_stacks",
            json!({ "board_id": 99 }),
            "Board 99",
        ),
        (
            "10/stacks/9/cards/5",
            "deck_get_card",
            json!({ "board_id": 10, "stack_id": 9, "card_id": 5 }),
            "Card 5",
        ),
    ] {
        gateway.nextcloud.on("GET", &path(place), denied());
        let text = gateway.failure(READ, tool, arguments).await;
        assert!(
            text.starts_with(&format!(
                "{what} does not exist, or is not shared with this account."
            )),
            "{text}"
        );
    }
    let arguments = json!({ "board_id": 99, "title": "x", "order": 1 });
    gateway.nextcloud.on("POST", &path("99/stacks"), denied());
    let text = gateway.failure(WRITE, "deck_create_stack", arguments).await;
    assert!(
        text.contains("may not do that") && text.contains("deck_get_boards"),
        "{text}"
    );
    let page = Answer::text(404, "text/html; charset=UTF-8", "<html>");
    gateway.nextcloud.on("GET", BOARDS, page);
    let text = gateway.failure(READ, "deck_get_boards", json!({})).await;
    assert!(text.contains("Deck app is not installed"), "{text}");
}

#[tokio::test]
async fn the_lists_of_a_board_show_the_cards_asked_for() {
    let gateway = Gateway::start().await;
    let open = |id| with(card(id, 9), "done", Value::Null);
    let lists = json!([
        stack(10, 10, &[]),
        stack(9, 10, &[open(12), card(13, 9), open(11)])
    ]);
    gateway
        .nextcloud
        .on("GET", &path("10/stacks"), Answer::json(200, lists));
    let archived = with(row(14, 9, 0), "archived", json!(true));
    let lists = json!([stack(9, 10, &[archived]), stack(10, 10, &[])]);
    gateway
        .nextcloud
        .on("GET", &path("10/stacks/archived"), Answer::json(200, lists));

    let shown = gateway
        .ok(
            READ,
            "deck_get_stacks",
            json!({ "board_id": 10, "description_preview_length": 4 }),
        )
        .await;
    assert_eq!(shown["stacks"][0]["title"], "List 9");
    assert_eq!(shown["stacks"][0]["card_count"], 2);
    let first = &shown["stacks"][0]["cards"][0];
    assert_eq!(
        (&first["card_id"], &first["description"]),
        (&json!(11), &json!("Some"))
    );
    assert_eq!(first["description_truncated"], true);
    assert_eq!(
        gateway.nextcloud.seen().len(),
        1,
        "the archive is not asked"
    );

    let all = json!({ "board_id": 10, "stack_id": 9, "status": "all", "include_cards": false });
    let shown = gateway.ok(READ, "deck_get_stack", all).await;
    assert_eq!(
        (&shown["card_count"], shown.get("cards")),
        (&json!(4), None)
    );
    let archived = json!({ "board_id": 10, "stack_id": 9, "status": "archived" });
    let shown = gateway.ok(READ, "deck_get_cards", archived).await;
    assert_eq!(
        (&shown["cards"][0]["card_id"], &shown["total"]),
        (&json!(14), &json!(1))
    );
    let page = json!({ "board_id": 10, "stack_id": 9, "limit": 1 });
    let shown = gateway.ok(READ, "deck_get_cards", page).await;
    assert_eq!(
        (&shown["total"], &shown["next_offset"]),
        (&json!(2), &json!(1))
    );
    let elsewhere = json!({ "board_id": 10, "stack_id": 77 });
    let text = gateway.failure(READ, "deck_get_stack", elsewhere).await;
    assert!(
        text.contains("no list 77") && text.contains("9 \"List 9\""),
        "{text}"
    );
}

#[tokio::test]
async fn a_change_of_a_card_sends_everything_else_back() {
    let gateway = Gateway::start().await;
    let place = path("10/stacks/9/cards/11");
    gateway
        .nextcloud
        .on("GET", &place, Answer::json(200, card(11, 9)));
    gateway
        .nextcloud
        .on("PUT", &place, Answer::json(200, card(11, 9)));
    let at = json!({ "board_id": 10, "stack_id": 9, "card_id": 11 });
    gateway
        .ok(
            WRITE,
            "deck_update_card",
            with(at.clone(), "title", json!("New")),
        )
        .await;
    assert_eq!(
        last(&gateway).json(),
        json!({
            "title": "New", "type": "plain", "owner": "carol", "description": "Some text",
            "order": 11, "duedate": "2026-12-24T10:00:00+00:00", "done": "2026-11-20T08:00:00+00:00",
        })
    );

    let clear = json!({ "board_id": 10, "stack_id": 9, "card_id": 11, "description": "",
                        "duedate": "", "done": "", "archived": false });
    gateway.ok(WRITE, "deck_update_card", clear).await;
    let sent = last(&gateway).json();
    assert_eq!(
        (&sent["description"], &sent["duedate"], &sent["done"]),
        (&json!(""), &Value::Null, &Value::Null)
    );
    assert!(
        sent.get("archived").is_none(),
        "Deck refuses what is so already: {sent}"
    );

    let all = json!({ "board_id": 10, "stack_id": 9, "card_id": 11, "done": "2026-11-21",
                      "duedate": "2027-01-01T09:00:00+01:00", "archived": true, "order": 0 });
    gateway.ok(WRITE, "deck_update_card", all).await;
    let sent = last(&gateway).json();
    assert_eq!(
        (
            &sent["done"],
            &sent["duedate"],
            &sent["archived"],
            &sent["order"]
        ),
        (
            &json!("2026-11-21T00:00:00Z"),
            &json!("2027-01-01T09:00:00+01:00"),
            &json!(true),
            &json!(0)
        )
    );
    let asked = gateway.nextcloud.seen().len();
    for wrong in [with(at.clone(), "duedate", json!("soon")), at] {
        gateway.failure(WRITE, "deck_update_card", wrong).await;
    }
    assert_eq!(gateway.nextcloud.seen().len(), asked, "nothing was asked");
}

#[tokio::test]
async fn a_card_that_is_elsewhere_is_neither_moved_nor_deleted() {
    let gateway = Gateway::start().await;
    // Deck finds the card by its id alone.
    gateway.nextcloud.on(
        "GET",
        &path("10/stacks/10/cards/11"),
        Answer::json(200, card(11, 9)),
    );
    let at = json!({ "board_id": 10, "stack_id": 10, "card_id": 11, "title": "x" });
    for tool in ["deck_update_card", "deck_delete_card"] {
        let text = gateway.failure(WRITE, tool, at.clone()).await;
        assert!(text.contains("is in list 9, not in list 10"), "{text}");
    }
    // And a list.
    gateway.nextcloud.on(
        "GET",
        &path("10/stacks/9"),
        Answer::json(200, stack(9, 20, &[])),
    );
    let at = json!({ "board_id": 10, "stack_id": 9, "title": "x" });
    for tool in ["deck_update_stack", "deck_delete_stack"] {
        let text = gateway.failure(WRITE, tool, at.clone()).await;
        assert!(text.contains("is on board 20, not on board 10"), "{text}");
    }
    // And a label.
    gateway.nextcloud.on(
        "GET",
        &path("10/labels/47"),
        Answer::json(200, label(47, "urgent", 20)),
    );
    let at = json!({ "board_id": 10, "stack_id": 9, "card_id": 11, "label_id": 47, "title": "x" });
    for tool in [
        "deck_update_label",
        "deck_delete_label",
        "deck_assign_label_to_card",
        "deck_remove_label_from_card",
    ] {
        let text = gateway.failure(WRITE, tool, at.clone()).await;
        assert!(text.contains("belongs to another board"), "{text}");
    }
    let seen = gateway.nextcloud.seen();
    assert!(seen.iter().all(|seen| seen.method == "GET"), "{seen:?}");
}

#[tokio::test]
async fn a_card_is_moved_over_the_route_that_moves() {
    let gateway = Gateway::start().await;
    let lists = json!([stack(9, 10, &[card(11, 9)]), stack(10, 10, &[card(12, 10)])]);
    gateway
        .nextcloud
        .on("GET", &path("10/stacks"), Answer::json(200, lists));
    let moved = json!([row(12, 10, 1), row(11, 10, 0)]);
    let route = "/index.php/apps/deck/cards/11/reorder";
    gateway.nextcloud.on("PUT", route, Answer::json(200, moved));
    let at = json!({ "board_id": 10, "stack_id": 9, "card_id": 11, "order": 0,
                     "target_stack_id": 10 });
    let answer = gateway.ok(WRITE, "deck_reorder_card", at).await;
    assert_eq!(
        answer,
        json!({ "card_id": 11, "from_stack_id": 9, "stack_id": 10, "order": 0,
                "card_ids": [11, 12] })
    );
    let seen = last(&gateway);
    assert_eq!(seen.target, route);
    assert_eq!(seen.json(), json!({ "order": 0, "stackId": 10 }));

    for (card_id, target, word) in [(11, 77, "no list 77"), (99, 10, "no card 99")] {
        let at = json!({ "board_id": 10, "stack_id": 9, "card_id": card_id, "order": 0,
                         "target_stack_id": target });
        let text = gateway.failure(WRITE, "deck_reorder_card", at).await;
        assert!(text.contains(word), "{text}");
    }
    let puts = gateway.nextcloud.seen();
    assert_eq!(puts.iter().filter(|seen| seen.method == "PUT").count(), 1);
}

#[tokio::test]
async fn a_move_that_did_not_happen_is_no_success() {
    let gateway = Gateway::start().await;
    let lists = json!([stack(9, 10, &[card(11, 9)]), stack(10, 10, &[])]);
    gateway
        .nextcloud
        .on("GET", &path("10/stacks"), Answer::json(200, lists));
    let route = "/index.php/apps/deck/cards/11/reorder";
    let stayed = json!([row(11, 9, 0)]);
    gateway
        .nextcloud
        .on("PUT", route, Answer::json(200, stayed));
    let at = json!({ "board_id": 10, "stack_id": 9, "card_id": 11, "order": 0,
                     "target_stack_id": 10 });
    let text = gateway.failure(WRITE, "deck_reorder_card", at).await;
    assert!(text.contains("is not in list 10"), "{text}");
}

#[tokio::test]
async fn boards_lists_cards_and_labels_are_created() {
    let gateway = Gateway::start().await;
    let cases = [
        (
            "deck_create_board",
            String::new(),
            json!({ "title": "Plans", "color": "#0082C9" }),
            json!({ "title": "Plans", "color": "0082c9" }),
            board(10, "Plans", 0),
        ),
        (
            "deck_create_stack",
            "/10/stacks".to_owned(),
            json!({ "board_id": 10, "title": "To do", "order": 1 }),
            json!({ "title": "To do", "order": 1 }),
            stack(9, 10, &[]),
        ),
        (
            "deck_create_card",
            "/10/stacks/9/cards".to_owned(),
            json!({ "board_id": 10, "stack_id": 9, "title": "Buy", "duedate": "2026-12-24" }),
            json!({ "title": "Buy", "type": "plain", "order": 999,
                    "duedate": "2026-12-24T00:00:00Z" }),
            card(11, 9),
        ),
        (
            "deck_create_label",
            "/10/labels".to_owned(),
            json!({ "board_id": 10, "title": "urgent", "color": "ff0000" }),
            json!({ "title": "urgent", "color": "ff0000" }),
            with(label(47, "urgent", 10), "lastModified", Value::Null),
        ),
    ];
    for (tool, place, arguments, sent, answer) in cases {
        let place = format!("{BOARDS}{place}");
        gateway
            .nextcloud
            .on("POST", &place, Answer::json(200, answer));
        gateway.ok(WRITE, tool, arguments).await;
        let seen = last(&gateway);
        assert_eq!((&seen.target, seen.json()), (&place, sent), "{tool}");
    }
    for (tool, arguments) in [
        ("deck_create_board", json!({ "title": "x", "color": "red" })),
        (
            "deck_create_label",
            json!({ "board_id": 1, "title": "x", "color": "#12" }),
        ),
    ] {
        let text = gateway.failure(WRITE, tool, arguments).await;
        assert!(text.contains("is no colour"), "{text}");
    }
    let empty = json!({ "status": 400, "message": "title must be provided and must be not empty" });
    gateway
        .nextcloud
        .on("POST", &path("11/stacks"), Answer::json(400, empty));
    let nameless = json!({ "board_id": 11, "title": "", "order": 1 });
    let text = gateway.failure(WRITE, "deck_create_stack", nameless).await;
    assert!(text.contains("title must be provided"), "{text}");
}

#[tokio::test]
async fn a_change_of_a_list_or_label_sends_both_fields() {
    let gateway = Gateway::start().await;
    let place = path("10/stacks/9");
    gateway
        .nextcloud
        .on("GET", &place, Answer::json(200, stack(9, 10, &[])));
    gateway
        .nextcloud
        .on("PUT", &place, Answer::json(200, stack(9, 10, &[])));
    let arguments = json!({ "board_id": 10, "stack_id": 9, "order": 3 });
    gateway.ok(WRITE, "deck_update_stack", arguments).await;
    assert_eq!(
        last(&gateway).json(),
        json!({ "title": "List 9", "order": 3 })
    );

    let place = path("10/labels/47");
    let urgent = label(47, "urgent", 10);
    gateway
        .nextcloud
        .on("GET", &place, Answer::json(200, urgent.clone()));
    gateway
        .nextcloud
        .on("PUT", &place, Answer::json(200, urgent));
    let arguments = json!({ "board_id": 10, "label_id": 47, "title": "soon" });
    gateway.ok(WRITE, "deck_update_label", arguments).await;
    assert_eq!(
        last(&gateway).json(),
        json!({ "title": "soon", "color": "ff0000" })
    );
}

#[tokio::test]
async fn a_deletion_says_what_is_gone_and_whether_it_comes_back() {
    let gateway = Gateway::start().await;
    let cases = [
        (
            "deck_delete_card",
            "10/stacks/9/cards/11",
            json!({ "board_id": 10, "stack_id": 9, "card_id": 11 }),
            card(11, 9),
            "Card 11 \"Card 11\"",
            true,
        ),
        (
            "deck_delete_stack",
            "10/stacks/9",
            json!({ "board_id": 10, "stack_id": 9 }),
            stack(9, 10, &[card(11, 9), card(12, 9)]),
            "List 9 \"List 9\" with the 2 cards",
            true,
        ),
        (
            "deck_delete_label",
            "10/labels/47",
            json!({ "board_id": 10, "label_id": 47 }),
            label(47, "urgent", 10),
            "Label 47 \"urgent\"",
            false,
        ),
    ];
    for (tool, place, arguments, thing, removed, restorable) in cases {
        for method in ["GET", "DELETE"] {
            gateway
                .nextcloud
                .on(method, &path(place), Answer::json(200, thing.clone()));
        }
        let gone = gateway.ok(WRITE, tool, arguments).await;
        let text = gone["removed"].as_str().expect("text");
        assert!(text.starts_with(removed), "{text}");
        assert_eq!(gone["restorable"], restorable, "{tool}");
        assert_eq!(last(&gateway).method, "DELETE");
    }
}

#[tokio::test]
async fn the_archive_labels_and_people_are_one_call_each() {
    let gateway = Gateway::start().await;
    let at = json!({ "board_id": 10, "stack_id": 9, "card_id": 11 });
    for (tool, verb, archived) in [
        ("deck_archive_card", "archive", true),
        ("deck_unarchive_card", "unarchive", false),
    ] {
        let place = path(&format!("10/stacks/9/cards/11/{verb}"));
        let answer = with(row(11, 9, 0), "archived", json!(archived));
        gateway
            .nextcloud
            .on("PUT", &place, Answer::json(200, answer));
        let filed = gateway.ok(WRITE, tool, at.clone()).await;
        assert_eq!(filed["archived"], archived);
        assert_eq!(last(&gateway).body, "");
    }

    let urgent = Answer::json(200, label(47, "urgent", 10));
    gateway.nextcloud.on("GET", &path("10/labels/47"), urgent);
    for (tool, verb, assigned) in [
        ("deck_assign_label_to_card", "assignLabel", true),
        ("deck_remove_label_from_card", "removeLabel", false),
    ] {
        let place = path(&format!("10/stacks/9/cards/11/{verb}"));
        gateway
            .nextcloud
            .on("PUT", &place, Answer::json(200, Value::Null));
        let arguments = with(at.clone(), "label_id", json!(47));
        let done = gateway.ok(WRITE, tool, arguments).await;
        assert_eq!(
            (&done["label"]["title"], &done["assigned"]),
            (&json!("urgent"), &json!(assigned))
        );
        assert_eq!(last(&gateway).json(), json!({ "labelId": 47 }));
    }

    let assignment = json!({ "id": 1, "participant": person("bob"), "cardId": 11, "type": 0 });
    let arguments = with(at, "user_id", json!("bob"));
    let place = path("10/stacks/9/cards/11/assignUser");
    gateway
        .nextcloud
        .on("PUT", &place, Answer::json(200, assignment.clone()));
    let done = gateway
        .ok(WRITE, "deck_assign_user_to_card", arguments.clone())
        .await;
    assert_eq!(
        (&done["user"]["display_name"], &done["assigned"]),
        (&json!("bob Example"), &json!(true))
    );
    assert_eq!(last(&gateway).json(), json!({ "userId": "bob" }));

    let place = path("10/stacks/9/cards/11/unassignUser");
    gateway
        .nextcloud
        .on("PUT", &place, Answer::json(200, assignment));
    let missing = json!({ "status": 404, "message": "No assignment for bobfound." });
    gateway
        .nextcloud
        .on("PUT", &place, Answer::json(404, missing));
    for changed in [true, false] {
        let done = gateway
            .ok(WRITE, "deck_unassign_user_from_card", arguments.clone())
            .await;
        assert_eq!(
            (&done["assigned"], &done["changed"]),
            (&json!(false), &json!(changed))
        );
    }
}

#[tokio::test]
async fn a_rule_of_deck_is_told_with_the_way_out() {
    let gateway = Gateway::start().await;
    let place = path("10/stacks/9/cards/11/archive");
    let rule =
        json!({ "status": 500, "message": "Operation not allowed. This board is archived." });
    gateway.nextcloud.on("PUT", &place, Answer::json(500, rule));
    let fault = json!({ "status": 500, "message": "Internal server error: …", "requestId": "x" });
    gateway
        .nextcloud
        .on("PUT", &place, Answer::json(500, fault));
    let at = json!({ "board_id": 10, "stack_id": 9, "card_id": 11 });
    let text = gateway
        .failure(WRITE, "deck_archive_card", at.clone())
        .await;
    assert!(text.contains("This board is archived"), "{text}");
    let text = gateway.failure(WRITE, "deck_archive_card", at).await;
    assert!(text.contains("failed inside"), "{text}");
}

#[tokio::test]
async fn boards_lists_cards_and_labels_are_resources_too() {
    let gateway = Gateway::start().await;
    let open = with(card(11, 9), "done", Value::Null);
    let answers = [
        (BOARDS.to_owned(), json!([board(10, "Plans", 0)])),
        (path("10"), board(10, "Plans", 0)),
        (
            path("10/stacks"),
            json!([stack(9, 10, &[open, card(12, 9)])]),
        ),
        (path("10/stacks/9/cards/11"), card(11, 9)),
        (path("10/labels/47"), label(47, "urgent", 10)),
    ];
    for (place, answer) in answers {
        gateway
            .nextcloud
            .on("GET", &place, Answer::json(200, answer));
    }
    let text = |reply: &Reply| -> Value {
        let text = reply.body["result"]["contents"][0]["text"].as_str();
        serde_json::from_str(text.unwrap_or_else(|| panic!("{reply:?}"))).expect("json")
    };
    for (uri, pointer, value) in [
        ("boards", "/boards/0/board_id", json!(10)),
        ("boards/10", "/stacks/0/stack_id", json!(9)),
        ("boards/10/stacks", "/0/card_count", json!(2)),
        ("boards/10/stacks/9", "/cards/1/card_id", json!(12)),
        (
            "boards/10/stacks/9/cards",
            "/0/owner/user_id",
            json!("carol"),
        ),
        (
            "boards/10/stacks/9/cards/11",
            "/description",
            json!("Some text"),
        ),
        ("boards/10/labels", "/labels/0/label_id", json!(47)),
        ("boards/10/labels/47", "/title", json!("urgent")),
    ] {
        let uri = json!({ "uri": format!("nc://Deck/{uri}") });
        let reply = gateway.rpc(READ, "resources/read", uri.clone()).await;
        assert_eq!(text(&reply).pointer(pointer), Some(&value), "{uri}");
    }
    gateway.nextcloud.on("GET", &path("99"), denied());
    for uri in ["nc://Deck/boards/99", "nc://Deck/boards/x"] {
        let reply = gateway
            .rpc(READ, "resources/read", json!({ "uri": uri }))
            .await;
        assert_eq!(reply.body["error"]["code"], -32002, "{uri}");
    }
    let reply = gateway
        .rpc(
            "files.read",
            "resources/read",
            json!({ "uri": "nc://Deck/boards" }),
        )
        .await;
    assert_eq!(reply.status, 403);
}
