//! Identifiers, each its own type so that one cannot stand in for another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value that does not fit its identifier type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be 1 to {max} visible ASCII characters")]
pub struct InvalidId {
    what: &'static str,
    max: usize,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes `value` as this identifier.
            ///
            /// # Errors
            /// When it is empty, too long, or has characters outside visible ASCII.
            pub fn parse(value: impl Into<String>) -> Result<Self, InvalidId> {
                let value = value.into();
                let fits = (1..=$max).contains(&value.len())
                    && value.bytes().all(|byte| byte.is_ascii_graphic());
                if fits { Ok(Self(value)) } else { Err(InvalidId { what: $what, max: $max }) }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(value: String) -> Result<Self, InvalidId> {
                Self::parse(value)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

id! {
    /// An OAuth client's identifier (RFC 6749 §2.2); may be a URL.
    ClientId, "client_id", 2048
}
id! {
    /// A user as the broker names him: stable per upstream issuer and subject.
    Subject, "sub", 255
}
id! {
    /// A grant (session): what a user allowed one client at one login; the `sid` of its tokens.
    GrantId, "grant id", 64
}
id! {
    /// An offline grant: that a user lets background jobs act for him; never that of a session.
    OfflineGrantId, "offline grant", 64
}
id! {
    /// One trip to the identity provider to allow background access; public, it stands in URLs.
    OfflineRequestId, "offline request", 64
}
id! {
    /// One trip through `/oauth/authorize`; public, it stands in URLs.
    AuthorizationId, "flow", 64
}
id! {
    /// The configured name of a downstream, such as `nextcloud`.
    DownstreamName, "downstream", 64
}
id! {
    /// One event of one preset for one background client, as it is to be at Nextcloud.
    WebhookId, "webhook", 64
}
id! {
    /// Something that happened at Nextcloud, on its way to a background client.
    DeliveryId, "delivery", 64
}

/// The SHA-256 of a secret handle: all that is ever stored of codes, tokens and client secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HandleHash([u8; 32]);

impl HandleHash {
    /// Wraps a digest that was computed by [`crate::crypto`] or read from the database.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_visible_ascii_of_limited_length() {
        for good in ["a", "https://client.example/metadata?x=1", "~!{}"] {
            assert_eq!(ClientId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\n", "é", "a\0"] {
            assert!(ClientId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(GrantId::parse("a".repeat(64)).is_ok());
        let error = GrantId::parse("a".repeat(65)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "grant id must be 1 to 64 visible ASCII characters"
        );
    }

    #[test]
    fn reading_json_checks_too() {
        assert!(serde_json::from_str::<Subject>(r#""alice""#).is_ok());
        assert!(serde_json::from_str::<Subject>(r#""a b""#).is_err());
    }
}
