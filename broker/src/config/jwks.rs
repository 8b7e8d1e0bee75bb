//! Where somebody's public keys are: at a URL or in a file.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value as Json};
use toml::Value;
use url::Url;

use super::read::FromValue;
use crate::clients::keys;

/// Where a JWK Set is.
#[derive(Debug, Clone)]
pub enum Jwks {
    /// At this URL.
    Url(Url),
    /// In this file.
    File(PathBuf),
}

/// A file that is read when it is needed, written `{ file = "/path" }`.
pub(super) struct FilePath(pub(super) PathBuf);

impl FromValue for FilePath {
    fn from_value(value: Value) -> Result<Self, String> {
        if let Value::Table(mut table) = value
            && let (Some(Value::String(path)), true) = (table.remove("file"), table.is_empty())
        {
            return Ok(Self(path.into()));
        }
        Err(r#"must be { file = "/path" }"#.to_owned())
    }
}

impl FromValue for Jwks {
    fn from_value(value: Value) -> Result<Self, String> {
        const FORMS: &str = r#"must be a URL, or { file = "/path" }"#;
        if matches!(value, Value::Table(_)) {
            return FilePath::from_value(value)
                .map(|FilePath(path)| Self::File(path))
                .map_err(|_| FORMS.to_owned());
        }
        Url::from_value(value)
            .map(Self::Url)
            .map_err(|_| FORMS.to_owned())
    }
}

impl Jwks {
    /// The keys of a client as its metadata (RFC 7591 §2): those of a file are read now.
    pub(super) fn metadata(&self) -> Result<Map<String, Json>, String> {
        let (member, value) = match self {
            Self::Url(url) => ("jwks_uri", Json::from(url.as_str())),
            Self::File(path) => {
                let text = fs::read_to_string(path)
                    .map_err(|error| format!("cannot be read: {}", error.kind()))?;
                let jwks = serde_json::from_str(&text).map_err(|_| "is no JWK Set".to_owned())?;
                ("jwks", jwks)
            }
        };
        let mut document = Map::new();
        document.insert(member.to_owned(), value);
        let mut kept = Map::new();
        keys::keep(&document, &mut kept).map_err(|error| error.description().to_owned())?;
        Ok(kept)
    }
}
