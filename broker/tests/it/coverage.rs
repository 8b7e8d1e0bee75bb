//! Every route answers strangers and wrong requests as it should, or this file does not know it and
//! fails: a new route has to say here what it does.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use futures_util::stream::pending;
use http::{Method, Request, StatusCode, header};
use serde_json::Value;

use crate::harness::{Answer, Broker};

/// A route and what is expected of it.
struct Route {
    path: &'static str,
    methods: &'static [&'static str],
    /// What an empty request without any credentials gets.
    stranger: u16,
    audience: Audience,
    /// Its `Cache-Control`.
    caching: &'static str,
}

/// Who calls a route.
#[derive(Clone, Copy, PartialEq)]
enum Audience {
    /// Programs in browsers, from any origin.
    AnyOrigin,
    /// A browser at our own pages, and programs outside browsers.
    SameOrigin,
    /// Administrators, on the other listener.
    Administrators,
    /// Whoever collects metrics, on the other listener too.
    Collectors,
}

use Audience::{Administrators, AnyOrigin, Collectors, SameOrigin};

const NO_STORE: &str = "no-store";
const PUBLIC: &str = "public, max-age=300";

const ROUTES: &[Route] = &[
    route(
        "/.well-known/oauth-authorization-server",
        &["GET"],
        200,
        AnyOrigin,
        PUBLIC,
    ),
    route(
        "/.well-known/openid-configuration",
        &["GET"],
        200,
        AnyOrigin,
        PUBLIC,
    ),
    route("/oauth/jwks", &["GET"], 200, AnyOrigin, PUBLIC),
    route("/oauth/authorize", &["GET"], 400, SameOrigin, NO_STORE),
    route(
        "/oauth/consent",
        &["GET", "POST"],
        404,
        SameOrigin,
        NO_STORE,
    ),
    route("/oauth/callback", &["GET"], 400, SameOrigin, NO_STORE),
    route(
        "/oauth/authorize-nextcloud",
        &["GET", "POST"],
        303,
        SameOrigin,
        NO_STORE,
    ),
    route(
        "/oauth/callback-nextcloud",
        &["GET"],
        303,
        SameOrigin,
        NO_STORE,
    ),
    route(
        "/oauth/backchannel-logout",
        &["POST"],
        400,
        SameOrigin,
        NO_STORE,
    ),
    route(
        "/oauth/offline-grants",
        &["POST"],
        400,
        SameOrigin,
        NO_STORE,
    ),
    route(
        "/oauth/background-access",
        &["POST"],
        400,
        SameOrigin,
        NO_STORE,
    ),
    route(
        "/oauth/background-access/withdraw",
        &["POST"],
        400,
        SameOrigin,
        NO_STORE,
    ),
    route("/account", &["GET"], 303, SameOrigin, NO_STORE),
    route(
        "/account/sign-in",
        &["GET", "POST"],
        200,
        SameOrigin,
        NO_STORE,
    ),
    route("/account/sign-out", &["POST"], 403, SameOrigin, NO_STORE),
    route("/account/disconnect", &["POST"], 403, SameOrigin, NO_STORE),
    route("/account/withdraw", &["POST"], 403, SameOrigin, NO_STORE),
    route("/oauth/token", &["POST"], 400, AnyOrigin, NO_STORE),
    route("/oauth/revoke", &["POST"], 400, SameOrigin, NO_STORE),
    route("/oauth/introspect", &["POST"], 400, SameOrigin, NO_STORE),
    route(
        "/oauth/userinfo",
        &["GET", "POST"],
        401,
        SameOrigin,
        NO_STORE,
    ),
    route("/oauth/register", &["POST"], 400, AnyOrigin, NO_STORE),
    route(
        "/oauth/register/{client_id}",
        &["GET", "PUT", "DELETE"],
        401,
        AnyOrigin,
        NO_STORE,
    ),
    route("/webhooks/nextcloud", &["POST"], 401, SameOrigin, NO_STORE),
    route("/health/live", &["GET"], 200, SameOrigin, NO_STORE),
    route("/health/ready", &["GET"], 200, SameOrigin, NO_STORE),
    admin("/admin/v1/audit", &["GET"]),
    admin("/admin/v1/clients", &["GET", "POST"]),
    admin("/admin/v1/clients/{client_id}", &["GET", "PUT", "DELETE"]),
    admin("/admin/v1/clients/{client_id}/approve", &["POST"]),
    admin("/admin/v1/clients/{client_id}/block", &["POST"]),
    admin("/admin/v1/clients/{client_id}/rotate-secret", &["POST"]),
    admin("/admin/v1/grants", &["GET"]),
    admin("/admin/v1/grants/{grant_id}/revoke", &["POST"]),
    admin("/admin/v1/offline-grants", &["GET"]),
    admin(
        "/admin/v1/offline-grants/{offline_grant_id}/withdraw",
        &["POST"],
    ),
    admin("/admin/v1/webhooks", &["GET", "DELETE"]),
    admin("/admin/v1/webhooks/presets", &["GET"]),
    admin("/admin/v1/webhooks/presets/{preset}/enable", &["POST"]),
    admin("/admin/v1/webhooks/presets/{preset}/disable", &["POST"]),
    admin("/admin/v1/webhooks/{webhook_id}", &["GET", "DELETE"]),
    admin("/admin/v1/webhook-deliveries", &["GET"]),
    admin("/admin/v1/webhook-deliveries/{delivery_id}", &["DELETE"]),
    admin(
        "/admin/v1/webhook-deliveries/{delivery_id}/redeliver",
        &["POST"],
    ),
    admin("/admin/v1/users", &["GET"]),
    admin("/admin/v1/users/{sub}", &["GET"]),
    admin("/admin/v1/users/{sub}/revoke", &["POST"]),
    admin("/admin/v1/keys", &["GET"]),
    admin("/admin/v1/keys/rotate", &["POST"]),
    admin("/admin/v1/resources", &["GET", "POST"]),
    admin(
        "/admin/v1/resources/{resource_id}",
        &["GET", "PUT", "DELETE"],
    ),
    admin("/admin/v1/downstreams", &["GET"]),
    admin("/admin/v1/downstreams/{name}/check", &["POST"]),
    admin("/admin/v1/stats", &["GET"]),
    route(
        "/admin/openapi.json",
        &["GET"],
        200,
        Administrators,
        NO_STORE,
    ),
    route("/metrics", &["GET"], 200, Collectors, NO_STORE),
];

