//! Deck where the recordings do not go: its traps, and who may do what.

use anyhow::Result;
use harness::http::Answer;
use serde_json::{Value, json};

use super::Scene;

const BOARDS: &str = "/index.php/apps/deck/api/v1.0/boards";

async fn send(
    scene: &Scene,
    user: &str,
    method: &str,
    target: &str,
    body: Value,
) -> Result<Answer> {
    let json = ("content-type", "application/json");
    scene
        .call_with(user, method, target, &[json], &body.to_string())
        .await
}

/// A board of alice with the lists "To do" and "Done", and a card in the first.
struct Board {
    scene: Scene,
    path: String,
    to_do: u64,
    done: u64,
    card: u64,
}

impl Board {
    async fn new() -> Result<Self> {
        let scene = Scene::new().await?;
        let board = json!({"title": "Plans", "color": "ff0000"});
        let made = send(&scene, "alice", "POST", BOARDS, board).await?.json()?;
        let path = format!("{BOARDS}/{}", made["id"]);
        let mut lists = Vec::new();
        for title in ["To do", "Done"] {
            let list = json!({"title": title, "order": lists.len()});
            let target = format!("{path}/stacks");
            let made = send(&scene, "alice", "POST", &target, list).await?.json()?;
            lists.push(made["id"].as_u64().unwrap());
        }
        let mut board = Self {
            scene,
            path,
            to_do: lists[0],
            done: lists[1],
            card: 0,
        };
        board.card = board.add_card("Buy", board.to_do).await?;
        Ok(board)
    }

    async fn add_card(&self, title: &str, list: u64) -> Result<u64> {
        let target = format!("{}/stacks/{list}/cards", self.path);
        let card =
            json!({"title": title, "description": "milk", "duedate": "2027-02-01T12:00:00+01:00"});
        let made = self.send("alice", "POST", &target, card).await?.json()?;
        Ok(made["id"].as_u64().unwrap())
    }

    async fn send(&self, user: &str, method: &str, target: &str, body: Value) -> Result<Answer> {
        send(&self.scene, user, method, target, body).await
    }

    fn card_at(&self, list: u64) -> String {
        format!("{}/stacks/{list}/cards/{}", self.path, self.card)
    }

    /// The card as it is.
    async fn card(&self) -> Result<Value> {
        let target = self.card_at(self.to_do);
        self.send("alice", "GET", &target, Value::Null)
            .await?
            .json()
    }
}

#[tokio::test]
async fn only_the_route_of_decks_own_pages_moves_a_card_to_another_list() -> Result<()> {
    let board = Board::new().await?;
    let move_it = json!({"order": 0, "stackId": board.done});
    let public = format!("{}/reorder", board.card_at(board.to_do));
    let answer = board.send("alice", "PUT", &public, move_it.clone()).await?;
    assert_eq!(answer.status, 200);
    assert_eq!(board.card().await?["stackId"], board.to_do);

    let other = board.add_card("Sell", board.done).await?;
    let internal = format!("/index.php/apps/deck/cards/{}/reorder", board.card);
    let rows = board
        .send("alice", "PUT", &internal, move_it.clone())
        .await?
        .json()?;
    assert_eq!(board.card().await?["stackId"], board.done);
    let mut order: Vec<(Value, Value)> = Vec::new();
    for row in rows.as_array().unwrap() {
        order.push((row["id"].clone(), row["order"].clone()));
    }
    assert!(order.contains(&(json!(board.card), json!(0))), "{order:?}");
    assert!(order.contains(&(json!(other), json!(1))), "{order:?}");

    let token = format!("Bearer {}", board.scene.token("alice")?);
    let bare = [
        ("authorization", token.as_str()),
        ("content-type", "application/json"),
    ];
    let refused = board
        .scene
        .send("PUT", &internal, &bare, &move_it.to_string())
        .await?;
    assert_eq!(refused.status, 412, "an ordinary controller route");
    Ok(())
}

#[tokio::test]
async fn a_replacement_clears_what_it_leaves_out_and_moves_to_the_list_of_the_path() -> Result<()> {
    let board = Board::new().await?;
    assert_eq!(board.card().await?["duedate"], "2027-02-01T11:00:00+00:00");
    let target = board.card_at(board.done);
    let body = json!({"title": "Buy now", "type": "plain", "owner": "alice"});
    board.send("alice", "PUT", &target, body).await?;
    let card = board.card().await?;
    assert_eq!(
        (&card["stackId"], &card["description"], &card["duedate"]),
        (&json!(board.done), &json!(""), &Value::Null)
    );
    Ok(())
}

