//! Events and tasks: `PUT`, `GET`, `DELETE`, and `MOVE` to another calendar.

use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};

use super::super::super::account::Account;
use super::super::super::server::Server;
use super::super::super::text::{encode_segment, header, header_value, http_date, segments};
use super::super::super::xml::{DAV, Element, Name};
use super::super::MOUNT;
use super::super::conditions::{Current, quoted};
use super::super::error::DavError;
use super::super::properties::{Wanted, minimal, response};
use super::home::done;
use super::ical::{self, Checked, Component};
use super::model::{Calendar, Calendars, Object, Rights, Trashed};
use super::{CALDAV, CalendarRequest, check, no_calendar};

pub(super) fn serve(
    request: &CalendarRequest<'_>,
    calendar: &str,
    name: &str,
) -> Result<Response, DavError> {
    let method = request.dav.method.as_str();
    let (exists, current) = request.calendars(|all| {
        let calendar = all.home(request.uid).get(calendar);
        let object = calendar
            .and_then(|calendar| calendar.objects.get(name))
            .cloned();
        (calendar.is_some(), object)
    })?;
    if !exists {
        return Err(no_calendar(calendar));
    }
    let missing = || DavError::not_found("Calendar object not found");
    if current.is_none() && method != "PUT" {
        return Err(missing());
    }
    let tag = current.as_ref().map(|object| Current {
        etag: object.etag(),
        modified: object.modified,
    });
    if let Some(answer) = check(request.dav, tag.as_ref())? {
        return Ok(answer);
    }
    match (method, current) {
        ("PUT", current) => put(request, calendar, name, current.as_ref()),
        ("GET" | "HEAD", Some(object)) => Ok(content(name, &object, true)),
        ("DELETE", Some(_)) => delete(request, calendar, name),
        ("MOVE", Some(_)) => rename(request, calendar, name),
        ("PROPFIND", Some(object)) => {
            let wanted = super::super::properties::wanted(&request.dav.body)?;
            let one = described(request, &wanted, calendar, name, &object);
            Ok(super::super::properties::propfind_answer(
                request.dav,
                vec![one],
            ))
        }
        (other, _) => Err(DavError::not_implemented(other)),
    }
}

/// Reads and checks what is to be written.
fn read(text: &str) -> Result<(Component, Checked), DavError> {
    let refused = |reason: &str| {
        DavError::unsupported_media_type(&format!(
            "This resource only supports valid iCalendar 2.0 data. Parse error: {reason}"
        ))
    };
    let calendar = ical::parse(text).map_err(|reason| refused(&reason))?;
    let checked = ical::check(&calendar).map_err(|reason| {
        DavError::unsupported_media_type(&format!("Validation error in iCalendar: {reason}"))
    })?;
    Ok((calendar, checked))
}

fn put(
    request: &CalendarRequest<'_>,
    calendar: &str,
    name: &str,
    current: Option<&Object>,
) -> Result<Response, DavError> {
    let text = std::str::from_utf8(&request.dav.body)
        .map_err(|error| DavError::unsupported_media_type(&error.to_string()))?;
    let (parsed, checked) = read(text)?;
    let invited = invitation(request, &parsed);
    let stored = if invited.is_some() {
        with_schedule_status(text)
    } else {
        text.to_owned()
    };
    let now = request.now();
    let etag = request.calendars(|all| {
        let id = all.next_id();
        let home = all.home(request.uid);
        let taken = home
            .trash
            .iter()
            .any(|one| one.calendar == calendar && one.object.uid == checked.uid);
        let target = home
            .get_mut(calendar)
            .ok_or_else(|| no_calendar(calendar))?;
        check_place(target, name, &checked)?;
        if taken {
            return Err(unique_constraint());
        }
        let object = Object {
            id: current.map_or(id, |object| object.id),
            text: stored,
            component: checked.component.clone(),
            uid: checked.uid.clone(),
            modified: now,
        };
        let etag = object.etag();
        target.objects.insert(name.to_owned(), object);
        target.touch(name);
        Ok(etag)
    })??;
    let is_invitation = invited.is_some();
    for attendee in invited.unwrap_or_default() {
        deliver(request, &attendee, text, &checked)?;
    }
    let status = if current.is_some() {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::CREATED
    };
    let mut response = done(status);
    // What was stored is not what was sent, so no tag is told.
    if !is_invitation {
        tag(&mut response, &etag);
    }
    Ok(response)
}

