//! Two people who call everything alike: neither sees, changes or removes anything of the other.

use anyhow::Result;
use harness::deployment::Deployment;
use serde_json::{Value, json};

use super::office::{Office, lines};
use super::worker::{Worker, each};
use super::{recipes, tables};

/// What everything is called.
const NAME: &str = "Gleich & gleich #1";

/// What somebody made, by its id.
pub(crate) struct Made {
    note: Value,
    board: Value,
    stack: Value,
    card: Value,
    share: Value,
    table: Value,
    row: Value,
    recipe: Value,
}

/// Makes one of everything with the common name; what it says is the owner's name.
pub(crate) async fn same_names(who: &Worker, deployment: &Deployment) -> Result<Made> {
    let own = who.name.as_str();
    let office = Office::of(deployment, own)?;
    let note = json!({ "title": NAME, "content": own, "category": NAME });
    let note = who.does("nc_notes_create_note", note).await?["id"].clone();
    who.does("nc_webdav_create_directory", json!({ "path": NAME }))
        .await?;
    let file = json!({ "path": format!("{NAME}/{NAME}.txt"), "content": own });
    who.does("nc_webdav_write_file", file.clone()).await?;
    let calendar = json!({ "action": "create", "calendar_name": NAME, "display_name": own });
    who.does("nc_calendar_manage_calendar", calendar).await?;
    let event = json!({
        "calendar_name": NAME, "title": NAME, "start_datetime": "2031-05-05T10:00:00Z",
        "description": own,
    });
    who.does("nc_calendar_create_event", event).await?;
    let task = json!({ "calendar_name": NAME, "summary": NAME, "description": own });
    who.does("nc_calendar_create_todo", task).await?;
    who.does(
        "nc_contacts_create_addressbook",
        json!({ "name": NAME, "display_name": own }),
    )
    .await?;
    let contact = json!({
        "addressbook": NAME, "uid": "gleich", "contact_data": { "fn": NAME, "note": own },
    });
    who.does("nc_contacts_create_contact", contact).await?;
    let board = json!({ "title": NAME, "color": "0082c9" });
    let board = who.does("deck_create_board", board).await?["board_id"].clone();
    let stack = json!({ "board_id": board, "title": NAME, "order": 0 });
    let stack = who.does("deck_create_stack", stack).await?["stack_id"].clone();
    let card = json!({ "board_id": board, "stack_id": stack, "title": NAME, "description": own });
    let card = who.does("deck_create_card", card).await?["card_id"].clone();
    let table = tables::table(&office, NAME).await?;
    let row = json!({ "table_id": table, "data": { "Inhalt": own } });
    let row = who.does("nc_tables_insert_row", row).await?["id"].clone();
    let recipe = json!({ "name": NAME, "description": own });
    let recipe = who.does("nc_cookbook_create_recipe", recipe).await?["id"].clone();
    let share = json!({ "path": file["path"], "share_type": 3 });
    let share = who.does("nc_share_create", share).await?["share_id"].clone();
    Ok(Made {
        note,
        board,
        stack,
        card,
        share,
        table,
        row,
        recipe,
    })
}

/// Tries the ids of the other one, in every family that has ids.
pub(crate) async fn reaches_nothing_of(who: &Worker, other: &Made) -> Result<()> {
    let Made {
        note,
        board,
        stack,
        card,
        share,
        table,
        row,
        recipe,
    } = other;
    let at = json!({ "board_id": board, "stack_id": stack, "card_id": card, "title": "GESTOHLEN" });
    for (tool, arguments) in [
        ("nc_notes_get_note", json!({ "note_id": note })),
        (
            "nc_notes_append_content",
            json!({ "note_id": note, "content": "GESTOHLEN" }),
        ),
        ("nc_notes_delete_note", json!({ "note_id": note })),
        ("deck_get_board", at.clone()),
        ("deck_get_card", at.clone()),
        ("deck_update_card", at.clone()),
        ("deck_delete_card", at.clone()),
        ("deck_update_stack", at.clone()),
        ("deck_delete_stack", at),
        ("nc_tables_get_schema", json!({ "table_id": table })),
        ("nc_tables_read_table", json!({ "table_id": table })),
        (
            "nc_tables_insert_row",
            json!({ "table_id": table, "data": { "Inhalt": "GESTOHLEN" } }),
        ),
        (
            "nc_tables_update_row",
            json!({ "row_id": row, "data": { "Inhalt": "GESTOHLEN" } }),
        ),
        ("nc_cookbook_get_recipe", json!({ "recipe_id": recipe })),
        (
            "nc_cookbook_update_recipe",
            json!({ "recipe_id": recipe, "name": "GESTOHLEN" }),
        ),
        ("nc_share_get", json!({ "share_id": share })),
        (
            "nc_share_update",
            json!({ "share_id": share, "permissions": 31 }),
        ),
        ("nc_share_delete", json!({ "share_id": share })),
    ] {
        who.cannot(tool, arguments).await?;
    }
    // These say that there is nothing to delete.
    for (tool, arguments) in [
        ("nc_tables_delete_row", json!({ "row_id": row })),
        ("nc_cookbook_delete_recipe", json!({ "recipe_id": recipe })),
    ] {
        let gone = who.does(tool, arguments).await?;
        assert_eq!(gone["deleted"], false, "{tool}: {gone}");
    }
    Ok(())
}

