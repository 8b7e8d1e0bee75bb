//! Client authentication (RFC 6749 §2.3): nothing, a secret, or a signed assertion (RFC 7521 §4.2).
//!
//! What a client proves itself with is fixed by its registration, and held to: a public client that
//! sends a secret is refused like a confidential one that sends none. Only a public client with keys
//! may sign or not, as it likes. Where a secret stands is not fixed:
//! `client_secret_basic` and `client_secret_post` prove the same thing, and clients in the field
//! register one and use the other. What an assertion has to be is `assertion`'s.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_client::oauth::{CLIENT_ASSERTION_JWT, OAuthError};
use broker_client::secret::Secret;
use broker_client::verify::claimed_subject;
use percent_encoding::percent_decode_str;

use super::{Assertions, Form};
use crate::ambient::Ambient;
use crate::clients::{Clients, Refusal, has_secret};
use crate::domain::{Actor, AuditEvent, Client, ClientId, TokenEndpointAuthMethod};
use crate::live::Live;

/// What a request says about its client.
#[derive(Debug)]
pub(super) struct Credentials {
    client_id: String,
    proof: Proof,
}

/// What a request proves its client with.
#[derive(Debug)]
enum Proof {
    Nothing,
    Secret(Secret),
    Assertion(Secret),
}

impl Proof {
    fn secret(secret: Option<Secret>) -> Self {
        secret
            .filter(|secret| !secret.is_empty())
            .map_or(Self::Nothing, Self::Secret)
    }
}

impl Credentials {
    /// Reads them from the `Authorization` header or the form.
    pub(super) fn read(authorization: Option<&str>, form: &Form) -> Result<Self, OAuthError> {
        if form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some() {
            return Self::asserted(authorization, form);
        }
        let named = form.get("client_id");
        let Some(header) = authorization else {
            let client_id = named.ok_or_else(|| {
                OAuthError::invalid_client("The request does not say which client it is from.")
            })?;
            return Ok(Self {
                client_id: client_id.to_owned(),
                proof: Proof::secret(form.get("client_secret").map(Secret::from)),
            });
        };
        let (client_id, secret) = basic(header)?;
        // RFC 6749 §2.3: one method a request. The client's name alone is no method, but it must
        // not name another.
        if form.get("client_secret").is_some() {
            return Err(OAuthError::invalid_request(
                "The client authenticates in the header and in the form; only one is allowed.",
            ));
        }
        if named.is_some_and(|named| named != client_id) {
            return Err(OAuthError::invalid_request(
                "The client_id in the form is not the one in the Authorization header.",
            ));
        }
        Ok(Self {
            client_id,
            proof: Proof::secret(Some(secret)),
        })
    }

    /// Reads a client assertion (RFC 7521 §4.2).
    fn asserted(authorization: Option<&str>, form: &Form) -> Result<Self, OAuthError> {
        if authorization.is_some() || form.get("client_secret").is_some() {
            return Err(OAuthError::invalid_request(
                "The client authenticates with an assertion and in another way; only one is \
                 allowed.",
            ));
        }
        if form.require("client_assertion_type")? != CLIENT_ASSERTION_JWT {
            return Err(OAuthError::invalid_client(format!(
                "The client_assertion_type must be {CLIENT_ASSERTION_JWT}."
            )));
        }
        let assertion = Secret::from(form.require("client_assertion")?);
        // Optional in the form: the client's own assertion names it as well.
        let client_id = match form.get("client_id") {
            Some(named) => named.to_owned(),
            None => claimed_subject(assertion.expose()).map_err(|error| {
                OAuthError::invalid_client(format!("The client assertion is refused: {error}."))
            })?,
        };
        Ok(Self {
            client_id,
            proof: Proof::Assertion(assertion),
        })
    }

    /// The client that the request claims to be from.
    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }
}

