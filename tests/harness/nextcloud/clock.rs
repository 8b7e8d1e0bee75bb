//! The stand-in's clock, which a test can stop, set and move.
//!
//! Owns the notion of "now" for token checks, key caches, file times and entity tags. Nothing
//! else in the stand-in reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock that tests can move; clones share the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    /// `Some` when the clock stands still until it is moved; seconds since the Unix epoch.
    standing_at: Option<i64>,
    /// Added to the source, in seconds.
    offset: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that follows the machine's time, until it is moved.
    #[must_use]
    pub fn system() -> Self {
        Self {
            standing_at: None,
            offset: Arc::default(),
        }
    }

    /// A clock that stands still at `unix` seconds.
    #[must_use]
    pub fn standing_at(unix: u64) -> Self {
        Self {
            standing_at: Some(signed(unix)),
            offset: Arc::default(),
        }
    }

    /// The time in seconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        let now = self.source() + self.offset.load(Ordering::SeqCst);
        u64::try_from(now).unwrap_or_default()
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.offset
            .fetch_add(signed(by.as_secs()), Ordering::SeqCst);
    }

    /// Moves the clock to `unix` seconds; a following clock goes on from there.
    pub fn set(&self, unix: u64) {
        self.offset
            .store(signed(unix) - self.source(), Ordering::SeqCst);
    }

    fn source(&self) -> i64 {
        self.standing_at.unwrap_or_else(system_seconds)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the stand-in's one look at the machine's time"
)]
fn system_seconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| signed(elapsed.as_secs()))
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
