//! Dynamic client registration (RFC 7591), gated by the whitelist.
//!
//! A stranger writes this document. What we understand is checked and bounded, what we do not is
//! ignored (RFC 7591 §2), grants that we do not offer are dropped instead of refused, and the answer
//! is the registration as it now stands, defaults included. Managing a registration later (RFC 7592)
//! is not here.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker_client::oauth::{OAuthError, Scope};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::crypto::Handle;
use crate::domain::{
    Actor, AuditEvent, AuditKind, Catalog, Client, ClientId, ClientKind, ClientStatus, GrantType,
    Outcome, RedirectUri, RegistrationPolicy, RequestInfo, TokenEndpointAuthMethod,
};
use crate::storage::Store;

/// The largest registration document, in bytes.
pub const LARGEST_DOCUMENT: usize = 16 * 1024;

/// How many redirect URIs a client may have.
const MOST_REDIRECT_URIS: usize = 20;

/// The longest text of a metadata member, in bytes.
const LONGEST_TEXT: usize = 1024;

/// The longest name, in characters: it stands on the consent page.
const LONGEST_NAME: usize = 100;

/// Members that are kept as texts.
const TEXTS: [&str; 3] = ["application_type", "software_id", "software_version"];

/// Members that are kept as web addresses.
const ADDRESSES: [&str; 4] = ["client_uri", "logo_uri", "policy_uri", "tos_uri"];

/// The registration endpoint: what it needs.
pub struct RegistrationEndpoint {
    /// Where clients are kept.
    pub store: Store,
    /// The audit trail.
    pub audit: AuditLog,
    /// Time and randomness.
    pub ambient: Ambient,
    /// Who may register.
    pub policy: RegistrationPolicy,
    /// What scope a client that names none will get.
    pub catalog: Arc<Catalog>,
}

/// A registration as it now stands (RFC 7591 §3.2.1).
#[derive(Serialize)]
pub struct Registered {
    client_id: String,
    /// Seconds since the epoch.
    client_id_issued_at: i64,
    #[serde(flatten)]
    secret: Option<IssuedSecret>,
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: &'static str,
    grant_types: Vec<&'static str>,
    response_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    #[serde(flatten)]
    metadata: Map<String, Value>,
}

#[derive(Serialize)]
struct IssuedSecret {
    client_secret: String,
    /// Seconds since the epoch; 0 says never.
    client_secret_expires_at: i64,
}

impl RegistrationEndpoint {
    /// Registers a client from the document that it sent.
    ///
    /// # Errors
    /// `access_denied` when nobody may register here; `invalid_redirect_uri` and
    /// `invalid_client_metadata` as RFC 7591 §3.2.2 says; recorded in the audit trail.
    pub async fn register(
        &self,
        body: &[u8],
        info: &RequestInfo,
    ) -> Result<Registered, OAuthError> {
        let event = AuditEvent::new(
            self.ambient.now(),
            AuditKind::ClientRegistered,
            Actor::Anonymous,
        )
        .during(info);
        match self.attempt(body, &event).await {
            Ok(registered) => Ok(registered),
            Err(error) => {
                let refused = AuditEvent {
                    outcome: Outcome::Refused(error.code()),
                    ..event
                };
                self.audit.record(refused).await.map_err(|failure| {
                    OAuthError::server_error("The broker could not write its audit trail.")
                        .because(failure)
                })?;
                Err(error)
            }
        }
    }

    async fn attempt(&self, body: &[u8], event: &AuditEvent) -> Result<Registered, OAuthError> {
        if self.policy == RegistrationPolicy::Closed {
            return Err(OAuthError::access_denied(
                "Clients cannot register themselves here. Ask the administrator of this server.",
            ));
        }
        let asked = Asked::parse(body)?;
        let secret = (asked.auth_method != TokenEndpointAuthMethod::None)
            .then(|| Handle::generate(&self.ambient));
        let client = self.client(asked, secret.as_ref(), event)?;

        let mut registered = AuditEvent {
            client_id: Some(client.id.clone()),
            ..event.clone()
        };
        registered.details.insert(
            "redirect_uris".to_owned(),
            client
                .redirect_uris
                .iter()
                .map(RedirectUri::as_str)
                .collect(),
        );
        registered
            .details
            .insert("status".to_owned(), client.status.as_str().into());
        if let Some(name) = &client.name {
            registered
                .details
                .insert("client_name".to_owned(), name.as_str().into());
        }
        let transaction = self.store.begin().await?;
        transaction.insert_client(&client).await?;
        transaction.append_audit(&[registered]).await?;
        transaction.commit().await?;
        Ok(self.answer(client, secret))
    }