/// HTTP Basic with both parts form-encoded before base64 (RFC 6749 §2.3.1).
fn basic(header: &str) -> Result<(String, Secret), OAuthError> {
    let unreadable = || {
        OAuthError::invalid_client(
            "The Authorization header is not HTTP Basic with an encoded client_id and secret.",
        )
    };
    let (scheme, encoded) = header.split_once(' ').ok_or_else(unreadable)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unreadable());
    }
    let decoded = STANDARD
        .decode(encoded.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(Secret::from)
        .ok_or_else(unreadable)?;
    let (id, secret) = decoded.expose().split_once(':').ok_or_else(unreadable)?;
    let id = form_decode(id).ok_or_else(unreadable)?;
    let secret = form_decode(secret).ok_or_else(unreadable)?;
    Ok((id, Secret::from(secret)))
}

fn form_decode(text: &str) -> Option<String> {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// Finds the client and checks its proof.
#[derive(Clone)]
pub struct ClientAuthenticator {
    /// Who the client is, and whether it may be used.
    pub clients: Clients,
    /// The confidential clients in memory, so that an exchange needs no database.
    pub live: Live,
    /// Judges what clients sign.
    pub assertions: Assertions,
    /// The time, for secrets that end.
    pub ambient: Ambient,
}

impl ClientAuthenticator {
    /// Authenticates the client of a request. `event` learns who it claims to be from, also where
    /// that is not so.
    ///
    /// # Errors
    /// `invalid_client` when it is unknown or its proof is wrong; `unauthorized_client` when it
    /// is blocked, waits for approval or is not trusted any more; `temporarily_unavailable` when its
    /// keys cannot be had, or when the request's address was refused too often and it is a public
    /// client.
    pub(super) async fn identify(
        &self,
        form: &Form,
        authorization: Option<&str>,
        event: &mut AuditEvent,
    ) -> Result<Arc<Client>, OAuthError> {
        let credentials = Credentials::read(authorization, form)?;
        claimed(event, &credentials);
        let client = self.authenticate(&credentials).await?;
        match event.too_often {
            // A gateway is heard, whatever strangers at its address do; its secret is no guess.
            Some(_) if client.is_confidential() => event.too_often = None,
            Some(too_often) => return Err(too_often.into()),
            None => {}
        }
        Ok(client)
    }

    /// The client, if the request proves to be from it and it may be used now.
    async fn authenticate(&self, credentials: &Credentials) -> Result<Arc<Client>, OAuthError> {
        let client = self.find(credentials.client_id()).await?.ok_or_else(|| {
            OAuthError::invalid_client("The client is unknown. It may have to register again.")
        })?;
        self.check(&client, &credentials.proof).await?;
        match self.clients.admit(&client) {
            Ok(()) => Ok(client),
            Err(refusal) => Err(OAuthError::unauthorized_client(match refusal {
                Refusal::Blocked => "The client is blocked. Ask the administrator of this server.",
                Refusal::Waiting => {
                    "The client waits for approval by the administrator of this server."
                }
                Refusal::Untrusted => {
                    "Clients of this domain are not accepted. Ask the administrator of this server."
                }
            })),
        }
    }

    /// Whether the proof is what the client registered, and right.
    async fn check(&self, client: &Client, proof: &Proof) -> Result<(), OAuthError> {
        use TokenEndpointAuthMethod as Method;
        let wrong = match (client.auth_method, proof) {
            (Method::None, Proof::Nothing) => return Ok(()),
            (Method::ClientSecretBasic | Method::ClientSecretPost, Proof::Secret(secret)) => {
                if has_secret(client, secret, self.ambient.now()) {
                    return Ok(());
                }
                "The client secret is wrong."
            }
            (Method::None | Method::PrivateKeyJwt, Proof::Assertion(assertion)) => {
                let assertion = assertion.expose();
                return self.assertions.signed_by_client(client, assertion).await;
            }
            (Method::ServiceAccountJwt, Proof::Assertion(assertion)) => {
                let assertion = assertion.expose();
                return self.assertions.of_service_account(client, assertion).await;
            }
            (Method::None, Proof::Secret(_)) => "The client is public and must not send a secret.",
            (
                Method::ClientSecretBasic | Method::ClientSecretPost,
                Proof::Nothing | Proof::Assertion(_),
            ) => "The client must authenticate with its secret.",
            (
                Method::PrivateKeyJwt | Method::ServiceAccountJwt,
                Proof::Nothing | Proof::Secret(_),
            ) => "The client must authenticate with a signed client_assertion.",
        };
        Err(OAuthError::invalid_client(wrong))
    }

    async fn find(&self, id: &str) -> Result<Option<Arc<Client>>, OAuthError> {
        let Ok(id) = ClientId::parse(id) else {
            return Ok(None);
        };
        // A stale memory is no reason to refuse here: what must not be stale asks again itself.
        if let Ok(Some(client)) = self.live.client(&id) {
            return Ok(Some(client));
        }
        Ok(self.clients.known(&id).await?.map(Arc::new))
    }
}

/// Notes who the request claims to be from.
fn claimed(event: &mut AuditEvent, credentials: &Credentials) {
    // A stranger chooses this text: what is no client id is not kept.
    if let Ok(id) = ClientId::parse(credentials.client_id()) {
        tracing::Span::current().record("client_id", id.as_str());
        event.actor = Actor::Client(id.as_str().to_owned());
        event.client_id = Some(id);
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use broker_client::oauth::ErrorCode;

    use super::*;

    fn read(header: Option<&str>, form: &str) -> Result<(String, Option<String>), ErrorCode> {
        Credentials::read(header, &Form::parse(form.as_bytes()).unwrap())
            .map(|read| match read.proof {
                Proof::Nothing => (read.client_id, None),
                Proof::Secret(proof) | Proof::Assertion(proof) => {
                    (read.client_id, Some(proof.expose().to_owned()))
                }
            })
            .map_err(|error| error.code())
    }

    fn basic_header(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn basic_credentials_are_form_decoded() {
        assert_eq!(
            read(Some(&basic_header("a%3Ab+c:s%2Bt%25")), ""),
            Ok(("a:b c".to_owned(), Some("s+t%".to_owned())))
        );
    }

    #[test]
    fn two_methods_at_once_are_refused() {
        assert_eq!(
            read(Some(&basic_header("a:s")), "client_secret=s"),
            Err(ErrorCode::InvalidRequest)
        );
        assert_eq!(
            read(Some(&basic_header("a:s")), "client_id=b"),
            Err(ErrorCode::InvalidRequest)
        );
        assert_eq!(
            read(Some(&basic_header("a:s")), "client_id=a"),
            Ok(("a".to_owned(), Some("s".to_owned())))
        );
    }

    #[test]
    fn an_assertion_names_its_client_and_comes_alone() {
        let jwt = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(r#"{"sub":"a"}"#));
        let form = |more: &str| {
            let kind = CLIENT_ASSERTION_JWT;
            format!("client_assertion_type={kind}&client_assertion={jwt}{more}")
        };
        for (more, client) in [("", "a"), ("&client_id=b", "b")] {
            let expected = (client.to_owned(), Some(jwt.clone()));
            assert_eq!(read(None, &form(more)), Ok(expected));
        }
        for (header, body) in [
            (Some(basic_header("a:s")), form("")),
            (None, form("&client_secret=s")),
            (None, format!("client_assertion={jwt}&client_id=a")),
            (
                None,
                format!("client_assertion_type={CLIENT_ASSERTION_JWT}"),
            ),
        ] {
            let read = read(header.as_deref(), &body);
            assert_eq!(read, Err(ErrorCode::InvalidRequest), "{body}");
        }
        for body in [
            "client_assertion_type=saml&client_assertion=x&client_id=a".to_owned(),
            format!("client_assertion_type={CLIENT_ASSERTION_JWT}&client_assertion=x"),
        ] {
            assert_eq!(read(None, &body), Err(ErrorCode::InvalidClient), "{body}");
        }
    }

    #[test]
    fn no_client_and_other_schemes_are_no_authentication() {
        assert_eq!(read(None, ""), Err(ErrorCode::InvalidClient));
        for header in [
            "Bearer abc",
            "Basic",
            "Basic !!!",
            &basic_header("colonless"),
        ] {
            assert_eq!(
                read(Some(header), "client_id=a"),
                Err(ErrorCode::InvalidClient),
                "{header}"
            );
        }
    }
}
