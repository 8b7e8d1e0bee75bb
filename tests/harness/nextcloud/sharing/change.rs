//! `PUT` and `DELETE` of one share.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde_json::json;

use super::super::gate::OcsRoute;
use super::super::parameters::Parameters;
use super::super::server::{Server, Shared};
use super::create::{expiry, granted, hash};
use super::model::{ALL, Share, Shares, WITH_USER};
use super::shapes;
use super::{Refusal, WRONG_ID};

/// The share with this id, if the user is one of its parties.
fn share_of(server: &Server, id: &str, uid: &str) -> Result<Share, Refusal> {
    let found = id.parse().ok().and_then(|id| {
        server
            .family(|shares: &mut Shares| shares.get(id).cloned())
            .flatten()
    });
    let share = found.ok_or(Refusal(404, WRONG_ID))?;
    let is_party = server.store(|store| {
        let file_is_there = store.files(&share.owner).0.by_id(share.file).is_some();
        let account = store.accounts.get(uid);
        file_is_there
            && (share.owner == uid || account.is_some_and(|account| share.reaches(account)))
    });
    if is_party {
        Ok(share)
    } else {
        Err(Refusal(404, WRONG_ID))
    }
}

pub(super) async fn update(
    State(server): State<Shared>,
    Path((_, id)): Path<(String, String)>,
    OcsRoute { session, ocs }: OcsRoute,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    let changed = share_of(&server, &id, &session.uid)
        .and_then(|share| with_changes(&server, share, &session.uid, &parameters));
    let share = match changed {
        Ok(share) => share,
        Err(refusal) => return refusal.response(ocs),
    };
    server.family(|shares: &mut Shares| {
        if let Some(stored) = shares.get_mut(share.id) {
            stored.clone_from(&share);
        }
    });
    let shown = server.store(|store| shapes::share(store, server.url(), &share, &session.uid));
    ocs.ok(&json!(shown))
}

fn with_changes(
    server: &Server,
    mut share: Share,
    uid: &str,
    parameters: &Parameters,
) -> Result<Share, Refusal> {
    let names = ["permissions", "password", "expireDate", "note", "label"];
    if !names.iter().any(|name| parameters.has(name)) {
        return Err(Refusal(400, "Wrong or no update parameter given"));
    }
    if share.owner != uid {
        return Err(Refusal(403, "You are not allowed to edit incoming shares"));
    }
    if let Some(sum) = parameters.number("permissions") {
        let asked = u8::try_from(sum)
            .ok()
            .filter(|sum| (1..=ALL).contains(sum))
            .ok_or(Refusal(400, "Invalid permissions"))?;
        let is_folder = server.store(|store| {
            let (tree, _) = store.files(&share.owner);
            tree.by_id(share.file)
                .is_some_and(|(_, node)| node.is_folder())
        });
        share.permissions = granted(asked, share.kind, is_folder);
    }
    if let Some(password) = parameters.text("password") {
        share.password_hash = hash(password);
    }
    if let Some(day) = parameters.text("expireDate") {
        share.expires = expiry(Some(day), server.clock().now())?;
    }
    if let Some(note) = parameters.text("note") {
        note.clone_into(&mut share.note);
    }
    if let Some(label) = parameters.text("label") {
        label.clone_into(&mut share.label);
    }
    Ok(share)
}

/// The owner ends the share; a recipient of a share with a user does so for themself.
pub(super) async fn remove(
    State(server): State<Shared>,
    Path((_, id)): Path<(String, String)>,
    OcsRoute { session, ocs }: OcsRoute,
) -> Response {
    match share_of(&server, &id, &session.uid) {
        Ok(share) if share.owner == session.uid || share.kind == WITH_USER => {
            server.family(|shares: &mut Shares| shares.remove(share.id));
            ocs.ok(&json!([]))
        }
        Ok(_) => Refusal(403, "Could not delete share").response(ocs),
        Err(refusal) => refusal.response(ocs),
    }
}
