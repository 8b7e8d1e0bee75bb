//! Everything that the tests over real processes, and the demo, need around the two binaries.
//!
//! The harness knows the broker and the gateway only from the outside: their command lines, their
//! configuration files and HTTP. It owns
//!
//! - the peers that a real installation has: [`idp`] (a development `OpenID` provider) and
//!   [`nextcloud`] (a stand-in Nextcloud);
//! - the people and programs that use it: [`browser`], [`client`] (an OAuth client as MCP clients
//!   are), [`mcp_client`];
//! - the processes: [`process`], [`proxy`] and, put together, [`deployment`];
//! - [`tls`]: certificates, and clients that trust them;
//! - [`story`]: the main job from the first 401 to the note in Nextcloud, told step by step.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::disallowed_methods,
    reason = "test equipment: what is broken may stop it at once, and it is where real time, \
              randomness and processes come from"
)]

pub mod browser;
pub mod client;
pub mod database;
pub mod deployment;
pub mod http;
pub mod idp;
pub mod jwt;
pub mod mcp_client;
pub mod nextcloud;
pub mod person;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod random;
mod reaper;
pub mod sinks;
pub mod story;
pub mod tls;
pub mod wait;
