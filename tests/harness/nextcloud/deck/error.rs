//! Refusals of Deck: a status, and the same status with a message in the body.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::super::json_answer;
use super::super::text::digest;

/// Why Deck refuses.
#[derive(Debug)]
pub(super) enum DeckError {
    /// The thing does not exist, or the user may not do that with it: Deck does not tell which.
    Denied,
    /// A parameter is missing or wrong.
    Bad(String),
    /// A rule is broken, which is a 500 in Deck.
    Rule(&'static str),
    /// What was to be removed is not there.
    Missing(String),
    /// PHP threw something that Deck does not catch.
    Broken,
}

impl DeckError {
    /// The board is archived.
    pub(super) const BOARD_ARCHIVED: Self =
        Self::Rule("Operation not allowed. This board is archived.");
    /// The card is archived.
    pub(super) const CARD_ARCHIVED: Self =
        Self::Rule("Operation not allowed. This card is archived.");

    /// The message of a validator.
    pub(super) fn empty(field: &str) -> Self {
        Self::Bad(format!("{field} must be provided and must be not empty"))
    }

    pub(super) fn response(&self) -> Response {
        let (status, message) = match self {
            Self::Denied => (403, "Permission denied"),
            Self::Bad(message) => (400, message.as_str()),
            Self::Rule(message) => (500, *message),
            Self::Missing(message) => (404, message.as_str()),
            Self::Broken => return broken(),
        };
        json_answer(
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            &json!({"status": status, "message": message}),
        )
    }
}

fn broken() -> Response {
    let mut request_id = digest(b"a request that broke");
    request_id.truncate(20);
    let message = format!(
        "Internal server error: Please contact the server administrator if this error reappears \
         multiple times, please include the request ID \"{request_id}\" below in your report."
    );
    json_answer(
        StatusCode::INTERNAL_SERVER_ERROR,
        &json!({"status": 500, "message": message, "requestId": request_id}),
    )
}
