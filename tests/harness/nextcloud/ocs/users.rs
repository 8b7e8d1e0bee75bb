//! The provisioning API under `cloud/`: who am I, other accounts, and changing them.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, put};
use bytes::Bytes;
use serde_json::{Value, json};

use super::super::account::Account;
use super::super::gate::OcsRoute;
use super::super::server::{Server, Shared};
use super::super::text::header;
use super::NOT_FOUND;

/// The texts of a profile that an account may carry, besides name and e-mail.
const PROFILE: [&str; 11] = [
    "phone",
    "address",
    "website",
    "twitter",
    "bluesky",
    "fediverse",
    "organisation",
    "role",
    "headline",
    "biography",
    "pronouns",
];
/// The provisioning API's code for a key that cannot be changed.
const UNKNOWN_KEY: u16 = 113;
/// Its code for an account that is there already.
const EXISTS: u16 = 102;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/ocs/{version}/cloud/user", get(own))
        .route("/ocs/{version}/cloud/users", get(list).post(create))
        .route("/ocs/{version}/cloud/users/disabled", get(list_disabled))
        .route("/ocs/{version}/cloud/users/{uid}", get(show).put(edit))
        .route("/ocs/{version}/cloud/users/{uid}/groups", get(groups))
        .route("/ocs/{version}/cloud/users/{uid}/enable", put(enable))
        .route("/ocs/{version}/cloud/users/{uid}/disable", put(disable))
}

async fn own(State(server): State<Shared>, OcsRoute { session, ocs }: OcsRoute) -> Response {
    ocs.ok(&private_profile(&server, &session.uid))
}

async fn show(
    State(server): State<Shared>,
    Path((_, uid)): Path<(String, String)>,
    OcsRoute { session, ocs }: OcsRoute,
) -> Response {
    let Some(target) = account(&server, &uid) else {
        return ocs.failure(404, "User does not exist");
    };
    if target.uid == session.uid {
        ocs.ok(&private_profile(&server, &target.uid))
    } else if is_admin(&server, &session.uid) {
        ocs.ok(&profile(&server, &target))
    } else {
        ocs.failure(NOT_FOUND, "")
    }
}

async fn list(State(server): State<Shared>, OcsRoute { session, ocs }: OcsRoute) -> Response {
    if !is_admin(&server, &session.uid) {
        return ocs.failure(403, "Logged in account must be at least a sub admin");
    }
    let uids: Vec<String> =
        server.store(|store| store.accounts.all().map(|one| one.uid.clone()).collect());
    ocs.ok(&json!({"users": uids}))
}

async fn list_disabled(
    State(server): State<Shared>,
    OcsRoute { session, ocs }: OcsRoute,
) -> Response {
    if !is_admin(&server, &session.uid) {
        return ocs.failure(403, "Logged in account must be at least a sub admin");
    }
    let disabled: Vec<Account> = server.store(|store| {
        let all = store.accounts.all();
        all.filter(|one| !one.enabled).cloned().collect()
    });
    let users: BTreeMap<String, Value> = disabled
        .iter()
        .map(|one| (one.uid.clone(), profile(&server, one)))
        .collect();
    ocs.ok(&json!({"users": users}))
}

async fn groups(
    State(server): State<Shared>,
    Path((_, uid)): Path<(String, String)>,
    OcsRoute { session, ocs }: OcsRoute,
) -> Response {
    match account(&server, &uid) {
        Some(target) if target.uid == session.uid || is_admin(&server, &session.uid) => {
            ocs.ok(&json!({"groups": target.groups}))
        }
        Some(_) | None => ocs.failure(NOT_FOUND, ""),
    }
}

/// Changes one field; with a token alone even the password, as on the real server.
async fn edit(
    State(server): State<Shared>,
    Path((_, uid)): Path<(String, String)>,
    OcsRoute { session, ocs }: OcsRoute,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = fields(&headers, &body);
    let may = uid == session.uid || is_admin(&server, &session.uid);
    let (Some(key), Some(value), true) = (fields.get("key"), fields.get("value"), may) else {
        return ocs.failure(NOT_FOUND, "");
    };
    let changed = server.store(|store| {
        let account = store.accounts.get_mut(&uid)?;
        match key.as_str() {
            "display" | "displayname" => account.display_name.clone_from(value),
            "email" => account.email.clone_from(value),
            "password" => account.password = Some(value.clone()),
            other if PROFILE.contains(&other) => {
                account.profile.insert(other.to_owned(), value.clone());
            }
            _ => return Some(false),
        }
        Some(true)
    });
    match changed {
        Some(true) => ocs.ok(&json!([])),
        Some(false) => ocs.failure(UNKNOWN_KEY, ""),
        None => ocs.failure(NOT_FOUND, ""),
    }
}