fn check_place(calendar: &Calendar, name: &str, checked: &Checked) -> Result<(), DavError> {
    if calendar.rights == Rights::Look || calendar.source.is_some() {
        return Err(DavError::forbidden(
            "User did not have the required privileges ({DAV:}bind) for path",
        ));
    }
    if !calendar.components.contains(&checked.component) {
        let mut error = DavError::new(
            StatusCode::FORBIDDEN,
            "Sabre\\CalDAV\\Exception\\InvalidComponentType",
            &format!(
                "This calendar only supports {}. We found a {}",
                calendar.components.join(", "),
                checked.component
            ),
        );
        error = error.detail(
            "  <cal:supported-calendar-component xmlns:cal=\"urn:ietf:params:xml:ns:caldav\"/>\n",
        );
        return Err(error);
    }
    let is_duplicate = calendar
        .objects
        .iter()
        .any(|(other, object)| other != name && object.uid == checked.uid);
    if is_duplicate {
        return Err(DavError::bad_request(
            "Calendar object with uid already exists in this calendar collection.",
        ));
    }
    Ok(())
}

/// What the database says about an object that is in the trash bin.
fn unique_constraint() -> DavError {
    DavError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "OC\\DB\\Exceptions\\DbalException",
        "An exception occurred while executing a query: SQLSTATE[23000]: Integrity constraint \
         violation: 19 UNIQUE constraint failed: oc_calendarobjects.calendarid, \
         oc_calendarobjects.calendartype, oc_calendarobjects.uid",
    )
}

/// Who has to be told: the attendees of an event that the caller organises.
fn invitation(request: &CalendarRequest<'_>, calendar: &Component) -> Option<Vec<String>> {
    let event = calendar.children.iter().find(|one| one.name == "VEVENT")?;
    let own = email(request.server, request.uid)?;
    let organizer = address(&event.line("ORGANIZER")?.value);
    let attendees: Vec<String> = event
        .all("ATTENDEE")
        .map(|line| address(&line.value))
        .filter(|one| *one != own)
        .collect();
    (organizer == own && !attendees.is_empty()).then_some(attendees)
}

/// The e-mail address of an account, in lower case.
pub(super) fn email(server: &Server, uid: &str) -> Option<String> {
    let account = server.store(|store| store.accounts.get(uid).cloned())?;
    (!account.email.is_empty()).then(|| account.email.to_lowercase())
}

/// The account with an address.
pub(super) fn account_of(server: &Server, address: &str) -> Option<Account> {
    server.store(|store| {
        let mut accounts = store.accounts.all();
        accounts
            .find(|one| !one.email.is_empty() && one.email.to_lowercase() == address)
            .cloned()
    })
}

/// An address without its scheme, in lower case.
pub(super) fn address(value: &str) -> String {
    let value = value.trim().to_lowercase();
    value.strip_prefix("mailto:").unwrap_or(&value).to_owned()
}

/// Notes at each attendee that no mail could be sent, as a server without one does.
fn with_schedule_status(text: &str) -> String {
    let unfolded = text.replace("\r\n ", "").replace("\r\n\t", "");
    let lines = unfolded.split_inclusive('\n').map(|line| {
        let is_attendee = line.starts_with("ATTENDEE");
        match line.to_lowercase().find(":mailto:") {
            Some(colon) if is_attendee && !line.contains("SCHEDULE-STATUS") => {
                let (head, value) = line.split_at_checked(colon).unwrap_or((line, ""));
                format!("{head};SCHEDULE-STATUS=5.0{value}")
            }
            Some(_) | None => line.to_owned(),
        }
    });
    lines.map(|line| folded(&line)).collect()
}

