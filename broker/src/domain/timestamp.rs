//! Moments as the database keeps them.

use std::time::Duration;

use time::OffsetDateTime;

/// A moment, in milliseconds since the Unix epoch (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The day, as people read it: `2026-11-21`, in UTC.
    #[must_use]
    pub fn date(self) -> String {
        OffsetDateTime::from_unix_timestamp(self.as_secs())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .date()
            .to_string()
    }

    /// Whole seconds since the epoch, as JWT claims want them (RFC 7519 §2, `NumericDate`).
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment plus `duration`, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This moment minus `duration`, saturating.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long from `earlier` to this moment; zero when it lies after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_as_in_iso_8601() {
        assert_eq!(Timestamp::from_millis(0).date(), "1970-01-01");
        assert_eq!(Timestamp::from_millis(951_782_400_000).date(), "2000-02-29");
    }

    #[test]
    fn arithmetic_saturates_and_never_runs_backwards() {
        let at = Timestamp::from_millis;
        let second = Duration::from_secs(1);
        assert_eq!(at(500).plus(second), at(1500));
        assert_eq!(at(500).minus(second), at(-500));
        assert_eq!(at(i64::MAX).plus(Duration::MAX), at(i64::MAX));
        assert_eq!(at(i64::MIN).minus(Duration::MAX), at(i64::MIN));
        assert_eq!(at(1500).since(at(500)), second);
        assert_eq!(at(500).since(at(1500)), Duration::ZERO);
    }

    #[test]
    fn seconds_are_rounded_down_before_the_epoch_too() {
        assert_eq!(Timestamp::from_millis(1999).as_secs(), 1);
        assert_eq!(Timestamp::from_millis(-1).as_secs(), -1);
    }
}
