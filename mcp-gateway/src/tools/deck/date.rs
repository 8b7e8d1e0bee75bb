//! Due dates and the like: what a model may write, and what Deck is sent.

use time::{
    Date, OffsetDateTime, PrimitiveDateTime,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

use crate::error::ToolError;

const DAY: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]");
const MINUTE: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]");
const SECOND: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

/// A point in time as RFC 3339; Deck fails inside on what PHP cannot read as a date.
///
/// # Errors
///
/// A sentence that names the argument.
pub(super) fn parse(argument: &str, text: &str) -> Result<String, ToolError> {
    let text = text.trim();
    let point = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| PrimitiveDateTime::parse(text, SECOND).map(PrimitiveDateTime::assume_utc))
        .or_else(|_| PrimitiveDateTime::parse(text, MINUTE).map(PrimitiveDateTime::assume_utc))
        .or_else(|_| Date::parse(text, DAY).map(|day| day.midnight().assume_utc()));
    point
        .ok()
        .and_then(|point| point.format(&Rfc3339).ok())
        .ok_or_else(|| {
            ToolError::invalid(format!(
                "The {argument} \"{text}\" is no date. Write it with a time zone, such as \
                 2026-12-24T10:00:00+01:00, or as a day, such as 2026-12-24."
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_keep_their_zone_and_without_one_are_utc() {
        for (text, sent) in [
            ("2026-12-24T10:00:00+01:00", "2026-12-24T10:00:00+01:00"),
            ("2026-12-24T10:00:00Z", "2026-12-24T10:00:00Z"),
            ("2026-12-24T10:00:00", "2026-12-24T10:00:00Z"),
            (" 2026-12-24T10:00 ", "2026-12-24T10:00:00Z"),
            ("2026-12-24", "2026-12-24T00:00:00Z"),
        ] {
            assert_eq!(parse("due date", text).expect(text), sent);
        }
        for text in ["tomorrow", "24.12.2026", "2026-13-01", "2026-02-30", ""] {
            let error = parse("due date", text).expect_err(text);
            assert!(error.to_string().contains("due date"), "{error}");
        }
    }
}
