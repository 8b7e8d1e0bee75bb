//! Creating and changing recipes.
//!
//! The app takes tags out of texts, and drops times and addresses that it cannot read. So times
//! and addresses are checked before, and the answer shows what was stored and names the fields
//! that are not as they were sent.

use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;

use super::{RECIPES, WRITE, about, api, fetch, find, recipe, recipe::Recipe};
use crate::{
    error::{About, Describe, ToolError, describe},
    nextcloud::{Client, Request},
    tools::{Effect, Tool},
};

pub(super) fn tools() -> [Tool; 2] {
    [
        Tool::new("nc_cookbook_create_recipe", Effect::Write, WRITE, create)
            .described(
                "Create a recipe",
                "Adds a recipe to the Cookbook. Use it for a recipe that the user dictates or that \
                 you wrote; for one on a web page use nc_cookbook_import_recipe. Names are unique. \
                 The app removes HTML tags from texts.",
            )
            .calls(&[
                "POST /index.php/apps/cookbook/api/v1/recipes",
                "GET /index.php/apps/cookbook/api/v1/recipes/{recipe_id}",
            ]),
        Tool::new("nc_cookbook_update_recipe", Effect::Write, WRITE, update)
            .described(
                "Change a recipe",
                "Changes the fields you give and leaves the others as they are; lists are replaced \
                 as a whole, an empty text or list clears a field. The app removes HTML tags from \
                 texts.",
            )
            .calls(&[
                "GET /index.php/apps/cookbook/api/v1/recipes/{recipe_id} before and after",
                "GET /index.php/apps/cookbook/api/v1/recipes when the name changes",
                "PUT /index.php/apps/cookbook/api/v1/recipes/{recipe_id}",
            ]),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct CreateArguments {
    /// The name, which no other recipe may have.
    name: String,
    #[serde(flatten)]
    fields: Fields,
}

#[derive(Deserialize, JsonSchema)]
struct UpdateArguments {
    /// The recipe's id.
    recipe_id: u64,
    /// The new name, which no other recipe may have.
    #[serde(default)]
    name: Option<String>,
    #[serde(flatten)]
    fields: Fields,
}

/// The fields of a recipe that both take.
#[derive(Deserialize, JsonSchema)]
struct Fields {
    /// What it is, in a sentence or two.
    #[serde(default)]
    description: Option<String>,
    /// The ingredients, such as "200 g flour", one each.
    #[serde(default)]
    ingredients: Option<Vec<String>>,
    /// The steps, one each.
    #[serde(default)]
    instructions: Option<Vec<String>>,
    /// Where it comes from, an address of the web.
    #[serde(default)]
    url: Option<String>,
    /// How long preparing takes, as an ISO 8601 duration such as PT30M or PT1H15M.
    #[serde(default)]
    prep_time: Option<String>,
    /// How long cooking takes, in the same form.
    #[serde(default)]
    cook_time: Option<String>,
    /// How long all of it takes, in the same form.
    #[serde(default)]
    total_time: Option<String>,
    /// For how many servings it is, 1 at least.
    #[serde(default)]
    recipe_yield: Option<u64>,
    /// The category, only one.
    #[serde(default)]
    category: Option<String>,
    /// The keywords, separated by commas.
    #[serde(default)]
    keywords: Option<String>,
}

impl Fields {
    /// The members of the app's JSON, checked.
    fn members(&self) -> Result<Map<String, Value>, ToolError> {
        let mut members = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            members.extend(value.map(|value| (name.to_owned(), value)));
        };
        let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        set("description", text(&self.description));
        set(
            "recipeIngredient",
            self.ingredients.as_ref().map(|list| json!(list)),
        );
        set(
            "recipeInstructions",
            self.instructions.as_ref().map(|list| json!(list)),
        );
        set("url", self.url.as_deref().map(address).transpose()?);
        for (name, argument, time) in [
            ("prepTime", "prep_time", &self.prep_time),
            ("cookTime", "cook_time", &self.cook_time),
            ("totalTime", "total_time", &self.total_time),
        ] {
            set(
                name,
                time.as_deref()
                    .map(|time| duration(argument, time))
                    .transpose()?,
            );
        }
        if self.recipe_yield == Some(0) {
            return Err(ToolError::invalid(
                "A recipe is for 1 serving at least: give recipe_yield.",
            ));
        }
        set("recipeYield", self.recipe_yield.map(|number| json!(number)));
        set("recipeCategory", text(&self.category));
        set("keywords", text(&self.keywords));
        Ok(members)
    }
}

fn address(text: &str) -> Result<Value, ToolError> {
    let text = text.trim();
    let is_address = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if text.is_empty() || is_address {
        return Ok(json!(text));
    }
    Err(ToolError::invalid(format!(
        "The url \"{text}\" is no address of the web, and the Cookbook would drop it. Write it whole, \
         such as https://example.org/soup."
    )))
}

fn duration(argument: &str, text: &str) -> Result<Value, ToolError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Value::Null);
    }
    if is_duration(text) {
        return Ok(json!(text));
    }
    Err(ToolError::invalid(format!(
        "The {argument} \"{text}\" is no duration, and the Cookbook would drop it. Write it as ISO \
         8601, such as PT45M for 45 minutes or PT1H30M for an hour and a half."
    )))
}

