//! TOML file plus environment to [`Config`]; every problem is reported at once.
//!
//! Owns the order (the environment wins over the file) and is the only module that reads the
//! environment. Which keys exist is `rules`' matter.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{
    Config,
    reader::{Problem, Section},
    rules,
};

/// What the names of environment variables start with.
const PREFIX: &str = "GATEWAY__";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("the configuration file is not valid TOML: {0}")]
    Syntax(#[from] toml::de::Error),
    /// Keys are missing, unknown or have values that cannot be used.
    #[error("the configuration has {} problem(s):{}", .0.len(), list(.0))]
    Problems(Vec<Problem>),
}

/// Loads the file, overlays the environment and checks everything.
///
/// # Errors
///
/// [`ConfigError::Read`] and [`ConfigError::Syntax`] when there is nothing to check,
/// [`ConfigError::Problems`] with every problem otherwise.
pub fn from_file(file: Option<&Path>) -> Result<Config, ConfigError> {
    let text = match file {
        Some(path) => std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?,
        None => String::new(),
    };
    from_parts(&text, environment())
}

/// Builds the configuration from TOML text and `NAME, value` pairs of an environment.
///
/// # Errors
///
/// As [`from_file`], without `Read`.
pub fn from_parts(
    text: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut table: Table = text.parse()?;
    let mut problems = Vec::new();
    for (name, value) in environment {
        let Some(path) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let keys: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        if overlay(&mut table, &keys, value).is_none() {
            problems.push(Problem {
                key: name,
                hint: "does not name a key: write GATEWAY__SECTION__KEY".to_owned(),
            });
        }
    }
    let config = rules::config(Section::root(table, &mut problems));
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(ConfigError::Problems(problems)),
    }
}

/// Puts `value` where `keys` lead; `None` when that is not a place for a value.
fn overlay(table: &mut Table, keys: &[String], value: String) -> Option<()> {
    let (first, rest) = keys.split_first()?;
    if first.is_empty() {
        return None;
    }
    if rest.is_empty() {
        table.insert(first.clone(), Value::String(value));
        return Some(());
    }
    let entry = table
        .entry(first.clone())
        .or_insert_with(|| Value::Table(Table::new()));
    if !entry.is_table() {
        // `client_secret = "…"` in the file, `…__CLIENT_SECRET__FILE` in the environment.
        *entry = Value::Table(Table::new());
    }
    overlay(entry.as_table_mut()?, rest, value)
}

fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn list(problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |list, problem| {
        format!("{list}\n  {problem}")
    })
}
