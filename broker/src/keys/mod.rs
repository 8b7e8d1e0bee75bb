//! Signing keys: sign, verify our own tokens, publish (RFC 7517), rotate.
//!
//! The keys stand in the database, sealed when an encryption key is configured. Each process holds
//! the active one parsed, follows the database every second, and takes part in rotation.
//! What is signed, and how long it lives, is left to `token` and `exchange`.

mod rotation;
mod signer;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use broker_client::keys::{KeySet, KeySource, KeySourceError, VerificationKey};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use self::rotation::{Rotation, Step, due, in_state, signs_at};
use self::signer::Signer;
use crate::ambient::Ambient;
use crate::crypto::{Cipher, SealingContext};
use crate::domain::{Actor, Timestamp};
use crate::live::LONGEST_ACCESS_TOKEN;
use crate::storage::{KeyState, Store, StoreError, StoredKey};

/// How often each replica reads the keys again.
pub const FOLLOW: Duration = Duration::from_secs(1);

/// The signature algorithms we can sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA P-256 (default).
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA 2048 PKCS#1 v1.5.
    Rs256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The name in JOSE headers, metadata, configuration and database (RFC 7518 §3.1, RFC 8037).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
    }
}

/// How keys are made and how long they live.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Algorithm of new keys.
    pub algorithm: Algorithm,
    /// How long a key signs.
    pub rotate_after: Duration,
    /// How long a key is published before it signs; at least two hours, because Nextcloud keeps
    /// our JWKS for one and never asks for an unknown `kid`.
    pub publish_ahead: Duration,
    /// The same for a key that shall sign *at once*: until every replica has read it, and whoever
    /// does not know it may ask us again.
    pub settle: Duration,
    /// How long a retired key stays published: longer than any token it signed.
    pub keep_retired: Duration,
}

impl Policy {
    /// Two hours (contract §2), and some minutes for clocks of replicas that differ.
    const PUBLISH_AHEAD: Duration = Duration::from_mins(2 * 60 + 5);

    /// Longer than [`FOLLOW`], with a turn missed, and than a verifier rests between two requests for
    /// our JWKS.
    const SETTLE: Duration = Duration::from_secs(10);

    /// The usual policy: new keys of `algorithm`, each signing for `rotate_after`.
    #[must_use]
    pub const fn new(algorithm: Algorithm, rotate_after: Duration) -> Self {
        Self {
            algorithm,
            rotate_after,
            publish_ahead: Self::PUBLISH_AHEAD,
            settle: Self::SETTLE,
            // As long again, for replicas that follow late.
            keep_retired: LONGEST_ACCESS_TOKEN.saturating_mul(2),
        }
    }
}

/// Why a key operation failed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The database failed.
    #[error("the signing keys could not be read or written")]
    Store(#[from] StoreError),
    /// A key is sealed and does not open.
    #[error("signing key {kid} does not open with the configured encryption keys")]
    Sealed {
        /// Its id.
        kid: String,
        /// Why.
        #[source]
        source: crate::crypto::CipherError,
    },
    /// A stored key is not what its row says.
    #[error("signing key {kid} cannot be read; restore the database from a backup")]
    Damaged {
        /// Its id.
        kid: String,
    },
    /// The crypto library refused.
    #[error("the signing key could not be used")]
    Crypto,
}

impl From<aws_lc_rs::error::Unspecified> for KeyError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Crypto
    }
}

/// The keys in use, shared by all requests. Cheap to clone. Implements
/// [`broker_client::keys::KeySource`] for verifying our own tokens.
#[derive(Clone)]
pub struct Keyring {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    cipher: Cipher,
    policy: Policy,
    ambient: Ambient,
    snapshot: RwLock<Arc<Snapshot>>,
    /// One tick at a time: an older answer must not overwrite a newer one.
    ticking: Mutex<()>,
}

/// The keys as this process last saw them.
struct Snapshot {
    /// Which keys there are, in which state, to notice a change.
    states: Vec<KeyPhase>,
    active: Arc<Signer>,
    /// Held ready, so that a next key that does not open is noticed before it must sign.
    next: Option<Arc<Signer>>,
    jwks: Arc<str>,
    verification: KeySet,
}

