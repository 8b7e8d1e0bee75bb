//! The gates in front of controller routes, as extractors: a handler names the kind of route it
//! is, and runs only when the request passes.
//!
//! | Extractor | Route | Without `OCS-APIRequest` |
//! |---|---|---|
//! | [`CorsRoute`] | app API with `#[CORS]` (Notes, Deck, Tables, Cookbook) | 401, session dropped |
//! | [`CsrfRoute`] | ordinary controller | 412 |
//! | [`OcsRoute`] | OCS, login required | 412 unless `Authorization: Bearer …` |
//! | [`PublicOcsRoute`] | OCS, open to all | same |
//!
//! The second factor is asked for after the login check and before the CSRF check.

#![expect(
    clippy::result_large_err,
    reason = "a refusal is a whole response, once a request"
)]

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::json;

use super::auth::{Identity, Session};
use super::front::{LoggedOut, challenge, has_ocs_header};
use super::json_answer;
use super::ocs::OcsRequest;
use super::text::header;

const NOT_LOGGED_IN: &str = "Current user is not logged in";

/// A call of an app API that browsers of other origins may use.
pub(super) struct CorsRoute(pub(super) Session);

impl<S: Sync> FromRequestParts<S> for CorsRoute {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let identity = identity(parts);
        // `CORSMiddleware` runs first: without the header it drops the session and accepts only
        // a password in the request itself.
        if !has_ocs_header(&parts.headers) {
            let message = if identity == Identity::PasswordForbidden {
                "Password login forbidden, use token instead"
            } else {
                "CORS requires basic auth"
            };
            let basic = header(&parts.headers, "authorization")
                .is_some_and(|value| value.starts_with("Basic "));
            if !basic || identity.session().is_none() {
                let mut response =
                    json_answer(StatusCode::UNAUTHORIZED, &json!({"message": message}));
                response.extensions_mut().insert(LoggedOut);
                return Err(response);
            }
        }
        logged_in(parts, &identity).map(Self)
    }
}

/// A call of an ordinary controller, which wants a CSRF token that only the header replaces.
pub(super) struct CsrfRoute(pub(super) Session);

impl<S: Sync> FromRequestParts<S> for CsrfRoute {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let session = logged_in(parts, &identity(parts))?;
        if !has_ocs_header(&parts.headers) {
            return Err(csrf_failed());
        }
        Ok(Self(session))
    }
}

/// An OCS call by a user.
pub(super) struct OcsRoute {
    pub(super) session: Session,
    pub(super) ocs: OcsRequest,
}

impl<S: Sync> FromRequestParts<S> for OcsRoute {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let ocs = ocs_request(parts)?;
        let identity = identity(parts);
        let Some(session) = identity.session() else {
            return Err(ocs.unauthorised(NOT_LOGGED_IN));
        };
        pass_challenge(parts, &identity)?;
        pass_ocs_csrf(parts)?;
        Ok(Self {
            session: session.clone(),
            ocs,
        })
    }
}

/// An OCS call by anybody.
pub(super) struct PublicOcsRoute {
    pub(super) session: Option<Session>,
    pub(super) ocs: OcsRequest,
}

impl<S: Sync> FromRequestParts<S> for PublicOcsRoute {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let ocs = ocs_request(parts)?;
        let identity = identity(parts);
        pass_challenge(parts, &identity)?;
        pass_ocs_csrf(parts)?;
        Ok(Self {
            session: identity.session().cloned(),
            ocs,
        })
    }
}

fn identity(parts: &Parts) -> Identity {
    parts
        .extensions
        .get::<Identity>()
        .cloned()
        .unwrap_or(Identity::Anonymous)
}

/// Routes are written `/ocs/{version}/…`; only the two entry scripts exist.
fn ocs_request(parts: &Parts) -> Result<OcsRequest, Response> {
    let path = parts.uri.path();
    if path.starts_with("/ocs/v1.php/") || path.starts_with("/ocs/v2.php/") {
        Ok(OcsRequest::of(&parts.uri, &parts.headers))
    } else {
        Err(super::pages::not_found())
    }
}

fn logged_in(parts: &Parts, identity: &Identity) -> Result<Session, Response> {
    let Some(session) = identity.session() else {
        return Err(json_answer(
            StatusCode::UNAUTHORIZED,
            &json!({"message": NOT_LOGGED_IN}),
        ));
    };
    pass_challenge(parts, identity)?;
    Ok(session.clone())
}

fn pass_challenge(parts: &Parts, identity: &Identity) -> Result<(), Response> {
    if identity.second_factor_due() {
        Err(challenge(&parts.uri))
    } else {
        Ok(())
    }
}

fn pass_ocs_csrf(parts: &Parts) -> Result<(), Response> {
    // `Bearer ` in exactly this case is as good as the header.
    let bearer = header(&parts.headers, "authorization")
        .is_some_and(|authorization| authorization.starts_with("Bearer "));
    if bearer || has_ocs_header(&parts.headers) {
        Ok(())
    } else {
        Err(csrf_failed())
    }
}

fn csrf_failed() -> Response {
    json_answer(
        StatusCode::PRECONDITION_FAILED,
        &json!({"message": "CSRF check failed"}),
    )
}
