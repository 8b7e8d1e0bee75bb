//! Refresh-token rotation and what a second presentation means (RFC 9700 §4.14).
//!
//! A family is one [`super::Grant`]. Each use spends a token and yields its successor. Agents run
//! several processes on one stored token, and answers get lost on the way; so a spent token whose
//! successor was never used yields *the same* successor again, for a short grace. One branch stays
//! live. A spent token presented after its successor was used means that two parties hold the
//! family: it ends.

use std::time::Duration;

use super::{GrantId, HandleHash, Timestamp};

/// One refresh token, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// SHA-256 of the token.
    pub hash: HandleHash,
    /// The family.
    pub grant: GrantId,
    /// When it was handed out.
    pub issued_at: Timestamp,
    /// The sliding end: unused until then, it is dead.
    pub expires_at: Timestamp,
    /// Set when it was used.
    pub rotation: Option<Rotation>,
}

/// How a token was spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// When.
    pub at: Timestamp,
    /// Random salt: successor = HMAC-SHA-256(token, salt). Neither the database nor an old token
    /// alone yields the successor; both together do, which makes an honest repetition answerable.
    pub salt: [u8; 32],
    /// SHA-256 of the successor.
    pub successor: HandleHash,
}

/// What presenting a refresh token means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// Unspent: rotate.
    Fresh,
    /// Spent a moment ago and the successor is unused: hand out the same successor again.
    Repeated(Rotation),
    /// Spent, the successor unused, but the grace is over: refuse, harm nobody.
    Stale,
    /// Spent and the successor was used: end the family.
    Reused,
    /// Never used and too old.
    Expired,
}

impl RefreshToken {
    /// Judges this token, given its successor's row if it has one.
    #[must_use]
    pub fn presented(
        &self,
        successor: Option<&Self>,
        now: Timestamp,
        grace: Duration,
    ) -> Presented {
        match &self.rotation {
            None if now >= self.expires_at => Presented::Expired,
            None => Presented::Fresh,
            Some(rotation) => match successor {
                // A purged successor was used or expired; either way nothing honest is left.
                None => Presented::Reused,
                Some(next) if next.rotation.is_some() => Presented::Reused,
                Some(_) if now.since(rotation.at) <= grace => Presented::Repeated(rotation.clone()),
                Some(_) => Presented::Stale,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_mins(1);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn token(byte: u8, rotation: Option<Rotation>) -> RefreshToken {
        RefreshToken {
            hash: HandleHash::from_bytes([byte; 32]),
            grant: GrantId::parse("family").unwrap(),
            issued_at: at(0),
            expires_at: at(1000),
            rotation,
        }
    }

    fn spent(seconds: i64) -> Rotation {
        Rotation {
            at: at(seconds),
            salt: [7; 32],
            successor: HandleHash::from_bytes([2; 32]),
        }
    }

    #[test]
    fn an_unspent_token_is_fresh_until_it_expires() {
        assert_eq!(
            token(1, None).presented(None, at(999), GRACE),
            Presented::Fresh
        );
        assert_eq!(
            token(1, None).presented(None, at(1000), GRACE),
            Presented::Expired
        );
    }

    #[test]
    fn a_repetition_within_the_grace_gets_the_same_successor() {
        let first = token(1, Some(spent(10)));
        let next = token(2, None);
        assert_eq!(
            first.presented(Some(&next), at(70), GRACE),
            Presented::Repeated(first.rotation.clone().unwrap())
        );
        assert_eq!(
            first.presented(Some(&next), at(71), GRACE),
            Presented::Stale
        );
    }

    #[test]
    fn a_spent_token_after_its_successor_was_used_is_reuse_even_within_the_grace() {
        let first = token(1, Some(spent(10)));
        let next = token(2, Some(spent(11)));
        assert_eq!(
            first.presented(Some(&next), at(12), GRACE),
            Presented::Reused
        );
        assert_eq!(first.presented(None, at(12), GRACE), Presented::Reused);
    }
}
