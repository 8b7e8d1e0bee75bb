//! Nextcloud as the tools see it: one HTTP client and the ways its APIs speak.
//!
//! Owns every rule for talking to Nextcloud: how paths are built (`path`), which routes are never
//! asked (`deny`), what all requests share (`client`), what a refusal means (`error`), OCS
//! envelopes (`ocs`), DAV (`dav`, `xml`) and files over it (`webdav`, `search`). Knows nothing of
//! MCP; whose account it is comes from `credentials`.

mod client;
mod dav;
mod deny;
mod error;
mod ocs;
mod path;
mod request;
mod search;
mod webdav;
mod xml;

pub use client::{Authorization, Client, Renew, Transport};
pub(crate) use dav::quoted;
pub use error::{Cause, Error, NoAccess};
pub use path::{FilePath, PathError, Route};
pub use request::{Answer, Request};
pub use search::{Search, SearchTerm};
pub use webdav::{Condition, Entry, Replace, Written};
