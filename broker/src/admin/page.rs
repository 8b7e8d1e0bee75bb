//! Pages: how many rows, and where the next ones begin.
//!
//! To the outside a cursor is an opaque text; it names the last row, so rows that come or go
//! meanwhile neither repeat nor hide another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::AdminError;
use crate::domain::Timestamp;
use crate::storage::Position;

/// Rows of a page when none are asked for.
const USUAL: u64 = 50;

/// The largest page, in rows.
const LARGEST: u64 = 500;

/// How many rows a page has.
pub(super) fn limit(asked: Option<u64>) -> Result<u64, AdminError> {
    let limit = asked.unwrap_or(USUAL);
    if (1..=LARGEST).contains(&limit) {
        Ok(limit)
    } else {
        Err(AdminError::Invalid {
            parameter: "limit",
            problem: "must be 1 to 500",
        })
    }
}

/// An identifier that a list is filtered by.
pub(super) fn id<T, E>(
    parameter: &'static str,
    text: Option<String>,
    parse: impl Fn(String) -> Result<T, E>,
) -> Result<Option<T>, AdminError> {
    text.map(|text| {
        parse(text).map_err(|_| AdminError::Invalid {
            parameter,
            problem: "is not such an identifier",
        })
    })
    .transpose()
}

/// A position as a cursor.
pub(super) fn cursor(position: &Position) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{}", position.at.as_millis(), position.id))
}

/// The position that a cursor names.
pub(super) fn position(cursor: Option<&str>) -> Result<Option<Position>, AdminError> {
    cursor
        .map(|cursor| read(cursor).ok_or(NOT_A_CURSOR))
        .transpose()
}

/// The answer to a cursor that is none.
pub(super) const NOT_A_CURSOR: AdminError = AdminError::Invalid {
    parameter: "cursor",
    problem: "is not the next_cursor of a page",
};

fn read(cursor: &str) -> Option<Position> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (at, id) = text.split_once(':')?;
    // Ids are visible ASCII; what is not cannot be one, and PostgreSQL would stumble over a NUL.
    id.bytes()
        .all(|byte| byte.is_ascii_graphic())
        .then_some(Position {
            at: Timestamp::from_millis(at.parse().ok()?),
            id: id.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_position() {
        for id in ["a", "https://client.example/id?x=1:2", ""] {
            let position = Position {
                at: Timestamp::from_millis(1_800_000_000_123),
                id: id.to_owned(),
            };
            let cursor = cursor(&position);
            assert_eq!(super::position(Some(&cursor)).unwrap(), Some(position));
        }
        assert_eq!(position(None).unwrap(), None);
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for wrong in [
            "",
            "x",
            "!",
            &encoded("1"),
            &encoded("x:y"),
            &encoded("1:a\0"),
        ] {
            assert!(position(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_has_1_to_500_rows() {
        assert_eq!(limit(None).unwrap(), 50);
        assert_eq!(limit(Some(500)).unwrap(), 500);
        assert!(limit(Some(0)).is_err() && limit(Some(501)).is_err());
    }
}
