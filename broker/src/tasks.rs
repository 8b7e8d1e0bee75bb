//! Periodic work: following ended sessions, rotating keys, watching accounts, looking after interrupted
//! refreshes, sealing the audit trail, deleting what has expired or was never used.
//!
//! Each task runs until it is told to stop. A failure is logged when it begins and when it ends,
//! not every time: a database that is away for an hour is two lines, not ten thousand.

use std::error::Error;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::AccountWatch;
use crate::ambient::Ambient;
use crate::audit::AuditChain;
use crate::clients::forget_unused;
use crate::keys::{FOLLOW, Keyring};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::offline_tokens::OfflineTokens;
use crate::storage::{Retention, Store, StoreError};
use crate::webhooks::{Look, Webhooks};

/// How often ended grants and changed clients are asked for. Each replica knows within a second:
/// this, and the time the database takes, twice.
const POLL: Duration = Duration::from_millis(250);

/// How often one looks for refreshes whose process died.
const INTERRUPTED: Duration = Duration::from_secs(10);

/// How often accounts that are due are looked at; each one is due much less often.
const ACCOUNTS: Duration = Duration::from_secs(1);

/// How long one turn of that may take: many questions, each of which may take seconds.
const ACCOUNTS_PATIENCE: Duration = Duration::from_secs(45);

/// How often webhooks are settled that a failure has left unsettled.
const WEBHOOKS: Duration = Duration::from_secs(30);

/// How often deliveries are sent that are due.
const DELIVERIES: Duration = Duration::from_secs(1);

/// How long that may take: Nextcloud, and receivers, have ten seconds for each request.
const WEBHOOKS_PATIENCE: Duration = Duration::from_mins(1);

/// How often expired rows are deleted.
const PURGE: Duration = Duration::from_mins(10);

/// How often committed audit rows get their places in the chain.
const SEALS: Duration = Duration::from_millis(500);

/// How long that may take: once an hour it looks through everything.
const SEALS_PATIENCE: Duration = Duration::from_mins(1);

/// How long one run may take. A connection that went silent must not hold up the next run.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same for what may have much to do.
const PURGE_PATIENCE: Duration = Duration::from_mins(5);

/// What the tasks work on.
#[derive(Clone)]
pub struct Tasks {
    /// The database.
    pub store: Store,
    /// Followed.
    pub live: Live,
    /// Rotated.
    pub keyring: Keyring,
    /// Looked after.
    pub offline_tokens: OfflineTokens,
    /// Looks at accounts, where that is wanted.
    pub accounts: Option<AccountWatch>,
    /// Continued.
    pub chain: AuditChain,
    /// Settled, and handed on.
    pub webhooks: Webhooks,
    /// The time, for what has expired.
    pub ambient: Ambient,
    /// How long finished rows stay.
    pub retention: Retention,
    /// After how long a client that nobody let in and nobody used is forgotten.
    pub unused_after: Duration,
    /// Counts runs.
    pub metrics: Metrics,
}

