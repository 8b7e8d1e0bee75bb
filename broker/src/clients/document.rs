//! Fetching and reading a metadata document (OAuth Client ID Metadata Document §4).
//!
//! The address is guarded by [`GuardedClient`]; here it is judged what the document says.

use std::time::Duration;

use broker_client::http::{GuardError, GuardedClient};
use broker_client::oauth::{ErrorCode, OAuthError};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::freshness::fresh_for;
use super::json::object;
use super::keys::has_keys;
use super::metadata::{ClientMetadata, text, texts};
use crate::domain::{Client, ClientUrl, TokenEndpointAuthMethod};

/// How many documents are fetched at once. Strangers decide what is fetched, so not without end.
const MOST_AT_ONCE: usize = 32;

/// A document that can be used.
pub(super) struct Fetched {
    /// What it says of the client.
    pub(super) metadata: ClientMetadata,
    /// How the client authenticates.
    pub(super) auth_method: TokenEndpointAuthMethod,
    /// How long it may be used without asking again.
    pub(super) fresh_for: Duration,
}

/// Why a client's document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Too many documents are being fetched.
    #[error("too many client documents are being fetched at once")]
    Busy,
    /// The host did not answer, or not now.
    #[error("the client document cannot be fetched now")]
    Unavailable(#[source] GuardError),
    /// There is no document at the URL, or none that we go to.
    #[error("there is no client document at the URL")]
    Absent(#[source] GuardError),
    /// The document is not a JSON object, or has a member twice. The parser's own words may quote it.
    #[error("the client document is not a JSON object")]
    NotAnObject,
    /// Its `client_id` is not the URL it was fetched from.
    #[error("the client document is about another client_id")]
    OtherClient,
    /// Its metadata break a rule.
    #[error("the client document is refused: {}", .0.description())]
    Invalid(OAuthError),
    /// The client wants to authenticate in ways that we do not offer it.
    #[error("the client document allows no authentication method that is offered")]
    AuthMethod,
}

/// The same for whoever sees the page: what to do is all that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentFault {
    /// It may work later.
    Unavailable,
    /// There is no document.
    Absent,
    /// The document says something that it must not.
    Invalid,
    /// The client cannot log in without proving itself in a way that is not offered.
    AuthMethod,
}

impl DocumentError {
    /// What it means to the person and to the audit.
    #[must_use]
    pub const fn fault(&self) -> DocumentFault {
        match self {
            Self::Busy | Self::Unavailable(_) => DocumentFault::Unavailable,
            Self::Absent(_) => DocumentFault::Absent,
            Self::NotAnObject | Self::OtherClient | Self::Invalid(_) => DocumentFault::Invalid,
            Self::AuthMethod => DocumentFault::AuthMethod,
        }
    }
}

impl DocumentFault {
    /// The word in the audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "document_unavailable",
            Self::Absent => "document_absent",
            Self::Invalid => "document_invalid",
            Self::AuthMethod => "document_auth_method",
        }
    }

    /// The OAuth error that fits best.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Unavailable => ErrorCode::TemporarilyUnavailable,
            Self::Absent => ErrorCode::InvalidClient,
            Self::Invalid | Self::AuthMethod => ErrorCode::InvalidClientMetadata,
        }
    }
}

/// Fetches documents.
pub(super) struct Documents {
    client: GuardedClient,
    at_once: Semaphore,
}

impl Documents {
    pub(super) fn new(client: GuardedClient) -> Self {
        Self {
            client,
            at_once: Semaphore::new(MOST_AT_ONCE),
        }
    }

    /// Fetches the document of the client whose id is `url`.
    pub(super) async fn fetch(&self, url: &ClientUrl) -> Result<Fetched, DocumentError> {
        let _place = self
            .at_once
            .try_acquire()
            .map_err(|_| DocumentError::Busy)?;
        let answer = self.client.get(url.url()).await.map_err(|error| {
            if error.is_transient() {
                DocumentError::Unavailable(error)
            } else {
                DocumentError::Absent(error)
            }
        })?;
        let (metadata, auth_method) = read(url.url().as_str(), &answer.body)?;
        Ok(Fetched {
            metadata,
            auth_method,
            fresh_for: fresh_for(&answer.headers),
        })
    }
}

/// Reads the document at `url`.
fn read(
    url: &str,
    body: &[u8],
) -> Result<(ClientMetadata, TokenEndpointAuthMethod), DocumentError> {
    let document = object(body).map_err(|_| DocumentError::NotAnObject)?;
    // Byte for byte: another spelling of the URL is another client.
    if document.get("client_id").and_then(Value::as_str) != Some(url) {
        return Err(DocumentError::OtherClient);
    }
    // Everybody can read it.
    if document.contains_key("client_secret") {
        return Err(DocumentError::AuthMethod);
    }
    let metadata = ClientMetadata::parse(&document).map_err(DocumentError::Invalid)?;
    let auth_method = auth_method(&document, &metadata.description)?;
    Ok((metadata, auth_method))
}

