//! What happened, in words that stay the same: the audit trail.

use broker_client::oauth::ErrorCode;
use serde_json::{Map, Value};

use super::{ClientId, DownstreamName, GrantId, ResourceUri, Subject, Timestamp, TooOften};

/// One row of the audit trail.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: AuditKind,
    /// How it ended.
    pub outcome: Outcome,
    /// Who did it.
    pub actor: Actor,
    /// Whose account it concerns.
    pub sub: Option<Subject>,
    /// Which client.
    pub client_id: Option<ClientId>,
    /// For which protected resource.
    pub resource: Option<ResourceUri>,
    /// For which downstream.
    pub downstream: Option<DownstreamName>,
    /// Which MCP tool, as the gateway said.
    pub tool: Option<String>,
    /// Which scope was given or asked.
    pub scope: Option<String>,
    /// In which session.
    pub grant: Option<GrantId>,
    /// The request's id, also in the log line and the error page.
    pub request_id: Option<String>,
    /// W3C trace id of the call, to follow it across programs.
    pub trace_id: Option<String>,
    /// The peer's address.
    pub address: Option<String>,
    /// What else is worth knowing; never a secret.
    pub details: Map<String, Value>,
    /// As in [`RequestInfo`]; while it is set, a refusal is worth no row. Not stored.
    pub too_often: Option<TooOften>,
}

/// Where a request came from: what every audit row of it carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// Our id for the request, also in the log line and on the error page.
    pub request_id: Option<String>,
    /// Trace id of the caller's `traceparent` (W3C Trace Context).
    pub trace_id: Option<String>,
    /// The peer's address.
    pub address: Option<String>,
    /// Set when so much from that address was refused that only who proves to be a known client is
    /// heard.
    pub too_often: Option<TooOften>,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A client, authenticated or claiming to be.
    Client(String),
    /// The user himself, in a browser.
    User(String),
    /// An administrator, by token name.
    Administrator(String),
    /// The broker itself (rotation, purge, configuration).
    Broker,
    /// Somebody not yet known.
    Anonymous,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Ok,
    /// Refused, with the code the caller saw.
    Refused(ErrorCode),
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident => $word:literal),+ $(,)?) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum AuditKind { $($(#[$doc])* $variant),+ }

        impl AuditKind {
            /// All kinds, in the order of this list.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in the database and the admin API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the name.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
            }
        }
    };
}

kinds! {
    /// A client registered itself (RFC 7591), or was refused; or one whose id is a URL was first seen.
    ClientRegistered => "client.registered",
    /// Somebody asked for a registration with a token that is not the client's.
    ClientReadRefused => "client.read_refused",
    /// A client that registered itself and was not used is registered no more.
    ClientExpired => "client.expired",
    /// An initial access token was created.
    RegistrationTokenCreated => "registration.token_created",
    /// An initial access token was revoked.
    RegistrationTokenRevoked => "registration.token_revoked",
    /// The document of a client whose id is a URL says something else than before.
    ClientDocumentChanged => "client.document_changed",
    /// The configuration created or changed a client.
    ClientSeeded => "client.seeded",
    /// A client got a new secret; the one before ends.
    ClientSecretRotated => "client.secret_rotated",
    /// An administrator registered a client.
    ClientCreated => "client.created",
    /// A client's registration was changed, by an administrator or by the client itself (RFC 7592); or
    /// the client was refused.
    ClientUpdated => "client.updated",
    /// An administrator let a client in.
    ClientApproved => "client.approved",
    /// A client was shut out, and its sessions ended.
    ClientBlocked => "client.blocked",
    /// A client was deleted, by an administrator or by itself (RFC 7592), and its sessions ended; or the
    /// client was refused.
    ClientDeleted => "client.deleted",
    /// The configuration created or changed a resource.
    ResourceSeeded => "resource.seeded",
    /// An administrator added a resource.
    ResourceCreated => "resource.created",
    /// An administrator changed a resource.
    ResourceUpdated => "resource.updated",
    /// A resource was deleted, by an administrator or because the configuration names it no more, and
    /// the sessions for it ended.
    ResourceDeleted => "resource.deleted",
    /// An administrator ended everything of a user.
    UserRevoked => "user.revoked",
    /// An authorization request passed its checks, or was refused.
    AuthorizationStarted => "authorization.started",
    /// The user allowed it.
    AuthorizationConsented => "authorization.consented",
    /// The user said no.
    AuthorizationDenied => "authorization.denied",
    /// The IdP said who it is.
    LoginSucceeded => "login.succeeded",
    /// The login at the IdP failed.
    LoginFailed => "login.failed",
    /// An authorization code was handed out.
    CodeIssued => "code.issued",
    /// An authorization code was presented a second time.
    CodeReplayed => "code.replayed",
    /// An access token was issued for a code.
    TokenIssued => "token.issued",
    /// An access token was issued for a refresh token.
    TokenRefreshed => "token.refreshed",
    /// A token request was refused.
    TokenRefused => "token.refused",
    /// A spent refresh token was presented after its successor was used.
    RefreshReused => "refresh.reused",
    /// A client asked what a token is worth (RFC 7662), and was not told.
    IntrospectionRefused => "token.introspection_refused",
    /// A token was revoked by its client (RFC 7009).
    TokenRevoked => "token.revoked",
    /// A session ended before its time.
    GrantEnded => "grant.ended",
    /// An ephemeral token was handed out (RFC 8693).
    ExchangeGranted => "exchange.granted",
    /// An exchange was refused.
    ExchangeRefused => "exchange.refused",
    /// Somebody came too often: the first such request in a minute.
    RequestLimited => "request.limited",
    /// A user signed in to his account pages, or could not.
    AccountSignedIn => "account.signed_in",
    /// A user left his account pages.
    AccountSignedOut => "account.signed_out",
    /// A user let background jobs act for him, or could not.
    OfflineGranted => "offline.granted",
    /// An offline grant was withdrawn; or a resource's server asked for that, and was refused.
    OfflineWithdrawn => "offline.withdrawn",
    /// A resource's server asked for its caller's background access, and was not told.
    OfflineAskRefused => "offline.ask_refused",
    /// The identity provider does not stand behind an offline grant any more; its user has to allow it
    /// again.
    OfflineFailing => "offline.failing",
    /// A user's Nextcloud account is disabled or gone, and everything of his ended.
    AccountEnded => "account.ended",
    /// The identity provider says that a user is logged out (OpenID Connect Back-Channel Logout), and his
    /// sessions ended; or somebody said so who is not the provider.
    UpstreamLogout => "upstream.logout",
    /// An administrator has a background client told of events of Nextcloud.
    WebhookEnabled => "webhook.enabled",
    /// An administrator has it told no more.
    WebhookDisabled => "webhook.disabled",
    /// Somebody posted an event without the secret of a webhook.
    WebhookRefused => "webhook.refused",
    /// An administrator had a delivery tried again.
    WebhookRedelivered => "webhook.redelivered",
    /// An administrator dropped a delivery.
    WebhookDropped => "webhook.dropped",
    /// The identity provider renewed the tokens that a session or an offline grant keeps, or refused to.
    UpstreamRenewed => "upstream.renewed",
    /// The identity provider revoked the refresh token of an offline grant that is over, or did not.
    UpstreamRevoked => "upstream.revoked",
    /// An administrator had a downstream asked whether it would accept our tokens.
    DownstreamChecked => "downstream.checked",
    /// A signing key was created, activated or retired.
    KeyRotated => "key.rotated",
    /// An admin token was created.
    AdminTokenCreated => "admin.token_created",
    /// The admin API refused somebody.
    AdminRefused => "admin.refused",
    /// An admin token was revoked.
    AdminTokenRevoked => "admin.token_revoked",
}