/// A key in its present state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPhase {
    /// Its id.
    pub kid: String,
    /// The state.
    pub state: KeyState,
    /// Since when.
    pub since: Timestamp,
}

/// When a key that is made now begins to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Once it was published long enough for every cache to know it.
    WhenKnown,
    /// As soon as every replica knows it, in seconds: whoever caches our JWKS (Nextcloud: for an hour)
    /// refuses its tokens until he asks again.
    AtOnce,
}

impl Keyring {
    /// Loads the keys, makes the first one on a new database.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn load(
        store: Store,
        cipher: Cipher,
        policy: Policy,
        ambient: Ambient,
    ) -> Result<Self, KeyError> {
        let rotation = Rotation {
            store: &store,
            cipher: &cipher,
            policy: &policy,
            ambient: &ambient,
        };
        let keys = rotation.settle().await?;
        let snapshot = Snapshot::build(&keys, &cipher, None)?;
        Ok(Self {
            inner: Arc::new(Inner {
                snapshot: RwLock::new(Arc::new(snapshot)),
                store,
                cipher,
                policy,
                ambient,
                ticking: Mutex::new(()),
            }),
        })
    }

    /// Signs `claims` as a compact JWS with header `typ` and the active key's `kid`.
    ///
    /// # Errors
    /// [`KeyError::Crypto`].
    pub fn sign<T: Serialize>(&self, typ: &str, claims: &T) -> Result<String, KeyError> {
        self.snapshot().active.sign(typ, claims)
    }

    /// The JWKS document, all published keys, the active one first.
    #[must_use]
    pub fn jwks(&self) -> Arc<str> {
        Arc::clone(&self.snapshot().jwks)
    }

    /// All published keys, as this process last saw them.
    #[must_use]
    pub fn phases(&self) -> Vec<KeyPhase> {
        self.snapshot().states.clone()
    }

    /// The active key's algorithm, as in metadata documents.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.snapshot().active.algorithm()
    }

    /// One step of rotation and following other replicas; the task calls it every [`FOLLOW`].
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn tick(&self) -> Result<(), KeyError> {
        let _one_at_a_time = self.inner.ticking.lock().await;
        let keys = self.rotation().settle().await?;
        self.adopt(&keys)
    }

    /// Begins a rotation now, whatever the age of the active key. Makes a next key unless there is
    /// one; returns its id and when it begins to sign.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn rotate(
        &self,
        activation: Activation,
        actor: Actor,
    ) -> Result<(String, Timestamp), KeyError> {
        let _one_at_a_time = self.inner.ticking.lock().await;
        let rotation = self.rotation();
        let mut keys = rotation.settle().await?;
        if in_state(&keys, KeyState::Next).is_none() {
            let step = Step::Create(KeyState::Next);
            // False when another process made one a moment ago, which serves as well.
            rotation.take(&step, &keys, actor.clone()).await?;
            keys = self.inner.store.signing_keys().await?;
        }
        if activation == Activation::AtOnce
            && let Some(next) = in_state(&keys, KeyState::Next)
        {
            // False when it took over a moment ago, which serves as well.
            rotation.hasten(next, actor).await?;
            keys = self.inner.store.signing_keys().await?;
        }
        self.adopt(&keys)?;
        match in_state(&keys, KeyState::Next).or_else(|| in_state(&keys, KeyState::Active)) {
            Some(key) => Ok((key.kid.clone(), signs_at(key, &self.inner.policy))),
            None => Err(KeyError::Crypto),
        }
    }

    fn rotation(&self) -> Rotation<'_> {
        let inner = &*self.inner;
        Rotation {
            store: &inner.store,
            cipher: &inner.cipher,
            policy: &inner.policy,
            ambient: &inner.ambient,
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        let snapshot = self.inner.snapshot.read();
        Arc::clone(&snapshot.unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes what the database says the keys in use.
    fn adopt(&self, keys: &[StoredKey]) -> Result<(), KeyError> {
        let old = self.snapshot();
        if old.states == states(keys) {
            return Ok(());
        }
        let new = Snapshot::build(keys, &self.inner.cipher, Some(&old))?;
        *self
            .inner
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(())
    }
}

impl Rotation<'_> {
    /// Takes the steps that are due until none is; gives the keys as they are then.
    async fn settle(&self) -> Result<Vec<StoredKey>, KeyError> {
        let can_seal = self.cipher.is_configured();
        loop {
            let keys = self.store.signing_keys().await?;
            match due(&keys, self.policy, can_seal, self.ambient.now()) {
                // Taken, by us or by another process: look again.
                Some(step) => self.take(&step, &keys, Actor::Broker).await?,
                None => return Ok(keys),
            };
        }
    }
}

