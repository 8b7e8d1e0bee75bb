//! Picks typed values out of a TOML table and remembers every problem instead of stopping.
//!
//! Owns key paths and the report of unknown keys. What a value means is `value`'s matter, what
//! keys exist is `rules`'.

use std::fmt;

use toml::{Table, Value};

use super::value::FromValue;

/// One thing that is wrong in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key's path, such as `server.public_url`.
    pub key: String,
    /// What is wrong and what to write instead.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.hint)
    }
}

/// One section of the configuration while it is being read.
pub(super) struct Section<'a> {
    path: String,
    table: Table,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Section<'a> {
    /// The whole document.
    pub(super) fn root(table: Table, problems: &'a mut Vec<Problem>) -> Self {
        Self {
            path: String::new(),
            table,
            problems,
        }
    }

    /// The subsection `key`, empty when it is absent.
    pub(super) fn section(&mut self, key: &str) -> Section<'_> {
        let table = match self.table.remove(key) {
            Some(Value::Table(table)) => table,
            Some(_) => {
                let name = self.name(key);
                self.problem(
                    key,
                    &format!("is a section: write [{name}] and its keys below"),
                );
                Table::new()
            }
            None => Table::new(),
        };
        Section {
            path: self.name(key),
            table,
            problems: self.problems,
        }
    }

    /// Whether `key` is there at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The value of `key`; a bad one is a problem and reads as absent.
    pub(super) fn optional<T: FromValue>(&mut self, key: &str) -> Option<T> {
        let value = self.table.remove(key)?;
        match T::from_value(value) {
            Ok(value) => Some(value),
            Err(hint) => {
                self.problem(key, &hint);
                None
            }
        }
    }

    /// The value of `key`, which has to be there.
    pub(super) fn required<T: FromValue>(&mut self, key: &str, hint: &str) -> Option<T> {
        if !self.has(key) {
            self.problem(key, &format!("is missing: {hint}"));
        }
        self.optional(key)
    }

    /// Notes a problem with `key`.
    pub(super) fn problem(&mut self, key: &str, hint: &str) {
        let key = self.name(key);
        self.problems.push(Problem {
            key,
            hint: hint.to_owned(),
        });
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        for key in self.table.keys() {
            let key = if self.path.is_empty() {
                key.clone()
            } else {
                format!("{}.{key}", self.path)
            };
            let hint =
                "is not a key of the gateway: remove it, or look for a misspelling".to_owned();
            self.problems.push(Problem { key, hint });
        }
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}
