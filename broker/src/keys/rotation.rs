//! Next → active → retired → gone, safe with several broker processes on one database.
//!
//! ```text
//!  published                activated             retired              deleted
//!     │──── publish ahead ─────│──── rotate after ────│── keep retired ────│
//!     next                     active                 retired
//! ```
//! What to do follows from the rows and the time alone, so that every process comes to the same
//! step; each step is conditional on the state that it leaves, in one transaction with its audit
//! row, so that one process takes it and the others find it taken.

use serde_json::{Map, Value};

use super::{Algorithm, KeyError, Policy, open, signer};
use crate::ambient::Ambient;
use crate::crypto::Cipher;
use crate::domain::{Actor, AuditEvent, AuditKind, Timestamp};
use crate::storage::{KeyState, Store, StoreError, StoredKey};

/// One step of rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Makes a key; on a database without a key it signs at once, else it is next.
    Create(KeyState),
    /// The next key begins to sign; the active one, if any, retires.
    Activate { kid: String, retire: Option<String> },
    /// An old key leaves the JWKS.
    Delete { kid: String },
    /// A key that was stored before there was an encryption key is sealed.
    Seal { kid: String },
}

/// What everything here works with.
pub(super) struct Rotation<'a> {
    pub(super) store: &'a Store,
    pub(super) cipher: &'a Cipher,
    pub(super) policy: &'a Policy,
    pub(super) ambient: &'a Ambient,
}

/// The step that is due, if any.
pub(super) fn due(
    keys: &[StoredKey],
    policy: &Policy,
    can_seal: bool,
    now: Timestamp,
) -> Option<Step> {
    let active = in_state(keys, KeyState::Active);
    let next = in_state(keys, KeyState::Next);
    let Some(active) = active else {
        return Some(match next {
            // Only after somebody deleted the active key by hand.
            Some(next) => activate(next, None),
            None => Step::Create(KeyState::Active),
        });
    };
    if let Some(key) = keys.iter().find(|key| can_seal && !key.sealed) {
        return Some(Step::Seal {
            kid: key.kid.clone(),
        });
    }
    match (next, active.activated_at) {
        (Some(next), _) if now >= signs_at(next, policy) => {
            return Some(activate(next, Some(active)));
        }
        (None, Some(activated))
            if now.plus(policy.publish_ahead) >= activated.plus(policy.rotate_after)
                || Algorithm::parse(&active.algorithm) != Some(policy.algorithm) =>
        {
            return Some(Step::Create(KeyState::Next));
        }
        _ => {}
    }
    keys.iter()
        .find(|key| {
            key.state == KeyState::Retired
                && key
                    .retired_at
                    .is_some_and(|retired| now >= retired.plus(policy.keep_retired))
        })
        .map(|key| Step::Delete {
            kid: key.kid.clone(),
        })
}

/// When the key that is next begins to sign.
pub(super) fn signs_at(next: &StoredKey, policy: &Policy) -> Timestamp {
    let known = next.published_at.plus(policy.publish_ahead);
    next.activate_at.map_or(known, |at| at.min(known))
}

/// The step that makes `next` sign in place of `active`.
fn activate(next: &StoredKey, active: Option<&StoredKey>) -> Step {
    Step::Activate {
        kid: next.kid.clone(),
        retire: active.map(|active| active.kid.clone()),
    }
}

/// The key in a state that only one can be in.
pub(super) fn in_state(keys: &[StoredKey], state: KeyState) -> Option<&StoredKey> {
    keys.iter().find(|key| key.state == state)
}

