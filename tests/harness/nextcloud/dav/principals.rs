//! `/remote.php/dav/principals/`: users as resources, with name and e-mail address.
//!
//! Any user may read any other's principal, as on the real server.

use axum::response::Response;

use super::super::account::Account;
use super::super::server::Server;
use super::super::text::encode_segment;
use super::super::xml::{DAV, Element, Name, SABRE};
use super::error::DavError;
use super::properties::{
    Depth, Wanted, depth, href_element, href_property, minimal, multistatus, options,
    propfind_answer, propstat, resource_type, response, wanted,
};
use super::{ALLOW, DavRequest, MOUNT, root};

const CALDAV: &str = "urn:ietf:params:xml:ns:caldav";
const CARDDAV: &str = "urn:ietf:params:xml:ns:carddav";
const CALENDARSERVER: &str = "http://calendarserver.org/ns/";
/// Nextcloud's namespace for properties of principals; the files have another one.
const PERSON: &str = "http://nextcloud.com/ns";

/// The `DAV` header below `/remote.php/dav/principals/`.
pub(super) const CLASSES: &str = "1, 3, extended-mkcol, access-control, \
    calendarserver-principal-property-search, oc-resource-sharing, calendar-access, \
    calendar-proxy, calendar-auto-schedule, calendar-availability, nc-calendar-trashbin, \
    nc-calendar-webcal-cache, calendarserver-subscribed, oc-calendar-publishing, \
    calendarserver-sharing, addressbook, nc-paginate, nextcloud-checksum-update, \
    nc-calendar-search, nc-enable-birthday-calendar";

/// The address of a user's principal.
pub(super) fn address(uid: &str) -> String {
    format!("{MOUNT}/principals/users/{}/", encode_segment(uid))
}

/// The address of a user's calendar home, or of something in it.
fn calendar_home(account: &Account, below: &str) -> String {
    format!("{MOUNT}/calendars/{}/{below}", encode_segment(&account.uid))
}

pub(super) fn serve(server: &Server, request: &DavRequest) -> Result<Response, DavError> {
    match request.method.as_str() {
        "OPTIONS" => Ok(options(request, ALLOW)),
        "PROPFIND" => propfind(server, request),
        "REPORT" => root::report(server, request),
        "PUT" | "MKCOL" | "DELETE" | "MOVE" | "COPY" | "PROPPATCH" => {
            Err(DavError::forbidden("Permission denied"))
        }
        other => Err(DavError::not_implemented(other)),
    }
}

fn propfind(server: &Server, request: &DavRequest) -> Result<Response, DavError> {
    let wanted = wanted(&request.body)?;
    let deep = depth(&request.headers) != Depth::Zero;
    let below: Vec<&str> = request.path.iter().skip(1).map(String::as_str).collect();
    let place = |address: &str| root::collection(request, &wanted, address);
    let accounts =
        || -> Vec<Account> { server.store(|store| store.accounts.all().cloned().collect()) };
    let responses = match below.as_slice() {
        [] if deep => vec![
            place(&format!("{MOUNT}/principals/")),
            place(&format!("{MOUNT}/principals/users/")),
        ],
        [] => vec![place(&format!("{MOUNT}/principals/"))],
        ["users"] => {
            let mut responses = vec![place(&format!("{MOUNT}/principals/users/"))];
            if deep {
                let members = accounts();
                responses.extend(members.iter().map(|one| principal(request, &wanted, one)));
            }
            responses
        }
        ["users", uid] => {
            let account = server
                .store(|store| store.accounts.get(uid).cloned())
                .ok_or_else(|| {
                    DavError::not_found(&format!("Principal with name {uid} not found"))
                })?;
            vec![principal(request, &wanted, &account)]
        }
        [other, ..] => {
            return Err(DavError::not_found(&format!(
                "File not found: {other} in 'principals'"
            )));
        }
    };
    Ok(propfind_answer(request, responses))
}

