//! What an offline grant becomes: a token for a background job.
//!
//! Where the downstream's strategy is `mint`, the user's recorded consent is all there is: the broker
//! signs while the grant stands, and no token of the identity provider is kept.

use std::time::Duration;

use broker_client::oauth::{OAuthError, Scope};

use super::mint::Order;
use super::{IssuedToken, Strategies};
use crate::domain::{ClientId, Downstream, OfflineGrant, Strategy, Timestamp};

/// The longest life of a background token; the downstream's own limit is mostly shorter.
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
    /// `invalid_request` when the user has no account at the downstream; `server_error` when something
    /// failed, or for a strategy that works in sessions only, which the configuration refuses.
    pub async fn exchange_offline(
        &self,
        job: &BackgroundJob<'_>,
    ) -> Result<IssuedToken, OAuthError> {
        match job.downstream.strategy {
            Strategy::Mint => {
                let order = Order {
                    sub: &job.grant.sub,
                    client_id: job.client_id,
                    downstream: job.downstream,
                    scope: job.scope,
                    now: job.now,
                    not_after: job.now.plus(LONGEST_LIFE),
                };
                self.mint.sign(&order).await
            }
            Strategy::Session | Strategy::UpstreamExchange => Err(OAuthError::server_error(
                "The strategy configured for this downstream has no background access.",
            )),
        }
    }
}
