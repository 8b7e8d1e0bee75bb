//! The sharing API of files (`apps/files_sharing`): shares with users and groups, public links.
//!
//! A share belongs to a file, not to its path: it follows a file that moves and is gone with one
//! that is deleted. What a share does to the recipient's files is not here: WebDAV shows everybody
//! their own only. Other types than users, groups and links are refused as unknown.

mod change;
mod create;
mod model;
mod shapes;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use self::model::{Share, Shares, WITH_GROUP, WITH_USER};
use super::account::Account;
use super::gate::OcsRoute;
use super::ocs::OcsRequest;
use super::server::{Server, Shared, Store};
use super::text::query_parameter;

const WRONG_PATH: &str = "Wrong path, file/folder does not exist";
const WRONG_ID: &str = "Wrong share ID, share does not exist";

pub(super) fn routes() -> Router<Shared> {
    const API: &str = "/ocs/{version}/apps/files_sharing/api/v1";
    Router::new()
        .route(&format!("{API}/shares"), get(list).post(create::create))
        .route(
            &format!("{API}/shares/{{id}}"),
            get(show).put(change::update).delete(change::remove),
        )
        .route(&format!("{API}/sharees"), get(sharees))
}

pub(super) fn capabilities(_: &Server) -> Value {
    let enabled = json!({"enabled": true});
    json!({"files_sharing": {
        "api_enabled": true,
        "public": {
            "enabled": true,
            "password": {"enforced": false, "askForOptionalPassword": false},
            "expire_date": {"enabled": false},
            "multiple_links": true,
            "expire_date_internal": {"enabled": false},
            "expire_date_remote": {"enabled": false},
            "send_mail": false,
            "upload": true,
            "upload_files_drop": true,
            "custom_tokens": false,
        },
        "resharing": true,
        "user": {"send_mail": false, "expire_date": enabled},
        "group_sharing": true,
        "group": {"enabled": true, "expire_date": enabled},
        "default_permissions": 31,
        "federation": {
            "outgoing": true,
            "incoming": true,
            "expire_date": enabled,
            "expire_date_supported": enabled,
        },
        "sharee": {"query_lookup_default": false, "always_show_unique": true},
        "sharebymail": {
            "enabled": true,
            "send_password_by_mail": true,
            "upload_files_drop": enabled,
            "password": {"enabled": true, "enforced": false},
            "expire_date": {"enabled": true, "enforced": false},
        },
    }})
}

/// Every share that a user made, for tests.
pub(super) fn all(server: &Server, uid: &str) -> Vec<Value> {
    of_user(server, uid, |share, _| share.owner == uid)
}

/// Why the API refuses: the code of the envelope and its message.
struct Refusal(u16, &'static str);

impl Refusal {
    fn response(&self, ocs: OcsRequest) -> Response {
        ocs.failure(self.0, self.1)
    }
}

/// The shares that somebody sees and that are chosen, as they see them; users, groups, links.
fn of_user(server: &Server, uid: &str, chosen: impl Fn(&Share, &Account) -> bool) -> Vec<Value> {
    let mut shares = server.family(Shares::all).unwrap_or_default();
    shares.sort_by_key(|share| (share.kind, share.id));
    server.store(|store| {
        let Some(account) = store.accounts.get(uid).cloned() else {
            return Vec::new();
        };
        let chosen = shares.iter().filter(|share| chosen(share, &account));
        chosen
            .filter_map(|share| shapes::share(store, server.url(), share, uid))
            .collect()
    })
}

async fn list(
    State(server): State<Shared>,
    OcsRoute { session, ocs }: OcsRoute,
    uri: Uri,
) -> Response {
    let uid = session.uid.as_str();
    let parameter = |name: &str| query_parameter(uri.query(), name);
    let mut wanted_file = None;
    if let Some(path) = parameter("path") {
        let Some(file) = server.store(|store| file_at(store, uid, &path)) else {
            return ocs.failure(404, WRONG_PATH);
        };
        wanted_file = Some(file);
    }
    let with_me = parameter("shared_with_me").is_some_and(|value| value == "true");
    let found = of_user(&server, uid, |share, account| {
        let mine = if with_me {
            share.owner != uid && share.reaches(account)
        } else {
            share.owner == uid
        };
        mine && wanted_file.is_none_or(|file| file == share.file)
    });
    ocs.ok(&json!(found))
}

/// The id of the file or folder at a path of the user.
fn file_at(store: &mut Store, uid: &str, path: &str) -> Option<u64> {
    let path: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect();
    let (tree, _) = store.files(uid);
    tree.get(&path).map(|node| node.id)
}

/// One share, in a list.
async fn show(
    State(server): State<Shared>,
    Path((_, id)): Path<(String, String)>,
    OcsRoute { session, ocs }: OcsRoute,
) -> Response {
    let uid = session.uid.as_str();
    let found = of_user(&server, uid, |share, account| {
        share.id.to_string() == id && (share.owner == uid || share.reaches(account))
    });
    if found.is_empty() {
        return ocs.failure(404, WRONG_ID);
    }
    ocs.ok(&json!(found))
}

/// With whom one may share: accounts and groups whose name has the search words.
async fn sharees(
    State(server): State<Shared>,
    OcsRoute { session, ocs }: OcsRoute,
    uri: Uri,
) -> Response {
    let search = query_parameter(uri.query(), "search")
        .unwrap_or_default()
        .to_lowercase();
    let (mut users, mut exact_users) = (Vec::new(), Vec::new());
    let (mut groups, mut exact_groups) = (Vec::new(), Vec::new());
    server.store(|store| {
        let mut names: Vec<&String> = store.accounts.all().flat_map(|one| &one.groups).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let target = match name.to_lowercase() {
                lower if lower == search => &mut exact_groups,
                lower if lower.contains(&search) => &mut groups,
                _ => continue,
            };
            let value = json!({"shareType": WITH_GROUP, "shareWith": name});
            target.push(json!({"label": name, "value": value}));
        }
        for account in store.accounts.all() {
            let texts = [&account.uid, &account.display_name, &account.email];
            let mut lower = texts.map(|text| text.to_lowercase()).into_iter();
            let target = if lower.clone().any(|text| text == search) {
                &mut exact_users
            } else if lower.any(|text| text.contains(&search)) {
                &mut users
            } else {
                continue;
            };
            if account.uid != session.uid && account.enabled {
                target.push(shapes::sharee(account, WITH_USER));
            }
        }
    });
    let nobody = json!([]);
    ocs.ok(&json!({
        "exact": {
            "users": exact_users, "groups": exact_groups, "remotes": nobody,
            "remote_groups": nobody, "emails": nobody, "circles": nobody, "rooms": nobody,
        },
        "users": users, "groups": groups, "remotes": nobody, "remote_groups": nobody,
        "emails": nobody, "lookup": nobody, "circles": nobody, "rooms": nobody,
        "lookupEnabled": false,
    }))
}
