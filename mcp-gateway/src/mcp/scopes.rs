//! The scope check before anything runs: HTTP 403 `insufficient_scope` (RFC 6750 §3.1).
//!
//! A tool can only answer with a JSON-RPC error, which no client takes as a reason to ask the
//! user for more rights. So the body is read here, before rmcp. The body decides: the headers
//! `Mcp-Method` and `Mcp-Name` are not believed, and rmcp refuses those that disagree. What could
//! be read in two ways (batches, repeated members, positional parameters) is refused. The server
//! checks the scope once more when it runs the tool, so a gap here would still open nothing.
//!
//! Whoever cancels a call is heard here too: rmcp drops notifications where there is no session.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use broker_client::{bearer::ProtectedResource, oauth::Scope};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use rmcp::model::RequestId;
use serde::{
    Deserialize,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Value, json};

use super::calls::Calls;
use crate::{
    credentials::Caller,
    tools::{Catalog, Needs},
};

/// What the check needs.
pub struct ScopeCheck {
    /// Where the needs stand.
    pub catalog: Arc<Catalog>,
    /// Who makes the challenges; `None` on a gateway without a broker, where all is allowed.
    pub resource: Option<ProtectedResource>,
    /// The calls that can be cancelled.
    pub calls: Arc<Calls>,
    /// The largest body, in bytes.
    pub request_limit: usize,
    /// How long the body may take.
    pub body_timeout: Duration,
}

/// Refuses a call whose scopes the token lacks; anything else goes on unchanged.
pub async fn check(State(check): State<Arc<ScopeCheck>>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, check.request_limit).collect();
    let body = match tokio::time::timeout(check.body_timeout, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        }
        // The client went away in the middle.
        Ok(Err(_)) => return StatusCode::BAD_REQUEST.into_response(),
        // It sends so slowly that it would hold its place for ever.
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let message = match Message::read(&body) {
        Ok(message) => message,
        Err(refusal) => return refusal.into_response(),
    };
    if let (Some(caller), Some(request)) = (parts.extensions.get(), &message.cancelled) {
        check.calls.cancel(caller, request);
    }
    let granted = match (parts.extensions.get::<Caller>(), &check.resource) {
        (Some(Caller::Token(caller)), Some(resource)) => Some((caller.scope().clone(), resource)),
        (Some(Caller::SingleUser), None) => None,
        // A forgotten layer closes the route.
        _ => return StatusCode::UNAUTHORIZED.into_response(),
    };
    if let (Some(target), Some((granted, resource))) = (message.target, granted)
        && let Some(needs) = target.needs(&check.catalog)
        && !check.catalog.allows(needs, &granted)
    {
        let required = check.catalog.required(needs, &granted);
        tracing::info!(%target, %required, "a call beyond the token's scopes was refused");
        return forbidden(resource, &granted, &required);
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

fn forbidden(resource: &ProtectedResource, granted: &Scope, required: &Scope) -> Response {
    // Clients ask for exactly what the challenge says and lose the rest: so both are said.
    let wanted = required.union(&granted.intersection(resource.challenge_scope()));
    let description =
        format!("This call needs the scope {required}, which the access token lacks.");
    resource
        .challenge()
        .insufficient_scope(&wanted, description)
        .into_response()
}

/// What a request wants to use.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Tool(String),
    Resource(String),
}

impl Target {
    /// The needs, or `None` when there is no such thing and rmcp will say so.
    fn needs(&self, catalog: &Catalog) -> Option<Needs> {
        match self {
            Self::Tool(name) => catalog.tool(name).map(crate::tools::Tool::needs),
            Self::Resource(uri) => catalog.resource(uri).map(|(resource, _)| resource.needs()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(name) => f.write_str(name),
            // A URI may name the user's things.
            Self::Resource(_) => f.write_str("a resource"),
        }
    }
}

/// A JSON-RPC message, as far as the check needs it.
#[derive(Debug)]
struct Message {
    target: Option<Target>,
    /// The request that is cancelled.
    cancelled: Option<RequestId>,
}

/// A body that is not even looked at.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// Batches left the protocol in 2025-06-18.
    Batch,
    /// No JSON, or JSON that could be read in two ways.
    Malformed,
    /// A call that does not say what it calls.
    Unnamed { id: Value },
}

