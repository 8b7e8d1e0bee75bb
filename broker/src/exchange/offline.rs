//! What an offline grant becomes: a token for a background job.
//!
//! Where the downstream's strategy is `mint`, the user's recorded consent is all there is: the broker
//! signs while the grant stands, and no token of the identity provider is kept. Elsewhere the token
//! comes from the refresh token that the IdP gave when the user allowed it, and is checked as that of
//! a session is.

use std::time::Duration;

use broker_client::oauth::{OAuthError, Scope};

use super::session::hand_on;
use super::upstream::exchanged;
use super::{Asker, IssuedToken, Order, Strategies};
use crate::domain::{ClientId, Downstream, OfflineGrant, Strategy, Timestamp};

/// The longest life that a background client is told; the downstream's own limit is mostly shorter.
/// A token that the IdP issued may be good for longer: that is the IdP's to say.
const LONGEST_LIFE: Duration = Duration::from_mins(5);

/// A decided exchange of an offline grant. Has no session, as [`super::Exchange`] has no grant of
/// this kind: neither can be made of the other.
#[derive(Debug, Clone, Copy)]
pub struct BackgroundJob<'a> {
    /// What the user allowed.
    pub grant: &'a OfflineGrant,
    /// The background client, who will act for him.
    pub client_id: &'a ClientId,
    /// What the token is for.
    pub downstream: &'a Downstream,
    /// What it may do: a subset of the grant's scope.
    pub scope: &'a Scope,
    /// When.
    pub now: Timestamp,
}

impl Strategies {
    /// Produces the token of a background job.
    ///
    /// # Errors
    /// `invalid_request` when the user has no account at the downstream or has to allow it again;
    /// `invalid_target` when the IdP's token is for something else; `temporarily_unavailable` and
    /// `server_error` when something failed.
    pub async fn exchange_offline(
        &self,
        job: &BackgroundJob<'_>,
    ) -> Result<IssuedToken, OAuthError> {
        let order = Order {
            asker: Asker::Job,
            sub: &job.grant.sub,
            client_id: job.client_id,
            downstream: job.downstream,
            scope: job.scope,
            now: job.now,
            not_after: job.now.plus(LONGEST_LIFE),
        };
        match job.downstream.strategy {
            Strategy::Mint => self.mint.sign(&order).await,
            Strategy::Session => {
                let kept = self.offline.access_token(job.grant).await?;
                hand_on(kept, &self.session.issuer, &order)
            }
            Strategy::UpstreamExchange => {
                let kept = self.offline.access_token(job.grant).await?;
                exchanged(self.offline.provider()?, kept, &order).await
            }
        }
    }
}
