//! Authentication of WebDAV, whose refusals are Sabre's and list every back end that was asked.

use axum::http::{HeaderMap, StatusCode};

use super::super::auth::{Identity, Means, Session};
use super::super::text::header;
use super::error::DavError;

const NO_BASIC: &str = "No 'Authorization: Basic' header found. Either the client didn't send \
                        one, or the server is misconfigured";
const NO_BEARER: &str = "No 'Authorization: Bearer' header found. Either the client didn't send \
                         one, or the server is mis-configured";
const BAD_BASIC: &str = "Username or password was incorrect";
const BAD_BEARER: &str = "Bearer token was incorrect";

/// The user, or the refusal. A good token of a disabled account passes, and so does one of a user
/// with a second factor.
pub(super) fn authenticate(identity: &Identity, headers: &HeaderMap) -> Result<Session, DavError> {
    let session = identity.dav_session();
    let by_token = session.is_some_and(|session| session.means == Means::Jwt);
    let ajax = header(headers, "x-requested-with")
        .is_some_and(|value| value.split(',').any(|one| one.trim() == "XMLHttpRequest"));
    if ajax && !by_token {
        return Err(
            DavError::not_authenticated("Cannot authenticate over ajax calls")
                .header("www-authenticate", "DummyBasic realm=\"Nextcloud\""),
        );
    }
    if let Some(session) = session {
        return Ok(session.clone());
    }
    let (basic, bearer) = match identity {
        Identity::DisabledBasic => {
            return Err(DavError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Sabre\\DAV\\Exception\\ServiceUnavailable",
                "OC\\User\\DisabledUserException: Account disabled",
            ));
        }
        Identity::DisabledBearer => {
            return Err(DavError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "OC\\User\\DisabledUserException",
                "Account disabled",
            ));
        }
        Identity::BadBasic | Identity::PasswordForbidden => (BAD_BASIC, NO_BEARER),
        Identity::BadBearer => (NO_BASIC, BAD_BEARER),
        Identity::Anonymous | Identity::DisabledJwt(_) | Identity::User { .. } => {
            (NO_BASIC, NO_BEARER)
        }
    };
    Err(DavError::not_authenticated(&format!(
        "No public access to this resource., AppAPIAuth has not passed, This request is not for a \
         federated calendar, {basic}, {bearer}, {basic}"
    ))
    .header(
        "www-authenticate",
        "Basic realm=\"Nextcloud\", charset=\"UTF-8\"",
    ))
}