async fn create(
    State(server): State<Shared>,
    OcsRoute { session, ocs }: OcsRoute,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_admin(&server, &session.uid) {
        return ocs.failure(403, "Logged in account must be at least a sub admin");
    }
    let fields = fields(&headers, &body);
    let (Some(uid), Some(password)) = (fields.get("userid"), fields.get("password")) else {
        return ocs.failure(101, "Invalid user name or password");
    };
    if account(&server, uid).is_some() {
        return ocs.failure(EXISTS, "User already exists");
    }
    let mut account = Account::new(uid, password);
    if let Some(name) = fields.get("displayName") {
        account.display_name.clone_from(name);
    }
    if let Some(email) = fields.get("email") {
        account.email.clone_from(email);
    }
    server.add_account(account);
    ocs.ok(&json!({"id": uid}))
}

async fn enable(
    State(server): State<Shared>,
    Path((_, uid)): Path<(String, String)>,
    route: OcsRoute,
) -> Response {
    set_enabled(&server, &uid, &route, true)
}

async fn disable(
    State(server): State<Shared>,
    Path((_, uid)): Path<(String, String)>,
    route: OcsRoute,
) -> Response {
    set_enabled(&server, &uid, &route, false)
}

fn set_enabled(server: &Server, uid: &str, route: &OcsRoute, enabled: bool) -> Response {
    if !is_admin(server, &route.session.uid) {
        return route
            .ocs
            .failure(403, "Logged in account must be at least a sub admin");
    }
    let found = server.store(|store| {
        let account = store.accounts.get_mut(uid);
        account.map(|account| account.enabled = enabled)
    });
    match found {
        Some(()) => route.ocs.ok(&json!([])),
        None => route.ocs.failure(NOT_FOUND, ""),
    }
}

fn account(server: &Server, uid: &str) -> Option<Account> {
    server.store(|store| store.accounts.get(uid).cloned())
}

fn is_admin(server: &Server, uid: &str) -> bool {
    account(server, uid).is_some_and(|account| account.admin)
}

/// A body as JSON object or as form, whichever it says it is.
fn fields(headers: &HeaderMap, body: &Bytes) -> BTreeMap<String, String> {
    if header(headers, "content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        serde_json::from_slice(body).unwrap_or_default()
    } else {
        serde_urlencoded::from_bytes(body).unwrap_or_default()
    }
}

/// What an administrator sees of an account.
fn profile(server: &Server, account: &Account) -> Value {
    let used = server.store(|store| store.files(&account.uid).0.size(&[]));
    let (first, last) = account.logins;
    let mut value = json!({
        "enabled": account.enabled,
        "storageLocation": format!("/var/www/html/data/{}", account.uid),
        "id": account.uid,
        "firstLoginTimestamp": first,
        "lastLoginTimestamp": last,
        "lastLogin": last * 1000,
        "backend": account.backend.as_str(),
        "subadmin": [],
        "quota": quota(account, used),
        "manager": "",
        "email": account.email,
        "additional_mail": [],
        "displayname": account.display_name,
        "display-name": account.display_name,
        "profile_enabled": "1",
        "groups": account.groups,
        "language": "en",
        "locale": "",
        "timezone": account.profile.get("timezone").map_or("UTC", String::as_str),
        "notify_email": null,
        "backendCapabilities": {"setDisplayName": true, "setPassword": true},
    });
    if let Some(object) = value.as_object_mut() {
        for field in PROFILE {
            let text = account.profile.get(field).cloned().unwrap_or_default();
            object.insert(field.to_owned(), Value::String(text));
        }
    }
    value
}

/// What users see of themselves: no storage path, but who may see which field.
fn private_profile(server: &Server, uid: &str) -> Value {
    let Some(account) = account(server, uid) else {
        return json!([]);
    };
    let mut value = profile(server, &account);
    if let Some(object) = value.as_object_mut() {
        object.remove("storageLocation");
        object.insert("additional_mailScope".to_owned(), json!([]));
        for field in ["avatar", "email", "displayname", "pronouns"] {
            object.insert(format!("{field}Scope"), json!("v2-federated"));
        }
        let local = PROFILE.iter().filter(|field| **field != "pronouns");
        for field in local.chain(&["profile_enabled"]) {
            object.insert(format!("{field}Scope"), json!("v2-local"));
        }
    }
    value
}

/// −3 is PHP's word for unlimited.
fn quota(account: &Account, used: u64) -> Value {
    match account.quota {
        None => json!({"free": -3, "used": used, "total": -3, "relative": 0, "quota": -3}),
        Some(quota) => json!({
            "free": quota.saturating_sub(used),
            "used": used,
            "total": quota,
            "relative": (used * 100).checked_div(quota).unwrap_or(100),
            "quota": quota,
        }),
    }
}
