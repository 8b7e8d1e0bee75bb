//! Where the database is: what its URL means, shown without its password.

use std::path::PathBuf;

use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use url::Url;

/// A database URL, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// `sqlite::memory:`: gone with the process.
    Memory,
    /// An SQLite file.
    File(PathBuf),
    /// A PostgreSQL server.
    Server,
}

/// A URL that names no database we can use. The hint never repeats it: it may hold a password.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InvalidUrl(pub(super) &'static str);

impl Location {
    /// Reads a database URL.
    pub(super) fn parse(url: &str) -> Result<Self, InvalidUrl> {
        let Some((scheme, rest)) = url.split_once(':') else {
            return Err(InvalidUrl(FORMS));
        };
        match scheme {
            "sqlite" if rest.trim_start_matches("//") == ":memory:" => Ok(Self::Memory),
            "sqlite" if rest.contains('?') => Err(InvalidUrl(
                "an SQLite URL takes no parameters: write `sqlite:path`",
            )),
            "sqlite" => {
                let options: SqliteConnectOptions = url
                    .parse()
                    .map_err(|_| InvalidUrl("the path of the SQLite file cannot be read"))?;
                let path = options.get_filename();
                if path.as_os_str().is_empty() {
                    return Err(InvalidUrl("the path of the SQLite file is missing"));
                }
                Ok(Self::File(path.to_owned()))
            }
            "postgres" | "postgresql" => match Url::parse(url) {
                Ok(_) => Ok(Self::Server),
                Err(_) => Err(InvalidUrl(
                    "the PostgreSQL URL cannot be read: write `postgres://user:password@host/name`, \
                     with special characters of the password percent-encoded",
                )),
            },
            _ => Err(InvalidUrl(FORMS)),
        }
    }
}

const FORMS: &str = "write `sqlite:path` or `postgres://user:password@host/name`";

/// A PostgreSQL URL without its password, and the password.
pub(super) fn without_password(url: &str) -> (String, Option<String>) {
    let Ok(mut parsed) = Url::parse(url) else {
        return (url.split(':').next().unwrap_or_default().to_owned(), None);
    };
    let in_query = parsed
        .query_pairs()
        .find(|(name, _)| name == "password")
        .map(|(_, value)| value.into_owned());
    if in_query.is_some() {
        let others: Vec<(String, String)> = parsed
            .query_pairs()
            .filter(|(name, _)| name != "password")
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        parsed.set_query(None);
        if !others.is_empty() {
            parsed.query_pairs_mut().extend_pairs(others);
        }
    }
    let password = in_query.or_else(|| parsed.password().map(percent_decoded));
    // Fails only for URLs that cannot have one.
    let _ = parsed.set_password(None);
    (parsed.into(), password)
}

fn percent_decoded(text: &str) -> String {
    // A form value is percent-encoded text in which `+` is a space; a password has no such rule.
    let literal = text.replace('+', "%2B");
    url::form_urlencoded::parse(format!("p={literal}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_means_memory_a_file_or_a_server() {
        assert_eq!(Location::parse("sqlite::memory:"), Ok(Location::Memory));
        for url in ["sqlite:data/broker.db", "sqlite://data/broker.db"] {
            let file = Location::File("data/broker.db".into());
            assert_eq!(Location::parse(url), Ok(file));
        }
        let file = Location::File("/var/lib/broker.db".into());
        assert_eq!(Location::parse("sqlite:/var/lib/broker.db"), Ok(file));
        for url in ["postgres://u:p@h/d", "postgresql://h/d?sslmode=require"] {
            assert_eq!(Location::parse(url), Ok(Location::Server));
        }
    }

    #[test]
    fn anything_else_is_refused_without_repeating_it() {
        for url in [
            "broker.db",
            "mysql://u:secret@h/d",
            "postgres://u:sec ret@h:port/d",
            "sqlite:",
            "sqlite:broker.db?mode=ro",
        ] {
            let InvalidUrl(hint) = Location::parse(url).unwrap_err();
            assert!(!hint.contains("sec"), "{hint}");
        }
    }

    #[test]
    fn the_password_leaves_the_url_and_survives_its_encoding() {
        assert_eq!(
            without_password("postgres://u:p%40ss+w@h:5433/d?sslmode=require"),
            (
                "postgres://u@h:5433/d?sslmode=require".to_owned(),
                Some("p@ss+w".to_owned())
            )
        );
        assert_eq!(
            without_password("postgres://u@h/d?password=secret&sslmode=disable"),
            (
                "postgres://u@h/d?sslmode=disable".to_owned(),
                Some("secret".to_owned())
            )
        );
        assert_eq!(
            without_password("postgres://h/d"),
            ("postgres://h/d".to_owned(), None)
        );
    }
}
