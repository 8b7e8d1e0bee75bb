//! The identity provider (IdP) that knows the user; towards it the broker is an OpenID client.
//!
//! Owns what is said to the IdP and what is believed of its answers:
//!
//! - `discovery`: where its endpoints are;
//! - `login`: the URL that the browser is sent to;
//! - `tokens`: the code it sends back, redeemed, and tokens renewed and revoked;
//! - `id_token`: who the user is;
//! - `logout_token`: who is logged out there;
//! - `access_token`: who an administrator with a token of the IdP is.
//!
//! It keeps no login state. `state`, nonce and PKCE verifier are the caller's ([`crate::authorize`]).

mod access_token;
mod discovery;
mod id_token;
mod login;
mod logout_token;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use broker_client::discovery::Discovery;
use broker_client::http::{ClientAuthentication, HttpClient};
use broker_client::keys::RemoteKeySet;
use broker_client::oauth::Scope;
use broker_client::verify::VerifyError;
use url::Url;

pub use discovery::DiscoveryError;
pub use id_token::IdTokenError;
pub use login::{Login, ProtocolParameter, check_parameters};
pub use logout_token::{LogoutToken, LogoutTokenError};
pub use tokens::{Revocation, TokenError, TokenSet};

use crate::ambient::Ambient;
use crate::crypto;
use crate::domain::{Timestamp, User};
use crate::metrics::Metrics;
use discovery::Endpoints;
use tokens::TokenResponse;

/// How long it is remembered whose a session at the IdP is, after its last login here.
pub const SESSION_MEMORY: Duration = Duration::from_hours(90 * 24);

/// What kind of provider it is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Any OpenID provider.
    #[default]
    Oidc,
    /// Nextcloud's app `oidc`: an OpenID provider with habits of its own, see the configuration.
    NextcloudOidc,
    /// Nextcloud's bundled app `oauth2`: no metadata, no PKCE, no scopes, no ID token; the token
    /// response says who logged in.
    NextcloudOauth2,
}

/// What the operator says about the IdP.
pub struct Config {
    /// What kind of provider it is.
    pub kind: Kind,
    /// The issuer, byte for byte as in its metadata and its `id_token`s; for the bundled `oauth2`
    /// app, which has neither, the base URL of the Nextcloud.
    pub issuer: String,
    /// Our client id there, and how we prove it at the token endpoint.
    pub authentication: ClientAuthentication,
    /// The scopes we ask for; `openid` is always added.
    pub scopes: Scope,
    /// The base the browser uses in place of the issuer's (the broker sits inside, the user outside).
    pub public_url: Option<Url>,
    /// The base the broker uses in place of the issuer's.
    pub back_channel_url: Option<Url>,
    /// Whether to name the resource in the login request (RFC 8707). Some providers refuse it.
    pub send_resource: bool,
    /// An `audience` for the login request, which some providers want.
    pub audience: Option<String>,
    /// More parameters for the login request, such as `prompt`. Never one of the protocol's own.
    pub authorize_parameters: Vec<(String, String)>,
    /// The `id_token` claim that holds the exact Nextcloud uid.
    pub uid_claim: String,
}

/// A configuration that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// The issuer is not an http(s) URL without query and fragment (OpenID Connect Discovery §3).
    #[error("the upstream issuer must be an http or https URL without query and fragment")]
    Issuer,
    /// An extra parameter would replace one of the protocol's own.
    #[error(transparent)]
    Parameter(#[from] ProtocolParameter),
}

/// Who the IdP says logged in.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// `iss` of the `id_token`.
    pub issuer: String,
    /// `sub` of the `id_token`.
    pub subject: String,
    /// The Nextcloud uid: the configured claim's exact text. Without it the login works, but no
    /// Nextcloud token can be minted for this user.
    pub nextcloud_uid: Option<String>,
    /// A name for people.
    pub name: Option<String>,
    /// `sid` of the `id_token`: the session at the IdP, which a logout token may name.
    pub session: Option<String>,
}

impl Identity {
    /// The user who logs in with it at `now`; `created_at` counts when he is new.
    #[must_use]
    pub fn into_user(self, now: Timestamp) -> User {
        User {
            sub: crypto::subject_for(&self.issuer, &self.subject),
            upstream_issuer: self.issuer,
            upstream_subject: self.subject,
            nextcloud_uid: self.nextcloud_uid,
            name: self.name,
            created_at: now,
            last_login_at: now,
        }
    }
}

/// A login at the IdP: who it was, and what the IdP gave us to act for him.
pub struct Identified {
    /// The user.
    pub identity: Identity,
    /// The tokens of this login, if any came.
    pub tokens: Option<TokenSet>,
}

/// The identity provider. One value serves all requests.
pub struct Upstream {
    config: Config,
    redirect_uri: String,
    http: HttpClient,
    ambient: Ambient,
    endpoints: Endpoints,
    keys: RemoteKeySet,
    metrics: Metrics,
}

