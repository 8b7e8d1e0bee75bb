//! A grant: the session that one login gave to one client.

use broker_client::oauth::Scope;

use super::{ClientId, GrantId, ResourceUri, Subject, Timestamp};

/// What a user allowed one client for one resource at one login. Its id is the `sid` of the tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Identifier, also the refresh-token family.
    pub id: GrantId,
    /// Who allowed it.
    pub sub: Subject,
    /// To whom.
    pub client_id: ClientId,
    /// For which protected resource (RFC 8707).
    pub resource: ResourceUri,
    /// What was granted; tokens may carry less, never more.
    pub scope: Scope,
    /// When the code was redeemed.
    pub created_at: Timestamp,
    /// The absolute end: no refresh beyond it.
    pub expires_at: Timestamp,
    /// Set when it was ended before its time.
    pub ended: Option<(Timestamp, EndReason)>,
}

impl Grant {
    /// Whether tokens of this grant may still be used or renewed.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at
    }
}

/// Why a grant was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The client revoked a token (RFC 7009).
    Revoked,
    /// The authorization code was presented a second time (OAuth 2.1 §4.1.3).
    CodeReplayed,
    /// A spent refresh token was presented after its successor was used (RFC 9700 §4.14).
    RefreshReused,
    /// An administrator ended it.
    Administrator,
    /// The client was blocked or deleted.
    ClientBlocked,
    /// The resource that it was for was deleted.
    ResourceDeleted,
    /// The user ended it.
    User,
    /// The account behind it is disabled or gone.
    AccountGone,
    /// The identity provider's tokens of this login are gone: expired, revoked there, or refused.
    UpstreamEnded,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Revoked,
        Self::CodeReplayed,
        Self::RefreshReused,
        Self::Administrator,
        Self::ClientBlocked,
        Self::ResourceDeleted,
        Self::User,
        Self::AccountGone,
        Self::UpstreamEnded,
    ];

    /// The word stored in the database and shown in the audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::CodeReplayed => "code_replayed",
            Self::RefreshReused => "refresh_reused",
            Self::Administrator => "administrator",
            Self::ClientBlocked => "client_blocked",
            Self::ResourceDeleted => "resource_deleted",
            Self::User => "user",
            Self::AccountGone => "account_gone",
            Self::UpstreamEnded => "upstream_ended",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_lives_until_it_is_ended_or_its_time_is_over() {
        let at = Timestamp::from_millis;
        let mut grant = Grant {
            id: GrantId::parse("g").unwrap(),
            sub: Subject::parse("alice").unwrap(),
            client_id: ClientId::parse("c").unwrap(),
            resource: ResourceUri::parse("https://mcp.example").unwrap(),
            scope: Scope::new(),
            created_at: at(0),
            expires_at: at(100),
            ended: None,
        };
        assert!(grant.is_live(at(99)));
        assert!(!grant.is_live(at(100)));
        grant.ended = Some((at(50), EndReason::Revoked));
        assert!(!grant.is_live(at(1)), "whatever the clock says");
    }

    #[test]
    fn reasons_read_back() {
        assert_eq!(
            EndReason::parse("refresh_reused"),
            Some(EndReason::RefreshReused)
        );
        assert_eq!(EndReason::parse("boredom"), None);
    }
}
