//! Values of the configuration that are no plain strings: URLs, durations, sizes, secrets.
//!
//! Owns how each is written. Every refusal is a hint that says how to write it.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use broker_client::secret::Secret;
use toml::Value;
use url::Url;

/// A type that a TOML value can become; the error is a hint for the operator.
pub(super) trait FromValue: Sized {
    /// Reads the value.
    fn from_value(value: Value) -> Result<Self, String>;
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self, String> {
        let Value::String(text) = value else {
            return Err(format!(
                "has to be a string in quotes, not a {}",
                value.type_str()
            ));
        };
        if text.is_empty() {
            return Err("is empty: give a value or remove the key".to_owned());
        }
        Ok(text)
    }
}

impl FromValue for Vec<String> {
    /// A list, or, from the environment, values separated by commas.
    fn from_value(value: Value) -> Result<Self, String> {
        if let Value::Array(items) = value {
            return items.into_iter().map(String::from_value).collect();
        }
        let Value::String(text) = value else {
            return Err("has to be a list of strings, such as [\"a\", \"b\"]".to_owned());
        };
        let items = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        Ok(items.map(str::to_owned).collect())
    }
}

impl FromValue for SocketAddr {
    fn from_value(value: Value) -> Result<Self, String> {
        String::from_value(value)?
            .parse()
            .map_err(|_| "has to be an address and a port, such as \"127.0.0.1:4282\"".to_owned())
    }
}

impl FromValue for Url {
    fn from_value(value: Value) -> Result<Self, String> {
        let hint = || "has to be an http or https URL without query or fragment".to_owned();
        let url = Url::parse(&String::from_value(value)?).map_err(|_| hint())?;
        let is_base = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_base {
            return Err(hint());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has to be a URL without a user name or password in it".to_owned());
        }
        Ok(url)
    }
}

impl FromValue for Duration {
    fn from_value(value: Value) -> Result<Self, String> {
        let hint = || {
            "has to be a duration of at least 1 ms, such as \"500ms\", \"30s\" or \"5m\"".to_owned()
        };
        let text = String::from_value(value)?;
        let (number, unit) = split_number(&text).ok_or_else(hint)?;
        let milliseconds = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            _ => None,
        };
        milliseconds
            .filter(|&value| value > 0)
            .map(Self::from_millis)
            .ok_or_else(hint)
    }
}

/// A number of bytes.
pub(super) struct Size(pub(super) usize);

impl FromValue for Size {
    fn from_value(value: Value) -> Result<Self, String> {
        let hint =
            || "has to be a size of at least 1 KiB, such as \"512KiB\" or \"10MiB\"".to_owned();
        let text = String::from_value(value)?;
        let (number, unit) = split_number(&text).ok_or_else(hint)?;
        let shift = match unit {
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return Err(hint()),
        };
        let bytes = number
            .checked_mul(1_u64 << shift)
            .filter(|&bytes| bytes > 0)
            .ok_or_else(hint)?;
        usize::try_from(bytes).map(Self).map_err(|_| hint())
    }
}

/// A number of things, at least one.
pub(super) struct Count(pub(super) usize);

impl FromValue for Count {
    /// An integer, or, from the environment, its digits.
    fn from_value(value: Value) -> Result<Self, String> {
        let number = match value.as_integer() {
            Some(number) => usize::try_from(number).ok(),
            None => value.as_str().and_then(|text| text.trim().parse().ok()),
        };
        number
            .filter(|&number| number > 0)
            .map(Self)
            .ok_or_else(|| "has to be a whole number of at least 1, such as 16".to_owned())
    }
}

impl FromValue for Secret {
    /// The secret itself, or `{ file = "…" }`; one trailing line break of the file is dropped.
    fn from_value(value: Value) -> Result<Self, String> {
        let Value::Table(mut table) = value else {
            return String::from_value(value).map(Self::from);
        };
        let file = match (table.remove("file"), table.is_empty()) {
            (Some(Value::String(file)), true) => PathBuf::from(file),
            _ => return Err("has to be a string or { file = \"/run/secrets/…\" }".to_owned()),
        };
        let content = std::fs::read_to_string(&file)
            .map_err(|error| format!("cannot be read from {}: {error}", file.display()))?;
        let line = content.strip_suffix('\n').unwrap_or(&content);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return Err(format!("is empty: {} has no content", file.display()));
        }
        Ok(Self::from(line.to_owned()))
    }
}

/// Splits `10MiB` into 10 and `MiB`.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim()))
}
