//! An offline grant: that a user lets background jobs act for him at a downstream while he is away;
//! and the browser session in which he says so.

use broker_client::oauth::Scope;

use super::{DownstreamName, HandleHash, OfflineGrantId, OfflineRequestId, Subject, Timestamp};

/// What a user allowed background jobs at one downstream. Not a session: its id is of another type,
/// and nothing that a session gives leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflineGrant {
    /// Identifier: the `subject_token` of background jobs. No secret; it is worth nothing without a
    /// background client's own.
    pub id: OfflineGrantId,
    /// Who allowed it, signed in, in his own browser.
    pub sub: Subject,
    /// Where.
    pub downstream: DownstreamName,
    /// What; tokens may carry less, never more.
    pub scope: Scope,
    /// When.
    pub granted_at: Timestamp,
    /// Since when the identity provider does not stand behind it any more, and how that came out.
    /// Allowing it again mends it.
    pub failing: Option<(Timestamp, FailingReason)>,
    /// When it was withdrawn. It never comes back: who allows it again gets a new one.
    pub withdrawn_at: Option<Timestamp>,
}

impl OfflineGrant {
    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> OfflineState {
        match (self.withdrawn_at, self.failing) {
            (Some(_), _) => OfflineState::Withdrawn,
            (None, Some(_)) => OfflineState::Failing,
            (None, None) => OfflineState::Active,
        }
    }

    /// Since when it stands there.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.withdrawn_at
            .or(self.failing.map(|(since, _)| since))
            .unwrap_or(self.granted_at)
    }

    /// Whether it was not withdrawn, working or not.
    #[must_use]
    pub const fn stands(&self) -> bool {
        self.withdrawn_at.is_none()
    }
}

/// Where background access of a user at a downstream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfflineState {
    /// He was never asked, or has not answered.
    None,
    /// He said yes here, and has not come back from the identity provider yet.
    Pending,
    /// Background jobs may act for him.
    Active,
    /// He allowed it, but the identity provider refused the last refresh: he has to allow it again.
    Failing,
    /// He, or an administrator, withdrew it.
    Withdrawn,
}

impl OfflineState {
    /// The state of a user at a downstream, from his grant there and whether he is on his way to
    /// allow it. What stands is told before what is under way.
    #[must_use]
    pub fn of(grant: Option<&OfflineGrant>, is_pending: bool) -> Self {
        match grant.map(OfflineGrant::state) {
            Some(standing @ (Self::Active | Self::Failing)) => standing,
            _ if is_pending => Self::Pending,
            Some(ended) => ended,
            None => Self::None,
        }
    }

    /// The word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Failing => "failing",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// How it came out that an offline grant fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailingReason {
    /// The identity provider refused its refresh token.
    Refused,
    /// The same, after a refresh whose answer was lost with the process that waited for it: the
    /// provider had spent the token, and nobody holds the next one.
    Interrupted,
}

impl FailingReason {
    /// The word in the database, the admin API and the audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Interrupted => "interrupted",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Refused, Self::Interrupted]
            .into_iter()
            .find(|reason| reason.as_str() == word)
    }
}

/// That a user said yes on our page and was sent to the identity provider to say it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflineRequest {
    /// Identifier; stands in our `state`, and is public.
    pub id: OfflineRequestId,
    /// Who, signed in, in his own browser.
    pub sub: Subject,
    /// Where. He has one request at each downstream; the last one counts.
    pub downstream: DownstreamName,
    /// What.
    pub scope: Scope,
    /// Until when he must be back.
    pub expires_at: Timestamp,
}

/// A browser in which a user is signed in to his account pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSession {
    /// SHA-256 of its cookie.
    pub cookie: HandleHash,
    /// Who.
    pub sub: Subject,
    /// Until when.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> OfflineGrant {
        OfflineGrant {
            id: OfflineGrantId::parse("grant").unwrap(),
            sub: Subject::parse("alice").unwrap(),
            downstream: DownstreamName::parse("nextcloud").unwrap(),
            scope: Scope::new(),
            granted_at: Timestamp::from_millis(1),
            failing: None,
            withdrawn_at: None,
        }
    }

    #[test]
    fn what_stands_is_told_before_what_is_under_way() {
        let failing = OfflineGrant {
            failing: Some((Timestamp::from_millis(2), FailingReason::Refused)),
            ..grant()
        };
        let withdrawn = OfflineGrant {
            withdrawn_at: Some(Timestamp::from_millis(3)),
            ..failing.clone()
        };
        for (grant, is_pending, state) in [
            (None, false, "none"),
            (None, true, "pending"),
            (Some(grant()), false, "active"),
            (Some(grant()), true, "active"),
            (Some(failing.clone()), false, "failing"),
            (Some(failing), true, "failing"),
            (Some(withdrawn.clone()), false, "withdrawn"),
            (Some(withdrawn), true, "pending"),
        ] {
            let told = OfflineState::of(grant.as_ref(), is_pending);
            assert_eq!(told.as_str(), state, "{grant:?} {is_pending}");
        }
    }

    #[test]
    fn reasons_read_back() {
        for reason in [FailingReason::Refused, FailingReason::Interrupted] {
            assert_eq!(FailingReason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(FailingReason::parse("other"), None);
    }
}
