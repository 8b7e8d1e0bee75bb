//! An OAuth client: who it is, what it may do, and whether an administrator lets it.

use std::iter;

use broker_client::oauth::{Scope, grant_type};
use serde_json::{Map, Value};

use super::{ClientId, DownstreamName, HandleHash, RedirectUri, ResourceUri, Timestamp};

/// A registered client.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Identifier.
    pub id: ClientId,
    /// How it came to be registered.
    pub kind: ClientKind,
    /// The whitelist's word on it.
    pub status: ClientStatus,
    /// The name it gives itself.
    pub name: Option<String>,
    /// Where answers may go.
    pub redirect_uris: Vec<RedirectUri>,
    /// The grants it may use.
    pub grant_types: Vec<GrantType>,
    /// How it proves itself at the token endpoint.
    pub auth_method: TokenEndpointAuthMethod,
    /// Its secrets: none for a public client, two while one is being replaced, the newest first.
    pub secrets: Vec<ClientSecret>,
    /// What it asks for when a request names no scope; a default, never a ceiling (clients register
    /// with their first challenge and step up later). Only what it asks for itself, without a user
    /// (`client_credentials`), it bounds.
    pub scope: Option<Scope>,
    /// The resources it is the server of, so that it may exchange tokens for them.
    pub serves: Vec<ResourceUri>,
    /// The downstreams it may exchange for.
    pub exchange: Vec<DownstreamName>,
    /// Whether it is a background job: it works on offline grants, and never on a caller's token.
    pub background: bool,
    /// The rest of its metadata (RFC 7591 §2): `client_uri`, `logo_uri`, `contacts`, ….
    pub metadata: Map<String, Value>,
    /// SHA-256 of its registration access token (RFC 7592).
    pub registration_token: Option<HandleHash>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed; replicas follow by it.
    pub updated_at: Timestamp,
    /// Counts changes, for `If-Match`.
    pub version: i64,
}

impl Client {
    /// Whether it proves itself, with a secret or a key.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.auth_method != TokenEndpointAuthMethod::None
    }

    /// Whether it may be used now, by its status and the registration policy.
    #[must_use]
    pub fn is_usable(&self, policy: RegistrationPolicy) -> bool {
        match self.status {
            ClientStatus::Approved => true,
            ClientStatus::Blocked => false,
            ClientStatus::Pending => policy == RegistrationPolicy::Open,
        }
    }

    /// What it says of itself, as text: a user who allowed it knew no more. When this changes, he
    /// has allowed another client.
    #[must_use]
    pub fn self_description(&self) -> String {
        let redirect_uris: Vec<&str> = self.redirect_uris.iter().map(RedirectUri::as_str).collect();
        serde_json::json!([
            self.name,
            redirect_uris,
            self.auth_method.as_str(),
            self.metadata,
        ])
        .to_string()
    }

    /// Whether it may use `grant`.
    #[must_use]
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    /// Whether it proves itself with a secret that it shares with us.
    #[must_use]
    pub fn has_shared_secret(&self) -> bool {
        self.auth_method.is_shared_secret()
    }

    /// Replaces its secret: `new` is good from now on, the newest one before it until `until` (or
    /// its own end), and older ones no more. So at most two are good at once.
    pub fn rotate_secret(&mut self, new: HandleHash, until: Timestamp) {
        let former = self.secrets.first().map(|former| ClientSecret {
            hash: former.hash,
            expires_at: Some(former.expires_at.map_or(until, |end| end.min(until))),
        });
        self.secrets = iter::once(ClientSecret::from(new)).chain(former).collect();
    }
}

/// A secret that a client shares with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSecret {
    /// Its SHA-256.
    pub hash: HandleHash,
    /// Until when it is good; `None`: until it is replaced.
    pub expires_at: Option<Timestamp>,
}

impl ClientSecret {
    /// Whether it may be used.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

impl From<HandleHash> for ClientSecret {
    /// A secret that is good until it is replaced.
    fn from(hash: HandleHash) -> Self {
        Self {
            hash,
            expires_at: None,
        }
    }
}

/// When the document of a client whose id is a URL was fetched, and how long it is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientDocument {
    /// When it was last fetched.
    pub fetched_at: Timestamp,
    /// Until when it is used without asking again.
    pub fresh_until: Timestamp,
}

/// How a client came to be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// By configuration or an administrator.
    Preregistered,
    /// By itself (RFC 7591).
    Dynamic,
    /// By a URL that is its identifier (Client ID Metadata Document).
    Url,
}

/// The whitelist's word on a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientStatus {
    /// Registered; whether it may be used is the registration policy's word.
    Pending,
    /// An administrator, or the configuration, allowed it.
    Approved,
    /// Refused everywhere.
    Blocked,
}

/// What becomes of clients that register themselves (contract §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationPolicy {
    /// Usable at once; the user always sees the consent page.
    Open,
    /// Usable once an administrator approves.
    Approval,
    /// Nobody registers himself.
    Closed,
}

/// A grant type that clients may use at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantType {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 8693.
    TokenExchange,
}

/// How a client proves itself at the token endpoint (RFC 7591 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenEndpointAuthMethod {
    /// Public: PKCE only.
    None,
    /// HTTP Basic.
    ClientSecretBasic,
    /// In the form.
    ClientSecretPost,
    /// An assertion that the client signs with a key of its own (RFC 7523 §2.2, OIDC Core §9).
    PrivateKeyJwt,
    /// An assertion that the platform it runs on signs for it: a Kubernetes service-account token.
    ServiceAccountJwt,
}

