//! [`ClientAuthentication`]: how a client proves who it is (RFC 6749 §2.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use url::form_urlencoded;

use super::HttpError;
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
}

impl ClientAuthentication {
    /// The client's id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        match self {
            Self::None { client_id }
            | Self::Basic { client_id, .. }
            | Self::Post { client_id, .. } => client_id,
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
    pub(super) fn form_fields(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::None { client_id } => vec![("client_id", client_id)],
            Self::Basic { .. } => Vec::new(),
            Self::Post {
                client_id,
                client_secret,
            } => {
                vec![
                    ("client_id", client_id),
                    ("client_secret", client_secret.expose()),
                ]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_encoded_first() {
        let authentication = ClientAuthentication::Basic {
            client_id: "a:b".to_owned(),
            client_secret: Secret::new("p+s w%"),
        };
        let header = authentication.header().unwrap().unwrap();
        let encoded = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap(), b"a%3Ab:p%2Bs+w%25");
        assert!(header.is_sensitive());
        assert!(authentication.form_fields().is_empty());
    }

    #[test]
    fn the_other_methods_use_the_form() {
        let public = ClientAuthentication::None {
            client_id: "a".to_owned(),
        };
        assert_eq!(public.form_fields(), [("client_id", "a")]);
        assert!(public.header().unwrap().is_none());
        let post = ClientAuthentication::Post {
            client_id: "a".to_owned(),
            client_secret: Secret::new("s"),
        };
        assert_eq!(
            post.form_fields(),
            [("client_id", "a"), ("client_secret", "s")]
        );
        assert!(!format!("{post:?}").contains("\"s\""));
    }
}
