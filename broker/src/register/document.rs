//! The body of a registration or an update: client metadata as JSON, and how the client will prove
//! itself.

use broker_client::oauth::OAuthError;
use serde_json::{Map, Value};

use crate::clients::keys::has_keys;
use crate::clients::{ClientMetadata, invalid, object, text};
use crate::domain::TokenEndpointAuthMethod;

/// What a client asks for, as far as we grant it.
pub(super) struct Asked {
    pub(super) metadata: ClientMetadata,
    pub(super) auth_method: TokenEndpointAuthMethod,
    /// The whole document, for members that only an update has.
    pub(super) document: Map<String, Value>,
}

impl Asked {
    /// Reads the body of a request.
    pub(super) fn read(body: &[u8]) -> Result<Self, OAuthError> {
        let document = object(body).map_err(|error| {
            invalid("The body is not a JSON object with client metadata, each named once.")
                .because(error)
        })?;
        let metadata = ClientMetadata::parse(&document)?;
        Ok(Self {
            auth_method: auth_method(&document, &metadata)?,
            metadata,
            document,
        })
    }

    /// Whether the client needs a secret of ours.
    pub(super) fn wants_secret(&self) -> bool {
        self.auth_method.is_shared_secret()
    }
}

fn auth_method(
    document: &Map<String, Value>,
    metadata: &ClientMetadata,
) -> Result<TokenEndpointAuthMethod, OAuthError> {
    // RFC 7591 §2: the default when it is left out.
    let asked = text(document, "token_endpoint_auth_method")?.unwrap_or("client_secret_basic");
    match TokenEndpointAuthMethod::parse(asked) {
        Some(TokenEndpointAuthMethod::PrivateKeyJwt) if !has_keys(&metadata.description) => {
            Err(invalid(
                "token_endpoint_auth_method private_key_jwt needs the keys in jwks or at jwks_uri.",
            ))
        }
        // Whom the platform vouches for is not for strangers to say.
        None | Some(TokenEndpointAuthMethod::ServiceAccountJwt) => Err(invalid(
            "token_endpoint_auth_method must be none, client_secret_basic, client_secret_post or \
             private_key_jwt.",
        )),
        Some(method) => Ok(method),
    }
}