impl TokenEndpointAuthMethod {
    /// Whether the proof is a secret that the client shares with us.
    #[must_use]
    pub fn is_shared_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

macro_rules! words {
    ($name:ident { $($variant:ident => $word:expr),+ $(,)? }) => {
        impl $name {
            /// The word stored in the database and used on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                [$(Self::$variant),+].into_iter().find(|value| value.as_str() == word)
            }
        }
    };
}

words!(ClientKind { Preregistered => "preregistered", Dynamic => "dynamic", Url => "url" });
words!(ClientStatus { Pending => "pending", Approved => "approved", Blocked => "blocked" });
words!(RegistrationPolicy { Open => "open", Approval => "approval", Closed => "closed" });
words!(GrantType {
    AuthorizationCode => grant_type::AUTHORIZATION_CODE,
    RefreshToken => grant_type::REFRESH_TOKEN,
    ClientCredentials => grant_type::CLIENT_CREDENTIALS,
    TokenExchange => grant_type::TOKEN_EXCHANGE,
});
words!(TokenEndpointAuthMethod {
    None => "none",
    ClientSecretBasic => "client_secret_basic",
    ClientSecretPost => "client_secret_post",
    PrivateKeyJwt => "private_key_jwt",
    ServiceAccountJwt => "service_account_jwt",
});

#[cfg(test)]
mod tests {
    use super::*;

    fn client(status: ClientStatus) -> Client {
        let now = Timestamp::from_millis(0);
        Client {
            id: ClientId::parse("c").unwrap(),
            kind: ClientKind::Dynamic,
            status,
            name: None,
            redirect_uris: Vec::new(),
            grant_types: vec![GrantType::AuthorizationCode],
            auth_method: TokenEndpointAuthMethod::None,
            secrets: Vec::new(),
            scope: None,
            serves: Vec::new(),
            exchange: Vec::new(),
            background: false,
            metadata: Map::new(),
            registration_token: None,
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    #[test]
    fn only_the_open_policy_lets_a_pending_client_in_and_none_a_blocked_one() {
        use RegistrationPolicy::{Approval, Closed, Open};
        for (status, usable) in [
            (ClientStatus::Approved, [true, true, true]),
            (ClientStatus::Pending, [true, false, false]),
            (ClientStatus::Blocked, [false, false, false]),
        ] {
            let client = client(status);
            let found = [Open, Approval, Closed].map(|policy| client.is_usable(policy));
            assert_eq!(found, usable, "{status:?}");
        }
    }

    #[test]
    fn a_client_may_use_the_grants_it_has() {
        let mut client = client(ClientStatus::Approved);
        assert!(client.may_use(GrantType::AuthorizationCode));
        assert!(!client.may_use(GrantType::TokenExchange));
        assert!(!client.is_confidential());
        client.auth_method = TokenEndpointAuthMethod::ClientSecretPost;
        assert!(client.is_confidential());
    }

    #[test]
    fn at_most_two_secrets_are_good_while_one_is_replaced() {
        let at = Timestamp::from_millis;
        let hash = |byte| HandleHash::from_bytes([byte; 32]);
        let mut client = client(ClientStatus::Approved);
        let good = |client: &Client, now| {
            let secrets = client.secrets.iter();
            secrets
                .filter(|secret| secret.is_good(at(now)))
                .map(|secret| secret.hash)
                .collect::<Vec<_>>()
        };
        client.rotate_secret(hash(1), at(10));
        assert_eq!(good(&client, 1_000), [hash(1)], "there was none before");
        client.rotate_secret(hash(2), at(100));
        assert_eq!(good(&client, 99), [hash(2), hash(1)]);
        assert_eq!(good(&client, 100), [hash(2)]);
        client.rotate_secret(hash(3), at(200));
        assert_eq!(good(&client, 99), [hash(3), hash(2)], "the oldest has gone");
        client.secrets.remove(0);
        client.rotate_secret(hash(4), at(300));
        assert_eq!(good(&client, 199), [hash(4), hash(2)]);
        assert_eq!(
            good(&client, 200),
            [hash(4)],
            "no rotation prolongs a secret"
        );
    }

    #[test]
    fn another_name_address_proof_or_link_is_another_description() {
        let plain = client(ClientStatus::Pending);
        let mut approved = client(ClientStatus::Approved);
        approved.version = 7;
        assert_eq!(plain.self_description(), approved.self_description());
        let edits: [fn(&mut Client); 4] = [
            |client| client.name = Some("Other".to_owned()),
            |client| client.redirect_uris = vec![RedirectUri::parse("https://b.example/").unwrap()],
            |client| client.auth_method = TokenEndpointAuthMethod::ClientSecretPost,
            |client| {
                client.metadata.insert("client_uri".to_owned(), "x".into());
            },
        ];
        for edit in edits {
            let mut changed = plain.clone();
            edit(&mut changed);
            assert_ne!(plain.self_description(), changed.self_description());
        }
    }

    #[test]
    fn words_read_back() {
        for grant in ["authorization_code", "refresh_token", "client_credentials"] {
            assert_eq!(GrantType::parse(grant).unwrap().as_str(), grant);
        }
        assert_eq!(GrantType::parse("password"), None);
        assert_eq!(ClientStatus::parse("Approved"), None);
    }
}
