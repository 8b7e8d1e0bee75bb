//! `[upstream]`: the identity provider where users log in, and its quirks.

use broker_client::oauth::Scope;
use broker_client::secret::Secret;
use url::Url;

use super::OfflineClient;
use super::read::Section;
use crate::upstream::Kind;

/// `[upstream]`.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// What the provider is: `oidc` (any OpenID provider), `nextcloud_oidc` (Nextcloud's app
    /// `oidc`) or `nextcloud_oauth2` (the app `oauth2` that every Nextcloud has; with strategy
    /// `session` nothing else is needed).
    ///
    /// Default `oidc`. `BROKER__UPSTREAM__KIND`.
    pub kind: Kind,
    /// The provider's issuer, exactly as its discovery document spells it; with `nextcloud_oauth2`
    /// the base URL of the Nextcloud.
    ///
    /// Required. `BROKER__UPSTREAM__ISSUER`. Users are told apart by it: a change makes them new
    /// users.
    pub issuer: String,
    /// Our client id there. Register `<server.issuer>/oauth/callback` as its redirect URI.
    ///
    /// Required. `BROKER__UPSTREAM__CLIENT_ID`.
    pub client_id: String,
    /// Our client secret there.
    ///
    /// Required unless `client_authentication` is `none`. `BROKER__UPSTREAM__CLIENT_SECRET`.
    pub client_secret: Option<Secret>,
    /// How we prove who we are at the provider's token endpoint: `client_secret_basic`,
    /// `client_secret_post` or `none`.
    ///
    /// Default `client_secret_basic`, at a Nextcloud `client_secret_post`.
    /// `BROKER__UPSTREAM__CLIENT_AUTHENTICATION`. Change it when the provider answers
    /// `invalid_client` although the secret is right.
    pub client_authentication: AuthenticationMethod,
    /// The scopes we ask for.
    ///
    /// Default `["openid", "profile", "email"]`, with `nextcloud_oidc` also `offline_access`; with
    /// `nextcloud_oauth2` there are none. `BROKER__UPSTREAM__SCOPES`. Add what brings the claim of
    /// `uid_claim`, and with strategy `session` what brings a refresh token, mostly
    /// `offline_access`.
    pub scopes: Scope,
    /// The base URL that browsers use in place of the issuer's.
    ///
    /// Default: the issuer's. `BROKER__UPSTREAM__PUBLIC_URL`. Set it where the discovery document
    /// names an internal address.
    pub public_url: Option<Url>,
    /// The base URL that the broker itself uses in place of the issuer's.
    ///
    /// Default: the issuer's. `BROKER__UPSTREAM__BACK_CHANNEL_URL`. Set it where the public
    /// address cannot be reached from inside.
    pub back_channel_url: Option<Url>,
    /// Whether the login request names the resource (RFC 8707).
    ///
    /// Default `false`. `BROKER__UPSTREAM__SEND_RESOURCE`. Set it where the provider wants it;
    /// some refuse the whole request over it.
    pub send_resource: bool,
    /// An `audience` for the login request.
    ///
    /// Default: none. `BROKER__UPSTREAM__AUDIENCE`. Set it where the provider issues no JWT
    /// without one.
    pub audience: Option<String>,
    /// More parameters for the login request, such as `{ prompt = "login" }`. None of the
    /// protocol's own.
    ///
    /// Default: none. `BROKER__UPSTREAM__AUTHORIZE_PARAMETERS`.
    pub authorize_parameters: Vec<(String, String)>,
    /// The claim of the ID token that holds the exact Nextcloud user id; `nextcloud_oauth2` says it
    /// by itself.
    ///
    /// Default `sub`. `BROKER__UPSTREAM__UID_CLAIM`. Set it to `preferred_username`, or a claim of
    /// your own, where the provider's `sub` is not the Nextcloud user id.
    pub uid_claim: String,
    /// Whether the uid may have the form of an e-mail address.
    ///
    /// Default `false`. `BROKER__UPSTREAM__DANGER_EMAIL_UIDS`. Nextcloud takes an address that is
    /// nobody's user id for whoever has that address. Only where user ids are addresses, and nobody
    /// can give himself another's at the provider.
    pub danger_email_uids: bool,
    /// The broker's client at the provider for background access: a table of its own with `client_id`,
    /// `client_secret`, `client_authentication`, `scopes` and `authorize_parameters`.
    ///
    /// Default: none. `BROKER__UPSTREAM__OFFLINE__CLIENT_ID` and so on. Needed where a downstream has
    /// `offline = true` and another strategy than `mint`.
    pub offline: Option<OfflineClient>,
}

/// How we prove who we are at the provider's token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthenticationMethod {
    /// In the `Authorization` header (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// In the form (RFC 6749 §2.3.1).
    ClientSecretPost,
    /// Not at all: a public client.
    None,
}

impl Upstream {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let kind = section.or("kind", Kind::Oidc);
        let issuer = section.required("issuer", "the identity provider's issuer URL");
        let client_id = section.required("client_id", "the broker's client id at the provider");
        let client_secret = section.optional("client_secret");
        let client_authentication = section.or(
            "client_authentication",
            match kind {
                Kind::Oidc => AuthenticationMethod::ClientSecretBasic,
                Kind::NextcloudOidc | Kind::NextcloudOauth2 => {
                    AuthenticationMethod::ClientSecretPost
                }
            },
        );
        let usual: &[&str] = match kind {
            Kind::Oidc => &["openid", "profile", "email"],
            // Without it there is no refresh token, and a session lasts for a quarter of an hour.
            Kind::NextcloudOidc => &["openid", "profile", "email", "offline_access"],
            Kind::NextcloudOauth2 => &[],
        };
        let scopes = scopes(&mut section, kind, usual);
        let public_url = section.optional("public_url");
        let back_channel_url = section.optional("back_channel_url");
        let send_resource = section.or("send_resource", false);
        let audience = section.optional("audience");
        let authorize_parameters = section.map("authorize_parameters");
        let uid_claim = section.or("uid_claim", "sub".to_owned());
        let danger_email_uids = section.or("danger_email_uids", false);
        let has_offline = section.has("offline");
        let offline = section.section("offline");
        let offline =
            has_offline.then(|| OfflineClient::read(offline, kind, client_authentication));
        section.finish();
        Some(Self {
            kind,
            issuer: issuer?,
            client_id: client_id?,
            client_secret,
            client_authentication,
            scopes,
            public_url,
            back_channel_url,
            send_resource,
            audience,
            authorize_parameters,
            uid_claim,
            danger_email_uids,
            offline: match offline {
                Some(offline) => Some(offline?),
                None => None,
            },
        })
    }
}

/// The scopes of a client, `usual` where none are written.
pub(super) fn scopes(section: &mut Section<'_>, kind: Kind, usual: &[&str]) -> Scope {
    let written: Vec<String> = section.list("scopes");
    let tokens = if written.is_empty() {
        usual.iter().copied().map(str::to_owned).collect()
    } else {
        written
    };
    if kind == Kind::NextcloudOauth2 && !tokens.is_empty() {
        section.problem(
            "scopes",
            "Nextcloud's app oauth2 knows no scopes: leave the key out",
        );
    }
    Scope::from_tokens(tokens).unwrap_or_else(|error| {
        section.problem("scopes", error.to_string());
        Scope::new()
    })
}
