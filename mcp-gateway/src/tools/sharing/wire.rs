//! A share as Nextcloud sends it.

#![expect(
    clippy::struct_field_names,
    reason = "fields are named as Nextcloud sends them"
)]

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// The fields that matter here. `share_with` of a link with a password is the password's hash.
#[derive(Debug, Deserialize)]
pub(super) struct Share {
    #[serde(deserialize_with = "number")]
    pub(super) id: u64,
    pub(super) share_type: u8,
    pub(super) permissions: u8,
    pub(super) path: Option<String>,
    pub(super) item_type: String,
    pub(super) uid_owner: String,
    #[serde(default)]
    pub(super) displayname_owner: Option<String>,
    #[serde(default)]
    pub(super) share_with: Option<String>,
    #[serde(default)]
    pub(super) share_with_displayname: Option<String>,
    #[serde(default)]
    pub(super) expiration: Option<String>,
    #[serde(default)]
    pub(super) password: Option<String>,
    #[serde(default)]
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) note: Option<String>,
    #[serde(default)]
    pub(super) label: Option<String>,
    #[serde(default)]
    pub(super) can_edit: Option<bool>,
    #[serde(default)]
    pub(super) can_delete: Option<bool>,
}

/// A number, which Nextcloud writes as text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = match value.as_str() {
        Some(text) => text.parse().ok(),
        None => value.as_u64(),
    };
    number.ok_or_else(|| D::Error::custom("no number"))
}
