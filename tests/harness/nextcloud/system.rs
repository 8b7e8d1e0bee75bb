//! Routes of the server itself: status, well-known addresses, and one ordinary controller.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::{Value, json};

use super::gate::CsrfRoute;
use super::server::{Server, Shared};
use super::text::header_value;
use super::{json_answer, pages};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/status.php", get(status))
        .route("/.well-known/caldav", any(to_dav))
        .route("/.well-known/carddav", any(to_dav))
        .route("/.well-known/{name}", get(well_known))
        .route("/index.php/.well-known/{name}", get(well_known))
        .route("/index.php/apps/files/api/v1/stats", get(storage))
        .route("/", get(front_page))
}

pub(super) fn capabilities(_: &Server) -> Value {
    json!({
        "core": {
            "pollinterval": 60,
            "webdav-root": "remote.php/webdav",
            "reference-api": true,
            // App routes need `/index.php` here: there are no pretty URLs.
            "mod-rewrite-working": false,
            "user": {"language": "", "locale": "", "timezone": "UTC"},
        },
        "provisioning_api": {
            "version": "1.22.0",
            "AccountPropertyScopesVersion": 2,
            "AccountPropertyScopesFederatedEnabled": true,
            "AccountPropertyScopesPublishedEnabled": false,
        },
    })
}

async fn status(State(server): State<Shared>) -> Response {
    let body = json!({
        "installed": true,
        "maintenance": server.in_maintenance(),
        "needsDbUpgrade": false,
        "version": "32.0.1.2",
        "versionstring": "32.0.1",
        "edition": "",
        "productname": "Nextcloud",
        "extendedSupport": false,
    });
    (
        [
            ("content-type", "application/json"),
            ("access-control-allow-origin", "*"),
        ],
        body.to_string(),
    )
        .into_response()
}

/// nginx sends CalDAV and CardDAV clients to the DAV root.
async fn to_dav(State(server): State<Shared>) -> Response {
    let location = format!("{}/remote.php/dav/", server.url());
    (
        StatusCode::MOVED_PERMANENTLY,
        [
            ("location", header_value(&location)),
            ("content-type", header_value("text/html")),
        ],
        "<html>\n<head><title>301 Moved Permanently</title></head>\n</html>\n",
    )
        .into_response()
}

/// Nextcloud knows neither RFC 8414 nor RFC 9728.
async fn well_known(Path(name): Path<String>) -> Response {
    json_answer(
        StatusCode::NOT_FOUND,
        &json!({"message": format!("{name} not supported")}),
    )
}

/// The web interface, which no API client has business with.
async fn front_page(headers: HeaderMap) -> Response {
    if headers.contains_key("authorization") {
        return pages::page(StatusCode::OK, "Dashboard", "");
    }
    (StatusCode::SEE_OTHER, [("location", "/index.php/login")]).into_response()
}

/// An ordinary controller route: needs the header, or answers 412.
async fn storage(State(server): State<Shared>, CsrfRoute(session): CsrfRoute) -> Response {
    let stats = server.store(|store| {
        let used = store.files(&session.uid).0.size(&[]);
        let account = store.accounts.get(&session.uid);
        let quota = account.and_then(|account| account.quota);
        json!({
            "free": quota.map_or(json!(-3), |quota| json!(quota.saturating_sub(used))),
            "used": used,
            "quota": quota.map_or(json!(-3), |quota| json!(quota)),
            "total": quota.map_or(json!(-3), |quota| json!(quota)),
            "relative": 0,
            "owner": session.uid,
            "ownerDisplayName": account.map(|account| account.display_name.clone()),
            "mountType": "",
            "mountPoint": "",
        })
    });
    json_answer(StatusCode::OK, &json!({"message": "ok", "data": stats}))
}
