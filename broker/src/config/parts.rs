//! What the configuration becomes: the values that the parts of the broker are made with.

use broker_client::http::ClientAuthentication;
use broker_client::oauth::Scope;
use broker_client::secret::Secret;

use serde_json::Map;
use url::Url;

use super::{AllowedClient, AuthenticationMethod, Client, Config};
use crate::admin::GroupPolicy;
use crate::crypto::{self, Cipher, WebhookKey};
use crate::domain::{
    self, Catalog, ClientKind, ClientStatus, ConsentPolicy, EmailUids, GrantType, Rate, Timestamp,
    TokenEndpointAuthMethod, UrlClients,
};
use crate::keys::Policy;
use crate::nextcloud::AdminCredentials;
use crate::register::Limits;
use crate::storage;
use crate::token::Lifetimes;
use crate::upstream;
use crate::webhooks::{self, Receiver};

impl Config {
    /// How to open the database.
    #[must_use]
    pub fn storage_options(&self) -> storage::Options {
        storage::Options {
            url: self.database.url.expose().to_owned(),
            synchronous: self.database.synchronous,
            max_connections: self.database.max_connections,
        }
    }

    /// The ring of encryption keys.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        let keys = self.keys.encryption.iter();
        Cipher::new(
            keys.map(|entry| (entry.id.clone(), *entry.key.expose()))
                .collect(),
        )
    }

    /// How signing keys rotate.
    #[must_use]
    pub const fn key_policy(&self) -> Policy {
        Policy::new(self.keys.algorithm, self.keys.rotate_after)
    }

    /// The resources and downstreams.
    #[must_use]
    pub fn catalog(&self) -> Catalog {
        let resources = self.resources.iter().map(|entry| domain::Resource {
            id: entry.id.clone(),
            name: entry.name.clone(),
            aliases: entry.aliases.clone(),
            scopes: entry.scopes.clone(),
            default_scopes: entry.default_scopes.clone(),
            downstreams: entry.downstreams.clone(),
            is_default: entry.default,
        });
        let downstreams = self.downstreams.iter().map(|entry| domain::Downstream {
            name: entry.name.clone(),
            uri: entry.uri.clone(),
            audience: entry.audience.clone(),
            strategy: entry.strategy,
            token_lifetime: entry.token_lifetime,
            exchange_scope: entry.exchange_scope.clone(),
            offline: entry.offline,
            sessions: entry.sessions,
        });
        Catalog::new(resources.collect(), downstreams.collect())
    }

    /// Whose client ids may be URLs.
    #[must_use]
    pub fn url_clients(&self) -> UrlClients {
        let configured = &self.registration;
        UrlClients {
            policy: configured.url_clients,
            allow: configured.url_client_domains_allow.clone(),
            deny: configured.url_client_domains_deny.clone(),
            allows_loopback: configured.danger_url_clients_on_loopback,
            named: configured
                .allowed_clients
                .iter()
                .filter(|entry| entry.is_document())
                .map(|entry| entry.client_id.clone())
                .collect(),
        }
    }

    /// Which consents are remembered.
    #[must_use]
    pub const fn consent_policy(&self) -> ConsentPolicy {
        ConsentPolicy {
            remember: self.consent.remember,
            remembers_native_apps: self.consent.danger_remember_native_apps,
        }
    }

    /// Whether Nextcloud uids may be e-mail addresses.
    #[must_use]
    pub const fn email_uids(&self) -> EmailUids {
        if self.upstream.danger_email_uids {
            EmailUids::Accepted
        } else {
            EmailUids::Refused
        }
    }

    /// How much strangers may register.
    #[must_use]
    pub const fn registration_limits(&self) -> Limits {
        Limits {
            attempts_per_hour: self.registration.attempts_per_hour,
            most_clients: self.registration.most_clients,
        }
    }

    /// How often strangers may ask for pages.
    #[must_use]
    pub const fn page_rate(&self) -> Rate {
        Rate {
            per_address: self.limits.pages_per_minute,
            in_total: self.limits.pages_per_minute_in_total,
        }
    }

    /// How often programs may be refused.
    #[must_use]
    pub const fn refusal_rate(&self) -> Rate {
        Rate {
            per_address: self.limits.refusals_per_minute,
            in_total: self.limits.refusals_per_minute_in_total,
        }
    }

    /// How long refresh tokens and grants live.
    #[must_use]
    pub const fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            refresh_token: self.tokens.refresh_token,
            refresh_token_absolute: self.tokens.refresh_token_absolute,
            refresh_grace: self.tokens.refresh_grace,
        }
    }

    /// The identity provider.
    #[must_use]
    pub fn upstream_config(&self) -> upstream::Config {
        let configured = &self.upstream;
        upstream::Config {
            kind: configured.kind,
            issuer: configured.issuer.clone(),
            authentication: authentication(
                configured.client_authentication,
                &configured.client_id,
                configured.client_secret.as_ref(),
            ),
            scopes: configured.scopes.clone(),
            public_url: configured.public_url.clone(),
            back_channel_url: configured.back_channel_url.clone(),
            send_resource: configured.send_resource,
            audience: configured.audience.clone(),
            authorize_parameters: configured.authorize_parameters.clone(),
            uid_claim: configured.uid_claim.clone(),
        }
    }

    /// The identity provider, as our client for background access sees it.
    #[must_use]
    pub fn offline_upstream_config(&self) -> Option<upstream::Config> {
        let offline = self.upstream.offline.as_ref()?;
        Some(upstream::Config {
            authentication: authentication(
                offline.client_authentication,
                &offline.client_id,
                offline.client_secret.as_ref(),
            ),
            scopes: offline.scopes.clone(),
            authorize_parameters: offline.authorize_parameters.clone(),
            ..self.upstream_config()
        })
    }

    /// The base URL by which the broker itself reaches Nextcloud, if there is one.
    #[must_use]
    pub fn nextcloud_url(&self) -> Option<Url> {
        let named = self.nextcloud.url.clone();
        named.or_else(|| Url::parse(self.downstreams.first()?.uri.as_str()).ok())
    }

    /// How webhooks are kept, taken in and handed on.
    #[must_use]
    pub fn webhook_settings(&self) -> webhooks::Settings {
        let configured = &self.webhooks;
        let receivers = configured.receivers.iter().map(|entry| {
            let keys = entry.secrets.iter().map(WebhookKey::parse);
            let receiver = Receiver {
                url: entry.url.clone(),
                // Those that are none were refused when the configuration was read.
                keys: keys.filter_map(Result::ok).collect(),
            };
            (entry.client_id.clone(), receiver)
        });
        webhooks::Settings {
            callback_url: match &configured.callback_url {
                Some(url) => url.to_string(),
                None => format!("{}/webhooks/nextcloud", self.server.issuer),
            },
            receivers: receivers.collect(),
            queue: configured.queue.into(),
            attempts: configured.attempts,
            retry_after: configured.retry_after,
        }
    }

    /// The administrator of Nextcloud.
    #[must_use]
    pub fn nextcloud_admin(&self) -> Option<AdminCredentials> {
        Some(AdminCredentials {
            user: self.nextcloud.admin_user.clone()?,
            password: self.nextcloud.admin_password.clone()?,
        })
    }

    /// Which groups of the identity provider administer.
    #[must_use]
    pub fn admin_groups(&self) -> Option<GroupPolicy> {
        let audience = self.admin.audience.clone()?;
        Some(GroupPolicy {
            audience,
            claim: self.admin.group_claim.clone(),
            read: self.admin.read_groups.clone(),
            write: self.admin.write_groups.clone(),
        })
    }

    /// The configured clients, as they are registered at `now`.
    #[must_use]
    pub fn registered_clients(&self, now: Timestamp) -> Vec<domain::Client> {
        let mut clients: Vec<_> = self
            .clients
            .iter()
            .map(|client| client.registered(now))
            .collect();
        let listed = clients.len();
        for entry in &self.registration.allowed_clients {
            if entry.is_document() {
                continue;
            }
            let mut allowed = clients.iter_mut().skip(listed);
            match allowed.find(|client| client.id == entry.client_id) {
                Some(client) => client.redirect_uris.extend(entry.redirect_uris()),
                None => clients.push(Client::from(entry).registered(now)),
            }
        }
        clients
    }
}