const fn route(
    path: &'static str,
    methods: &'static [&'static str],
    stranger: u16,
    audience: Audience,
    caching: &'static str,
) -> Route {
    Route {
        path,
        methods,
        stranger,
        audience,
        caching,
    }
}

const fn admin(path: &'static str, methods: &'static [&'static str]) -> Route {
    route(path, methods, 401, Administrators, NO_STORE)
}

fn listener(broker: &Broker, route: &Route) -> Router {
    match route.audience {
        Administrators | Collectors => broker.administration.clone(),
        AnyOrigin | SameOrigin => broker.public.clone(),
    }
}

async fn ask(broker: &Broker, route: &Route, method: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(route.path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(
        listener(broker, route),
        request.body(Body::empty()).unwrap(),
    )
    .await
}

/// The files of a directory and of those in it.
fn files(directory: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(files(&path));
        } else {
            texts.push(std::fs::read_to_string(path).unwrap());
        }
    }
    texts
}

/// The routes as the source mounts them.
#[test]
fn every_route_of_the_source_is_in_the_table() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http");
    let mut mounted = BTreeSet::new();
    let mut computed = 0;
    for text in files(Path::new(source)) {
        for call in text.split(".route(").skip(1) {
            match call.trim_start().strip_prefix('"') {
                Some(rest) => {
                    mounted.insert(rest.split('"').next().unwrap().to_owned());
                }
                None => computed += 1,
            }
        }
    }
    // The metadata documents, at paths that depend on the issuer; `metadata` tests their forms.
    assert_eq!(computed, 2, "a route whose path is computed");
    let known: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| route.path.to_owned())
        .filter(|path| !path.starts_with("/.well-known/"))
        .collect();
    assert_eq!(mounted, known);
}

