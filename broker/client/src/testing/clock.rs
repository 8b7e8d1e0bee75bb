//! [`FakeClock`]: time that stands still until a test moves it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::ambient::Clock;

/// A clock that a test sets.
#[derive(Debug)]
pub struct FakeClock {
    /// Milliseconds since 1970.
    millis: AtomicU64,
}

impl FakeClock {
    /// A clock that stands at `unix`, in seconds since 1970.
    #[must_use]
    pub const fn at(unix: u64) -> Self {
        Self {
            millis: AtomicU64::new(unix * 1_000),
        }
    }

    /// Sets the clock to `unix`, in seconds since 1970.
    pub fn set(&self, unix: u64) {
        self.millis.store(unix * 1_000, Ordering::SeqCst);
    }

    /// Moves the clock forward; whole milliseconds count.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.millis.load(Ordering::SeqCst))
    }
}
