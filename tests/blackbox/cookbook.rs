//! Recipes that an agent keeps, over the whole installation.

use anyhow::{Context as _, Result};
use harness::mcp_client::{self, McpPoster};
use serde_json::{Value, json};

use crate::support::{Agent, run, shared};

async fn ok(poster: &McpPoster, tool: &str, arguments: Value) -> Result<Value> {
    let result = poster.call(tool, arguments).await?;
    assert_ne!(result["isError"], true, "{tool}: {result}");
    Ok(result["structuredContent"].clone())
}

#[test]
fn a_recipe_is_kept_found_changed_and_gone_when_it_is_said_to_be() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        let agent = Agent::new(deployment).await?;
        let carol = agent.poster(&agent.log_in("carol").await?.access_token);
        let dave = agent.poster(&agent.log_in("dave").await?.access_token);

        let soup = json!({
            "name": "Käsesuppe 50%+1", "description": "Für <i>zwei</i>", "ingredients": ["200 g Käse"],
            "instructions": ["Kochen"], "cook_time": "PT20M", "category": "Suppen", "keywords": "käse,schnell",
        });
        let made = ok(&carol, "nc_cookbook_create_recipe", soup.clone()).await?;
        assert_eq!(
            (&made["description"], &made["altered"]),
            (&json!("Für zwei"), &json!(["description"]))
        );
        let again = carol.call("nc_cookbook_create_recipe", soup).await?;
        assert!(
            mcp_client::text(&again).contains(&made["id"].to_string()),
            "{again}"
        );

        for (tool, arguments) in [
            ("nc_cookbook_search_recipes", json!({ "query": "50%+1" })),
            (
                "nc_cookbook_get_recipes_in_category",
                json!({ "category": "Suppen" }),
            ),
            (
                "nc_cookbook_get_recipes_with_keywords",
                json!({ "keywords": ["schnell", "Käse"] }),
            ),
        ] {
            let found = ok(&carol, tool, arguments).await?;
            assert_eq!(found["recipes"][0]["id"], made["id"], "{tool}: {found}");
        }
        let change = json!({ "recipe_id": made["id"], "prep_time": "PT5M", "cook_time": "" });
        let changed = ok(&carol, "nc_cookbook_update_recipe", change).await?;
        assert_eq!(
            (&changed["prep_time"], &changed["cook_time"]),
            (&json!("PT5M"), &json!(""))
        );
        assert_eq!(changed["ingredients"], json!(["200 g Käse"]));

        // The app tells Dave that it deleted Carol's recipe; the tool tells him that there is none.
        let target = json!({ "recipe_id": made["id"] });
        let gone = ok(&dave, "nc_cookbook_delete_recipe", target.clone()).await?;
        assert_eq!(gone["deleted"], false);
        assert_eq!(nextcloud.recipes("carol").len(), 1);
        let gone = ok(&carol, "nc_cookbook_delete_recipe", target).await?;
        assert_eq!(gone["deleted"], true);
        assert!(nextcloud.recipes("carol").is_empty());
        Ok(())
    })
}

#[test]
fn a_recipe_comes_from_the_web() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        let agent = Agent::new(deployment).await?;
        let poster = agent.poster(&agent.log_in("peggy").await?.access_token);
        let url = "https://recipes.example/pie?id=1&x=%20";
        nextcloud.publish_recipe(
            url,
            json!({ "@type": "Recipe", "name": "Pie", "recipeIngredient": ["flour"] }),
        );
        let made = ok(&poster, "nc_cookbook_import_recipe", json!({ "url": url })).await?;
        assert_eq!(
            (&made["name"], &made["ingredients"]),
            (&json!("Pie"), &json!(["flour"]))
        );
        for url in [url, "https://recipes.example/none", "http://127.0.0.1/pie"] {
            let refused = poster
                .call("nc_cookbook_import_recipe", json!({ "url": url }))
                .await?;
            assert_eq!(refused["isError"], true, "{url}: {refused}");
        }
        Ok(())
    })
}