impl AuditEvent {
    /// An event with nothing known yet but what, when and by whom.
    #[must_use]
    pub fn new(at: Timestamp, kind: AuditKind, actor: Actor) -> Self {
        Self {
            at,
            kind,
            outcome: Outcome::Ok,
            actor,
            sub: None,
            client_id: None,
            resource: None,
            downstream: None,
            tool: None,
            scope: None,
            grant: None,
            request_id: None,
            trace_id: None,
            address: None,
            details: Map::new(),
            too_often: None,
        }
    }

    /// The same event, with where its request came from.
    #[must_use]
    pub fn during(mut self, request: &RequestInfo) -> Self {
        self.request_id.clone_from(&request.request_id);
        self.trace_id.clone_from(&request.trace_id);
        self.address.clone_from(&request.address);
        self.too_often = request.too_often;
        self
    }
}

impl Actor {
    /// The kind of actor, as stored.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Client(_) => "client",
            Self::User(_) => "user",
            Self::Administrator(_) => "administrator",
            Self::Broker => "broker",
            Self::Anonymous => "anonymous",
        }
    }

    /// Which one, where there are several.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Client(id) | Self::User(id) | Self::Administrator(id) => Some(id),
            Self::Broker | Self::Anonymous => None,
        }
    }

    /// Reads what [`Actor::kind`] and [`Actor::id`] gave.
    #[must_use]
    pub fn from_parts(kind: &str, id: Option<String>) -> Option<Self> {
        match (kind, id) {
            ("client", Some(id)) => Some(Self::Client(id)),
            ("user", Some(id)) => Some(Self::User(id)),
            ("administrator", Some(id)) => Some(Self::Administrator(id)),
            ("broker", None) => Some(Self::Broker),
            ("anonymous", None) => Some(Self::Anonymous),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_reads_back() {
        let names: HashSet<_> = AuditKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names.len(), AuditKind::ALL.len());
        for kind in AuditKind::ALL {
            assert_eq!(AuditKind::parse(kind.as_str()), Some(*kind));
        }
    }

    #[test]
    fn every_actor_reads_back_and_half_a_one_does_not() {
        for actor in [
            Actor::Client("c".to_owned()),
            Actor::User("u".to_owned()),
            Actor::Administrator("a".to_owned()),
            Actor::Broker,
            Actor::Anonymous,
        ] {
            let id = actor.id().map(str::to_owned);
            assert_eq!(Actor::from_parts(actor.kind(), id), Some(actor));
        }
        assert_eq!(Actor::from_parts("client", None), None);
        assert_eq!(Actor::from_parts("broker", Some("x".to_owned())), None);
    }
}
