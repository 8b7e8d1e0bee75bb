//! The calendar home and the calendars in it: listing, making, changing, deleting.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::super::server::Server;
use super::super::super::text::header;
use super::super::super::xml::{DAV, Element, Name};
use super::super::error::DavError;
use super::super::properties::{
    Depth, Wanted, depth, document, href_element, href_property, minimal, propfind_answer,
    propstat, resource_type, response, wanted,
};
use super::super::{ALLOW, MOUNT, principals, root};
use super::model::{Calendar, Rights};
use super::objects;
use super::privileges::{self, Of};
use super::{
    APPLE, CALDAV, CALENDARSERVER, CalendarRequest, NEXTCLOUD, answered, check, no_calendar,
    not_found,
};

/// The properties that a client may set and read back.
const SETTABLE: [(&str, &str); 6] = [
    (DAV, "displayname"),
    (CALDAV, "calendar-description"),
    (CALDAV, "calendar-timezone"),
    (CALDAV, "schedule-calendar-transp"),
    (APPLE, "calendar-color"),
    (APPLE, "calendar-order"),
];

/// `/remote.php/dav/calendars/` itself.
pub(super) fn above(request: &CalendarRequest<'_>) -> Result<Response, DavError> {
    if request.dav.method.as_str() != "PROPFIND" {
        return Err(DavError::forbidden("Permission denied"));
    }
    let wanted = wanted(&request.dav.body)?;
    let place = root::collection(request.dav, &wanted, &format!("{MOUNT}/calendars/"));
    Ok(propfind_answer(request.dav, vec![place]))
}

/// The home with its members.
pub(super) fn serve(request: &CalendarRequest<'_>) -> Result<Response, DavError> {
    match request.dav.method.as_str() {
        "PROPFIND" => {}
        "DELETE" => return Err(DavError::forbidden("Permission denied to delete node")),
        other => return Err(DavError::not_implemented(other)),
    }
    let wanted = wanted(&request.dav.body)?;
    let mut responses = vec![member(
        request,
        &wanted,
        &request.href(&[""]),
        &["collection"],
        None,
    )];
    if depth(&request.dav.headers) != Depth::Zero {
        let calendars = request.calendars(|all| {
            let calendars = all.home(request.uid).calendars.iter();
            calendars
                .map(|one| described(request, &wanted, one))
                .collect::<Vec<_>>()
        })?;
        responses.extend(calendars);
        responses.extend(["inbox", "outbox", "trashbin"].map(|name| {
            let href = request.href(&[name, ""]);
            member(request, &wanted, &href, &["collection"], Some(name))
        }));
    }
    Ok(propfind_answer(request.dav, responses))
}

/// `inbox` or `outbox`.
pub(super) fn place(request: &CalendarRequest<'_>, name: &str) -> Result<Response, DavError> {
    if request.dav.method.as_str() != "PROPFIND" {
        return Err(DavError::not_implemented(request.dav.method.as_str()));
    }
    let wanted = wanted(&request.dav.body)?;
    let href = request.href(&[name, ""]);
    let one = member(request, &wanted, &href, &["collection"], Some(name));
    Ok(propfind_answer(request.dav, vec![one]))
}

/// One calendar as a resource.
pub(super) fn calendar(request: &CalendarRequest<'_>, name: &str) -> Result<Response, DavError> {
    let dav = request.dav;
    if let Some(answer) = check(dav, None)? {
        return Ok(answer);
    }
    match dav.method.as_str() {
        "PROPFIND" => propfind(request, name),
        "PROPPATCH" => proppatch(request, name),
        "MKCALENDAR" | "MKCOL" => make(request, name),
        "DELETE" => delete(request, name),
        "MOVE" => super::trash::restore_calendar(request, name),
        "GET" | "HEAD" => Ok((
            StatusCode::OK,
            [("content-type", "text/html; charset=UTF-8")],
        )
            .into_response()),
        "PUT" => Err(DavError::conflict("PUT is not allowed on non-files.")),
        other => Err(DavError::not_implemented(other)),
    }
}

