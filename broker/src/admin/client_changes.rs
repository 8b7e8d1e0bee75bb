//! Clients registered and changed by hand.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker_client::oauth::Scope;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::body::{LONGEST_NAME, list, member, text};
use super::client_item::note_change;
use super::clients::{changed, client_in};
use super::{AdminApi, AdminError, Administrator, ClientItem, Precondition, client_keys};
use crate::clients::{RotationError, SecretRotation};
use crate::crypto::Handle;
use crate::domain::{
    Actor, AuditKind, Client, ClientId, ClientKind, ClientStatus, DownstreamName, GrantType,
    RedirectUri, ResourceUri, TokenEndpointAuthMethod,
};
use crate::storage::StoreError;

/// How long a replaced secret stays good when nothing is said, in seconds: a day.
const USUAL_OVERLAP: u64 = 86_400;

/// The longest time that it may, in seconds: thirty days.
const LONGEST_OVERLAP: u64 = 30 * 86_400;

/// A client to register.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClient {
    /// Its identifier; a random one when left out.
    #[serde(default)]
    client_id: Option<String>,
    /// Its name on the consent page and in the audit.
    #[serde(default)]
    client_name: Option<String>,
    /// Where its logins may return to; none for a client that logs nobody in.
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// The grants it may use. Left out: `authorization_code` and `refresh_token` when it has
    /// redirect URIs, token exchange when it may exchange.
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    /// How it proves itself: `none`, `client_secret_basic`, `client_secret_post` or `private_key_jwt`;
    /// left out, `none`.
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    /// The public keys of a client that signs with `private_key_jwt`, a JWK Set (RFC 7517).
    #[serde(default)]
    jwks: Option<Map<String, Value>>,
    /// Where they are instead, for a client that changes them: a URL on the public internet.
    #[serde(default)]
    jwks_uri: Option<String>,
    /// What it asks for when a request names no scope.
    #[serde(default)]
    scope: Option<String>,
    /// The resources that it is the server of, by id.
    #[serde(default)]
    serves: Vec<String>,
    /// The downstreams that it may ask tokens for, by name.
    #[serde(default)]
    exchange: Vec<String>,
    /// Whether it is a background job, which exchanges offline grants and no caller's token.
    #[serde(default)]
    background: bool,
}

/// What a client is from now on: members that are left out become empty.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientChanges {
    /// Its name on the consent page and in the audit.
    #[serde(default)]
    client_name: Option<String>,
    /// Where its logins may return to; none for a client that logs nobody in.
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// The grants it may use, as for a new client.
    #[serde(default)]
    grant_types: Option<Vec<String>>,
    /// How it proves itself, as for a new client. Its secrets are forgotten unless it has to send one,
    /// and its keys when it has to.
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    /// The public keys of a client that signs with `private_key_jwt`, a JWK Set (RFC 7517). Left out,
    /// those that it has stay.
    #[serde(default)]
    jwks: Option<Map<String, Value>>,
    /// Where they are instead, for a client that changes them: a URL on the public internet.
    #[serde(default)]
    jwks_uri: Option<String>,
    /// What it asks for when a request names no scope.
    #[serde(default)]
    scope: Option<String>,
    /// The resources that it is the server of, by id.
    #[serde(default)]
    serves: Vec<String>,
    /// The downstreams that it may ask tokens for, by name.
    #[serde(default)]
    exchange: Vec<String>,
    /// Whether it is a background job, which exchanges offline grants and no caller's token.
    #[serde(default)]
    background: bool,
}

/// How to replace a secret.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SecretQuery {
    /// How long the secret before stays good, in seconds: 0 to 2592000 (30 days), default 86400.
    pub overlap: Option<u64>,
}

