//! What of an event changes, and how: times, rule, reminders, everything else.

use url::Url;

use super::{
    super::{
        attendee::{addresses, set_attendees},
        color::event_color,
        edit::{Draft, one_of, priority, rule_end, rule_text, unreadable},
        object::Kind,
        recurrence::rule,
        reminder::{Action, Reminded, Reminder, reminders},
        store::{self, Found},
        when::{DAY, When},
        zone::Zone,
    },
    arguments::{UpdateArguments, fifteen},
};
use crate::{
    error::{Describe, ToolError},
    nextcloud::{Client, Person},
};

const STATUS: &[&str] = &["CONFIRMED", "TENTATIVE", "CANCELLED"];
const PRIVACY: &[&str] = &["PUBLIC", "PRIVATE", "CONFIDENTIAL"];

/// How long an event lasts that is given without an end, in seconds.
pub(super) const HOUR: i64 = 3600;

/// A start or end, as a day when whole days are wanted.
pub(super) fn time(text: &str, all_day: bool, zone: &Zone) -> Result<When, ToolError> {
    let time = When::read(text, zone)?;
    match (all_day, &time) {
        (true, _) => Ok(When::Date(time.local().date())),
        (false, When::Date(day)) => Err(ToolError::invalid(format!(
            "\"{text}\" has no time of the day. Write \"{day}T09:00:00\", or set all_day to true."
        ))),
        (false, When::Floating(_) | When::Zoned(..)) => Ok(time),
    }
}

/// The end, if it is not before the start. The same day twice is that one day.
pub(super) fn checked_end(start: &When, end: When, home: &Zone) -> Result<When, ToolError> {
    let length = start.until(&end, home);
    if length == 0 && start.is_date() {
        return Ok(start.plus(DAY));
    }
    if length < 0 {
        return Err(ToolError::invalid(format!(
            "The end {} is before the start {}. Correct one of them.",
            end.iso(),
            start.iso()
        )));
    }
    Ok(end)
}

pub(super) fn checked_rule(text: &str) -> Result<String, ToolError> {
    if text.is_empty() {
        return Ok(String::new());
    }
    rule(text).map(|rule| rule_text(&rule)).ok_or_else(|| {
        ToolError::invalid(format!(
            "\"{text}\" is no rule of iCalendar that ever comes true. Write it like \
             \"FREQ=WEEKLY;BYDAY=MO,WE\" or \"FREQ=MONTHLY;BYMONTHDAY=1;COUNT=12\"."
        ))
    })
}

/// Sets start and end as far as they are to change; whether they did.
pub(super) fn set_times(
    draft: &mut Draft,
    found: &Found,
    arguments: &UpdateArguments,
    home: &Zone,
) -> Result<bool, ToolError> {
    let UpdateArguments {
        start_datetime,
        end_datetime,
        all_day,
        timezone,
        ..
    } = arguments;
    let named = timezone
        .as_deref()
        .map(str::trim)
        .filter(|id| !id.is_empty());
    if start_datetime.is_none() && end_datetime.is_none() && all_day.is_none() && named.is_none() {
        return Ok(false);
    }
    let main = found.object.main(Kind::Event).ok_or_else(unreadable)?;
    let (old_start, old_end) = found
        .object
        .span(main, Kind::Event, home)
        .ok_or_else(unreadable)?;
    let zone = match named {
        None => old_start.zone().unwrap_or(home).clone(),
        Some(id) => found.object.zones().get(id).ok_or_else(|| {
            ToolError::invalid(format!(
                "\"{id}\" is no time zone. Give an IANA id such as \"Europe/Berlin\"."
            ))
        })?,
    };
    let days = all_day.unwrap_or(old_start.is_date());
    let start = match start_datetime {
        Some(text) => time(text, days, &zone)?,
        None if days => When::Date(old_start.local().date()),
        None if old_start.is_date() => {
            return Err(ToolError::invalid(
                "An event that lasted whole days needs a start_datetime with a time of the day \
                 when all_day becomes false.",
            ));
        }
        None if named.is_some() => When::at(old_start.instant(home), &zone),
        None => old_start.clone(),
    };
    let end = match end_datetime {
        Some(text) if !text.trim().is_empty() => time(text, days, &zone)?,
        _ if days && old_start.is_date() => start.plus(old_start.until(&old_end, home)),
        _ if days => start.plus(DAY),
        _ if old_start.is_date() => start.plus(HOUR),
        _ => start.plus(old_start.until(&old_end, home)),
    };
    let end = checked_end(&start, end, home)?;
    if start == old_start && end == old_end {
        return Ok(false);
    }
    if start != old_start {
        draft.shift_exceptions(&found.object, &old_start, &start, home)?;
        draft.time("DTSTART", Some(&start))?;
    }
    draft.time("DTEND", Some(&end))?;
    draft.raw("DURATION", "")?;
    draft.define_zones(&[&start, &end], end.instant(home));
    Ok(true)
}

