//! The public keys of a client that signs, as an administrator enters them: judged as those of a
//! client that registers itself are.

use serde_json::{Map, Value};

use super::AdminError;
use super::body::member;
use crate::clients::keys;
use crate::domain::{Client, TokenEndpointAuthMethod};

/// The members of the metadata that say where a client's keys are (RFC 7591 §2).
const MEMBERS: [&str; 2] = ["jwks", "jwks_uri"];

/// The keys that a body names, as they are kept; empty when it names none.
pub(super) fn entered(
    jwks: Option<Map<String, Value>>,
    jwks_uri: Option<String>,
) -> Result<Map<String, Value>, AdminError> {
    let mut document = Map::new();
    document.insert("jwks".to_owned(), jwks.into());
    document.insert("jwks_uri".to_owned(), jwks_uri.into());
    let mut kept = Map::new();
    keys::keep(&document, &mut kept)
        .map_err(|error| AdminError::Body(error.description().trim_end_matches('.').to_owned()))?;
    Ok(kept)
}

/// The metadata of a client that proves itself by `method` from now on: with the keys that were
/// entered, or else with those that it has, unless a secret takes their place.
///
/// # Errors
/// [`AdminError::Body`] when method and keys do not go together.
pub(super) fn metadata(
    method: TokenEndpointAuthMethod,
    entered: Map<String, Value>,
    client: Option<&Client>,
) -> Result<Map<String, Value>, AdminError> {
    let mut metadata = client.map_or_else(Map::new, |client| client.metadata.clone());
    if !entered.is_empty() || method.is_shared_secret() {
        for name in MEMBERS {
            metadata.remove(name);
        }
    }
    match method {
        TokenEndpointAuthMethod::PrivateKeyJwt => {
            metadata.extend(entered);
            if keys::has_keys(&metadata) {
                Ok(metadata)
            } else {
                Err(member(
                    "jwks",
                    &"or jwks_uri must be there for a client that signs",
                ))
            }
        }
        _ if !entered.is_empty() => Err(member(
            "jwks",
            &"and jwks_uri go with the token_endpoint_auth_method private_key_jwt alone",
        )),
        TokenEndpointAuthMethod::ServiceAccountJwt
            if client.is_none_or(|client| client.auth_method != method) =>
        {
            Err(member(
                "token_endpoint_auth_method",
                &"cannot be service_account_jwt here: which platform to trust is configured",
            ))
        }
        TokenEndpointAuthMethod::None
        | TokenEndpointAuthMethod::ClientSecretBasic
        | TokenEndpointAuthMethod::ClientSecretPost
        | TokenEndpointAuthMethod::ServiceAccountJwt => Ok(metadata),
    }
}
