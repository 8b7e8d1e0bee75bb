//! `[[clients]]`: clients that need no registration.

use broker_client::keys::KeyAccess;
use broker_client::oauth::Scope;
use broker_client::secret::Secret;
use serde_json::{Map, Value};

use super::jwks::{FilePath, Jwks};
use super::read::Section;
use crate::domain::{ClientId, DownstreamName, RedirectUri, ResourceUri};

/// An entry of `[[clients]]`: a client that is known from the start, such as the MCP gateway.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its identifier.
    ///
    /// Required. `BROKER__CLIENTS__0__CLIENT_ID`.
    pub client_id: ClientId,
    /// Its secret, at least 16 characters; without one it is a public client.
    ///
    /// Default: none. `BROKER__CLIENTS__0__CLIENT_SECRET`. A client that exchanges tokens needs
    /// one (`openssl rand -base64 32`), or `jwks`, or a
    /// `service_account`.
    pub client_secret: Option<Secret>,
    /// Where its public keys are, a JWK Set: a URL on the public internet, which is fetched when
    /// needed, or `{ file = "…" }`, which is read at the start. It then signs an assertion instead of
    /// sending a secret (`private_key_jwt`).
    ///
    /// Default: none. `BROKER__CLIENTS__0__JWKS`. A URL for a client that changes its keys.
    pub jwks: Option<Jwks>,
    /// Those keys, as RFC 7591 §2 names them; read with `jwks`.
    pub keys: Map<String, Value>,
    /// The Kubernetes service account that it runs as: its projected token, with our issuer as
    /// audience, takes the place of a secret.
    ///
    /// Default: none. `BROKER__CLIENTS__0__SERVICE_ACCOUNT`. The token proves the account until it
    /// expires; let the kubelet make it short (`expirationSeconds = 600`).
    pub service_account: Option<ServiceAccount>,
    /// The scopes that it may ask for itself, without a user (`client_credentials`).
    ///
    /// Default `[]`: it acts for users only. `BROKER__CLIENTS__0__OWN_SCOPES`. For machines whose
    /// tools need no Nextcloud account: such a token opens none.
    pub own_scopes: Vec<String>,
    /// Its name on the consent page and in the audit.
    ///
    /// Default: none. `BROKER__CLIENTS__0__NAME`.
    pub name: Option<String>,
    /// Where logins may return to; none for a client that logs nobody in.
    ///
    /// Default `[]`. `BROKER__CLIENTS__0__REDIRECT_URIS`.
    pub redirect_uris: Vec<RedirectUri>,
    /// The resources that it is the server of, by id: it may exchange tokens that are for them.
    ///
    /// Default `[]`. `BROKER__CLIENTS__0__SERVES`.
    pub serves: Vec<ResourceUri>,
    /// The downstreams that it may ask tokens for, by name.
    ///
    /// Default `[]`. `BROKER__CLIENTS__0__EXCHANGE`.
    pub exchange: Vec<DownstreamName>,
    /// Whether it is a background job, which works while the user is away: it exchanges the offline
    /// grants of users who allowed it, and never a caller's token.
    ///
    /// Default `false`. `BROKER__CLIENTS__0__BACKGROUND`. Such a client has a secret and names
    /// downstreams in `exchange`, or is one of `webhooks.receivers`; it serves no resource and logs
    /// nobody in.
    pub background: bool,
}

/// `service_account` of a client.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    /// The cluster's issuer, the `iss` of its tokens. Required.
    pub issuer: String,
    /// `system:serviceaccount:NAMESPACE:NAME`, the `sub` of its tokens. Required.
    pub subject: String,
    /// The `aud` of its tokens. Default: `server.issuer`.
    pub audience: Option<String>,
    /// The cluster's keys: a URL, or `{ file = "…" }` with the output of
    /// `kubectl get --raw /openid/v1/jwks`, which is read again every ten minutes. Required.
    pub jwks: Jwks,
    /// The files with the token to show at that URL and with the only certificate authorities to
    /// trust there: `jwks_token` and `jwks_ca`, each `{ file = "…" }`. Default: none.
    ///
    /// For the API server's own URL, which answers service accounts only: `/var/run/secrets/…` of
    /// the broker's pod has both. They are read for every request.
    pub access: KeyAccess,
}

impl ServiceAccount {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let issuer = section.required("issuer", "the iss of the cluster's tokens");
        let subject = section.required("subject", "system:serviceaccount:NAMESPACE:NAME");
        let audience = section.optional("audience");
        let jwks = section.required("jwks", "the cluster's keys: a URL, or { file = \"…\" }");
        let access = KeyAccess {
            token: section.optional("jwks_token").map(|FilePath(path)| path),
            roots: section.optional("jwks_ca").map(|FilePath(path)| path),
        };
        if matches!(jwks, Some(Jwks::File(_))) && (access.token.is_some() || access.roots.is_some())
        {
            section.problem("jwks", "is a file: jwks_token and jwks_ca are for a URL");
        }
        section.finish();
        Some(Self {
            issuer: issuer?,
            subject: subject?,
            audience,
            jwks: jwks?,
            access,
        })
    }
}

impl Client {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let client_id = section.required("client_id", "the identifier the client uses");
        let client_secret: Option<Secret> = section.optional("client_secret");
        if let Some(secret) = &client_secret
            && secret.expose().len() < 16
        {
            // It is stored as a plain hash, which only a random secret stands.
            section.problem(
                "client_secret",
                "must be at least 16 random characters: `openssl rand -base64 32`",
            );
        }
        let name = section.optional("name");
        let redirect_uris: Vec<RedirectUri> = section.list("redirect_uris");
        let serves: Vec<ResourceUri> = section.list("serves");
        let exchange: Vec<DownstreamName> = section.list("exchange");
        let background = section.or("background", false);
        if background && !(serves.is_empty() && redirect_uris.is_empty()) {
            section.problem(
                "background",
                "goes with neither serves nor redirect_uris: a background client has no callers",
            );
        }
        let jwks: Option<Jwks> = section.optional("jwks");
        let keys = jwks.as_ref().map_or_else(|| Ok(Map::new()), Jwks::metadata);
        if let Err(hint) = &keys {
            section.problem("jwks", hint.as_str());
        }
        let service_account = if section.has("service_account") {
            ServiceAccount::read(section.section("service_account"))
        } else {
            section.optional::<String>("service_account");
            None
        };
        let own_scopes: Vec<String> = section.list("own_scopes");
        if let Err(error) = Scope::from_tokens(&own_scopes) {
            section.problem("own_scopes", error.to_string());
        }
        let proofs = [
            client_secret.is_some(),
            jwks.is_some(),
            service_account.is_some(),
        ];
        match proofs.into_iter().filter(|is_there| *is_there).count() {
            0 if !exchange.is_empty() || !own_scopes.is_empty() => section.problem(
                "client_secret",
                "is missing: only a client with a secret, with keys (jwks) or with a \
                 service_account may exchange tokens or ask for itself",
            ),
            0 | 1 => {}
            _ => section.problem(
                "client_secret",
                "jwks and service_account exclude each other: a client proves itself in one way",
            ),
        }
        section.finish();
        Some(Self {
            client_id: client_id?,
            client_secret,
            jwks,
            keys: keys.unwrap_or_default(),
            service_account,
            own_scopes,
            name,
            redirect_uris,
            serves,
            exchange,
            background,
        })
    }
}
