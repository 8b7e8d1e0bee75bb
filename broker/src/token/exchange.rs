//! `grant_type=urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693): the decision.
//!
//! The checks stand in the order that the caller can act upon, each with its own error: may the
//! client exchange at all (`unauthorized_client`), is the subject token good and its session alive
//! (`invalid_request`, RFC 8693 §2.2.2), is it for a resource that this client serves, may that
//! resource's server reach the downstream (`invalid_target`), is the scope within the subject's
//! (`invalid_scope`). How the token then comes about is [`crate::exchange`]'s matter.
//!
//! The decision does not read the database (but to note that a token was refused): keys, clients, resources and ended sessions are in memory. One audit
//! row is committed before the answer leaves.

use std::time::Duration;

use broker_client::oauth::{
    ErrorCode, OAuthError, Scope, TokenResponse, previous_token, token_type,
};
use broker_client::secret::Secret;
use broker_client::verify::VerifyError;

use super::request::scope;
use super::{Form, TokenEndpoint, on_the_wire, unrecorded};
use crate::domain::{
    AuditEvent, AuditKind, Catalog, Client, Downstream, EndReason, GrantId, Outcome, Resource,
    ResourceUri, Subject, Timestamp,
};
use crate::exchange::{Exchange, IssuedToken, TokenForm};

/// The longest tool name that we note.
const LONGEST_TOOL_NAME: usize = 128;

/// How long after an account was looked at reports about it count for nothing.
const LOOKED_AT: Duration = Duration::from_secs(5);

/// An exchange request.
pub(super) struct ExchangeRequest {
    subject_token: Secret,
    actor_token: Option<Secret>,
    form: TokenForm,
    target: Target,
    scope: Option<Scope>,
    tool: Option<String>,
    /// The downstream refused the token before this one, as the client says.
    was_refused: bool,
}

impl ExchangeRequest {
    /// Reads the parameters of RFC 8693 §2.1, and `tool`.
    pub(super) fn parse(form: &Form) -> Result<Self, OAuthError> {
        match form.require("subject_token_type")? {
            token_type::ACCESS_TOKEN | token_type::JWT => {}
            _ => {
                return Err(OAuthError::invalid_request(
                    "The subject_token_type must be that of an access token or a JWT.",
                ));
            }
        }
        let actor_token = match (form.get("actor_token"), form.get("actor_token_type")) {
            (None, None) => None,
            (Some(token), Some(token_type::ACCESS_TOKEN | token_type::JWT)) => {
                Some(Secret::from(token))
            }
            (Some(_), Some(_)) => {
                return Err(OAuthError::invalid_request(
                    "The actor_token_type must be that of an access token or a JWT.",
                ));
            }
            // RFC 8693 §2.1: each only with the other.
            (Some(_), None) | (None, Some(_)) => {
                return Err(OAuthError::invalid_request(
                    "actor_token and actor_token_type come together or not at all.",
                ));
            }
        };
        Ok(Self {
            subject_token: form.require("subject_token")?.into(),
            actor_token,
            form: requested_form(form)?,
            target: Target::parse(form),
            scope: scope(form)?,
            tool: tool(form)?,
            was_refused: was_refused(form)?,
        })
    }
}

/// What the token is asked for: a downstream, by name or URI.
pub(super) struct Target {
    audiences: Vec<String>,
    resources: Vec<String>,
}

