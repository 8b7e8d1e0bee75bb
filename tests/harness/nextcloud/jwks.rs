//! Discovery documents and key sets of the registered issuers, cached as Nextcloud caches them.
//!
//! Both are kept for 3600 s on the stand-in's clock. An unknown `kid` never causes a fetch, and a
//! failed fetch is not covered by an old copy: that is what makes key rotation delicate on the
//! real server, and what a broker must be tested against.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;

use super::clock::Clock;
use super::provider::{Issuer, ProviderEntry};
use crate::tls;

/// How long discovery and keys are believed, in seconds.
const CACHE_SECONDS: u64 = 3600;

/// The cached words of all issuers.
pub(super) struct IssuerCache {
    http: reqwest::Client,
    clock: Clock,
    documents: Mutex<HashMap<String, Cached>>,
    fetches: AtomicUsize,
}

struct Cached {
    at: u64,
    document: Value,
}

impl IssuerCache {
    /// A cache with nothing in it.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(super) fn new(clock: Clock) -> anyhow::Result<Self> {
        let http = tls::client()
            .timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            http,
            clock,
            documents: Mutex::default(),
            fetches: AtomicUsize::new(0),
        })
    }

    /// The issuer behind a provider entry, when it can be had.
    pub(super) async fn issuer(&self, provider: &ProviderEntry) -> Option<Issuer> {
        let discovery = self.document(&provider.discovery_url).await?;
        let keys = self.document(discovery.get("jwks_uri")?.as_str()?).await?;
        Some(Issuer {
            issuer: discovery.get("issuer")?.as_str()?.to_owned(),
            keys: keys.get("keys")?.as_array()?.clone(),
        })
    }

    /// Forgets everything, as `occ user_oidc:provider` does when it changes an entry.
    pub(super) async fn clear(&self) {
        self.documents.lock().await.clear();
    }

    /// How many documents were fetched so far.
    pub(super) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    async fn document(&self, url: &str) -> Option<Value> {
        // Held across the fetch, so that requests that arrive together cause one.
        let mut documents = self.documents.lock().await;
        let now = self.clock.now();
        if let Some(cached) = documents.get(url)
            && now < cached.at + CACHE_SECONDS
        {
            return Some(cached.document.clone());
        }
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let answer = self.http.get(url).send().await.ok()?;
        let document: Value = answer.error_for_status().ok()?.json().await.ok()?;
        let cached = Cached {
            at: now,
            document: document.clone(),
        };
        documents.insert(url.to_owned(), cached);
        Some(document)
    }
}
