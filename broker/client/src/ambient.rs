//! The time we take from outside.
//!
//! Everything that depends on the time asks a [`Clock`], so that tests decide what time it is and
//! never sleep. Randomness belongs to the broker; nothing in this crate draws any.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the current time comes from.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The current time.
    fn now(&self) -> SystemTime;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the time of the machine comes in"
    )]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Seconds since 1970-01-01T00:00:00Z, as `NumericDate` of RFC 7519 §2 counts them.
///
/// A time before 1970 counts as 0.
#[must_use]
pub fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// Nanoseconds since 1970, as OTLP counts them. A time before 1970 counts as 0.
pub(crate) fn unix_nanos(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos()
}

/// The time from `earlier` to `later`; zero when the clock was set back between them.
pub(crate) fn elapsed(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_counts_whole_seconds_and_never_below_zero() {
        assert_eq!(unix(UNIX_EPOCH + Duration::from_millis(1_999)), 1);
        assert_eq!(unix(UNIX_EPOCH - Duration::from_secs(5)), 0);
    }

    #[test]
    fn a_clock_that_was_set_back_means_no_time_has_passed() {
        let noon = UNIX_EPOCH + Duration::from_secs(100);
        assert_eq!(elapsed(noon, UNIX_EPOCH), Duration::ZERO);
        assert_eq!(elapsed(UNIX_EPOCH, noon), Duration::from_secs(100));
    }
}
