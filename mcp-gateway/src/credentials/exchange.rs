//! `exchange`: the caller's token becomes a short Nextcloud token at the broker (RFC 8693).
//!
//! One exchange per call, with the tool's scopes and name; nothing is stored. When Nextcloud
//! refuses the token (its key was not known yet, say), the client asks here once for a fresh one.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use broker_client::{
    exchange::{ExchangeError, ExchangeRequest, TokenExchanger},
    oauth::ErrorCode,
};

use super::{Call, Caller, CredentialSource};
use crate::metrics::Metrics;
use crate::nextcloud::{Authorization, Client, NoAccess, Renew, Transport};

/// The source that asks the broker.
pub struct Exchange {
    transport: Arc<Transport>,
    broker: Arc<Broker>,
}

struct Broker {
    exchanger: TokenExchanger,
    downstream: String,
    metrics: Metrics,
}

impl Exchange {
    /// Exchanges at `exchanger` for tokens for the downstream of this name.
    #[must_use]
    pub fn new(transport: Arc<Transport>, exchanger: TokenExchanger, downstream: String) -> Self {
        let metrics = transport.metrics().clone();
        Self {
            transport,
            broker: Arc::new(Broker {
                exchanger,
                downstream,
                metrics,
            }),
        }
    }
}

#[async_trait]
impl CredentialSource for Exchange {
    async fn client_for(&self, call: &Call) -> Result<Client, NoAccess> {
        let caller = token_of(call)?;
        let claims = caller.claims();
        // A new sign-in may be another Nextcloud account of the same person: the session counts.
        let session = claims.sid.as_deref().unwrap_or_default();
        let account = format!("{} {} {session}", claims.iss, claims.sub);
        let authorization = self.broker.exchange(call, Before::Nothing).await?;
        let again = Again {
            broker: Arc::clone(&self.broker),
            call: call.clone(),
        };
        Ok(Client::new(
            Arc::clone(&self.transport),
            account,
            authorization,
            Some(Arc::new(again)),
        ))
    }
}

/// The same exchange once more.
struct Again {
    broker: Arc<Broker>,
    call: Call,
}

#[async_trait]
impl Renew for Again {
    async fn renew(&self) -> Result<Authorization, NoAccess> {
        tracing::info!(
            tool = self.call.tool,
            "Nextcloud refused a token; asking for a fresh one"
        );
        self.broker.exchange(&self.call, Before::Refused).await
    }
}

/// What came before an exchange.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// Nextcloud refused the token of the one before: the broker looks whether the account is there.
    Refused,
}

impl Broker {
    async fn exchange(&self, call: &Call, before: Before) -> Result<Authorization, NoAccess> {
        let request = ExchangeRequest {
            // Without a scope of its own the call gets what the token has: any scope will do.
            scope: Some(&call.scope).filter(|scope| !scope.is_empty()),
            tool: Some(&call.tool),
            was_refused: before == Before::Refused,
            traceparent: Some(call.trace.header()),
            ..ExchangeRequest::new(token_of(call)?.subject_token(), &self.downstream)
        };
        let started = Instant::now();
        let outcome = self.exchanger.exchange(request).await;
        self.metrics
            .exchanged(word(outcome.as_ref().err()), started.elapsed());
        let token = outcome.map_err(no_access)?;
        Authorization::bearer(token.token.expose()).ok_or_else(|| NoAccess {
            sentence: MISCONFIGURED,
            source: "the token has characters that no header may have".into(),
        })
    }
}

pub(super) fn token_of(call: &Call) -> Result<&broker_client::bearer::Caller, NoAccess> {
    match &call.caller {
        Caller::Token(caller) => Ok(caller),
        Caller::SingleUser => Err(NoAccess {
            sentence: SIGN_IN,
            source: "the call came without a token".into(),
        }),
    }
}

const SIGN_IN: &str = "The sign-in behind this connection has ended, so Nextcloud was not asked. The \
    user has to sign in again; reconnecting the server in the client usually starts it.";
const NOT_ALLOWED: &str = "This connection is not allowed to do that in Nextcloud. The user has to \
    sign in again and allow it.";
const MISCONFIGURED: &str = "The broker does not give this server access to Nextcloud. Trying again \
    does not help; the administrator has to check the gateway's client and downstream at the broker.";
const UNAVAILABLE: &str = "The broker that gives access to Nextcloud cannot be reached at the moment, \
    so nothing was done. Try again in a minute.";

/// How an exchange ended, as a label.
fn word(error: Option<&ExchangeError>) -> &'static str {
    match error {
        None => "ok",
        Some(ExchangeError::Unavailable(_)) => "unavailable",
        Some(ExchangeError::Protocol(_)) => "protocol",
        Some(ExchangeError::Refused { body, .. }) => {
            ErrorCode::parse(&body.error).map_or("refused", ErrorCode::as_str)
        }
    }
}

pub(super) fn no_access(error: ExchangeError) -> NoAccess {
    let sentence = match &error {
        ExchangeError::Unavailable(_) => UNAVAILABLE,
        ExchangeError::Protocol(_) => MISCONFIGURED,
        ExchangeError::Refused { body, .. } => match body.error.as_str() {
            // RFC 8693 §2.2.2: the subject token itself is not good (any more).
            code if code == ErrorCode::InvalidRequest.as_str() => SIGN_IN,
            code if code == ErrorCode::InvalidGrant.as_str() => SIGN_IN,
            code if code == ErrorCode::InvalidScope.as_str() => NOT_ALLOWED,
            code if code == ErrorCode::AccessDenied.as_str() => NOT_ALLOWED,
            _ => MISCONFIGURED,
        },
    };
    NoAccess {
        sentence,
        source: error.into(),
    }
}
