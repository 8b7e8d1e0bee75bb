//! The administrator of an installation: the admin API with a token that may do everything.

use anyhow::{Context as _, Result};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Deployment;
use crate::http::{Answer, Http};

impl Deployment {
    /// The audit rows that fit the query (`event=…&sub=…`), newest first.
    ///
    /// # Errors
    /// When the admin API does not answer with them.
    pub async fn audit(&self, query: &str) -> Result<Vec<Value>> {
        let answer = self
            .administer(Method::GET, &format!("audit?{query}"), None)
            .await?;
        let page = answer.success()?.json()?;
        Ok(page["items"].as_array().context("no items")?.clone())
    }

    /// Asks the admin API at a path below `/admin/v1`, with a JSON body if there is one; which
    /// replica answers is left to chance.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn administer(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let http = Http::default();
        let url = format!("{}/admin/v1/{path}", self.addresses.admin_url());
        let mut request = http.client().request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        http.send(request.bearer_auth(&self.admin_token)).await
    }

    /// What an administrator says about a client: `approve` or `block`.
    ///
    /// # Errors
    /// When the broker does not do it.
    pub async fn judge_client(&self, client_id: &str, verdict: &str) -> Result<Value> {
        // A client id may be a URL: here it is one segment of a path.
        let segment = utf8_percent_encode(client_id, NON_ALPHANUMERIC);
        let path = format!("clients/{segment}/{verdict}");
        self.administer(Method::POST, &path, None)
            .await?
            .success()?
            .json()
    }
}
