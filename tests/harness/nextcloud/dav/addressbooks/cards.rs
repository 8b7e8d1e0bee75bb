//! Cards: `PUT`, `GET`, `DELETE`, `PROPFIND`.

use anyhow::Context as _;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};

use super::super::super::account::Account;
use super::super::super::server::Server;
use super::super::super::text::{encode_segment, header, header_value, http_date};
use super::super::super::xml::{DAV, Element, Name};
use super::super::conditions::{Current, quoted};
use super::super::error::DavError;
use super::super::properties::{Wanted, minimal, propfind_answer, resource_type, response, wanted};
use super::home::done;
use super::model::{AddressBooks, Book, Card, Rights, SYSTEM};
use super::vcard::{self, Version};
use super::{BookRequest, CARDDAV, check, no_book};

const KIND: &str = "text/vcard; charset=utf-8";

pub(super) fn serve(
    request: &BookRequest<'_>,
    book: &str,
    name: &str,
) -> Result<Response, DavError> {
    let method = request.dav.method.as_str();
    refresh(request, book)?;
    let current = request.books(|all| {
        let book = all
            .home(request.uid)
            .get(book)
            .ok_or_else(|| no_book(book))?;
        Ok(book.cards.get(name).cloned())
    })??;
    if current.is_none() && method != "PUT" {
        return Err(DavError::not_found("Card not found"));
    }
    let tag = current.as_ref().map(|card| Current {
        etag: card.etag(),
        modified: card.modified,
    });
    if let Some(answer) = check(request.dav, tag.as_ref())? {
        return Ok(answer);
    }
    match (method, current) {
        ("PUT", current) => put(request, book, name, current.is_some()),
        ("GET" | "HEAD", Some(card)) => Ok(content(request, name, &card)),
        ("DELETE", Some(_)) => delete(request, book, name),
        ("PROPFIND", Some(card)) => {
            let wanted = wanted(&request.dav.body)?;
            let one = described(request, &wanted, book, name, &card, None);
            Ok(propfind_answer(request.dav, vec![one]))
        }
        (other, _) => Err(DavError::not_implemented(other)),
    }
}

/// Brings the address book of all accounts up to date, when that is the one asked for.
pub(super) fn refresh(request: &BookRequest<'_>, book: &str) -> Result<(), DavError> {
    if book == SYSTEM {
        let accounts: Vec<Account> = request
            .server
            .store(|store| store.accounts.all().cloned().collect());
        request.books(|all| all.list_accounts(request.uid, &accounts))?;
    }
    Ok(())
}

/// A card that is to be stored, and whether that is what was sent.
fn read(text: &str, now: u64) -> Result<(Card, bool), String> {
    let uid = vcard::uid(text)?;
    let has_uid = uid.is_some();
    let uid = uid.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let text = if has_uid {
        text.to_owned()
    } else {
        // Sabre repairs it, and writes the whole card anew.
        let end = text.to_uppercase().rfind("END:VCARD").unwrap_or(text.len());
        let (head, tail) = text.split_at_checked(end).unwrap_or((text, ""));
        format!("{head}UID:{uid}\r\n{tail}")
    };
    let card = Card {
        text,
        uid,
        modified: now,
    };
    Ok((card, has_uid))
}

fn put(
    request: &BookRequest<'_>,
    book: &str,
    name: &str,
    exists: bool,
) -> Result<Response, DavError> {
    let refused = |reason: &str| {
        DavError::unsupported_media_type(&format!(
            "This resource only supports valid vCard or jCard data. Parse error: {reason}"
        ))
    };
    let text =
        std::str::from_utf8(&request.dav.body).map_err(|error| refused(&error.to_string()))?;
    let now = request.server.clock().now();
    let (card, is_as_sent) = read(text, now).map_err(|reason| refused(&reason))?;
    let etag = request.books(|all| {
        let book = all
            .home(request.uid)
            .get_mut(book)
            .ok_or_else(|| no_book(book))?;
        if book.rights != Rights::Own {
            return Err(DavError::forbidden(
                "User did not have the required privileges ({DAV:}bind) for path",
            ));
        }
        store(book, name, card)
    })??;
    let status = if exists {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::CREATED
    };
    let mut response = done(status);
    if is_as_sent {
        tag(&mut response, &etag);
    }
    Ok(response)
}

