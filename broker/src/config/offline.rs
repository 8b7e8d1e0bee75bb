//! `[upstream.offline]`: our client at the identity provider for background access.

use broker_client::oauth::Scope;
use broker_client::secret::Secret;

use super::AuthenticationMethod;
use super::read::Section;
use crate::upstream::Kind;

/// `[upstream.offline]`: a client of its own at the provider, by which users let background jobs act for
/// them (Flow 2). Issuer, addresses and kind are those of `[upstream]`.
///
/// Default: none. `BROKER__UPSTREAM__OFFLINE__CLIENT_ID` and the others. Needed where a downstream has
/// `offline = true` and another strategy than `mint`, together with `keys.encryption`.
#[derive(Debug, Clone)]
pub struct OfflineClient {
    /// Its client id there, not that of `[upstream]`. Register
    /// `<server.issuer>/oauth/callback-nextcloud` as its redirect URI. Required.
    pub client_id: String,
    /// Its secret. Required unless `client_authentication` is `none`.
    pub client_secret: Option<Secret>,
    /// How it proves who it is. Default: as in `[upstream]`.
    pub client_authentication: AuthenticationMethod,
    /// The scopes we ask for: `openid` and `offline_access` by default; with `nextcloud_oauth2` there
    /// are none. Add what the downstream's API wants.
    pub scopes: Scope,
    /// More parameters for the login request; `{ prompt = "consent" }` by default with `oidc`, because
    /// OpenID Connect asks for it with `offline_access`. Some providers want
    /// `{ access_type = "offline" }` instead of the scope.
    pub authorize_parameters: Vec<(String, String)>,
}

impl OfflineClient {
    pub(super) fn read(
        mut section: Section<'_>,
        kind: Kind,
        usual: AuthenticationMethod,
    ) -> Option<Self> {
        let client_id = section.required(
            "client_id",
            "the id of the broker's client for background access at the provider",
        );
        let client_secret = section.optional("client_secret");
        let client_authentication = section.or("client_authentication", usual);
        let usual_scopes: &[&str] = match kind {
            Kind::Oidc | Kind::NextcloudOidc => &["openid", "offline_access"],
            Kind::NextcloudOauth2 => &[],
        };
        let scopes = super::upstream::scopes(&mut section, kind, usual_scopes);
        let says_how = section.has("authorize_parameters");
        let mut authorize_parameters = section.map("authorize_parameters");
        if !says_how && kind == Kind::Oidc {
            // OIDC Core §11: without it the provider must ignore offline_access.
            authorize_parameters.push(("prompt".to_owned(), "consent".to_owned()));
        }
        section.finish();
        Some(Self {
            client_id: client_id?,
            client_secret,
            client_authentication,
            scopes,
            authorize_parameters,
        })
    }
}
