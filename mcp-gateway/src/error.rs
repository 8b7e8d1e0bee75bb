//! Why a tool call failed, told to a model: what happened, why, and the next step.
//!
//! Owns every sentence about a failure of Nextcloud, once for all tools. A tool says what it was
//! about ([`About`]); faults of the protocol itself are JSON-RPC errors and made in `mcp::server`.

use std::borrow::Cow;

use http::StatusCode;
use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::Value;

use crate::nextcloud::{Cause, Error, NoAccess, PathError};

/// What a request was about, for the sentence when it fails.
#[derive(Debug, Clone)]
pub struct About {
    /// The thing, as the subject of a sentence: `Note 5`.
    pub what: Cow<'static, str>,
    /// How to find the right one, as a sentence of its own.
    pub find: &'static str,
    /// The app that has to be installed: `Notes`.
    pub app: &'static str,
}

/// A failure that the model is told about.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct ToolError {
    /// What happened, why, and what to do next.
    sentence: Cow<'static, str>,
    /// Something to go on with, such as the current version after a conflict.
    attachment: Option<Value>,
    kind: ToolErrorKind,
    #[source]
    source: Option<Cause>,
}

/// What a failure means for a protocol that has codes for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolErrorKind {
    /// The caller asked for something impossible.
    Invalid,
    /// The thing does not exist.
    NotFound,
    /// Anything else.
    Failed,
}

impl ToolError {
    /// The arguments cannot be used as they are.
    pub fn invalid(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ToolErrorKind::Invalid, sentence)
    }

    /// The thing does not exist.
    pub fn not_found(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ToolErrorKind::NotFound, sentence)
    }

    /// The call failed for any other reason.
    pub fn failed(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ToolErrorKind::Failed, sentence)
    }

    fn new(kind: ToolErrorKind, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self {
            sentence: sentence.into(),
            attachment: None,
            kind,
            source: None,
        }
    }

    /// Adds something to go on with.
    #[must_use]
    pub fn attach(mut self, value: &impl Serialize) -> Self {
        self.attachment = serde_json::to_value(value).ok();
        self
    }

    /// Adds the cause, which is logged and never shown.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// What the failure means.
    #[must_use]
    pub fn kind(&self) -> ToolErrorKind {
        self.kind
    }

    /// The result of the tool: the sentence, then the attachment.
    ///
    /// Both are text: structured content would have to match the schema of a success.
    #[must_use]
    pub fn into_result(self) -> CallToolResult {
        let mut content = vec![ContentBlock::text(self.sentence)];
        content.extend(
            self.attachment
                .map(|value| ContentBlock::text(value.to_string())),
        );
        CallToolResult::error(content)
    }
}

impl From<PathError> for ToolError {
    fn from(error: PathError) -> Self {
        Self::invalid(format!(
            "That path cannot be used: {error}. Give it from the root folder, such as \"Documents/plan.md\"."
        ))
    }
}

impl From<NoAccess> for ToolError {
    fn from(error: NoAccess) -> Self {
        Self::failed(error.sentence).because(error)
    }
}

/// Says what a failure was about.
pub trait Describe<T> {
    /// Turns the failure into sentences about `about`.
    ///
    /// # Errors
    ///
    /// Whatever failed, told to the model.
    fn about(self, about: &About) -> Result<T, ToolError>;
}

impl<T> Describe<T> for Result<T, Error> {
    fn about(self, about: &About) -> Result<T, ToolError> {
        self.map_err(|error| describe(error, about))
    }
}

/// The sentences, by what went wrong.
#[must_use]
pub fn describe(error: Error, about: &About) -> ToolError {
    let About { what, find, app } = about;
    let made = match &error {
        Error::Unreachable(_) => ToolError::failed(
            "Nextcloud cannot be reached at the moment, so nothing was done. Try again in a minute; \
             if it lasts, the administrator has to look at the server.",
        ),
        Error::TimedOut(_) => ToolError::failed(
            "Nextcloud did not answer in time. A change may or may not have been made: read the \
             current state before trying again.",
        ),
        Error::TooLarge { limit } => ToolError::failed(format!(
            "{what} is larger than the {} KiB that this server passes on. Ask for a smaller part \
             of it.",
            limit / 1024
        )),
        Error::Denied => ToolError::failed(
            "This server never asks that address of Nextcloud, because it could take the account \
             over. There is no way to do it with these tools.",
        ),
        Error::Request(_) => ToolError::invalid(format!(
            "{what} cannot be named in a request. Check the arguments for unusual characters."
        )),
        Error::NoAccess(no_access) => ToolError::failed(no_access.sentence),
        Error::Unauthorized => ToolError::failed(
            "Nextcloud does not accept this account's token, a fresh one neither. The user should \
             sign in again; if that does not help, the administrator has to check that Nextcloud \
             trusts the broker.",
        ),
        Error::SecondFactor => ToolError::failed(
            "Nextcloud asks this account for a second factor, which this kind of access cannot \
             give. The user or the administrator has to choose another way of access for accounts \
             with two-factor authentication; trying again does not help.",
        ),
        Error::AccountDisabled => ToolError::failed(
            "This account is disabled in Nextcloud, so nothing can be done with it. The \
             administrator has to enable it.",
        ),
        Error::HeaderLost => ToolError::failed(
            "Nextcloud refused the request because something before it took away the header \
             OCS-APIRequest, so nothing was done. The administrator has to let that header pass; \
             trying again does not help.",
        ),
        Error::Redirected => ToolError::failed(
            "Nextcloud pointed to another address, which this server does not follow. The \
             administrator has to correct the address of Nextcloud in the gateway's configuration.",
        ),
        Error::AppMissing => ToolError::failed(format!(
            "The {app} app is not installed or not enabled in this Nextcloud, so its tools cannot \
             be used. The administrator can enable it; go on without it."
        )),
        Error::Malformed(_) => ToolError::failed(format!(
            "Nextcloud's answer about {what} could not be understood, so the result is not known. \
             Read the current state before trying again; tell the administrator if it lasts."
        )),
        Error::Refused(answer) => refusal(answer.status, reason(&answer.body), what, find),
    };
    made.because(error)
}

