//! `/remote.php/dav/addressbooks/users/{uid}/`: address books and their cards (RFC 6352).
//!
//! Only one's own address books exist, the read-only one with all accounts and the empty one with
//! people recently written to among them; those of others are not found. What no client here uses
//! is not there: changing properties, sharing, `sync-collection`.

mod cards;
mod home;
mod model;
mod reports;
mod vcard;

use axum::response::Response;

pub(in super::super) use self::cards::{arrange, stored};
use self::model::AddressBooks;
use super::super::server::Server;
use super::super::text::encode_segment;
use super::conditions::{self, Current};
use super::error::DavError;
use super::properties::options;
use super::{ALLOW, DavRequest, MOUNT};

const CARDDAV: &str = "urn:ietf:params:xml:ns:carddav";
const CALENDARSERVER: &str = "http://calendarserver.org/ns/";

/// The `DAV` header below `/remote.php/dav/addressbooks/`.
pub(super) const CLASSES: &str = "1, 3, extended-mkcol, access-control, \
    calendarserver-principal-property-search, oc-resource-sharing, addressbook, nc-paginate, \
    nextcloud-checksum-update, nc-calendar-search, nc-enable-birthday-calendar";

/// A request to one's own address books.
struct BookRequest<'a> {
    server: &'a Server,
    dav: &'a DavRequest,
    uid: &'a str,
}

impl BookRequest<'_> {
    /// Works on the address books of all users.
    fn books<R>(&self, work: impl FnOnce(&mut AddressBooks) -> R) -> Result<R, DavError> {
        // The family's data is there from its first use on.
        let missing = || DavError::not_found("Address books");
        self.server.family(work).ok_or_else(missing)
    }

    /// The address of something in the caller's address books.
    fn href(&self, segments: &[&str]) -> String {
        let mut href = format!("{MOUNT}/addressbooks/users/{}", encode_segment(self.uid));
        for segment in segments {
            href.push('/');
            href.push_str(&encode_segment(segment));
        }
        href
    }
}

pub(super) fn serve(server: &Server, dav: &DavRequest) -> Result<Response, DavError> {
    let uid = dav.session.uid.as_str();
    let request = BookRequest { server, dav, uid };
    let path: Vec<&str> = dav.path.iter().skip(1).map(String::as_str).collect();
    let method = dav.method.as_str();
    if method == "OPTIONS" {
        return Ok(options(dav, ALLOW));
    }
    match path.as_slice() {
        [] | ["users"] => home::above(&request),
        ["users", owner, rest @ ..] if *owner == uid => match rest {
            [] => home::serve(&request),
            [book] if method == "REPORT" => reports::serve(&request, book),
            [book] => home::book(&request, book),
            [book, card] => cards::serve(&request, book, card),
            [_, card, ..] => Err(not_found(card)),
        },
        ["users", owner, ..] => Err(not_found(owner)),
        [other, ..] => Err(not_found(other)),
    }
}

fn not_found(name: &str) -> DavError {
    DavError::not_found(&format!("Node with name '{name}' could not be found"))
}

fn no_book(name: &str) -> DavError {
    DavError::not_found(&format!(
        "Addressbook with name '{name}' could not be found"
    ))
}

/// Checks the conditions of a request about one resource.
fn check(dav: &DavRequest, current: Option<&Current>) -> Result<Option<Response>, DavError> {
    conditions::check(&dav.method, &dav.headers, current, |_| {
        current.map(|current| current.etag.clone())
    })
}
