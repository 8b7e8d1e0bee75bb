//! The recipes and settings of all users. Knows no HTTP.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::clean::{cleaned, name};

/// Why the app refuses.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Another recipe of the user has the name.
    Taken,
    /// There is no name.
    Nameless,
}

/// The recipes of all users; family data of the server.
#[derive(Default)]
pub(super) struct Cookbook {
    /// By user and id.
    recipes: BTreeMap<(String, u64), Recipe>,
    configs: BTreeMap<String, Value>,
    /// Recipes on pages of the web, by address.
    pub(super) web: BTreeMap<String, Value>,
}

/// A recipe as it is kept.
pub(super) struct Recipe {
    members: Map<String, Value>,
    created: u64,
    modified: u64,
}

impl Recipe {
    fn text(&self, member: &str) -> &str {
        self.members
            .get(member)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(super) fn category(&self) -> &str {
        self.text("recipeCategory")
    }

    fn keywords(&self) -> Vec<&str> {
        let mut keywords: Vec<&str> = self.text("keywords").split(',').collect();
        keywords.retain(|one| !one.is_empty());
        keywords.sort_unstable();
        keywords
    }

    /// Whether name, category or a keyword has this word, which is in lower case.
    pub(super) fn mentions(&self, word: &str) -> bool {
        ["name", "recipeCategory", "keywords"]
            .into_iter()
            .any(|member| self.text(member).to_lowercase().contains(word))
    }
}

impl Cookbook {
    pub(super) fn config(&mut self, uid: &str) -> &mut Value {
        self.configs.entry(uid.to_owned()).or_insert_with(|| {
            json!({
                "folder": "/Recipes",
                "update_interval": 5,
                "print_image": true,
                "visibleInfoBlocks": {
                    "preparation-time": true, "cooking-time": true, "total-time": true,
                    "nutrition-information": true, "tools": true,
                },
            })
        })
    }

    fn of<'a>(&'a self, uid: &'a str) -> impl Iterator<Item = (u64, &'a Recipe)> {
        let recipes = self.recipes.iter();
        recipes.filter_map(move |((owner, id), recipe)| (owner == uid).then_some((*id, recipe)))
    }

    /// Keeps a new recipe.
    pub(super) fn add(
        &mut self,
        uid: &str,
        id: u64,
        recipe: &Value,
        now: u64,
    ) -> Result<(), Refusal> {
        let members = self.checked(uid, None, recipe)?;
        let recipe = Recipe {
            members,
            created: now,
            modified: now,
        };
        self.recipes.insert((uid.to_owned(), id), recipe);
        Ok(())
    }

    /// Replaces a recipe as a whole; `false` when the user has none with this id.
    pub(super) fn replace(
        &mut self,
        uid: &str,
        id: u64,
        recipe: &Value,
        now: u64,
    ) -> Result<bool, Refusal> {
        let members = self.checked(uid, Some(id), recipe)?;
        let Some(there) = self.recipes.get_mut(&(uid.to_owned(), id)) else {
            return Ok(false);
        };
        there.members = members;
        there.modified = now;
        Ok(true)
    }

    fn checked(
        &self,
        uid: &str,
        own: Option<u64>,
        recipe: &Value,
    ) -> Result<Map<String, Value>, Refusal> {
        let wanted = recipe
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let wanted = name(wanted);
        if wanted.is_empty() {
            return Err(Refusal::Nameless);
        }
        let mut others = self.of(uid).filter(|(id, _)| Some(*id) != own);
        if others.any(|(_, other)| other.text("name") == wanted) {
            return Err(Refusal::Taken);
        }
        Ok(cleaned(recipe))
    }

    pub(super) fn remove(&mut self, uid: &str, id: u64) {
        self.recipes.remove(&(uid.to_owned(), id));
    }

    /// A recipe as the API shows it.
    pub(super) fn show(&mut self, uid: &str, id: u64) -> Option<Value> {
        let prints = self.config(uid).get("print_image").cloned();
        let recipe = self.recipes.get(&(uid.to_owned(), id))?;
        let mut shown = recipe.members.clone();
        for (member, value) in [
            ("id", json!(id.to_string())),
            ("dateCreated", json!(date(recipe.created, ":"))),
            ("dateModified", json!(date(recipe.modified, ":"))),
            ("printImage", prints.unwrap_or_default()),
            ("imageUrl", json!(format!("{}?size=full", image(id)))),
        ] {
            shown.insert(member.to_owned(), value);
        }
        Some(Value::Object(shown))
    }

    pub(super) fn all(&mut self, uid: &str) -> Vec<Value> {
        let ids: Vec<u64> = self.of(uid).map(|(id, _)| id).collect();
        ids.into_iter()
            .filter_map(|id| self.show(uid, id))
            .collect()
    }

    /// The recipes that match, by name; a search puts its time into the addresses of pictures.
    pub(super) fn summaries(
        &self,
        uid: &str,
        searched: Option<u64>,
        matches: impl Fn(&Recipe) -> bool,
    ) -> Value {
        let mut found: Vec<_> = self.of(uid).filter(|(_, recipe)| matches(recipe)).collect();
        found.sort_by(|(_, one), (_, other)| one.text("name").cmp(other.text("name")));
        let or_null = |text: String| (!text.is_empty()).then_some(text);
        let stamp = searched.map_or_else(String::new, |time| format!("t={time}&"));
        let entries = found.into_iter().map(|(id, recipe)| {
            json!({
                "recipe_id": id,
                "name": recipe.text("name"),
                "keywords": or_null(recipe.keywords().join(",")),
                "category": or_null(recipe.category().to_owned()),
                "dateCreated": date(recipe.created, ""),
                "dateModified": date(recipe.modified, ""),
                "imageUrl": format!("{}?{stamp}size=thumb", image(id)),
                "imagePlaceholderUrl": format!("{}?size=thumb16", image(id)),
                "id": id.to_string(),
            })
        });
        entries.collect()
    }

    /// The categories in use; `*` counts the recipes without one.
    pub(super) fn categories(&self, uid: &str) -> Value {
        counted(self.of(uid).map(|(_, recipe)| match recipe.category() {
            "" => "*",
            category => category,
        }))
    }

    pub(super) fn keywords(&self, uid: &str) -> Value {
        counted(self.of(uid).flat_map(|(_, recipe)| recipe.keywords()))
    }
}

fn counted<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let counts = counts.into_iter();
    counts
        .map(|(name, count)| json!({"name": name, "recipe_count": count}))
        .collect()
}

fn image(id: u64) -> String {
    format!("/apps/cookbook/webapp/recipes/{id}/image")
}

/// `2026-11-21T02:06:53+00:00`; lists write the zone without a colon.
fn date(unix: u64, colon: &str) -> String {
    const FORMAT: &[BorrowedFormatItem<'static>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let time = i64::try_from(unix).unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp(time).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!("{}+00{colon}00", time.format(FORMAT).unwrap_or_default())
}
