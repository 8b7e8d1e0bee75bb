//! What can go wrong between the gateway and Nextcloud.
//!
//! Owns the reading of Nextcloud's refusals: which answer means a second factor, a disabled
//! account, a missing app. The sentences for the model are made in `crate::error`.

use http::{StatusCode, header};

use super::request::Answer;

/// The private cause of an error.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no credential for Nextcloud.
#[derive(Debug, thiserror::Error)]
#[error("no credential for Nextcloud: {sentence}")]
pub struct NoAccess {
    /// What happened and what to do, for the model.
    pub sentence: &'static str,
    /// The cause, for the log.
    #[source]
    pub source: Cause,
}

/// Why a request to Nextcloud brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection failed.
    #[error("cannot reach Nextcloud")]
    Unreachable(#[source] Cause),
    /// No answer within the configured time.
    #[error("Nextcloud did not answer in time")]
    TimedOut(#[source] Cause),
    /// The answer is larger than the configured limit.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The route could take the account over and is refused here.
    #[error("the route is on the gateway's deny list")]
    Denied,
    /// The request could not be built.
    #[error("the request to Nextcloud cannot be built")]
    Request(#[source] Cause),
    /// A fresh credential was needed and not given.
    #[error(transparent)]
    NoAccess(#[from] NoAccess),
    /// Nextcloud refused the credential, the fresh one as well.
    #[error("Nextcloud refused the credential")]
    Unauthorized,
    /// Nextcloud wants a second factor, which a token cannot give.
    #[error("Nextcloud asks for a second factor")]
    SecondFactor,
    /// The account is disabled in Nextcloud.
    #[error("the account is disabled in Nextcloud")]
    AccountDisabled,
    /// Nextcloud did not see the header that keeps its check of browsers' forms away.
    #[error("Nextcloud did not get the header OCS-APIRequest")]
    HeaderLost,
    /// Nextcloud sent us elsewhere; redirects are never followed.
    #[error("Nextcloud answered with a redirect")]
    Redirected,
    /// The app behind the route is not there.
    #[error("the app behind the route is not installed")]
    AppMissing,
    /// A success that is not the data that was asked for.
    #[error("Nextcloud's answer is not what was asked for: {0}")]
    Malformed(&'static str),
    /// Any other status than success.
    #[error("Nextcloud answered {}", .0.status)]
    Refused(Box<Answer>),
}

impl Error {
    /// The HTTP status of a refusal, if this is one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        let Self::Refused(answer) = self else {
            return None;
        };
        Some(answer.status)
    }

    /// Whether this is a refusal with `status`.
    #[must_use]
    pub fn is(&self, status: StatusCode) -> bool {
        self.status() == Some(status)
    }
}

/// What Nextcloud says to a request without `OCS-APIRequest`, with a session's token and without.
const HEADER_LOST: [&str; 2] = ["CSRF check failed", "CORS requires basic auth"];

/// Turns an answer into a success or the error that it means.
pub(super) fn classify(mut answer: Answer) -> Result<Answer, Error> {
    let status = answer.status;
    if status.is_success() {
        return Ok(answer);
    }
    if status.is_redirection() {
        // Following this one would bring 200 and a page of HTML.
        let asks_factor = answer
            .header(header::LOCATION)
            .is_some_and(|location| location.contains("/login/selectchallenge"));
        return Err(if asks_factor {
            Error::SecondFactor
        } else {
            Error::Redirected
        });
    }
    if matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::PRECONDITION_FAILED
    ) && HEADER_LOST
        .iter()
        .any(|words| answer.text().contains(words))
    {
        return Err(Error::HeaderLost);
    }
    // Moving a locked file is answered so, all else about it with 423.
    if status.is_server_error() && answer.text().contains("LockedException") {
        answer.status = StatusCode::LOCKED;
        return Err(Error::Refused(Box::new(answer)));
    }
    // The words are the only sign: the status is 401, 500 or 503 depending on API and version.
    if status == StatusCode::UNAUTHORIZED || status.is_server_error() {
        if answer.text().contains("Account disabled") {
            return Err(Error::AccountDisabled);
        }
        if status == StatusCode::UNAUTHORIZED {
            return Err(Error::Unauthorized);
        }
    }
    // A route that no app has gets a page; Tables says 404 about a table with an empty one.
    if status == StatusCode::NOT_FOUND && answer.is_html() && !answer.body.is_empty() {
        return Err(Error::AppMissing);
    }
    Err(Error::Refused(Box::new(answer)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn answer(
        status: u16,
        header: Option<(HeaderName, &'static str)>,
        body: &'static str,
    ) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Answer {
            status: StatusCode::from_u16(status).expect("status"),
            headers,
            body: Bytes::from_static(body.as_bytes()),
            is_cut: false,
        }
    }

    #[test]
    fn each_shape_of_refusal_is_recognised() {
        let factor = "/login/selectchallenge?redirect_url=/index.php/apps/notes/api/v1/notes";
        assert!(matches!(
            classify(answer(303, Some((header::LOCATION, factor)), "")),
            Err(Error::SecondFactor)
        ));
        assert!(matches!(
            classify(answer(
                302,
                Some((header::LOCATION, "https://cloud.example/login")),
                ""
            )),
            Err(Error::Redirected)
        ));
        assert!(matches!(
            classify(answer(401, None, r#"{"message":"Account disabled"}"#)),
            Err(Error::AccountDisabled)
        ));
        assert!(matches!(
            classify(answer(503, None, "<s:message>Account disabled</s:message>")),
            Err(Error::AccountDisabled)
        ));
        assert!(matches!(
            classify(answer(
                401,
                None,
                r#"{"message":"Current user is not logged in"}"#
            )),
            Err(Error::Unauthorized)
        ));
        assert!(matches!(
            classify(answer(
                404,
                Some((header::CONTENT_TYPE, "text/html; charset=UTF-8")),
                "<html>"
            )),
            Err(Error::AppMissing)
        ));
        for (kind, body) in [("application/json", "{}"), ("text/html; charset=UTF-8", "")] {
            let refused = classify(answer(404, Some((header::CONTENT_TYPE, kind)), body));
            assert!(refused.expect_err("refused").is(StatusCode::NOT_FOUND));
        }
        assert!(classify(answer(207, None, "")).is_ok());
    }
}
