//! The conditions of a search, and the columns that can be compared and sorted by.

use axum::http::StatusCode;

use super::super::super::mime;
use super::super::super::text::parse_search_date;
use super::super::super::tree::{Node, Tree};
use super::super::super::xml::{DAV, Element, NEXTCLOUD, Name, OWNCLOUD};
use super::super::error::DavError;

/// What Nextcloud throws at a query that it cannot run.
pub(super) fn invalid(message: &str) -> DavError {
    DavError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "InvalidArgumentException",
        message,
    )
}

/// The columns that can be searched and sorted by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    Type,
    Modified,
    Uploaded,
    Size,
    Favorite,
    Id,
}

impl Column {
    pub(super) fn of(name: &Name) -> Result<Self, DavError> {
        match (name.ns.as_str(), name.local.as_str()) {
            (DAV, "displayname") => Ok(Self::Name),
            (DAV, "getcontenttype") => Ok(Self::Type),
            (DAV, "getlastmodified") => Ok(Self::Modified),
            (NEXTCLOUD, "upload_time") => Ok(Self::Uploaded),
            (OWNCLOUD, "size") => Ok(Self::Size),
            (OWNCLOUD, "favorite") => Ok(Self::Favorite),
            (OWNCLOUD, "fileid") => Ok(Self::Id),
            _ => Err(invalid(&format!(
                "Unsupported property for search or order: {}",
                name.clark()
            ))),
        }
    }

    pub(super) fn value(self, tree: &Tree, path: &[String], node: &Node) -> Value {
        let name = path.last().map(String::as_str).unwrap_or_default();
        match self {
            Self::Name => Value::Text(name.to_lowercase()),
            Self::Type if node.is_folder() => Value::Text("httpd/unix-directory".to_owned()),
            Self::Type => Value::Text(mime::of(name).to_owned()),
            Self::Modified => Value::Number(node.modified),
            Self::Uploaded => Value::Number(node.created),
            Self::Size => Value::Number(tree.size(path)),
            Self::Favorite => Value::Number(u64::from(node.favorite)),
            Self::Id => Value::Number(node.id),
        }
    }

    fn literal(self, text: &str) -> Value {
        match self {
            Self::Name | Self::Type => Value::Text(text.to_lowercase()),
            Self::Modified | Self::Uploaded => Value::Number(parse_search_date(text)),
            // Whatever is asked, the query becomes "has the favourite tag".
            Self::Favorite => Value::Number(1),
            Self::Size | Self::Id => Value::Number(text.trim().parse().unwrap_or_default()),
        }
    }
}

/// A column's value, to compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Number(u64),
    Text(String),
}

/// What a file has to fulfil.
pub(super) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    IsFolder,
    Compare(Comparison, Column, Value),
    Like(Column, String),
}

#[derive(Clone, Copy)]
pub(super) enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Condition {
    /// Reads one operator with everything below it.
    pub(super) fn parse(element: &Element) -> Result<Self, DavError> {
        if element.name.ns != DAV {
            return Err(unsupported(element));
        }
        let all = || {
            element
                .children
                .iter()
                .map(Self::parse)
                .collect::<Result<Vec<_>, _>>()
        };
        let comparison = match element.name.local.as_str() {
            "and" => return Ok(Self::And(all()?)),
            "or" => return Ok(Self::Or(all()?)),
            "not" => {
                let inner = element
                    .children
                    .first()
                    .ok_or_else(|| unsupported(element))?;
                return Ok(Self::Not(Box::new(Self::parse(inner)?)));
            }
            "is-collection" => return Ok(Self::IsFolder),
            "like" => {
                let (column, literal) = operands(element)?;
                return Ok(Self::Like(column, literal.to_lowercase()));
            }
            "eq" => Comparison::Equal,
            "gt" => Comparison::Greater,
            "gte" => Comparison::GreaterOrEqual,
            "lt" => Comparison::Less,
            "lte" => Comparison::LessOrEqual,
            _ => return Err(unsupported(element)),
        };
        let (column, literal) = operands(element)?;
        Ok(Self::Compare(comparison, column, column.literal(&literal)))
    }

    pub(super) fn holds(&self, tree: &Tree, path: &[String], node: &Node) -> bool {
        match self {
            Self::And(all) => all.iter().all(|one| one.holds(tree, path, node)),
            Self::Or(any) => any.iter().any(|one| one.holds(tree, path, node)),
            Self::Not(inner) => !inner.holds(tree, path, node),
            Self::IsFolder => node.is_folder(),
            Self::Compare(comparison, column, wanted) => {
                let order = column.value(tree, path, node).cmp(wanted);
                match comparison {
                    Comparison::Equal => order.is_eq(),
                    Comparison::Greater => order.is_gt(),
                    Comparison::GreaterOrEqual => order.is_ge(),
                    Comparison::Less => order.is_lt(),
                    Comparison::LessOrEqual => order.is_le(),
                }
            }
            Self::Like(column, pattern) => match column.value(tree, path, node) {
                Value::Text(text) => like(&text, pattern),
                Value::Number(number) => like(&number.to_string(), pattern),
            },
        }
    }
}

fn unsupported(element: &Element) -> DavError {
    invalid(&format!("Unsupported operation {}", element.name.clark()))
}

fn operands(element: &Element) -> Result<(Column, String), DavError> {
    let property = element
        .find(DAV, "prop")
        .and_then(|prop| prop.children.first())
        .ok_or_else(|| invalid("Invalid argument 1, expected property"))?;
    let literal = element
        .find(DAV, "literal")
        .ok_or_else(|| invalid("Invalid argument 2, expected literal"))?;
    Ok((Column::of(&property.name)?, literal.text.clone()))
}

/// SQL's `LIKE`: `%` is any text, `_` any one character.
fn like(text: &str, pattern: &str) -> bool {
    let mut pattern_chars = pattern.chars();
    match pattern_chars.next() {
        None => text.is_empty(),
        Some('%') => {
            let rest = pattern_chars.as_str();
            let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            starts.any(|at| text.get(at..).is_some_and(|tail| like(tail, rest)))
        }
        Some(wanted) => {
            let mut text_chars = text.chars();
            text_chars
                .next()
                .is_some_and(|given| wanted == '_' || given == wanted)
                && like(text_chars.as_str(), pattern_chars.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn like_follows_sql() {
        assert!(like("notes.md", "%.md"));
        assert!(like("notes.md", "%ote%"));
        assert!(like("a", "_"));
        assert!(!like("notes.md", "%.txt"));
        assert!(!like("ab", "_"));
        assert!(like("", "%"));
    }
}
