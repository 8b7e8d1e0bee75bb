//! `grant_type=urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693): the decision.
//!
//! May the client exchange at all, is the subject token good and its session alive, is it for a
//! resource that this client serves, may that resource's server reach the downstream: that is
//! [`super::caller`]'s. Then: is the downstream for sessions (`invalid_target`), is the scope within the
//! subject's (`invalid_scope`). How the token then comes about is [`crate::exchange`]'s matter.
//!
//! The decision does not read the database (but to note that a token was refused): keys, clients, resources and ended sessions are in memory. One audit
//! row is committed before the answer leaves.

use std::time::Duration;

use broker_client::oauth::{
    ErrorCode, OAuthError, Scope, TokenResponse, previous_token, token_type,
};

use super::caller::Presented;
use super::request::scope;
use super::{Form, TokenEndpoint, on_the_wire, unrecorded};
use crate::domain::{AuditEvent, AuditKind, Client, EndReason, GrantId, Outcome};
use crate::exchange::{Exchange, IssuedToken, TokenForm};

/// How long after an account was looked at reports about it count for nothing.
const LOOKED_AT: Duration = Duration::from_secs(5);

/// An exchange request.
pub(super) struct ExchangeRequest {
    presented: Presented,
    form: TokenForm,
    scope: Option<Scope>,
    /// The downstream refused the token before this one, as the client says.
    was_refused: bool,
}

impl ExchangeRequest {
    /// Reads the parameters of RFC 8693 §2.1, and `tool`.
    pub(super) fn parse(form: &Form) -> Result<Self, OAuthError> {
        Ok(Self {
            presented: Presented::parse(form)?,
            form: requested_form(form)?,
            scope: scope(form)?,
            was_refused: was_refused(form)?,
        })
    }
}

/// The form of token that is asked for.
pub(super) fn requested_form(form: &Form) -> Result<TokenForm, OAuthError> {
    match form.get("requested_token_type") {
        None | Some(token_type::ACCESS_TOKEN) => Ok(TokenForm::AccessToken),
        Some(token_type::JWT) => Ok(TokenForm::Jwt),
        Some(_) => Err(OAuthError::invalid_request(
            "The requested_token_type must be that of an access token or a JWT.",
        )),
    }
}

fn was_refused(form: &Form) -> Result<bool, OAuthError> {
    match form.get(previous_token::PARAMETER) {
        None => Ok(false),
        Some(previous_token::REFUSED) => Ok(true),
        Some(_) => Err(OAuthError::invalid_request(
            "The only thing to say of the previous_token is that it was refused.",
        )),
    }
}

impl TokenEndpoint {
    /// Exchanges a caller's access token for a token of a downstream.
    pub(super) async fn exchange(
        &self,
        client: &Client,
        request: ExchangeRequest,
        event: &mut AuditEvent,
    ) -> Result<TokenResponse, OAuthError> {
        event.scope = request.scope.as_ref().and_then(on_the_wire);
        let catalog = self.catalog.current();
        let presented = &request.presented;
        let (subject, downstream) = self.caller(&catalog, client, presented, event).await?;
        if !downstream.sessions {
            return Err(OAuthError::invalid_target(
                "Tokens for this downstream are for background jobs only, which the user allows in \
                 his own browser.",
            ));
        }
        let scope = request.scope.as_ref().unwrap_or(&subject.scope);
        if !scope.is_subset_of(&subject.scope) {
            return Err(OAuthError::invalid_scope(
                "The scope is more than the subject token has.",
            ));
        }
        if request.was_refused {
            // A hint, no order: the account watch asks Nextcloud itself, and not more often for it.
            let unless_after = event.at.minus(LOOKED_AT);
            self.store
                .suspect_account(&subject.sub, unless_after)
                .await?;
            let key = previous_token::PARAMETER.to_owned();
            event.details.insert(key, previous_token::REFUSED.into());
        }
        let strategy = self.strategies.of(downstream);
        let exchange = Exchange {
            sub: &subject.sub,
            grant: &subject.grant,
            client_id: &client.id,
            downstream,
            scope,
            now: event.at,
            not_after: subject.expires_at,
        };
        let issued = match strategy.exchange(&exchange).await {
            Ok(issued) => issued,
            Err(error) => return Err(self.not_exchanged(&subject.grant, error, event).await?),
        };

        let word = downstream.strategy.as_str();
        self.hand_out(client, &issued, request.form, word, event)
            .await
    }

    /// Records what is handed out, by which `strategy`, and answers with it.
    pub(super) async fn hand_out(
        &self,
        client: &Client,
        issued: &IssuedToken,
        form: TokenForm,
        strategy: &'static str,
        event: &AuditEvent,
    ) -> Result<TokenResponse, OAuthError> {
        let mut granted = AuditEvent {
            kind: AuditKind::ExchangeGranted,
            outcome: Outcome::Ok,
            scope: on_the_wire(&issued.scope),
            ..event.clone()
        };
        granted
            .details
            .insert("act".to_owned(), client.id.as_str().into());
        granted
            .details
            .insert("strategy".to_owned(), strategy.into());
        granted
            .details
            .insert("expires_in".to_owned(), issued.lifetime.as_secs().into());
        self.audit.record(granted).await.map_err(unrecorded)?;

        Ok(TokenResponse {
            access_token: issued.token.expose().to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: issued.lifetime.as_secs(),
            scope: on_the_wire(&issued.scope),
            refresh_token: None,
            id_token: None,
            issued_token_type: Some(form.token_type().to_owned()),
        })
    }

    /// A session that will never get a token again is ended, so that its client starts a new login
    /// instead of failing call after call. Returns the refusal.
    async fn not_exchanged(
        &self,
        grant: &GrantId,
        error: OAuthError,
        event: &AuditEvent,
    ) -> Result<OAuthError, OAuthError> {
        if error.code() == ErrorCode::InvalidGrant
            && let Some(grant) = self.store.grant(grant).await?
        {
            self.end_grant(&grant, EndReason::UpstreamEnded, event)
                .await?;
        }
        Ok(error)
    }
}
