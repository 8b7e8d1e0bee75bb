//! `REPORT` on an address book: `addressbook-query` and `addressbook-multiget` (RFC 6352 §8).

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::super::super::text::segments;
use super::super::super::xml::{DAV, Element};
use super::super::MOUNT;
use super::super::error::DavError;
use super::super::properties::{Wanted, document, multistatus, names};
use super::cards::{self, Data, described};
use super::vcard::{Version, values};
use super::{BookRequest, CARDDAV, not_found};

pub(super) fn serve(request: &BookRequest<'_>, name: &str) -> Result<Response, DavError> {
    let query = document(&request.dav.body)?;
    let prop = query.find(DAV, "prop");
    let wanted = Wanted::Named(prop.map(names).unwrap_or_default());
    let data = data(prop.and_then(|prop| prop.find(CARDDAV, "address-data")));
    cards::refresh(request, name)?;
    let responses = request.books(|all| {
        let home = all.home(request.uid);
        let book = home.get(name).ok_or_else(|| not_found(name))?;
        let one = |card: &str, it| described(request, &wanted, name, card, it, Some(&data));
        match (query.name.ns.as_str(), query.name.local.as_str()) {
            (CARDDAV, "addressbook-query") => {
                let filter = query.find(CARDDAV, "filter");
                let found = book
                    .cards
                    .iter()
                    .filter(|(_, card)| holds(filter, &card.text));
                let responses = found.map(|(card, it)| one(card, it));
                Ok(match limit(&query) {
                    Some(limit) => responses.take(limit).collect(),
                    None => responses.collect::<Vec<_>>(),
                })
            }
            (CARDDAV, "addressbook-multiget") => {
                let hrefs = query.children.iter().filter(|one| one.name.is(DAV, "href"));
                let found = hrefs.filter_map(|href| {
                    let card = card_name(request, name, &href.text)?;
                    Some(one(&card, book.cards.get(&card)?))
                });
                Ok(found.collect())
            }
            _ => Err(DavError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Sabre\\DAV\\Exception\\ReportNotSupported",
                "",
            )),
        }
    })??;
    let mut answer = multistatus(responses);
    let vary = HeaderValue::from_static("Brief,Prefer");
    answer.headers_mut().insert("vary", vary);
    Ok(answer)
}

fn data(element: Option<&Element>) -> Data {
    let version = element.and_then(|element| element.attribute("version"));
    let properties = element.into_iter().flat_map(|element| &element.children);
    Data {
        version: if version == Some("4.0") {
            Version::Four
        } else {
            Version::Three
        },
        properties: properties
            .filter(|one| one.name.is(CARDDAV, "prop"))
            .filter_map(|one| one.attribute("name").map(str::to_owned))
            .collect(),
    }
}

fn limit(query: &Element) -> Option<usize> {
    let results = query.find(CARDDAV, "limit")?.find(CARDDAV, "nresults")?;
    results.text.trim().parse().ok()
}

fn card_name(request: &BookRequest<'_>, book: &str, href: &str) -> Option<String> {
    let (_, below) = href.split_once(MOUNT)?;
    match segments(below)?.as_slice() {
        [place, users, owner, name, card]
            if place == "addressbooks"
                && users == "users"
                && owner == request.uid
                && name == book =>
        {
            Some(card.clone())
        }
        _ => None,
    }
}

/// Several conditions, of which any has to hold unless `test` says all (RFC 6352 §10.5).
fn combined(element: &Element, mut conditions: impl Iterator<Item = bool>) -> bool {
    if element.attribute("test") == Some("allof") {
        conditions.all(|holds| holds)
    } else {
        conditions.any(|holds| holds)
    }
}

fn holds(filter: Option<&Element>, text: &str) -> bool {
    let Some(filter) = filter else {
        return true;
    };
    let properties: Vec<&Element> = filter
        .children
        .iter()
        .filter(|one| one.name.is(CARDDAV, "prop-filter"))
        .collect();
    properties.is_empty()
        || combined(
            filter,
            properties.into_iter().map(|one| property_holds(one, text)),
        )
}

fn property_holds(filter: &Element, text: &str) -> bool {
    let values = values(text, filter.attribute("name").unwrap_or_default());
    if filter.find(CARDDAV, "is-not-defined").is_some() {
        return values.is_empty();
    }
    let matchers: Vec<&Element> = filter
        .children
        .iter()
        .filter(|one| one.name.is(CARDDAV, "text-match"))
        .collect();
    if matchers.is_empty() {
        return !values.is_empty();
    }
    let conditions = matchers
        .into_iter()
        .map(|matcher| matches(matcher, &values));
    combined(filter, conditions)
}

fn matches(matcher: &Element, values: &[String]) -> bool {
    let is_exact = matcher.attribute("collation") == Some("i;octet");
    let fold = |text: &str| {
        if is_exact {
            text.to_owned()
        } else {
            text.to_lowercase()
        }
    };
    let wanted = fold(&matcher.text);
    let found =
        values
            .iter()
            .map(|value| fold(value))
            .any(|value| match matcher.attribute("match-type") {
                Some("equals") => value == wanted,
                Some("starts-with") => value.starts_with(&wanted),
                Some("ends-with") => value.ends_with(&wanted),
                Some(_) | None => value.contains(&wanted),
            });
    found != (matcher.attribute("negate-condition") == Some("yes"))
}
