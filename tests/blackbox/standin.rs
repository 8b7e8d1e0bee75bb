//! The stand-in Nextcloud against what the real one was seen to do.
//!
//! The recorded exchanges are in `tests/fixtures/nextcloud/`; what no recording shows is tested by
//! hand in the sub-modules. No other process is needed here.

mod accounts;
mod calendars;
mod contacts;
mod cookbook;
mod deck;
mod files;
mod header_rules;
mod keys;
mod notes;
mod observations;
mod recordings;
mod sharing;
mod tables;
mod token_check;

use anyhow::Result;
use harness::http::{Answer, Http, Transcript};
use harness::nextcloud::issuer::{KeyKind, Labelled, ProbeIssuer};
use harness::nextcloud::{Clock, NextcloudStandIn, ProviderEntry, StandInConfig};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// When the tests happen: the stand-in's clock stands still.
const NOW: u64 = 1_800_000_000;
/// The client id of the provider entry.
const AUDIENCE: &str = "nextcloud";
/// The path that says who one is.
const WHO_AM_I: &str = "/ocs/v2.php/cloud/user?format=json";
/// The home of alice.
const FILES: &str = "/remote.php/dav/files/alice";
/// The list of notes.
const NOTES: &str = "/index.php/apps/notes/api/v1/notes";

/// A stand-in with an issuer that has one ES256 key, `es`.
struct Scene {
    nextcloud: NextcloudStandIn,
    issuer: ProbeIssuer,
}

impl Scene {
    async fn new() -> Result<Self> {
        Self::with(|_| {}).await
    }

    /// A scene whose provider entry is changed first.
    async fn with(change: impl FnOnce(&mut ProviderEntry)) -> Result<Self> {
        let issuer = ProbeIssuer::start().await?;
        issuer.add_key("es", KeyKind::P256, Labelled::WithAlg)?;
        let mut provider = ProviderEntry::for_issuer("broker", AUDIENCE, issuer.url());
        change(&mut provider);
        let nextcloud = NextcloudStandIn::start(StandInConfig {
            providers: vec![provider],
            clock: Clock::standing_at(NOW),
            ..StandInConfig::default()
        })
        .await?;
        Ok(Self { nextcloud, issuer })
    }

    /// An ordinary good token.
    fn token(&self, subject: &str) -> Result<String> {
        self.issuer
            .token("es", subject, AUDIENCE, self.nextcloud.clock().now())
    }

    /// Sends a request with these headers and no others.
    async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer> {
        let url = format!("{}{target}", self.nextcloud.url());
        let http = Http::new(Transcript::default());
        let method = Method::from_bytes(method.as_bytes())?;
        let mut request = http.client().request(method, url).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        http.send(request).await
    }

    /// Sends a well-behaved request as a user.
    async fn call(&self, user: &str, method: &str, target: &str, body: &str) -> Result<Answer> {
        self.call_with(user, method, target, &[], body).await
    }

    /// The same with further headers.
    async fn call_with(
        &self,
        user: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer> {
        let authorization = format!("Bearer {}", self.token(user)?);
        let mut all = vec![
            ("authorization", authorization.as_str()),
            ("ocs-apirequest", "true"),
        ];
        all.extend_from_slice(headers);
        self.send(method, target, &all, body).await
    }

    /// Asks who the bearer of `token` is.
    async fn whoami(&self, token: &str) -> Result<Answer> {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("ocs-apirequest", "true"),
        ];
        self.send("GET", WHO_AM_I, &headers, "").await
    }

    /// The uid that a token logs in, if it does.
    async fn uid_of(&self, token: &str) -> Result<Option<String>> {
        let answer = self.whoami(token).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        let body = answer.json()?;
        Ok(body
            .pointer("/ocs/data/id")
            .and_then(Value::as_str)
            .map(str::to_owned))
    }
}
