//! The scheduling outbox: asking when others are busy (RFC 6638 §5).

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::super::text::header;
use super::super::super::xml::{self, DAV, Element};
use super::super::error::DavError;
use super::ical::{self, Component, Happening};
use super::model::Rights;
use super::objects::{account_of, address, email};
use super::reports::{Range, busy, busy_lines, instant};
use super::trash::stamp;
use super::{CALDAV, CalendarRequest};

pub(super) fn post(request: &CalendarRequest<'_>) -> Result<Response, DavError> {
    let kind = header(&request.dav.headers, "content-type").unwrap_or_default();
    if !kind.starts_with("text/calendar") {
        return Err(DavError::not_implemented("POST"));
    }
    let text = String::from_utf8_lossy(&request.dav.body);
    let calendar = ical::parse(&text).map_err(|reason| {
        DavError::bad_request(&format!(
            "The request body must be a valid iCalendar object. Parse error: {reason}"
        ))
    })?;
    let is_request = calendar
        .line("METHOD")
        .is_some_and(|line| line.value.trim() == "REQUEST");
    let question = calendar.children.iter().find(|one| one.name == "VFREEBUSY");
    let Some(question) = question.filter(|_| is_request) else {
        return Err(DavError::new(
            StatusCode::NOT_IMPLEMENTED,
            "Sabre\\DAV\\Exception\\NotImplemented",
            "We only support VFREEBUSY (REQUEST) on this endpoint",
        ));
    };
    let organizer = question.line("ORGANIZER").map(|line| address(&line.value));
    if organizer.is_none() || organizer != email(request.server, request.uid) {
        return Err(DavError::forbidden(
            "The organizer in the request did not match any of the addresses for the owner of \
             this inbox",
        ));
    }
    let bound = |name| question.line(name).and_then(|line| instant(&line.value));
    let (Some(from), Some(to)) = (bound("DTSTART"), bound("DTEND")) else {
        return Err(DavError::bad_request(
            "DTSTART and DTEND must both be specified",
        ));
    };
    let range = Range { from, to };
    let mut answers = Vec::new();
    for attendee in question.all("ATTENDEE") {
        answers.push(answer(request, question, &attendee.value, range)?);
    }
    let body = xml::write(&Element::new(CALDAV, "schedule-response").with_children(answers));
    let kind = [("content-type", "application/xml")];
    Ok((StatusCode::OK, kind, body).into_response())
}

fn answer(
    request: &CalendarRequest<'_>,
    question: &Component,
    attendee: &str,
    range: Range,
) -> Result<Element, DavError> {
    let href = Element::new(DAV, "href").text(attendee);
    let answer =
        Element::new(CALDAV, "response").child(Element::new(CALDAV, "recipient").child(href));
    let status = |text: &str| Element::new(CALDAV, "request-status").text(text);
    let Some(account) = account_of(request.server, &address(attendee)) else {
        return Ok(answer.child(status("3.7;Could not find principal")));
    };
    let mut times: Vec<Happening> = request.calendars(|all| {
        let calendars = all.home(&account.uid).calendars.iter();
        let living = calendars.filter(|one| one.deleted_at.is_none() && one.rights == Rights::Own);
        living.flat_map(|one| busy(one, range)).collect()
    })?;
    times.sort_by_key(|one| (one.from, one.to));
    let now = i64::try_from(request.now()).unwrap_or_default();
    let value = |name| question.line(name).map_or("", |line| line.value.as_str());
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Sabre//Sabre VObject 4.5.6//EN\r\n\
         CALSCALE:GREGORIAN\r\nMETHOD:REPLY\r\nBEGIN:VFREEBUSY\r\nDTSTART:{}\r\nDTEND:{}\r\n\
         DTSTAMP:{}\r\n{}ATTENDEE:{attendee}\r\nUID:{}\r\nORGANIZER:{}\r\nEND:VFREEBUSY\r\n\
         END:VCALENDAR\r\n",
        stamp(range.from),
        stamp(range.to),
        stamp(now),
        busy_lines(&times),
        value("UID"),
        value("ORGANIZER"),
    );
    Ok(answer
        .child(status("2.0;Success"))
        .child(Element::new(CALDAV, "calendar-data").text(text)))
}
