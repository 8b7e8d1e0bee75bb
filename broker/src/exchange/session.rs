//! Strategy `session`: the access token that the IdP gave at this login.
//!
//! It is the IdP's token as it is: its audience, scope and power are the IdP's to choose, not ours.
//! What we can see of it (a JWT names its issuer and audience) must fit the downstream, so that a
//! token for one API is never sent to another.

use std::time::Duration;

use async_trait::async_trait;
use broker_client::oauth::OAuthError;

use super::foreign::ForeignToken;
use super::{Exchange, ExchangeStrategy, IssuedToken};
use crate::upstream_tokens::UpstreamTokens;

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
        let said = ForeignToken::read(kept.token.expose());
        said.check(&self.issuer, &exchange.downstream.audience)?;
        let end = [kept.expires_at, said.expires_at]
            .into_iter()
            .flatten()
            .fold(exchange.not_after, Ord::min);
        let lifetime = Duration::from_secs(end.since(exchange.now).as_secs());
        if lifetime.is_zero() {
            return Err(OAuthError::invalid_request(
                "The subject_token is about to expire. Renew it first.",
            ));
        }
        Ok(IssuedToken {
            token: kept.token,
            lifetime,
            scope: exchange.scope.clone(),
        })
    }
}
