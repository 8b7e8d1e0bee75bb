//! The home of a user's address books and the address books in it: listing, making, deleting.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::super::xml::{DAV, Element, Name};
use super::super::error::DavError;
use super::super::properties::{
    Depth, Wanted, depth, document, href_property, minimal, propfind_answer, resource_type,
    response, wanted,
};
use super::super::{ALLOW, MOUNT, principals, root};
use super::model::{Book, RESERVED, Rights};
use super::{BookRequest, CALENDARSERVER, CARDDAV, cards, check, no_book, not_found};

/// `/remote.php/dav/addressbooks/` and `…/users/`.
pub(super) fn above(request: &BookRequest<'_>) -> Result<Response, DavError> {
    if request.dav.method.as_str() != "PROPFIND" {
        return Err(DavError::forbidden("Permission denied"));
    }
    let wanted = wanted(&request.dav.body)?;
    let address = format!("{MOUNT}/{}/", request.dav.path.join("/"));
    let place = root::collection(request.dav, &wanted, &address);
    Ok(propfind_answer(request.dav, vec![place]))
}

/// The home with its members.
pub(super) fn serve(request: &BookRequest<'_>) -> Result<Response, DavError> {
    match request.dav.method.as_str() {
        "PROPFIND" => {}
        "DELETE" => return Err(DavError::forbidden("Permission denied to delete node")),
        other => return Err(DavError::not_implemented(other)),
    }
    let wanted = wanted(&request.dav.body)?;
    let all = [Name::new(DAV, "resourcetype")];
    let minimal = minimal(&request.dav.headers);
    let mut responses = vec![response(
        &request.href(&[""]),
        &wanted,
        &all,
        minimal,
        |name| match (name.ns.as_str(), name.local.as_str()) {
            (DAV, "resourcetype") => Some(resource_type(&["collection"])),
            (DAV, "owner") => Some(href_property(name, &principals::address(request.uid))),
            (DAV, "current-user-privilege-set") => {
                let mut names = vec!["all"];
                names.extend(WRITE);
                Some(privileges(name, &names))
            }
            _ => None,
        },
    )];
    if depth(&request.dav.headers) != Depth::Zero {
        let members = request.books(|all| {
            let books = all.home(request.uid).books.iter();
            books
                .map(|book| described(request, &wanted, book))
                .collect::<Vec<_>>()
        })?;
        responses.extend(members);
    }
    Ok(propfind_answer(request.dav, responses))
}

/// One address book as a resource.
pub(super) fn book(request: &BookRequest<'_>, name: &str) -> Result<Response, DavError> {
    let dav = request.dav;
    if let Some(answer) = check(dav, None)? {
        return Ok(answer);
    }
    match dav.method.as_str() {
        "PROPFIND" => propfind(request, name),
        "MKCOL" => make(request, name),
        "DELETE" => delete(request, name),
        "GET" | "HEAD" => Ok(done(StatusCode::OK)),
        "PUT" => Err(DavError::conflict("PUT is not allowed on non-files.")),
        other => Err(DavError::not_implemented(other)),
    }
}

fn propfind(request: &BookRequest<'_>, name: &str) -> Result<Response, DavError> {
    let wanted = wanted(&request.dav.body)?;
    cards::refresh(request, name)?;
    let responses = request.books(|all| {
        let book = all
            .home(request.uid)
            .get(name)
            .ok_or_else(|| not_found(name))?;
        let mut responses = vec![described(request, &wanted, book)];
        if depth(&request.dav.headers) != Depth::Zero {
            let cards = book.cards.iter();
            responses.extend(
                cards.map(|(card, it)| cards::described(request, &wanted, name, card, it, None)),
            );
        }
        Ok(responses)
    })??;
    Ok(propfind_answer(request.dav, responses))
}

