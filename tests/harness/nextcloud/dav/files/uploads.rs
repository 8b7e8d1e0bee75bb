//! `/remote.php/dav/uploads/{uid}/{upload}/`: large files in parts, put together by moving `.file`.
//!
//! The caller's own uploads are meant, whatever the path says, as on the real server.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;

use super::super::super::server::Server;
use super::super::super::text::{digest, encode_segment, header, header_value, http_date};
use super::super::super::tree::Node;
use super::super::super::xml::{DAV, Element, Name};
use super::super::conditions::{self, quoted};
use super::super::error::DavError;
use super::super::properties::{
    Depth, Wanted, depth, minimal, options, propfind_answer, resource_type, response, wanted,
};
use super::super::{ALLOW, DavRequest, MOUNT};
use super::transfer::{check_destination, destination, overwrite};
use super::write::{Tell, done, tell_node};
use super::{Place, check_name, check_space, place_of};

/// What stands for the whole file.
const WHOLE: &str = ".file";

/// The unfinished uploads of all users, by user and name.
#[derive(Default)]
struct Uploads(BTreeMap<(String, String), Upload>);

/// An unfinished upload.
#[derive(Clone, Default)]
struct Upload {
    /// Unix seconds.
    begun: u64,
    parts: BTreeMap<String, Bytes>,
}

impl Upload {
    fn size(&self) -> usize {
        self.parts.values().map(Bytes::len).sum()
    }

    /// All parts one after the other: numbers by their value, then the rest.
    fn whole(&self) -> Bytes {
        let mut parts: Vec<_> = self.parts.iter().collect();
        parts.sort_by_key(|(name, _)| (name.parse::<u64>().unwrap_or(u64::MAX), *name));
        let contents = parts.into_iter().map(|(_, content)| content.as_ref());
        contents.collect::<Vec<&[u8]>>().concat().into()
    }
}

pub(in super::super) fn serve(server: &Server, dav: &DavRequest) -> Result<Response, DavError> {
    let path: Vec<&str> = dav.path.iter().skip(2).map(String::as_str).collect();
    let Some((name, part)) = path.split_first() else {
        return Err(DavError::forbidden("Permission denied to list uploads"));
    };
    let request = UploadRequest { server, dav, name };
    match (dav.method.as_str(), part) {
        ("OPTIONS", _) => Ok(options(dav, ALLOW)),
        ("MKCOL", []) => request.begin(),
        ("PROPFIND", []) => request.list(),
        ("DELETE", []) => request.give_up(),
        ("PUT", [part]) if *part != WHOLE => request.put(part),
        ("MOVE", [WHOLE]) => request.assemble(),
        (_, [part, ..]) => Err(request.missing_part(part)),
        (other, []) => Err(DavError::not_implemented(other)),
    }
}

/// A request to an upload of the caller.
struct UploadRequest<'a> {
    server: &'a Server,
    dav: &'a DavRequest,
    name: &'a str,
}

