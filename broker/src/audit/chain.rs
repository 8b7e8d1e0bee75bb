//! Gives committed audit rows their places in a chain of hashes, so that nobody changes the past
//! unnoticed.
//!
//! Rows are appended by many replicas inside many transactions, which must not wait for each other.
//! So a row is written without a seal, and a task seals what is committed about a second later. Each
//! hash is over the hash before it, the place and the whole row, with a key that stands in the database
//! sealed by the encryption key. What a chain then proves is [`super::verify()`]'s matter.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::ambient::Ambient;
use crate::crypto::{ChainKey, Cipher, CipherError, SealingContext};
use crate::domain::Timestamp;
use crate::metrics::Metrics;
use crate::storage::{Seal, Store, StoreError};

/// Rows sealed in one transaction.
const BATCH: u64 = 256;

/// How far below the newest sealed row new ones are looked for: transactions commit in another order
/// than their rows were numbered. What commits even later is found by the next sweep.
const REACH: i64 = 5_000;

/// How often everything is looked through for rows without a seal.
const SWEEP: Duration = Duration::from_hours(1);

/// How often the head is written to the log, where whoever changes the database does not reach it.
const SAID: Duration = Duration::from_hours(1);

/// Where the key of the chain stands.
const CONTEXT: SealingContext<'static> = SealingContext {
    table: "audit_chain",
    column: "chain_key",
    row: "audit",
    user: "",
};

/// Why rows could not be sealed, or seals not be checked.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The database failed.
    #[error("the audit trail's seals could not be read or written")]
    Store(#[from] StoreError),
    /// The chain's key does not open.
    #[error("the key of the audit trail's seals does not open")]
    Key(#[from] CipherError),
}

/// The chain. Cheap to clone.
#[derive(Clone)]
pub struct AuditChain {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    cipher: Cipher,
    ambient: Ambient,
    /// Told how much is not sealed.
    metrics: Metrics,
    /// One run at a time in this process; replicas take turns in the database.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    swept: Option<Timestamp>,
    said: Option<Timestamp>,
}

impl AuditChain {
    /// The chain of the trail in `store`.
    #[must_use]
    pub fn new(store: Store, cipher: Cipher, ambient: Ambient, metrics: Metrics) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                cipher,
                ambient,
                metrics,
                state: Mutex::default(),
            }),
        }
    }

    /// Seals what is committed and has no seal. The task calls it all the time.
    ///
    /// # Errors
    /// See [`ChainError`].
    pub async fn seal(&self) -> Result<(), ChainError> {
        let Inner {
            store,
            ambient,
            metrics,
            state,
            ..
        } = &*self.inner;
        let mut state = state.lock().await;
        let now = ambient.now();
        let is_due = |last: Option<Timestamp>, every| last.is_none_or(|at| now.since(at) >= every);
        let sweeps = is_due(state.swept, SWEEP);
        let from = match store.audit_head().await? {
            Some(head) if !sweeps => head.event_id.saturating_sub(REACH),
            _ => 0,
        };
        // Without taking a turn: mostly there is nothing to do.
        let unsealed = store.count_unsealed_audit(from).await?;
        metrics.audit_unsealed(unsealed);
        if unsealed > 0 {
            let mut after = from;
            while let Some(last) = self.seal_some(after).await? {
                after = last;
            }
            metrics.audit_unsealed(store.count_unsealed_audit(from).await?);
        }
        if sweeps {
            state.swept = Some(now);
        }
        if is_due(state.said, SAID)
            && let Some(head) = store.audit_head().await?
        {
            tracing::info!(head = written(&head), "the audit trail's chain");
            state.said = Some(now);
        }
        Ok(())
    }

    /// Seals a batch of rows behind the id `after`; the last one's id when there may be more.
    async fn seal_some(&self, after: i64) -> Result<Option<i64>, ChainError> {
        let store = &self.inner.store;
        let key = self.key().await?;
        let transaction = store.begin().await?;
        transaction.take_audit_turn().await?;
        // What others sealed meanwhile is seen now. And a key that came meanwhile binds us.
        if !key.is_keyed() && transaction.audit_chain_key().await?.is_some() {
            return Ok(None);
        }
        let rows = transaction.unsealed_audit(after, BATCH).await?;
        let is_full = u64::try_from(rows.len()).is_ok_and(|count| count == BATCH);
        let last = rows.last().map(|row| row.id).filter(|_| is_full);
        let head = transaction.audit_head().await?;
        let mut position = head.map_or(0, |head| head.position);
        let mut hash = head.map_or([0; 32], |head| head.hash);
        let mut seals = Vec::with_capacity(rows.len());
        for row in rows {
            position += 1;
            hash = key.link(&hash, position, &row.bytes);
            seals.push(Seal {
                position,
                event_id: row.id,
                hash,
                keyed: key.is_keyed(),
            });
        }
        transaction.append_audit_seals(&seals).await?;
        transaction.commit().await?;
        Ok(last)
    }

    /// The key to seal with. Made when there is none yet and it can be sealed itself.
    async fn key(&self) -> Result<ChainKey, ChainError> {
        let Inner {
            store,
            cipher,
            ambient,
            ..
        } = &*self.inner;
        if !cipher.is_configured() {
            // Should there be a key all the same, it is left to the replicas that can open it.
            return Ok(ChainKey::open());
        }
        if store.audit_chain_key().await?.is_none() {
            let secret = Zeroizing::new(ambient.random::<32>());
            let sealed = cipher.seal(ambient, CONTEXT, secret.as_slice())?;
            // False when another replica was first, whose key it is then.
            store.set_audit_chain_key(&sealed).await?;
        }
        Ok(secret(store, cipher).await?.unwrap_or_else(ChainKey::open))
    }
}

/// The secret key of the chain in `store`, if there is one.
pub(super) async fn secret(store: &Store, cipher: &Cipher) -> Result<Option<ChainKey>, ChainError> {
    let Some(sealed) = store.audit_chain_key().await? else {
        return Ok(None);
    };
    let key = cipher.open(CONTEXT, &sealed)?;
    let key = <&[u8; 32]>::try_from(key.as_slice()).map_err(|_| CipherError::Damaged)?;
    Ok(Some(ChainKey::secret(key)))
}

/// A seal as people note it down: place and hash.
pub(super) fn written(seal: &Seal) -> String {
    format!("{}:{}", seal.position, crate::crypto::hex(&seal.hash))
}
