//! Who takes part in an event: organizer and attendees (RFC 5545 §3.8.4).

use calcard::icalendar::{
    ICalendarComponent, ICalendarEntry, ICalendarParameterName, ICalendarParameterValue,
    ICalendarProperty,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    error::ToolError,
    nextcloud::Person,
    tools::content_line::{Component, Line},
};

/// Somebody who takes part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Participant {
    /// The e-mail address.
    pub(super) email: String,
    /// The name, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// What they answered: NEEDS-ACTION, ACCEPTED, DECLINED, TENTATIVE or DELEGATED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<String>,
    /// Their role, such as REQ-PARTICIPANT or OPT-PARTICIPANT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<String>,
}

/// The attendees of a component.
pub(super) fn attendees(component: &ICalendarComponent) -> Vec<Participant> {
    let entries = component.properties(&ICalendarProperty::Attendee);
    entries.filter_map(participant).collect()
}

/// The organizer of a component.
pub(super) fn organizer(component: &ICalendarComponent) -> Option<Participant> {
    participant(component.property(&ICalendarProperty::Organizer)?)
}

fn participant(entry: &ICalendarEntry) -> Option<Participant> {
    let text = |name| {
        let value = entry
            .parameter(name)
            .and_then(ICalendarParameterValue::as_text);
        value.map(str::to_owned).filter(|text| !text.is_empty())
    };
    Some(Participant {
        email: entry.calendar_address()?.to_owned(),
        name: text(&ICalendarParameterName::Cn),
        status: text(&ICalendarParameterName::Partstat),
        role: text(&ICalendarParameterName::Role),
    })
}

/// Addresses that are separated by commas, each bare or as `Name <address>`.
pub(super) fn addresses(text: &str) -> Result<Vec<Participant>, ToolError> {
    let mut found: Vec<Participant> = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (name, address) = match part.split_once('<') {
            Some((name, rest)) => (name.trim().trim_matches('"'), rest.trim_end_matches('>')),
            None => ("", part),
        };
        let address = address.trim();
        let address = address.strip_prefix("mailto:").unwrap_or(address);
        let is_address = address.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        }) && !address
            .contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c));
        if !is_address {
            return Err(ToolError::invalid(format!(
                "\"{part}\" is no e-mail address. Give the attendees' addresses separated by \
                 commas, such as \"anna@example.org, bob@example.org\"."
            )));
        }
        if !found
            .iter()
            .any(|one| one.email.eq_ignore_ascii_case(address))
        {
            found.push(Participant {
                email: address.to_owned(),
                name: (!name.is_empty()).then(|| name.to_owned()),
                status: None,
                role: None,
            });
        }
    }
    Ok(found)
}

/// Makes these the attendees of an event. Who stays keeps their line with all it says, their
/// answer included; the organizer is the user unless there is one already.
pub(super) fn set_attendees(
    event: &mut Component,
    attendees: &[Participant],
    user: &Person,
) -> Result<(), ToolError> {
    let lines = attendees.iter().map(|wanted| {
        let address = format!("mailto:{}", wanted.email);
        let kept = event
            .lines("ATTENDEE")
            .find(|line| line.value().trim().eq_ignore_ascii_case(&address));
        kept.cloned().unwrap_or_else(|| {
            let line = Line::new("ATTENDEE");
            let line = match &wanted.name {
                Some(name) => line.param("CN", name),
                None => line,
            };
            line.param("CUTYPE", "INDIVIDUAL")
                .param("ROLE", "REQ-PARTICIPANT")
                .param("PARTSTAT", "NEEDS-ACTION")
                .param("RSVP", "TRUE")
                .raw(&address)
        })
    });
    let lines: Vec<Line> = lines.collect();
    let has_attendees = !lines.is_empty();
    event.set("ATTENDEE", lines);
    if !has_attendees {
        event.remove("ORGANIZER");
        return Ok(());
    }
    if event.line("ORGANIZER").is_none() {
        let Some(email) = &user.email else {
            return Err(ToolError::invalid(
                "Nextcloud knows no e-mail address of this account, so it cannot invite anybody. \
                 Leave the attendees out, or let the user enter an address in the personal \
                 settings.",
            ));
        };
        let line = Line::new("ORGANIZER");
        let line = match &user.name {
            Some(name) => line.param("CN", name),
            None => line,
        };
        event.set("ORGANIZER", [line.raw(&format!("mailto:{email}"))]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_names() {
        let read = addresses("anna@example.org, \"Bob B\" <bob@example.org>,, ANNA@example.org")
            .expect("addresses");
        let emails: Vec<_> = read.iter().map(|one| one.email.as_str()).collect();
        assert_eq!(emails, ["anna@example.org", "bob@example.org"]);
        assert_eq!(read[1].name.as_deref(), Some("Bob B"));
        assert_eq!(addresses(" ").expect("none"), []);
        for text in ["anna", "@x", "a@b@c", "a b@c", "a@c\r\nX:1"] {
            assert!(addresses(text).is_err(), "{text}");
        }
    }

    #[test]
    fn who_stays_keeps_their_answer() {
        let mut event = Component::parse(
            "BEGIN:VEVENT\r\nORGANIZER;CN=Chef:mailto:chef@example.org\r\n\
             ATTENDEE;PARTSTAT=ACCEPTED;X-NUM=3:MAILTO:anna@example.org\r\n\
             ATTENDEE:mailto:gone@example.org\r\nEND:VEVENT\r\n",
        )
        .expect("event");
        let user = Person {
            name: None,
            email: None,
        };
        let wanted = addresses("new@example.org,anna@example.org").expect("addresses");
        set_attendees(&mut event, &wanted, &user).expect("set");
        assert_eq!(
            event.to_string().replace("\r\n ", ""),
            "BEGIN:VEVENT\r\nORGANIZER;CN=Chef:mailto:chef@example.org\r\n\
             ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:new@example.org\r\n\
             ATTENDEE;PARTSTAT=ACCEPTED;X-NUM=3:MAILTO:anna@example.org\r\nEND:VEVENT\r\n"
        );
        set_attendees(&mut event, &[], &user).expect("set");
        assert_eq!(event.to_string(), "BEGIN:VEVENT\r\nEND:VEVENT\r\n");
        assert!(set_attendees(&mut event, &wanted, &user).is_err());
    }
}