    fn client(
        &self,
        asked: Asked,
        secret: Option<&Handle>,
        event: &AuditEvent,
    ) -> Result<Client, OAuthError> {
        let id = URL_SAFE_NO_PAD.encode(self.ambient.random::<16>());
        Ok(Client {
            id: ClientId::parse(id).map_err(|error| {
                OAuthError::server_error("The broker could not name the client.").because(error)
            })?,
            kind: ClientKind::Dynamic,
            status: ClientStatus::Pending,
            name: asked.name,
            redirect_uris: asked.redirect_uris,
            grant_types: asked.grant_types,
            auth_method: asked.auth_method,
            secrets: secret.map(Handle::hash).into_iter().collect(),
            scope: asked.scope,
            serves: Vec::new(),
            exchange: Vec::new(),
            metadata: asked.metadata,
            registration_token: None,
            created_at: event.at,
            updated_at: event.at,
            version: 1,
        })
    }

    fn answer(&self, client: Client, secret: Option<Handle>) -> Registered {
        let default_scope = || {
            self.catalog
                .default_resource()
                .map(|resource| resource.default_scopes.clone())
        };
        Registered {
            client_id: client.id.into(),
            client_id_issued_at: client.created_at.as_secs(),
            secret: secret.map(|handle| IssuedSecret {
                client_secret: handle.expose().to_owned(),
                client_secret_expires_at: 0,
            }),
            redirect_uris: client
                .redirect_uris
                .iter()
                .map(|uri| uri.as_str().to_owned())
                .collect(),
            token_endpoint_auth_method: client.auth_method.as_str(),
            grant_types: client
                .grant_types
                .iter()
                .map(|grant| grant.as_str())
                .collect(),
            response_types: ["code"],
            client_name: client.name,
            scope: client.scope.or_else(default_scope),
            metadata: client.metadata,
        }
    }
}

/// What the document asks for, as far as we grant it.
struct Asked {
    name: Option<String>,
    redirect_uris: Vec<RedirectUri>,
    grant_types: Vec<GrantType>,
    auth_method: TokenEndpointAuthMethod,
    scope: Option<Scope>,
    metadata: Map<String, Value>,
}

impl Asked {
    fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let document: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
            invalid("The body is not a JSON object with client metadata.").because(error)
        })?;
        Ok(Self {
            name: name(&document)?,
            grant_types: grant_types(&document)?,
            redirect_uris: redirect_uris(&document)?,
            auth_method: auth_method(&document)?,
            scope: scope(&document)?,
            metadata: metadata(&document)?,
        })
    }
}

fn invalid(description: impl Into<std::borrow::Cow<'static, str>>) -> OAuthError {
    OAuthError::invalid_client_metadata(description)
}

/// A text member, bounded; `null` and an empty text count as absent.
fn text<'a>(
    document: &'a Map<String, Value>,
    member: &'static str,
) -> Result<Option<&'a str>, OAuthError> {
    match document.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text))
            if text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control) =>
        {
            Ok(Some(text.as_str()).filter(|text| !text.is_empty()))
        }
        Some(_) => Err(invalid(format!(
            "{member} must be a text of at most {LONGEST_TEXT} bytes without control characters."
        ))),
    }
}

/// A member that is a list of texts.
fn texts<'a>(
    document: &'a Map<String, Value>,
    member: &'static str,
) -> Result<Option<Vec<&'a str>>, OAuthError> {
    let wrong = || invalid(format!("{member} must be a list of texts."));
    match document.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().ok_or_else(wrong))
            .collect::<Result<Vec<_>, _>>()
            .map(Some),
        Some(_) => Err(wrong()),
    }
}