fn propfind(request: &CalendarRequest<'_>, name: &str) -> Result<Response, DavError> {
    let wanted = wanted(&request.dav.body)?;
    let responses = request.calendars(|all| {
        let calendar = all
            .home(request.uid)
            .any(name)
            .ok_or_else(|| not_found(name))?;
        let mut responses = vec![described(request, &wanted, calendar)];
        if depth(&request.dav.headers) != Depth::Zero {
            responses.extend(
                calendar
                    .objects
                    .iter()
                    .map(|(object, it)| objects::described(request, &wanted, name, object, it)),
            );
        }
        Ok(responses)
    })??;
    Ok(propfind_answer(request.dav, responses))
}

fn proppatch(request: &CalendarRequest<'_>, name: &str) -> Result<Response, DavError> {
    let update = document(&request.dav.body)?;
    let mut names = Vec::new();
    request.calendars(|all| {
        let home = all.home(request.uid);
        let calendar = home.get_mut(name).ok_or_else(|| no_calendar(name))?;
        for instruction in &update.children {
            let removes = instruction.name.is(DAV, "remove");
            let properties = instruction.find(DAV, "prop");
            for property in properties.iter().flat_map(|prop| &prop.children) {
                // Everything is answered with 200, protected and unknown properties too.
                names.push(property.name.clone());
                let known = SETTABLE
                    .iter()
                    .any(|(ns, local)| property.name.is(ns, local));
                if removes {
                    calendar.properties.remove(&property.name);
                } else if known || !property.name.is(DAV, "getetag") {
                    calendar
                        .properties
                        .insert(property.name.clone(), property.clone());
                }
            }
        }
        calendar.token += 1;
        Ok::<_, DavError>(())
    })??;
    let names = names.into_iter().map(Element::named).collect();
    let one = Element::new(DAV, "response")
        .child(href_element(&request.href(&[name])))
        .child(propstat(names, "HTTP/1.1 200 OK"));
    Ok(answered(vec![one]))
}

fn make(request: &CalendarRequest<'_>, name: &str) -> Result<Response, DavError> {
    let exists =
        || DavError::method_not_allowed("The resource you tried to create already exists", ALLOW);
    let body = &request.dav.body;
    let given = if body.is_empty() {
        Vec::new()
    } else {
        let prop = document(body)?;
        let prop = prop.find(DAV, "set").and_then(|set| set.find(DAV, "prop"));
        prop.map(|prop| prop.children.clone()).unwrap_or_default()
    };
    request.calendars(|all| {
        let home = all.home(request.uid);
        if home.any(name).is_some() || matches!(name, "inbox" | "outbox" | "trashbin") {
            return Err(exists());
        }
        let mut calendar = Calendar::new(name, name, &["VEVENT", "VTODO", "VJOURNAL"]);
        for property in given {
            if property.name.is(CALDAV, "supported-calendar-component-set") {
                let components = property.children.iter();
                calendar.components = components
                    .filter_map(|one| one.attribute("name").map(str::to_owned))
                    .collect();
            } else {
                calendar.properties.insert(property.name.clone(), property);
            }
        }
        home.calendars.push(calendar);
        Ok(())
    })??;
    Ok(done(StatusCode::CREATED))
}

fn delete(request: &CalendarRequest<'_>, name: &str) -> Result<Response, DavError> {
    let now = request.now();
    let forever = header(&request.dav.headers, "x-nc-caldav-no-trashbin").is_some();
    request.calendars(|all| {
        let home = all.home(request.uid);
        let calendar = home.any_mut(name).ok_or_else(|| not_found(name))?;
        if calendar.rights == Rights::Look {
            return Err(DavError::forbidden("Permission denied to delete node"));
        }
        if forever || calendar.deleted_at.is_some() || calendar.source.is_some() {
            home.calendars.retain(|one| one.name != name);
            home.trash.retain(|one| one.calendar != name);
        } else {
            calendar.deleted_at = Some(now);
        }
        Ok(())
    })??;
    Ok(done(StatusCode::NO_CONTENT))
}

