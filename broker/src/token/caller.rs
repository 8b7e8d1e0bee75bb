//! The caller of a resource's server, as the server presents him: with the access token that he came
//! with.
//!
//! What the server may ask about him or for him begins with the checks here, in the order that it can
//! act upon, each with its own error: may the client exchange at all (`unauthorized_client`), is the
//! subject token good and its session alive (`invalid_request`, RFC 8693 §2.2.2), is it for a resource
//! that this client serves, may that resource's server reach the downstream (`invalid_target`). Who the
//! caller is, the token says and nothing else.

use broker_client::oauth::{OAuthError, Scope, token_type};
use broker_client::secret::Secret;
use broker_client::verify::VerifyError;

use super::{Form, TokenEndpoint};
use crate::domain::{
    AuditEvent, Catalog, Client, Downstream, GrantId, Resource, ResourceUri, Subject, Timestamp,
};

/// The longest tool name that we note.
const LONGEST_TOOL_NAME: usize = 128;

/// A caller and a downstream, as a server presents them.
pub(super) struct Presented {
    subject_token: Secret,
    actor_token: Option<Secret>,
    target: Target,
    tool: Option<String>,
}

impl Presented {
    /// Reads `subject_token`, `actor_token`, their types, the target (RFC 8693 §2.1), and `tool`.
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
            target: Target::parse(form),
            tool: tool(form)?,
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

/// A caller whose token stands up.
pub(super) struct Caller {
    pub(super) sub: Subject,
    /// His session.
    pub(super) grant: GrantId,
    audience: Vec<String>,
    pub(super) scope: Scope,
    /// When the token ends.
    pub(super) expires_at: Timestamp,
}

impl TokenEndpoint {
    /// Who the presented token says is calling, and the downstream, which his server may reach.
    pub(super) async fn caller<'a>(
        &self,
        catalog: &'a Catalog,
        client: &Client,
        presented: &Presented,
        event: &mut AuditEvent,
    ) -> Result<(Caller, &'a Downstream), OAuthError> {
        event.tool.clone_from(&presented.tool);
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
        let caller = self
            .subject(presented.subject_token.expose(), event)
            .await?;
        if let Some(actor) = &presented.actor_token {
            self.check_actor(client, actor.expose()).await?;
        }
        let resource = resource(catalog, client, &caller.audience)?;
        event.resource = Some(resource.id.clone());
        let downstream = downstream(catalog, &presented.target)?;
        event.downstream = Some(downstream.name.clone());
        if !resource.downstreams.contains(&downstream.name)
            || !client.exchange.contains(&downstream.name)
        {
            return Err(OAuthError::invalid_target(
                "Tokens for this downstream are not allowed for this resource and client.",
            ));
        }
        Ok((caller, downstream))
    }

    /// Verifies the subject token and that its session is alive.
    async fn subject(&self, token: &str, event: &mut AuditEvent) -> Result<Caller, OAuthError> {
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
        Ok(Caller {
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
