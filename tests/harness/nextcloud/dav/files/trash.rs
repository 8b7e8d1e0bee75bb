//! `/remote.php/dav/trashbin/{uid}/`: `trash/` with what was deleted, `restore/` to move it to.
//!
//! Shows deleted folders as one thing: nobody here looks into them.

use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};

use super::super::super::account::Account;
use super::super::super::server::Server;
use super::super::super::text::{encode_segment, header, header_value, http_date};
use super::super::super::tree::{Node, Trashed};
use super::super::super::xml::{DAV, Element, NEXTCLOUD, Name, OWNCLOUD};
use super::super::error::DavError;
use super::super::properties::{
    Depth, Wanted, depth, minimal, options, propfind_answer, resource_type, response, wanted,
};
use super::super::{ALLOW, DavRequest, MOUNT};
use super::read::content_type;
use super::transfer::destination;
use super::write::{Tell, done, tell_node};
use super::{check_name, check_space};

pub(in super::super) fn serve(server: &Server, dav: &DavRequest) -> Result<Response, DavError> {
    let path: Vec<&str> = dav.path.iter().skip(1).map(String::as_str).collect();
    let [owner, path @ ..] = path.as_slice() else {
        return Err(DavError::forbidden(""));
    };
    if *owner != dav.session.uid {
        return Err(DavError::forbidden(""));
    }
    let bin = Bin { server, dav };
    match (dav.method.as_str(), path) {
        ("OPTIONS", _) => Ok(options(dav, ALLOW)),
        ("PROPFIND", [] | ["trash" | "restore"]) => bin.list(path.first().copied()),
        ("DELETE", ["trash"]) => Ok(bin.empty()),
        ("PROPFIND", ["trash", key]) => bin.describe(key),
        ("GET" | "HEAD", ["trash", key]) => bin.read(key),
        ("DELETE", ["trash", key]) => bin.purge(key),
        ("MOVE", ["trash", key]) => bin.take_out(key),
        ("PUT", ["trash", _]) => Err(DavError::forbidden(
            "Not allowed to create files in the trashbin",
        )),
        (_, ["trash" | "restore"]) => Err(DavError::forbidden("")),
        _ => Err(DavError::not_found("")),
    }
}

/// A request to one's own trash bin.
struct Bin<'a> {
    server: &'a Server,
    dav: &'a DavRequest,
}