fn name(document: &Map<String, Value>) -> Result<Option<String>, OAuthError> {
    let name = text(document, "client_name")?;
    if name.is_some_and(|name| name.chars().count() > LONGEST_NAME) {
        return Err(invalid(format!(
            "client_name must have at most {LONGEST_NAME} characters."
        )));
    }
    Ok(name.map(str::to_owned))
}

/// The grants asked, as far as a client that registers itself may have them. Exchange is not among
/// them: nobody makes himself the server of a resource.
fn grant_types(document: &Map<String, Value>) -> Result<Vec<GrantType>, OAuthError> {
    if texts(document, "response_types")?.is_some_and(|types| !types.contains(&"code")) {
        return Err(invalid("response_types must contain code."));
    }
    // RFC 7591 §2: the default when it is left out.
    let asked = texts(document, "grant_types")?
        .unwrap_or_else(|| vec![GrantType::AuthorizationCode.as_str()]);
    let granted: Vec<_> = [GrantType::AuthorizationCode, GrantType::RefreshToken]
        .into_iter()
        .filter(|grant| asked.contains(&grant.as_str()))
        .collect();
    if granted.contains(&GrantType::AuthorizationCode) {
        Ok(granted)
    } else {
        Err(invalid(
            "grant_types must contain authorization_code; refresh_token is the other one offered.",
        ))
    }
}

fn redirect_uris(document: &Map<String, Value>) -> Result<Vec<RedirectUri>, OAuthError> {
    let asked = texts(document, "redirect_uris")?.unwrap_or_default();
    if asked.is_empty() || asked.len() > MOST_REDIRECT_URIS {
        return Err(OAuthError::invalid_redirect_uri(format!(
            "redirect_uris must name 1 to {MOST_REDIRECT_URIS} redirect URIs."
        )));
    }
    asked
        .into_iter()
        .map(|uri| {
            RedirectUri::parse(uri).map_err(|error| {
                OAuthError::invalid_redirect_uri(format!(
                    "The redirect URI {} {error}.",
                    describable(uri)
                ))
            })
        })
        .collect()
}

/// What a stranger sent, fit for an `error_description` (RFC 6749 §5.2: no quotes, no backslash,
/// only ASCII) and short.
fn describable(text: &str) -> String {
    const LONGEST: usize = 200;
    text.chars()
        .take(LONGEST)
        .map(|character| match character {
            '"' | '\\' => '?',
            character if character.is_ascii_graphic() || character == ' ' => character,
            _ => '?',
        })
        .collect()
}

fn auth_method(document: &Map<String, Value>) -> Result<TokenEndpointAuthMethod, OAuthError> {
    // RFC 7591 §2: the default when it is left out.
    let asked = text(document, "token_endpoint_auth_method")?.unwrap_or("client_secret_basic");
    TokenEndpointAuthMethod::parse(asked).ok_or_else(|| {
        invalid(
            "token_endpoint_auth_method must be none, client_secret_basic or client_secret_post.",
        )
    })
}

fn scope(document: &Map<String, Value>) -> Result<Option<Scope>, OAuthError> {
    text(document, "scope")?
        .map(str::parse)
        .transpose()
        .map_err(|error| invalid("scope has characters that no scope has.").because(error))
}

/// The descriptive members that we keep.
fn metadata(document: &Map<String, Value>) -> Result<Map<String, Value>, OAuthError> {
    let mut kept = Map::new();
    for member in TEXTS {
        if let Some(text) = text(document, member)? {
            kept.insert(member.to_owned(), text.into());
        }
    }
    for member in ADDRESSES {
        if let Some(text) = text(document, member)? {
            // They may become links on our pages.
            if !matches!(url::Url::parse(text), Ok(url) if matches!(url.scheme(), "https" | "http"))
            {
                return Err(invalid(format!("{member} must be a web address.")));
            }
            kept.insert(member.to_owned(), text.into());
        }
    }
    if let Some(contacts) = texts(document, "contacts")? {
        if contacts.iter().any(|contact| contact.len() > LONGEST_TEXT) {
            return Err(invalid("A contact is too long."));
        }
        kept.insert("contacts".to_owned(), contacts.into());
    }
    Ok(kept)
}
