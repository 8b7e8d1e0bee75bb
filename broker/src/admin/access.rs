//! Who is asking, and what becomes of those who may not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use broker_client::oauth::ErrorCode;

use super::{AdminApi, AdminError};
use crate::crypto;
use crate::domain::{Actor, AuditEvent, AuditKind, Outcome, RequestInfo, Timestamp};
use crate::storage::{AdminRole, StoreError};

/// How many refusals are recorded in a window; the others are counted.
const MOST_RECORDED: u32 = 30;

/// How long a window is.
const WINDOW: Duration = Duration::from_mins(1);

/// Who is asking, in which request.
#[derive(Debug, Clone)]
pub struct Administrator {
    /// The name of the token; `oidc:` and the `sub` of a member of the identity provider's.
    pub name: String,
    /// What it may do.
    pub role: AdminRole,
    /// Where the request came from.
    pub request: RequestInfo,
}

impl Administrator {
    /// The audit row of something that he does.
    #[must_use]
    pub fn does(&self, kind: AuditKind, at: Timestamp) -> AuditEvent {
        AuditEvent::new(at, kind, Actor::Administrator(self.name.clone())).during(&self.request)
    }
}

/// Counts refusals: whoever guesses tokens must not fill the database with it.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Option<Timestamp>,
    recorded: u32,
    unrecorded: u64,
}

impl Refusals {
    /// Whether one more is recorded, and then, how many were not since the last that was.
    fn count(&self, now: Timestamp) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.began.is_none_or(|began| now.since(began) >= WINDOW) {
            window.began = Some(now);
            window.recorded = 0;
        }
        if window.recorded == MOST_RECORDED {
            window.unrecorded += 1;
            return None;
        }
        window.recorded += 1;
        Some(std::mem::take(&mut window.unrecorded))
    }
}

impl AdminApi {
    /// Who presents this `Authorization` header, if he has at least `role`. Refusals leave an audit
    /// row, at most some a minute.
    ///
    /// # Errors
    /// [`AdminError::Unauthenticated`], [`AdminError::Forbidden`], [`AdminError::NoGroup`].
    pub async fn administrator(
        &self,
        authorization: Option<&str>,
        role: AdminRole,
        request: &RequestInfo,
    ) -> Result<Administrator, AdminError> {
        let now = self.ambient.now();
        let token = authorization.and_then(bearer);
        let own = match token {
            Some(token) => self.store.admin_token(&crypto::hash(token)).await?,
            None => None,
        };
        let (name, known_role) = match (&own, token, &self.groups) {
            (Some(known), _, _) => (known.name.clone(), Some(known.role)),
            (None, Some(token), Some(groups)) if is_jwt(token) => {
                match groups.member(token).await {
                    // So that no name of a token reads like it.
                    Some(member) => (format!("oidc:{}", member.subject), member.role),
                    None => return Err(self.unauthenticated(now, request).await?),
                }
            }
            (None, _, _) => return Err(self.unauthenticated(now, request).await?),
        };
        let administrator = Administrator {
            name,
            role: known_role.unwrap_or(AdminRole::Read),
            request: request.clone(),
        };
        let error = match (known_role, role) {
            (None, _) => AdminError::NoGroup,
            (Some(AdminRole::Read), AdminRole::Write) => AdminError::Forbidden,
            (Some(_), _) => {
                if let Some(known) = own.filter(|known| known.is_touched_long_ago(now)) {
                    self.store.touch_admin_token(&known.name, now).await?;
                }
                return Ok(administrator);
            }
        };
        let event = administrator.does(AuditKind::AdminRefused, now);
        self.refused(event, ErrorCode::InsufficientScope).await?;
        Err(error)
    }

    async fn unauthenticated(
        &self,
        now: Timestamp,
        request: &RequestInfo,
    ) -> Result<AdminError, AdminError> {
        let event = AuditEvent::new(now, AuditKind::AdminRefused, Actor::Anonymous);
        self.refused(event.during(request), ErrorCode::InvalidToken)
            .await?;
        Ok(AdminError::Unauthenticated)
    }

    async fn refused(&self, event: AuditEvent, code: ErrorCode) -> Result<(), AdminError> {
        let Some(unrecorded) = self.refusals.count(event.at) else {
            return Ok(());
        };
        let mut event = AuditEvent {
            outcome: Outcome::Refused(code),
            ..event
        };
        if unrecorded > 0 {
            event
                .details
                .insert("unrecorded_before".to_owned(), unrecorded.into());
        }
        self.audit.record(event).await.map_err(|error| {
            tracing::error!(
                error = &*error as &dyn std::error::Error,
                "a refusal could not be recorded"
            );
            AdminError::Store(StoreError::Stopping)
        })
    }
}

/// The token of an `Authorization` header (RFC 6750 §2.1).
fn bearer(header: &str) -> Option<&str> {
    header
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
}

/// Whether it looks like a JWT, which an admin token never does.
fn is_jwt(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_refusals_some_are_recorded_and_the_others_counted() {
        let refusals = Refusals::default();
        let at = |seconds: i64| Timestamp::from_millis(1_000 * seconds);
        for _ in 0..MOST_RECORDED {
            assert_eq!(refusals.count(at(0)), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(refusals.count(at(59)), None);
        }
        assert_eq!(refusals.count(at(60)), Some(7));
        assert_eq!(refusals.count(at(61)), Some(0));
    }
}
