//! The promises to users, kept by real processes: nothing is mocked between browser and database.
//!
//! All tests share one installation, started by the first that needs it, and each has clients and,
//! where it matters, users of its own; a test that breaks or bends something starts an own
//! installation. Logs and databases of the runs stay in `<target>/blackbox/` for a look afterwards.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: JSON is indexed, and what is broken may stop the run"
)]

mod accounts;
mod admin;
mod approval;
mod at_rest;
mod background;
mod background_tokens;
mod backup;
mod calendar;
mod check_downstream;
mod consent;
mod contacts;
mod cookbook;
mod day;
mod deck;
mod demo;
mod gateway_credentials;
mod health;
mod login;
mod login_errors;
mod operations;
mod registration;
mod replicas;
mod resources;
mod restart;
mod service_account;
mod session;
mod session_oidc;
mod sharing;
mod shutdown;
mod standin;
mod story;
mod support;
mod tables;
mod telemetry;
mod tls;
mod token_errors;
mod tokens;
mod tool_call;
mod trace;
mod trickle;
mod webhooks;