fn principal(request: &DavRequest, wanted: &Wanted, account: &Account) -> Element {
    let all = [
        Name::new(DAV, "resourcetype"),
        Name::new(DAV, "displayname"),
    ];
    response(
        &address(&account.uid),
        wanted,
        &all,
        minimal(&request.headers),
        |name| property(request, account, name),
    )
}

fn property(request: &DavRequest, account: &Account, name: &Name) -> Option<Element> {
    let element = || Element::named(name.clone());
    match (name.ns.as_str(), name.local.as_str()) {
        (DAV, "resourcetype") => Some(resource_type(&["principal"])),
        (DAV, "displayname") => Some(element().text(&account.display_name)),
        (SABRE, "email-address") => Some(element().text(&account.email)),
        (DAV, "current-user-principal") => {
            Some(href_property(name, &address(&request.session.uid)))
        }
        (DAV, "principal-URL") => Some(href_property(name, &address(&account.uid))),
        (DAV, "alternate-URI-set") => {
            Some(href_property(name, &format!("mailto:{}", account.email)))
        }
        (CALDAV, "calendar-home-set") => Some(href_property(name, &calendar_home(account, ""))),
        (CALDAV, "schedule-inbox-URL") => {
            Some(href_property(name, &calendar_home(account, "inbox/")))
        }
        (CALDAV, "schedule-outbox-URL") => {
            Some(href_property(name, &calendar_home(account, "outbox/")))
        }
        (CALDAV, "calendar-user-type") => Some(element().text("INDIVIDUAL")),
        (CALDAV, "calendar-user-address-set") => {
            let email = (!account.email.is_empty()).then(|| format!("mailto:{}", account.email));
            let addresses = email.into_iter().chain([address(&account.uid)]);
            Some(element().with_children(addresses.map(|one| href_element(&one))))
        }
        (CALENDARSERVER, "email-address-set") => {
            let email = Element::new(CALENDARSERVER, "email-address").text(&account.email);
            Some(element().with_children((!account.email.is_empty()).then_some(email)))
        }
        (CARDDAV, "addressbook-home-set") => {
            let home = format!(
                "{MOUNT}/addressbooks/users/{}/",
                encode_segment(&account.uid)
            );
            Some(href_property(name, &home))
        }
        (PERSON, "language") => Some(element().text("en")),
        (DAV, "group-membership") => {
            let groups = account
                .groups
                .iter()
                .map(|group| format!("{MOUNT}/principals/groups/{}/", encode_segment(group)));
            Some(element().with_children(groups.map(|href| href_element(&href))))
        }
        _ => None,
    }
}

/// Answers `expand-property` for `current-user-principal`; other properties are 404.
pub(super) fn expanded(
    server: &Server,
    request: &DavRequest,
    query: &Element,
    asked: &str,
) -> Response {
    let caller = server.store(|store| store.accounts.get(&request.session.uid).cloned());
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for property in property_elements(query) {
        let name = property_name(property);
        match (&caller, name.is(DAV, "current-user-principal")) {
            (Some(account), true) => {
                let inner: Vec<Name> = property_elements(property).map(property_name).collect();
                let principal = principal(request, &Wanted::Named(inner), account);
                found.push(Element::named(name).child(principal));
            }
            (Some(_), false) | (None, _) => missing.push(Element::named(name)),
        }
    }
    let mut answer = Element::new(DAV, "response").child(href_element(asked));
    if !found.is_empty() {
        answer = answer.child(propstat(found, "HTTP/1.1 200 OK"));
    }
    if !missing.is_empty() {
        answer = answer.child(propstat(missing, "HTTP/1.1 404 Not Found"));
    }
    multistatus(vec![answer])
}

fn property_elements(parent: &Element) -> impl Iterator<Item = &Element> {
    let children = parent.children.iter();
    children.filter(|child| child.name.is(DAV, "property"))
}

fn property_name(property: &Element) -> Name {
    Name::new(
        property.attribute("namespace").unwrap_or(DAV),
        property.attribute("name").unwrap_or_default(),
    )
}
