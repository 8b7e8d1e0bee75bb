//! Who a `client_id` is, and whether it may be used: the one answer for every endpoint.
//!
//! A client is registered (by an administrator, by the configuration, by itself), or its id is a URL
//! that leads to a document about it (OAuth Client ID Metadata Document). Such a document is fetched
//! when a login begins, kept as a client row of kind `url` for every replica and restart, and fetched
//! again when its headers say so. What goes on from a login (its pages, its tokens) uses the row as
//! it is: a host that is down ends no session.
//!
//! How a registration's body is taken is [`crate::register`]'s, how a client proves itself
//! [`crate::token`]'s.

mod document;
mod expiry;
mod freshness;
mod json;
pub(crate) mod keys;
mod metadata;
mod rotation;

use std::sync::Arc;
use std::time::Duration;

use broker_client::http::{GuardedClient, HttpError, Loopback};
use broker_client::secret::Secret;
use moka::future::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard};

pub use document::{DocumentError, DocumentFault};
pub use expiry::forget_unused;
pub(crate) use json::object;
pub use keys::KeyReader;
pub use metadata::ClientMetadata;
pub(crate) use metadata::{invalid, text};
pub use rotation::{RotationError, SecretRotation};

use self::document::{Documents, Fetched, describes};
use crate::ambient::Ambient;
use crate::crypto;
use crate::domain::{
    Actor, AuditEvent, AuditKind, Client, ClientDocument, ClientId, ClientKind, ClientStatus,
    ClientUrl, RedirectUri, RegistrationPolicy, RequestInfo, Timestamp, UrlClients,
};
use crate::storage::{Store, StoreError};

/// How old a document may be that is still used because its host cannot be reached.
const STALE: Duration = Duration::from_hours(7 * 24);

/// How long after a failed fetch the same document is not fetched again, so that nobody can make us
/// knock at a host without end.
const PAUSE: Duration = Duration::from_secs(10);

/// How often a write is tried again that another replica was faster with.
const TRIES: usize = 3;

/// Which clients may be used.
#[derive(Debug, Clone)]
pub struct Policies {
    /// What becomes of clients that registered themselves.
    pub registration: RegistrationPolicy,
    /// Whose ids may be URLs.
    pub url_clients: UrlClients,
}

/// Finds clients. Cheap to clone.
#[derive(Clone)]
pub struct Clients {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    ambient: Ambient,
    policies: Policies,
    documents: Documents,
    /// One fetch of a document at a time; in each place, how the last one failed.
    flights: Cache<ClientId, Arc<Mutex<Option<Failure>>>>,
}

struct Failure {
    at: Timestamp,
    error: Arc<DocumentError>,
}

/// Why a client cannot be used.
#[derive(Debug)]
pub enum Unresolved {
    /// There is none of this id.
    Unknown,
    /// An administrator blocked it.
    Blocked,
    /// An administrator has to approve this one first.
    Waiting(Box<Client>),
    /// Clients of its domain, or clients whose id is a URL, are not accepted here.
    Untrusted,
    /// Its document cannot be had.
    Document(Arc<DocumentError>),
    /// The database failed.
    Store(StoreError),
}

/// Why a client that we know is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// An administrator blocked it.
    Blocked,
    /// An administrator has to approve it first.
    Waiting,
    /// Clients of its domain, or clients whose id is a URL, are not accepted here.
    Untrusted,
}

impl From<StoreError> for Unresolved {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The client for documents that these policies let us fetch.
///
/// # Errors
/// When TLS cannot be set up on this machine.
pub fn guarded_client(url_clients: &UrlClients) -> Result<GuardedClient, HttpError> {
    GuardedClient::new(if url_clients.allows_loopback {
        Loopback::Allowed
    } else {
        Loopback::Refused
    })
}

impl Clients {
    /// Finds clients in `store`, and their documents with `guarded`.
    #[must_use]
    pub fn new(store: Store, ambient: Ambient, policies: Policies, guarded: GuardedClient) -> Self {
        let flights = Cache::builder()
            .max_capacity(2_000)
            .time_to_idle(Duration::from_mins(1))
            .build();
        Self {
            inner: Arc::new(Inner {
                store,
                ambient,
                policies,
                documents: Documents::new(guarded),
                flights,
            }),
        }
    }

    /// The client for a new login. The document of a client whose id is a URL is fetched when it was
    /// not yet, or is too old.
    ///
    /// # Errors
    /// See [`Unresolved`].
    pub async fn for_login(&self, id: &ClientId, info: &RequestInfo) -> Result<Client, Unresolved> {
        // Whether it is let in is asked before any host is, and of what is known afterwards.
        let url = match self.known(id).await? {
            None => self.newcomer(id)?,
            Some(client) => {
                let client = self.admitted(client)?;
                match ClientUrl::parse(id) {
                    Some(url) if client.kind == ClientKind::Url && !self.is_fresh(id).await? => url,
                    _ => return Ok(client),
                }
            }
        };
        let client = self.of_document(&url, id, info).await?;
        self.admitted(client)
    }

