//! The list of API families: adding one is its file and one line here.
//!
//! A WebDAV collection (calendars, address books, the trash bin of files) is one line in [`super::dav`]
//! instead, plus its capabilities.

use axum::Router;
use serde_json::Value;

use super::server::{Server, Shared};
use super::{
    cookbook, dav, deck, login, notes, oauth2, ocs, oidc, sharing, system, tables, user_oidc,
    webhooks,
};

/// One API family.
pub(super) struct Family {
    /// Its routes.
    pub(super) routes: fn() -> Router<Shared>,
    /// The object of capabilities that it announces to logged-in users, by app name.
    pub(super) capabilities: fn(&Server) -> Value,
}

/// Every family of the stand-in.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        routes: system::routes,
        capabilities: system::capabilities,
    },
    Family {
        routes: login::routes,
        capabilities: |_| Value::Null,
    },
    Family {
        routes: user_oidc::routes,
        capabilities: |_| Value::Null,
    },
    Family {
        routes: oauth2::routes,
        capabilities: |_| Value::Null,
    },
    Family {
        routes: oidc::routes,
        capabilities: |_| Value::Null,
    },
    Family {
        routes: ocs::routes,
        capabilities: |_| Value::Null,
    },
    Family {
        routes: dav::routes,
        capabilities: dav::capabilities,
    },
    Family {
        routes: notes::routes,
        capabilities: notes::capabilities,
    },
    Family {
        routes: deck::routes,
        capabilities: deck::capabilities,
    },
    Family {
        routes: sharing::routes,
        capabilities: sharing::capabilities,
    },
    Family {
        routes: cookbook::routes,
        capabilities: cookbook::capabilities,
    },
    Family {
        routes: tables::routes,
        capabilities: tables::capabilities,
    },
    Family {
        routes: webhooks::routes,
        capabilities: |_| Value::Null,
    },
];
