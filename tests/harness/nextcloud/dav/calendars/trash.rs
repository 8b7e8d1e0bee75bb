//! The trash bin of the calendars: `trashbin/objects/{id}.ics`, restored by `MOVE`.

use axum::http::StatusCode;
use axum::response::Response;
use time::OffsetDateTime;
use time::macros::format_description;

use super::super::super::text::header;
use super::super::super::xml::{DAV, Element, Name};
use super::super::error::DavError;
use super::super::properties::{
    Depth, depth, document, minimal, propfind_answer, resource_type, response, wanted,
};
use super::home::done;
use super::model::Trashed;
use super::objects::{content, property};
use super::reports::{self, Filter};
use super::{CALDAV, CalendarRequest, NEXTCLOUD, answered, not_found};

/// How long things are kept, in seconds.
const RETENTION: u64 = 2_592_000;

pub(super) fn serve(request: &CalendarRequest<'_>, path: &[&str]) -> Result<Response, DavError> {
    let method = request.dav.method.as_str();
    match (method, path) {
        ("PROPFIND", []) => bin(request),
        ("PROPFIND", ["restore"]) => place(request, "restore"),
        // A defect of the real server.
        ("PROPFIND", ["objects"]) => Err(DavError::new(
            StatusCode::NOT_IMPLEMENTED,
            "Sabre\\DAV\\Exception\\NotImplemented",
            "",
        )),
        ("REPORT", ["objects"]) => report(request),
        (_, ["objects", name]) => object(request, name),
        (_, [name, ..]) => Err(not_found(name)),
        (other, []) => Err(DavError::not_implemented(other)),
    }
}

fn bin(request: &CalendarRequest<'_>) -> Result<Response, DavError> {
    let mut names = vec![None];
    if depth(&request.dav.headers) != Depth::Zero {
        names.extend([Some("restore"), Some("objects")]);
    }
    let responses: Result<Vec<Element>, DavError> = names
        .into_iter()
        .map(|name| described(request, name))
        .collect();
    Ok(propfind_answer(request.dav, responses?))
}

fn place(request: &CalendarRequest<'_>, name: &str) -> Result<Response, DavError> {
    let one = described(request, Some(name))?;
    Ok(propfind_answer(request.dav, vec![one]))
}

fn described(request: &CalendarRequest<'_>, name: Option<&str>) -> Result<Element, DavError> {
    let wanted = wanted(&request.dav.body)?;
    let href = match name {
        None => request.href(&["trashbin", ""]),
        Some(name) => request.href(&["trashbin", name, ""]),
    };
    let all = [Name::new(DAV, "resourcetype")];
    let lookup = |property: &Name| match (property.ns.as_str(), property.local.as_str()) {
        (DAV, "resourcetype") => Some(resource_type(&["collection"])),
        (NEXTCLOUD, "trash-bin-retention-duration") if name.is_none() => {
            Some(Element::named(property.clone()).text(RETENTION.to_string()))
        }
        _ => None,
    };
    Ok(response(
        &href,
        &wanted,
        &all,
        minimal(&request.dav.headers),
        lookup,
    ))
}

fn report(request: &CalendarRequest<'_>) -> Result<Response, DavError> {
    let query = document(&request.dav.body)?;
    if !query.name.is(CALDAV, "calendar-query") {
        return Err(DavError::not_implemented("REPORT"));
    }
    // It has to be well formed, but the real server returns everything.
    let _filter = Filter::read(&query)?;
    let wanted = reports::wanted(&query);
    let responses = request.calendars(|all| {
        let trash = all.home(request.uid).trash.iter();
        let responses = trash.map(|one| {
            let href = request.href(&["trashbin", "objects", &file_name(one)]);
            response(&href, &wanted, &[], minimal(&request.dav.headers), |name| {
                trashed_property(one, name)
            })
        });
        responses.collect()
    })?;
    Ok(answered(responses))
}

fn trashed_property(one: &Trashed, name: &Name) -> Option<Element> {
    let element = || Element::named(name.clone());
    match (name.ns.as_str(), name.local.as_str()) {
        (NEXTCLOUD, "deleted-at") => {
            let time = i64::try_from(one.deleted_at).ok()?;
            Some(element().text(atom(time)))
        }
        (NEXTCLOUD, "calendar-uri") => Some(element().text(&*one.calendar)),
        _ => property(&one.object, name),
    }
}

fn file_name(one: &Trashed) -> String {
    format!("{}.ics", one.object.id)
}

fn object(request: &CalendarRequest<'_>, name: &str) -> Result<Response, DavError> {
    let missing = || DavError::not_found("");
    match request.dav.method.as_str() {
        "GET" | "HEAD" => request.calendars(|all| {
            let mut trash = all.home(request.uid).trash.iter();
            let one = trash.find(|one| file_name(one) == name);
            one.map(|one| content(name, &one.object, false))
                .ok_or_else(missing)
        })?,
        "DELETE" => request.calendars(|all| {
            let trash = &mut all.home(request.uid).trash;
            let before = trash.len();
            trash.retain(|one| file_name(one) != name);
            if trash.len() == before {
                return Err(missing());
            }
            Ok(done(StatusCode::NO_CONTENT))
        })?,
        "MOVE" => restore(request, name),
        other => Err(DavError::not_implemented(other)),
    }
}

fn restore(request: &CalendarRequest<'_>, name: &str) -> Result<Response, DavError> {
    require_destination(request, "file")?;
    request.calendars(|all| {
        let home = all.home(request.uid);
        let position = home.trash.iter().position(|one| file_name(one) == name);
        // The real server still knows what was once in the bin.
        let position = position.ok_or_else(|| {
            DavError::bad_request(
                "The calendar object you're trying to restore is not marked as deleted",
            )
        })?;
        let one = home.trash.remove(position);
        if let Some(calendar) = home.any_mut(&one.calendar) {
            calendar.objects.insert(one.name.clone(), one.object);
            calendar.touch(&one.name);
        }
        Ok(done(StatusCode::CREATED))
    })?
}

/// `MOVE` of a calendar in the trash bin to `trashbin/restore/calendar`.
pub(super) fn restore_calendar(
    request: &CalendarRequest<'_>,
    name: &str,
) -> Result<Response, DavError> {
    require_destination(request, "calendar")?;
    request.calendars(|all| {
        let home = all.home(request.uid);
        let calendar = home.any_mut(name).ok_or_else(|| not_found(name))?;
        calendar.deleted_at = None;
        Ok(done(StatusCode::CREATED))
    })?
}

fn require_destination(request: &CalendarRequest<'_>, last: &str) -> Result<(), DavError> {
    let destination = header(&request.dav.headers, "destination").unwrap_or_default();
    if destination.ends_with(&request.href(&["trashbin", "restore", last])) {
        return Ok(());
    }
    Err(DavError::forbidden("Permission denied to create file"))
}

/// `20261201T100000Z`.
pub(super) fn stamp(unix: i64) -> String {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let time = OffsetDateTime::from_unix_timestamp(unix).ok();
    time.and_then(|time| time.format(format).ok())
        .unwrap_or_default()
}

/// `2026-12-01T10:00:00+00:00`, as PHP writes it.
pub(super) fn atom(unix: i64) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]+00:00");
    let time = OffsetDateTime::from_unix_timestamp(unix).ok();
    time.and_then(|time| time.format(format).ok())
        .unwrap_or_default()
}