fn refusal(status: StatusCode, reason: Option<String>, what: &str, find: &str) -> ToolError {
    let reason = reason.map_or_else(String::new, |reason| {
        format!(" Nextcloud says: \"{reason}\".")
    });
    match status {
        StatusCode::NOT_FOUND => ToolError::not_found(format!(
            "{what} does not exist, or belongs to somebody else. {find}"
        )),
        StatusCode::FORBIDDEN => ToolError::failed(format!(
            "{what} may not be used in this way by this account.{reason} Ask the owner for the \
             permission, or choose another one."
        )),
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => ToolError::failed(format!(
            "{what} was changed by somebody else in the meantime, so nothing was done.{reason} \
             Read it again and repeat the change on the current version."
        )),
        StatusCode::PAYLOAD_TOO_LARGE => ToolError::failed(format!(
            "{what} is too large for this Nextcloud. Make it smaller."
        )),
        StatusCode::LOCKED => ToolError::failed(format!(
            "{what} is locked because somebody is working on it. Wait a minute and try again."
        )),
        StatusCode::TOO_MANY_REQUESTS => ToolError::failed(
            "Nextcloud received too many requests of this account. Wait a minute before the next one.",
        ),
        StatusCode::INSUFFICIENT_STORAGE => ToolError::failed(
            "The account's storage is full, so nothing was written. Delete something or ask the \
             administrator for more space.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => ToolError::failed(
            "Nextcloud is not available right now, perhaps for maintenance. Try again later.",
        ),
        status if status.is_server_error() => ToolError::failed(format!(
            "Nextcloud failed inside ({status}) while working on {what}. Read the current state \
             before trying again; tell the administrator if it lasts."
        )),
        status => ToolError::failed(format!(
            "Nextcloud refused the request about {what} ({status}).{reason} Check the arguments."
        )),
    }
}

/// The chain of causes on one line, for the log. The sentence itself is left out: it names things
/// of the user.
#[must_use]
pub fn causes(error: &ToolError) -> String {
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    if causes.is_empty() {
        "refused by the tool".to_owned()
    } else {
        causes.join(": ")
    }
}

/// The words that Nextcloud gives for a refusal.
#[must_use]
pub fn words(error: &Error) -> Option<String> {
    let Error::Refused(answer) = error else {
        return None;
    };
    reason(&answer.body)
}

/// How much of Nextcloud's own words is passed on, in characters.
const REASON_LENGTH: usize = 200;

/// The words that Nextcloud gives for a refusal, from JSON or DAV's XML, cut and on one line.
fn reason(body: &[u8]) -> Option<String> {
    let text = if let Ok(value) = serde_json::from_slice::<Value>(body) {
        // Cookbook says `msg`, or nothing but the words.
        ["/message", "/ocs/meta/message", "/error", "/msg", ""]
            .into_iter()
            .find_map(|pointer| value.pointer(pointer)?.as_str().map(str::to_owned))
    } else {
        let text = String::from_utf8_lossy(body);
        text.split_once("<s:message>")
            .and_then(|(_, rest)| rest.split_once("</s:message>"))
            .map(|(message, _)| message.to_owned())
    }?;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches('.');
    (!line.is_empty()).then(|| line.chars().take(REASON_LENGTH).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nextclouds_own_words_are_found_and_bounded() {
        assert_eq!(
            reason(br#"{"message":"No\n way."}"#).as_deref(),
            Some("No way")
        );
        assert_eq!(
            reason(br#"{"ocs":{"meta":{"message":"Wrong share"},"data":[]}}"#).as_deref(),
            Some("Wrong share")
        );
        assert_eq!(
            reason(b"<d:error><s:message>Filename is a reserved word</s:message></d:error>")
                .as_deref(),
            Some("Filename is a reserved word")
        );
        assert_eq!(
            reason(br#"{"msg":"No recipe name was given.","file":"/var/www/x.php"}"#).as_deref(),
            Some("No recipe name was given")
        );
        assert_eq!(
            reason(br#""No recipe there""#).as_deref(),
            Some("No recipe there")
        );
        assert_eq!(reason(b"<html>"), None);
        assert_eq!(reason(b"999999"), None);
        let long = format!("{{\"message\":\"{}\"}}", "x".repeat(5000));
        assert_eq!(
            reason(long.as_bytes()).map(|text| text.len()),
            Some(REASON_LENGTH)
        );
    }

    #[test]
    fn a_failure_is_text_and_carries_what_to_go_on_with() {
        let error = ToolError::failed("Changed.").attach(&serde_json::json!({ "etag": "e2" }));
        let result = error.because("secret cause").into_result();
        assert_eq!(result.is_error, Some(true));
        assert_eq!(result.structured_content, None);
        let shown = serde_json::to_string(&result).expect("json");
        assert!(shown.contains("Changed.") && shown.contains("e2") && !shown.contains("secret"));
    }
}
