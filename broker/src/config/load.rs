//! File and environment become one [`Config`]. The only place that reads the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::read::{Problem, Problems, Section};
use super::{Config, check};

/// What an environment variable that overrides a key begins with.
const PREFIX: &str = "BROKER__";

/// Why there is no configuration to work with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML. The message does not repeat the line, which may hold a secret.
    #[error("the configuration file {path} is not TOML: line {line}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Keys are missing, unknown, or cannot be used: all of them.
    #[error("the configuration has {} problem(s):\n  {}", .0.len(), list(.0))]
    Invalid(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n  ")
}

/// Loads the configuration: `path` if given, overridden by the environment.
///
/// # Errors
/// See [`ConfigError`].
pub fn load(path: Option<&Path>) -> Result<Config, ConfigError> {
    let text = match path {
        None => String::new(),
        Some(path) => std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?,
    };
    let table = text.parse::<Table>().map_err(|error| ConfigError::Syntax {
        path: path.unwrap_or(Path::new("")).to_owned(),
        line: line_of(&text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    from_table(table, environment())
}

/// Makes a configuration of a parsed file and the overriding environment variables.
///
/// # Errors
/// [`ConfigError::Invalid`] with every problem there is.
pub fn from_table(
    mut table: Table,
    environment: BTreeMap<String, String>,
) -> Result<Config, ConfigError> {
    let problems = Problems::default();
    for (name, value) in environment {
        if let Err(hint) = set(&mut table, &name, value) {
            problems.add(name, hint);
        }
    }
    let config = Config::read(Section::root(table, &problems));
    if let Some(config) = &config {
        check::check(config, &problems);
    }
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(ConfigError::Invalid(problems.into_vec())),
    }
}

fn environment() -> BTreeMap<String, String> {
    // A variable that is not UTF-8 cannot be one of ours: every value of ours is text.
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect()
}

/// Sets the key that an environment variable means: `BROKER__CLIENTS__0__CLIENT_SECRET` is
/// `clients[0].client_secret`.
fn set(table: &mut Table, name: &str, value: String) -> Result<(), String> {
    let path = name.strip_prefix(PREFIX).unwrap_or_default().to_lowercase();
    let mut segments: Vec<&str> = path.split("__").collect();
    let last = segments.pop().unwrap_or_default();
    let mut table = table;
    let mut segments = segments.into_iter().peekable();
    while let Some(segment) = segments.next() {
        let is_list = segments
            .peek()
            .is_some_and(|next| next.parse::<usize>().is_ok());
        let entry = table.entry(segment).or_insert_with(|| {
            if is_list {
                Value::Array(Vec::new())
            } else {
                Value::Table(Table::new())
            }
        });
        if entry.is_str() && segments.peek().is_none() {
            // A secret that the file gives inline, and the environment as `…__FILE`.
            *entry = Value::Table(Table::new());
        }
        table = match entry {
            Value::Table(inner) => inner,
            Value::Array(entries) => {
                let index = segments
                    .next()
                    .and_then(|index| index.parse::<usize>().ok());
                // Variables come in the order of their names, so entries can be added one by one.
                if index == Some(entries.len()) {
                    entries.push(Value::Table(Table::new()));
                }
                index
                    .and_then(|index| entries.get_mut(index))
                    .and_then(Value::as_table_mut)
                    .ok_or_else(|| {
                        format!("{segment} is a list: name an entry, from 0, or add the next one")
                    })?
            }
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_) => return Err(format!("{segment} has no keys of its own")),
        };
    }
    table.insert(last.to_owned(), Value::String(value));
    Ok(())
}

/// The line of a position in a text, from 1.
fn line_of(text: &str, position: usize) -> usize {
    text.bytes()
        .take(position)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}
