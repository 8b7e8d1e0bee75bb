//! What configuration values look like: texts, numbers, durations, addresses, words.
//!
//! Everything can also be written as a string, because the environment has nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use toml::{Table, Value};
use url::Url;

use super::read::FromValue;
use crate::domain::{
    ClientId, Domain, DownstreamName, InvalidNetwork, Network, RedirectUri, RegistrationPolicy,
    ResourceUri, Strategy,
};
use crate::keys::Algorithm;
use crate::storage::Synchronous;
use crate::upstream::Kind;

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Self, String> {
        Ok(value)
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(text),
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_)
            | Value::Table(_) => Err("must be a string, in quotes".to_owned()),
        }
    }
}

impl FromValue for bool {
    fn from_value(value: Value) -> Result<Self, String> {
        as_written(value)
            .as_bool()
            .ok_or_else(|| "must be true or false".to_owned())
    }
}

impl FromValue for u32 {
    fn from_value(value: Value) -> Result<Self, String> {
        as_written(value)
            .as_integer()
            .and_then(|number| Self::try_from(number).ok())
            .ok_or_else(|| "must be a whole number".to_owned())
    }
}

impl FromValue for Vec<Value> {
    fn from_value(value: Value) -> Result<Self, String> {
        match as_written(value) {
            Value::Array(list) => Ok(list),
            // As the environment writes it: a,b
            Value::String(text) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|entry| !entry.is_empty())
                .map(|entry| Value::String(entry.to_owned()))
                .collect()),
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Table(_) => Err(r#"must be a list, such as ["a", "b"]"#.to_owned()),
        }
    }
}

impl FromValue for Table {
    fn from_value(value: Value) -> Result<Self, String> {
        match as_written(value) {
            Value::Table(table) => Ok(table),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => Err(r#"must be a table, such as { name = "value" }"#.to_owned()),
        }
    }
}

/// A string that holds TOML, as it comes from the environment, as what it holds.
fn as_written(value: Value) -> Value {
    let Value::String(text) = &value else {
        return value;
    };
    let parsed = format!("value = {text}").parse::<Table>();
    match parsed.ok().and_then(|mut table| table.remove("value")) {
        Some(inner) if !inner.is_str() => inner,
        _ => value,
    }
}

impl FromValue for Duration {
    fn from_value(value: Value) -> Result<Self, String> {
        String::from_value(value)
            .ok()
            .and_then(|text| duration(&text))
            .ok_or_else(|| {
                r#"must be a duration, such as "90s", "10m", "1h30m" or "30d""#.to_owned()
            })
    }
}

/// Reads whole days, hours, minutes and seconds, from large to small: `1h30m`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let unit = tail.chars().next()?;
        let seconds: u64 = match unit {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        if seconds >= smallest {
            return None;
        }
        smallest = seconds;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(seconds)?)?;
        rest = tail.strip_prefix(unit)?;
    }
    (smallest != u64::MAX).then(|| Duration::from_secs(total))
}

impl FromValue for SocketAddr {
    fn from_value(value: Value) -> Result<Self, String> {
        String::from_value(value)?
            .parse()
            .map_err(|_| r#"must be an address and a port, such as "127.0.0.1:4280""#.to_owned())
    }
}

impl FromValue for Network {
    fn from_value(value: Value) -> Result<Self, String> {
        String::from_value(value)?
            .parse()
            .map_err(|error: InvalidNetwork| error.to_string())
    }
}

impl FromValue for Url {
    fn from_value(value: Value) -> Result<Self, String> {
        Self::parse(&String::from_value(value)?)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| "must be an http or https URL".to_owned())
    }
}

impl FromValue for ResourceUri {
    fn from_value(value: Value) -> Result<Self, String> {
        Self::parse(&String::from_value(value)?).map_err(|error| error.to_string())
    }
}

impl FromValue for RedirectUri {
    fn from_value(value: Value) -> Result<Self, String> {
        Self::parse(String::from_value(value)?).map_err(|error| error.to_string())
    }
}

impl FromValue for ClientId {
    fn from_value(value: Value) -> Result<Self, String> {
        Self::parse(String::from_value(value)?).map_err(|error| error.to_string())
    }
}

impl FromValue for super::AllowedClient {
    fn from_value(value: Value) -> Result<Self, String> {
        let text = String::from_value(value)?;
        let (id, redirect_uri) = match text.split_once('|') {
            Some((id, uri)) => (id, Some(uri)),
            None => (text.as_str(), None),
        };
        Ok(Self {
            client_id: ClientId::parse(id).map_err(|error| error.to_string())?,
            redirect_uri: redirect_uri
                .map(RedirectUri::parse)
                .transpose()
                .map_err(|error| format!("the redirect URI {error}"))?,
        })
    }
}

impl FromValue for Domain {
    fn from_value(value: Value) -> Result<Self, String> {
        Self::parse(&String::from_value(value)?).map_err(|error| error.to_string())
    }
}

impl FromValue for DownstreamName {
    fn from_value(value: Value) -> Result<Self, String> {
        Self::parse(String::from_value(value)?).map_err(|error| error.to_string())
    }
}

/// A type with a few words as values.
macro_rules! words {
    ($($type:ty { $($word:literal => $value:expr),+ $(,)? })+) => {$(
        impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self, String> {
                match value.as_str() {
                    $(Some($word) => Ok($value),)+
                    _ => Err(format!("must be one of {}", [$($word),+].join(", "))),
                }
            }
        }
    )+};
}

words! {
    Algorithm {
        "ES256" => Self::Es256,
        "EdDSA" => Self::EdDsa,
        "RS256" => Self::Rs256,
    }
    RegistrationPolicy {
        "open" => Self::Open,
        "approval" => Self::Approval,
        "closed" => Self::Closed,
    }
    Strategy {
        "mint" => Self::Mint,
        "upstream_exchange" => Self::UpstreamExchange,
        "session" => Self::Session,
    }
    Synchronous {
        "full" => Self::Full,
        "normal" => Self::Normal,
    }
    Kind {
        "oidc" => Self::Oidc,
        "nextcloud_oidc" => Self::NextcloudOidc,
        "nextcloud_oauth2" => Self::NextcloudOauth2,
    }
    super::AuthenticationMethod {
        "client_secret_basic" => Self::ClientSecretBasic,
        "client_secret_post" => Self::ClientSecretPost,
        "none" => Self::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_from_large_to_small() {
        for (text, seconds) in [
            ("0s", 0),
            ("60s", 60),
            ("10m", 600),
            ("1h30m", 5400),
            ("30d", 2_592_000),
            ("1d1h1m1s", 90_061),
        ] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "10",
            "m",
            "10 m",
            "-1s",
            "1.5h",
            "30m1h",
            "1m1m",
            "1w",
            "99999999999999999999s",
            "999999999999999d",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn the_environment_writes_everything_as_a_string() {
        let text = |text: &str| Value::String(text.to_owned());
        assert_eq!(bool::from_value(text("true")), Ok(true));
        assert_eq!(u32::from_value(text("8")), Ok(8));
        for list in [r#"["a", "b"]"#, "a,b", "a, b"] {
            let read = Vec::<Value>::from_value(text(list));
            assert_eq!(read, Ok(vec![text("a"), text("b")]), "{list}");
        }
        // A text stays a text, whatever it looks like.
        assert_eq!(String::from_value(text("true")), Ok("true".to_owned()));
        assert!(bool::from_value(text("yes")).is_err());
        assert!(u32::from_value(Value::Integer(-1)).is_err());
    }
}