/// How a client of ours proves itself at the identity provider.
fn authentication(
    method: AuthenticationMethod,
    client_id: &str,
    client_secret: Option<&Secret>,
) -> ClientAuthentication {
    let client_id = client_id.to_owned();
    let client_secret = client_secret.cloned().unwrap_or_else(|| Secret::new(""));
    match method {
        AuthenticationMethod::ClientSecretBasic => ClientAuthentication::Basic {
            client_id,
            client_secret,
        },
        AuthenticationMethod::ClientSecretPost => ClientAuthentication::Post {
            client_id,
            client_secret,
        },
        AuthenticationMethod::None => ClientAuthentication::None { client_id },
    }
}

impl From<&AllowedClient> for Client {
    /// A public client that logs users in, and nothing else.
    fn from(entry: &AllowedClient) -> Self {
        Self {
            client_id: entry.client_id.clone(),
            client_secret: None,
            jwks: None,
            keys: Map::new(),
            service_account: None,
            own_scopes: Vec::new(),
            name: None,
            redirect_uris: entry.redirect_uris(),
            serves: Vec::new(),
            exchange: Vec::new(),
            background: false,
        }
    }
}

impl Client {
    fn registered(&self, now: Timestamp) -> domain::Client {
        let mut grant_types = Vec::new();
        if !self.redirect_uris.is_empty() {
            grant_types.extend([GrantType::AuthorizationCode, GrantType::RefreshToken]);
        }
        if !self.exchange.is_empty() {
            grant_types.push(GrantType::TokenExchange);
        }
        if !self.own_scopes.is_empty() {
            grant_types.push(GrantType::ClientCredentials);
        }
        let secret = self.client_secret.as_ref();
        domain::Client {
            id: self.client_id.clone(),
            kind: ClientKind::Preregistered,
            status: ClientStatus::Approved,
            name: self.name.clone(),
            redirect_uris: self.redirect_uris.clone(),
            grant_types,
            auth_method: self.auth_method(),
            secrets: secret
                .map(|secret| crypto::hash(secret.expose()).into())
                .into_iter()
                .collect(),
            scope: Scope::from_tokens(&self.own_scopes)
                .ok()
                .filter(|scope| !scope.is_empty()),
            serves: self.serves.clone(),
            exchange: self.exchange.clone(),
            background: self.background,
            metadata: self.keys.clone(),
            registration_token: None,
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    fn auth_method(&self) -> TokenEndpointAuthMethod {
        if self.client_secret.is_some() {
            TokenEndpointAuthMethod::ClientSecretBasic
        } else if self.jwks.is_some() {
            TokenEndpointAuthMethod::PrivateKeyJwt
        } else if self.service_account.is_some() {
            TokenEndpointAuthMethod::ServiceAccountJwt
        } else {
            TokenEndpointAuthMethod::None
        }
    }
}
