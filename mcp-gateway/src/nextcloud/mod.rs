//! Nextcloud as the tools see it: one HTTP client and the ways its APIs speak.
//!
//! Owns every rule for talking to Nextcloud: how paths are built (`path`), which routes are never
//! asked (`deny`), what all requests share (`client`), what a refusal means (`error`), OCS
//! envelopes (`ocs`), DAV (`dav`, `xml`), files over it (`webdav`, `upload`, `search`), calendars
//! (`caldav`), address books (`carddav`), and what one call carries along (`trace`, `progress`).
//! Knows nothing of MCP; whose account it is comes from `credentials`.

mod caldav;
mod carddav;
mod client;
mod dav;
mod deny;
mod error;
mod ocs;
mod path;
mod progress;
mod request;
mod search;
mod trace;
mod upload;
mod webdav;
mod xml;

pub(crate) use caldav::utc_stamp;
pub use caldav::{
    Answerer, Calendar, CalendarChange, CalendarKind, CalendarObject, Filter, NewCalendar, Person,
};
pub use carddav::{AddressBook, Card, CardName};
pub use client::{Authorization, Client, Renew, Transport};
pub(crate) use dav::quoted;
pub use error::{Cause, Error, NoAccess};
pub use path::{FilePath, PathError, Route};
pub use progress::{Listener, Progress, Step};
pub use request::{Answer, Request};
pub use search::{Search, SearchTerm};
pub use trace::Trace;
pub use webdav::{Condition, Entry, Replace, Written};
