//! Strategy `upstream_exchange`: the IdP exchanges its own token of this login (RFC 8693).
//!
//! The subject token at the IdP is the access token that it gave at this login: an IdP exchanges
//! what it issued itself, and ours mean nothing to it. What comes back must be for the downstream,
//! of this user, and say when it ends; a refusal is the caller's to know, and no other strategy
//! takes over.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker_client::oauth::{ErrorCode, OAuthError};

use super::foreign::ForeignToken;
use super::{Exchange, ExchangeStrategy, IssuedToken};
use crate::upstream::{TokenError, Upstream};
use crate::upstream_tokens::UpstreamTokens;

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
        let downstream = exchange.downstream;
        let kept = self
            .tokens
            .access_token(exchange.grant, exchange.sub)
            .await?;
        let exchanged = self
            .upstream
            .exchange(
                &kept.token,
                &downstream.audience,
                &downstream.exchange_scope,
            )
            .await
            .map_err(refusal)?;
        let said = ForeignToken::read(exchanged.access_token.expose());
        said.demand(
            self.upstream.issuer(),
            &downstream.audience,
            &ForeignToken::read(kept.token.expose()),
        )?;
        let told = exchanged.lifetime.map(|life| exchange.now.plus(life));
        let end = [told, said.expires_at]
            .into_iter()
            .flatten()
            .min()
            .ok_or_else(|| {
                OAuthError::server_error(
                    "The identity provider does not say when the exchanged token ends.",
                )
            })?
            .min(exchange.not_after);
        let lifetime = Duration::from_secs(end.since(exchange.now).as_secs());
        if lifetime.is_zero() {
            return Err(OAuthError::invalid_request(
                "The subject_token is about to expire. Renew it first.",
            ));
        }
        Ok(IssuedToken {
            token: exchanged.access_token,
            lifetime,
            scope: exchange.scope.clone(),
        })
    }
}

/// What the caller is told, and so whether trying again, a login or an administrator helps.
fn refusal(error: TokenError) -> OAuthError {
    let is_code = |error: &str, code: ErrorCode| error == code.as_str();
    let told = match &error {
        error if error.is_transient() => OAuthError::temporarily_unavailable(
            "The identity provider does not exchange tokens at the moment. Try again in a minute.",
        ),
        // RFC 8693 §2.2.2 has invalid_request for a subject token that is no good, and for a
        // request that is not; after a login that works, it is the first.
        TokenError::Grant => login_again(),
        TokenError::Refused { error, .. } if is_code(error, ErrorCode::InvalidRequest) => {
            login_again()
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

fn login_again() -> OAuthError {
    OAuthError::invalid_request(
        "The identity provider does not exchange the token of this login. The user has to log in \
         again; if that does not help, the administrator has to check the broker's client there.",
    )
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
            assert_eq!(refusal(error).code(), code, "{name}");
        }
    }
}
