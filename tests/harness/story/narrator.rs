//! How the story is written down: numbered steps, indented details, claims but never a token.

use std::fmt::Display;
use std::io::Write;

use anyhow::Result;
use serde_json::Value;

/// Writes the story to a terminal or a file.
pub struct Narrator<'a> {
    out: &'a mut (dyn Write + Send),
    step: usize,
}

impl<'a> Narrator<'a> {
    /// A narrator who starts at step 1.
    pub fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self { out, step: 0 }
    }

    /// A line of its own.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn say(&mut self, text: impl Display) -> Result<()> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// The headline of the next step.
    pub(super) fn step(&mut self, text: impl Display) -> Result<()> {
        self.step += 1;
        Ok(writeln!(self.out, "\n{:>2}. {text}", self.step)?)
    }

    /// A detail of the step.
    pub(super) fn detail(&mut self, text: impl Display) -> Result<()> {
        Ok(writeln!(self.out, "    {text}")?)
    }

    /// A named value of the step.
    pub(super) fn value(&mut self, name: &str, value: impl Display) -> Result<()> {
        Ok(writeln!(self.out, "      {name:<22} {value}")?)
    }

    /// Chosen members of a JSON object, with a remark each; those that are absent are left out.
    pub(super) fn members(&mut self, object: &Value, members: &[(&str, &str)]) -> Result<()> {
        for (name, remark) in members {
            let Some(value) = object.get(*name) else {
                continue;
            };
            let value = match *name {
                "scope" | "scopes_supported" => scopes(value),
                _ => plain(value),
            };
            match *remark {
                "" => self.value(name, value)?,
                remark => self.value(name, format!("{value}   ({remark})"))?,
            }
        }
        Ok(())
    }
}

/// A list of scopes, the first few of them when there are many.
pub(super) fn scopes(value: &Value) -> String {
    const SHOWN: usize = 3;
    let all = plain(value);
    let each: Vec<_> = all.split(' ').collect();
    match each.get(..SHOWN) {
        Some(first) if each.len() > SHOWN + 1 => {
            format!("{} … ({} scopes)", first.join(" "), each.len())
        }
        _ => all,
    }
}

/// A JSON value as a person writes it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
