//! axum lives here and nowhere else: all routes and layers in one screen.
//!
//! Handlers extract, call a flow, and answer; they decide nothing. Each gets exactly the endpoint it
//! serves as its state.

mod account;
mod admin;
mod authorize;
mod callback;
mod consent;
mod cookies;
mod error;
mod forwarded;
mod health;
mod introspect;
mod limits;
mod logout;
mod metadata;
mod metrics;
mod notices;
mod pages;
mod provision;
mod register;
mod request;
mod revoke;
mod spans;
mod token;
mod userinfo;
mod webhooks;
mod words;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use broker_client::oauth::OAuthError;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::set_header::SetResponseHeaderLayer;

pub use account::AccountPages;
pub use admin::document as admin_document;
pub use authorize::BrowserFlow;
pub use error::{Failure, Problem};
pub use health::Health;
pub use limits::RateLimits;
pub use metadata::Published;
pub use metrics::Scrape;
pub use request::Observer;

use crate::admin::AdminApi;
use crate::logout::LogoutEndpoint;
use crate::register::{LARGEST_DOCUMENT, RegistrationEndpoint};
use crate::token::{IntrospectionEndpoint, RevocationEndpoint, TokenEndpoint, UserInfoEndpoint};
use crate::webhooks::{LARGEST_EVENT, Webhooks};

/// How long a request may take. Longer than a login's calls to the identity provider together.
pub const LONGEST_REQUEST: Duration = Duration::from_secs(30);

/// The largest body, in bytes: room for two access tokens in one form.
const LARGEST_BODY: usize = 64 * 1024;

/// The endpoints of the public listener.
pub struct Endpoints {
    /// `/oauth/authorize`, `/oauth/consent`, `/oauth/callback`.
    pub browser: Arc<BrowserFlow>,
    /// `/account`, `/oauth/authorize-nextcloud`, `/oauth/callback-nextcloud`.
    pub account: Arc<AccountPages>,
    /// `/.well-known/…`, `/oauth/jwks`.
    pub published: Arc<Published>,
    /// `/oauth/token`.
    pub token: Arc<TokenEndpoint>,
    /// `/oauth/revoke`.
    pub revocation: Arc<RevocationEndpoint>,
    /// `/oauth/introspect`.
    pub introspection: Arc<IntrospectionEndpoint>,
    /// `/oauth/userinfo`.
    pub user_info: Arc<UserInfoEndpoint>,
    /// `/oauth/backchannel-logout`.
    pub logout: Arc<LogoutEndpoint>,
    /// `/webhooks/nextcloud`.
    pub webhooks: Arc<Webhooks>,
    /// `/oauth/register`, `/oauth/register/{client_id}`.
    pub registration: Arc<RegistrationEndpoint>,
    /// `/health/…`.
    pub health: Arc<Health>,
    /// How often strangers may come.
    pub limits: Arc<RateLimits>,
}

/// The public listener's routes.
pub fn public(endpoints: Endpoints, observer: Observer) -> Router {
    let offline_grants = post(provision::list).with_state(Arc::clone(&endpoints.token));
    let access = post(provision::access).with_state(Arc::clone(&endpoints.token));
    let withdraw = post(provision::withdraw).with_state(Arc::clone(&endpoints.token));
    let token = post(token::token).with_state(endpoints.token);
    let revoke = post(revoke::revoke).with_state(endpoints.revocation);
    let introspect = post(introspect::introspect).with_state(endpoints.introspection);
    let logout = post(logout::log_out).with_state(endpoints.logout);
    let user_info = get(userinfo::user_info)
        .post(userinfo::user_info)
        .with_state(endpoints.user_info);
    let register = post(register::register)
        .layer(DefaultBodyLimit::max(LARGEST_DOCUMENT))
        .with_state(Arc::clone(&endpoints.registration));
    let registered = get(register::read)
        .put(register::update)
        .delete(register::delete)
        .layer(DefaultBodyLimit::max(LARGEST_DOCUMENT))
        .with_state(endpoints.registration);
    let webhooks = post(webhooks::receive)
        .layer(DefaultBodyLimit::max(LARGEST_EVENT))
        .with_state(endpoints.webhooks);
    let ready = get(health::ready).with_state(endpoints.health);
    let authorize = get(authorize::authorize).with_state(Arc::clone(&endpoints.browser));
    let consent = get(consent::show)
        .post(consent::decide)
        .with_state(Arc::clone(&endpoints.browser));
    let callback =
        get(callback::callback).with_state((endpoints.browser, Arc::clone(&endpoints.account)));
    let pages = Router::new()
        .route("/oauth/authorize", authorize)
        .route("/oauth/consent", consent)
        .route("/oauth/callback", callback)
        .merge(account_pages(endpoints.account))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&endpoints.limits),
            limits::page,
        ));
    // Inside of what lets programs in browsers read answers: these too.
    let client = |route: MethodRouter| -> MethodRouter {
        let limits = Arc::clone(&endpoints.limits);
        route.layer(middleware::from_fn_with_state(limits, limits::client))
    };
    let stranger = |route: MethodRouter| -> MethodRouter {
        let limits = Arc::clone(&endpoints.limits);
        route.layer(middleware::from_fn_with_state(limits, limits::stranger))
    };
    let programs = Router::new()
        .route("/oauth/backchannel-logout", unstored(client(logout)))
        .route("/oauth/offline-grants", unstored(client(offline_grants)))
        .route("/oauth/background-access", unstored(client(access)))
        .route(
            "/oauth/background-access/withdraw",
            unstored(client(withdraw)),
        )
        .route("/oauth/token", unstored(browsers(client(token))))
        // Not for programs in browsers: no MCP client there asks for these.
        .route("/oauth/revoke", unstored(client(revoke)))
        .route("/oauth/introspect", unstored(client(introspect)))
        .route("/oauth/userinfo", unstored(stranger(user_info)))
        .route("/oauth/register", unstored(browsers(stranger(register))))
        .route(
            "/oauth/register/{client_id}",
            unstored(browsers(stranger(registered))),
        )
        .route("/webhooks/nextcloud", unstored(client(webhooks)));
    let router = well_known(endpoints.published)
        .merge(pages)
        .merge(programs)
        .route("/health/live", unstored(get(health::live)))
        .route("/health/ready", unstored(ready));
    layered(router, observer)
}