/// Sees exactly one of everything through the tools, and Nextcloud holds exactly that.
pub(crate) async fn is_untouched(who: &Worker, made: &Made, deployment: &Deployment) -> Result<()> {
    let own = json!(who.name);
    let office = Office::of(deployment, &who.name)?;
    let found = who
        .does("nc_notes_search_notes", json!({ "query": "gleich" }))
        .await?;
    assert_eq!(
        each(&found["results"], "id"),
        std::slice::from_ref(&made.note)
    );
    let read = json!({ "path": format!("{NAME}/{NAME}.txt") });
    let read = who.does("nc_webdav_read_file", read).await?;
    assert_eq!(read["content"], own);
    let may = json!({ "start_date": "2031-05-01", "end_date": "2031-05-31" });
    let events = who.does("nc_calendar_list_events", may).await?;
    assert_eq!(
        each(&events["events"], "description"),
        std::slice::from_ref(&own)
    );
    let todos = who.does("nc_calendar_search_todos", json!({})).await?;
    assert_eq!(
        each(&todos["todos"], "description"),
        std::slice::from_ref(&own)
    );
    let contacts = who
        .does("nc_contacts_list_contacts", json!({ "addressbook": NAME }))
        .await?;
    assert_eq!(
        each(&contacts["contacts"], "note"),
        std::slice::from_ref(&own)
    );
    let boards = who.does("deck_get_boards", json!({})).await?;
    assert_eq!(
        each(&boards["boards"], "board_id"),
        std::slice::from_ref(&made.board)
    );
    let shares = who.does("nc_share_list", json!({})).await?;
    assert_eq!(
        each(&shares["shares"], "share_id"),
        std::slice::from_ref(&made.share)
    );

    let note = [NAME.to_owned(), NAME.to_owned(), who.name.clone()];
    assert_eq!(office.notes(), [note]);
    assert_eq!(office.file(&format!("{NAME}/{NAME}.txt"))?, who.name);
    let name = percent_encoding::utf8_percent_encode(NAME, percent_encoding::NON_ALPHANUMERIC);
    for (collection, property, count) in [
        (
            format!("/remote.php/dav/calendars/{}/{name}/", who.name),
            "DESCRIPTION",
            2,
        ),
        (
            format!("/remote.php/dav/addressbooks/users/{}/{name}/", who.name),
            "NOTE",
            1,
        ),
    ] {
        let objects = office.objects(&collection).await?;
        assert_eq!(objects.len(), count, "{objects:?}");
        for object in objects {
            assert!(
                lines(&object, property).contains(&format!("{property}:{}", who.name)),
                "{object}"
            );
        }
    }
    let boards = office.nextcloud.boards(&who.name);
    assert_eq!(
        each(&json!(boards), "id"),
        std::slice::from_ref(&made.board)
    );
    let card = &boards[0]["stacks"][0]["cards"][0];
    assert_eq!((&card["id"], &card["description"]), (&made.card, &own));
    let mut rows = tables::rows(&office, &made.table).await?;
    for row in &mut rows {
        *row = row[0].clone();
    }
    assert_eq!(rows, std::slice::from_ref(&own));
    assert_eq!(recipes::all(&office).await?, [[json!(NAME), own]]);
    assert_eq!(office.nextcloud.shares(&who.name).len(), 1);
    Ok(())
}
