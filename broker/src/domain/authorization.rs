//! One user's trip through `/oauth/authorize`.
//!
//! ```text
//! AwaitingConsent ──allow──▶ AwaitingLogin ──the IdP says who──▶ Approved ──code──▶ Redeemed
//!    │   ▲                       │                                   ▲
//!    │   └── it is another ── AwaitingKnownUser ──── it is he ─────────┘
//!    │                            │
//!    └────────── deny ────────────┴──▶ Denied
//! ```
//! A flow whose consent page is passed over begins at `AwaitingKnownUser`.
//!
//! Transitions take the value and return the next; the storage applies each with a conditional
//! update, so that of two racing requests one wins.

use broker_client::oauth::Scope;

use super::{
    AuthorizationId, ClientId, GrantId, HandleHash, RedirectUri, ResourceUri, Subject, Timestamp,
};

/// An authorization request that passed every check, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Public identifier, in the consent page's URL and in our upstream `state`.
    pub id: AuthorizationId,
    /// The client that asks.
    pub client_id: ClientId,
    /// Where the answer goes, exactly as the client sent it (or its only registered one).
    pub redirect_uri: RedirectUri,
    /// The client's `state`, returned unchanged.
    pub state: Option<String>,
    /// What the user is asked to grant.
    pub scope: Scope,
    /// The resource the tokens will be for (RFC 8707), canonical.
    pub resource: ResourceUri,
    /// PKCE challenge, method S256 (RFC 7636 §4.2).
    pub code_challenge: String,
    /// SHA-256 of the secret in this flow's cookie: only that browser may go on.
    pub browser: HandleHash,
    /// When the request came.
    pub created_at: Timestamp,
    /// When the login must be done.
    pub expires_at: Timestamp,
    /// How far it has come.
    pub stage: Stage,
}

/// How far an [`Authorization`] has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Our consent page is shown.
    AwaitingConsent,
    /// The user allowed it; the browser is at the IdP.
    AwaitingLogin,
    /// Nobody was asked, because the user who logged in last in this browser has allowed it before;
    /// the browser is at the IdP, which says whether it is him.
    AwaitingKnownUser,
    /// The IdP said who it is; a code was handed out.
    Approved {
        /// The user.
        sub: Subject,
        /// SHA-256 of the authorization code.
        code: HandleHash,
        /// When the code stops being good.
        code_expires_at: Timestamp,
    },
    /// The code was redeemed.
    Redeemed {
        /// The user.
        sub: Subject,
        /// SHA-256 of the code, kept to notice a replay.
        code: HandleHash,
        /// What it became.
        grant: GrantId,
    },
    /// The user, or the IdP, said no.
    Denied,
}

/// The name of a [`Stage`], as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageKind {
    /// See [`Stage::AwaitingConsent`].
    AwaitingConsent,
    /// See [`Stage::AwaitingLogin`].
    AwaitingLogin,
    /// See [`Stage::AwaitingKnownUser`].
    AwaitingKnownUser,
    /// See [`Stage::Approved`].
    Approved,
    /// See [`Stage::Redeemed`].
    Redeemed,
    /// See [`Stage::Denied`].
    Denied,
}

impl StageKind {
    /// The word stored in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingConsent => "awaiting_consent",
            Self::AwaitingLogin => "awaiting_login",
            Self::AwaitingKnownUser => "awaiting_known_user",
            Self::Approved => "approved",
            Self::Redeemed => "redeemed",
            Self::Denied => "denied",
        }
    }

    /// Reads the stored word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::AwaitingConsent,
            Self::AwaitingLogin,
            Self::AwaitingKnownUser,
            Self::Approved,
            Self::Redeemed,
            Self::Denied,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
    }
}

impl Stage {
    /// Which stage this is.
    #[must_use]
    pub const fn kind(&self) -> StageKind {
        match self {
            Self::AwaitingConsent => StageKind::AwaitingConsent,
            Self::AwaitingLogin => StageKind::AwaitingLogin,
            Self::AwaitingKnownUser => StageKind::AwaitingKnownUser,
            Self::Approved { .. } => StageKind::Approved,
            Self::Redeemed { .. } => StageKind::Redeemed,
            Self::Denied => StageKind::Denied,
        }
    }
}

impl Authorization {
    /// Whether the login took too long.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    /// The user allowed it on the consent page.
    ///
    /// # Errors
    /// Gives the value back when he has before, or the flow is decided.
    #[expect(clippy::result_large_err, reason = "the unchanged value is the error")]
    pub fn consented(self) -> Result<Self, Self> {
        match self.stage {
            Stage::AwaitingConsent | Stage::AwaitingKnownUser => Ok(Self {
                stage: Stage::AwaitingLogin,
                ..self
            }),
            Stage::AwaitingLogin
            | Stage::Approved { .. }
            | Stage::Redeemed { .. }
            | Stage::Denied => Err(self),
        }
    }

    /// The IdP named a user who has not allowed it: the consent page is shown after all.
    ///
    /// # Errors
    /// Gives the value back when the page was not passed over.
    #[expect(clippy::result_large_err, reason = "the unchanged value is the error")]
    pub fn asked_after_all(self) -> Result<Self, Self> {
        match self.stage {
            Stage::AwaitingKnownUser => Ok(Self {
                stage: Stage::AwaitingConsent,
                ..self
            }),
            Stage::AwaitingConsent
            | Stage::AwaitingLogin
            | Stage::Approved { .. }
            | Stage::Redeemed { .. }
            | Stage::Denied => Err(self),
        }
    }

