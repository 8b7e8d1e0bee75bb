//! `/oauth/userinfo` (OIDC Core §5.3): whom an access token acts for.
//!
//! Any access token of a live session will do, whichever resource it is for: there is none for this
//! endpoint alone. So the answer holds no more than what the resource learns anyway: our name for the
//! user, his name, and the name of his Nextcloud account. No e-mail address.

use std::sync::Arc;

use broker_client::oauth::OAuthError;
use broker_client::verify::VerifyError;
use serde::Serialize;

use super::AccessTokens;
use crate::clients::Clients;
use crate::domain::{ClientId, GrantId, Subject};
use crate::live::Live;
use crate::storage::Store;

/// The userinfo endpoint: what it needs.
pub struct UserInfoEndpoint {
    /// Users.
    pub store: Store,
    /// Ended grants, in memory.
    pub live: Live,
    /// Whether the token's client may still be used.
    pub clients: Clients,
    /// Verifies our own access tokens.
    pub verifier: Arc<AccessTokens>,
}

/// Claims about a user (OIDC Core §5.1).
#[derive(Debug, Serialize)]
pub struct UserInfo {
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The Nextcloud uid.
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
}

impl UserInfoEndpoint {
    /// Says whom the access token acts for.
    ///
    /// # Errors
    /// `invalid_token` when the token is not good (any more) or acts for no user;
    /// `temporarily_unavailable` when this replica cannot know.
    pub async fn user_info(&self, token: &str) -> Result<UserInfo, OAuthError> {
        let claims = self.verifier.verify(token).await.map_err(|error| {
            if matches!(error, VerifyError::Keys(_)) {
                return OAuthError::server_error("The broker could not read its keys.")
                    .because(error);
            }
            OAuthError::invalid_token(error.description()).because(error)
        })?;
        let nobody = || OAuthError::invalid_token("The token acts for no user.");
        let sid = claims.sid.as_deref().ok_or_else(nobody)?;
        let grant = GrantId::parse(sid).map_err(|_| nobody())?;
        let sub = Subject::parse(claims.sub.as_str()).map_err(|_| nobody())?;
        let client_id = ClientId::parse(claims.client_id.as_str()).map_err(|_| nobody())?;
        let ended = self.live.is_ended(&grant).map_err(|error| {
            OAuthError::temporarily_unavailable(
                "The broker cannot tell whether the session was ended. Try again in a moment.",
            )
            .because(error)
        })?;
        let client = self.clients.known(&client_id).await?;
        let is_usable = client.is_some_and(|client| self.clients.admit(&client).is_ok());
        if ended || !is_usable {
            return Err(OAuthError::invalid_token(
                "The session has ended. Log in again.",
            ));
        }
        let user = self.store.user(&sub).await?.ok_or_else(nobody)?;
        Ok(UserInfo {
            sub: user.sub.to_string(),
            name: user.name,
            preferred_username: user.nextcloud_uid,
        })
    }
}