/// Sets how the event repeats as far as that is to change; whether it did.
pub(super) fn set_rule(
    draft: &mut Draft,
    found: &Found,
    arguments: &UpdateArguments,
    home: &Zone,
) -> Result<bool, ToolError> {
    let UpdateArguments {
        recurring,
        recurrence_rule,
        recurrence_end_date,
        ..
    } = arguments;
    let rule = recurrence_rule.as_deref().map(str::trim);
    if *recurring == Some(false) || rule == Some("") {
        draft.make_single()?;
        return Ok(true);
    }
    if let Some(rule) = rule {
        draft.raw("RRULE", &checked_rule(rule)?)?;
    } else if *recurring == Some(true) && draft.part()?.line("RRULE").is_none() {
        return Err(ToolError::invalid(
            "An event that repeats needs a recurrence_rule, such as \"FREQ=WEEKLY\".",
        ));
    }
    match recurrence_end_date.as_deref().map(str::trim) {
        None => return Ok(rule.is_some()),
        Some("") => draft.end_rule(None)?,
        Some(text) => {
            let start = if let Some(text) = &arguments.start_datetime {
                When::read(text, home)?
            } else {
                let main = found.object.main(Kind::Event).ok_or_else(unreadable)?;
                let start = found.object.span(main, Kind::Event, home);
                start.ok_or_else(unreadable)?.0
            };
            let until = When::read(text, start.zone().unwrap_or(home))?;
            draft.end_rule(Some(&rule_end(&until, &start, home)))?;
        }
    }
    Ok(true)
}

/// All reminders after the update, if they change.
pub(super) fn new_reminders(found: &Found, arguments: &UpdateArguments) -> Option<Vec<Reminder>> {
    let UpdateArguments {
        reminders: given,
        reminder_minutes,
        reminder_email,
        ..
    } = arguments;
    if let Some(given) = given {
        return Some(given.clone());
    }
    let mut all = match (reminder_minutes, reminder_email) {
        (None, None) => return None,
        (Some(0), _) => Vec::new(),
        (Some(minutes), _) => vec![Reminder::before(*minutes, Action::Display)],
        (None, Some(_)) => {
            let main = found.object.main(Kind::Event);
            main.map(|event| reminders(&found.object, event))
                .unwrap_or_default()
        }
    };
    match reminder_email {
        Some(true) if !all.iter().any(|one| one.action == Action::Email) => {
            let minutes = all.iter().find_map(|one| one.minutes_before);
            let minutes = minutes.unwrap_or_else(fifteen);
            all.push(Reminder::before(minutes, Action::Email));
        }
        Some(false) => all.retain(|one| one.action != Action::Email),
        Some(true) | None => {}
    }
    Some(all)
}

/// Everything of an event but when it happens; `None` leaves a property, an empty text removes it.
pub(super) struct Details<'a> {
    pub(super) title: Option<&'a str>,
    pub(super) description: Option<&'a str>,
    pub(super) location: Option<&'a str>,
    pub(super) categories: Option<&'a str>,
    pub(super) status: Option<&'a str>,
    pub(super) priority: Option<i64>,
    pub(super) privacy: Option<&'a str>,
    pub(super) url: Option<&'a str>,
    pub(super) color: Option<&'a str>,
    pub(super) attendees: Option<&'a str>,
    pub(super) reminders: Option<&'a [Reminder]>,
}

impl Details<'_> {
    pub(super) fn is_empty(&self) -> bool {
        let texts = [
            self.title,
            self.description,
            self.location,
            self.categories,
            self.status,
            self.privacy,
            self.url,
            self.color,
            self.attendees,
        ];
        texts.iter().all(Option::is_none) && self.priority.is_none() && self.reminders.is_none()
    }

    pub(super) async fn apply(
        &self,
        client: &Client,
        draft: &mut Draft,
        title: &str,
        zone: &Zone,
    ) -> Result<(), ToolError> {
        for (name, value) in [
            ("SUMMARY", self.title),
            ("DESCRIPTION", self.description),
            ("LOCATION", self.location),
        ] {
            if let Some(value) = value {
                draft.text(name, value)?;
            }
        }
        if let Some(categories) = self.categories {
            draft.categories(categories)?;
        }
        if let Some(status) = self.status {
            draft.raw("STATUS", &one_of("status of an event", status, STATUS)?)?;
        }
        if let Some(number) = self.priority {
            draft.raw("PRIORITY", &priority(number)?)?;
        }
        if let Some(privacy) = self.privacy {
            draft.raw("CLASS", &one_of("privacy", privacy, PRIVACY)?)?;
        }
        if let Some(url) = self.url {
            draft.raw("URL", &checked_url(url)?)?;
        }
        if let Some(color) = self.color {
            let name = match color.trim() {
                "" => "",
                color => event_color(color)?,
            };
            draft.raw("COLOR", name)?;
        }
        let reminders = self.reminders.unwrap_or_default();
        let attendees = self.attendees.map(addresses).transpose()?;
        let asks_person = attendees.as_ref().is_some_and(|all| !all.is_empty())
            || reminders.iter().any(|one| one.action == Action::Email);
        let person = if asks_person {
            client.person().await.about(&store::CALENDARS)?
        } else {
            Person {
                name: None,
                email: None,
            }
        };
        if let Some(attendees) = attendees {
            set_attendees(draft.part()?, &attendees, &person)?;
        }
        if self.reminders.is_some() {
            let about = Reminded {
                title,
                kind: Kind::Event,
                has_start: true,
                email: person.email.as_deref(),
                zone,
            };
            let alarms = reminders.iter().map(|one| one.component(&about));
            draft.alarms(alarms.collect::<Result<_, _>>()?)?;
        }
        Ok(())
    }
}

fn checked_url(text: &str) -> Result<String, ToolError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(String::new());
    }
    match Url::parse(text) {
        Ok(url) => Ok(url.to_string()),
        Err(error) => Err(ToolError::invalid(format!(
            "\"{text}\" is no address. Write it in full, such as \"https://example.org/page\"."
        ))
        .because(error)),
    }
}