fn make(request: &BookRequest<'_>, name: &str) -> Result<Response, DavError> {
    let body = &request.dav.body;
    let given = if body.is_empty() {
        Vec::new()
    } else {
        let root = document(body)?;
        let prop = root.find(DAV, "set").and_then(|set| set.find(DAV, "prop"));
        prop.map(|prop| prop.children.clone()).unwrap_or_default()
    };
    let is_book = given
        .iter()
        .any(|one| one.name.is(DAV, "resourcetype") && one.find(CARDDAV, "addressbook").is_some());
    let text = |ns, local| {
        let property = given.iter().find(|one| one.name.is(ns, local));
        property.map(|one| one.text.clone())
    };
    request.books(|all| {
        let home = all.home(request.uid);
        if home.get(name).is_some() {
            return Err(DavError::method_not_allowed(
                "The resource you tried to create already exists",
                ALLOW,
            ));
        }
        if name.starts_with(RESERVED) {
            return Err(DavError::method_not_allowed(
                "The resource you tried to create has a reserved name",
                ALLOW,
            ));
        }
        if !is_book {
            return Err(DavError::new(
                StatusCode::FORBIDDEN,
                "Sabre\\DAV\\Exception\\InvalidResourceType",
                "Unknown resourceType for this collection",
            ));
        }
        let display_name = text(DAV, "displayname").unwrap_or_else(|| name.to_owned());
        let mut book = Book::new(name, &display_name);
        book.description = text(CARDDAV, "addressbook-description");
        home.add(book);
        Ok(())
    })??;
    Ok(done(StatusCode::CREATED))
}

fn delete(request: &BookRequest<'_>, name: &str) -> Result<Response, DavError> {
    request.books(|all| {
        let home = all.home(request.uid);
        let book = home.get(name).ok_or_else(|| no_book(name))?;
        if book.rights != Rights::Own {
            return Err(DavError::forbidden("Permission denied to delete node"));
        }
        home.books.retain(|book| book.name != name);
        Ok(())
    })??;
    Ok(done(StatusCode::NO_CONTENT))
}

/// An answer without content.
pub(super) fn done(status: StatusCode) -> Response {
    (status, [("content-type", "text/html; charset=UTF-8")]).into_response()
}

/// The `d:response` of an address book.
fn described(request: &BookRequest<'_>, wanted: &Wanted, book: &Book) -> Element {
    let all = [
        Name::new(DAV, "resourcetype"),
        Name::new(DAV, "displayname"),
    ];
    let href = request.href(&[&book.name, ""]);
    response(&href, wanted, &all, minimal(&request.dav.headers), |name| {
        property(request, book, name)
    })
}

fn property(request: &BookRequest<'_>, book: &Book, name: &Name) -> Option<Element> {
    let element = || Element::named(name.clone());
    match (name.ns.as_str(), name.local.as_str()) {
        (DAV, "resourcetype") => {
            let marker = Element::new(CARDDAV, "addressbook");
            Some(resource_type(&["collection"]).child(marker))
        }
        (DAV, "displayname") => Some(element().text(&book.display_name)),
        (CARDDAV, "addressbook-description") => Some(element().text(book.description.as_deref()?)),
        (CALENDARSERVER, "getctag") => Some(element().text(book.ctag())),
        (DAV, "sync-token") => Some(element().text(book.sync_token()?)),
        (DAV, "owner") => {
            let owner = match book.rights {
                Rights::Look => format!("{MOUNT}/principals/system/system/"),
                Rights::Own | Rights::Read => principals::address(request.uid),
            };
            Some(href_property(name, &owner))
        }
        (DAV, "current-user-privilege-set") => Some(match book.rights {
            Rights::Own => privileges(name, &WRITE),
            Rights::Look => privileges(name, &["write-properties"]),
            Rights::Read => privileges(name, &[]),
        }),
        _ => None,
    }
}

const WRITE: [&str; 7] = [
    "write-properties",
    "write",
    "write-content",
    "unlock",
    "bind",
    "unbind",
    "write-acl",
];

/// These privileges, and those that everybody has who sees an address book (RFC 3744 §5.4).
fn privileges(name: &Name, more: &[&str]) -> Element {
    let always = ["read", "read-acl", "read-current-user-privilege-set"];
    let privileges = more.iter().chain(&always);
    let wrap = |one: &&str| Element::new(DAV, "privilege").child(Element::new(DAV, one));
    Element::named(name.clone()).with_children(privileges.map(wrap))
}
