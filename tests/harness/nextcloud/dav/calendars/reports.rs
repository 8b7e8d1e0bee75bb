//! `REPORT` on a calendar: `calendar-query`, `calendar-multiget`, `free-busy-query` (RFC 4791 §7)
//! and `sync-collection` (RFC 6578).

use std::collections::BTreeSet;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::super::text::segments;
use super::super::super::xml::{DAV, Element};
use super::super::MOUNT;
use super::super::error::DavError;
use super::super::properties::{Wanted, document, href_element, multistatus, names, propstat};
use super::ical::{self, Busy, Component, Happening, happenings};
use super::model::{Calendar, Object};
use super::objects::described;
use super::trash::stamp;
use super::{CALDAV, CalendarRequest, answered, not_found};

pub(super) fn serve(request: &CalendarRequest<'_>, name: &str) -> Result<Response, DavError> {
    let query = document(&request.dav.body)?;
    let kind = (query.name.ns.as_str(), query.name.local.as_str());
    request.calendars(|all| {
        let home = all.home(request.uid);
        let calendar = home.get(name).ok_or_else(|| not_found(name))?;
        match kind {
            (CALDAV, "calendar-query") => {
                let filter = Filter::read(&query)?;
                let wanted = wanted(&query);
                let objects = calendar.objects.iter();
                let found = objects.filter(|(_, object)| filter.matches(object));
                let responses =
                    found.map(|(object, it)| described(request, &wanted, name, object, it));
                Ok(answered(responses.collect()))
            }
            (CALDAV, "calendar-multiget") => {
                let wanted = wanted(&query);
                let hrefs = query.children.iter().filter(|one| one.name.is(DAV, "href"));
                let found = hrefs.filter_map(|href| {
                    let object = object_name(request, name, &href.text)?;
                    let it = calendar.objects.get(&object)?;
                    Some(described(request, &wanted, name, &object, it))
                });
                Ok(answered(found.collect()))
            }
            (CALDAV, "free-busy-query") => {
                let range = query.find(CALDAV, "time-range");
                let range = range.and_then(Range::read).ok_or_else(|| {
                    DavError::bad_request("The freebusy report must have a time-range filter")
                })?;
                let busy = busy(calendar, range);
                Ok(free_busy(request, range, &busy))
            }
            (DAV, "sync-collection") => Ok(changes(request, calendar, &query)),
            _ => Err(DavError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Sabre\\DAV\\Exception\\ReportNotSupported",
                "",
            )),
        }
    })?
}

pub(super) fn wanted(query: &Element) -> Wanted {
    Wanted::Named(query.find(DAV, "prop").map(names).unwrap_or_default())
}

fn object_name(request: &CalendarRequest<'_>, calendar: &str, href: &str) -> Option<String> {
    let (_, below) = href.split_once(MOUNT)?;
    match segments(below)?.as_slice() {
        [calendars, owner, place, name]
            if calendars == "calendars" && owner == request.uid && place == calendar =>
        {
            Some(name.clone())
        }
        _ => None,
    }
}

/// A span of time, Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Range {
    fn read(element: &Element) -> Option<Self> {
        let bound = |name, default| match element.attribute(name) {
            Some(text) => instant(text),
            None => Some(default),
        };
        Some(Self {
            from: bound("start", i64::MIN)?,
            to: bound("end", i64::MAX)?,
        })
    }

    pub(super) fn overlaps(self, one: Happening) -> bool {
        one.from < self.to && (one.to > self.from || (one.to == one.from && one.from >= self.from))
    }
}

/// `20261201T100000Z` as Unix seconds.
pub(super) fn instant(text: &str) -> Option<i64> {
    let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    let time = time::PrimitiveDateTime::parse(text.trim(), format).ok()?;
    Some(time.assume_utc().unix_timestamp())
}

/// The filter of a `calendar-query` (RFC 4791 §9.7), for one component below the calendar.
pub(super) struct Filter {
    component: Option<String>,
    range: Option<Range>,
    properties: Vec<Element>,
}

impl Filter {
    pub(super) fn read(query: &Element) -> Result<Self, DavError> {
        let bad = || DavError::bad_request("The calendar-query report requires a filter");
        let calendar = query
            .find(CALDAV, "filter")
            .and_then(|filter| filter.find(CALDAV, "comp-filter"))
            .filter(|filter| filter.attribute("name") == Some("VCALENDAR"))
            .ok_or_else(bad)?;
        let Some(component) = calendar.find(CALDAV, "comp-filter") else {
            return Ok(Self {
                component: None,
                range: None,
                properties: Vec::new(),
            });
        };
        let range = match component.find(CALDAV, "time-range") {
            Some(range) => Some(Range::read(range).ok_or_else(bad)?),
            None => None,
        };
        let properties = component.children.iter();
        Ok(Self {
            component: component.attribute("name").map(str::to_owned),
            range,
            properties: properties
                .filter(|one| one.name.is(CALDAV, "prop-filter"))
                .cloned()
                .collect(),
        })
    }