impl Tasks {
    /// Starts the tasks; they stop when `stop` is cancelled. Wait for the tracker before closing
    /// the database.
    #[must_use]
    pub fn start(self, stop: &CancellationToken) -> TaskTracker {
        let tracker = TaskTracker::new();
        let Self {
            store,
            live,
            keyring,
            offline_tokens,
            accounts,
            chain,
            webhooks,
            ambient,
            retention,
            unused_after,
            metrics,
        } = self;
        let runs = Runs {
            metrics: metrics.clone(),
            ambient: ambient.clone(),
            stop: stop.clone(),
        };
        tracker.spawn(repeat(
            "revocations",
            POLL,
            PATIENCE,
            runs.clone(),
            move || {
                let live = live.clone();
                async move { live.refresh().await }
            },
        ));
        tracker.spawn(repeat(
            "signing keys",
            FOLLOW,
            PATIENCE,
            runs.clone(),
            move || {
                let keyring = keyring.clone();
                async move { keyring.tick().await }
            },
        ));
        tracker.spawn(repeat(
            "interrupted refreshes",
            INTERRUPTED,
            PURGE_PATIENCE,
            runs.clone(),
            move || {
                let offline_tokens = offline_tokens.clone();
                async move {
                    let settled = offline_tokens.settle_interrupted().await?;
                    if settled > 0 {
                        tracing::warn!(grants = settled, "refreshes were interrupted");
                    }
                    Ok::<_, StoreError>(())
                }
            },
        ));
        if let Some(accounts) = accounts {
            let turn = move || {
                let accounts = accounts.clone();
                async move { accounts.turn().await }
            };
            tracker.spawn(repeat(
                "account watch",
                ACCOUNTS,
                ACCOUNTS_PATIENCE,
                runs.clone(),
                turn,
            ));
        }
        tracker.spawn(repeat(
            "audit seals",
            SEALS,
            SEALS_PATIENCE,
            runs.clone(),
            move || {
                let chain = chain.clone();
                async move { chain.seal().await }
            },
        ));
        hand_on(&tracker, &runs, webhooks, metrics);
        tracker.spawn(repeat("purge", PURGE, PURGE_PATIENCE, runs, move || {
            let (store, ambient) = (store.clone(), ambient.clone());
            async move {
                let now = ambient.now();
                let deleted = store.purge(now, retention).await?;
                if deleted > 0 {
                    tracing::info!(rows = deleted, "expired rows deleted");
                }
                let forgotten = forget_unused(&store, now, unused_after).await?;
                if forgotten > 0 {
                    tracing::info!(clients = forgotten, "unused clients forgotten");
                }
                Ok::<_, StoreError>(())
            }
        }));
        tracker.close();
        tracker
    }
}

/// Keeps webhooks registered, and hands on what they bring.
fn hand_on(tracker: &TaskTracker, runs: &Runs, webhooks: Webhooks, metrics: Metrics) {
    let settled = webhooks.clone();
    tracker.spawn(repeat(
        "webhook registrations",
        WEBHOOKS,
        WEBHOOKS_PATIENCE,
        runs.clone(),
        move || {
            let (webhooks, metrics) = (settled.clone(), metrics.clone());
            async move {
                let (waiting, dead) = webhooks.deliveries().await?;
                metrics.webhook_deliveries(waiting, dead);
                webhooks.settle(Look::Unsettled).await
            }
        },
    ));
    tracker.spawn(repeat(
        "webhook deliveries",
        DELIVERIES,
        WEBHOOKS_PATIENCE,
        runs.clone(),
        move || {
            let webhooks = webhooks.clone();
            async move { webhooks.forward().await.map(drop) }
        },
    ));
}

/// What every task runs with.
#[derive(Clone)]
struct Runs {
    metrics: Metrics,
    ambient: Ambient,
    stop: CancellationToken,
}

/// Runs `work` every `period` until it is told to stop.
async fn repeat<F, E>(
    name: &'static str,
    period: Duration,
    patience: Duration,
    runs: Runs,
    mut work: impl FnMut() -> F,
) where
    F: Future<Output = Result<(), E>>,
    E: Error + 'static,
{
    let mut ticks = interval(period);
    // After a pause (a slow run, a suspended machine) once is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut state = State::Working;
    loop {
        tokio::select! {
            () = runs.stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let outcome = tokio::select! {
            () = runs.stop.cancelled() => return,
            outcome = timeout(patience, work()) => outcome,
        };
        state = match outcome {
            Ok(Ok(())) => {
                runs.metrics.task_worked(name, runs.ambient.now());
                state.succeeded(name)
            }
            Ok(Err(error)) => {
                runs.metrics.task_failed(name);
                state.failed(name, &error)
            }
            Err(slow) => {
                runs.metrics.task_failed(name);
                state.failed(name, &slow)
            }
        };
    }
}

/// Whether a task's last run worked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Working,
    Failing,
}

impl State {
    fn succeeded(self, name: &str) -> Self {
        if self == Self::Failing {
            tracing::info!(task = name, "works again");
        }
        Self::Working
    }

    fn failed(self, name: &str, error: &(dyn Error + 'static)) -> Self {
        if self == Self::Working {
            tracing::error!(
                task = name,
                error,
                "fails; it is tried again until it works"
            );
        }
        Self::Failing
    }
}