impl UploadRequest<'_> {
    fn key(&self) -> (String, String) {
        (self.dav.session.uid.clone(), self.name.to_owned())
    }

    fn missing(&self) -> DavError {
        let name = self.name;
        DavError::not_found(&format!("File with name //{name} could not be located"))
    }

    fn missing_part(&self, part: &str) -> DavError {
        let name = self.name;
        DavError::not_found(&format!(
            "File with name /{name}/{part} could not be located"
        ))
    }

    /// Works on the upload, which has to be there.
    fn upload<R>(&self, work: impl FnOnce(&mut Upload) -> R) -> Result<R, DavError> {
        let key = self.key();
        self.server
            .family(|all: &mut Uploads| all.0.get_mut(&key).map(work))
            .flatten()
            .ok_or_else(|| self.missing())
    }

    fn begin(&self) -> Result<Response, DavError> {
        let upload = Upload {
            begun: self.server.clock().now(),
            parts: BTreeMap::new(),
        };
        let key = self.key();
        let is_new = self.server.family(|all: &mut Uploads| {
            let is_new = !all.0.contains_key(&key);
            all.0.entry(key).or_insert(upload);
            is_new
        });
        if is_new != Some(true) {
            return Err(DavError::method_not_allowed(
                "The resource you tried to create already exists",
                ALLOW,
            ));
        }
        Ok(done(StatusCode::CREATED))
    }

    fn put(&self, part: &str) -> Result<Response, DavError> {
        let content = self.dav.body.clone();
        let replaced = self.upload(|upload| upload.parts.insert(part.to_owned(), content))?;
        Ok(done(match replaced {
            Some(_) => StatusCode::NO_CONTENT,
            None => StatusCode::CREATED,
        }))
    }

    fn give_up(&self) -> Result<Response, DavError> {
        let key = self.key();
        self.server
            .family(|all: &mut Uploads| all.0.remove(&key))
            .flatten()
            .ok_or_else(|| self.missing())?;
        Ok(done(StatusCode::NO_CONTENT))
    }

    fn list(&self) -> Result<Response, DavError> {
        let wanted = wanted(&self.dav.body)?;
        let upload = self.upload(|upload| upload.clone())?;
        let mut responses = vec![self.entry(&wanted, &upload, "", None)];
        if depth(&self.dav.headers) != Depth::Zero {
            responses.push(self.entry(&wanted, &upload, WHOLE, Some(upload.size())));
            for (name, content) in &upload.parts {
                responses.push(self.entry(&wanted, &upload, name, Some(content.len())));
            }
        }
        Ok(propfind_answer(self.dav, responses))
    }

    /// The upload itself (without a size), or something in it.
    fn entry(&self, wanted: &Wanted, upload: &Upload, name: &str, size: Option<usize>) -> Element {
        let owner = encode_segment(&self.dav.session.uid);
        let (own, below) = (encode_segment(self.name), encode_segment(name));
        let href = format!("{MOUNT}/uploads/{owner}/{own}/{below}");
        let all = [
            "getlastmodified",
            "getcontentlength",
            "resourcetype",
            "getetag",
            "getcontenttype",
        ];
        let all = all.map(|local| Name::new(DAV, local));
        response(&href, wanted, &all, minimal(&self.dav.headers), |asked| {
            let text = match (asked.ns.as_str(), asked.local.as_str(), size) {
                (DAV, "resourcetype", Some(_)) => return Some(resource_type(&[])),
                (DAV, "resourcetype", None) => return Some(resource_type(&["collection"])),
                (DAV, "getlastmodified", _) => http_date(upload.begun),
                (DAV, "getcontentlength", Some(size)) => size.to_string(),
                (DAV, "getetag", Some(size)) => {
                    quoted(&digest(format!("{name} {size}").as_bytes()))
                }
                (DAV, "getcontenttype", Some(_)) => "application/octet-stream".to_owned(),
                _ => return None,
            };
            Some(Element::named(asked.clone()).text(text))
        })
    }

    /// Puts the parts together at the destination, in one step.
    fn assemble(&self) -> Result<Response, DavError> {
        let (dav, uid) = (self.dav, self.dav.session.uid.as_str());
        let upload = self.upload(|upload| upload.clone())?;
        let etag_at = |address: &str| match place_of(dav, address) {
            Ok(Place::Own(path)) => self.server.store(|store| {
                let node = store.files(uid).0.get(&path)?;
                Some(node.etag.clone())
            }),
            Ok(Place::Foreign(_)) | Err(_) => None,
        };
        conditions::check(&dav.method, &dav.headers, None, |address| etag_at(address?))?;
        let (overwrite, to) = (overwrite(dav)?, destination(dav)?);
        let size = upload.size();
        if let Some(total) = header(&dav.headers, "oc-total-length")
            && total != size.to_string()
        {
            return Err(DavError::bad_request(&format!(
                "Chunks on server do not sum up to {total} but to {size} bytes"
            )));
        }
        let modified = header(&dav.headers, "x-oc-mtime").and_then(|time| time.parse::<u64>().ok());
        let now = self.server.clock().now();
        let (replaced, node) = self.server.store(|store| {
            let (tree, _) = store.files(uid);
            let replaced = check_destination(tree, &to, overwrite)?;
            check_name(&to)?;
            if tree.get(&to).is_some_and(Node::is_folder) {
                return Err(DavError::conflict("PUT is not allowed on non-files."));
            }
            if tree.locked_within(&to).is_some() {
                return Err(DavError::locked(&to));
            }
            let freed = tree.size(&to);
            check_space(store, uid, &to, size as u64, freed)?;
            let (tree, ids) = store.files(uid);
            tree.write(&to, upload.whole(), now, ids);
            let node = tree
                .get_mut(&to)
                .ok_or_else(|| DavError::conflict("The destination vanished"))?;
            node.modified = modified.unwrap_or(now);
            Ok((replaced, node.clone()))
        })?;
        self.give_up()?;
        let mut answer = done(if replaced {
            StatusCode::NO_CONTENT
        } else {
            StatusCode::CREATED
        });
        if modified.is_some() {
            let accepted = header_value("accepted");
            answer.headers_mut().insert("x-oc-mtime", accepted);
        }
        tell_node(&mut answer, &node, Tell::IdAndTag);
        Ok(answer)
    }
}
