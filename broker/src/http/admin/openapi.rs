//! `/admin/openapi.json`: the admin API, described for programs (`OpenAPI` 3.1).
//!
//! The schemas come from the types that are sent and received; here stands which operation takes and
//! gives which, with which errors. `docs/admin-openapi.json` is this document; tests check that, and
//! that every route is in it.

mod describe;
mod webhooks;

use axum::Json;
use serde_json::{Value, json};
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::{OpenApi, Required};

use self::describe::{Document, open, read, write};
use crate::admin::{
    AuditList, AuditQuery, CheckOptions, CheckedDownstream, ClientChanges, ClientItem, ClientList,
    ClientQuery, CreatedClient, DownstreamList, GrantItem, GrantList, GrantQuery, KeyList,
    NewClient, NewResource, OfflineGrantItem, OfflineGrantQuery, OfflineGrants, ResourceChanges,
    ResourceItem, ResourceList, RevokedUser, Rotated, RotationQuery, SecretQuery, Stats, UserItem,
    UserList, UserQuery,
};

/// `GET /admin/openapi.json`; it holds nothing that the sources do not.
pub(super) async fn get() -> Json<OpenApi> {
    Json(document())
}

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    let mut document = Document::default();
    clients(&mut document);
    resources(&mut document);
    sessions(&mut document);
    webhooks::add(&mut document);
    rest(&mut document);
    document.finish()
}

fn clients(document: &mut Document) {
    let list = read("listClients", "List clients, newest first.")
        .query::<ClientQuery>()
        .gives::<ClientList>(
            200,
            json!({"items": [client()], "next_cursor": "MTgwMDAwMDAwMDAwMDphZ2VudA"}),
        );
    document.add("/admin/v1/clients", HttpMethod::Get, list);
    let create = write("createClient", "Register a client; it is approved.")
        .takes::<NewClient>(
            json!({"client_name": "Notes", "redirect_uris": ["https://app.example/cb"]}),
        )
        .gives::<CreatedClient>(201, client())
        .tagged()
        .fails(&[409]);
    document.add("/admin/v1/clients", HttpMethod::Post, create);

    let one = "/admin/v1/clients/{client_id}";
    let get = read("getClient", "Look at a client.")
        .gives::<ClientItem>(200, client())
        .tagged();
    document.add(one, HttpMethod::Get, get);
    let update = write(
        "updateClient",
        "Replace what administrators decide of a client; members that are left out become empty.",
    )
    .takes::<ClientChanges>(
        json!({"client_name": "Notes", "redirect_uris": ["https://app.example/callback"]}),
    )
    .gives::<ClientItem>(200, client())
    .tagged()
    .if_match(Required::True)
    .fails(&[409, 428]);
    document.add(one, HttpMethod::Put, update);
    let delete = write(
        "deleteClient",
        "Delete a client; its sessions and logins end.",
    )
    .gives_nothing()
    .if_match(Required::False)
    .fails(&[409]);
    document.add(one, HttpMethod::Delete, delete);

    for (path, id, summary) in [
        (
            "/admin/v1/clients/{client_id}/approve",
            "approveClient",
            "Let a client in.",
        ),
        (
            "/admin/v1/clients/{client_id}/block",
            "blockClient",
            "Shut a client out; its sessions and logins end.",
        ),
    ] {
        let judge = write(id, summary)
            .gives::<ClientItem>(200, client())
            .tagged()
            .if_match(Required::False)
            .fails(&[409]);
        document.add(path, HttpMethod::Post, judge);
    }
    let mut with_secret = client();
    if let Some(members) = with_secret.as_object_mut() {
        members.insert(
            "client_secret".to_owned(),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into(),
        );
    }
    let rotate = write(
        "rotateClientSecret",
        "Give a client a new secret, shown this once; the one before stays good for a while.",
    )
    .query::<SecretQuery>()
    .gives::<CreatedClient>(200, with_secret)
    .tagged()
    .if_match(Required::False)
    .fails(&[409]);
    document.add(
        "/admin/v1/clients/{client_id}/rotate-secret",
        HttpMethod::Post,
        rotate,
    );
}