impl Target {
    /// Reads `audience` and `resource`.
    pub(super) fn parse(form: &Form) -> Self {
        Self {
            audiences: form.all("audience").map(str::to_owned).collect(),
            resources: form.all("resource").map(str::to_owned).collect(),
        }
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

fn tool(form: &Form) -> Result<Option<String>, OAuthError> {
    let tool = form.get("tool");
    let fits = |tool: &str| {
        tool.len() <= LONGEST_TOOL_NAME && tool.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if tool.is_none_or(fits) {
        Ok(tool.map(str::to_owned))
    } else {
        Err(OAuthError::invalid_request(
            "The tool must be a name of at most 128 visible ASCII characters.",
        ))
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

/// A subject token that stands up.
struct SubjectToken {
    sub: Subject,
    grant: GrantId,
    audience: Vec<String>,
    scope: Scope,
    expires_at: Timestamp,
}

impl TokenEndpoint {
    /// Exchanges a caller's access token for a token of a downstream.
    pub(super) async fn exchange(
        &self,
        client: &Client,
        request: ExchangeRequest,
        event: &mut AuditEvent,
    ) -> Result<TokenResponse, OAuthError> {
        event.tool.clone_from(&request.tool);
        event.scope = request.scope.as_ref().and_then(on_the_wire);
        if !client.is_confidential() {
            return Err(OAuthError::unauthorized_client(
                "Only a client that authenticates with a secret may exchange tokens.",
            ));
        }
        if client.background {
            return Err(OAuthError::invalid_request(
                "A background client exchanges offline grants, never the token of a caller.",
            ));
        }
        let subject = self.subject(request.subject_token.expose(), event).await?;
        if let Some(actor) = &request.actor_token {
            self.check_actor(client, actor.expose()).await?;
        }
        let catalog = self.catalog.current();
        let resource = resource(&catalog, client, &subject.audience)?;
        event.resource = Some(resource.id.clone());
        let downstream = downstream(&catalog, &request.target)?;
        event.downstream = Some(downstream.name.clone());
        if !resource.downstreams.contains(&downstream.name)
            || !client.exchange.contains(&downstream.name)
        {
            return Err(OAuthError::invalid_target(
                "Tokens for this downstream are not allowed for this resource and client.",
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

    /// Verifies the subject token and that its session is alive.
    async fn subject(
        &self,
        token: &str,
        event: &mut AuditEvent,
    ) -> Result<SubjectToken, OAuthError> {
        let claims = self.verifier.verify(token).await.map_err(|error| {
            if matches!(error, VerifyError::Audience) {
                // Ours and good, but for something that is no resource here (any more).
                return not_served().because(error);
            }
            unusable("subject_token", error)
        })?;
        let no_session =
            || OAuthError::invalid_request("The subject_token does not belong to a session.");
        let sub = Subject::parse(claims.sub.as_str()).map_err(|_| no_session())?;
        let grant = claims
            .sid
            .as_deref()
            .and_then(|sid| GrantId::parse(sid).ok())
            .ok_or_else(no_session)?;
        event.sub = Some(sub.clone());
        event.grant = Some(grant.clone());
        event.details.insert(
            "subject_client".to_owned(),
            claims.client_id.as_str().into(),
        );
        let ended = self.live.is_ended(&grant).map_err(|error| {
            OAuthError::temporarily_unavailable(
                "The broker cannot tell whether the session was ended. Try again in a moment.",
            )
            .because(error)
        })?;
        if ended {
            return Err(OAuthError::invalid_request(
                "The session of the subject_token was ended. The user has to log in again.",
            ));
        }
        let expires_at = i64::try_from(claims.exp).unwrap_or(i64::MAX / 1000);
        Ok(SubjectToken {
            sub,
            grant,
            audience: claims.aud.clone(),
            scope: claims.scope.clone(),
            expires_at: Timestamp::from_millis(expires_at.saturating_mul(1000)),
        })
    }

    /// An actor token may say again who the client is, and nothing else.
    async fn check_actor(&self, client: &Client, token: &str) -> Result<(), OAuthError> {
        let claims = self
            .verifier
            .verify(token)
            .await
            .map_err(|error| unusable("actor_token", error))?;
        if claims.client_id == client.id.as_str() {
            Ok(())
        } else {
            Err(OAuthError::invalid_request(
                "The actor_token was not issued to the client that asks.",
            ))
        }
    }
}

/// The resource that the subject token is for, if `client` is its server.
fn resource<'a>(
    catalog: &'a Catalog,
    client: &Client,
    audience: &[String],
) -> Result<&'a Resource, OAuthError> {
    audience
        .iter()
        .filter_map(|audience| ResourceUri::parse(audience).ok())
        .filter(|audience| client.serves.contains(audience))
        .find_map(|audience| catalog.resource(&audience))
        .ok_or_else(not_served)
}

/// The one downstream that the request names, by `audience`, by `resource`, or by both.
pub(super) fn downstream<'a>(
    catalog: &'a Catalog,
    target: &Target,
) -> Result<&'a Downstream, OAuthError> {
    let by_audience = target
        .audiences
        .iter()
        .map(|audience| catalog.downstream_for_audience(audience));
    let by_resource = target
        .resources
        .iter()
        .map(|resource| catalog.downstream_for_resource(resource));
    let mut named = by_audience.chain(by_resource);
    let first = named.next().ok_or_else(|| {
        OAuthError::invalid_request("The request names no audience and no resource.")
    })?;
    let downstream = first.ok_or_else(|| {
        OAuthError::invalid_target("The audience or resource is not a downstream here.")
    })?;
    if named.all(|other| other.is_some_and(|other| other.name == downstream.name)) {
        Ok(downstream)
    } else {
        Err(OAuthError::invalid_target(
            "A token is for one downstream; the request names several, or an unknown one.",
        ))
    }
}

fn not_served() -> OAuthError {
    OAuthError::invalid_target(
        "The subject token is for a resource that this client does not serve.",
    )
}

/// A token that does not verify (RFC 8693 §2.2.2), unless the keys could not be had.
fn unusable(parameter: &'static str, error: VerifyError) -> OAuthError {
    if matches!(error, VerifyError::Keys(_)) {
        return OAuthError::server_error("The broker could not read its keys.").because(error);
    }
    let description = error.description();
    OAuthError::invalid_request(format!("{parameter}: {description}")).because(error)
}
