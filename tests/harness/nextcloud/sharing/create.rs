//! `POST shares`: checking what is asked for, in the order of the real server.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use time::Date;
use time::macros::format_description;

use super::super::gate::OcsRoute;
use super::super::parameters::Parameters;
use super::super::server::{Server, Shared};
use super::super::text::digest;
use super::model::{ALL, CREATE, DELETE, LINK, READ, SHARE, Share, Shares, WITH_GROUP, WITH_USER};
use super::shapes::{self, day_of};
use super::{Refusal, WRONG_PATH, file_at};

/// The length of the secret part of a link.
const TOKEN_LENGTH: usize = 15;

pub(super) async fn create(
    State(server): State<Shared>,
    OcsRoute { session, ocs }: OcsRoute,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    let asked = match checked(&server, &session.uid, &parameters) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.response(ocs),
    };
    let made = server.family(|shares: &mut Shares| shares.add(asked));
    let shown = made.and_then(|share| {
        server.store(|store| shapes::share(store, server.url(), &share, &session.uid))
    });
    match shown {
        Some(share) => ocs.ok(&share),
        None => Refusal(404, WRONG_PATH).response(ocs),
    }
}

fn checked(server: &Server, uid: &str, parameters: &Parameters) -> Result<Share, Refusal> {
    let path = parameters
        .text("path")
        .ok_or(Refusal(404, "Please specify a file or folder path"))?;
    let file = server
        .store(|store| file_at(store, uid, path))
        .ok_or(Refusal(404, WRONG_PATH))?;
    let kind = parameters
        .number("shareType")
        .and_then(|kind| u8::try_from(kind).ok())
        .filter(|kind| [WITH_USER, WITH_GROUP, LINK].contains(kind))
        .ok_or(Refusal(400, "Unknown share type"))?;
    let asked = match parameters.number("permissions") {
        None => None,
        Some(sum) => Some(
            u8::try_from(sum)
                .ok()
                .filter(|sum| *sum <= ALL)
                .ok_or(Refusal(404, "Invalid permissions"))?,
        ),
    };
    let with = recipient(server, uid, kind, parameters.text("shareWith"))?;
    let is_folder = server.store(|store| {
        let (tree, _) = store.files(uid);
        tree.by_id(file).is_some_and(|(_, node)| node.is_folder())
    });
    let usual = if kind == LINK { READ } else { ALL };
    let now = server.clock().now();
    let name = path.rsplit('/').find(|segment| !segment.is_empty());
    Ok(Share {
        id: 0,
        kind,
        owner: uid.to_owned(),
        file,
        permissions: granted(asked.unwrap_or(usual), kind, is_folder),
        with,
        target: format!("/{}", name.unwrap_or_default()),
        token: (kind == LINK).then(|| token(server)),
        password_hash: parameters.text("password").and_then(hash),
        expires: expiry(parameters.text("expireDate"), now)?,
        note: parameters.text("note").unwrap_or_default().to_owned(),
        label: parameters.text("label").unwrap_or_default().to_owned(),
        made_at: now,
        is_new: true,
    })
}

/// What a share gets of the permissions asked for: files cannot be created in, links can always
/// be shared on to another server.
pub(super) fn granted(asked: u8, kind: u8, is_folder: bool) -> u8 {
    let possible = if is_folder {
        asked
    } else {
        asked & !(CREATE | DELETE)
    };
    if kind == LINK {
        possible | SHARE
    } else {
        possible
    }
}

fn recipient(
    server: &Server,
    uid: &str,
    kind: u8,
    with: Option<&str>,
) -> Result<Option<String>, Refusal> {
    let with = with.unwrap_or_default();
    let (is_user, is_group) = server.store(|store| {
        let mut all = store.accounts.all();
        (
            store.accounts.get(with).is_some(),
            all.any(|account| account.groups.iter().any(|group| group == with)),
        )
    });
    match kind {
        WITH_USER if with == uid => Err(Refusal(403, "Cannot share with yourself")),
        WITH_USER if !is_user => Err(Refusal(404, "Please specify a valid account to share with")),
        WITH_GROUP if !is_group => Err(Refusal(404, "Please specify a valid group")),
        WITH_USER | WITH_GROUP => Ok(Some(with.to_owned())),
        _ => Ok(None),
    }
}

/// A day that has not passed; an empty text is none.
pub(super) fn expiry(text: Option<&str>, now: u64) -> Result<Option<String>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if Date::parse(text, format_description!("[year]-[month]-[day]")).is_err() {
        return Err(Refusal(404, "Invalid date. Format must be YYYY-MM-DD"));
    }
    if text <= day_of(now).as_str() {
        return Err(Refusal(404, "Expiration date is in the past"));
    }
    Ok(Some(text.to_owned()))
}

/// What stands for a password; an empty one is none.
pub(super) fn hash(password: &str) -> Option<String> {
    (!password.is_empty()).then(|| {
        let digest = digest(password.as_bytes());
        format!("3|$argon2id$v=19$m=65536,t=4,p=1${digest}")
    })
}

fn token(server: &Server) -> String {
    let number = server.store(|store| store.ids.next());
    let mut token = digest(format!("link {number}").as_bytes());
    token.truncate(TOKEN_LENGTH);
    token
}