    pub(super) fn matches(&self, object: &Object) -> bool {
        let Some(component) = &self.component else {
            return true;
        };
        if *component != object.component {
            return false;
        }
        if let Some(range) = self.range {
            let times = happenings(&object.text);
            // A task without any time is always in range (RFC 4791 §9.9).
            let is_timeless = times.is_empty() && component == "VTODO";
            if !is_timeless && !times.into_iter().any(|one| range.overlaps(one)) {
                return false;
            }
        }
        let Ok(calendar) = ical::parse(&object.text) else {
            return false;
        };
        let mut parts = calendar
            .children
            .iter()
            .filter(|one| one.name == *component);
        self.properties.is_empty()
            || parts.any(|part| self.properties.iter().all(|filter| holds(filter, part)))
    }
}

fn holds(filter: &Element, part: &Component) -> bool {
    let name = filter.attribute("name").unwrap_or_default().to_uppercase();
    if filter.find(CALDAV, "is-not-defined").is_some() {
        return part.line(&name).is_none();
    }
    let Some(matcher) = filter.find(CALDAV, "text-match") else {
        return part.line(&name).is_some();
    };
    let is_exact = matcher.attribute("collation") == Some("i;octet");
    let fold = |text: &str| {
        if is_exact {
            text.to_owned()
        } else {
            text.to_lowercase()
        }
    };
    let wanted = fold(&matcher.text);
    let found = part
        .all(&name)
        .any(|line| fold(&line.text()).contains(&wanted));
    found != (matcher.attribute("negate-condition") == Some("yes"))
}

/// When a calendar is busy, within a span of time.
pub(super) fn busy(calendar: &Calendar, range: Range) -> Vec<Happening> {
    if calendar.is_transparent() {
        return Vec::new();
    }
    let events = calendar
        .objects
        .values()
        .filter(|one| one.component == "VEVENT");
    let mut busy: Vec<Happening> = events
        .flat_map(|one| happenings(&one.text))
        .filter(|one| one.busy != Busy::No && range.overlaps(*one))
        .map(|one| Happening {
            from: one.from.max(range.from),
            to: one.to.min(range.to),
            ..one
        })
        .collect();
    busy.sort_by_key(|one| (one.from, one.to));
    busy
}

/// The lines with busy times.
pub(super) fn busy_lines(busy: &[Happening]) -> String {
    busy.iter().fold(String::new(), |mut lines, one| {
        let kind = match one.busy {
            Busy::Tentative => ";FBTYPE=BUSY-TENTATIVE",
            Busy::Yes | Busy::No => "",
        };
        let (from, to) = (stamp(one.from), stamp(one.to));
        lines.extend(["FREEBUSY", kind, ":", &from, "/", &to, "\r\n"]);
        lines
    })
}

fn free_busy(request: &CalendarRequest<'_>, range: Range, busy: &[Happening]) -> Response {
    let now = i64::try_from(request.now()).unwrap_or_default();
    let body = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Sabre//Sabre VObject 4.5.6//EN\r\n\
         CALSCALE:GREGORIAN\r\nBEGIN:VFREEBUSY\r\nDTSTART:{}\r\nDTEND:{}\r\nDTSTAMP:{}\r\n\
         {}END:VFREEBUSY\r\nEND:VCALENDAR\r\n",
        stamp(range.from),
        stamp(range.to),
        stamp(now),
        busy_lines(busy)
    );
    let kind = [("content-type", "text/calendar;charset=UTF-8")];
    (StatusCode::OK, kind, body).into_response()
}

/// What changed since a token: everything there is without one.
fn changes(request: &CalendarRequest<'_>, calendar: &Calendar, query: &Element) -> Response {
    let since = query.find(DAV, "sync-token").map(|token| token.text.trim());
    let since = since.and_then(|token| token.rsplit('/').next()?.parse::<u64>().ok());
    let wanted = wanted(query);
    let named = |name: &String| match calendar.objects.get(name) {
        Some(object) => described(request, &wanted, &calendar.name, name, object),
        None => Element::new(DAV, "response")
            .child(href_element(&request.href(&[&calendar.name, name])))
            .child(Element::new(DAV, "status").text("HTTP/1.1 404 Not Found")),
    };
    let mut responses = Vec::new();
    match since {
        None => responses.extend(calendar.objects.keys().map(named)),
        Some(since) => {
            // The real server names the calendar itself too.
            let Wanted::Named(asked) = &wanted else {
                return answered(Vec::new());
            };
            let missing = asked.iter().cloned().map(Element::named).collect();
            responses.push(
                Element::new(DAV, "response")
                    .child(href_element(&request.href(&[&calendar.name])))
                    .child(propstat(missing, "HTTP/1.1 404 Not Found")),
            );
            let changed = calendar.changes.iter().filter(|(at, _)| *at >= since);
            let changed: BTreeSet<String> = changed.map(|(_, name)| name.clone()).collect();
            responses.extend(changed.iter().map(named));
        }
    }
    responses.push(Element::new(DAV, "sync-token").text(calendar.sync_token()));
    multistatus(responses)
}
