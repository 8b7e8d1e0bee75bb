//! `SEARCH` with `basicsearch` (RFC 5323), as the file search of Nextcloud understands it.
//!
//! Quirks kept: the arbiter is the DAV root alone, only XML content types are taken, a scope is a
//! literal path, a comparison with `oc:favorite` ignores the value, and without a limit at most
//! 100 results come back.

mod condition;

use std::cmp::Ordering;

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use self::condition::{Column, Condition, invalid};
use super::super::server::Server;
use super::super::text::{header, segments};
use super::super::tree::{Node, Tree};
use super::super::xml::{self, DAV, Element};
use super::error::DavError;
use super::files::{All, Asked, href, search_property};
use super::properties::{multistatus, names, response};
use super::{DavRequest, MOUNT};

/// Results when the query sets no limit.
const DEFAULT_LIMIT: usize = 100;

pub(super) fn serve(server: &Server, request: &DavRequest) -> Result<Response, DavError> {
    let xml_body = header(&request.headers, "content-type")
        .is_some_and(|kind| kind.contains("text/xml") || kind.contains("application/xml"));
    if !xml_body {
        return Err(DavError::not_implemented("SEARCH"));
    }
    let parsed = std::str::from_utf8(&request.body)
        .map_err(|error| error.to_string())
        .and_then(xml::parse);
    let document = match parsed {
        Ok(document) => document,
        Err(error) => return Ok(plain_refusal(&format!("Parse error: {error}"))),
    };
    let Some(search) = document.find(DAV, "basicsearch") else {
        return Ok(plain_refusal(
            "Unexpected document type, expected {DAV:}searchrequest with {DAV:}basicsearch",
        ));
    };
    let (Some(select), Some(condition)) = (
        search.find(DAV, "select"),
        search
            .find(DAV, "where")
            .and_then(|part| part.children.first()),
    ) else {
        return Ok(plain_refusal(
            "Parse error: Missing {DAV:}where from {DAV:}basicsearch",
        ));
    };
    let condition = Condition::parse(condition)?;
    let order = order(search)?;
    let limit = limit(search);
    let wanted = match select.find(DAV, "prop") {
        Some(prop) => Asked::Named(names(prop)),
        None => Asked::All,
    };
    let scope = scope(request, search)?;
    let responses = found(server, request, &scope, &condition, &order, limit, &wanted)?;
    let mut answer = multistatus(responses);
    answer.headers_mut().insert(
        "content-type",
        HeaderValue::from_static("application/xml; charset=\"utf-8\""),
    );
    Ok(answer)
}

fn found(
    server: &Server,
    request: &DavRequest,
    scope: &[String],
    condition: &Condition,
    order: &[Order],
    limit: Limit,
    wanted: &Asked,
) -> Result<Vec<Element>, DavError> {
    let uid = request.session.uid.as_str();
    server.store(|store| {
        let owner = store.accounts.get(uid).cloned();
        let free = store.free_space(uid);
        let (tree, _) = store.files(uid);
        let (Some(owner), true) = (owner, tree.get(scope).is_some_and(Node::is_folder)) else {
            return Err(DavError::not_found(&format!(
                "File with name /{} could not be located",
                scope.join("/")
            )));
        };
        // The folder that is searched is no result of its own search.
        let mut hits: Vec<(&Vec<String>, &Node)> = tree
            .subtree(scope)
            .skip(1)
            .filter(|(path, node)| condition.holds(tree, path, node))
            .collect();
        hits.sort_by(|left, right| compare(tree, order, *left, *right));
        let hits = hits.into_iter().skip(limit.skip).take(limit.take);
        Ok(hits
            .map(|(path, node)| {
                let all = All {
                    tree,
                    owner: &owner,
                    path,
                    node,
                    free,
                };
                let address = href(uid, false, path, node.is_folder());
                response(&address, wanted, &[], false, |name| {
                    search_property(&all, name)
                })
            })
            .collect())
    })
}

fn plain_refusal(message: &str) -> Response {
    (
        StatusCode::BAD_REQUEST,
        [("content-type", "text/html; charset=UTF-8")],
        message.to_owned(),
    )
        .into_response()
}

/// The path to search, below the caller's home.
fn scope(request: &DavRequest, search: &Element) -> Result<Vec<String>, DavError> {
    let address = search
        .find(DAV, "from")
        .and_then(|from| from.find(DAV, "scope"))
        .and_then(|scope| scope.find(DAV, "href"))
        .map(|href| href.text.trim())
        .ok_or_else(|| invalid("You need to specify a scope for the search."))?;
    let path = match address.strip_prefix(MOUNT) {
        // A full address is decoded; a path below the mount is taken as it stands.
        Some(below) => segments(below).unwrap_or_default(),
        None => address
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(str::to_owned)
            .collect(),
    };
    match path.as_slice() {
        [files, owner, rest @ ..] if files == "files" && *owner == request.session.uid => {
            Ok(rest.to_vec())
        }
        _ => Err(invalid("Search is only supported on directories")),
    }
}

#[derive(Clone, Copy)]
struct Limit {
    skip: usize,
    take: usize,
}

fn limit(search: &Element) -> Limit {
    let part = search.find(DAV, "limit");
    let number = |name: &str| {
        let children = part.into_iter().flat_map(|limit| &limit.children);
        children
            .filter(|child| child.name.local == name)
            .find_map(|child| child.text.trim().parse::<usize>().ok())
    };
    Limit {
        skip: number("firstresult").unwrap_or(0),
        take: number("nresults")
            .filter(|n| *n > 0)
            .unwrap_or(DEFAULT_LIMIT),
    }
}

struct Order {
    column: Column,
    descending: bool,
}

fn order(search: &Element) -> Result<Vec<Order>, DavError> {
    let orders = search
        .find(DAV, "orderby")
        .map(|part| part.children.as_slice());
    let mut parsed = Vec::new();
    for order in orders.unwrap_or_default() {
        let Some(property) = order
            .find(DAV, "prop")
            .and_then(|prop| prop.children.first())
        else {
            continue;
        };
        parsed.push(Order {
            column: Column::of(&property.name)?,
            descending: order.find(DAV, "descending").is_some(),
        });
    }
    Ok(parsed)
}

fn compare(
    tree: &Tree,
    orders: &[Order],
    left: (&Vec<String>, &Node),
    right: (&Vec<String>, &Node),
) -> Ordering {
    for order in orders {
        let result = order
            .column
            .value(tree, left.0, left.1)
            .cmp(&order.column.value(tree, right.0, right.1));
        if result != Ordering::Equal {
            return if order.descending {
                result.reverse()
            } else {
                result
            };
        }
    }
    // By id when the query leaves it open.
    left.1.id.cmp(&right.1.id)
}
