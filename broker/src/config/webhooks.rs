//! `[webhooks]`: events of Nextcloud for background clients.

use std::time::Duration;

use broker_client::secret::Secret;
use url::Url;

use super::every;
use super::read::Section;
use crate::crypto::WebhookKey;
use crate::domain::ClientId;

/// `[webhooks]`.
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// The URL that Nextcloud posts its events to; it has to end in `/webhooks/nextcloud`.
    ///
    /// Default: `server.issuer` and that path. `BROKER__WEBHOOKS__CALLBACK_URL`. Set it where Nextcloud
    /// reaches the broker by another address.
    pub callback_url: Option<Url>,
    /// The background clients that can be told of events:
    /// `[{ client_id = "…", url = "…", secrets = ["whsec_…"] }]`.
    ///
    /// Default: none. `BROKER__WEBHOOKS__RECEIVERS`. What each is told, administrators decide.
    pub receivers: Vec<WebhookReceiver>,
    /// How many deliveries may wait at once, those that failed for good included.
    ///
    /// Default 10000, at least 1. `BROKER__WEBHOOKS__QUEUE`. Beyond it events are refused, and
    /// Nextcloud does not send them again.
    pub queue: u32,
    /// How often a delivery is tried before an administrator has to decide about it.
    ///
    /// Default 8, at least 1. `BROKER__WEBHOOKS__ATTEMPTS`.
    pub attempts: u32,
    /// How long after the first failure a delivery is tried again. Each pause is four times the one
    /// before, at most six hours.
    ///
    /// Default `10s`, at least `1s`. `BROKER__WEBHOOKS__RETRY_AFTER`.
    pub retry_after: Duration,
}

/// An entry of `webhooks.receivers`.
#[derive(Debug, Clone)]
pub struct WebhookReceiver {
    /// The client, which must be a background client. Required.
    pub client_id: ClientId,
    /// Where it is told. Required.
    pub url: Url,
    /// What deliveries are signed with (Standard Webhooks), `whsec_` and 24 to 64 bytes in base64; each
    /// signs, so that one can be replaced by the next. Required.
    pub secrets: Vec<Secret>,
}

impl Webhooks {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let callback_url = section.optional("callback_url");
        let receivers = every(section.sections("receivers"), WebhookReceiver::read);
        let positive = |number: &u32| *number > 0;
        let queue = section.checked("queue", 10_000, positive, "must be at least 1");
        let attempts = section.checked("attempts", 8, positive, "must be at least 1");
        let retry_after = section.checked(
            "retry_after",
            Duration::from_secs(10),
            |pause| *pause >= Duration::from_secs(1),
            "must be at least 1s",
        );
        section.finish();
        Some(Self {
            callback_url,
            receivers: receivers?,
            queue,
            attempts,
            retry_after,
        })
    }
}

impl WebhookReceiver {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let client_id = section.required("client_id", "the id of a background client");
        let url = section.required("url", "where the client is told");
        let secrets: Vec<Secret> = section.list("secrets");
        if secrets.is_empty() {
            section.problem("secrets", "is missing: at least one whsec_…");
        }
        for (index, secret) in secrets.iter().enumerate() {
            if let Err(error) = WebhookKey::parse(secret) {
                section.problem(&format!("secrets[{index}]"), error.to_string());
            }
        }
        section.finish();
        Some(Self {
            client_id: client_id?,
            url: url?,
            secrets,
        })
    }
}
