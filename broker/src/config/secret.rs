//! Secrets in the configuration: inline, or `{ file = "…" }`.

use std::fmt;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_client::secret::Secret;
use toml::{Table, Value};
use zeroize::Zeroizing;

use super::read::FromValue;

impl FromValue for Secret {
    fn from_value(value: Value) -> Result<Self, String> {
        let secret = match value {
            Value::String(text) => Self::new(text),
            Value::Table(table) => from_file(table)?,
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => return Err(FORMS.to_owned()),
        };
        if secret.is_empty() {
            return Err("is empty".to_owned());
        }
        Ok(secret)
    }
}

const FORMS: &str = r#"must be a string, or { file = "/path" } to read it from a file"#;

fn from_file(mut table: Table) -> Result<Secret, String> {
    let (Some(Value::String(path)), true) = (table.remove("file"), table.is_empty()) else {
        return Err(FORMS.to_owned());
    };
    let text = fs::read_to_string(&path)
        .map(Zeroizing::new)
        .map_err(|error| format!("cannot be read from the file {path}: {error}"))?;
    // Editors and `echo` end files with a newline that is not part of the secret.
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

/// 32 bytes of key material, redacted in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyMaterial(Zeroizing<[u8; 32]>);

impl KeyMaterial {
    /// The bytes, for the cipher.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl FromValue for KeyMaterial {
    fn from_value(value: Value) -> Result<Self, String> {
        let text = Secret::from_value(value)?;
        let bytes = STANDARD.decode(text.expose()).map(Zeroizing::new);
        bytes
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok())
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .ok_or_else(|| "must be 32 bytes in base64: `openssl rand -base64 32`".to_owned())
    }
}
