//! Strategy `upstream_exchange`: the IdP exchanges its own token of this login (RFC 8693).
//!
//! The subject token at the IdP is the access token that it gave at this login: an IdP exchanges
//! what it issued itself, and ours mean nothing to it. What comes back must be for the downstream,
//! of this user, and say when it ends; a refusal is the caller's to know, and no other strategy
//! takes over.

use std::sync::Arc;

use async_trait::async_trait;
use broker_client::oauth::{ErrorCode, OAuthError};

use super::foreign::ForeignToken;
use super::{Asker, Exchange, ExchangeStrategy, IssuedToken, Order};
use crate::upstream::{TokenError, Upstream};
use crate::upstream_tokens::{AccessToken, UpstreamTokens};

/// Lets the IdP exchange.
pub struct UpstreamExchange {
    /// Where the tokens of logins are kept.
    pub tokens: UpstreamTokens,
    /// The IdP.
    pub upstream: Arc<Upstream>,
}

#[async_trait]
impl ExchangeStrategy for UpstreamExchange {
    async fn exchange(&self, exchange: &Exchange<'_>) -> Result<IssuedToken, OAuthError> {
        let kept = self
            .tokens
            .access_token(exchange.grant, exchange.sub)
            .await?;
        exchanged(&self.upstream, kept, &Order::from(exchange)).await
    }
}

/// What the IdP gives for its own token `kept`.
pub(super) async fn exchanged(
    upstream: &Upstream,
    kept: AccessToken,
    order: &Order<'_>,
) -> Result<IssuedToken, OAuthError> {
    let downstream = order.downstream;
    let exchanged = upstream
        .exchange(
            &kept.token,
            &downstream.audience,
            &downstream.exchange_scope,
        )
        .await
        .map_err(|error| refusal(error, order.asker))?;
    let said = ForeignToken::read(exchanged.access_token.expose());
    said.demand(
        upstream.issuer(),
        &downstream.audience,
        &ForeignToken::read(kept.token.expose()),
    )?;
    let told = exchanged.lifetime.map(|life| order.now.plus(life));
    let end = [told, said.expires_at]
        .into_iter()
        .flatten()
        .min()
        .ok_or_else(|| {
            OAuthError::server_error(
                "The identity provider does not say when the exchanged token ends.",
            )
        })?
        .min(order.not_after);
    Ok(IssuedToken {
        lifetime: order.lifetime(end)?,
        token: exchanged.access_token,
        scope: order.scope.clone(),
    })
}

/// What the caller is told, and so whether trying again, a login or an administrator helps.
fn refusal(error: TokenError, asker: Asker) -> OAuthError {
    let is_code = |error: &str, code: ErrorCode| error == code.as_str();
    let told = match &error {
        error if error.is_transient() => OAuthError::temporarily_unavailable(
            "The identity provider does not exchange tokens at the moment. Try again in a minute.",
        ),
        // RFC 8693 §2.2.2 has invalid_request for a subject token that is no good, and for a
        // request that is not; after a login that works, it is the first.
        TokenError::Grant => again(asker),
        TokenError::Refused { error, .. } if is_code(error, ErrorCode::InvalidRequest) => {
            again(asker)
        }
        TokenError::Refused { error, .. } if is_code(error, ErrorCode::AccessDenied) => {
            OAuthError::access_denied(
                "The identity provider does not let this user have tokens for this downstream.",
            )
        }
        TokenError::Refused { error, .. } if is_code(error, ErrorCode::InvalidTarget) => {
            OAuthError::invalid_target(
                "The identity provider has no tokens for this downstream's audience.",
            )
        }
        TokenError::Discovery(_)
        | TokenError::Unreachable(_)
        | TokenError::Unwell { .. }
        | TokenError::Refused { .. }
        | TokenError::Response(_) => OAuthError::server_error(
            "The identity provider refuses to exchange tokens for this broker. The administrator \
             has to check there that the broker's client may exchange and that the downstream's \
             audience exists.",
        ),
    };
    told.because(error)
}

fn again(asker: Asker) -> OAuthError {
    OAuthError::invalid_request(match asker {
        Asker::Session => {
            "The identity provider does not exchange the token of this login. The user has to log in \
             again; if that does not help, the administrator has to check the broker's client there."
        }
        Asker::Job => {
            "The identity provider does not exchange the token of this background access. The user \
             has to allow it again; if that does not help, the administrator has to check the \
             broker's client for background access there."
        }
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_needs_a_login_or_an_administrator() {
        let refused = |error: &str| TokenError::Refused {
            status: StatusCode::BAD_REQUEST,
            error: error.to_owned(),
        };
        let unwell = TokenError::Unwell {
            status: StatusCode::BAD_GATEWAY,
        };
        for (error, code) in [
            (unwell, ErrorCode::TemporarilyUnavailable),
            (TokenError::Grant, ErrorCode::InvalidRequest),
            (refused("invalid_request"), ErrorCode::InvalidRequest),
            (refused("access_denied"), ErrorCode::AccessDenied),
            (refused("invalid_target"), ErrorCode::InvalidTarget),
            (refused("invalid_client"), ErrorCode::ServerError),
            (refused("unauthorized_client"), ErrorCode::ServerError),
            (TokenError::Response("not JSON"), ErrorCode::ServerError),
        ] {
            let name = error.to_string();
            assert_eq!(refusal(error, Asker::Session).code(), code, "{name}");
        }
    }
}