#[async_trait]
impl KeySource for Keyring {
    async fn key(&self, kid: &str) -> Result<Option<VerificationKey>, KeySourceError> {
        Ok(self.snapshot().verification.get(kid).cloned())
    }
}

impl Snapshot {
    fn build(keys: &[StoredKey], cipher: &Cipher, old: Option<&Self>) -> Result<Self, KeyError> {
        let signer = |key: &StoredKey| {
            // Parsed once: a key that becomes active was parsed as the next one.
            let known = old.and_then(|old| old.signer(&key.kid));
            known.map_or_else(|| parse(cipher, key).map(Arc::new), Ok)
        };
        let active = in_state(keys, KeyState::Active).ok_or(KeyError::Crypto)?;
        let next = in_state(keys, KeyState::Next);
        let jwks = json!({ "keys": public_jwks(keys)? }).to_string();
        Ok(Self {
            states: states(keys),
            active: signer(active)?,
            next: next.map(signer).transpose()?,
            verification: KeySet::from_json(jwks.as_bytes()).map_err(|_| KeyError::Crypto)?,
            jwks: jwks.into(),
        })
    }

    fn signer(&self, kid: &str) -> Option<Arc<Signer>> {
        [Some(&self.active), self.next.as_ref()]
            .into_iter()
            .flatten()
            .find(|signer| signer.kid() == kid)
            .map(Arc::clone)
    }
}

/// The public keys. The active one first, for verifiers that look at nothing else.
fn public_jwks(keys: &[StoredKey]) -> Result<Vec<Value>, KeyError> {
    let (active, others): (Vec<_>, Vec<_>) =
        keys.iter().partition(|key| key.state == KeyState::Active);
    active
        .into_iter()
        .chain(others)
        .map(|key| serde_json::from_str(&key.public_jwk).map_err(|_| damaged(key)))
        .collect()
}

fn states(keys: &[StoredKey]) -> Vec<KeyPhase> {
    keys.iter()
        .map(|key| {
            let since = match key.state {
                KeyState::Next => None,
                KeyState::Active => key.activated_at,
                KeyState::Retired => key.retired_at,
            };
            KeyPhase {
                kid: key.kid.clone(),
                state: key.state,
                since: since.unwrap_or(key.published_at),
            }
        })
        .collect()
}

/// Parses a stored key and checks that it is the one its row says.
fn parse(cipher: &Cipher, key: &StoredKey) -> Result<Signer, KeyError> {
    let algorithm = Algorithm::parse(&key.algorithm).ok_or_else(|| damaged(key))?;
    let signer = Signer::parse(algorithm, &open(cipher, key)?).map_err(|_| damaged(key))?;
    if signer.kid() == key.kid {
        Ok(signer)
    } else {
        Err(damaged(key))
    }
}

/// The PKCS#8 of a stored key.
fn open(cipher: &Cipher, key: &StoredKey) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    if !key.sealed {
        return Ok(Zeroizing::new(key.private_key.clone()));
    }
    cipher
        .open(context(&key.kid), &key.private_key)
        .map_err(|source| KeyError::Sealed {
            kid: key.kid.clone(),
            source,
        })
}

/// Where a sealed signing key stands.
const fn context(kid: &str) -> SealingContext<'_> {
    SealingContext {
        table: "signing_keys",
        column: "private_key",
        row: kid,
        user: "",
    }
}

fn damaged(key: &StoredKey) -> KeyError {
    KeyError::Damaged {
        kid: key.kid.clone(),
    }
}
