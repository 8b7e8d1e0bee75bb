//! Strategy `session`: the access token that the IdP gave at this login.
//!
//! It is the IdP's token as it is: its audience, scope and power are the IdP's to choose, not ours.
//! What we can see of it (a JWT names its issuer and audience) must fit the downstream, so that a
//! token for one API is never sent to another.

use async_trait::async_trait;
use broker_client::oauth::OAuthError;

use super::foreign::ForeignToken;
use super::{Exchange, ExchangeStrategy, IssuedToken, Order};
use crate::upstream_tokens::{AccessToken, UpstreamTokens};

/// Hands out the tokens of logins.
pub struct Session {
    /// Where they are kept.
    pub tokens: UpstreamTokens,
    /// The IdP's issuer, which its JWTs name.
    pub issuer: String,
}

#[async_trait]
impl ExchangeStrategy for Session {
    async fn exchange(&self, exchange: &Exchange<'_>) -> Result<IssuedToken, OAuthError> {
        let kept = self
            .tokens
            .access_token(exchange.grant, exchange.sub)
            .await?;
        hand_on(kept, &self.issuer, &Order::from(exchange))
    }
}

/// The IdP's token, as far as it can be seen to be for the downstream.
pub(super) fn hand_on(
    kept: AccessToken,
    issuer: &str,
    order: &Order<'_>,
) -> Result<IssuedToken, OAuthError> {
    let said = ForeignToken::read(kept.token.expose());
    said.check(issuer, &order.downstream.audience)?;
    let end = [kept.expires_at, said.expires_at]
        .into_iter()
        .flatten()
        .fold(order.not_after, Ord::min);
    Ok(IssuedToken {
        lifetime: order.lifetime(end)?,
        token: kept.token,
        scope: order.scope.clone(),
    })
}