/// A client that was just registered, or given a new secret, which is shown this once.
#[derive(Serialize, utoipa::ToSchema)]
pub struct CreatedClient {
    #[serde(flatten)]
    client: ClientItem,
    /// The secret of a client that has one; only its hash is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

/// What administrators decide of a client, checked.
struct Decided {
    name: Option<String>,
    redirect_uris: Vec<RedirectUri>,
    grant_types: Vec<GrantType>,
    auth_method: TokenEndpointAuthMethod,
    keys: Map<String, Value>,
    scope: Option<Scope>,
    serves: Vec<ResourceUri>,
    exchange: Vec<DownstreamName>,
    background: bool,
}

impl AdminApi {
    /// Registers a client; it is approved.
    ///
    /// # Errors
    /// [`AdminError::Body`] when a member does not fit; [`AdminError::Conflict`] when the id is
    /// taken.
    pub async fn create_client(
        &self,
        by: &Administrator,
        new: NewClient,
    ) -> Result<(Client, CreatedClient), AdminError> {
        let now = self.ambient.now();
        // A resource that was just added at another replica may be served.
        self.live.refresh().await?;
        let id = match new.client_id {
            Some(id) => ClientId::parse(id).map_err(|error| member("client_id", &error))?,
            None => ClientId::parse(URL_SAFE_NO_PAD.encode(self.ambient.random::<16>()))
                .map_err(|error| member("client_id", &error))?,
        };
        let decided = self.decide(ClientChanges {
            client_name: new.client_name,
            redirect_uris: new.redirect_uris,
            grant_types: new.grant_types,
            token_endpoint_auth_method: new.token_endpoint_auth_method,
            jwks: new.jwks,
            jwks_uri: new.jwks_uri,
            scope: new.scope,
            serves: new.serves,
            exchange: new.exchange,
            background: new.background,
        })?;
        let metadata = client_keys::metadata(decided.auth_method, decided.keys, None)?;
        let secret = decided
            .auth_method
            .is_shared_secret()
            .then(|| Handle::generate(&self.ambient));
        let client = Client {
            id,
            kind: ClientKind::Preregistered,
            status: ClientStatus::Approved,
            name: decided.name,
            redirect_uris: decided.redirect_uris,
            grant_types: decided.grant_types,
            auth_method: decided.auth_method,
            secrets: secret.iter().map(|secret| secret.hash().into()).collect(),
            scope: decided.scope,
            serves: decided.serves,
            exchange: decided.exchange,
            background: decided.background,
            metadata,
            registration_token: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let mut event = by.does(AuditKind::ClientCreated, now);
        note_change(&mut event, None, Some(&client));
        let transaction = self.store.begin().await?;
        match transaction.insert_client(&client).await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => {
                return Err(AdminError::Conflict(
                    "There is a client of this client_id already.",
                ));
            }
            Err(error) => return Err(error.into()),
        }
        self.commit(transaction, &[event]).await?;
        let created = CreatedClient {
            client: ClientItem::from(&client),
            client_secret: secret.map(|handle| handle.expose().to_owned()),
        };
        Ok((client, created))
    }

    /// Replaces what administrators decide of a client.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::PreconditionRequired`], [`AdminError::Changed`];
    /// [`AdminError::Body`] when a member does not fit; [`AdminError::Conflict`] for a client whose
    /// id is a URL: its document says what it is.
    pub async fn update_client(
        &self,
        by: &Administrator,
        id: &str,
        precondition: &Precondition,
        changes: ClientChanges,
    ) -> Result<Client, AdminError> {
        let now = self.ambient.now();
        self.live.refresh().await?;
        let transaction = self.store.begin().await?;
        let client = client_in(&transaction, id).await?;
        precondition.demands(&client)?;
        if client.kind == ClientKind::Url {
            return Err(AdminError::Conflict(
                "The document at the client's URL says what it is; it can be approved, blocked and \
                 deleted here.",
            ));
        }
        let decided = self.decide(changes)?;
        let metadata = client_keys::metadata(decided.auth_method, decided.keys, Some(&client))?;
        let next = changed(
            Client {
                name: decided.name,
                redirect_uris: decided.redirect_uris,
                grant_types: decided.grant_types,
                secrets: if decided.auth_method.is_shared_secret() {
                    client.secrets.clone()
                } else {
                    Vec::new()
                },
                auth_method: decided.auth_method,
                scope: decided.scope,
                serves: decided.serves,
                exchange: decided.exchange,
                background: decided.background,
                metadata,
                ..client.clone()
            },
            now,
        );
        let mut event = by.does(AuditKind::ClientUpdated, now);
        note_change(&mut event, Some(&client), Some(&next));
        if !transaction.update_client(&next, client.version).await? {
            return Err(AdminError::Changed);
        }
        self.commit(transaction, &[event]).await?;
        Ok(next)
    }