/// An answer without content.
pub(super) fn done(status: StatusCode) -> Response {
    (status, [("content-type", "text/html; charset=UTF-8")]).into_response()
}

/// The `d:response` of a calendar.
fn described(request: &CalendarRequest<'_>, wanted: &Wanted, calendar: &Calendar) -> Element {
    let all = [
        Name::new(DAV, "resourcetype"),
        Name::new(DAV, "displayname"),
    ];
    let href = request.href(&[&calendar.name, ""]);
    response(&href, wanted, &all, minimal(&request.dav.headers), |name| {
        property(request, calendar, name)
    })
}

fn property(request: &CalendarRequest<'_>, calendar: &Calendar, name: &Name) -> Option<Element> {
    let element = || Element::named(name.clone());
    match (name.ns.as_str(), name.local.as_str()) {
        (DAV, "resourcetype") => {
            let marker = match (calendar.deleted_at, &calendar.source) {
                (Some(_), _) => Element::new(NEXTCLOUD, "deleted-calendar"),
                (None, Some(_)) => Element::new(CALENDARSERVER, "subscribed"),
                (None, None) => Element::new(CALDAV, "calendar"),
            };
            Some(resource_type(&["collection"]).child(marker))
        }
        (CALENDARSERVER, "getctag") | (DAV, "sync-token") if calendar.source.is_none() => {
            Some(element().text(calendar.sync_token()))
        }
        (CALENDARSERVER, "source") => {
            let source = calendar.source.as_deref()?;
            Some(href_property(name, source))
        }
        (NEXTCLOUD, "deleted-at") => {
            let time = i64::try_from(calendar.deleted_at?).ok()?;
            Some(element().text(super::trash::atom(time)))
        }
        (CALDAV, "supported-calendar-component-set") => {
            let components = calendar.components.iter().map(|one| {
                let mut component = Element::new(CALDAV, "comp");
                component.attributes.push(("name".to_owned(), one.clone()));
                component
            });
            Some(element().with_children(components))
        }
        (CALDAV, "schedule-calendar-transp") => {
            let set = calendar.properties.get(name).cloned();
            Some(set.unwrap_or_else(|| element().child(Element::new(CALDAV, "opaque"))))
        }
        (DAV, "owner") => Some(href_property(name, &principals::address(request.uid))),
        (DAV, "current-user-privilege-set") => {
            Some(privileges::set(name, Of::Calendar(calendar.rights)))
        }
        _ => calendar.properties.get(name).cloned(),
    }
}

/// A member of the home that is no calendar, or the home itself.
fn member(
    request: &CalendarRequest<'_>,
    wanted: &Wanted,
    href: &str,
    types: &[&str],
    name: Option<&str>,
) -> Element {
    let all = [Name::new(DAV, "resourcetype")];
    response(
        href,
        wanted,
        &all,
        minimal(&request.dav.headers),
        |property| match (property.ns.as_str(), property.local.as_str()) {
            (DAV, "resourcetype") => {
                let marker = match name {
                    Some("inbox") => Some(Element::new(CALDAV, "schedule-inbox")),
                    Some("outbox") => Some(Element::new(CALDAV, "schedule-outbox")),
                    Some("trashbin") => Some(Element::new(NEXTCLOUD, "trash-bin")),
                    Some(_) | None => None,
                };
                Some(resource_type(types).with_children(marker))
            }
            (DAV, "owner") => Some(href_property(property, &principals::address(request.uid))),
            (DAV, "current-user-privilege-set") => {
                Some(privileges::set(property, name.map_or(Of::Home, Of::Place)))
            }
            _ => None,
        },
    )
}

/// Subscribes a user to a calendar of another server.
pub(in super::super::super) fn subscribe(server: &Server, uid: &str, name: &str, source: &str) {
    server.family(|all: &mut super::Calendars| {
        let mut calendar = Calendar::new(name, name, &["VEVENT"]);
        calendar.source = Some(source.to_owned());
        all.home(uid).calendars.push(calendar);
    });
}
