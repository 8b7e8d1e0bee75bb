//! The Cookbook app where the recordings do not go: its traps.

use anyhow::Result;
use harness::http::Answer;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Scene;

const API: &str = "/index.php/apps/cookbook/api/v1";

async fn send(scene: &Scene, user: &str, method: &str, place: &str, body: Value) -> Result<Answer> {
    let json = ("content-type", "application/json");
    let target = format!("{API}/{place}");
    scene
        .call_with(user, method, &target, &[json], &body.to_string())
        .await
}

async fn create(scene: &Scene, recipe: Value) -> Result<Value> {
    send(scene, "alice", "POST", "recipes", recipe)
        .await?
        .json()
}

#[tokio::test]
async fn recipes_by_keyword_find_nothing_though_the_keyword_is_there() -> Result<()> {
    let scene = Scene::new().await?;
    create(&scene, json!({"name": "Soup", "keywords": "lab, hot"})).await?;
    let found = send(&scene, "alice", "GET", "tags/lab", Value::Null).await?;
    assert_eq!((found.status, found.json()?), (StatusCode::OK, json!([])));
    let keywords = send(&scene, "alice", "GET", "keywords", Value::Null)
        .await?
        .json()?;
    assert_eq!(keywords[1], json!({"name": "lab", "recipe_count": 1}));
    Ok(())
}

#[tokio::test]
async fn deleting_says_deleted_whatever_happens() -> Result<()> {
    let scene = Scene::new().await?;
    let id = create(&scene, json!({"name": "Soup"})).await?;
    let place = format!("recipes/{id}");
    for (user, place) in [("bob", place.as_str()), ("alice", "recipes/999999")] {
        let said = send(&scene, user, "DELETE", place, Value::Null).await?;
        assert_eq!(said.status, StatusCode::OK);
        assert!(said.body.contains("deleted successfully"), "{}", said.body);
    }
    let bobs = send(&scene, "bob", "GET", &place, Value::Null).await?;
    assert_eq!(
        (bobs.status, bobs.json()?),
        (StatusCode::NOT_FOUND, id.clone())
    );
    assert_eq!(scene.nextcloud.recipes("alice").len(), 1);
    send(&scene, "alice", "DELETE", &place, Value::Null).await?;
    assert!(scene.nextcloud.recipes("alice").is_empty());
    Ok(())
}

#[tokio::test]
async fn texts_lose_tags_and_times_that_cannot_be_read_vanish() -> Result<()> {
    let scene = Scene::new().await?;
    let recipe = json!({
        "name": "A/B", "description": "<b>bold</b> & 1 < 2", "prepTime": "30 minutes", "cookTime": "PT5M",
        "url": "nowhere",
    });
    create(&scene, recipe).await?;
    let recipes = scene.nextcloud.recipes("alice");
    let kept = &recipes[0];
    assert_eq!(
        (&kept["name"], &kept["description"]),
        (&json!("A B"), &json!("bold & 1 < 2"))
    );
    assert_eq!(
        (&kept["prepTime"], &kept["cookTime"], &kept["url"]),
        (&Value::Null, &json!("PT5M"), &json!(""))
    );
    Ok(())
}

#[tokio::test]
async fn the_id_of_an_update_is_the_one_in_the_body() -> Result<()> {
    let scene = Scene::new().await?;
    let one = create(&scene, json!({"name": "One"})).await?;
    let two = create(&scene, json!({"name": "Two"})).await?;
    let place = format!("recipes/{one}");
    let change = json!({"id": two, "name": "Three"});
    send(&scene, "alice", "PUT", &place, change).await?;
    let names: Vec<Value> = scene
        .nextcloud
        .recipes("alice")
        .iter()
        .map(|one| one["name"].clone())
        .collect();
    assert_eq!(names, ["One", "Three"]);
    let taken = send(
        &scene,
        "alice",
        "PUT",
        &place,
        json!({"id": one, "name": "Three"}),
    )
    .await?;
    assert_eq!(taken.status, StatusCode::INTERNAL_SERVER_ERROR);
    let nameless = send(&scene, "alice", "PUT", &place, json!({"id": one})).await?;
    assert_eq!(nameless.status, StatusCode::UNPROCESSABLE_ENTITY);
    Ok(())
}

#[tokio::test]
async fn a_search_is_decoded_twice() -> Result<()> {
    let scene = Scene::new().await?;
    create(&scene, json!({"name": "50%25 soup"})).await?;
    create(&scene, json!({"name": "50% stew", "recipeCategory": "A+B"})).await?;
    for (place, name) in [
        ("search/50%2525", "50% stew"),
        ("search/50%252525", "50%25 soup"),
        ("category/A%252BB", "50% stew"),
    ] {
        let found = send(&scene, "alice", "GET", place, Value::Null)
            .await?
            .json()?;
        let names: Vec<&Value> = found
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| &one["name"])
            .collect();
        assert!(names.contains(&&json!(name)), "{place}: {found}");
    }
    let none = send(&scene, "alice", "GET", "category/A+B", Value::Null)
        .await?
        .json()?;
    assert_eq!(none, json!([]));
    Ok(())
}

#[tokio::test]
async fn a_recipe_is_imported_from_a_host_with_a_name_only() -> Result<()> {
    let scene = Scene::new().await?;
    let page = "https://recipes.example/soup";
    scene
        .nextcloud
        .publish_recipe(page, json!({"@type": "Recipe", "name": "Web soup"}));
    for (url, status) in [
        ("http://localhost/soup", 400),
        ("http://127.0.0.1/soup", 400),
        ("https://recipes.example/none", 400),
        (page, 200),
        (page, 409),
    ] {
        let answer = send(&scene, "alice", "POST", "import", json!({"url": url})).await?;
        assert_eq!(answer.status.as_u16(), status, "{url}");
    }
    assert_eq!(scene.nextcloud.recipes("alice")[0]["name"], "Web soup");
    Ok(())
}
