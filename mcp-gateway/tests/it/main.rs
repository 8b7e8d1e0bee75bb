//! The whole gateway in process, against a fake issuer and a scripted Nextcloud on real sockets.
//!
//! One binary; a file per rule of the protocol and per tool family.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "helpers of tests fail as tests do, and read better with values"
)]

mod access;
mod account;
mod calendar;
mod calls;
mod contacts;
mod cookbook;
mod credentials;
mod deck;
mod files;
mod metrics;
mod names;
mod notes;
mod protocol;
mod provisioning;
mod refusals;
mod sharing;
mod support;
mod tables;
mod tools_document;
mod trace;
mod uploads;
mod upstream;
