//! What the owner may do with each member of the calendar home (RFC 3744 §5.4, RFC 6638 §6).

use super::super::super::xml::{DAV, Element, Name};
use super::CALDAV;
use super::model::Rights;

/// Whose privileges are told.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    /// The home itself.
    Home,
    /// A calendar.
    Calendar(Rights),
    /// `inbox`, `outbox` or `trashbin`.
    Place(&'a str),
}

const WRITE: [&str; 7] = [
    "write",
    "write-properties",
    "write-content",
    "unlock",
    "bind",
    "unbind",
    "write-acl",
];
const INBOX: [&str; 4] = [
    "schedule-deliver",
    "schedule-deliver-invite",
    "schedule-deliver-reply",
    "schedule-query-freebusy",
];
const OUTBOX: [&str; 5] = [
    "schedule-send",
    "schedule-send-invite",
    "schedule-send-reply",
    "schedule-send-freebusy",
    "schedule-post-vevent",
];

/// The property `current-user-privilege-set`.
pub(super) fn set(name: &Name, of: Of<'_>) -> Element {
    let all = |ns: &'static str, names: &[&'static str]| -> Vec<Element> {
        names.iter().map(|one| Element::new(ns, one)).collect()
    };
    let mut privileges = match of {
        Of::Home | Of::Calendar(Rights::Own) => all(DAV, &WRITE),
        Of::Calendar(Rights::Look) => all(DAV, &["write-properties"]),
        Of::Place("inbox") => {
            let mut privileges = all(CALDAV, &INBOX);
            privileges.extend(all(DAV, &["unbind", "write-properties"]));
            privileges
        }
        Of::Place("outbox") => all(CALDAV, &OUTBOX),
        Of::Place(_) => {
            let mut privileges = all(DAV, &["all"]);
            privileges.extend(all(DAV, &WRITE));
            privileges
        }
    };
    privileges.extend(all(
        DAV,
        &["read", "read-acl", "read-current-user-privilege-set"],
    ));
    if matches!(of, Of::Calendar(_)) {
        privileges.extend(all(CALDAV, &["read-free-busy"]));
    }
    let wrap = |one| Element::new(DAV, "privilege").child(one);
    Element::named(name.clone()).with_children(privileges.into_iter().map(wrap))
}
