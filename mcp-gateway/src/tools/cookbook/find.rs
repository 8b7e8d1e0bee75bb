//! Finding recipes: all, by words, by category, by keywords.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    READ, RECIPES, api,
    recipe::{Summary, id},
};
use crate::{
    error::{Describe, ToolError},
    nextcloud::{Client, Request, Route},
    tools::{Effect, Tool, page::Page},
};

/// Recipes returned unless asked otherwise, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 500;
/// What the app calls recipes without a category: in a list, and in a path.
const UNCATEGORISED: &str = "*";
const UNCATEGORISED_PATH: &str = "_";

pub(super) fn tools() -> [Tool; 6] {
    [
        Tool::new("nc_cookbook_list_recipes", Effect::Read, READ, list)
            .described(
                "List recipes",
                "Lists the recipes with name, category and keywords, page by page. Use it to see \
                 what there is; read one with nc_cookbook_get_recipe.",
            )
            .calls(&["GET /index.php/apps/cookbook/api/v1/recipes"]),
        Tool::new("nc_cookbook_search_recipes", Effect::Read, READ, search)
            .described(
                "Search recipes",
                "Finds recipes that have one of the words in their name, category or keywords. Use \
                 it to find the id of a recipe. It does not look into ingredients or instructions.",
            )
            .calls(&["GET /index.php/apps/cookbook/api/v1/search/{query}"]),
        Tool::new(
            "nc_cookbook_list_categories",
            Effect::Read,
            READ,
            categories,
        )
        .described(
            "List recipe categories",
            "Lists the categories with the number of their recipes. Use it to see how the \
                 recipes are sorted before you list those of a category or give one to a recipe.",
        )
        .calls(&["GET /index.php/apps/cookbook/api/v1/categories"]),
        Tool::new(
            "nc_cookbook_get_recipes_in_category",
            Effect::Read,
            READ,
            in_category,
        )
        .described(
            "List the recipes of a category",
            "Lists the recipes of one category, named exactly as nc_cookbook_list_categories \
                 shows it; \"_\" stands for the recipes without a category.",
        )
        .calls(&["GET /index.php/apps/cookbook/api/v1/category/{category}"]),
        Tool::new("nc_cookbook_list_keywords", Effect::Read, READ, keywords)
            .described(
                "List recipe keywords",
                "Lists the keywords with the number of their recipes. Use it to see which keywords \
                 there are before you look for recipes by them.",
            )
            .calls(&["GET /index.php/apps/cookbook/api/v1/keywords"]),
        Tool::new(
            "nc_cookbook_get_recipes_with_keywords",
            Effect::Read,
            READ,
            with_keywords,
        )
        .described(
            "List recipes by keywords",
            "Lists the recipes that have all of the keywords, named as \
                 nc_cookbook_list_keywords shows them.",
        )
        .calls(&[
            "GET /index.php/apps/cookbook/api/v1/tags/{keywords}",
            "GET /index.php/apps/cookbook/api/v1/recipes when that finds nothing",
        ]),
    ]
}

