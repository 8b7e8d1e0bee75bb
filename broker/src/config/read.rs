//! Reading TOML into typed values without stopping at the first problem.
//!
//! serde stops at the first value that does not fit and knows no hints, so the tables are read by
//! hand: each key is taken out once, every problem is written down with its path, and what is left
//! over at the end was not a key of ours.

use std::cell::RefCell;
use std::fmt;

use toml::{Table, Value};

/// Something in the configuration that cannot be used. Never holds a value: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `upstream.client_id`, `resources[0].scopes`.
    pub key: String,
    /// What is wrong and what to write instead.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.key, self.hint)
    }
}

/// All problems found so far.
#[derive(Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn add(&self, key: impl Into<String>, hint: impl Into<String>) {
        self.0.borrow_mut().push(Problem {
            key: key.into(),
            hint: hint.into(),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// A type that a configuration value can be.
pub(super) trait FromValue: Sized {
    /// Reads the value; the error says what to write instead, and never what was written.
    fn from_value(value: Value) -> Result<Self, String>;
}

/// One table of the configuration, being read.
pub(super) struct Section<'a> {
    path: String,
    table: Table,
    /// The keys asked for, to suggest one when another is unknown.
    known: Vec<&'static str>,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    /// The whole configuration.
    pub(super) fn root(table: Table, problems: &'a Problems) -> Self {
        Self::new(String::new(), table, problems)
    }

    fn new(path: String, table: Table, problems: &'a Problems) -> Self {
        Self {
            path,
            table,
            known: Vec::new(),
            problems,
        }
    }

    /// The path of a key of this table.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Writes down a problem with a key of this table.
    pub(super) fn problem(&self, key: &str, hint: impl Into<String>) {
        self.problems.add(self.path(key), hint);
    }

    /// A value that must be there; `hint` says what for.
    pub(super) fn required<T: FromValue>(&mut self, key: &'static str, hint: &str) -> Option<T> {
        self.known.push(key);
        if self.table.contains_key(key) {
            return self.read(key);
        }
        self.problem(key, format!("is missing: {hint}"));
        None
    }

    /// A value that may be left out.
    pub(super) fn optional<T: FromValue>(&mut self, key: &'static str) -> Option<T> {
        self.known.push(key);
        self.read(key)
    }

    /// A value with a default.
    pub(super) fn or<T: FromValue>(&mut self, key: &'static str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// A value with a default, that must fulfil `holds`; `hint` says what that is.
    pub(super) fn checked<T: FromValue>(
        &mut self,
        key: &'static str,
        default: T,
        holds: impl FnOnce(&T) -> bool,
        hint: &str,
    ) -> T {
        let value = self.or(key, default);
        if !holds(&value) {
            self.problem(key, hint);
        }
        value
    }

    /// A list, empty when left out. Each entry is read for itself.
    pub(super) fn list<T: FromValue>(&mut self, key: &'static str) -> Vec<T> {
        self.known.push(key);
        let Some(values) = self.read::<Vec<Value>>(key) else {
            return Vec::new();
        };
        let mut list = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            match T::from_value(value) {
                Ok(entry) => list.push(entry),
                Err(hint) => self.problem(&format!("{key}[{index}]"), hint),
            }
        }
        list
    }

    /// A table whose keys are free, such as the scopes of a resource; empty when left out.
    pub(super) fn map(&mut self, key: &'static str) -> Vec<(String, String)> {
        self.known.push(key);
        let table = self.read::<Table>(key).unwrap_or_default();
        let mut map = Vec::with_capacity(table.len());
        for (name, value) in table {
            match String::from_value(value) {
                Ok(text) => map.push((name, text)),
                Err(hint) => self.problem(&format!("{key}.{name}"), hint),
            }
        }
        map
    }

    /// Whether there is a key of this name.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A table of its own, empty when left out.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        self.known.push(key);
        let table = self.read::<Table>(key).unwrap_or_default();
        Section::new(self.path(key), table, self.problems)
    }

    /// A list of tables, empty when left out.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let path = self.path(key);
        self.list::<Table>(key)
            .into_iter()
            .enumerate()
            .map(|(index, table)| Section::new(format!("{path}[{index}]"), table, self.problems))
            .collect()
    }

    /// Writes down every key that nobody asked for.
    pub(super) fn finish(self) {
        for key in self.table.keys() {
            self.problem(
                key,
                format!("is not a key; here are: {}", self.known.join(", ")),
            );
        }
    }

    fn read<T: FromValue>(&mut self, key: &str) -> Option<T> {
        match T::from_value(self.table.remove(key)?) {
            Ok(value) => Some(value),
            Err(hint) => {
                self.problem(key, hint);
                None
            }
        }
    }
}
