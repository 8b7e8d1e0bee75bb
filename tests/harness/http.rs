//! The HTTP client of the harness: follows no redirect, keeps no cookie, remembers every answer.
//!
//! What it remembers is what a client of the system has seen; a test can search it for tokens that
//! must never have left the inside.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use anyhow::{Context as _, Result};
use reqwest::RequestBuilder;
use serde_json::Value;
use url::Url;

/// An HTTP client with a transcript. Clones share both.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    transcript: Transcript,
}

/// All answers that some clients have seen, as text.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Mutex<Vec<String>>>);

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
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
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
        let entry = format!(
            "{} {}\n{:?}\n{}",
            answer.status, answer.url, answer.headers, answer.body
        );
        self.0.lock().unwrap().push(entry);
    }

    /// Everything, as one text.
    #[must_use]
    pub fn all(&self) -> String {
        self.0.lock().unwrap().join("\n\n")
    }
}

impl Answer {
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

/// The value of a query parameter.
#[must_use]
pub fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}
