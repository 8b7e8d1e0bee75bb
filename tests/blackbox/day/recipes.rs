//! Cookbook: something for those who help.

use anyhow::Result;
use serde_json::{Value, json};

use super::office::Office;
use super::worker::{Worker, each, number};

const SOUP: &str = "Gulaschsuppe für 50% der Helfer #1";
const RECIPES: &str = "/index.php/apps/cookbook/api/v1/recipes";

/// Name and description of all recipes, by name.
pub(crate) async fn all(office: &Office<'_>) -> Result<Vec<[Value; 2]>> {
    let listed = office.json("GET", RECIPES, &Value::Null).await?;
    let mut all = Vec::new();
    for id in each(&listed, "recipe_id") {
        let recipe = office
            .json("GET", &format!("{RECIPES}/{id}"), &Value::Null)
            .await?;
        all.push(["name", "description"].map(|member| recipe[member].clone()));
    }
    all.sort_by_key(|[name, _]| name.to_string());
    Ok(all)
}

pub(crate) async fn chapter(judy: &Worker) -> Result<()> {
    let soup = json!({
        "name": SOUP, "description": "Scharf & heiß", "ingredients": ["1 kg Zwiebeln", "Öl"],
        "instructions": ["Schmoren", "Würzen"], "cook_time": "PT2H", "recipe_yield": 12,
        "category": "Suppen & Eintöpfe", "keywords": "fest,scharf",
    });
    let made = judy.does("nc_cookbook_create_recipe", soup.clone()).await?;
    let id = json!({ "recipe_id": number(&made, "id")? });
    judy.cannot("nc_cookbook_create_recipe", soup).await?;
    judy.cannot(
        "nc_cookbook_create_recipe",
        json!({ "name": "Tee", "cook_time": "5 Minuten" }),
    )
    .await?;
    let tea = json!({ "name": "תה 🍵", "description": "Wasser kochen" });
    judy.does("nc_cookbook_create_recipe", tea).await?;
    let waste = judy
        .does("nc_cookbook_create_recipe", json!({ "name": "Wegwerfen" }))
        .await?;

    let mut change = id.clone();
    change["description"] = json!("Scharf, heiß & für alle");
    judy.does("nc_cookbook_update_recipe", change).await?;
    let read = judy.does("nc_cookbook_get_recipe", id.clone()).await?;
    assert_eq!(
        (&read["cook_time"], &read["ingredients"]),
        (&json!("PT2H"), &json!(["1 kg Zwiebeln", "Öl"])),
        "a change of something else leaves them"
    );
    let waste = json!({ "recipe_id": number(&waste, "id")? });
    for is_there in [true, false] {
        let gone = judy
            .does("nc_cookbook_delete_recipe", waste.clone())
            .await?;
        assert_eq!(gone["deleted"], is_there, "{gone}");
    }
    judy.cannot("nc_cookbook_get_recipe", waste.clone()).await?;
    let mut late = waste;
    late["name"] = json!("Zu spät");
    judy.cannot("nc_cookbook_update_recipe", late).await?;

    for (tool, question) in [
        ("nc_cookbook_search_recipes", json!({ "query": "gulasch" })),
        (
            "nc_cookbook_get_recipes_in_category",
            json!({ "category": "Suppen & Eintöpfe" }),
        ),
        (
            "nc_cookbook_get_recipes_with_keywords",
            json!({ "keywords": ["scharf", "fest"] }),
        ),
    ] {
        let found = judy.does(tool, question).await?;
        assert_eq!(each(&found["recipes"], "name"), [json!(SOUP)], "{tool}");
    }
    let listed = judy.does("nc_cookbook_list_recipes", json!({})).await?;
    assert_eq!(listed["total"], 2, "{listed}");
    let categories = judy.does("nc_cookbook_list_categories", json!({})).await?;
    assert_eq!(
        each(&categories["categories"], "name"),
        [json!("Suppen & Eintöpfe")]
    );
    let keywords = judy.does("nc_cookbook_list_keywords", json!({})).await?;
    assert_eq!(
        keywords["keywords"].as_array().map(Vec::len),
        Some(2),
        "{keywords}"
    );
    judy.does("nc_cookbook_reindex", json!({})).await?;
    Ok(())
}

pub(crate) async fn remain(office: &Office<'_>) -> Result<()> {
    assert_eq!(
        all(office).await?,
        [
            [json!(SOUP), json!("Scharf, heiß & für alle")],
            [json!("תה 🍵"), json!("Wasser kochen")],
        ]
    );
    Ok(())
}