/// How the client authenticates: publicly, or with a key that its document names.
///
/// A document cannot hold a secret, so the methods with one are none here, and leaving the member
/// out does not mean `client_secret_basic` as it does in a registration. Some documents name one
/// method, some a list, some both. A client that may be public is: whether it signs all the same is
/// its choice at each request, and a signature that comes is checked.
fn auth_method(
    document: &Map<String, Value>,
    kept: &Map<String, Value>,
) -> Result<TokenEndpointAuthMethod, DocumentError> {
    let one = text(document, "token_endpoint_auth_method").map_err(DocumentError::Invalid)?;
    let several =
        texts(document, "token_endpoint_auth_methods_supported").map_err(DocumentError::Invalid)?;
    let allows = |method: &str| {
        one == Some(method) || several.as_ref().is_some_and(|all| all.contains(&method))
    };
    if (one.is_none() && several.is_none()) || allows("none") {
        Ok(TokenEndpointAuthMethod::None)
    } else if allows("private_key_jwt") && has_keys(kept) {
        Ok(TokenEndpointAuthMethod::PrivateKeyJwt)
    } else {
        Err(DocumentError::AuthMethod)
    }
}

/// Whether this is the client that the document describes, so that nothing has to be written.
pub(super) fn describes(fetched: &Fetched, client: &Client) -> bool {
    let metadata = &fetched.metadata;
    client.name == metadata.name
        && client.redirect_uris == metadata.redirect_uris
        && client.grant_types == metadata.grant_types
        && client.scope == metadata.scope
        && client.metadata == metadata.description
        && client.auth_method == fetched.auth_method
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URL: &str = "https://a.example/c.json";

    fn fault(change: impl FnOnce(&mut Value)) -> Option<DocumentFault> {
        let mut document = json!({
            "client_id": URL,
            "client_name": "A",
            "redirect_uris": ["https://a.example/cb"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        });
        change(&mut document);
        let read = read(URL, document.to_string().as_bytes());
        read.err().map(|error| error.fault())
    }

    #[test]
    fn the_client_id_is_compared_byte_for_byte() {
        assert_eq!(fault(|_| {}), None);
        for other in [
            json!("https://a.example/c.json/"),
            json!("https://a.example/C.json"),
            json!("https://A.example/c.json"),
            json!("https://a.example:443/c.json"),
            json!("https://a.example/./c.json"),
            json!("https://a.example/c.json#"),
            json!(" https://a.example/c.json"),
            json!(""),
            json!(null),
            json!([URL]),
        ] {
            let found = fault(|document| document["client_id"] = other.clone());
            assert_eq!(found, Some(DocumentFault::Invalid), "{other}");
        }
        let without = fault(|document| {
            document.as_object_mut().unwrap().remove("client_id");
        });
        assert_eq!(without, Some(DocumentFault::Invalid));
    }

    #[test]
    fn a_client_that_may_be_public_is() {
        let (one, several) = (
            "token_endpoint_auth_method",
            "token_endpoint_auth_methods_supported",
        );
        for (singular, plural, expected) in [
            (json!("none"), json!(null), None),
            (json!(null), json!(null), None),
            (json!(null), json!(["none"]), None),
            (json!(null), json!(["none", "private_key_jwt"]), None),
            (
                json!("private_key_jwt"),
                json!(["none", "private_key_jwt"]),
                None,
            ),
            (json!("none"), json!(["private_key_jwt"]), None),
            (
                json!("private_key_jwt"),
                json!(null),
                Some(DocumentFault::AuthMethod),
            ),
            (
                json!(null),
                json!(["private_key_jwt"]),
                Some(DocumentFault::AuthMethod),
            ),
            (json!(null), json!([]), Some(DocumentFault::AuthMethod)),
            (
                json!("client_secret_basic"),
                json!(null),
                Some(DocumentFault::AuthMethod),
            ),
            (json!(["none"]), json!(null), Some(DocumentFault::Invalid)),
            (json!(null), json!("none"), Some(DocumentFault::Invalid)),
        ] {
            let found = fault(|document| {
                document[one] = singular.clone();
                document[several] = plural.clone();
            });
            assert_eq!(found, expected, "{singular} {plural}");
        }
        let with_keys = fault(|document| {
            document[one] = "private_key_jwt".into();
            document["jwks_uri"] = "https://a.example/jwks.json".into();
        });
        assert_eq!(with_keys, None);
        let with_secret = fault(|document| document["client_secret"] = "s".into());
        assert_eq!(with_secret, Some(DocumentFault::AuthMethod));
    }

    #[test]
    fn metadata_follow_the_rules_of_registration() {
        for (member, value) in [
            ("redirect_uris", json!([])),
            ("redirect_uris", json!(["http://a.example/cb"])),
            (
                "redirect_uris",
                json!(["https://a.example/cb", "javascript:x"]),
            ),
            ("grant_types", json!(["client_credentials"])),
            ("response_types", json!(["token"])),
            ("client_name", json!("x".repeat(101))),
            ("client_name", json!("two\nlines")),
            ("logo_uri", json!("data:image/png,x")),
        ] {
            let found = fault(|document| document[member] = value.clone());
            assert_eq!(found, Some(DocumentFault::Invalid), "{member}: {value}");
        }
        // What nobody offers and nobody knows does not matter.
        let found = fault(|document| {
            document["grant_types"] = json!([
                "authorization_code",
                "urn:ietf:params:oauth:grant-type:jwt-bearer"
            ]);
            document["jwks_uri"] = json!("https://a.example/jwks.json");
            document["x"] = json!({"y": 1});
        });
        assert_eq!(found, None);
    }

    #[test]
    fn only_an_object_is_a_document() {
        for body in ["", "[]", "\"text\"", "{", "null", "<html>"] {
            let error = read(URL, body.as_bytes()).unwrap_err();
            assert!(matches!(error, DocumentError::NotAnObject), "{body}");
        }
    }
}