/// `P[nD][T[nH][nM][nS]]`, at least one number in it.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else {
        return false;
    };
    let (days, time) = rest.split_once('T').unwrap_or((rest, ""));
    let is_run = |mut text: &str, units: &str| {
        for unit in units.chars() {
            if let Some((number, rest)) = text.split_once(unit) {
                if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                    return false;
                }
                text = rest;
            }
        }
        text.is_empty()
    };
    is_run(days, "D")
        && is_run(time, "HMS")
        && !(days.is_empty() && time.is_empty())
        && !rest.ends_with('T')
}

/// A recipe as it is stored now.
#[derive(Serialize, JsonSchema)]
struct Stored {
    #[serde(flatten)]
    recipe: Recipe,
    /// The fields that are stored in another form than they were sent, because the app cleans texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    altered: Vec<&'static str>,
}

/// What is stored, compared with what was sent.
fn stored(recipe_id: u64, sent: &Value, now: &Value) -> Stored {
    let (wanted, recipe) = (Recipe::read(recipe_id, sent), Recipe::read(recipe_id, now));
    let words = |text: &str| -> Vec<String> {
        let mut words: Vec<String> = text.split(',').map(|word| word.trim().to_owned()).collect();
        words.sort();
        words
    };
    let altered = [
        ("name", wanted.name == recipe.name),
        ("description", wanted.description == recipe.description),
        ("ingredients", wanted.ingredients == recipe.ingredients),
        ("instructions", wanted.instructions == recipe.instructions),
        ("url", wanted.url == recipe.url),
        ("prep_time", wanted.prep_time == recipe.prep_time),
        ("cook_time", wanted.cook_time == recipe.cook_time),
        ("total_time", wanted.total_time == recipe.total_time),
        ("category", wanted.category == recipe.category),
        (
            "keywords",
            words(&wanted.keywords) == words(&recipe.keywords),
        ),
    ];
    let altered = altered.into_iter().filter(|(_, is_same)| !is_same);
    Stored {
        altered: altered.map(|(name, _)| name).collect(),
        recipe,
    }
}

async fn create(client: Client, arguments: CreateArguments) -> Result<Stored, ToolError> {
    let name = arguments.name.trim();
    if name.is_empty() {
        return Err(ToolError::invalid(
            "A recipe needs a name: give one that no other recipe has.",
        ));
    }
    let mut members = Map::new();
    members.insert("@context".to_owned(), json!("http://schema.org"));
    members.insert("@type".to_owned(), json!("Recipe"));
    members.insert("name".to_owned(), json!(name));
    members.extend(arguments.fields.members()?);
    let sent = Value::Object(members);
    let about = About {
        what: "The new recipe".into(),
        ..RECIPES
    };
    let request = Request::new(Method::POST, api(["recipes"]))
        .json(&sent)
        .about(&about)?;
    let made: Value = match client.json(&request).await {
        Ok(made) => made,
        Err(error) if error.is(StatusCode::CONFLICT) => {
            return Err(taken(&client, name).await?.because(error));
        }
        Err(error) => return Err(describe(error, &about)),
    };
    let recipe_id = recipe::id(&made).ok_or_else(|| {
        ToolError::failed(
            "The recipe was probably made, but Nextcloud did not say under which id. Look for it \
             with nc_cookbook_list_recipes before trying again.",
        )
    })?;
    Ok(stored(recipe_id, &sent, &fetch(&client, recipe_id).await?))
}