    /// Gives a client a new secret; the one before stays good for a while.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Changed`], [`AdminError::Conflict`] for a client that
    /// has no secret to replace.
    pub async fn rotate_secret(
        &self,
        by: &Administrator,
        id: &str,
        precondition: &Precondition,
        query: &SecretQuery,
    ) -> Result<(Client, CreatedClient), AdminError> {
        let overlap = query.overlap.unwrap_or(USUAL_OVERLAP);
        if overlap > LONGEST_OVERLAP {
            return Err(AdminError::Invalid {
                parameter: "overlap",
                problem: "must be 0 to 2592000 seconds",
            });
        }
        let seen = self.client(id).await?;
        precondition.admits(&seen)?;
        let rotation = SecretRotation {
            client_id: seen.id.clone(),
            overlap: Duration::from_secs(overlap),
            version: Some(seen.version),
        };
        let actor = Actor::Administrator(by.name.clone());
        let (client, secret) = rotation
            .perform(&self.store, &self.ambient, actor, &by.request)
            .await
            .map_err(|error| match error {
                RotationError::Unknown => AdminError::NotFound("client"),
                RotationError::NoSecret => {
                    AdminError::Conflict("The client does not authenticate with a secret.")
                }
                RotationError::Changed => AdminError::Changed,
                RotationError::Store(error) => error.into(),
            })?;
        self.live.refresh().await?;
        let answer = CreatedClient {
            client: ClientItem::from(&client),
            client_secret: Some(secret.expose().to_owned()),
        };
        Ok((client, answer))
    }

    fn decide(&self, asked: ClientChanges) -> Result<Decided, AdminError> {
        let auth_method = match asked.token_endpoint_auth_method.as_deref() {
            None => TokenEndpointAuthMethod::None,
            Some(word) => TokenEndpointAuthMethod::parse(word).ok_or_else(|| {
                member("token_endpoint_auth_method", &"is not a method known here")
            })?,
        };
        let redirect_uris = list("redirect_uris", asked.redirect_uris, RedirectUri::parse)?;
        let exchange = list("exchange", asked.exchange, DownstreamName::parse)?;
        let serves = list("serves", asked.serves, |uri| ResourceUri::parse(&uri))?;
        let grant_types = match asked.grant_types {
            Some(words) => list("grant_types", words, |word| {
                GrantType::parse(&word).ok_or("is not a grant known here")
            })?,
            None => usual_grants(&redirect_uris, &exchange),
        };
        let decided = Decided {
            name: asked
                .client_name
                .map(|name| text("client_name", name, LONGEST_NAME))
                .transpose()?,
            redirect_uris,
            grant_types,
            auth_method,
            keys: client_keys::entered(asked.jwks, asked.jwks_uri)?,
            scope: asked
                .scope
                .map(|scope| scope.parse())
                .transpose()
                .map_err(|_| member("scope", &"has characters that no scope has"))?,
            serves,
            exchange,
            background: asked.background,
        };
        self.check(&decided)?;
        Ok(decided)
    }

    /// Whether the members fit each other and the catalog.
    fn check(&self, decided: &Decided) -> Result<(), AdminError> {
        let has = |grant| decided.grant_types.contains(&grant);
        let is_public = decided.auth_method == TokenEndpointAuthMethod::None;
        if has(GrantType::AuthorizationCode) && decided.redirect_uris.is_empty() {
            return Err(member("redirect_uris", &"must not be empty for logins"));
        }
        if decided.background
            && (is_public
                || decided.exchange.is_empty()
                || !decided.serves.is_empty()
                || !decided.redirect_uris.is_empty())
        {
            return Err(member(
                "background",
                &"goes with a secret or keys and with exchange, and with neither serves nor redirect_uris",
            ));
        }
        if has(GrantType::RefreshToken) && !has(GrantType::AuthorizationCode) {
            return Err(member(
                "grant_types",
                &"must have authorization_code beside refresh_token",
            ));
        }
        if is_public && (has(GrantType::TokenExchange) || has(GrantType::ClientCredentials)) {
            return Err(member(
                "token_endpoint_auth_method",
                &"must not be none for a client that acts by itself or exchanges",
            ));
        }
        if !decided.exchange.is_empty() && !has(GrantType::TokenExchange) {
            return Err(member(
                "grant_types",
                &"must have token exchange for a client with `exchange`",
            ));
        }
        let catalog = self.catalog.current();
        if decided
            .serves
            .iter()
            .any(|id| catalog.resource(id).is_none())
        {
            return Err(member("serves", &"names a resource that there is not"));
        }
        if decided
            .exchange
            .iter()
            .any(|name| catalog.downstream(name).is_none())
        {
            return Err(member("exchange", &"names a downstream that there is not"));
        }
        Ok(())
    }
}

/// The grants of a client that says nothing of them.
fn usual_grants(redirect_uris: &[RedirectUri], exchange: &[DownstreamName]) -> Vec<GrantType> {
    let mut grants = Vec::new();
    if !redirect_uris.is_empty() {
        grants.extend([GrantType::AuthorizationCode, GrantType::RefreshToken]);
    }
    if !exchange.is_empty() {
        grants.push(GrantType::TokenExchange);
    }
    grants
}