fn folded(line: &str) -> String {
    let (content, end) = line
        .strip_suffix("\r\n")
        .map_or((line, ""), |content| (content, "\r\n"));
    let mut folded = String::new();
    let mut length = 0;
    for character in content.chars() {
        if length + character.len_utf8() > 75 {
            folded.push_str("\r\n ");
            length = 1;
        }
        folded.push(character);
        length += character.len_utf8();
    }
    folded + end
}

/// Puts an invitation into the calendar of an attendee who has an account.
fn deliver(
    request: &CalendarRequest<'_>,
    attendee: &str,
    text: &str,
    checked: &Checked,
) -> Result<(), DavError> {
    let Some(account) = account_of(request.server, attendee) else {
        return Ok(());
    };
    let now = request.now();
    request.calendars(|all| {
        let id = all.next_id();
        let home = all.home(&account.uid);
        let holder = home.calendars.iter_mut().find_map(|calendar| {
            let name = calendar
                .objects
                .iter()
                .find(|(_, object)| object.uid == checked.uid)
                .map(|(name, _)| name.clone())?;
            Some((calendar.name.clone(), name))
        });
        let (calendar, name) =
            holder.unwrap_or_else(|| ("personal".to_owned(), format!("sabredav-{id}.ics")));
        if let Some(calendar) = home.get_mut(&calendar) {
            let object = Object {
                id,
                text: text.to_owned(),
                component: checked.component.clone(),
                uid: checked.uid.clone(),
                modified: now,
            };
            calendar.objects.insert(name.clone(), object);
            calendar.touch(&name);
        }
    })
}

fn delete(request: &CalendarRequest<'_>, calendar: &str, name: &str) -> Result<Response, DavError> {
    let now = request.now();
    let forever = header(&request.dav.headers, "x-nc-caldav-no-trashbin").is_some();
    request.calendars(|all| {
        let home = all.home(request.uid);
        let source = home
            .get_mut(calendar)
            .ok_or_else(|| no_calendar(calendar))?;
        if source.rights == Rights::Look {
            return Err(DavError::forbidden("Permission denied to delete node"));
        }
        if let Some(object) = source.objects.remove(name) {
            source.touch(name);
            if !forever {
                home.trash.push(Trashed {
                    calendar: calendar.to_owned(),
                    name: name.to_owned(),
                    object,
                    deleted_at: now,
                });
            }
        }
        Ok(())
    })??;
    Ok(done(StatusCode::NO_CONTENT))
}

/// Moves an object to another calendar of the caller; it stays the same object.
fn rename(request: &CalendarRequest<'_>, calendar: &str, name: &str) -> Result<Response, DavError> {
    let headers = &request.dav.headers;
    let destination = header(headers, "destination").unwrap_or_default();
    let place = destination
        .split_once(&format!("{MOUNT}/"))
        .and_then(|(_, below)| segments(&format!("/{below}")));
    let overwrite = header(headers, "overwrite") != Some("F");
    let place = place.unwrap_or_default();
    let (target, target_name) = match place.as_slice() {
        [calendars, owner, target, name] if calendars == "calendars" && owner == request.uid => {
            (target.clone(), name.clone())
        }
        _ => return Err(DavError::forbidden("Permission denied to create file")),
    };
    request.calendars(|all| {
        let home = all.home(request.uid);
        let source = home.get(calendar).ok_or_else(|| no_calendar(calendar))?;
        if source.rights == Rights::Look {
            return Err(DavError::forbidden("Permission denied to delete node"));
        }
        let object = source.objects.get(name).cloned();
        let object = object.ok_or_else(|| DavError::not_found("Calendar object not found"))?;
        let to = home
            .get(&target)
            .ok_or_else(|| DavError::conflict("The destination node is not found"))?;
        if to.objects.contains_key(&target_name) && !overwrite {
            return Err(DavError::precondition_failed(
                "The destination node already exists, and the overwrite header is set to false",
                "Overwrite",
            ));
        }
        let checked = Checked {
            component: object.component.clone(),
            uid: object.uid.clone(),
        };
        if target != calendar {
            check_place(to, &target_name, &checked)?;
        }
        for (calendar, name) in [(calendar, name), (target.as_str(), target_name.as_str())] {
            if let Some(calendar) = home.get_mut(calendar) {
                calendar.objects.remove(name);
                calendar.touch(name);
            }
        }
        if let Some(to) = home.get_mut(&target) {
            to.objects.insert(target_name.clone(), object);
        }
        Ok(())
    })??;
    Ok(done(StatusCode::CREATED))
}

