//! How much strangers may register: each address in an hour, and all together.
//!
//! Counted in the database, so that replicas count together and a restart forgets nothing.

use std::time::Duration;

use broker_client::oauth::OAuthError;

use super::Refused;
use crate::domain::{ClientKind, Timestamp, counted_as};
use crate::storage::{Store, Transaction};

/// The window in which attempts are counted. Its windows begin with the epoch, the same for all.
const WINDOW: Duration = Duration::from_hours(1);

/// How much strangers may register.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How often one address may try in an hour, refused attempts included.
    pub attempts_per_hour: u32,
    /// How many clients that registered themselves there may be.
    pub most_clients: u32,
}

impl Limits {
    /// Counts an attempt of `address`, and refuses it when it is one too many.
    pub(super) async fn count_attempt(
        &self,
        store: &Store,
        address: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let since = window(now);
        let address = counted_as(address);
        let attempts = store.count_registration_attempt(&address, since).await?;
        let limit = u64::from(self.attempts_per_hour);
        if attempts <= limit {
            return Ok(());
        }
        Err(Refused::TooMany {
            error: OAuthError::temporarily_unavailable(
                "Too many clients were registered from this address. Try again later.",
            ),
            retry_after: since.plus(WINDOW).since(now),
            is_first: attempts == limit + 1,
        })
    }

    /// Refuses one more client when there are too many already.
    pub(super) async fn check_total(&self, transaction: &Transaction) -> Result<(), Refused> {
        let clients = transaction.count_clients(ClientKind::Dynamic).await?;
        if clients < u64::from(self.most_clients) {
            return Ok(());
        }
        Err(Refused::TooMany {
            error: OAuthError::temporarily_unavailable(
                "Too many clients are registered. Try again later, or ask the administrator of this server.",
            ),
            // Unused ones expire meanwhile.
            retry_after: WINDOW,
            // Each address can ask only so often.
            is_first: true,
        })
    }
}

/// The beginning of the window of `now`.
fn window(now: Timestamp) -> Timestamp {
    let length = i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX);
    let millis = now.as_millis();
    Timestamp::from_millis(millis - millis.rem_euclid(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_with_the_hour() {
        let hour = 3_600_000;
        assert_eq!(
            window(Timestamp::from_millis(7 * hour + 5)).as_millis(),
            7 * hour
        );
        assert_eq!(
            window(Timestamp::from_millis(7 * hour)).as_millis(),
            7 * hour
        );
    }
}
