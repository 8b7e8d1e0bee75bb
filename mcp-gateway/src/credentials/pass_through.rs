//! `danger_pass_through`: the caller's own token is forwarded to Nextcloud.
//!
//! The token was verified before; here it must carry Nextcloud's audience too, so that a token
//! meant for this server alone never leaves it. What is dangerous: the token lives as long as it
//! lives, and with it whoever reads Nextcloud's traffic could call this server as the user.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Call, Caller, CredentialSource};
use crate::nextcloud::{Authorization, Client, NoAccess, Transport};

const NOT_MEANT_FOR_NEXTCLOUD: &str = "The access token is not meant for Nextcloud, so it was not \
    forwarded. The user has to sign in with a client that asks for both servers.";

/// The source that answers with the caller's own token.
pub struct PassThrough {
    transport: Arc<Transport>,
    audience: String,
}

impl PassThrough {
    /// Forwards tokens that also carry `audience`.
    #[must_use]
    pub fn new(transport: Arc<Transport>, audience: String) -> Self {
        Self {
            transport,
            audience,
        }
    }
}

#[async_trait]
impl CredentialSource for PassThrough {
    async fn client_for(&self, call: &Call) -> Result<Client, NoAccess> {
        let refuse = |cause: &'static str| NoAccess {
            sentence: NOT_MEANT_FOR_NEXTCLOUD,
            source: cause.into(),
        };
        let Caller::Token(caller) = &call.caller else {
            return Err(refuse("no token"));
        };
        let claims = caller.claims();
        if !claims.aud.contains(&self.audience) {
            return Err(refuse("the token lacks the audience of Nextcloud"));
        }
        let authorization = Authorization::bearer(caller.subject_token().expose())
            .ok_or_else(|| refuse("the token has characters that no header may have"))?;
        let account = format!("{} {}", claims.iss, claims.sub);
        // No renewal: there is no fresher token than the one the caller sent.
        Ok(Client::new(
            Arc::clone(&self.transport),
            account,
            authorization,
            None,
        ))
    }
}