impl Bin<'_> {
    fn uid(&self) -> &str {
        &self.dav.session.uid
    }

    fn href(&self, below: &str) -> String {
        format!("{MOUNT}/trashbin/{}/{below}", encode_segment(self.uid()))
    }

    /// The home of the bin, or one of the two folders in it.
    fn list(&self, folder: Option<&str>) -> Result<Response, DavError> {
        let wanted = wanted(&self.dav.body)?;
        let deep = depth(&self.dav.headers) != Depth::Zero;
        let own = folder.map_or_else(String::new, |folder| format!("{folder}/"));
        let mut responses = vec![self.folder(&wanted, &own)];
        match folder {
            None if deep => {
                responses.extend(["restore/", "trash/"].map(|below| self.folder(&wanted, below)));
            }
            Some("trash") if deep => responses.extend(self.things(&wanted)),
            Some(_) | None => {}
        }
        Ok(propfind_answer(self.dav, responses))
    }

    fn folder(&self, wanted: &Wanted, below: &str) -> Element {
        let all = [Name::new(DAV, "resourcetype")];
        let minimal = minimal(&self.dav.headers);
        response(&self.href(below), wanted, &all, minimal, |name| {
            name.is(DAV, "resourcetype")
                .then(|| resource_type(&["collection"]))
        })
    }

    fn things(&self, wanted: &Wanted) -> Vec<Element> {
        self.server.store(|store| {
            let owner = store.accounts.get(self.uid()).cloned();
            let bin = store.files(self.uid()).0.bin().iter();
            bin.filter_map(|one| Some(self.thing(wanted, one, owner.as_ref()?)))
                .collect()
        })
    }

    fn thing(&self, wanted: &Wanted, one: &Trashed, owner: &Account) -> Element {
        let slash = if one.node().is_some_and(Node::is_folder) {
            "/"
        } else {
            ""
        };
        let href = self.href(&format!("trash/{}{slash}", encode_segment(&one.key)));
        let all = [
            "getlastmodified",
            "getcontentlength",
            "resourcetype",
            "getetag",
        ];
        let all = all.map(|local| Name::new(DAV, local));
        let minimal = minimal(&self.dav.headers);
        response(&href, wanted, &all, minimal, |name| {
            property(one, owner, name)
        })
    }

    fn describe(&self, key: &str) -> Result<Response, DavError> {
        let wanted = wanted(&self.dav.body)?;
        let (one, owner) = self.server.store(|store| {
            let owner = store.accounts.get(self.uid()).cloned();
            let one = store.files(self.uid()).0.trashed(key).cloned();
            one.zip(owner).ok_or_else(|| DavError::not_found(""))
        })?;
        Ok(propfind_answer(
            self.dav,
            vec![self.thing(&wanted, &one, &owner)],
        ))
    }

    fn read(&self, key: &str) -> Result<Response, DavError> {
        let one = self
            .server
            .store(|store| store.files(self.uid()).0.trashed(key).cloned())
            .ok_or_else(|| DavError::not_found(""))?;
        let content = one
            .node()
            .and_then(Node::content)
            .cloned()
            .unwrap_or_default();
        let mut answer = (StatusCode::OK, content).into_response();
        for (header, value) in [
            ("content-type", content_type(one.name())),
            // Without quotes, as there.
            ("etag", one.deleted_at.to_string()),
            ("oc-etag", one.deleted_at.to_string()),
            (
                "content-disposition",
                format!("attachment; filename=\"{}\"", encode_segment(one.name())),
            ),
        ] {
            let header = HeaderName::from_static(header);
            answer.headers_mut().insert(header, header_value(&value));
        }
        Ok(answer)
    }

    fn empty(&self) -> Response {
        self.server
            .store(|store| store.files(self.uid()).0.empty_bin());
        done(StatusCode::NO_CONTENT)
    }

    fn purge(&self, key: &str) -> Result<Response, DavError> {
        self.server
            .store(|store| store.files(self.uid()).0.purge(key))
            .ok_or_else(|| DavError::not_found(""))?;
        Ok(done(StatusCode::NO_CONTENT))
    }

    /// To `restore/`, whatever the name there, it goes back to where it was; into the files, there.
    fn take_out(&self, key: &str) -> Result<Response, DavError> {
        let address = header(&self.dav.headers, "destination").unwrap_or_default();
        let restores = address.contains(&self.href("restore/"));
        let named = if restores {
            None
        } else {
            Some(destination(self.dav)?)
        };
        let now = self.server.clock().now();
        let node = self.server.store(|store| {
            let (tree, _) = store.files(self.uid());
            let one = tree
                .trashed(key)
                .cloned()
                .ok_or_else(|| DavError::not_found(""))?;
            let to = named.unwrap_or_else(|| tree.place_for(&one));
            check_name(&to)?;
            if tree.get(&to).is_some() {
                return Err(DavError::forbidden(""));
            }
            if tree.first_missing(&to).is_some_and(|missing| missing != to) {
                return Err(DavError::conflict("The destination node is not found"));
            }
            check_space(store, self.uid(), &to, one.size(), 0)?;
            let (tree, ids) = store.files(self.uid());
            tree.purge(key);
            tree.bring_back(one, &to, now, ids);
            tree.get(&to)
                .cloned()
                .ok_or_else(|| DavError::not_found(""))
        })?;
        let mut answer = done(StatusCode::CREATED);
        if !restores {
            tell_node(&mut answer, &node, Tell::IdAndTag);
        }
        Ok(answer)
    }
}

fn property(one: &Trashed, owner: &Account, name: &Name) -> Option<Element> {
    let node = one.node()?;
    let text = match (name.ns.as_str(), name.local.as_str()) {
        (DAV, "resourcetype") => {
            return Some(resource_type(if node.is_folder() {
                &["collection"]
            } else {
                &[]
            }));
        }
        (DAV, "getlastmodified") => http_date(one.deleted_at),
        (DAV, "getcontentlength") | (OWNCLOUD, "size") => one.size().to_string(),
        (OWNCLOUD, "fileid") => node.id.to_string(),
        (NEXTCLOUD, "trashbin-filename") => one.name().to_owned(),
        (NEXTCLOUD, "trashbin-original-location") => one.original.join("/"),
        (DAV, "getetag") | (NEXTCLOUD, "trashbin-deletion-time") => one.deleted_at.to_string(),
        (NEXTCLOUD, "trashbin-deleted-by-id") => owner.uid.clone(),
        (NEXTCLOUD, "trashbin-deleted-by-display-name") => owner.display_name.clone(),
        _ => return None,
    };
    Some(Element::named(name.clone()).text(text))
}
