//! `[[clients]]`: clients that need no registration.

use broker_client::secret::Secret;

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
    /// one: `openssl rand -base64 32`.
    pub client_secret: Option<Secret>,
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
        let redirect_uris = section.list("redirect_uris");
        let serves = section.list("serves");
        let exchange: Vec<DownstreamName> = section.list("exchange");
        if !exchange.is_empty() && client_secret.is_none() {
            section.problem(
                "client_secret",
                "is missing: only a client with a secret may exchange tokens",
            );
        }
        section.finish();
        Some(Self {
            client_id: client_id?,
            client_secret,
            name,
            redirect_uris,
            serves,
            exchange,
        })
    }
}
