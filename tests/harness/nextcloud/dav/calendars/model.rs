//! What the calendars of all users hold. Knows no HTTP.

use std::collections::BTreeMap;

use super::super::super::text::digest;
use super::super::super::xml::{DAV, Element, Name};
use super::{APPLE, CALDAV};

/// The calendars of all users; family data of the server.
#[derive(Default)]
pub(super) struct Calendars {
    homes: BTreeMap<String, Home>,
    ids: u64,
}

/// The calendars of one user.
pub(super) struct Home {
    pub(super) calendars: Vec<Calendar>,
    pub(super) trash: Vec<Trashed>,
}

/// What a user may do with a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    /// Everything.
    Own,
    /// Change how it looks, as with the birthdays of contacts.
    Look,
}

/// A calendar, or a subscription of one.
pub(super) struct Calendar {
    pub(super) name: String,
    pub(super) properties: BTreeMap<Name, Element>,
    /// The components that it takes.
    pub(super) components: Vec<String>,
    pub(super) rights: Rights,
    /// Where a subscription comes from.
    pub(super) source: Option<String>,
    pub(super) objects: BTreeMap<String, Object>,
    /// When it went to the trash bin, Unix seconds.
    pub(super) deleted_at: Option<u64>,
    /// The number of the next change.
    pub(super) token: u64,
    /// What changed at which number.
    pub(super) changes: Vec<(u64, String)>,
}

/// An event or a task as it was written.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) id: u64,
    pub(super) text: String,
    pub(super) component: String,
    pub(super) uid: String,
    /// When it was written, Unix seconds.
    pub(super) modified: u64,
}

impl Object {
    /// The entity tag, without quotes.
    pub(super) fn etag(&self) -> String {
        digest(self.text.as_bytes())
    }
}

/// An object in the trash bin.
pub(super) struct Trashed {
    pub(super) calendar: String,
    pub(super) name: String,
    pub(super) object: Object,
    pub(super) deleted_at: u64,
}

impl Calendars {
    /// A user's calendars; new users have one of their own and one with birthdays.
    pub(super) fn home(&mut self, uid: &str) -> &mut Home {
        self.homes.entry(uid.to_owned()).or_insert_with(|| {
            let mut personal = Calendar::new("personal", "Personal", &["VEVENT"]);
            personal.set(APPLE, "calendar-color", "#00679e");
            let mut birthdays =
                Calendar::new("contact_birthdays", "Contact birthdays", &["VEVENT"]);
            birthdays.set(APPLE, "calendar-color", "#E9D859");
            birthdays.rights = Rights::Look;
            Home {
                calendars: vec![personal, birthdays],
                trash: Vec::new(),
            }
        })
    }

    /// A number that no other object has.
    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }
}

impl Home {
    /// A calendar, in the trash bin or not.
    pub(super) fn any(&self, name: &str) -> Option<&Calendar> {
        self.calendars.iter().find(|one| one.name == name)
    }

    /// A calendar that is not in the trash bin.
    pub(super) fn get(&self, name: &str) -> Option<&Calendar> {
        self.any(name).filter(|one| one.deleted_at.is_none())
    }

    pub(super) fn any_mut(&mut self, name: &str) -> Option<&mut Calendar> {
        self.calendars.iter_mut().find(|one| one.name == name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Calendar> {
        self.any_mut(name).filter(|one| one.deleted_at.is_none())
    }
}

impl Calendar {
    pub(super) fn new(name: &str, display_name: &str, components: &[&str]) -> Self {
        let mut calendar = Self {
            name: name.to_owned(),
            properties: BTreeMap::new(),
            components: components.iter().map(|&one| one.to_owned()).collect(),
            rights: Rights::Own,
            source: None,
            objects: BTreeMap::new(),
            deleted_at: None,
            token: 1,
            changes: Vec::new(),
        };
        calendar.set(DAV, "displayname", display_name);
        calendar
    }

    fn set(&mut self, ns: &str, local: &str, text: &str) {
        let element = Element::new(ns, local).text(text);
        self.properties.insert(Name::new(ns, local), element);
    }

    /// The number that clients compare; it starts at 1.
    pub(super) fn sync_token(&self) -> String {
        format!("http://sabre.io/ns/sync/{}", self.token)
    }

    /// Notes that an object changed.
    pub(super) fn touch(&mut self, name: &str) {
        self.changes.push((self.token, name.to_owned()));
        self.token += 1;
    }

    /// Whether its events leave the user free.
    pub(super) fn is_transparent(&self) -> bool {
        let name = Name::new(CALDAV, "schedule-calendar-transp");
        let value = self.properties.get(&name);
        value.is_some_and(|value| value.find(CALDAV, "transparent").is_some())
    }
}