impl Message {
    fn read(body: &Bytes) -> Result<Self, Refusal> {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'[') {
            return Err(Refusal::Batch);
        }
        let envelope: Envelope = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
        let unnamed = || Refusal::Unnamed {
            id: envelope.id.clone(),
        };
        let target = match envelope.method.as_deref() {
            Some("tools/call") => Some(Target::Tool(
                envelope.params.name.clone().ok_or_else(unnamed)?,
            )),
            Some("resources/read") => Some(Target::Resource(
                envelope.params.uri.clone().ok_or_else(unnamed)?,
            )),
            _ => None,
        };
        let cancelled = match envelope.method.as_deref() {
            Some("notifications/cancelled") => envelope.params.request_id,
            _ => None,
        };
        Ok(Self { target, cancelled })
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (code, message, id) = match self {
            Self::Batch => (
                -32600,
                "Batches are not supported: send one message per request.",
                Value::Null,
            ),
            Self::Malformed => (
                -32700,
                "The body is not one well-formed JSON-RPC message.",
                Value::Null,
            ),
            Self::Unnamed { id } => (
                -32602,
                "The params have to be an object with the name or uri as a string.",
                id,
            ),
        };
        let body =
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } });
        (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
    }
}

/// The members that decide. A repeated one is an error: parsers differ in which they believe.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Params,
}

/// `params`, if it is an object; what else it may be names nothing.
#[derive(Default)]
struct Params {
    name: Option<String>,
    uri: Option<String>,
    request_id: Option<RequestId>,
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParamsVisitor)
    }
}

struct ParamsVisitor;

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = Params;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Params, M::Error> {
        let mut params = Params::default();
        while let Some(key) = map.next_key::<String>()? {
            let slot = match key.as_str() {
                "name" => &mut params.name,
                "uri" => &mut params.uri,
                "requestId" => {
                    // Whichever it names, it is a call of this caller's own.
                    let id = map.next_value::<Value>()?;
                    params.request_id = serde_json::from_value(id).ok();
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if slot.is_some() {
                return Err(serde::de::Error::custom("a repeated member"));
            }
            // Another type than a string names nothing that could be called.
            *slot = Some(map.next_value::<String>()?);
        }
        Ok(params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &'static str) -> Result<Option<Target>, Refusal> {
        Message::read(&Bytes::from_static(body.as_bytes())).map(|message| message.target)
    }

    #[test]
    fn calls_and_reads_are_recognised_however_they_are_spelled() {
        assert_eq!(
            read(
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"name":"b"}}}"#
            ),
            Ok(Some(Target::Tool("a".to_owned())))
        );
        assert_eq!(
            read(r#"{"m\u0065thod":"tools\/call","params":{"n\u0061me":"a"}}"#),
            Ok(Some(Target::Tool("a".to_owned())))
        );
        assert_eq!(
            read(r#"{"method":"resources/read","params":{"uri":"nc://x"}}"#),
            Ok(Some(Target::Resource("nc://x".to_owned())))
        );
        assert_eq!(read(r#"{"method":"tools/list"}"#), Ok(None));
        assert_eq!(read(r#"{"id":1,"result":{}}"#), Ok(None));
    }

    #[test]
    fn a_cancellation_names_its_request() {
        for (body, expected) in [
            (
                r#"{"method":"notifications/cancelled","params":{"requestId":7,"reason":"x"}}"#,
                Some(RequestId::Number(7)),
            ),
            (
                r#"{"method":"notifications/cancelled","params":{"requestId":"a"}}"#,
                Some(RequestId::String("a".into())),
            ),
            (
                r#"{"method":"notifications/cancelled","params":{"requestId":{}}}"#,
                None,
            ),
            (
                r#"{"method":"notifications/progress","params":{"requestId":7}}"#,
                None,
            ),
        ] {
            let message = Message::read(&Bytes::from_static(body.as_bytes())).expect("a message");
            assert_eq!(message.cancelled, expected, "{body}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for body in [
            r#"{"method":"tools/list","method":"tools/call","params":{"name":"a"}}"#,
            r#"{"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            r#"{"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}"#,
            r#"{"method":"tools/call","params":[null,"a",{}]}"#,
            r#"{"method":"tools/call","params":{"name":1}}"#,
            "{",
            "",
        ] {
            assert_eq!(read(body), Err(Refusal::Malformed), "{body}");
        }
        assert_eq!(read(r#" [{"method":"tools/list"}]"#), Err(Refusal::Batch));
        for body in [
            r#"{"id":7,"method":"tools/call"}"#,
            r#"{"id":7,"method":"tools/call","params":null}"#,
            r#"{"id":7,"method":"resources/read","params":{"name":"a"}}"#,
        ] {
            assert_eq!(read(body), Err(Refusal::Unnamed { id: json!(7) }), "{body}");
        }
    }
}
