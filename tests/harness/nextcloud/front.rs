//! The front controller: what happens to every request before and after its route.
//!
//! Logs the request in, refuses what Nextcloud refuses before it looks for a route, writes the
//! request down, and dresses the answer: security headers, `X-Request-Id`, `X-User-Id` and the
//! cookies that no client may keep.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::auth::{Identity, Means, identify};
use super::ocs::OcsRequest;
use super::server::{Server, Shared};
use super::text::{digest, header, header_value};
use super::user_oidc::UserOidc;
use super::webhooks;
use super::{json_answer, pages};

/// The name of the server's session cookie, which is also the suffix of every `oc:id`.
pub(super) const INSTANCE_ID: &str = "ocstandin000";

/// The parts of Nextcloud that treat requests differently.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Surface {
    /// `/ocs/v1.php`, `/ocs/v2.php`.
    Ocs,
    /// `/remote.php`.
    Dav,
    /// `/index.php` and everything else that PHP serves.
    App,
    /// `/status.php`: no session, no login.
    Status,
    /// What nginx answers by itself.
    Proxy,
}

impl Surface {
    pub(super) fn of(path: &str) -> Self {
        if path.starts_with("/ocs/") {
            Self::Ocs
        } else if path.starts_with("/remote.php/") {
            Self::Dav
        } else if path == "/status.php" {
            Self::Status
        } else if path == "/.well-known/caldav" || path == "/.well-known/carddav" {
            Self::Proxy
        } else {
            Self::App
        }
    }

    fn logs_in(self) -> bool {
        matches!(self, Self::Ocs | Self::Dav | Self::App)
    }
}

/// Marks an answer during which Nextcloud logged the session out again (`CORSMiddleware`).
#[derive(Clone, Copy)]
pub(super) struct LoggedOut;

/// The cookies that a login adds.
#[derive(Clone, Copy)]
enum LoginCookies {
    None,
    /// A login with the password.
    Password,
    /// A login that is remembered, as a token's was and will be again.
    Remember,
}

/// Marks an answer that PHP gave before the application framework ran.
#[derive(Clone, Copy)]
pub(super) struct Unframed;

/// The middleware around all routes.
pub(super) async fn front(
    State(server): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    let surface = Surface::of(request.uri().path());
    let number = server.observations().begin(
        server.clock().now(),
        request.method(),
        request.uri(),
        request.headers(),
    );
    let identity = if surface.logs_in() {
        identify(&server, request.headers()).await
    } else {
        Identity::Anonymous
    };
    let uid = identity.dav_session().map(|session| session.uid.clone());
    let before = webhooks::watch(&server, request.method(), uid.as_deref());
    let refusal = refused_login(surface, &identity, request.uri(), request.headers());
    let has_credentials = request.headers().contains_key("authorization");
    let mut response = if let Some(response) = refusal {
        response
    } else {
        request.extensions_mut().insert(identity.clone());
        next.run(request).await
    };
    if let (Some(before), Some(uid)) = (&before, &uid) {
        webhooks::tell(&server, uid, before);
    }
    dress(
        &server,
        surface,
        &identity,
        has_credentials,
        number,
        &mut response,
    );
    let user = match surface {
        Surface::Dav => identity.dav_session(),
        Surface::Ocs | Surface::App | Surface::Status | Surface::Proxy => identity.session(),
    };
    server.observations().finish(
        number,
        user.map(|session| session.uid.clone()),
        response.status().as_u16(),
    );
    response
}

