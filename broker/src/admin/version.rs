//! Versions: which state of a thing an administrator has seen (RFC 9110 §8.8.3, §13.1.1).

use super::AdminError;
use crate::domain::{Client, Timestamp};
use crate::storage::StoredResource;

/// What has a version.
pub trait Versioned {
    /// The entity tag of this state, without quotes.
    fn tag(&self) -> String;
}

impl Versioned for Client {
    fn tag(&self) -> String {
        tag(self.version, self.updated_at)
    }
}

impl Versioned for StoredResource {
    fn tag(&self) -> String {
        tag(self.version, self.updated_at)
    }
}

/// The moment too: one that was deleted and made anew begins to count again.
fn tag(version: i64, updated_at: Timestamp) -> String {
    format!("{version}-{}", updated_at.as_millis())
}

/// What a request's `If-Match` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    None,
    /// `*`: whatever state it is in.
    Any,
    /// One of these states, by their tags.
    Tags(Vec<String>),
}

impl Precondition {
    /// Reads the header. A weak tag matches nothing (RFC 9110 §13.1.1).
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when it is neither `*` nor a list of tags.
    pub fn parse(header: Option<&str>) -> Result<Self, AdminError> {
        let Some(header) = header.map(str::trim) else {
            return Ok(Self::None);
        };
        if header == "*" {
            return Ok(Self::Any);
        }
        // Our own tags have neither commas nor quotes in them.
        let tags = header.split(',').map(|tag| {
            let tag = tag.trim();
            let quoted = tag.strip_prefix("W/").unwrap_or(tag);
            let bare = quoted.strip_prefix('"')?.strip_suffix('"')?;
            (!bare.contains('"')).then(|| if quoted == tag { bare } else { "" }.to_owned())
        });
        tags.collect::<Option<_>>()
            .map(Self::Tags)
            .ok_or(AdminError::Invalid {
                parameter: "If-Match",
                problem: "must be the ETag of what you read, in quotes, or *",
            })
    }

    /// Whether `thing` is what the request is about.
    ///
    /// # Errors
    /// [`AdminError::Changed`].
    pub fn admits(&self, thing: &impl Versioned) -> Result<(), AdminError> {
        match self {
            Self::None | Self::Any => Ok(()),
            Self::Tags(tags) if tags.contains(&thing.tag()) => Ok(()),
            Self::Tags(_) => Err(AdminError::Changed),
        }
    }

    /// The same, for changes that must say what they are about.
    ///
    /// # Errors
    /// [`AdminError::PreconditionRequired`], [`AdminError::Changed`].
    pub fn demands(&self, thing: &impl Versioned) -> Result<(), AdminError> {
        match self {
            Self::None => Err(AdminError::PreconditionRequired),
            Self::Any | Self::Tags(_) => self.admits(thing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing;

    impl Versioned for Thing {
        fn tag(&self) -> String {
            "2-5".to_owned()
        }
    }

    fn outcome(header: Option<&str>) -> (bool, bool) {
        let precondition = Precondition::parse(header).unwrap();
        (
            precondition.admits(&Thing).is_ok(),
            precondition.demands(&Thing).is_ok(),
        )
    }

    #[test]
    fn only_the_state_that_was_seen_may_be_changed() {
        for good in ["\"2-5\"", "\"1-1\", \"2-5\"", "*", " \"2-5\" "] {
            assert_eq!(outcome(Some(good)), (true, true), "{good}");
        }
        for other in ["\"2-6\"", "W/\"2-5\"", "\"\""] {
            assert_eq!(outcome(Some(other)), (false, false), "{other}");
        }
        assert_eq!(outcome(None), (true, false));
    }

    #[test]
    fn a_header_of_another_form_is_told() {
        for wrong in ["", "2-5", "\"2-5", "\"2-5\",", "\"a\"b\""] {
            assert!(Precondition::parse(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
