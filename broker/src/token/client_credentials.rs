//! `grant_type=client_credentials` (RFC 6749 §4.4): a machine asks for itself, without a user.
//!
//! For clients that an administrator allowed to, with the scope that he gave them. The token's `sub`
//! is the client (RFC 9068 §2.2); it belongs to no session, so it cannot be exchanged for a token of
//! a downstream: there is no user whose account it could open. There is no refresh token either.

use broker_client::oauth::{OAuthError, Scope, TokenResponse, grant_type};

use super::request::CredentialsRequest;
use super::{TokenEndpoint, on_the_wire, unrecorded};
use crate::domain::{
    AuditEvent, AuditKind, Catalog, Client, ClientStatus, Outcome, Resource, Subject,
};

impl TokenEndpoint {
    /// Issues an access token to a client for itself.
    pub(super) async fn for_itself(
        &self,
        client: &Client,
        request: CredentialsRequest,
        event: &mut AuditEvent,
    ) -> Result<TokenResponse, OAuthError> {
        // Whatever the registration policy lets in: nobody gives himself this grant.
        if !client.is_confidential() || client.status != ClientStatus::Approved {
            return Err(OAuthError::unauthorized_client(
                "Only a confidential client that an administrator approved may ask for itself.",
            ));
        }
        let catalog = self.catalog.current();
        let resource = asked_resource(&catalog, &request.resources)?;
        event.resource = Some(resource.id.clone());
        let scope = allowed_scope(client, resource, request.scope)?;
        event.scope = on_the_wire(&scope);
        self.check_subject(client).await?;
        let access = self.issuer.client_token(client, resource, &scope)?;

        let mut issued = AuditEvent {
            kind: AuditKind::TokenIssued,
            outcome: Outcome::Ok,
            ..event.clone()
        };
        issued.details.insert(
            "grant_type".to_owned(),
            grant_type::CLIENT_CREDENTIALS.into(),
        );
        self.audit.record(issued).await.map_err(unrecorded)?;
        Ok(TokenResponse {
            access_token: access.token,
            token_type: "Bearer".to_owned(),
            expires_in: access.expires_in,
            scope: on_the_wire(&scope),
            refresh_token: None,
            id_token: None,
            issued_token_type: None,
        })
    }

    /// RFC 9068 §5: a client must not pass for a user whose `sub` is the client's id.
    async fn check_subject(&self, client: &Client) -> Result<(), OAuthError> {
        let is_user = match Subject::parse(client.id.as_str()) {
            Ok(sub) => self.store.user(&sub).await?.is_some(),
            Err(_) => false,
        };
        if is_user {
            return Err(OAuthError::unauthorized_client(
                "The client has the identifier of a user and may not ask for itself.",
            ));
        }
        Ok(())
    }
}

/// The one resource that the request names, or the default.
fn asked_resource<'a>(catalog: &'a Catalog, named: &[String]) -> Result<&'a Resource, OAuthError> {
    match named {
        [] => catalog.default_resource().ok_or_else(|| {
            OAuthError::invalid_target("The request must name the resource that it is for.")
        }),
        [name] => catalog
            .resource_named(name)
            .ok_or_else(|| OAuthError::invalid_target("The resource is not served here.")),
        _ => Err(OAuthError::invalid_target(
            "A token is for one resource; the request names several.",
        )),
    }
}

/// What is asked, or all that the client may have at this resource.
fn allowed_scope(
    client: &Client,
    resource: &Resource,
    asked: Option<Scope>,
) -> Result<Scope, OAuthError> {
    let registered = client.scope.clone().unwrap_or_default();
    let may = registered.intersection(&resource.known_scope());
    let scope = asked.unwrap_or_else(|| may.clone());
    if scope.is_empty() || !scope.is_subset_of(&may) {
        return Err(OAuthError::invalid_scope(
            "The scope is more than the client may have at this resource, or nothing.",
        ));
    }
    Ok(scope)
}
