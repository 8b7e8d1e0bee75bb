//! `REPORT` on files: `oc:filter-files` with the favourite rule.

use axum::response::Response;

use super::super::super::xml::{DAV, OWNCLOUD};
use super::super::error::DavError;
use super::super::properties::{Wanted, document, multistatus, names, response};
use super::properties::{All, property};
use super::{FilesRequest, missing};

pub(super) fn serve(request: &FilesRequest<'_>) -> Result<Response, DavError> {
    let query = document(&request.dav.body)?;
    if !query.name.is(OWNCLOUD, "filter-files") {
        return Err(DavError::unsupported_media_type(&format!(
            "The report {} is not supported",
            query.name.clark()
        )));
    }
    let favorites_only = query
        .find(OWNCLOUD, "filter-rules")
        .and_then(|rules| rules.find(OWNCLOUD, "favorite"))
        .is_some_and(|rule| rule.text.trim() == "1");
    if !favorites_only {
        return Err(DavError::bad_request(
            "Missing filter-rule block in request",
        ));
    }
    let wanted = Wanted::Named(query.find(DAV, "prop").map(names).unwrap_or_default());
    let responses = request.server.store(|store| {
        let owner = store.accounts.get(request.uid).cloned();
        let free = store.free_space(request.uid);
        let (tree, _) = store.files(request.uid);
        let (Some(owner), true) = (owner, tree.get(request.path).is_some()) else {
            return Err(missing(tree, request.path));
        };
        let favorites = tree.subtree(request.path).filter(|(_, node)| node.favorite);
        let responses = favorites.map(|(path, node)| {
            let all = All {
                tree,
                owner: &owner,
                path,
                node,
                free,
            };
            let href = request.href(path, node.is_folder());
            response(&href, &wanted, &[], false, |name| property(&all, name))
        });
        Ok(responses.collect())
    })?;
    Ok(multistatus(responses))
}
