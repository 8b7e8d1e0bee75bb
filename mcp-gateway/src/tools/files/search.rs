//! Finding files by name, type or favourite, anywhere below a folder.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FileEntry, READ, about};
use crate::{
    error::{Describe, ToolError},
    nextcloud::{Client, FilePath, Search, SearchTerm},
    tools::{Effect, Tool},
};

/// Files returned unless asked otherwise, and at most.
const LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;

pub(super) fn tools() -> [Tool; 4] {
    [
        Tool::new("nc_webdav_search_files", Effect::Read, READ, search).described(
            "Search files",
            "Finds files and folders by name, type and favourite mark together, below a folder. \
             Every condition that is given has to hold. For one condition the other find tools \
             are simpler. It does not look into the content of files.",
        )
        .calls(&["SEARCH /remote.php/dav/ (RFC 5323 basicsearch)"]),
        Tool::new("nc_webdav_find_by_name", Effect::Read, READ, by_name).described(
            "Find files by name",
            "Finds files and folders whose name matches, below a folder. Use it when you know a \
             name or a part of it but not the path.",
        )
        .calls(&["SEARCH /remote.php/dav/ (RFC 5323 basicsearch)"]),
        Tool::new("nc_webdav_find_by_type", Effect::Read, READ, by_type).described(
            "Find files by type",
            "Finds files of a media type below a folder, such as all images or all PDF documents.",
        )
        .calls(&["SEARCH /remote.php/dav/ (RFC 5323 basicsearch)"]),
        Tool::new("nc_webdav_list_favorites", Effect::Read, READ, favorites).described(
            "List favourite files",
            "Lists the files and folders that the user marked as favourites: often what they work \
             with at the moment.",
        )
        .calls(&["SEARCH /remote.php/dav/ (RFC 5323 basicsearch)"]),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct SearchArguments {
    /// The folder to search below; empty for everywhere.
    #[serde(default)]
    scope: String,
    /// The name or a part of it; * stands for anything.
    #[serde(default)]
    name_pattern: Option<String>,
    /// The media type, such as "application/pdf"; "image" or "image/*" for all of a kind.
    #[serde(default)]
    mime_type: Option<String>,
    /// Only what the user marked as a favourite.
    #[serde(default)]
    only_favorites: bool,
    /// How many to return at most: 50 unless given, 500 at most.
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Deserialize, JsonSchema)]
struct NameArguments {
    /// The name or a part of it; * stands for anything.
    pattern: String,
    /// The folder to search below; empty for everywhere.
    #[serde(default)]
    scope: String,
    /// How many to return at most: 50 unless given, 500 at most.
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Deserialize, JsonSchema)]
struct TypeArguments {
    /// The media type, such as "application/pdf"; "image" or "image/*" for all of a kind.
    mime_type: String,
    /// The folder to search below; empty for everywhere.
    #[serde(default)]
    scope: String,
    /// How many to return at most: 50 unless given, 500 at most.
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Deserialize, JsonSchema)]
struct FavoriteArguments {
    /// The folder to search below; empty for everywhere.
    #[serde(default)]
    scope: String,
    /// How many to return at most: 50 unless given, 500 at most.
    #[serde(default)]
    limit: Option<usize>,
}

/// The files found.
#[derive(Serialize, JsonSchema)]
struct Found {
    /// The files and folders.
    results: Vec<FileEntry>,
    /// Whether there may be more: narrow the search or raise the limit to see them.
    has_more: bool,
}

async fn search(client: Client, arguments: SearchArguments) -> Result<Found, ToolError> {
    let mut terms = Vec::new();
    terms.extend(arguments.name_pattern.as_deref().and_then(name_term));
    terms.extend(arguments.mime_type.as_deref().and_then(type_term));
    if arguments.only_favorites {
        terms.push(SearchTerm::Favorite);
    }
    find(&client, &arguments.scope, terms, arguments.limit).await
}

async fn by_name(client: Client, arguments: NameArguments) -> Result<Found, ToolError> {
    let terms = name_term(&arguments.pattern).into_iter().collect();
    find(&client, &arguments.scope, terms, arguments.limit).await
}

async fn by_type(client: Client, arguments: TypeArguments) -> Result<Found, ToolError> {
    let term = type_term(&arguments.mime_type).ok_or_else(|| {
        ToolError::invalid("Give a media type, such as \"application/pdf\" or \"image\".")
    })?;
    find(&client, &arguments.scope, vec![term], arguments.limit).await
}

async fn favorites(client: Client, arguments: FavoriteArguments) -> Result<Found, ToolError> {
    find(
        &client,
        &arguments.scope,
        vec![SearchTerm::Favorite],
        arguments.limit,
    )
    .await
}

async fn find(
    client: &Client,
    scope: &str,
    terms: Vec<SearchTerm>,
    limit: Option<usize>,
) -> Result<Found, ToolError> {
    let scope: FilePath = scope.parse()?;
    let about = about(&scope);
    let limit = limit.unwrap_or(LIMIT).clamp(1, MAX_LIMIT);
    // One more than wanted, to know whether there are more.
    let mut entries = client
        .search(&Search {
            scope,
            terms,
            limit: limit + 1,
        })
        .await
        .about(&about)?;
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    Ok(Found {
        results: entries.into_iter().map(FileEntry::from).collect(),
        has_more,
    })
}

/// `*` is what people write, `%` what the server knows; without either a part of the name is meant.
fn name_term(pattern: &str) -> Option<SearchTerm> {
    let pattern = pattern.trim().replace('*', "%");
    match pattern.as_str() {
        "" => None,
        _ if pattern.contains('%') => Some(SearchTerm::NameLike(pattern)),
        _ => Some(SearchTerm::NameLike(format!("%{pattern}%"))),
    }
}

/// `image` and `image/*` are `image/%`.
fn type_term(mime_type: &str) -> Option<SearchTerm> {
    let mime_type = mime_type.trim().to_ascii_lowercase().replace('*', "%");
    match mime_type.as_str() {
        "" => None,
        _ if mime_type.contains(['/', '%']) => Some(SearchTerm::TypeLike(mime_type)),
        _ => Some(SearchTerm::TypeLike(format!("{mime_type}/%"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_what_the_server_knows() {
        let name = |text: &str| name_term(text);
        assert_eq!(
            name("plan"),
            Some(SearchTerm::NameLike("%plan%".to_owned()))
        );
        assert_eq!(name("*.md"), Some(SearchTerm::NameLike("%.md".to_owned())));
        assert_eq!(name("a%"), Some(SearchTerm::NameLike("a%".to_owned())));
        assert_eq!(name("  "), None);
        assert_eq!(
            type_term("image"),
            Some(SearchTerm::TypeLike("image/%".to_owned()))
        );
        assert_eq!(
            type_term("Image/*"),
            Some(SearchTerm::TypeLike("image/%".to_owned()))
        );
        assert_eq!(
            type_term("application/pdf"),
            Some(SearchTerm::TypeLike("application/pdf".to_owned()))
        );
        assert_eq!(type_term(""), None);
    }
}