fn tag(response: &mut Response, etag: &str) {
    for name in ["etag", "oc-etag"] {
        let value = header_value(&quoted(etag));
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
}

/// The answer with an object; those of the trash bin have no time.
pub(super) fn content(name: &str, object: &Object, is_dated: bool) -> Response {
    let kind = format!(
        "text/calendar; charset=utf-8; component={}",
        object.component.to_lowercase()
    );
    let disposition = format!(
        "attachment; filename*=UTF-8''{}; filename=\"{}\"",
        encode_segment(name),
        name.replace('"', "")
    );
    let mut response = (StatusCode::OK, object.text.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert("content-type", header_value(&kind));
    headers.insert("content-disposition", header_value(&disposition));
    if is_dated {
        headers.insert("last-modified", header_value(&http_date(object.modified)));
    }
    tag(&mut response, &object.etag());
    response
}

/// The `d:response` of an object.
pub(super) fn described(
    request: &CalendarRequest<'_>,
    wanted: &Wanted,
    calendar: &str,
    name: &str,
    object: &Object,
) -> Element {
    let all = [Name::new(DAV, "getetag"), Name::new(DAV, "resourcetype")];
    let href = request.href(&[calendar, name]);
    response(&href, wanted, &all, minimal(&request.dav.headers), |name| {
        property(object, name)
    })
}

/// A property of an object.
pub(super) fn property(object: &Object, name: &Name) -> Option<Element> {
    let element = || Element::named(name.clone());
    match (name.ns.as_str(), name.local.as_str()) {
        (DAV, "getetag") => Some(element().text(quoted(&object.etag()))),
        (DAV, "resourcetype") => Some(element()),
        (DAV, "getcontenttype") => Some(element().text(format!(
            "text/calendar; charset=utf-8; component={}",
            object.component.to_lowercase()
        ))),
        (DAV, "getlastmodified") => Some(element().text(http_date(object.modified))),
        (CALDAV, "calendar-data") => Some(element().text(&*object.text)),
        _ => None,
    }
}

/// Puts an object into a user's calendar, which is made if it is not there.
///
/// # Errors
/// When it is no calendar object.
pub(in super::super::super) fn arrange(
    server: &Server,
    uid: &str,
    calendar: &str,
    name: &str,
    text: &str,
) -> anyhow::Result<()> {
    let parsed = ical::parse(text).map_err(anyhow::Error::msg)?;
    let checked = ical::check(&parsed).map_err(anyhow::Error::msg)?;
    let now = server.clock().now();
    server.family(|all: &mut Calendars| {
        let id = all.next_id();
        let home = all.home(uid);
        if home.any(calendar).is_none() {
            let components = ["VEVENT", "VTODO", "VJOURNAL"];
            home.calendars
                .push(Calendar::new(calendar, calendar, &components));
        }
        if let Some(calendar) = home.any_mut(calendar) {
            let object = Object {
                id,
                text: text.to_owned(),
                component: checked.component,
                uid: checked.uid,
                modified: now,
            };
            calendar.objects.insert(name.to_owned(), object);
            calendar.touch(name);
        }
    });
    Ok(())
}

/// The objects of a user's calendar by name.
pub(in super::super::super) fn stored(
    server: &Server,
    uid: &str,
    calendar: &str,
) -> Vec<(String, String)> {
    let objects = server.family(|all: &mut Calendars| {
        let calendar = all.home(uid).get(calendar)?;
        let objects = calendar.objects.iter();
        Some(
            objects
                .map(|(name, it)| (name.clone(), it.text.clone()))
                .collect(),
        )
    });
    objects.flatten().unwrap_or_default()
}
