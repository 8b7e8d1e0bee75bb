//! What bodies are made of, and how it is said what is wrong with them.

use std::fmt::Display;

use super::AdminError;

/// The most entries of a list in a body.
const MOST_ENTRIES: usize = 50;

/// The longest name, in characters: it stands on the consent page.
pub(super) const LONGEST_NAME: usize = 100;

/// A text for people, of at most `longest` characters.
pub(super) fn text(name: &str, text: String, longest: usize) -> Result<String, AdminError> {
    let length = text.chars().count();
    if (1..=longest).contains(&length) && !text.chars().any(char::is_control) {
        Ok(text)
    } else {
        Err(member(
            name,
            &format!("must have 1 to {longest} characters, no control characters"),
        ))
    }
}

/// A list of texts, each read by `parse`.
pub(super) fn list<T, E: Display>(
    name: &str,
    texts: Vec<String>,
    parse: impl Fn(String) -> Result<T, E>,
) -> Result<Vec<T>, AdminError> {
    if texts.len() > MOST_ENTRIES {
        return Err(member(name, &"has more than 50 entries"));
    }
    texts
        .into_iter()
        .enumerate()
        .map(|(index, text)| {
            parse(text).map_err(|error| member(&format!("{name}[{index}]"), &error))
        })
        .collect()
}

/// What is wrong with a member of the body.
pub(super) fn member(name: &str, problem: &dyn Display) -> AdminError {
    AdminError::Body(format!("{name} {problem}"))
}