fn resources(document: &mut Document) {
    let changes = json!({"name": "Notes", "scopes": {"notes.read": "Read your notes"}});
    let mut new = changes.clone();
    if let Some(members) = new.as_object_mut() {
        members.insert("id".to_owned(), "https://mcp.example/mcp".into());
    }
    let list = read("listResources", "The protected resources.")
        .gives::<ResourceList>(200, json!({"items": [resource()]}));
    document.add("/admin/v1/resources", HttpMethod::Get, list);
    let create = write("createResource", "Add a protected resource.")
        .takes::<NewResource>(new)
        .gives::<ResourceItem>(201, resource())
        .tagged()
        .fails(&[409]);
    document.add("/admin/v1/resources", HttpMethod::Post, create);

    let one = "/admin/v1/resources/{resource_id}";
    let get = read("getResource", "Look at a protected resource.")
        .gives::<ResourceItem>(200, resource())
        .tagged();
    document.add(one, HttpMethod::Get, get);
    let update = write(
        "updateResource",
        "Replace what a protected resource is; members that are left out are as for a new one.",
    )
    .takes::<ResourceChanges>(changes)
    .gives::<ResourceItem>(200, resource())
    .tagged()
    .if_match(Required::True)
    .fails(&[409, 428]);
    document.add(one, HttpMethod::Put, update);
    let delete = write(
        "deleteResource",
        "Delete a protected resource; the sessions and logins for it end.",
    )
    .gives_nothing()
    .if_match(Required::False);
    document.add(one, HttpMethod::Delete, delete);
}

fn sessions(document: &mut Document) {
    let list = read("listGrants", "List sessions, newest first.")
        .query::<GrantQuery>()
        .gives::<GrantList>(200, json!({"items": [grant()]}));
    document.add("/admin/v1/grants", HttpMethod::Get, list);
    let revoke = write("revokeGrant", "End a session.").gives::<GrantItem>(200, grant());
    document.add(
        "/admin/v1/grants/{grant_id}/revoke",
        HttpMethod::Post,
        revoke,
    );

    let one = json!({"id": "5f0c", "sub": SUB, "downstream": "nextcloud", "scope": "notes.read",
        "state": "active", "granted_at": MOMENT});
    let list = read("listOfflineGrants", "List offline grants, newest first.")
        .query::<OfflineGrantQuery>()
        .gives::<OfflineGrants>(200, json!({"items": [one.clone()]}));
    document.add("/admin/v1/offline-grants", HttpMethod::Get, list);
    let withdraw = write("withdrawOfflineGrant", "Withdraw an offline grant.")
        .gives::<OfflineGrantItem>(200, one);
    document.add(
        "/admin/v1/offline-grants/{offline_grant_id}/withdraw",
        HttpMethod::Post,
        withdraw,
    );

    let list = read("listUsers", "List users, newest first.")
        .query::<UserQuery>()
        .gives::<UserList>(200, json!({"items": [user()]}));
    document.add("/admin/v1/users", HttpMethod::Get, list);
    let get = read("getUser", "Look at a user.").gives::<UserItem>(200, user());
    document.add("/admin/v1/users/{sub}", HttpMethod::Get, get);
    let revoke = write("revokeUser", "End every session of a user, and his logins.")
        .gives::<RevokedUser>(
            200,
            json!({
                "ended_sessions": 3, "ended_logins": 0, "withdrawn_consents": 1,
                "withdrawn_offline_grants": 0,
            }),
        );
    document.add("/admin/v1/users/{sub}/revoke", HttpMethod::Post, revoke);
}

