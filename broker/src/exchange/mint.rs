//! Strategy `mint`: the broker signs a token that the downstream accepts, because the broker is
//! registered there as an identity provider (Nextcloud: app `user_oidc` with bearer check).

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker_client::oauth::{OAuthError, Scope};
use broker_client::secret::Secret;
use serde::Serialize;

use super::uids::UidError;
use super::{Exchange, ExchangeStrategy, IssuedToken, Order, Uids};
use crate::ambient::Ambient;
use crate::domain::Timestamp;
use crate::keys::Keyring;

/// The longest life of a minted token, whatever the configuration says.
const LONGEST_LIFE: Duration = Duration::from_mins(1);

/// Signs tokens itself.
pub struct Mint {
    /// Our issuer identifier, under which the downstream knows us.
    pub issuer: String,
    /// The configured claim that carries the uid, to name it when it is missing.
    pub uid_claim: String,
    /// What signs.
    pub keyring: Keyring,
    /// Who the user is at the downstream.
    pub uids: Uids,
    /// Randomness for token ids.
    pub ambient: Ambient,
}

/// What `user_oidc` looks at (`iss`, `sub`, `aud`, `iat`, `exp`) and what people look for.
#[derive(Serialize)]
struct MintedClaims<'a> {
    iss: &'a str,
    /// The uid at the downstream, not our `sub`.
    sub: &'a str,
    aud: &'a str,
    /// RFC 8693 §4.3: the client that asked.
    client_id: &'a str,
    /// RFC 8693 §4.1: the client that acts for the user.
    act: Actor<'a>,
    #[serde(skip_serializing_if = "Scope::is_empty")]
    scope: &'a Scope,
    iat: i64,
    exp: i64,
    jti: String,
}

#[derive(Serialize)]
struct Actor<'a> {
    sub: &'a str,
}

#[async_trait]
impl ExchangeStrategy for Mint {
    async fn exchange(&self, exchange: &Exchange<'_>) -> Result<IssuedToken, OAuthError> {
        self.sign(&Order::from(exchange)).await
    }
}

impl Mint {
    /// Signs the token.
    pub(super) async fn sign(&self, order: &Order<'_>) -> Result<IssuedToken, OAuthError> {
        let iat = order.now.as_secs();
        let longest = order.downstream.token_lifetime.min(LONGEST_LIFE);
        let exp = order.now.plus(longest).min(order.not_after).as_secs();
        let lifetime = order.lifetime(Timestamp::from_millis(exp.saturating_mul(1000)))?;
        let uid = self.uids.uid(order.sub).await.map_err(|error| {
            match error.as_ref() {
                UidError::Missing => OAuthError::invalid_request(format!(
                    "The user has no Nextcloud account name: the identity provider did not give \
                     the claim {} at the last login.",
                    self.uid_claim
                )),
                UidError::Unsafe(problem) => OAuthError::invalid_request(format!(
                    "The claim {} does not hold a usable Nextcloud account name: {problem}.",
                    self.uid_claim
                )),
                UidError::Twin => OAuthError::invalid_request(format!(
                    "The claim {} holds another user's Nextcloud account name in other upper and \
                     lower case, which is the same account to Nextcloud.",
                    self.uid_claim
                )),
                UidError::AccountEnded => OAuthError::invalid_request(
                    "The user's Nextcloud account is disabled or gone. The user has to log in again.",
                ),
                UidError::Store(_) => OAuthError::server_error(
                    "The broker could not reach its database. Try again in a moment.",
                ),
            }
            .because(error)
        })?;
        let claims = MintedClaims {
            iss: &self.issuer,
            sub: &uid,
            aud: &order.downstream.audience,
            client_id: order.client_id.as_str(),
            act: Actor {
                sub: order.client_id.as_str(),
            },
            scope: order.scope,
            iat,
            exp,
            jti: URL_SAFE_NO_PAD.encode(self.ambient.random::<16>()),
        };
        // `JWT`, not `at+jwt`: so that it never passes for an access token of an MCP server.
        let token = self.keyring.sign("JWT", &claims).map_err(|error| {
            OAuthError::server_error("The broker could not sign the token.").because(error)
        })?;
        Ok(IssuedToken {
            token: Secret::from(token),
            lifetime,
            scope: order.scope.clone(),
        })
    }
}