/// A login that throws ends the request, whatever the route would have been.
fn refused_login(
    surface: Surface,
    identity: &Identity,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<Response> {
    let message = match identity {
        Identity::BadBasic => "",
        Identity::DisabledBasic | Identity::DisabledBearer => "Account disabled",
        Identity::Anonymous
        | Identity::BadBearer
        | Identity::PasswordForbidden
        | Identity::DisabledJwt(_)
        | Identity::User { .. } => return None,
    };
    match surface {
        Surface::Ocs => {
            let mut response = OcsRequest::of(uri, headers).unauthorised("Unauthorised");
            response.headers_mut().insert(
                "www-authenticate",
                HeaderValue::from_static("Basic realm=\"Authorisation Required\""),
            );
            Some(response)
        }
        Surface::App => {
            let mut response = json_answer(StatusCode::UNAUTHORIZED, &json!({"message": message}));
            response.extensions_mut().insert(Unframed);
            Some(response)
        }
        // WebDAV has its own authentication, with its own words.
        Surface::Dav | Surface::Status | Surface::Proxy => None,
    }
}

/// No route has this path.
pub(super) async fn not_found(State(_): State<Shared>, request: Request) -> Response {
    match Surface::of(request.uri().path()) {
        Surface::Ocs => OcsRequest::of(request.uri(), request.headers()).unknown_route(),
        Surface::Dav | Surface::App | Surface::Status | Surface::Proxy => pages::not_found(),
    }
}

/// A route has this path, but not for this method.
pub(super) async fn method_not_allowed(request: Request) -> Response {
    let content_type = match Surface::of(request.uri().path()) {
        Surface::Ocs => OcsRequest::of(request.uri(), request.headers()).content_type(),
        Surface::Dav | Surface::App | Surface::Status | Surface::Proxy => {
            "text/html; charset=UTF-8"
        }
    };
    let mut response = (
        StatusCode::METHOD_NOT_ALLOWED,
        [("content-type", content_type)],
    )
        .into_response();
    response.extensions_mut().insert(Unframed);
    response
}

/// Whether a request passes `passesCSRFCheck`: any value of the header will do.
pub(super) fn has_ocs_header(headers: &HeaderMap) -> bool {
    header(headers, "ocs-apirequest").is_some_and(|value| !value.is_empty())
}

/// The redirect that a user with a second factor gets on every controller route.
pub(super) fn challenge(uri: &Uri) -> Response {
    let target = uri
        .path_and_query()
        .map_or(uri.path(), |target| target.as_str());
    let location = format!(
        "/login/selectchallenge?redirect_url={}",
        super::text::encode_redirect(target)
    );
    (
        StatusCode::SEE_OTHER,
        [
            ("location", header_value(&location)),
            (
                "content-type",
                HeaderValue::from_static("text/html; charset=UTF-8"),
            ),
        ],
    )
        .into_response()
}

/// Adds what every answer of a surface carries.
fn dress(
    server: &Server,
    surface: Surface,
    identity: &Identity,
    has_credentials: bool,
    number: usize,
    response: &mut Response,
) {
    if surface == Surface::Proxy {
        return;
    }
    let unframed = response.extensions().get::<Unframed>().is_some();
    let logged_out = response.extensions().get::<LoggedOut>().is_some();
    let failed = response.status().is_client_error() || response.status().is_server_error();
    let headers = response.headers_mut();
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-permitted-cross-domain-policies", "none"),
        ("x-robots-tag", "noindex, nofollow"),
        ("content-security-policy", content_security_policy(surface)),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    let login = match identity.session().map(|session| &session.means) {
        Some(Means::LoginPassword) => LoginCookies::Password,
        Some(Means::Jwt) if server.user_oidc() == UserOidc::Sessions => LoginCookies::Remember,
        Some(Means::Jwt | Means::OidcApp | Means::AppPassword(_)) | None => LoginCookies::None,
    };
    for cookie in cookies(server, surface, has_credentials, logged_out, login, number) {
        headers.append("set-cookie", header_value(&cookie));
    }
    let framed = matches!(surface, Surface::Ocs | Surface::App) && !unframed;
    if framed {
        headers
            .entry("cache-control")
            .or_insert(HeaderValue::from_static(
                "no-cache, no-store, must-revalidate",
            ));
        headers.insert(
            "feature-policy",
            HeaderValue::from_static(
                "autoplay 'none';camera 'none';fullscreen 'none';geolocation 'none';\
                 microphone 'none';payment 'none'",
            ),
        );
    }
    if framed || (surface == Surface::Dav && !failed) {
        headers.insert("x-request-id", header_value(&request_id(number)));
    }
    if framed
        && !logged_out
        && let Some(session) = identity.session()
    {
        headers.insert("x-user-id", header_value(&session.uid));
    }
}

fn content_security_policy(surface: Surface) -> &'static str {
    match surface {
        Surface::Dav => "default-src 'none';",
        Surface::Ocs | Surface::App => {
            "default-src 'none';base-uri 'none';manifest-src 'self';frame-ancestors 'none'"
        }
        Surface::Status | Surface::Proxy => {
            "default-src 'self'; frame-src *; img-src * data: blob:; object-src 'none'; \
             base-uri 'self';"
        }
    }
}

/// The cookies of one answer. The session cookie is new each time: nobody kept the last one.
fn cookies(
    server: &Server,
    surface: Surface,
    has_credentials: bool,
    logged_out: bool,
    login: LoginCookies,
    number: usize,
) -> Vec<String> {
    const FOREVER: &str = "expires=Fri, 31-Dec-2100 23:59:59 GMT";
    let same_site = ["lax", "strict"].map(|kind| {
        format!("nc_sameSiteCookie{kind}=true; path=/; httponly;{FOREVER}; SameSite={kind}")
    });
    if surface == Surface::Status {
        return same_site.to_vec();
    }
    let secret =
        |what: &str| digest(format!("{what} {number} {}", server.clock().now()).as_bytes());
    let mut cookies = vec![format!(
        "oc_sessionPassphrase={}; path=/; HttpOnly; SameSite=Lax",
        secret("passphrase")
    )];
    cookies.extend(same_site);
    // A login clears the remember-me cookies, with and without a path; a logout once more.
    let clearings = usize::from(has_credentials) + usize::from(logged_out && has_credentials);
    for _ in 0..clearings {
        for path in ["", " path=/;"] {
            for name in ["nc_username", "nc_token", "nc_session_id"] {
                cookies.push(format!(
                    "{name}=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0;{path} HttpOnly"
                ));
            }
        }
    }
    cookies.push(format!(
        "{INSTANCE_ID}={}; path=/; HttpOnly; SameSite=Lax",
        secret("session")
    ));
    match login {
        LoginCookies::None => {}
        LoginCookies::Password => cookies.push("cookie_test=test; Max-Age=3600".to_owned()),
        LoginCookies::Remember => {
            for name in ["nc_username", "nc_token", "nc_session_id"] {
                cookies.push(format!("{name}={}; path=/; HttpOnly", secret(name)));
            }
        }
    }
    cookies
}

fn request_id(number: usize) -> String {
    let mut id = digest(format!("request {number}").as_bytes());
    id.truncate(20);
    id
}
