//! Tables on the wire.

use serde_json::{Value, json};

use crate::support::{Answer, Gateway};

const READ: &str = "tables.read";
const WRITE: &str = "tables.write";
const SCHEME: &str = "/index.php/apps/tables/api/1/tables/10/scheme";
const ROWS: &str = "/index.php/apps/tables/api/1/tables/10/rows";
const INSERT: &str = "/ocs/v2.php/apps/tables/api/2/tables/10/rows";
const ROW: &str = "/index.php/apps/tables/api/1/rows/8";

fn scheme() -> Answer {
    Answer::json(
        200,
        json!({
            "title": "Stock", "emoji": "📦", "description": "", "views": [],
            "columns": [
                { "id": 5, "tableId": 10, "title": "Name", "type": "text", "subtype": "line", "mandatory": true, "textMaxLength": 100, "selectionOptions": [], "numberMin": null },
                { "id": 6, "tableId": 10, "title": "Qty", "type": "number", "subtype": "", "mandatory": false, "selectionOptions": [] },
                { "id": 7, "tableId": 10, "title": "Size", "type": "selection", "subtype": "", "selectionOptions": [{ "id": 0, "label": "Small" }, { "id": 1, "label": "Large" }] },
            ],
        }),
    )
}

fn row(id: u64, data: Value) -> Value {
    json!({
        "id": id, "tableId": 10, "createdBy": "alice", "createdAt": "2026-11-21 02:06:51",
        "lastEditBy": "alice", "lastEditAt": "2026-11-21 02:06:51", "data": data,
    })
}

fn ocs(data: Value) -> Answer {
    Answer::json(
        200,
        json!({ "ocs": { "meta": { "status": "ok", "statuscode": 200, "message": "OK" }, "data": data } }),
    )
}

#[tokio::test]
async fn tables_are_listed_without_what_is_not_needed() {
    let gateway = Gateway::start().await;
    let table = json!({
        "id": 10, "title": "Stock", "emoji": "📦", "ownership": "bob", "ownerDisplayName": "Bob",
        "isShared": true, "archived": false, "rowsCount": 3, "columnsCount": 2, "views": [], "description": null,
        "onSharePermissions": { "read": true },
    });
    gateway.nextcloud.on(
        "GET",
        "/ocs/v2.php/apps/tables/api/2/tables",
        ocs(json!([table])),
    );
    let listed = gateway.ok(READ, "nc_tables_list_tables", json!({})).await;
    assert_eq!(
        listed,
        json!({ "total": 1, "tables": [{
            "id": 10, "title": "Stock", "emoji": "📦", "description": "", "owner": "bob",
            "is_shared": true, "archived": false, "rows_count": 3, "columns_count": 2,
        }] })
    );
    assert_eq!(
        gateway.nextcloud.seen()[0].target,
        "/ocs/v2.php/apps/tables/api/2/tables?format=json"
    );
}

#[tokio::test]
async fn the_schema_names_columns_and_options() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on("GET", SCHEME, scheme());
    let schema = gateway
        .ok(READ, "nc_tables_get_schema", json!({ "table_id": 10 }))
        .await;
    assert_eq!(schema["title"], "Stock");
    assert_eq!(
        schema["columns"][0],
        json!({ "id": 5, "title": "Name", "type": "text", "subtype": "line", "mandatory": true, "description": "", "max_length": 100 })
    );
    assert_eq!(
        schema["columns"][2]["options"],
        json!([{ "id": 0, "label": "Small" }, { "id": 1, "label": "Large" }])
    );
}

#[tokio::test]
async fn rows_are_read_page_by_page() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on("GET", SCHEME, scheme());
    let rows = json!([
        row(
            8,
            json!([{ "columnId": 5, "value": "Widget" }, { "columnId": 6, "value": 3 }])
        ),
        row(9, json!([]))
    ]);
    gateway.nextcloud.on("GET", ROWS, Answer::json(200, rows));
    let page = gateway
        .ok(
            READ,
            "nc_tables_read_table",
            json!({ "table_id": 10, "limit": 2, "offset": 4 }),
        )
        .await;
    assert_eq!(page["rows"][0]["data"], json!({ "5": "Widget", "6": 3 }));
    assert_eq!(
        (&page["next_offset"], &page["columns"][1]["title"]),
        (&json!(6), &json!("Qty"))
    );
    assert_eq!(
        gateway.nextcloud.seen()[1].target,
        format!("{ROWS}?limit=2&offset=4")
    );
    let page = gateway
        .ok(READ, "nc_tables_read_table", json!({ "table_id": 10 }))
        .await;
    assert_eq!(page.get("next_offset"), None, "fewer than asked for");
    assert_eq!(
        gateway.nextcloud.seen()[3].target,
        format!("{ROWS}?limit=100&offset=0")
    );
}

#[tokio::test]
async fn a_row_is_added_by_titles_ids_and_labels() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on("GET", SCHEME, scheme());
    let made = json!({ "id": 8, "tableId": 10, "createdBy": null, "createdAt": null, "lastEditBy": null, "lastEditAt": null, "data": [{ "columnId": 5, "value": "Widget" }] });
    gateway.nextcloud.on("POST", INSERT, ocs(made));
    let data = json!({ "Name": "Widget", "6": "3", "size": "Large" });
    let made = gateway
        .ok(
            WRITE,
            "nc_tables_insert_row",
            json!({ "table_id": 10, "data": data }),
        )
        .await;
    assert_eq!(
        made,
        json!({ "id": 8, "table_id": 10, "data": { "5": "Widget" } })
    );
    assert_eq!(
        gateway.nextcloud.seen()[1].json(),
        json!({ "data": { "5": "Widget", "6": 3, "7": 1 } })
    );
}

