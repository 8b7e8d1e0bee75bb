//! What the words mean: types and rules without I/O.

mod audit;
mod authorization;
mod catalog;
mod client;
mod client_url;
mod consent;
mod grant;
mod ids;
mod nextcloud_uid;
mod offline_grant;
mod proxies;
mod rate;
mod redirect_uri;
mod refresh;
mod resource;
mod timestamp;
mod user;
mod webhook;

pub use audit::{Actor, AuditEvent, AuditKind, Outcome, RequestInfo};
pub use authorization::{Authorization, Stage, StageKind};
pub use catalog::Catalog;
pub use client::{
    Client, ClientDocument, ClientKind, ClientSecret, ClientStatus, GrantType, RegistrationPolicy,
    TokenEndpointAuthMethod,
};
pub use client_url::{ClientUrl, Domain, InvalidDomain, UrlClients};
pub use consent::{Consent, ConsentPolicy, KnownBrowser};
pub use grant::{EndReason, Grant};
pub use ids::{
    AuthorizationId, ClientId, DeliveryId, DownstreamName, GrantId, HandleHash, InvalidId,
    OfflineGrantId, OfflineRequestId, Subject, WebhookId,
};
pub use nextcloud_uid::{EmailUids, UnsafeUid, check_nextcloud_uid};
pub use offline_grant::{
    AccountSession, FailingReason, OfflineGrant, OfflineRequest, OfflineState,
};
pub use proxies::{InvalidNetwork, Network, TrustedProxies};
pub use rate::{Exceeded, ExceededLimit, Rate, RateLimit, TooOften, counted_as};
pub use redirect_uri::{InvalidRedirectUri, RedirectUri};
pub use refresh::{Presented, RefreshToken, Rotation};
pub use resource::{Downstream, InvalidResourceUri, Resource, ResourceUri, Strategy};
pub use timestamp::Timestamp;
pub use user::User;
pub use webhook::{Condition, Delivery, Preset, Webhook};