fn rest(document: &mut Document) {
    let audit = read("listAudit", "The audit trail, newest first.")
        .query::<AuditQuery>()
        .gives::<AuditList>(
            200,
            json!({"items": [{
                "id": 42, "at": MOMENT, "event": "client.approved", "outcome": "ok",
                "actor": {"kind": "administrator", "id": "alice"}, "client_id": "agent",
                "request_id": "0193489f1a2b7c3d8e4f5a6b7c8d9e0f",
                "details": {"before": {"status": "pending"}, "after": {"status": "approved"}},
            }]}),
        );
    document.add("/admin/v1/audit", HttpMethod::Get, audit);

    let keys = read("listKeys", "The signing keys, oldest first.").gives::<KeyList>(
        200,
        json!({"items": [{
            "kid": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM", "algorithm": "ES256",
            "state": "active", "sealed": true, "published_at": MOMENT, "activated_at": MOMENT,
        }]}),
    );
    document.add("/admin/v1/keys", HttpMethod::Get, keys);
    let rotate = write("rotateKeys", "Publish the next signing key now.")
        .query::<RotationQuery>()
        .gives::<Rotated>(
            200,
            json!({"kid": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM", "signs_at": MOMENT}),
        );
    document.add("/admin/v1/keys/rotate", HttpMethod::Post, rotate);

    let downstreams = read("listDownstreams", "The downstreams.").gives::<DownstreamList>(
        200,
        json!({"items": [{
            "name": "nextcloud", "uri": "https://cloud.example", "audience": "nextcloud",
            "strategy": "mint", "token_lifetime": 60, "offline": false, "sessions": true,
        }]}),
    );
    document.add("/admin/v1/downstreams", HttpMethod::Get, downstreams);
    let check = write(
        "checkDownstream",
        "Ask a Nextcloud whether it would accept our tokens, and if not, why not.",
    )
    .may_take::<CheckOptions>(json!({"user": "alice"}))
    .gives::<CheckedDownstream>(
        200,
        json!({
            "downstream": "nextcloud", "user": "alice", "good": false,
            "findings": [{
                "severity": "problem", "code": "account_disabled",
                "text": "The account alice is disabled.", "commands": ["occ user:enable alice"],
            }],
        }),
    );
    document.add(
        "/admin/v1/downstreams/{name}/check",
        HttpMethod::Post,
        check,
    );
    let stats = read("getStats", "How much there is of everything.").gives::<Stats>(
        200,
        json!({
            "clients": [{"kind": "dynamic", "status": "pending", "number": 2}],
            "users": 12, "sessions": 30, "resources": 1, "downstreams": 1,
        }),
    );
    document.add("/admin/v1/stats", HttpMethod::Get, stats);
    let itself =
        open("getOpenApi", "This document.").gives::<Value>(200, json!({"openapi": "3.1.0"}));
    document.add("/admin/openapi.json", HttpMethod::Get, itself);
}

const MOMENT: &str = "2026-11-21T08:00:00Z";

fn client() -> Value {
    json!({
        "client_id": "agent", "kind": "preregistered", "status": "approved", "client_name": "Notes",
        "redirect_uris": ["https://app.example/cb"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none", "serves": [], "exchange": [], "background": false,
        "secrets": [],
        "metadata": {}, "created_at": MOMENT, "updated_at": MOMENT, "version": 1,
    })
}

fn grant() -> Value {
    json!({
        "grant_id": "0193489f-1a2b-7c3d-8e4f-5a6b7c8d9e0f", "sub": SUB, "client_id": "agent",
        "resource": "https://mcp.example/mcp", "scope": "notes.read notes.write", "live": true,
        "created_at": MOMENT, "expires_at": "2027-02-19T08:00:00Z",
    })
}

const SUB: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn user() -> Value {
    json!({
        "sub": SUB, "upstream_issuer": "https://id.example", "upstream_subject": "alice",
        "nextcloud_uid": "alice", "name": "Alice", "created_at": MOMENT, "last_login_at": MOMENT,
    })
}

fn resource() -> Value {
    json!({
        "id": "https://mcp.example/mcp", "name": "Nextcloud", "aliases": [],
        "scopes": {"notes.read": "Read your notes"}, "default_scopes": "notes.read",
        "downstreams": ["nextcloud"], "default": true, "created_at": MOMENT, "updated_at": MOMENT,
        "version": 1,
    })
}
