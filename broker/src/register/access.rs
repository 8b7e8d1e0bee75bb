//! Initial access tokens (RFC 7591 §1.2) and registration access tokens (RFC 7592 §1.2): both are
//! bearer tokens (RFC 6750 §2.1), known to us by their hashes.

use broker_client::oauth::OAuthError;
use broker_client::secret::Secret;

use super::{Refused, RegistrationEndpoint};
use crate::crypto;
use crate::domain::{AuditEvent, Timestamp};
use crate::storage::{RegistrationToken, Transaction};

/// The token of an `Authorization` header, if there is one.
pub(super) fn bearer(authorization: Option<&str>) -> Result<Option<Secret>, Refused> {
    let Some(header) = authorization else {
        return Ok(None);
    };
    header
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .map(|token| Some(Secret::from(token)))
        .ok_or_else(|| wrong("The Authorization header holds no bearer token."))
}

/// The refusal of a token that was sent.
pub(super) fn wrong(description: &'static str) -> Refused {
    Refused::Token {
        error: OAuthError::invalid_token(description),
        was_sent: true,
    }
}

/// Uses the token up once more, in the transaction that registers the client.
pub(super) async fn spend(
    transaction: &Transaction,
    token: &RegistrationToken,
    now: Timestamp,
) -> Result<(), Refused> {
    if transaction.use_registration_token(&token.name, now).await? {
        Ok(())
    } else {
        Err(not_good())
    }
}

fn not_good() -> Refused {
    wrong("The initial access token is unknown, expired, revoked or used up.")
}

impl RegistrationEndpoint {
    /// The initial access token of a request, if it has one; a stranger is counted instead.
    ///
    /// A token that is not good is refused, whatever the policy: whoever sends one counts on it.
    pub(super) async fn initial_access_token(
        &self,
        authorization: Option<&str>,
        event: &AuditEvent,
    ) -> Result<Option<RegistrationToken>, Refused> {
        let sent = bearer(authorization);
        let known = match &sent {
            Ok(Some(token)) => {
                let hash = crypto::hash(token.expose());
                self.store.registration_token(&hash).await?
            }
            Ok(None) | Err(_) => None,
        };
        let good = known.filter(|token| token.is_good(event.at));
        if good.is_some() {
            return Ok(good);
        }
        self.limits
            .count_attempt(&self.store, event.address.as_deref(), event.at)
            .await?;
        match sent? {
            Some(_) => Err(not_good()),
            None => Ok(None),
        }
    }
}