/// A description knows every route that it is about, each with its methods.
fn assert_described(document: &Value, is_about: impl Fn(&Route) -> bool) {
    let described: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().iter();
            operations
                .filter(|(_, operation)| operation.get("operationId").is_some())
                .map(move |(method, _)| (path.clone(), method.to_uppercase()))
        })
        .collect();
    let mounted: BTreeSet<_> = ROUTES
        .iter()
        .filter(|route| is_about(route))
        .flat_map(|route| {
            let methods = route.methods.iter();
            methods.map(|method| (route.path.to_owned(), (*method).to_owned()))
        })
        .collect();
    assert_eq!(described, mounted);
}

#[test]
fn every_admin_route_is_described() {
    let document = serde_json::to_value(broker::http::admin_document()).unwrap();
    assert_described(&document, |route| route.audience == Administrators);
}

#[test]
fn every_registration_route_is_described() {
    let document = crate::registration_openapi::document();
    assert_described(&document, |route| route.path.starts_with("/oauth/register"));
}

#[tokio::test]
async fn a_stranger_gets_what_the_table_says() {
    let broker = Broker::start().await;
    for route in ROUTES {
        let method = route.methods[0];
        let answer = ask(&broker, route, method, &[]).await;
        assert_eq!(
            answer.status.as_u16(),
            route.stranger,
            "{}: {}",
            route.path,
            answer.body
        );
        assert_eq!(
            answer.header("cache-control"),
            Some(route.caching),
            "{}",
            route.path
        );
    }
}

#[tokio::test]
async fn credentials_of_the_wrong_kind_open_nothing() {
    let broker = Broker::start().await;
    let token = broker.session().await.access;
    let bearer = format!("Bearer {token}");
    // An access token is the right kind for one of them.
    let others = ROUTES
        .iter()
        .filter(|route| route.path != "/oauth/userinfo");
    for route in others {
        let answer = ask(
            &broker,
            route,
            route.methods[0],
            &[("authorization", bearer.as_str())],
        )
        .await;
        let expected = match route.path {
            // Open without a token, so that only a wrong one is refused for itself.
            "/oauth/register" => 401,
            _ => route.stranger,
        };
        assert_eq!(
            answer.status.as_u16(),
            expected,
            "{}: {}",
            route.path,
            answer.body
        );
    }
}

#[tokio::test]
async fn the_wrong_method_is_refused_with_the_right_ones() {
    let broker = Broker::start().await;
    for route in ROUTES {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if route.methods.contains(&method) {
                continue;
            }
            let answer = ask(&broker, route, method, &[]).await;
            assert_eq!(
                answer.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {}",
                route.path
            );
            let allow = answer.header("allow").unwrap();
            for right in route.methods {
                assert!(allow.contains(right), "{method} {}: {allow}", route.path);
            }
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_protecting_headers_and_its_request_id() {
    let broker = Broker::start().await;
    for route in ROUTES {
        let answer = ask(&broker, route, route.methods[0], &[]).await;
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{}",
            route.path
        );
        assert_eq!(
            answer.header("x-frame-options"),
            Some("DENY"),
            "{}",
            route.path
        );
        assert_eq!(
            answer.header("referrer-policy"),
            Some("no-referrer"),
            "{}",
            route.path
        );
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'"),
            "{}: {policy}",
            route.path
        );
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{}: {policy}",
            route.path
        );
        assert_eq!(
            answer.header("x-request-id").unwrap().len(),
            32,
            "{}",
            route.path
        );
    }
}