impl Upstream {
    /// An upstream as configured; `redirect_uri` is our callback, as registered there. Asks the
    /// IdP nothing yet: the broker starts while the IdP is down.
    ///
    /// # Errors
    /// See [`InvalidConfig`].
    pub fn new(
        config: Config,
        redirect_uri: String,
        http: HttpClient,
        ambient: Ambient,
        metrics: Metrics,
    ) -> Result<Self, InvalidConfig> {
        let issuer = Url::parse(&config.issuer).map_err(|_| InvalidConfig::Issuer)?;
        if !matches!(issuer.scheme(), "http" | "https")
            || issuer.query().is_some()
            || issuer.fragment().is_some()
        {
            return Err(InvalidConfig::Issuer);
        }
        check_parameters(&config.authorize_parameters)?;
        let discovery = Arc::new(Discovery::new(
            http.clone(),
            config.issuer.clone(),
            config.back_channel_url.clone(),
            Arc::clone(&ambient.clock),
        ));
        let keys = RemoteKeySet::from_discovery(
            http.clone(),
            Arc::clone(&discovery),
            Arc::clone(&ambient.clock),
        );
        let endpoints = Endpoints::new(
            config.kind,
            discovery,
            issuer,
            config.public_url.clone(),
            config.back_channel_url.clone(),
        );
        Ok(Self {
            config,
            redirect_uri,
            http,
            ambient,
            endpoints,
            keys,
            metrics,
        })
    }

    /// The host the user will be asked to log in at, for the consent page.
    #[must_use]
    pub fn display_host(&self) -> String {
        self.endpoints
            .public_base()
            .host_str()
            .unwrap_or(&self.config.issuer)
            .to_owned()
    }

    /// Whether the IdP's metadata can be had, or the Nextcloud is up: what the readiness check
    /// reports.
    ///
    /// # Errors
    /// See [`DiscoveryError`].
    pub async fn check(&self) -> Result<(), DiscoveryError> {
        if self.config.kind != Kind::NextcloudOauth2 {
            return self.endpoints.announces_iss().await.map(|_| ());
        }
        let answer = self
            .http
            .get(&self.endpoints.status(), http::HeaderMap::new())
            .await
            .map_err(DiscoveryError::Status)?;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(DiscoveryError::Down(answer.status))
        }
    }

    /// Checks the `iss` of an authorization response against mix-up (RFC 9207 §2.4): it must be our
    /// IdP's, and must not be missing when the IdP announces it.
    ///
    /// # Errors
    /// [`CallbackError::Issuer`] when the response is not our IdP's; [`CallbackError::Discovery`]
    /// when the IdP's announcement cannot be read.
    pub async fn check_issuer(&self, iss: Option<&str>) -> Result<(), CallbackError> {
        match iss {
            Some(iss) if iss == self.config.issuer => Ok(()),
            Some(_) => Err(CallbackError::Issuer),
            None if self.endpoints.announces_iss().await? => Err(CallbackError::Issuer),
            None => Ok(()),
        }
    }

    /// Redeems the IdP's `code` and reads who logged in from the `id_token`.
    ///
    /// # Errors
    /// See [`IdentifyError`]; [`IdentifyError::advice`] says what to do.
    pub async fn identify(
        &self,
        code: &str,
        code_verifier: &str,
        nonce: &str,
    ) -> Result<Identified, IdentifyError> {
        let response = self.redeem(code, code_verifier).await?;
        if self.config.kind == Kind::NextcloudOauth2 {
            return Ok(self.named_by(&response)?);
        }
        let id_token = response
            .id_token
            .as_ref()
            .ok_or(TokenError::Response("no id_token"))?;
        Ok(Identified {
            identity: self.verify(id_token, nonce).await?,
            tokens: response.tokens(),
        })
    }

    /// Who logged in, as the token response itself says, which came straight from the Nextcloud.
    fn named_by(&self, response: &TokenResponse) -> Result<Identified, TokenError> {
        let uid = response
            .user_id
            .as_ref()
            .filter(|uid| (1..=255).contains(&uid.len()))
            .ok_or(TokenError::Response("no user_id"))?;
        Ok(Identified {
            identity: Identity {
                issuer: self.config.issuer.clone(),
                subject: uid.clone(),
                nextcloud_uid: Some(uid.clone()),
                name: Some(uid.clone()),
                session: None,
            },
            tokens: response.tokens(),
        })
    }

    /// The issuer that its tokens name.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }
}

/// Why an authorization response is not believed.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// It comes from another issuer, or does not say from whom.
    #[error("the authorization response is not from the configured identity provider")]
    Issuer,
    /// Our IdP's metadata cannot be read.
    #[error("the identity provider's metadata cannot be read")]
    Discovery(#[from] DiscoveryError),
}

/// Why a login could not be completed.
#[derive(Debug, thiserror::Error)]
pub enum IdentifyError {
    /// The code was not exchanged.
    #[error("the identity provider did not exchange its code")]
    Redeem(#[from] TokenError),
    /// The `id_token` is not believed.
    #[error("the identity provider's id_token is not acceptable")]
    IdToken(#[from] IdTokenError),
}

/// What can be done about an [`IdentifyError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// The IdP is not well; the same or a new login works later.
    TryAgain,
    /// The IdP's code is spent or too old; a new login works now.
    LoginAgain,
    /// Configuration or forgery; trying again does not help.
    GiveUp,
}

impl IdentifyError {
    /// What can be done about it.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::Redeem(error) if error.is_transient() => Advice::TryAgain,
            // A key of the last minute is not asked for before the minute is over.
            Self::IdToken(IdTokenError::Verify(VerifyError::Keys(_) | VerifyError::UnknownKey)) => {
                Advice::TryAgain
            }
            Self::Redeem(TokenError::Grant) => Advice::LoginAgain,
            Self::Redeem(_) | Self::IdToken(_) => Advice::GiveUp,
        }
    }

    /// A word for the audit.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Redeem(error) => error.reason(),
            Self::IdToken(error) => error.reason(),
        }
    }
}
