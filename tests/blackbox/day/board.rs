//! Deck: the board of the move.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::office::Office;
use super::worker::{Worker, each};

const BOARD: &str = "Umzug: Köln → 東京 #1 🚚";
const CARD: &str = "Bücher & <Ordner>, 100%";

pub(crate) async fn chapter(judy: &Worker) -> Result<()> {
    let board = judy
        .does(
            "deck_create_board",
            json!({ "title": BOARD, "color": "#0082C9" }),
        )
        .await?;
    let board = board["board_id"].clone();
    let mut lists = Vec::new();
    for (order, title) in ["Zu tun", "Fertig ✓", "Weg"].into_iter().enumerate() {
        let list = json!({ "board_id": board, "title": title, "order": order });
        lists.push(judy.does("deck_create_stack", list).await?["stack_id"].clone());
    }
    judy.cannot(
        "deck_create_board",
        json!({ "title": "x", "color": "bunt" }),
    )
    .await?;
    judy.cannot("deck_get_board", json!({ "board_id": 99_999_999 }))
        .await?;

    let mut cards = Vec::new();
    for title in [CARD, "קופסה \u{202e}#2", "Wegwerfen"] {
        let card = json!({
            "board_id": board, "stack_id": lists[0], "title": title, "description": "Ä\n- [ ] ö %20",
        });
        cards.push(judy.does("deck_create_card", card).await?["card_id"].clone());
    }
    let at = |list: &Value, card: &Value| json!({ "board_id": board, "stack_id": list, "card_id": card });

    let mut change = at(&lists[0], &cards[0]);
    change["duedate"] = json!("2031-03-03T09:00:00+01:00");
    judy.does("deck_update_card", change).await?;
    let label = json!({ "board_id": board, "title": "Schwer & groß", "color": "ff0000" });
    let label = judy.does("deck_create_label", label).await?["label_id"].clone();
    let mut labelled = at(&lists[0], &cards[0]);
    labelled["label_id"] = label;
    judy.does("deck_assign_label_to_card", labelled).await?;
    let mut hers = at(&lists[0], &cards[0]);
    hers["user_id"] = json!("judy");
    judy.does("deck_assign_user_to_card", hers).await?;
    let mut step = at(&lists[0], &cards[0]);
    step["order"] = json!(0);
    step["target_stack_id"] = lists[1].clone();
    judy.does("deck_reorder_card", step).await?;
    // The card is not there any more: a change at the old place does nothing.
    let mut misplaced = at(&lists[0], &cards[0]);
    misplaced["title"] = json!("VERALTET");
    judy.cannot("deck_update_card", misplaced).await?;

    judy.does("deck_archive_card", at(&lists[0], &cards[1]))
        .await?;
    judy.does("deck_delete_card", at(&lists[0], &cards[2]))
        .await?;
    judy.cannot("deck_get_card", at(&lists[0], &json!(99_999_999)))
        .await?;
    judy.does(
        "deck_delete_stack",
        json!({ "board_id": board, "stack_id": lists[2] }),
    )
    .await?;
    let shown = judy
        .does("deck_get_stacks", json!({ "board_id": board }))
        .await?;
    assert_eq!(
        each(&shown["stacks"], "title"),
        [json!("Zu tun"), json!("Fertig ✓")]
    );
    Ok(())
}

pub(crate) fn remain(office: &Office<'_>) -> Result<()> {
    let boards = office.nextcloud.boards("judy");
    let [stored] = boards.as_slice() else {
        anyhow::bail!("not one board: {boards:?}");
    };
    assert_eq!(stored["title"], BOARD);
    let all = stored["stacks"].as_array().context("no lists")?;
    let alive = all.iter().filter(|list| list["deletedAt"] == 0);
    let content: Vec<Value> = alive
        .map(|list| {
            let cards = list["cards"].as_array().into_iter().flatten();
            let cards = cards.filter(|card| card["deletedAt"] == 0).map(|card| {
                let labels = each(&card["labels"], "title");
                json!([
                    card["title"],
                    card["description"],
                    card["archived"],
                    card["duedate"],
                    labels
                ])
            });
            json!([list["title"], cards.collect::<Vec<_>>()])
        })
        .collect();
    let text = "Ä\n- [ ] ö %20";
    assert_eq!(
        content,
        [
            json!(["Zu tun", [["קופסה \u{202e}#2", text, true, null, []]]]),
            json!([
                "Fertig ✓",
                [[
                    CARD,
                    text,
                    false,
                    "2031-03-03T08:00:00+00:00",
                    ["Schwer & groß"]
                ]]
            ]),
        ]
    );
    Ok(())
}
