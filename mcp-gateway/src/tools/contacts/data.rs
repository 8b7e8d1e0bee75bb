//! What a model says about a contact: `contact_data` of creating and updating.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::ToolError;

/// The details of a contact. What is left out stays as it is; an empty text clears a field.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactData {
    /// The full name, which every contact has to have.
    #[serde(default, rename = "fn")]
    pub(super) full_name: Option<String>,
    /// The e-mail address. A text changes the first one and leaves the others; a list names all that
    /// the contact has from now on.
    #[serde(default)]
    email: Option<Values>,
    /// The phone number, in the same way as the e-mail address.
    #[serde(default)]
    tel: Option<Values>,
    /// The same as `tel`.
    #[serde(default)]
    phone: Option<Values>,
    /// The web address, in the same way as the e-mail address.
    #[serde(default)]
    url: Option<Values>,
    /// The organisation; departments follow after semicolons.
    #[serde(default)]
    org: Option<String>,
    /// The same as `org`.
    #[serde(default)]
    organization: Option<String>,
    /// The position.
    #[serde(default)]
    pub(super) title: Option<String>,
    /// The note.
    #[serde(default)]
    pub(super) note: Option<String>,
    /// The nicknames: one, or a list of all.
    #[serde(default)]
    pub(super) nickname: Option<Names>,
    /// The birthday, such as 1985-04-12, or --04-12 when the year is not known.
    #[serde(default)]
    pub(super) bday: Option<String>,
    /// The categories, also called groups: all of them, as a list or separated by commas.
    #[serde(default)]
    pub(super) categories: Option<Names>,
}

/// One text, or a list of all.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Names {
    /// One text.
    One(String),
    /// All of them.
    All(Vec<String>),
}

impl Names {
    /// All texts that are not empty; a single one is taken apart at `separator`.
    pub(super) fn list(&self, separator: Option<char>) -> Vec<String> {
        let all: Vec<&str> = match (self, separator) {
            (Self::One(text), Some(separator)) => text.split(separator).collect(),
            (Self::One(text), None) => vec![text],
            (Self::All(texts), _) => texts.iter().map(String::as_str).collect(),
        };
        let trimmed = all.into_iter().map(str::trim);
        let mut list: Vec<String> = Vec::new();
        for text in trimmed.filter(|text| !text.is_empty()) {
            if !list.iter().any(|known| known == text) {
                list.push(text.to_owned());
            }
        }
        list
    }
}

/// The first value, or a list of all.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Values {
    /// The first value; an empty text removes all.
    First(String),
    /// All values, none removes all.
    All(Vec<Value>),
}

/// A value, with or without what it is for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Value {
    /// The value alone.
    Plain(String),
    /// The value with what it is for, as the tools show it.
    Typed {
        /// The value.
        value: String,
        /// What it is for, such as "home", "work" or "cell".
        #[serde(default)]
        types: Option<Vec<String>>,
    },
}

impl Value {
    /// The value.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Typed { value: text, .. } => text.trim(),
        }
    }

    /// What it is for, if that was said.
    pub(super) fn types(&self) -> Option<&[String]> {
        match self {
            Self::Plain(_) => None,
            Self::Typed { types, .. } => types.as_deref(),
        }
    }
}

impl ContactData {
    /// The fields with several lines, each with its property.
    ///
    /// # Errors
    ///
    /// A sentence when a field was given under both of its names, or a type is no word.
    pub(super) fn values(&self) -> Result<[(&'static str, Option<&Values>); 3], ToolError> {
        let tel = one_of(self.tel.as_ref(), self.phone.as_ref(), "tel", "phone")?;
        let all = [
            ("EMAIL", self.email.as_ref()),
            ("TEL", tel),
            ("URL", self.url.as_ref()),
        ];
        for (_, values) in &all {
            if let Some(Values::All(values)) = values {
                let mut types = values.iter().filter_map(Value::types).flatten();
                types.try_for_each(|kind| checked(kind))?;
            }
        }
        Ok(all)
    }

    /// The organisation.
    ///
    /// # Errors
    ///
    /// A sentence when it was given under both of its names.
    pub(super) fn org(&self) -> Result<Option<&String>, ToolError> {
        one_of(
            self.org.as_ref(),
            self.organization.as_ref(),
            "org",
            "organization",
        )
    }
}

fn one_of<'a, T>(
    first: Option<&'a T>,
    second: Option<&'a T>,
    name: &str,
    other: &str,
) -> Result<Option<&'a T>, ToolError> {
    match (first, second) {
        (Some(_), Some(_)) => Err(ToolError::invalid(format!(
            "{name} and {other} are the same field: give one of them."
        ))),
        (first, second) => Ok(first.or(second)),
    }
}

fn checked(kind: &str) -> Result<(), ToolError> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !kind.is_empty() && kind.chars().all(is_word) {
        return Ok(());
    }
    Err(ToolError::invalid(format!(
        "\"{kind}\" cannot be a type. Use one word, such as home, work or cell."
    )))
}
