//! Importing a recipe from a web page.

use std::time::Duration;

use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use url::{Host, Url};

use super::{RECIPES, WRITE, api, fetch, find, recipe, recipe::Recipe};
use crate::{
    error::{About, Describe, ToolError, describe, words},
    nextcloud::{Client, Request},
    tools::{Effect, Tool},
};

/// How long Nextcloud may take to get the page and its pictures.
const PATIENCE: Duration = Duration::from_mins(5);

pub(super) fn tool() -> Tool {
    Tool::new("nc_cookbook_import_recipe", Effect::Write, WRITE, import)
        .described(
            "Import a recipe from the web",
            "Lets Nextcloud read a recipe from a web page and keep it, with its picture. The page \
             has to describe the recipe in the way of schema.org, as most recipe sites do. It can \
             take a minute.",
        )
        .calls(&[
            "POST /index.php/apps/cookbook/api/v1/import",
            "GET /index.php/apps/cookbook/api/v1/recipes when the answer has no id",
            "GET /index.php/apps/cookbook/api/v1/recipes/{recipe_id}",
        ])
}

#[derive(Deserialize, JsonSchema)]
struct Arguments {
    /// The address of the page.
    url: String,
}

async fn import(client: Client, arguments: Arguments) -> Result<Recipe, ToolError> {
    let url = checked(&arguments.url)?;
    let about = About {
        what: "The imported recipe".into(),
        ..RECIPES
    };
    let request = Request::new(Method::POST, api(["import"]))
        .json(&json!({ "url": url.as_str() }))
        .about(&about)?
        .patience(PATIENCE);
    let made: Value = match client.json(&request).await {
        Ok(made) => made,
        Err(error) if error.is(StatusCode::CONFLICT) => {
            return Err(ToolError::failed(format!(
                "The recipe of {url} has the name of a recipe that is there already, so nothing was \
                 imported. Look for it with nc_cookbook_list_recipes."
            ))
            .because(error));
        }
        Err(error) if error.is(StatusCode::BAD_REQUEST) => {
            let words =
                words(&error).map_or_else(String::new, |words| format!(" It says: \"{words}\"."));
            return Err(ToolError::failed(format!(
                "Nextcloud could not read a recipe from {url}.{words} Check the address, or read \
                 the page yourself and use nc_cookbook_create_recipe."
            ))
            .because(error));
        }
        Err(error) => return Err(describe(error, &about)),
    };
    let name = Recipe::read(0, &made).name;
    let recipe_id = match recipe::id(&made) {
        Some(id) => Some(id),
        None => find::by_name(&client, &name).await?,
    };
    let recipe_id = recipe_id.ok_or_else(|| {
        ToolError::failed(format!(
            "The recipe \"{name}\" was imported, but Nextcloud did not say under which id. Look for \
             it with nc_cookbook_list_recipes."
        ))
    })?;
    Ok(Recipe::read(recipe_id, &fetch(&client, recipe_id).await?))
}

/// An address that Nextcloud will open: it refuses its own machine and bare network addresses.
fn checked(text: &str) -> Result<Url, ToolError> {
    let url = Url::parse(text.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| {
            ToolError::invalid(format!(
                "\"{text}\" is no address of a web page. Write it whole, such as \
                 https://example.org/soup."
            ))
        })?;
    let is_name = match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name != "localhost" && !name.ends_with(".localhost")
        }
        Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => false,
    };
    if !is_name || !url.username().is_empty() || url.password().is_some() {
        return Err(ToolError::invalid(format!(
            "Nextcloud does not import from \"{text}\": only from a host with a name, without user \
             and password. Read the page yourself and use nc_cookbook_create_recipe."
        )));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_hosts_with_names_are_imported() {
        assert!(checked(" https://example.org/soup?id=1 ").is_ok());
        for text in [
            "soup",
            "ftp://example.org/x",
            "http://127.0.0.1/x",
            "http://[::1]/x",
            "http://localhost:8080/x",
            "http://app.localhost/x",
            "https://user:pw@example.org/x",
            "http://2130706433/",
            "http://localhost./",
        ] {
            assert!(checked(text).is_err(), "{text}");
        }
    }
}