#[tokio::test]
async fn other_origins_may_call_what_is_made_for_them_and_nothing_else() {
    let broker = Broker::start().await;
    let origin = ("origin", "https://inspector.example");
    for route in ROUTES {
        let method = route.methods[0];
        let plain = ask(&broker, route, method, &[origin]).await;
        let preflight = ask(
            &broker,
            route,
            "OPTIONS",
            &[
                origin,
                ("access-control-request-method", method),
                (
                    "access-control-request-headers",
                    "authorization,content-type,mcp-protocol-version",
                ),
            ],
        )
        .await;
        for answer in [&plain, &preflight] {
            let allowed = (route.audience == AnyOrigin).then_some("*");
            assert_eq!(
                answer.header("access-control-allow-origin"),
                allowed,
                "{}",
                route.path
            );
            assert_eq!(
                answer.header("access-control-allow-credentials"),
                None,
                "{}",
                route.path
            );
        }
        if route.audience == AnyOrigin {
            assert_eq!(preflight.status, StatusCode::OK, "{}", route.path);
            let methods = preflight.header("access-control-allow-methods").unwrap();
            assert!(methods.contains(method), "{}: {methods}", route.path);
            let headers = preflight.header("access-control-allow-headers").unwrap();
            for name in ["authorization", "content-type", "mcp-protocol-version"] {
                assert!(headers.contains(name), "{}: {headers}", route.path);
            }
            let exposed = plain.header("access-control-expose-headers").unwrap();
            assert!(
                exposed.contains("www-authenticate"),
                "{}: {exposed}",
                route.path
            );
        } else {
            assert_ne!(preflight.status, StatusCode::OK, "{}", route.path);
        }
    }
}

#[tokio::test]
async fn the_admin_routes_are_on_no_public_port_and_the_other_way_round() {
    let broker = Broker::start().await;
    for route in ROUTES {
        let wrong = match route.audience {
            Administrators | Collectors => broker.public.clone(),
            AnyOrigin | SameOrigin => broker.administration.clone(),
        };
        let request = Request::builder()
            .method(route.methods[0])
            .uri(route.path)
            .body(Body::empty())
            .unwrap();
        let answer = Answer::of(wrong, request).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", route.path);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
}

#[tokio::test]
async fn readiness_says_which_dependency_is_down() {
    let broker = Broker::start().await;
    let ready = broker.get("/health/ready").await;
    assert_eq!(
        ready.json(),
        serde_json::json!({
            "ready": true, "database": "up", "revocations": "up", "keys": "up", "upstream": "down",
            "downstreams": { "calendar": "down", "nextcloud": "down", "vault": "down" },
        }),
        "nothing listens at these; it is told, and no reason to send requests elsewhere"
    );

    broker.clock.advance(Duration::from_secs(2));
    let stale = broker.get("/health/ready").await;
    assert_eq!(stale.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stale.json()["revocations"], "down");
    assert_eq!(broker.get("/health/live").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_handler_that_fails_does_not_say_why() {
    let broker = Broker::start().await;
    let url = format!("sqlite:{}", broker.database().display());
    let database = sea_orm::Database::connect(url).await.unwrap();
    let away = "ALTER TABLE refresh_tokens RENAME TO refresh_tokens_away";
    sea_orm::ConnectionTrait::execute_unprepared(&database, away)
        .await
        .unwrap();

    let answer = broker.refresh("whatever").await;

    answer.assert_refused(500, "server_error");
    for secret in ["refresh_tokens", "sqlite", "SQL", "table"] {
        assert!(!answer.body.contains(secret), "{}", answer.body);
    }
    assert!(answer.headers.get(header::WWW_AUTHENTICATE).is_none());
}

#[tokio::test]
async fn nobody_waits_for_ever_for_a_body() {
    let short = Duration::from_millis(300);
    let broker = Broker::planned(|plan| plan.settings.longest_request = short).await;
    for path in ["/oauth/token", "/oauth/revoke", "/oauth/register"] {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from_stream(pending::<Result<Bytes, Infallible>>()))
            .unwrap();
        let answer = broker.send(request).await;
        answer.assert_refused(503, "temporarily_unavailable");
    }
}