#[tokio::test]
async fn what_does_not_fit_the_schema_is_never_sent() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on("GET", SCHEME, scheme());
    gateway
        .nextcloud
        .on("GET", ROW, Answer::json(200, row(8, json!([]))));
    for (data, part) in [
        (json!({ "99999": "x" }), "has no column \"99999\""),
        (json!({ "Qty": "many" }), "takes a number"),
        (json!({ "Size": "Huge" }), "\"Small\" (0), \"Large\" (1)"),
    ] {
        let text = gateway
            .failure(
                WRITE,
                "nc_tables_insert_row",
                json!({ "table_id": 10, "data": data }),
            )
            .await;
        assert!(
            text.contains(part) && text.contains("nothing was written"),
            "{text}"
        );
        let text = gateway
            .failure(
                WRITE,
                "nc_tables_update_row",
                json!({ "row_id": 8, "data": data }),
            )
            .await;
        assert!(text.contains(part), "{text}");
    }
    assert!(
        gateway
            .nextcloud
            .seen()
            .iter()
            .all(|seen| seen.method == "GET")
    );
}

#[tokio::test]
async fn an_update_sends_only_what_changes() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on("GET", SCHEME, scheme());
    gateway.nextcloud.on(
        "GET",
        ROW,
        Answer::json(200, row(8, json!([{ "columnId": 5, "value": "Widget" }]))),
    );
    let after = row(
        8,
        json!([{ "columnId": 5, "value": "Gadget" }, { "columnId": 6, "value": null }]),
    );
    gateway.nextcloud.on("PUT", ROW, Answer::json(200, after));
    let arguments = json!({ "row_id": 8, "data": { "Name": "Gadget", "Qty": null } });
    let changed = gateway.ok(WRITE, "nc_tables_update_row", arguments).await;
    assert_eq!(changed["data"], json!({ "5": "Gadget", "6": null }));
    assert_eq!(
        gateway.nextcloud.seen()[2].json(),
        json!({ "data": { "5": "Gadget", "6": null } })
    );
    let text = gateway
        .failure(
            WRITE,
            "nc_tables_update_row",
            json!({ "row_id": 8, "data": {} }),
        )
        .await;
    assert!(text.contains("nothing to change"), "{text}");
}

#[tokio::test]
async fn a_deleted_row_is_shown_once_more() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "DELETE",
        ROW,
        Answer::json(200, row(8, json!([{ "columnId": 5, "value": "Gadget" }]))),
    );
    let missing = json!({ "message": "OCA\\Tables\\Service\\RowService - find: Did expect one result but found none" });
    gateway
        .nextcloud
        .on("DELETE", ROW, Answer::json(404, missing));
    let gone = gateway
        .ok(WRITE, "nc_tables_delete_row", json!({ "row_id": 8 }))
        .await;
    assert_eq!(
        (
            &gone["deleted"],
            &gone["row"]["data"],
            &gone["in_trash_bin"]
        ),
        (&json!(true), &json!({ "5": "Gadget" }), &json!(false))
    );
    let gone = gateway
        .ok(WRITE, "nc_tables_delete_row", json!({ "row_id": 8 }))
        .await;
    assert_eq!(
        gone,
        json!({ "row_id": 8, "deleted": false, "in_trash_bin": false })
    );
}

#[tokio::test]
async fn a_missing_table_is_an_empty_page_and_a_missing_app_is_not() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        SCHEME,
        Answer::text(404, "text/html; charset=UTF-8", ""),
    );
    for (tool, scope) in [
        ("nc_tables_get_schema", READ),
        ("nc_tables_read_table", READ),
    ] {
        let text = gateway
            .failure(scope, tool, json!({ "table_id": 10 }))
            .await;
        assert!(text.contains("Table 10 does not exist"), "{text}");
    }
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        SCHEME,
        Answer::text(404, "text/html; charset=UTF-8", "<html>not found</html>"),
    );
    let text = gateway
        .failure(READ, "nc_tables_get_schema", json!({ "table_id": 10 }))
        .await;
    assert!(text.contains("Tables app is not installed"), "{text}");
    let unknown = json!({ "ocs": { "meta": { "status": "failure", "statuscode": 998, "message": "Invalid query" }, "data": [] } });
    gateway.nextcloud.on(
        "GET",
        "/ocs/v2.php/apps/tables/api/2/tables",
        Answer::json(404, unknown),
    );
    let text = gateway
        .failure(READ, "nc_tables_list_tables", json!({}))
        .await;
    assert!(text.contains("Tables app is not installed"), "{text}");
}

#[tokio::test]
async fn an_empty_page_with_200_is_no_table() {
    // Behind some logins the app answers so.
    let gateway = Gateway::start().await;
    let path = "/ocs/v2.php/apps/tables/api/2/tables";
    gateway.nextcloud.on(
        "GET",
        path,
        Answer::text(200, "text/html; charset=UTF-8", ""),
    );
    let text = gateway
        .failure(READ, "nc_tables_list_tables", json!({}))
        .await;
    assert!(text.contains("could not be understood"), "{text}");
}