/// That another recipe has the name, and which.
async fn taken(client: &Client, name: &str) -> Result<ToolError, ToolError> {
    let which = match find::by_name(client, name).await? {
        Some(id) => format!("Recipe {id}"),
        None => "Another recipe".to_owned(),
    };
    Ok(ToolError::failed(format!(
        "{which} is called \"{name}\" already, so nothing was written. Change that one with \
         nc_cookbook_update_recipe, or choose another name."
    )))
}

async fn update(client: Client, arguments: UpdateArguments) -> Result<Stored, ToolError> {
    let UpdateArguments {
        recipe_id,
        name,
        fields,
    } = arguments;
    let mut members = fields.members()?;
    if let Some(name) = name.as_deref().map(str::trim) {
        if name.is_empty() {
            return Err(ToolError::invalid(
                "A recipe cannot be without a name. Give the new name, or leave it out.",
            ));
        }
        members.insert("name".to_owned(), json!(name));
    }
    if members.is_empty() {
        return Err(ToolError::invalid(
            "There is nothing to change: give at least one field, or leave the recipe as it is.",
        ));
    }
    let about = about(recipe_id);
    let mut sent = fetch(&client, recipe_id).await?;
    let old_name = sent.get("name").cloned();
    if let Some(Value::String(name)) = members.get("name")
        && old_name.as_ref().and_then(Value::as_str) != Some(name)
        && find::by_name(&client, name)
            .await?
            .is_some_and(|other| other != recipe_id)
    {
        // The app would fail inside.
        return Err(taken(&client, name).await?);
    }
    let Some(object) = sent.as_object_mut() else {
        return Err(ToolError::failed(format!(
            "Recipe {recipe_id} is stored in a form that cannot be changed. The user has to look at \
             it in Nextcloud."
        )));
    };
    // Made for reading; everything else goes back as it came, also what no tool shows.
    object.remove("printImage");
    object.remove("imageUrl");
    object.extend(members);
    // The app takes the id from here, not from the path.
    object.insert("id".to_owned(), json!(recipe_id));
    let request = Request::new(Method::PUT, recipe(recipe_id))
        .json(&sent)
        .about(&about)?;
    match client.send(&request).await {
        Ok(_) => {}
        Err(error) if error.is(StatusCode::CONFLICT) => {
            let name = sent.get("name").and_then(Value::as_str).unwrap_or_default();
            return Err(taken(&client, name).await?.because(error));
        }
        Err(error) => return Err(describe(error, &about)),
    }
    Ok(stored(recipe_id, &sent, &fetch(&client, recipe_id).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_iso_8601() {
        for text in ["PT30M", "PT1H15M", "P1DT2H", "P2D", "PT90S", "PT1H0M0S"] {
            assert!(is_duration(text), "{text}");
        }
        for text in [
            "", "P", "PT", "30M", "PT30", "PTM", "PT1M2H", "P1H", "1:30", "PT-5M", "pt5m", "P1DT",
        ] {
            assert!(!is_duration(text), "{text}");
        }
    }

    #[test]
    fn what_the_app_cleaned_is_named() {
        let sent = json!({ "name": "A", "description": "<b>x</b>", "keywords": "b, a", "recipeIngredient": ["1"] });
        let now = json!({ "name": "A", "description": "x", "keywords": "a,b", "recipeIngredient": ["1"], "url": "" });
        assert_eq!(stored(1, &sent, &now).altered, ["description"]);
    }
}
