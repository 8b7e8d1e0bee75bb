//! Birthdays: what vCards of all versions write, and what the tools show and take.
//!
//! The year may be unknown. Version 4.0 can say so; version 3.0 cannot, and everybody follows
//! Apple: the year 1604, and a parameter that says to leave it out.

use time::{Date, Month};

use crate::{error::ToolError, tools::content_line::Line};

/// The parameter by which version 3.0 leaves out the year.
pub(super) const OMIT_YEAR: &str = "X-APPLE-OMIT-YEAR";
/// The year that is left out: a leap year before all people.
const NO_YEAR: i32 = 1604;

/// A day of birth, the year only if it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Birthday {
    year: Option<i32>,
    month: u8,
    day: u8,
}

impl Birthday {
    /// Reads `1985-04-12`, `19850412`, `--04-12` and `--0412`; a time behind it is left out.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.split(['T', 't', ' ']).next()?;
        let (year, rest) = match text.strip_prefix("--") {
            Some(rest) => (None, rest),
            None => (Some(text.get(..4)?), text.get(4..)?),
        };
        let digits: String = rest.chars().filter(|c| *c != '-').collect();
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if digits.len() != 4 || !is_number(&digits) || !year.is_none_or(is_number) {
            return None;
        }
        let birthday = Self {
            year: year.map(str::parse).transpose().ok()?,
            month: digits.get(..2)?.parse().ok()?,
            day: digits.get(2..)?.parse().ok()?,
        };
        birthday.is_a_day().then_some(birthday)
    }

    /// Reads what a model wrote.
    ///
    /// # Errors
    ///
    /// A sentence when that is no day.
    pub(super) fn asked(text: &str) -> Result<Self, ToolError> {
        Self::read(text).ok_or_else(|| {
            ToolError::invalid(format!(
                "The bday \"{text}\" is no day. Write it as 1985-04-12, or as --04-12 when the year \
                 is not known."
            ))
        })
    }

    /// The birthday in a line, with the ways of both versions to leave out the year.
    pub(super) fn of(line: &Line) -> Option<Self> {
        let mut birthday = Self::read(&line.value())?;
        let omits = line.head().to_ascii_uppercase().contains(OMIT_YEAR);
        if omits && birthday.year == Some(NO_YEAR) {
            birthday.year = None;
        }
        Some(birthday)
    }

    /// As the tools show it: `1985-04-12` or `--04-12`.
    pub(super) fn shown(self) -> String {
        let Self { year, month, day } = self;
        match year {
            Some(year) => format!("{year:04}-{month:02}-{day:02}"),
            None => format!("--{month:02}-{day:02}"),
        }
    }

    /// As a line of a vCard; `old` gives the group.
    pub(super) fn line(self, is_version_4: bool, old: Option<&Line>) -> Line {
        let Self { year, month, day } = self;
        let line = match old.and_then(Line::group) {
            Some(group) => Line::new(&format!("{group}.BDAY")),
            None => Line::new("BDAY"),
        };
        match (year, is_version_4) {
            (Some(year), true) => line.raw(&format!("{year:04}{month:02}{day:02}")),
            (None, true) => line.raw(&format!("--{month:02}{day:02}")),
            (Some(year), false) => line.raw(&format!("{year:04}-{month:02}-{day:02}")),
            (None, false) => line
                .param(OMIT_YEAR, &NO_YEAR.to_string())
                .raw(&format!("{NO_YEAR:04}-{month:02}-{day:02}")),
        }
    }

    fn is_a_day(self) -> bool {
        let month = Month::try_from(self.month);
        month.is_ok_and(|month| {
            Date::from_calendar_date(self.year.unwrap_or(NO_YEAR), month, self.day).is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::content_line::Component;

    fn line_of(text: &str) -> Component {
        Component::parse(&format!("BEGIN:VCARD\r\n{text}\r\nEND:VCARD\r\n")).expect("a card")
    }

    #[test]
    fn days_of_all_versions_are_read() {
        for (written, shown) in [
            ("BDAY:1985-04-12", "1985-04-12"),
            ("BDAY;VALUE=date:19850412", "1985-04-12"),
            ("BDAY;VALUE=date-time:1985-04-12T00:00:00Z", "1985-04-12"),
            ("BDAY:--0412", "--04-12"),
            ("BDAY:--02-29", "--02-29"),
            ("item1.BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12", "--04-12"),
            ("BDAY:1604-04-12", "1604-04-12"),
        ] {
            let card = line_of(written);
            let birthday = Birthday::of(card.line("BDAY").expect("a line"));
            assert_eq!(
                birthday.map(Birthday::shown).as_deref(),
                Some(shown),
                "{written}"
            );
        }
    }

    #[test]
    fn what_is_no_day_is_none() {
        for text in [
            "",
            "1985",
            "1985-04",
            "1985-13-01",
            "1985-02-30",
            "19850230",
            "circa 1985",
            "---12",
            "ä985-04-12",
        ] {
            assert_eq!(Birthday::read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for day in ["1985-04-12", "--02-29", "0901-12-31"] {
            for is_version_4 in [true, false] {
                let birthday = Birthday::asked(day).expect("a day");
                let line = birthday.line(is_version_4, None);
                assert_eq!(Birthday::of(&line), Some(birthday), "{}", line.as_str());
            }
        }
        let old = line_of("item2.bday:1999-01-01");
        let line = Birthday::asked("1985-04-12")
            .expect("a day")
            .line(false, old.line("BDAY"));
        assert_eq!(line.group().as_deref(), Some("item2"));
        assert!(line.as_str().ends_with("BDAY:1985-04-12"));
    }
}
