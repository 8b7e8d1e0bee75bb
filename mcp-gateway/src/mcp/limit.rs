//! How many requests of one caller run at a time: HTTP 429 (RFC 6585 §4) beyond that.
//!
//! One agent that runs wild must not take the gateway from everybody else. The count is of this
//! replica; it comes before the body is read, so it bounds memory too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::json;

use crate::credentials::Caller;

/// JSON-RPC's first code for errors of an implementation's own.
const SERVER_ERROR: i32 = -32000;
/// Calls end all the time: seconds after which a new one may well fit.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// How many requests each caller has running.
pub struct Limit {
    most: usize,
    running: Mutex<HashMap<String, usize>>,
}

impl Limit {
    /// Lets each caller run `most` at a time.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            running: Mutex::default(),
        }
    }

    fn enter(self: &Arc<Self>, caller: &Caller) -> Option<Place> {
        let caller = match caller {
            Caller::Token(caller) => format!("{} {}", caller.claims().iss, caller.claims().sub),
            Caller::SingleUser => String::new(),
        };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(caller.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place {
            limit: Arc::clone(self),
            caller,
        })
    }
}

/// One running request, until it is dropped.
struct Place {
    limit: Arc<Limit>,
    caller: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut running = self
            .limit
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.caller);
            }
        }
    }
}

/// Refuses a request of a caller who has too many running.
pub async fn check(State(limit): State<Arc<Limit>>, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>() else {
        // A forgotten layer closes the route.
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let Some(place) = limit.enter(caller) else {
        tracing::warn!(most = limit.most, "a caller has too many requests running");
        return refusal(limit.most);
    };
    let response = next.run(request).await;
    let is_stream = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !is_stream {
        return response;
    }
    // The call goes on behind the headers of its answer.
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _held = &place;
            frame
        }))
    })
}

fn refusal(most: usize) -> Response {
    let message = format!(
        "You have {most} requests running here already, which is as many as one caller may. Nothing \
         was done: wait until one of them has ended, then send this one again."
    );
    let body = json!({
        "jsonrpc": "2.0", "id": null, "error": { "code": SERVER_ERROR, "message": message },
    });
    let headers = [(header::RETRY_AFTER, RETRY_AFTER)];
    (StatusCode::TOO_MANY_REQUESTS, headers, axum::Json(body)).into_response()
}