fn store(book: &mut Book, name: &str, card: Card) -> Result<String, DavError> {
    let mut others = book.cards.iter().filter(|(other, _)| *other != name);
    if others.any(|(_, other)| other.uid == card.uid) {
        return Err(DavError::bad_request(
            "VCard object with uid already exists in this addressbook collection.",
        ));
    }
    let etag = card.etag();
    book.cards.insert(name.to_owned(), card);
    book.touch();
    Ok(etag)
}

fn delete(request: &BookRequest<'_>, book: &str, name: &str) -> Result<Response, DavError> {
    request.books(|all| {
        let book = all
            .home(request.uid)
            .get_mut(book)
            .ok_or_else(|| no_book(book))?;
        if book.rights != Rights::Own {
            return Err(DavError::forbidden("Permission denied to delete node"));
        }
        book.cards.remove(name);
        book.touch();
        Ok(())
    })??;
    Ok(done(StatusCode::NO_CONTENT))
}

fn tag(response: &mut Response, etag: &str) {
    for name in ["etag", "oc-etag"] {
        let value = header_value(&quoted(etag));
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
}

fn content(request: &BookRequest<'_>, name: &str, card: &Card) -> Response {
    let accept = header(&request.dav.headers, "accept").unwrap_or_default();
    let version = if accept.contains("version=4.0") {
        Version::Four
    } else {
        Version::Three
    };
    let disposition = format!(
        "attachment; filename*=UTF-8''{}; filename=\"{}\"",
        encode_segment(name),
        name.replace('"', "")
    );
    let mut response = (StatusCode::OK, vcard::given(&card.text, version, &[])).into_response();
    let headers = response.headers_mut();
    headers.insert("content-type", header_value(KIND));
    headers.insert("content-disposition", header_value(&disposition));
    headers.insert("last-modified", header_value(&http_date(card.modified)));
    tag(&mut response, &card.etag());
    response
}

/// What a report wants of the text of a card.
pub(super) struct Data {
    pub(super) version: Version,
    pub(super) properties: Vec<String>,
}

/// The `d:response` of a card; without `data` its text is as it is stored.
pub(super) fn described(
    request: &BookRequest<'_>,
    wanted: &Wanted,
    book: &str,
    name: &str,
    card: &Card,
    data: Option<&Data>,
) -> Element {
    let all = [Name::new(DAV, "getetag"), Name::new(DAV, "resourcetype")];
    let href = request.href(&[book, name]);
    response(&href, wanted, &all, minimal(&request.dav.headers), |name| {
        let element = || Element::named(name.clone());
        Some(match (name.ns.as_str(), name.local.as_str()) {
            (DAV, "getetag") => element().text(quoted(&card.etag())),
            (DAV, "resourcetype") => resource_type(&[]),
            (DAV, "getcontenttype") => element().text(KIND),
            (DAV, "getcontentlength") => element().text(card.text.len().to_string()),
            (DAV, "getlastmodified") => element().text(http_date(card.modified)),
            (CARDDAV, "address-data") => element().text(match data {
                Some(data) => vcard::given(&card.text, data.version, &data.properties),
                None => card.text.clone(),
            }),
            _ => return None,
        })
    })
}

/// Puts a card into a user's address book, for tests.
///
/// # Errors
/// When the text is no card, or there is no such address book.
pub(in super::super::super) fn arrange(
    server: &Server,
    uid: &str,
    book: &str,
    name: &str,
    text: &str,
) -> anyhow::Result<()> {
    let (card, _) = read(text, server.clock().now()).map_err(anyhow::Error::msg)?;
    let stored = server.family(|all: &mut AddressBooks| {
        let book = all.home(uid).get_mut(book)?;
        Some(store(book, name, card).map(drop))
    });
    let stored = stored.flatten().context("there is no such address book")?;
    stored.map_err(|error| anyhow::anyhow!("the card cannot be stored: {error:?}"))
}

/// The cards of a user's address book as they are stored, by name, for tests.
pub(in super::super::super) fn stored(
    server: &Server,
    uid: &str,
    book: &str,
) -> Vec<(String, String)> {
    let cards = server.family(|all: &mut AddressBooks| {
        let book = all.home(uid).get(book)?;
        let cards = book.cards.iter();
        Some(
            cards
                .map(|(name, card)| (name.clone(), card.text.clone()))
                .collect(),
        )
    });
    cards.flatten().unwrap_or_default()
}
