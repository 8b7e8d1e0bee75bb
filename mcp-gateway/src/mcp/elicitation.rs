//! Elicitation in URL mode: the client sends its user to a page in the middle of a call.
//!
//! | Era | How the server knows that the client can | How it asks |
//! | --- | --- | --- |
//! | 2026-07-28 | each request carries the client's capabilities | an `input_required` result; the client repeats the call with the answer |
//! | 2025-11-25 | `initialize` said so, once | the error -32042, after which the client repeats the call |
//!
//! In the second case the server would have to remember, and this one has no memory. So it gives such
//! a client a session id that says nothing but that, and the client repeats it with every request:
//! any replica understands it. It opens nothing: who lies gets an answer that he cannot use.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, request::Parts};
use http_body_util::BodyExt;
use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolResponse, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
        ErrorCode, InputRequest, InputRequiredResult, InputResponses, ProtocolVersion,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::tools::{Visit, Visits};

/// The header that carries a session id.
const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// What the session id of a client begins with that opens pages.
const OPENS_PAGES: &str = "opens-pages.";
/// No `initialize` is longer, in bytes.
const LONGEST_INITIALIZE: usize = 64 * 1024;
/// `URLElicitationRequiredError` of MCP 2025-11-25.
const URL_ELICITATION_REQUIRED: ErrorCode = ErrorCode(-32042);
/// The name of our one question within a call.
const QUESTION: &str = "visit";

/// How the client of a call can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Not at all.
    None,
    /// By the error -32042.
    Error,
    /// By a result that asks for input.
    Result,
}

impl Way {
    /// What the client of this call declares.
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Self {
        let version = context.protocol_version();
        if version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28) {
            let capabilities = context.client_capabilities();
            let elicitation = capabilities.and_then(|all| all.elicitation);
            return match elicitation.and_then(|elicitation| elicitation.url) {
                Some(_) => Self::Result,
                None => Self::None,
            };
        }
        let headers = context
            .extensions
            .get::<Parts>()
            .map(|parts| &parts.headers);
        if headers.is_some_and(said_so) {
            Self::Error
        } else {
            Self::None
        }
    }

    /// What a tool needs to know, given the answers that came with the call.
    pub(super) fn visits(self, answers: Option<&InputResponses>) -> Visits {
        let answer = answers.and_then(|answers| answers.get(QUESTION));
        match (self, answer) {
            (Self::None, _) => Visits::Unsupported,
            (Self::Error, _) | (Self::Result, None) => Visits::Supported,
            (Self::Result, Some(answer)) => Visits::Asked {
                agreed: agreed(answer),
            },
        }
    }

    /// Asks the client to send its user to a page.
    pub(super) fn ask(self, visit: Visit) -> Result<CallToolResponse, ErrorData> {
        let Visit { message, url } = visit;
        match self {
            Self::Result => {
                let params = ElicitRequestParams::UrlElicitationParams {
                    meta: None,
                    message,
                    url,
                    // This era has none any more.
                    elicitation_id: String::new(),
                };
                let request = InputRequest::Elicitation(ElicitRequest::new(params));
                let requests = BTreeMap::from([(QUESTION.to_owned(), request)]);
                Ok(InputRequiredResult::from_input_requests(requests).into())
            }
            Self::Error => {
                let elicitation = json!({
                    "mode": "url", "elicitationId": Uuid::new_v4(), "url": url, "message": message,
                });
                Err(ErrorData::new(
                    URL_ELICITATION_REQUIRED,
                    "The user has to open a page before this call can be made.",
                    Some(json!({ "elicitations": [elicitation] })),
                ))
            }
            Self::None => Err(ErrorData::internal_error(
                "The client cannot open pages.",
                None,
            )),
        }
    }
}

fn agreed(answer: &Value) -> bool {
    serde_json::from_value::<ElicitResult>(answer.clone())
        .is_ok_and(|result| result.action == ElicitationAction::Accept)
}

fn said_so(headers: &HeaderMap) -> bool {
    headers
        .get(SESSION_ID)
        .is_some_and(|id| id.as_bytes().starts_with(OPENS_PAGES.as_bytes()))
}

/// Gives a client that says at `initialize` that it opens pages the session id that repeats it.
pub async fn remember(request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    // The scope check before this layer has read it already, within its limit.
    let Ok(body) = body.collect().await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let body = body.to_bytes();
    let opens_pages = says_so(&body);
    let mut response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let id = format!("{OPENS_PAGES}{}", Uuid::new_v4());
    if opens_pages
        && response.status() == StatusCode::OK
        && let Ok(id) = HeaderValue::from_str(&id)
    {
        response.headers_mut().insert(SESSION_ID, id);
    }
    response
}

/// Whether a body is an `initialize` of a client that opens pages.
fn says_so(body: &[u8]) -> bool {
    if body.len() > LONGEST_INITIALIZE {
        return false;
    }
    let Ok(message) = serde_json::from_slice::<Value>(body) else {
        return false;
    };
    let url = message.pointer("/params/capabilities/elicitation/url");
    message.get("method").and_then(Value::as_str) == Some("initialize")
        && url.is_some_and(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_that_says_it_opens_pages_is_believed_to() {
        let initialize = |capabilities: Value| {
            let message = json!({
                "jsonrpc": "2.0", "id": 1, "method": "initialize",
                "params": { "protocolVersion": "2025-11-25", "capabilities": capabilities },
            });
            says_so(message.to_string().as_bytes())
        };
        assert!(initialize(json!({ "elicitation": { "url": {} } })));
        assert!(initialize(
            json!({ "elicitation": { "form": {}, "url": {} } })
        ));
        // What an empty object means was settled before there were pages.
        assert!(!initialize(json!({ "elicitation": {} })));
        assert!(!initialize(json!({ "elicitation": { "form": {} } })));
        assert!(!initialize(json!({ "elicitation": { "url": null } })));
        assert!(!initialize(json!({})));
        assert!(!says_so(b"{"));
        assert!(!says_so(
            br#"{"method":"tools/list","params":{"capabilities":{"elicitation":{"url":{}}}}}"#
        ));
    }

    #[test]
    fn what_the_user_answered_counts_only_where_it_can_come_back() {
        let answers = |action: &str| {
            InputResponses::from([(QUESTION.to_owned(), json!({ "action": action }))])
        };
        for (way, action, expected) in [
            (Way::None, "accept", Visits::Unsupported),
            (Way::Error, "accept", Visits::Supported),
            (Way::Result, "accept", Visits::Asked { agreed: true }),
            (Way::Result, "decline", Visits::Asked { agreed: false }),
            (Way::Result, "cancel", Visits::Asked { agreed: false }),
            (Way::Result, "made-up", Visits::Asked { agreed: false }),
        ] {
            assert_eq!(way.visits(Some(&answers(action))), expected, "{way:?}");
        }
        let other = InputResponses::from([("other".to_owned(), json!({ "action": "accept" }))]);
        assert_eq!(Way::Result.visits(Some(&other)), Visits::Supported);
        assert_eq!(Way::Result.visits(None), Visits::Supported);
    }
}
