//! The HTTP client of the harness: follows no redirect, keeps no cookie, remembers every answer.
//!
//! What it remembers is what a client of the system has seen; a test can search it for tokens that
//! must never have left the inside.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use anyhow::{Context as _, Result};
use reqwest::RequestBuilder;
use serde_json::Value;
use url::Url;

use crate::tls;

/// An HTTP client with a transcript. Clones share both.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    transcript: Transcript,
}

/// All answers that some clients have seen, as text.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Mutex<Vec<Answer>>>);

/// One answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The URL that answered.
    pub url: Url,
    /// The status code.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

impl Default for Http {
    fn default() -> Self {
        Self::new(Transcript::default())
    }
}

impl Http {
    /// A client that writes into `transcript`.
    #[must_use]
    pub fn new(transcript: Transcript) -> Self {
        let client = tls::client()
            .redirect(reqwest::redirect::Policy::none())
            // A connection for each request: with replicas, each may meet another one; and none is
            // left over from before a crash.
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self { client, transcript }
    }

    /// The reqwest client inside, to build requests with.
    #[must_use]
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// What every clone of this client has seen.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// GET without any header of note.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get(&self, url: impl AsRef<str>) -> Result<Answer> {
        self.send(self.client.get(url.as_ref())).await
    }

    /// POST of a form.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post_form(&self, url: impl AsRef<str>, form: &[(&str, &str)]) -> Result<Answer> {
        self.send(self.client.post(url.as_ref()).form(form)).await
    }

    /// Sends any request and reads the whole answer.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let response = request.send().await.context("no answer over HTTP")?;
        let url = response.url().clone();
        let status = response.status();
        let headers = response.headers().clone();
        let body = response.text().await.context("the answer broke off")?;
        let answer = Answer {
            url,
            status,
            headers,
            body,
        };
        self.transcript.write(&answer);
        Ok(answer)
    }
}

impl Transcript {
    fn write(&self, answer: &Answer) {
        self.0.lock().unwrap().push(answer.clone());
    }

    /// Everything, as one text.
    #[must_use]
    pub fn all(&self) -> String {
        let answers = self.0.lock().unwrap();
        let entries = answers.iter().map(|answer| {
            format!(
                "{} {}\n{:?}\n{}",
                answer.status, answer.url, answer.headers, answer.body
            )
        });
        entries.collect::<Vec<_>>().join("\n\n")
    }

    /// Every token, code, secret, cookie and form token in it.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<String> {
        let answers = self.0.lock().unwrap();
        answers.iter().flat_map(Answer::secrets).collect()
    }
}

impl Answer {
    /// The tokens, codes, secrets, cookies and form tokens that it hands out.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        if let Ok(body) = serde_json::from_str(&self.body) {
            secret_members(&body, &mut found);
        }
        found.extend(self.location().and_then(|target| query(&target, "code")));
        let cookies = self.headers.get_all("set-cookie").iter();
        for cookie in cookies.filter_map(|cookie| cookie.to_str().ok()) {
            let pair = cookie.split(';').next().unwrap_or_default();
            found.extend(pair.split_once('=').map(|(_, value)| value.to_owned()));
        }
        let fields = self.body.split(r#"name="csrf" value=""#).skip(1);
        found.extend(fields.filter_map(|rest| Some(rest.split('"').next()?.to_owned())));
        // Cookies are also removed, by an empty or telling value.
        found.retain(|secret| secret.len() >= 16);
        found
    }

    /// A header field as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is no JSON; says what came instead.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| self.describe())
    }

    /// The target of a redirect, resolved against the URL that answered.
    #[must_use]
    pub fn location(&self) -> Option<Url> {
        if !self.status.is_redirection() {
            return None;
        }
        self.url.join(self.header("location")?).ok()
    }

    /// Status, URL and the start of the body, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        let start: String = self.body.chars().take(400).collect();
        format!("{} answered {}: {start}", self.url, self.status)
    }

    /// The answer itself when its status is a success.
    ///
    /// # Errors
    /// Describes the answer otherwise.
    pub fn success(self) -> Result<Self> {
        anyhow::ensure!(self.status.is_success(), "{}", self.describe());
        Ok(self)
    }
}

/// The members of a JSON document that hold secrets, however deep.
fn secret_members(document: &Value, found: &mut BTreeSet<String>) {
    const NAMES: [&str; 5] = [
        "access_token",
        "refresh_token",
        "id_token",
        "client_secret",
        "registration_access_token",
    ];
    match document {
        Value::Object(members) => {
            for (name, value) in members {
                if let Value::String(secret) = value
                    && NAMES.contains(&name.as_str())
                {
                    found.insert(secret.clone());
                }
                secret_members(value, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                secret_members(item, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The value of a query parameter.
#[must_use]
pub fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}