#[tokio::test]
async fn archived_things_cannot_be_changed_and_that_is_a_500() -> Result<()> {
    let board = Board::new().await?;
    let card = board.card_at(board.to_do);
    let archive = format!("{card}/archive");
    board.send("alice", "PUT", &archive, Value::Null).await?;
    let body = json!({"title": "x", "type": "plain", "owner": "alice", "archived": true});
    let answer = board.send("alice", "PUT", &card, body).await?;
    assert_eq!(answer.status, 500);
    assert_eq!(
        answer.json()?["message"],
        "Operation not allowed. This card is archived."
    );
    let lists = |name: &str| format!("{}/stacks{name}", board.path);
    let shown = board.send("alice", "GET", &lists(""), Value::Null).await?;
    assert!(shown.json()?[0].get("cards").is_none());
    let archived = board
        .send("alice", "GET", &lists("/archived"), Value::Null)
        .await?
        .json()?;
    assert_eq!(archived[0]["cards"][0]["id"], board.card);

    let body = json!({"title": "Plans", "color": "ff0000", "archived": true});
    board.send("alice", "PUT", &board.path, body).await?;
    let body = json!({"title": "Later", "order": 3});
    let answer = board.send("alice", "POST", &lists(""), body).await?;
    assert_eq!(answer.status, 500);
    Ok(())
}

#[tokio::test]
async fn people_see_and_do_what_the_board_grants_them() -> Result<()> {
    let board = Board::new().await?;
    let lists = format!("{}/stacks", board.path);
    let read = async |status: u16| -> Result<()> {
        let answer = board.send("bob", "GET", &lists, Value::Null).await?;
        assert_eq!(answer.status, status);
        Ok(())
    };
    read(403).await?;
    let rule = json!({"type": 0, "participant": "bob", "permissionEdit": true,
                      "permissionShare": false, "permissionManage": false});
    let acl = format!("{}/acl", board.path);
    board.send("alice", "POST", &acl, rule).await?;
    read(200).await?;
    let archive = format!("{}/archive", board.card_at(board.to_do));
    let edited = board.send("bob", "PUT", &archive, Value::Null).await?;
    assert_eq!(edited.status, 200);
    let managed = json!({"title": "Bob's", "order": 1});
    let refused = board.send("bob", "POST", &lists, managed).await?;
    assert_eq!(refused.status, 403);
    assert_eq!(board.scene.nextcloud.boards("bob").len(), 1);
    assert_eq!(board.scene.nextcloud.boards("admin").len(), 0);
    Ok(())
}

#[tokio::test]
async fn labels_and_people_are_on_a_card_until_they_are_taken_off() -> Result<()> {
    let board = Board::new().await?;
    let labels = format!("{}/labels", board.path);
    let urgent = json!({"title": "urgent", "color": "ff0000"});
    let label = board.send("alice", "POST", &labels, urgent.clone()).await?;
    let label = label.json()?["id"].clone();
    let twice = board.send("alice", "POST", &labels, urgent).await?;
    assert_eq!(twice.json()?["message"], "title must be unique");

    let at = |verb: &str| format!("{}/{verb}", board.card_at(board.to_do));
    let put = async |verb: &str, body: Value| board.send("alice", "PUT", &at(verb), body).await;
    put("assignLabel", json!({"labelId": label})).await?;
    put("assignUser", json!({"userId": "alice"})).await?;
    let card = board.card().await?;
    assert_eq!(card["labels"][0]["title"], "urgent");
    assert_eq!(card["assignedUsers"][0]["participant"]["uid"], "alice");
    for (verb, user, status) in [
        ("assignUser", "alice", 400),
        ("assignUser", "bob", 400),
        ("unassignUser", "bob", 404),
        ("unassignUser", "alice", 200),
    ] {
        let answer = put(verb, json!({"userId": user})).await?;
        assert_eq!(answer.status, status, "{verb} {user}");
    }
    let gone = format!("{labels}/{label}");
    board.send("alice", "DELETE", &gone, Value::Null).await?;
    let card = board.card().await?;
    assert_eq!(
        (&card["labels"], &card["assignedUsers"]),
        (&json!([]), &json!([]))
    );
    Ok(())
}