    /// The client of a login that has begun, as it is known.
    ///
    /// # Errors
    /// See [`Unresolved`]; never for its document.
    pub async fn for_running_login(&self, id: &ClientId) -> Result<Client, Unresolved> {
        let client = self.known(id).await?.ok_or(Unresolved::Unknown)?;
        self.admitted(client)
    }

    /// The client as it is known, let in or not. For whoever checks first that it is the one
    /// asking, and then asks [`Clients::admit`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn known(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.inner.store.client(id).await
    }

    /// Whether the client may be used now, by its status and the policies.
    ///
    /// # Errors
    /// Says why not.
    pub fn admit(&self, client: &Client) -> Result<(), Refusal> {
        if client.status == ClientStatus::Blocked {
            return Err(Refusal::Blocked);
        }
        let policies = &self.inner.policies;
        if client.kind == ClientKind::Url && policies.url_clients.names(&client.id) {
            return Ok(());
        }
        let policy = if client.kind == ClientKind::Url {
            let trusts = |url| policies.url_clients.trusts(&url);
            if !ClientUrl::parse(&client.id).is_some_and(trusts) {
                return Err(Refusal::Untrusted);
            }
            policies.url_clients.policy
        } else {
            policies.registration
        };
        if client.is_usable(policy) {
            Ok(())
        } else if client.kind == ClientKind::Url && policy == RegistrationPolicy::Closed {
            Err(Refusal::Untrusted)
        } else {
            Err(Refusal::Waiting)
        }
    }

    /// The client, if it is let in; whoever waits for it is told more than that it is not.
    fn admitted(&self, client: Client) -> Result<Client, Unresolved> {
        match self.admit(&client) {
            Ok(()) => Ok(client),
            Err(Refusal::Blocked) => Err(Unresolved::Blocked),
            Err(Refusal::Waiting) => Err(Unresolved::Waiting(Box::new(client))),
            Err(Refusal::Untrusted) => Err(Unresolved::Untrusted),
        }
    }

    /// The URL of a client that we have never seen, if its document may be fetched.
    fn newcomer(&self, id: &ClientId) -> Result<ClientUrl, Unresolved> {
        let url = ClientUrl::parse(id).ok_or(Unresolved::Unknown)?;
        let accepted = &self.inner.policies.url_clients;
        if accepted.names(id) {
            return Ok(url);
        }
        if accepted.policy == RegistrationPolicy::Closed || !accepted.trusts(&url) {
            return Err(Unresolved::Untrusted);
        }
        Ok(url)
    }

    /// The client that the document at `url` describes: fetched, unless somebody else just did or
    /// failed to.
    async fn of_document(
        &self,
        url: &ClientUrl,
        id: &ClientId,
        info: &RequestInfo,
    ) -> Result<Client, Unresolved> {
        let mut last = self.flight(id).await;
        if self.is_fresh(id).await?
            && let Some(client) = self.known(id).await?
        {
            return Ok(client);
        }
        let now = self.inner.ambient.now();
        let remembered = last
            .as_ref()
            .filter(|failure| now.since(failure.at) < PAUSE)
            .map(|failure| Arc::clone(&failure.error));
        let error = match remembered {
            Some(error) => error,
            None => match self.inner.documents.fetch(url).await {
                Ok(fetched) => {
                    *last = None;
                    return self.record(id, fetched, info).await;
                }
                Err(error) => {
                    let error = Arc::new(error);
                    *last = Some(Failure {
                        at: now,
                        error: Arc::clone(&error),
                    });
                    error
                }
            },
        };
        match self.stale(id, &error, now).await? {
            Some(client) => {
                let error: &DocumentError = &error;
                tracing::warn!(
                    client_id = id.as_str(),
                    error = error as &dyn std::error::Error,
                    "an old client document is used"
                );
                Ok(client)
            }
            None => Err(Unresolved::Document(error)),
        }
    }

    /// Whether the client's document need not be fetched now.
    async fn is_fresh(&self, id: &ClientId) -> Result<bool, StoreError> {
        let now = self.inner.ambient.now();
        let document = self.inner.store.client_document(id).await?;
        Ok(document.is_some_and(|document| now < document.fresh_until))
    }

    /// The client of an old document, when that is better than none: its host cannot be reached. A
    /// host that answers and has no such document any more has withdrawn the client.
    async fn stale(
        &self,
        id: &ClientId,
        error: &DocumentError,
        now: Timestamp,
    ) -> Result<Option<Client>, StoreError> {
        if error.fault() != DocumentFault::Unavailable {
            return Ok(None);
        }
        match self.inner.store.client_document(id).await? {
            Some(document) if now.since(document.fetched_at) < STALE => self.known(id).await,
            _ => Ok(None),
        }
    }

