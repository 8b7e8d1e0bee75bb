//! [`Scope`]: a set of scope tokens (RFC 6749 §3.3).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A set of scope tokens; on the wire one text, separated by spaces.
///
/// The order on the wire means nothing (RFC 6749 §3.3), so the set is kept and shown sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Scope(BTreeSet<String>);

/// A scope token with a character that RFC 6749 §3.3 does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope token may hold only printable ASCII without space, quote and backslash")]
pub struct InvalidScope;

impl Scope {
    /// The empty set, which allows nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeSet::new())
    }

    /// The set of the given scope tokens.
    ///
    /// # Errors
    ///
    /// [`InvalidScope`] when a token is empty or has a character that RFC 6749 §3.3 forbids.
    pub fn from_tokens<T: AsRef<str>>(
        tokens: impl IntoIterator<Item = T>,
    ) -> Result<Self, InvalidScope> {
        tokens
            .into_iter()
            .map(|token| {
                let token = token.as_ref();
                if is_scope_token(token) {
                    Ok(token.to_owned())
                } else {
                    Err(InvalidScope)
                }
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether the set has this scope token.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        self.0.contains(token)
    }

    /// Whether every token of this set is in `other`. The empty set is a subset of any.
    #[must_use]
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The tokens that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The tokens that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The tokens of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// The tokens, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether the set has no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many tokens the set has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// RFC 6749 §3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`.
fn is_scope_token(token: &str) -> bool {
    !token.is_empty()
        && token
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

impl FromStr for Scope {
    type Err = InvalidScope;

    /// Reads the wire form. Clients send stray spaces, so empty tokens are passed over.
    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        Self::from_tokens(text.split(' ').filter(|token| !token.is_empty()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, token) in self.iter().enumerate() {
            if position > 0 {
                formatter.write_str(" ")?;
            }
            formatter.write_str(token)?;
        }
        Ok(())
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn the_order_and_repeats_do_not_matter() {
        assert_eq!(scope("b a  b"), scope("a b"));
        assert_eq!(scope("b a").to_string(), "a b");
        assert_eq!(scope("b a").len(), 2);
    }

    #[test]
    fn nothing_is_the_empty_set() {
        assert!(scope("").is_empty());
        assert!(scope("").is_subset_of(&scope("a")));
        assert!(!scope("a").is_subset_of(&scope("")));
    }

    #[test]
    fn set_operations() {
        let (ab, bc) = (scope("a b"), scope("b c"));
        assert_eq!(ab.intersection(&bc), scope("b"));
        assert_eq!(ab.union(&bc), scope("a b c"));
        assert_eq!(ab.difference(&bc), scope("a"));
        assert!(ab.contains("a") && !ab.contains("c"));
    }

    #[test]
    fn characters_outside_the_grammar_are_refused() {
        for text in ["a\tb", "a\nb", "a\"b", "a\\b", "é", "a\u{7f}"] {
            assert_eq!(text.parse::<Scope>(), Err(InvalidScope), "{text:?}");
        }
        assert_eq!(Scope::from_tokens(["a b"]), Err(InvalidScope));
        assert_eq!(Scope::from_tokens([""]), Err(InvalidScope));
    }

    #[test]
    fn serde_uses_the_wire_form() {
        assert_eq!(serde_json::to_string(&scope("b a")).unwrap(), r#""a b""#);
        assert_eq!(
            serde_json::from_str::<Scope>(r#""b a""#).unwrap(),
            scope("a b")
        );
    }
}
