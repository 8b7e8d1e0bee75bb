//! The settings of the Cookbook app, and its index.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RECIPES, WRITE, api};
use crate::{
    error::{About, Describe, ToolError},
    nextcloud::{Client, FilePath, Request},
    tools::{Contents, Effect, Tool, Variables},
};

pub(super) fn tools() -> [Tool; 2] {
    [
        Tool::new("nc_cookbook_set_config", Effect::Write, WRITE, set)
            .described(
                "Change the Cookbook's settings",
                "Changes where the Cookbook app looks for recipes, how often it looks for new ones, \
                 and whether pictures are printed. Recipes in the old folder stay there and are not \
                 shown any more. Use it only when the user asked for it.",
            )
            .calls(&[
                "POST /index.php/apps/cookbook/api/v1/config",
                "GET /index.php/apps/cookbook/api/v1/config",
            ]),
        Tool::new("nc_cookbook_reindex", Effect::Write, WRITE, reindex)
            .described(
                "Look for new recipes",
                "Lets the Cookbook app read all recipe files again. Use it when recipes were put \
                 into the folder as files and the lists do not show them.",
            )
            .calls(&["POST /index.php/apps/cookbook/api/v1/reindex"]),
    ]
}

const SETTINGS: About = About {
    what: std::borrow::Cow::Borrowed("The Cookbook's configuration"),
    ..RECIPES
};

/// The settings of the Cookbook app.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Settings {
    /// The folder with the recipes.
    #[serde(default)]
    folder: String,
    /// How often it looks for new recipes, in minutes.
    #[serde(default)]
    update_interval: Option<u64>,
    /// Whether pictures are printed with recipes.
    #[serde(default)]
    print_image: Option<bool>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct SetArguments {
    /// The folder with the recipes, such as "/Recipes".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
    /// How often to look for new recipes, in minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    update_interval: Option<u64>,
    /// Whether pictures are printed with recipes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    print_image: Option<bool>,
}

async fn set(client: Client, mut arguments: SetArguments) -> Result<Settings, ToolError> {
    if let Some(folder) = &mut arguments.folder {
        let path: FilePath = folder.parse()?;
        *folder = path.to_string();
    }
    if arguments.folder.is_none()
        && arguments.update_interval.is_none()
        && arguments.print_image.is_none()
    {
        return Err(ToolError::invalid(
            "There is nothing to change: give folder, update_interval or print_image.",
        ));
    }
    let request = Request::new(Method::POST, api(["config"]))
        .json(&arguments)
        .about(&SETTINGS)?;
    client.send(&request).await.about(&SETTINGS)?;
    client
        .json(&Request::new(Method::GET, api(["config"])))
        .await
        .about(&SETTINGS)
}

#[derive(Deserialize, JsonSchema)]
struct NoArguments {}

/// That the recipes were read again.
#[derive(Serialize, JsonSchema)]
struct Indexed {
    /// What Nextcloud says about it.
    message: String,
}

async fn reindex(client: Client, _: NoArguments) -> Result<Indexed, ToolError> {
    let request = Request::new(Method::POST, api(["reindex"]));
    let said: Value = client.json(&request).await.about(&RECIPES)?;
    Ok(Indexed {
        message: said
            .as_str()
            .unwrap_or("The recipes were read again.")
            .to_owned(),
    })
}

pub(super) async fn read(client: Client, _: Variables) -> Result<Contents, ToolError> {
    let request = Request::new(Method::GET, api(["config"]));
    let settings: Value = client.json(&request).await.about(&SETTINGS)?;
    Contents::json(&settings)
}