/// Recipes.
#[derive(Serialize, JsonSchema)]
struct RecipePage {
    /// The recipes.
    recipes: Vec<Summary>,
    /// How many there are altogether.
    total: usize,
    /// The offset to go on with, if there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<usize>,
    /// How they were found, if that is worth knowing.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

fn page(all: Vec<Summary>, offset: usize, limit: Option<usize>) -> RecipePage {
    let page = Page::of(all, offset, limit, PAGE, MAX_PAGE);
    RecipePage {
        recipes: page.items,
        total: page.total,
        next_offset: page.next_offset,
        note: None,
    }
}

/// All recipes that a route of the app lists.
pub(super) async fn fetch(client: &Client, route: Route) -> Result<Vec<Summary>, ToolError> {
    let request = Request::new(Method::GET, route);
    let listed: Vec<Value> = client.json(&request).await.about(&RECIPES)?;
    Ok(listed.iter().filter_map(Summary::read).collect())
}

/// The recipe with exactly this name, if there is one.
pub(super) async fn by_name(client: &Client, name: &str) -> Result<Option<u64>, ToolError> {
    let all = fetch(client, api(["recipes"])).await?;
    Ok(all
        .into_iter()
        .find(|one| one.name == name)
        .map(|one| one.id))
}

/// A text as a segment of the app's paths. The app decodes the segment once more than the server
/// did, and a server may refuse an encoded slash: so what such decoding would change is encoded
/// before the segment is.
fn term(text: &str) -> String {
    text.replace('%', "%25")
        .replace('+', "%2B")
        .replace('/', "%2F")
}

#[derive(Deserialize, JsonSchema)]
struct ListArguments {
    /// How many recipes to return at most: 100 unless given, 500 at most.
    #[serde(default)]
    limit: Option<usize>,
    /// How many recipes to skip.
    #[serde(default)]
    offset: usize,
}

async fn list(client: Client, arguments: ListArguments) -> Result<RecipePage, ToolError> {
    let all = fetch(&client, api(["recipes"])).await?;
    Ok(page(all, arguments.offset, arguments.limit))
}

#[derive(Deserialize, JsonSchema)]
struct SearchArguments {
    /// The words to look for; a recipe with one of them is found.
    query: String,
    /// How many recipes to return at most: 100 unless given, 500 at most.
    #[serde(default)]
    limit: Option<usize>,
    /// How many recipes to skip.
    #[serde(default)]
    offset: usize,
}

async fn search(client: Client, arguments: SearchArguments) -> Result<RecipePage, ToolError> {
    let query = arguments.query.trim();
    if query.is_empty() {
        return Err(ToolError::invalid(
            "Give at least one word to look for; nc_cookbook_list_recipes lists all recipes.",
        ));
    }
    let found = fetch(&client, api(["search", &term(query)])).await?;
    Ok(page(found, arguments.offset, arguments.limit))
}

#[derive(Deserialize, JsonSchema)]
struct NoArguments {}

/// A category or keyword.
#[derive(Serialize, JsonSchema)]
struct Counted {
    /// Its name.
    name: String,
    /// How many recipes have it.
    recipe_count: u64,
}

/// The categories.
#[derive(Serialize, JsonSchema)]
struct Categories {
    /// The categories.
    categories: Vec<Counted>,
    /// How many recipes have no category.
    uncategorised: u64,
}

/// The keywords.
#[derive(Serialize, JsonSchema)]
struct Keywords {
    /// The keywords.
    keywords: Vec<Counted>,
}

async fn counted(client: &Client, name: &str) -> Result<Vec<Counted>, ToolError> {
    let request = Request::new(Method::GET, api([name]));
    let listed: Vec<Value> = client.json(&request).await.about(&RECIPES)?;
    let counted = listed.iter().filter_map(|one| {
        Some(Counted {
            name: one.get("name")?.as_str()?.to_owned(),
            recipe_count: one.get("recipe_count").and_then(id).unwrap_or_default(),
        })
    });
    Ok(counted.collect())
}

async fn categories(client: Client, _: NoArguments) -> Result<Categories, ToolError> {
    let (without, categories): (Vec<_>, Vec<_>) = counted(&client, "categories")
        .await?
        .into_iter()
        .partition(|category| category.name == UNCATEGORISED);
    Ok(Categories {
        categories,
        uncategorised: without.iter().map(|one| one.recipe_count).sum(),
    })
}

async fn keywords(client: Client, _: NoArguments) -> Result<Keywords, ToolError> {
    Ok(Keywords {
        keywords: counted(&client, "keywords").await?,
    })
}

#[derive(Deserialize, JsonSchema)]
struct CategoryArguments {
    /// The category; "_" for recipes without one.
    category: String,
    /// How many recipes to return at most: 100 unless given, 500 at most.
    #[serde(default)]
    limit: Option<usize>,
    /// How many recipes to skip.
    #[serde(default)]
    offset: usize,
}

async fn in_category(
    client: Client,
    arguments: CategoryArguments,
) -> Result<RecipePage, ToolError> {
    let category = match arguments.category.trim() {
        "" | UNCATEGORISED | UNCATEGORISED_PATH => UNCATEGORISED_PATH.to_owned(),
        category => term(category),
    };
    let found = fetch(&client, api(["category", &category])).await?;
    Ok(page(found, arguments.offset, arguments.limit))
}

#[derive(Deserialize, JsonSchema)]
struct KeywordArguments {
    /// The keywords; a recipe has to have all of them.
    keywords: Vec<String>,
    /// How many recipes to return at most: 100 unless given, 500 at most.
    #[serde(default)]
    limit: Option<usize>,
    /// How many recipes to skip.
    #[serde(default)]
    offset: usize,
}

const LOOKED_THROUGH: &str = "The Cookbook app's own search by keywords found nothing, as it does \
     on some databases; these were found by looking through the list of all recipes.";

async fn with_keywords(
    client: Client,
    arguments: KeywordArguments,
) -> Result<RecipePage, ToolError> {
    let KeywordArguments {
        keywords,
        limit,
        offset,
    } = arguments;
    let keywords: Vec<&str> = keywords
        .iter()
        .flat_map(|one| one.split(','))
        .map(str::trim)
        .collect();
    let keywords: Vec<&str> = keywords.into_iter().filter(|one| !one.is_empty()).collect();
    if keywords.is_empty() {
        return Err(ToolError::invalid(
            "Give at least one keyword; nc_cookbook_list_keywords shows which there are.",
        ));
    }
    let found = fetch(&client, api(["tags", &term(&keywords.join(","))])).await?;
    if !found.is_empty() {
        return Ok(page(found, offset, limit));
    }
    let mut all = fetch(&client, api(["recipes"])).await?;
    all.retain(|recipe| has_all(&recipe.keywords, &keywords));
    let mut recipes = page(all, offset, limit);
    recipes.note = (recipes.total > 0).then_some(LOOKED_THROUGH);
    Ok(recipes)
}

fn has_all(list: &str, keywords: &[&str]) -> bool {
    let has = |keyword: &&str| {
        let keyword = keyword.to_lowercase();
        list.split(',')
            .any(|one| one.trim().to_lowercase() == keyword)
    };
    keywords.iter().all(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decoded_twice_is_encoded_twice() {
        assert_eq!(term("Käse & Brot"), "Käse & Brot");
        assert_eq!(term("50%+1/2"), "50%25%2B1%2F2");
    }

    #[test]
    fn a_recipe_has_to_have_all_keywords() {
        assert!(has_all("soup, Lab,quick", &["lab", "Soup"]));
        assert!(!has_all("soup,lab", &["soup", "cake"]));
        assert!(!has_all("soups", &["soup"]));
    }
}