/// The pages of signed-in users.
fn account_pages(pages: Arc<AccountPages>) -> Router {
    Router::new()
        .route("/account", get(account::account))
        .route(
            "/account/sign-in",
            get(account::sign_in_page).post(account::sign_in),
        )
        .route("/account/sign-out", post(account::sign_out))
        .route("/account/disconnect", post(account::disconnect))
        .route("/account/withdraw", post(account::withdraw))
        .route(
            "/oauth/authorize-nextcloud",
            get(provision::ask).post(provision::decide),
        )
        .route("/oauth/callback-nextcloud", get(provision::returned))
        .with_state(pages)
}

/// The metadata documents at every path that clients look at, and the keys.
fn well_known(published: Arc<Published>) -> Router {
    // A path issuer's path is data: no segment of it is a pattern.
    let mut router = Router::new().without_v07_checks();
    for path in published.metadata.server_paths() {
        router = router.route(&path, browsers(get(metadata::server)));
    }
    for path in published.metadata.provider_paths() {
        router = router.route(&path, browsers(get(metadata::provider)));
    }
    router
        .route("/oauth/jwks", browsers(get(metadata::jwks)))
        .with_state(published)
}

/// The admin listener's routes.
pub fn administration(api: Arc<AdminApi>, scrape: Scrape, observer: Observer) -> Router {
    let scrape = Arc::new(scrape);
    layered(admin::routes(api).merge(metrics::routes(scrape)), observer)
}

/// What surrounds every route, from the inside out.
fn layered(router: Router, observer: Observer) -> Router {
    router
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(
            observer.longest_request,
            in_time,
        ))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(default_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(default_header(header::REFERRER_POLICY, "no-referrer"))
        .layer(default_header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(default_header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .layer(middleware::from_fn_with_state(observer, request::observe))
        .layer(SetSensitiveRequestHeadersLayer::new([
            header::AUTHORIZATION,
            header::COOKIE,
        ]))
}

/// A header that an answer gets unless it has its own.
fn default_header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Answers that no cache may keep, errors included (RFC 6749 §5.1).
fn unstored<S: Clone + Send + Sync + 'static>(route: MethodRouter<S>) -> MethodRouter<S> {
    let always =
        |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    route.layer::<_, Infallible>((
        always(header::CACHE_CONTROL, "no-store"),
        always(header::PRAGMA, "no-cache"),
    ))
}

/// A route that programs in browsers call from any origin. Without credentials: what they prove,
/// they prove in the request, never by a cookie.
fn browsers<S: Clone + Send + Sync + 'static>(route: MethodRouter<S>) -> MethodRouter<S> {
    // The fallback first: it answers the preflight too, so it has to be inside the layer.
    route.fallback(wrong_method).layer(
        CorsLayer::new()
            .allow_origin(tower_http::cors::Any)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                HeaderName::from_static("mcp-protocol-version"),
            ])
            .expose_headers([
                header::WWW_AUTHENTICATE,
                header::RETRY_AFTER,
                request::REQUEST_ID,
            ])
            .max_age(Duration::from_hours(24)),
    )
}

/// Gives up on a request that takes too long.
async fn in_time(State(longest): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        // Outside of what keeps the other answers out of caches.
        Err(elapsed) => (
            [(header::CACHE_CONTROL, "no-store")],
            Failure::from(
                OAuthError::temporarily_unavailable("The request took too long. Try again.")
                    .because(elapsed),
            ),
        )
            .into_response(),
    }
}

/// A fault of ours in a handler; the message itself is on stderr.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Failure::from(OAuthError::server_error(
        "The broker failed. Tell its administrator the request id.",
    ))
    .into_response()
}

async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.")
}

async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "This address does not take this method; the header Allow says which.",
    )
}
