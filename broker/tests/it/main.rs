//! Specification tests: the whole broker in this process, with a clock and randomness of its own.
//!
//! One file a topic of the RFCs; what the tests share is in `harness`. Nothing sleeps, nothing
//! listens but what plays the identity provider.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod administrator;
mod background_access;
mod browser;
mod documents;
mod harness;
mod idp;
mod nextcloud;

mod accounts;
mod admin_access;
mod admin_checks;
mod admin_clients;
mod admin_groups;
mod admin_openapi;
mod admin_resources;
mod admin_sessions;
mod allowed_clients;
mod approval;
mod audit;
mod authorization_code;
mod backchannel_logout;
mod background_tokens;
mod client_assertion;
mod client_authentication;
mod client_credentials;
mod client_documents;
mod client_products;
mod commands;
mod config;
mod confused_deputy;
mod consent;
mod coverage;
mod document_attacks;
mod introspection;
mod keys;
mod kubernetes;
mod live;
mod login;
mod login_again;
mod logs;
mod management;
mod metadata;
mod metrics;
mod nextcloud_uids;
mod pkce;
mod provisioning;
mod rate_limits;
mod redirect_attacks;
mod redirect_uri;
mod refresh_rotation;
mod registration;
mod registration_access;
mod registration_limits;
mod registration_openapi;
mod resource_indicators;
mod revocation;
mod seeding;
mod seeding_resources;
mod session_strategy;
mod storage;
mod token_endpoint;
mod token_exchange;
mod trusted_proxies;
mod upstream;
mod upstream_exchange;
mod userinfo;
mod vault;
mod webhooks;
