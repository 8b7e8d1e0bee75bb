//! [`ClientAuthentication`]: how a client proves who it is (RFC 6749 §2.3, RFC 7523 §2.2).

use std::borrow::Cow;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use url::form_urlencoded;

use super::HttpError;
use crate::oauth::CLIENT_ASSERTION_JWT;
use crate::secret::Secret;

/// How a client proves to the token endpoint who it is (RFC 6749 §2.3).
#[derive(Debug, Clone)]
pub enum ClientAuthentication {
    /// A public client: its id and nothing else.
    None {
        /// The client's id.
        client_id: String,
    },
    /// `client_secret_basic`: in the `Authorization` header.
    Basic {
        /// The client's id.
        client_id: String,
        /// The client's secret.
        client_secret: Secret,
    },
    /// `client_secret_post`: in the form.
    Post {
        /// The client's id.
        client_id: String,
        /// The client's secret.
        client_secret: Secret,
    },
    /// A signed assertion that somebody else keeps fresh in a file, such as the projected
    /// service-account token of a Kubernetes pod (RFC 7523 §2.2).
    ///
    /// The file is read for every request: what replaces it counts at once.
    AssertionFile {
        /// The client's id.
        client_id: String,
        /// The file with one JWT.
        path: PathBuf,
    },
}

impl ClientAuthentication {
    /// The client's id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        match self {
            Self::None { client_id }
            | Self::Basic { client_id, .. }
            | Self::Post { client_id, .. }
            | Self::AssertionFile { client_id, .. } => client_id,
        }
    }

    /// The `Authorization` header of this method, if it has one.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>, HttpError> {
        let Self::Basic {
            client_id,
            client_secret,
        } = self
        else {
            return Ok(None);
        };
        // RFC 6749 §2.3.1: both are form-encoded before they become user name and password.
        let encode =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(client_id), encode(client_secret.expose()));
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
            .map_err(|_| HttpError::Header)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// The form fields of this method.
    pub(super) async fn form_fields(&self) -> Result<Vec<(&'static str, Cow<'_, str>)>, HttpError> {
        Ok(match self {
            Self::None { client_id } => vec![("client_id", client_id.into())],
            Self::Basic { .. } => Vec::new(),
            Self::Post {
                client_id,
                client_secret,
            } => {
                vec![
                    ("client_id", client_id.into()),
                    ("client_secret", client_secret.expose().into()),
                ]
            }
            Self::AssertionFile { client_id, path } => {
                let assertion = tokio::fs::read_to_string(path)
                    .await
                    .map_err(HttpError::Assertion)?;
                vec![
                    ("client_id", client_id.into()),
                    ("client_assertion_type", CLIENT_ASSERTION_JWT.into()),
                    ("client_assertion", assertion.trim().to_owned().into()),
                ]
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn basic_credentials_are_form_encoded_first() {
        let authentication = ClientAuthentication::Basic {
            client_id: "a:b".to_owned(),
            client_secret: Secret::new("p+s w%"),
        };
        let header = authentication.header().unwrap().unwrap();
        let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), b"a%3Ab:p%2Bs+w%25");
        assert!(header.is_sensitive());
        assert!(authentication.form_fields().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_assertion_is_read_anew_for_every_request() {
        let name = format!("broker-client-assertion-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let authentication = ClientAuthentication::AssertionFile {
            client_id: "a".to_owned(),
            path: path.clone(),
        };
        for token in ["first", "second"] {
            tokio::fs::write(&path, format!("{token}\n")).await.unwrap();
            let fields = authentication.form_fields().await.unwrap();
            assert_eq!(fields[0], ("client_id", "a".into()));
            assert_eq!(fields[1].1, CLIENT_ASSERTION_JWT);
            assert_eq!(fields[2], ("client_assertion", token.into()));
        }
        tokio::fs::remove_file(&path).await.unwrap();
        let missing = authentication.form_fields().await;
        assert!(matches!(missing, Err(HttpError::Assertion(_))));
    }

    #[tokio::test]
    async fn the_other_methods_use_the_form() {
        let public = ClientAuthentication::None {
            client_id: "a".to_owned(),
        };
        assert_eq!(
            public.form_fields().await.unwrap(),
            [("client_id", "a".into())]
        );
        assert!(public.header().unwrap().is_none());
        let post = ClientAuthentication::Post {
            client_id: "a".to_owned(),
            client_secret: Secret::new("s"),
        };
        assert_eq!(
            post.form_fields().await.unwrap(),
            [("client_id", "a".into()), ("client_secret", "s".into())]
        );
        assert!(!format!("{post:?}").contains("\"s\""));
    }
}