    /// Waits until nobody else in this process fetches the document of `id`.
    async fn flight(&self, id: &ClientId) -> OwnedMutexGuard<Option<Failure>> {
        let flights = &self.inner.flights;
        let place = flights.get_with_by_ref(id, async { Arc::default() }).await;
        place.lock_owned().await
    }

    /// Writes what the document says, where it is new, and that it was fetched.
    async fn record(
        &self,
        id: &ClientId,
        fetched: Fetched,
        info: &RequestInfo,
    ) -> Result<Client, Unresolved> {
        let now = self.inner.ambient.now();
        let document = ClientDocument {
            fetched_at: now,
            fresh_until: now.plus(fetched.fresh_for),
        };
        for _ in 0..TRIES {
            let transaction = self.inner.store.begin().await?;
            let (client, event) = match transaction.client(id).await? {
                // An administrator has registered it by hand meanwhile.
                Some(stored) if stored.kind != ClientKind::Url => return Ok(stored),
                Some(stored) if describes(&fetched, &stored) => (stored, None),
                Some(stored) => {
                    let next = revised(&stored, &fetched, now);
                    if !transaction.update_client(&next, stored.version).await? {
                        continue;
                    }
                    let mut event = event(AuditKind::ClientDocumentChanged, &next, now, info);
                    event.details.insert("before".to_owned(), summary(&stored));
                    event.details.insert("after".to_owned(), summary(&next));
                    (next, Some(event))
                }
                None => {
                    let client = new(id, &fetched, now);
                    match transaction.insert_client(&client).await {
                        Ok(()) => {}
                        Err(StoreError::Conflict { .. }) => continue,
                        Err(error) => return Err(error.into()),
                    }
                    let mut event = event(AuditKind::ClientRegistered, &client, now, info);
                    event
                        .details
                        .insert("status".to_owned(), client.status.as_str().into());
                    event
                        .details
                        .insert("document".to_owned(), summary(&client));
                    (client, Some(event))
                }
            };
            transaction.record_client_document(id, document).await?;
            if let Some(event) = event {
                transaction.append_audit(&[event]).await?;
            }
            transaction.commit().await?;
            return Ok(client);
        }
        Err(StoreError::Conflict { table: "clients" }.into())
    }
}

fn new(id: &ClientId, fetched: &Fetched, now: Timestamp) -> Client {
    let metadata = &fetched.metadata;
    Client {
        id: id.clone(),
        kind: ClientKind::Url,
        status: ClientStatus::Pending,
        name: metadata.name.clone(),
        redirect_uris: metadata.redirect_uris.clone(),
        grant_types: metadata.grant_types.clone(),
        auth_method: fetched.auth_method,
        secrets: Vec::new(),
        scope: metadata.scope.clone(),
        serves: Vec::new(),
        exchange: Vec::new(),
        background: false,
        metadata: metadata.description.clone(),
        registration_token: None,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// The client as its document describes it now. What administrators decide stays.
fn revised(stored: &Client, fetched: &Fetched, now: Timestamp) -> Client {
    Client {
        status: stored.status,
        serves: stored.serves.clone(),
        exchange: stored.exchange.clone(),
        background: stored.background,
        created_at: stored.created_at,
        version: stored.version + 1,
        ..new(&stored.id, fetched, now)
    }
}

fn event(kind: AuditKind, client: &Client, now: Timestamp, info: &RequestInfo) -> AuditEvent {
    let actor = Actor::Client(client.id.as_str().to_owned());
    let mut event = AuditEvent::new(now, kind, actor).during(info);
    event.client_id = Some(client.id.clone());
    event
        .details
        .insert("kind".to_owned(), client.kind.as_str().into());
    event
}

/// What an administrator wants to know of how a client describes itself.
pub(crate) fn summary(client: &Client) -> serde_json::Value {
    let redirect_uris: Vec<&str> = client
        .redirect_uris
        .iter()
        .map(RedirectUri::as_str)
        .collect();
    let grant_types: Vec<&str> = client
        .grant_types
        .iter()
        .map(|grant| grant.as_str())
        .collect();
    serde_json::json!({
        "client_name": client.name,
        "redirect_uris": redirect_uris,
        "grant_types": grant_types,
        "scope": client.scope,
        "token_endpoint_auth_method": client.auth_method.as_str(),
        "status": client.status.as_str(),
    })
}

/// Compares with every secret of the client that is good at `now`, without stopping at the first.
pub(crate) fn has_secret(client: &Client, secret: &Secret, now: Timestamp) -> bool {
    let presented = crypto::hash(secret.expose());
    let good = client.secrets.iter().filter(|secret| secret.is_good(now));
    good.fold(false, |found, valid| {
        found | crypto::same(valid.hash.as_bytes(), presented.as_bytes())
    })
}