impl Rotation<'_> {
    /// Takes a step; false when another process took it first.
    pub(super) async fn take(
        &self,
        step: &Step,
        keys: &[StoredKey],
        actor: Actor,
    ) -> Result<bool, KeyError> {
        let now = self.ambient.now();
        match step {
            Step::Create(state) => self.create(*state, actor, now).await,
            Step::Activate { kid, retire } => {
                self.activate(kid, retire.as_deref(), actor, now).await
            }
            Step::Delete { kid } => {
                let transaction = self.store.begin().await?;
                if !transaction.delete_retired_signing_key(kid).await? {
                    return Ok(false);
                }
                let event = event(now, actor, "removed", kid);
                transaction.append_audit(&[event]).await?;
                transaction.commit().await?;
                tracing::info!(kid, "signing key removed from the JWKS");
                Ok(true)
            }
            Step::Seal { kid } => self.seal(kid, keys).await,
        }
    }

    async fn create(
        &self,
        state: KeyState,
        actor: Actor,
        now: Timestamp,
    ) -> Result<bool, KeyError> {
        let algorithm = self.policy.algorithm;
        // Before the transaction, and off the async threads: an RSA key takes a while.
        let pkcs8 = tokio::task::spawn_blocking(move || signer::generate(algorithm))
            .await
            .map_err(|_| KeyError::Crypto)??;
        let signer = signer::Signer::parse(algorithm, &pkcs8)?;
        let kid = signer.kid().to_owned();
        let sealed = self.cipher.is_configured();
        let key = StoredKey {
            private_key: self.at_rest(&kid, &pkcs8)?,
            kid: kid.clone(),
            algorithm: algorithm.as_str().to_owned(),
            sealed,
            public_jwk: signer.public_jwk().to_string(),
            state,
            published_at: now,
            activate_at: None,
            activated_at: (state == KeyState::Active).then_some(now),
            retired_at: None,
        };
        let transaction = self.store.begin().await?;
        match transaction.insert_signing_key(&key).await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let mut event = event(now, actor, "published", &kid);
        event
            .details
            .insert("algorithm".into(), algorithm.as_str().into());
        event.details.insert("state".into(), state.as_str().into());
        transaction.append_audit(&[event]).await?;
        transaction.commit().await?;
        tracing::info!(kid, state = state.as_str(), "signing key published");
        Ok(true)
    }

    /// Lets the next key sign as soon as every replica has read it: a token whose key another replica
    /// does not know, and does not publish, would be refused.
    pub(super) async fn hasten(&self, next: &StoredKey, actor: Actor) -> Result<bool, KeyError> {
        let now = self.ambient.now();
        let at = next.published_at.plus(self.policy.settle).max(now);
        let transaction = self.store.begin().await?;
        if !transaction.hasten_signing_key(&next.kid, at).await? {
            return Ok(false);
        }
        let event = event(now, actor, "hastened", &next.kid);
        transaction.append_audit(&[event]).await?;
        transaction.commit().await?;
        tracing::info!(kid = next.kid, "signing key takes over early");
        Ok(true)
    }

    async fn activate(
        &self,
        kid: &str,
        retire: Option<&str>,
        actor: Actor,
        now: Timestamp,
    ) -> Result<bool, KeyError> {
        let transaction = self.store.begin().await?;
        if let Some(retire) = retire
            && !transaction.retire_signing_key(retire, now).await?
        {
            return Ok(false);
        }
        if !transaction.activate_signing_key(kid, now).await? {
            return Ok(false);
        }
        let mut event = event(now, actor, "activated", kid);
        if let Some(retire) = retire {
            event.details.insert("retired".into(), retire.into());
        }
        transaction.append_audit(&[event]).await?;
        transaction.commit().await?;
        tracing::info!(kid, retired = retire, "signing key activated");
        Ok(true)
    }

    async fn seal(&self, kid: &str, keys: &[StoredKey]) -> Result<bool, KeyError> {
        let Some(key) = keys.iter().find(|key| key.kid == kid) else {
            return Ok(false);
        };
        let sealed = self.at_rest(kid, &open(self.cipher, key)?)?;
        let done = self.store.seal_signing_key(kid, &sealed).await?;
        if done {
            tracing::info!(kid, "signing key sealed with the encryption key");
        }
        Ok(done)
    }

    /// The private key as it is stored: sealed when there is an encryption key.
    fn at_rest(&self, kid: &str, pkcs8: &[u8]) -> Result<Vec<u8>, KeyError> {
        if !self.cipher.is_configured() {
            return Ok(pkcs8.to_vec());
        }
        self.cipher
            .seal(self.ambient, super::context(kid), pkcs8)
            .map_err(|source| KeyError::Sealed {
                kid: kid.to_owned(),
                source,
            })
    }
}

fn event(now: Timestamp, actor: Actor, step: &str, kid: &str) -> AuditEvent {
    let mut event = AuditEvent::new(now, AuditKind::KeyRotated, actor);
    event.details = Map::from_iter([
        ("step".to_owned(), Value::from(step)),
        ("kid".to_owned(), Value::from(kid)),
    ]);
    event
}
