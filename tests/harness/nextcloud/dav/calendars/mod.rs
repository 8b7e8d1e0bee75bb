//! `/remote.php/dav/calendars/{uid}/`: calendars, their trash bin, scheduling (RFC 4791, 6638).
//!
//! Only one's own calendars exist; those of others are not found. An event with attendees appears
//! in the calendars of those that have an account. Cancelling is not sent on, and there is no
//! inbox to read: the gateway uses neither.

mod home;
mod ical;
mod model;
mod objects;
mod outbox;
mod privileges;
mod reports;
mod trash;

use axum::http::{HeaderValue, Method};
use axum::response::Response;

pub(in super::super) use self::home::subscribe;
use self::model::Calendars;
pub(in super::super) use self::objects::{arrange, stored};
use super::super::server::Server;
use super::super::text::encode_segment;
use super::super::xml::Element;
use super::conditions::{self, Current};
use super::error::DavError;
use super::properties::{multistatus, options};
use super::{ALLOW, DavRequest, MOUNT};

const CALDAV: &str = "urn:ietf:params:xml:ns:caldav";
const CALENDARSERVER: &str = "http://calendarserver.org/ns/";
const APPLE: &str = "http://apple.com/ns/ical/";
/// Nextcloud's namespace for calendars, another one than for files.
const NEXTCLOUD: &str = "http://nextcloud.com/ns";

/// The `DAV` header below `/remote.php/dav/calendars/`.
pub(super) const CLASSES: &str = "1, 3, extended-mkcol, access-control, \
    calendarserver-principal-property-search, oc-resource-sharing, calendar-access, \
    calendar-proxy, calendar-auto-schedule, calendar-availability, nc-calendar-trashbin, \
    nc-calendar-webcal-cache, calendarserver-subscribed, oc-calendar-publishing, \
    calendarserver-sharing, nc-paginate, nextcloud-checksum-update, nc-calendar-search, \
    nc-enable-birthday-calendar";

/// A request to one's own calendars.
struct CalendarRequest<'a> {
    server: &'a Server,
    dav: &'a DavRequest,
    uid: &'a str,
}

impl CalendarRequest<'_> {
    /// Works on the calendars of all users.
    fn calendars<R>(&self, work: impl FnOnce(&mut Calendars) -> R) -> Result<R, DavError> {
        // The family's data is there from its first use on.
        let missing = || DavError::not_found("Calendars");
        self.server.family(work).ok_or_else(missing)
    }

    fn now(&self) -> u64 {
        self.server.clock().now()
    }

    /// The address of something in the caller's calendars.
    fn href(&self, segments: &[&str]) -> String {
        let mut href = format!("{MOUNT}/calendars/{}", encode_segment(self.uid));
        for segment in segments {
            href.push('/');
            href.push_str(&encode_segment(segment));
        }
        href
    }
}

pub(super) fn serve(server: &Server, dav: &DavRequest) -> Result<Response, DavError> {
    let uid = dav.session.uid.as_str();
    let request = CalendarRequest { server, dav, uid };
    let path: Vec<&str> = dav.path.iter().skip(1).map(String::as_str).collect();
    let method = dav.method.as_str();
    if method == "OPTIONS" {
        return Ok(options(dav, ALLOW));
    }
    match path.as_slice() {
        [] => home::above(&request),
        [owner, rest @ ..] if *owner != uid => Err(foreign(method, owner, rest)),
        [_] => home::serve(&request),
        [_, "trashbin", rest @ ..] => trash::serve(&request, rest),
        [_, "outbox"] if method == "POST" => outbox::post(&request),
        [_, "inbox" | "outbox"] => home::place(&request, path.get(1).copied().unwrap_or_default()),
        [_, calendar] => match method {
            "REPORT" => reports::serve(&request, calendar),
            _ => home::calendar(&request, calendar),
        },
        [_, calendar, name] => objects::serve(&request, calendar, name),
        [_, _, _, name, ..] => Err(not_found(name)),
    }
}

/// What belongs to somebody else is not found, in words that depend on the method.
fn foreign(method: &str, owner: &str, rest: &[&str]) -> DavError {
    match (method, rest) {
        ("PUT" | "GET" | "HEAD" | "DELETE" | "PROPPATCH", [calendar, ..]) => no_calendar(calendar),
        ("POST", [place, ..]) => not_found(place),
        _ => not_found(owner),
    }
}

fn not_found(name: &str) -> DavError {
    DavError::not_found(&format!("Node with name '{name}' could not be found"))
}

fn no_calendar(name: &str) -> DavError {
    DavError::not_found(&format!("Calendar with name '{name}' could not be found"))
}

/// The 207 answer to what is no `PROPFIND`.
fn answered(responses: Vec<Element>) -> Response {
    let mut answer = multistatus(responses);
    let vary = HeaderValue::from_static("Brief,Prefer");
    answer.headers_mut().insert("vary", vary);
    answer
}

/// Checks the conditions of a request about one resource.
fn check(dav: &DavRequest, current: Option<&Current>) -> Result<Option<Response>, DavError> {
    let method: &Method = &dav.method;
    conditions::check(method, &dav.headers, current, |_| {
        current.map(|current| current.etag.clone())
    })
}
