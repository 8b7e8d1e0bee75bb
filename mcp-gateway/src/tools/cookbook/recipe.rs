//! A recipe as the tools show it, read from whatever the app has.
//!
//! Recipes are files that users, other programs and web sites write (schema.org/Recipe), so a
//! field may be missing, a number, a list or an object; none of that makes a recipe unreadable.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// A recipe.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "recipe_yield is the tools' name for it"
)]
pub(super) struct Recipe {
    /// The recipe's id.
    pub(super) id: u64,
    /// Its name.
    pub(super) name: String,
    /// What it is.
    pub(super) description: String,
    /// The ingredients, one a line.
    pub(super) ingredients: Vec<String>,
    /// The steps.
    pub(super) instructions: Vec<String>,
    /// Where it comes from; empty when that is not known.
    pub(super) url: String,
    /// How long preparing takes, as an ISO 8601 duration such as PT30M; empty when not known.
    pub(super) prep_time: String,
    /// How long cooking takes, in the same form.
    pub(super) cook_time: String,
    /// How long all of it takes, in the same form.
    pub(super) total_time: String,
    /// For how many servings it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recipe_yield: Option<u64>,
    /// The category; empty when it has none.
    pub(super) category: String,
    /// The keywords, separated by commas.
    pub(super) keywords: String,
    /// The tools that are needed.
    pub(super) tools: Vec<String>,
    /// When it was made.
    pub(super) date_created: String,
    /// When it was last changed.
    pub(super) date_modified: String,
}

impl Recipe {
    /// Reads what the app gives for the recipe with this id.
    pub(super) fn read(id: u64, value: &Value) -> Self {
        let text = |name: &str| value.get(name).map(text).unwrap_or_default();
        let texts = |name: &str| value.get(name).map(texts).unwrap_or_default();
        Self {
            id,
            name: text("name"),
            description: text("description"),
            ingredients: texts("recipeIngredient"),
            instructions: texts("recipeInstructions"),
            url: text("url"),
            prep_time: text("prepTime"),
            cook_time: text("cookTime"),
            total_time: text("totalTime"),
            recipe_yield: value.get("recipeYield").and_then(number),
            category: text("recipeCategory"),
            keywords: texts("keywords").join(","),
            tools: texts("tool"),
            date_created: text("dateCreated"),
            date_modified: text("dateModified"),
        }
    }
}

/// A recipe in a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Summary {
    /// The recipe's id.
    pub(super) id: u64,
    /// Its name.
    pub(super) name: String,
    /// The category; empty when it has none.
    pub(super) category: String,
    /// The keywords, separated by commas.
    pub(super) keywords: String,
    /// When it was made.
    date_created: String,
    /// When it was last changed.
    date_modified: String,
}

impl Summary {
    /// Reads an entry of a list; `None` when it has no id.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).map(text).unwrap_or_default();
        Some(Self {
            id: id(value)?,
            name: text("name"),
            category: text("category"),
            keywords: text("keywords"),
            date_created: text("dateCreated"),
            date_modified: text("dateModified"),
        })
    }
}

/// The id of a recipe: a number in lists, a text in recipes, the bare answer when one was made.
pub(super) fn id(value: &Value) -> Option<u64> {
    let of = |name| value.get(name).and_then(number);
    number(value)
        .or_else(|| of("recipe_id"))
        .or_else(|| of("id"))
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let text = value.as_str()?.trim();
        let digits = text.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    })
}

/// A text, or the first of several; of an object what it says.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(list) => list.first().map(text).unwrap_or_default(),
        Value::Object(object) => {
            let said = ["text", "name", "url", "@value"]
                .into_iter()
                .find_map(|key| object.get(key));
            said.map(text).unwrap_or_default()
        }
        Value::Null | Value::Bool(_) => String::new(),
    }
}

/// All texts; those of a section stand where the section does.
fn texts(value: &Value) -> Vec<String> {
    let all = match value {
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Object(object) => match object.get("itemListElement") {
            Some(steps) => texts(steps),
            None => vec![text(value)],
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => vec![text(value)],
    };
    let is_said = |text: &String| !text.trim().is_empty();
    all.into_iter().filter(is_said).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_recipe_of_the_app_is_read() {
        let recipe = Recipe::read(
            731,
            &json!({
                "@type": "Recipe", "id": "731", "name": "Lab soup", "description": "A soup",
                "recipeIngredient": ["1 l water", "salt"], "recipeInstructions": ["Boil", "Serve"],
                "recipeYield": 2, "keywords": "soup,lab", "recipeCategory": "Starter", "image": "",
                "prepTime": null, "cookTime": "PT30M", "url": "", "tool": [], "nutrition": {},
            }),
        );
        assert_eq!(
            (recipe.name.as_str(), recipe.keywords.as_str()),
            ("Lab soup", "soup,lab")
        );
        assert_eq!(recipe.ingredients, ["1 l water", "salt"]);
        assert_eq!(
            (recipe.cook_time.as_str(), recipe.prep_time.as_str()),
            ("PT30M", "")
        );
        assert_eq!(recipe.recipe_yield, Some(2));
    }

    #[test]
    fn a_recipe_of_the_web_is_read_as_well() {
        let recipe = Recipe::read(
            1,
            &json!({
                "name": ["Pie"], "recipeYield": "4 servings", "keywords": ["a", "b"],
                "recipeCategory": ["Dessert", "Cake"],
                "recipeInstructions": [
                    { "@type": "HowToSection", "name": "Dough", "itemListElement": [{ "text": "Knead" }, "Rest"] },
                    { "@type": "HowToStep", "text": "Bake" }, "",
                ],
            }),
        );
        assert_eq!(recipe.instructions, ["Knead", "Rest", "Bake"]);
        assert_eq!(
            (recipe.name.as_str(), recipe.category.as_str()),
            ("Pie", "Dessert")
        );
        assert_eq!(
            (recipe.keywords.as_str(), recipe.recipe_yield),
            ("a,b", Some(4))
        );
    }

    #[test]
    fn an_id_is_found_in_every_form() {
        for value in [
            json!(7),
            json!("7"),
            json!({ "recipe_id": 7, "id": "7" }),
            json!({ "id": "7" }),
        ] {
            assert_eq!(id(&value), Some(7), "{value}");
        }
        assert_eq!(id(&json!("soup")), None);
    }
}
