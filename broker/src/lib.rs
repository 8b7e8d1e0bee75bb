//! The authorization server and token broker.
//!
//! Modules stand in one order; each may use only those before it (`tests/tidy.rs` checks):
//!
//! | Module | Owns |
//! | --- | --- |
//! | [`domain`] | what the words mean: clients, resources, authorizations, grants; no I/O |
//! | [`ambient`] | time and randomness, injected |
//! | [`crypto`] | hashes, sealing, constant-time comparison |
//! | [`metrics`] | what is counted and measured for `/metrics` |
//! | [`storage`] | all SQL |
//! | [`audit`] | writes audit rows in batches, acknowledged |
//! | [`live`] | what each replica must know within a second: ended grants, exchanging clients, resources |
//! | [`vault`] | encryption keys: which are needed, sealing anew |
//! | [`keys`] | signing keys: sign, publish, rotate |
//! | [`nextcloud`] | what the broker itself asks Nextcloud |
//! | [`accounts`] | notices accounts that are disabled or gone |
//! | [`webhooks`] | events of Nextcloud for background jobs |
//! | [`upstream`] | the identity provider we proxy login to; here we are the client |
//! | [`upstream_tokens`] | the tokens that the identity provider gave at a login: sealed, kept, renewed |
//! | [`offline_tokens`] | the refresh tokens of offline grants: sealed, renewed, revoked |
//! | [`exchange`] | what a caller's token may become |
//! | [`clients`] | who a `client_id` is and whether it may be used; documents behind URLs |
//! | [`authorize`], [`token`], [`provision`], [`register`], [`metadata`], [`logout`], [`admin`] | one protocol step each |
//! | [`http`] | axum: routes, extraction, pages, error bodies |
//! | [`tasks`] | periodic work |
//! | [`config`], [`app`], [`cli`] | configuration, composition root, commands |

pub mod accounts;
pub mod admin;
pub mod ambient;
pub mod app;
pub mod audit;
pub mod authorize;
pub mod cli;
pub mod clients;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod exchange;
pub mod http;
pub mod keys;
pub mod live;
pub mod logout;
pub mod metadata;
pub mod metrics;
pub mod nextcloud;
pub mod offline_tokens;
pub mod provision;
pub mod register;
pub mod storage;
pub mod tasks;
pub mod token;
pub mod upstream;
pub mod upstream_tokens;
pub mod vault;
pub mod webhooks;