    /// The IdP said who it is, and he has allowed it, now or before; `code` is handed out.
    ///
    /// # Errors
    /// Gives the value back when it does not await a login.
    #[expect(clippy::result_large_err, reason = "the unchanged value is the error")]
    pub fn approved(
        self,
        sub: Subject,
        code: HandleHash,
        code_expires_at: Timestamp,
    ) -> Result<Self, Self> {
        match self.stage {
            Stage::AwaitingLogin | Stage::AwaitingKnownUser => Ok(Self {
                stage: Stage::Approved {
                    sub,
                    code,
                    code_expires_at,
                },
                ..self
            }),
            Stage::AwaitingConsent
            | Stage::Approved { .. }
            | Stage::Redeemed { .. }
            | Stage::Denied => Err(self),
        }
    }

    /// The code was redeemed for `grant`.
    ///
    /// # Errors
    /// Gives the value back when no code is open.
    #[expect(clippy::result_large_err, reason = "the unchanged value is the error")]
    pub fn redeemed(self, grant: GrantId) -> Result<Self, Self> {
        match self.stage {
            Stage::Approved { sub, code, .. } => Ok(Self {
                stage: Stage::Redeemed { sub, code, grant },
                ..self
            }),
            Stage::AwaitingConsent
            | Stage::AwaitingLogin
            | Stage::AwaitingKnownUser
            | Stage::Redeemed { .. }
            | Stage::Denied => Err(self),
        }
    }

    /// The user, or the IdP, said no.
    ///
    /// # Errors
    /// Gives the value back when it is already decided.
    #[expect(clippy::result_large_err, reason = "the unchanged value is the error")]
    pub fn denied(self) -> Result<Self, Self> {
        match self.stage {
            Stage::AwaitingConsent | Stage::AwaitingLogin | Stage::AwaitingKnownUser => Ok(Self {
                stage: Stage::Denied,
                ..self
            }),
            Stage::Approved { .. } | Stage::Redeemed { .. } | Stage::Denied => Err(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stage: Stage) -> Authorization {
        Authorization {
            id: AuthorizationId::parse("flow").unwrap(),
            client_id: ClientId::parse("client").unwrap(),
            redirect_uri: RedirectUri::parse("https://client.example/callback").unwrap(),
            state: None,
            scope: Scope::new(),
            resource: ResourceUri::parse("https://mcp.example").unwrap(),
            code_challenge: String::new(),
            browser: HandleHash::from_bytes([0; 32]),
            created_at: Timestamp::from_millis(0),
            expires_at: Timestamp::from_millis(1000),
            stage,
        }
    }

    fn stages() -> [Stage; 6] {
        let sub = Subject::parse("alice").unwrap();
        let code = HandleHash::from_bytes([1; 32]);
        [
            Stage::AwaitingConsent,
            Stage::AwaitingLogin,
            Stage::AwaitingKnownUser,
            Stage::Approved {
                sub: sub.clone(),
                code,
                code_expires_at: Timestamp::from_millis(60),
            },
            Stage::Redeemed {
                sub,
                code,
                grant: GrantId::parse("grant").unwrap(),
            },
            Stage::Denied,
        ]
    }

    /// Which transitions each stage allows: consented, asked after all, approved, redeemed, denied.
    #[test]
    fn only_the_drawn_transitions_exist() {
        let allowed = [
            (
                StageKind::AwaitingConsent,
                [true, false, false, false, true],
            ),
            (StageKind::AwaitingLogin, [false, false, true, false, true]),
            (
                StageKind::AwaitingKnownUser,
                [true, true, true, false, true],
            ),
            (StageKind::Approved, [false, false, false, true, false]),
            (StageKind::Redeemed, [false; 5]),
            (StageKind::Denied, [false; 5]),
        ];
        for (stage, (kind, expected)) in stages().into_iter().zip(allowed) {
            assert_eq!(stage.kind(), kind);
            assert_eq!(StageKind::parse(kind.as_str()), Some(kind));
            let here = at(stage);
            let bob = Subject::parse("bob").unwrap();
            let code = HandleHash::from_bytes([2; 32]);
            let outcomes = [
                here.clone().consented(),
                here.clone().asked_after_all(),
                here.clone().approved(bob, code, Timestamp::from_millis(5)),
                here.clone().redeemed(GrantId::parse("other").unwrap()),
                here.clone().denied(),
            ];
            for (outcome, expected) in outcomes.into_iter().zip(expected) {
                match outcome {
                    Ok(next) => assert!(expected, "{kind:?} became {:?}", next.stage),
                    Err(unchanged) => {
                        assert!(!expected, "{kind:?} was refused");
                        assert_eq!(unchanged, here);
                    }
                }
            }
        }
    }

    #[test]
    fn redeeming_keeps_who_and_which_code() {
        let [_, _, _, approved, ..] = stages();
        let redeemed = at(approved)
            .redeemed(GrantId::parse("grant").unwrap())
            .unwrap();
        let [_, _, _, _, expected, _] = stages();
        assert_eq!(redeemed.stage, expected);
    }

    #[test]
    fn a_login_that_took_too_long_is_expired() {
        let here = at(Stage::AwaitingLogin);
        assert!(!here.is_expired(Timestamp::from_millis(999)));
        assert!(here.is_expired(Timestamp::from_millis(1000)));
    }
}
