//! Recipes of the Cookbook app: read, find, write, import, delete.
//!
//! The app keeps a recipe as a folder of files and answers more cheerfully than it acts: it says
//! "deleted" about recipes that it cannot delete, and drops what it does not like without a word.
//! So what changes something is looked at afterwards.

mod find;
mod import;
mod recipe;
mod settings;
mod write;

use std::borrow::Cow;

use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::recipe::Recipe;
use super::{Contents, Effect, Family, Needs, Resource, Tool, Variables};
use crate::{
    error::{About, Describe, ToolError, describe},
    nextcloud::{Client, Request, Route},
};

const READ: Needs = Needs::All(&["cookbook.read"]);
const WRITE: Needs = Needs::All(&["cookbook.write"]);

/// The Cookbook tools and resources.
pub(super) fn family() -> Family {
    let [
        list,
        search,
        categories,
        in_category,
        keywords,
        with_keywords,
    ] = find::tools();
    let [create, update] = write::tools();
    let [set_config, reindex] = settings::tools();
    Family {
        tools: vec![
            import::tool(),
            list,
            Tool::new("nc_cookbook_get_recipe", Effect::Read, READ, get)
                .described(
                    "Read a recipe",
                    "Returns one recipe with its ingredients and instructions. Use \
                     nc_cookbook_search_recipes to find the id.",
                )
                .calls(&["GET /index.php/apps/cookbook/api/v1/recipes/{recipe_id}"]),
            create,
            update,
            Tool::new("nc_cookbook_delete_recipe", Effect::Delete, WRITE, delete)
                .described(
                    "Delete a recipe",
                    "Deletes a recipe with its picture and says whether it went to the user's \
                     trash bin. Use it only when the user asked for it. It is no error when there \
                     is no such recipe.",
                )
                .calls(&[
                    "GET /index.php/apps/cookbook/api/v1/recipes/{recipe_id} before and after",
                    "DELETE /index.php/apps/cookbook/api/v1/recipes/{recipe_id}",
                    "PROPFIND /remote.php/dav/trashbin/{user}/trash/, remembered for ten minutes",
                ]),
            search,
            categories,
            in_category,
            keywords,
            with_keywords,
            set_config,
            reindex,
        ],
        resources: vec![
            Resource::new("cookbook://version", "cookbook_version", READ, read_version)
                .described(
                    "Cookbook version",
                    "The version of the Cookbook app and of its API.",
                    Some("application/json"),
                )
                .calls(&["GET /index.php/apps/cookbook/api/version"]),
            Resource::new("cookbook://config", "cookbook_config", READ, settings::read)
                .described(
                    "Cookbook settings",
                    "Where the Cookbook app keeps the recipes, and how it shows them.",
                    Some("application/json"),
                )
                .calls(&["GET /index.php/apps/cookbook/api/v1/config"]),
            Resource::new("nc://Cookbook/{recipe_id}", "recipe", READ, read_recipe)
                .described(
                    "A recipe",
                    "One recipe with its ingredients and instructions.",
                    Some("application/json"),
                )
                .calls(&["GET /index.php/apps/cookbook/api/v1/recipes/{recipe_id}"]),
        ],
    }
}

const RECIPES: About = About {
    what: Cow::Borrowed("The list of recipes"),
    find: "Use nc_cookbook_list_recipes to see the recipes.",
    app: "Cookbook",
};

fn about(recipe_id: u64) -> About {
    About {
        what: format!("Recipe {recipe_id}").into(),
        find: "Use nc_cookbook_search_recipes to find the right id.",
        app: "Cookbook",
    }
}

fn api<'a>(segments: impl IntoIterator<Item = &'a str>) -> Route {
    Route::app("cookbook", ["api", "v1"]).join(segments)
}

fn recipe(recipe_id: u64) -> Route {
    api(["recipes", recipe_id.to_string().as_str()])
}

/// A recipe as the app gives it.
async fn fetch(client: &Client, recipe_id: u64) -> Result<Value, ToolError> {
    let request = Request::new(Method::GET, recipe(recipe_id));
    client.json(&request).await.about(&about(recipe_id))
}

#[derive(Deserialize, JsonSchema)]
struct RecipeArguments {
    /// The recipe's id.
    recipe_id: u64,
}

async fn get(client: Client, arguments: RecipeArguments) -> Result<Recipe, ToolError> {
    let RecipeArguments { recipe_id } = arguments;
    Ok(Recipe::read(recipe_id, &fetch(&client, recipe_id).await?))
}

/// A deleted recipe.
#[derive(Serialize, JsonSchema)]
struct Gone {
    /// The recipe's id.
    recipe_id: u64,
    /// Its name was.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Whether a recipe was deleted; otherwise there was none.
    deleted: bool,
    /// Whether its files are in the user's trash bin now; absent when that could not be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_trash_bin: Option<bool>,
}

async fn delete(client: Client, arguments: RecipeArguments) -> Result<Gone, ToolError> {
    let RecipeArguments { recipe_id } = arguments;
    let about = about(recipe_id);
    let look = Request::new(Method::GET, recipe(recipe_id));
    let there: Value = match client.json(&look).await {
        Ok(there) => there,
        // The app would answer "deleted" all the same.
        Err(error) if error.is(StatusCode::NOT_FOUND) => {
            return Ok(Gone {
                recipe_id,
                name: None,
                deleted: false,
                in_trash_bin: None,
            });
        }
        Err(error) => return Err(describe(error, &about)),
    };
    let name = Recipe::read(recipe_id, &there).name;
    let request = Request::new(Method::DELETE, recipe(recipe_id));
    client.send(&request).await.about(&about)?;
    match client.send(&look).await {
        Ok(_) => {
            return Err(ToolError::failed(format!(
                "Nextcloud said that recipe {recipe_id}, \"{name}\", was deleted, but it is still \
                 there: it may belong to somebody else. The owner has to delete it."
            )));
        }
        Err(error) if error.is(StatusCode::NOT_FOUND) => {}
        Err(error) => return Err(describe(error, &about)),
    }
    Ok(Gone {
        recipe_id,
        name: Some(name),
        deleted: true,
        in_trash_bin: client.has_trash_bin().await,
    })
}

async fn read_version(client: Client, _: Variables) -> Result<Contents, ToolError> {
    let request = Request::new(Method::GET, Route::app("cookbook", ["api", "version"]));
    let version: Value = client.json(&request).await.about(&RECIPES)?;
    Contents::json(&version)
}

async fn read_recipe(client: Client, variables: Variables) -> Result<Contents, ToolError> {
    let recipe_id = variables.get("recipe_id").parse().map_err(|_| {
        ToolError::not_found(
            "The id of a recipe is a number. Use nc_cookbook_search_recipes to find it.",
        )
    })?;
    Contents::json(&Recipe::read(recipe_id, &fetch(&client, recipe_id).await?))
}
