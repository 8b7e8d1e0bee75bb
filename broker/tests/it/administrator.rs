//! An administrator at the admin API of a broker under test.

use axum::body::Body;
use broker::crypto::Handle;
use broker::storage::{AdminRole, AdminToken};
use http::{Method, Request, header};
use serde_json::Value;

use crate::harness::{Answer, Broker};

/// Somebody with an admin token.
pub(crate) struct Administrator<'a> {
    broker: &'a Broker,
    token: String,
}

impl<'a> Administrator<'a> {
    /// One who may change things.
    pub(crate) async fn new(broker: &'a Broker) -> Self {
        let token = admin_token(broker, "ops", AdminRole::Write).await;
        Self { broker, token }
    }

    /// One who may look.
    pub(crate) async fn reading(broker: &'a Broker) -> Self {
        let token = admin_token(broker, "auditor", AdminRole::Read).await;
        Self { broker, token }
    }

    /// One whose token was made before.
    pub(crate) fn with(broker: &'a Broker, token: String) -> Self {
        Self { broker, token }
    }

    /// The same person at another replica.
    pub(crate) fn at<'b>(&self, broker: &'b Broker) -> Administrator<'b> {
        Administrator {
            broker,
            token: self.token.clone(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.call("POST", path, &[], None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, &[], None).await
    }

    pub(crate) async fn create(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, &[], Some(body)).await
    }

    /// Any request: below `/admin/v1`, with more headers, with a JSON body.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("/admin/v1/{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        Answer::of(
            self.broker.administration.clone(),
            request.body(body).unwrap(),
        )
        .await
    }

    /// Every item of a list, page by page.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{separator}limit=2{cursor}")).await;
            assert_eq!(page.status, 200, "{}", page.body);
            let page = page.json();
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}

/// A problem of this status and type.
#[track_caller]
pub(crate) fn assert_problem(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let problem = answer.json();
    assert_eq!(
        problem["type"],
        format!("urn:mcp-token-broker:problem:{kind}"),
        "{problem}"
    );
    assert_eq!(problem["status"], status);
    assert!(problem["detail"].as_str().unwrap().len() > 10, "{problem}");
}

/// A new admin token.
pub(crate) async fn admin_token(broker: &Broker, name: &str, role: AdminRole) -> String {
    let handle = Handle::generate(&broker.parts.ambient);
    let token = AdminToken {
        name: name.to_owned(),
        hash: handle.hash(),
        role,
        created_at: broker.now(),
        last_used_at: None,
    };
    broker.store().insert_admin_token(&token).await.unwrap();
    handle.expose().to_owned()
}
