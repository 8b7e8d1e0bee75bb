//! `PROPFIND` on files, and the value of every property of a node.

use axum::response::Response;

use super::super::super::account::Account;
use super::super::super::front::INSTANCE_ID;
use super::super::super::mime;
use super::super::super::text::http_date;
use super::super::super::tree::{Node, Tree};
use super::super::super::xml::{DAV, Element, NEXTCLOUD, Name, OWNCLOUD};
use super::super::conditions::quoted;
use super::super::error::DavError;
use super::super::principals;
use super::super::properties::{
    Depth, depth, href_property, minimal, propfind_answer, resource_type, response, wanted,
};
use super::{FilesRequest, missing};

pub(in super::super) use super::super::properties::Wanted as Asked;

/// A node with what its properties are made of.
pub(in super::super) struct All<'a> {
    pub(in super::super) tree: &'a Tree,
    pub(in super::super) owner: &'a Account,
    pub(in super::super) path: &'a [String],
    pub(in super::super) node: &'a Node,
    /// Bytes left; `None` is unlimited.
    pub(in super::super) free: Option<u64>,
}

pub(super) fn propfind(request: &FilesRequest<'_>) -> Result<Response, DavError> {
    let wanted = wanted(&request.dav.body)?;
    let depth = depth(&request.dav.headers);
    let minimal = minimal(&request.dav.headers);
    let responses = request.server.store(|store| {
        let free = store.free_space(request.uid);
        let owner = store.accounts.get(request.uid).cloned();
        let (tree, _) = store.files(request.uid);
        let (Some(node), Some(owner)) = (tree.get(request.path), owner) else {
            return Err(missing(tree, request.path));
        };
        let own = request.path.to_vec();
        let mut listed = vec![(&own, node)];
        match depth {
            Depth::Zero => {}
            Depth::One => listed.extend(tree.children(request.path)),
            Depth::Infinity => listed.extend(tree.subtree(request.path).skip(1)),
        }
        let responses = listed.into_iter().map(|(path, node)| {
            let all = All {
                tree,
                owner: &owner,
                path,
                node,
                free,
            };
            let href = request.href(path, node.is_folder());
            response(&href, &wanted, &unasked(), minimal, |name| {
                property(&all, name)
            })
        });
        Ok(responses.collect())
    })?;
    Ok(propfind_answer(request.dav, responses))
}

/// What `allprop` gives.
fn unasked() -> Vec<Name> {
    [
        "getlastmodified",
        "getcontentlength",
        "resourcetype",
        "quota-used-bytes",
        "quota-available-bytes",
        "getetag",
        "getcontenttype",
    ]
    .map(|local| Name::new(DAV, local))
    .to_vec()
}

/// A property as `SEARCH` and `REPORT` need it.
pub(in super::super) fn search_property(all: &All<'_>, name: &Name) -> Option<Element> {
    property(all, name)
}

pub(super) fn property(all: &All<'_>, name: &Name) -> Option<Element> {
    let node = all.node;
    let found = match name.ns.as_str() {
        DAV => dav_property(all, name),
        OWNCLOUD => owncloud_property(all, &name.local).map(|text| plain(name, text)),
        NEXTCLOUD => nextcloud_property(all, &name.local).map(|text| plain(name, text)),
        _ => None,
    };
    found.or_else(|| {
        let text = node.properties.get(name)?;
        Some(plain(name, text.clone()))
    })
}

fn plain(name: &Name, text: String) -> Element {
    Element::named(name.clone()).text(text)
}

fn dav_property(all: &All<'_>, name: &Name) -> Option<Element> {
    let node = all.node;
    let folder = node.is_folder();
    let text = match name.local.as_str() {
        "resourcetype" => {
            return Some(resource_type(if folder { &["collection"] } else { &[] }));
        }
        "current-user-principal" => {
            return Some(href_property(name, &principals::address(&all.owner.uid)));
        }
        "getlastmodified" => http_date(node.modified),
        "getetag" => quoted(&node.etag),
        "displayname" => file_name(all).to_owned(),
        "getcontentlength" => node.content()?.len().to_string(),
        "getcontenttype" if !folder => mime::of(file_name(all)).to_owned(),
        "quota-used-bytes" if folder => all.tree.size(all.path).to_string(),
        "quota-available-bytes" if folder => {
            all.free.map_or("-3".to_owned(), |free| free.to_string())
        }
        _ => return None,
    };
    Some(plain(name, text))
}

fn owncloud_property(all: &All<'_>, local: &str) -> Option<String> {
    let node = all.node;
    Some(match local {
        "fileid" => node.id.to_string(),
        "id" => public_id(node.id),
        "permissions" => permissions(all).to_owned(),
        "size" => all.tree.size(all.path).to_string(),
        "favorite" => u8::from(node.favorite).to_string(),
        "owner-id" => all.owner.uid.clone(),
        "owner-display-name" => all.owner.display_name.clone(),
        "share-types" | "tags" => String::new(),
        "comments-unread" => "0".to_owned(),
        "checksums" => return node.checksum.clone(),
        _ => return None,
    })
}

fn nextcloud_property(all: &All<'_>, local: &str) -> Option<String> {
    let node = all.node;
    let count = |folders: bool| {
        let children = all.tree.children(all.path);
        children
            .filter(|(_, child)| child.is_folder() == folders)
            .count()
            .to_string()
    };
    Some(match local {
        "has-preview" => {
            let kind = mime::of(file_name(all));
            let previewed = kind.starts_with("text/") || kind.starts_with("image/");
            (previewed && !node.is_folder()).to_string()
        }
        "mount-type" => String::new(),
        "creation_time" => "0".to_owned(),
        "upload_time" => node.created.to_string(),
        "is-encrypted" if node.is_folder() => "0".to_owned(),
        "contained-folder-count" if node.is_folder() => count(true),
        "contained-file-count" if node.is_folder() => count(false),
        _ => return None,
    })
}

/// The name people see; the home's is the user's id.
pub(in super::super) fn file_name<'a>(all: &'a All<'_>) -> &'a str {
    all.path.last().map_or(&all.owner.uid, |name| name)
}

/// The file id with the instance's name, as in `OC-FileId`.
pub(super) fn public_id(id: u64) -> String {
    format!("{id:08}{INSTANCE_ID}")
}

fn permissions(all: &All<'_>) -> &'static str {
    if all.path.is_empty() {
        "GDNVCK"
    } else if all.node.is_folder() {
        "RGDNVCK"
    } else {
        "RGDNVW"
    }
}
