//! Calendars over CalDAV (RFC 4791): which there are, making, changing and deleting them.
//!
//! Owns the properties of calendars and the XML of the requests. The events and tasks in them are
//! `objects`' matter, who is busy `scheduling`'s; what iCalendar texts mean is read in
//! `tools::calendar`.

mod objects;
mod scheduling;

use http::{HeaderName, HeaderValue, Method};
use time::{OffsetDateTime, macros::format_description};

pub use self::{
    objects::{CalendarObject, Filter},
    scheduling::{Answerer, Person},
};
use super::{
    client::Client,
    dav::{self, method, segments_below},
    error::Error,
    path::Route,
    request::Request,
    xml::{CALDAV, DAV, Document, Response},
};

const CALENDARSERVER: &str = "http://calendarserver.org/ns/";
const APPLE: &str = "http://apple.com/ns/ical/";
const OWNCLOUD: &str = super::xml::OWNCLOUD;
/// Nextcloud's own properties of calendars; not the namespace of its file properties.
const NEXTCLOUD: &str = "http://nextcloud.com/ns";

/// What the bodies of CalDAV requests are written with.
const NAMESPACES: &[(&str, &str)] = &[
    ("xmlns:d", DAV),
    ("xmlns:c", CALDAV),
    ("xmlns:cs", CALENDARSERVER),
    ("xmlns:a", APPLE),
    ("xmlns:oc", OWNCLOUD),
    ("xmlns:nc", NEXTCLOUD),
];

/// Subscriptions are listed as what they are, with their source, not as copies.
const WEBCAL_CACHING: HeaderName = HeaderName::from_static("x-nc-caldav-webcal-caching");

/// What a member of the calendar home is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarKind {
    /// A calendar.
    Calendar,
    /// A calendar of another server that Nextcloud only points to.
    Subscription,
    /// A calendar in the trash bin, which still holds its name.
    Deleted,
}

/// A calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Its segment in paths.
    pub name: String,
    /// The name people see.
    pub display_name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// Its colour, mostly `#RRGGBB`.
    pub color: Option<String>,
    /// What it may hold, such as `VEVENT` and `VTODO`.
    pub components: Vec<String>,
    /// What it is.
    pub kind: CalendarKind,
    /// Whether the user may put events into it.
    pub is_writable: bool,
    /// Whose it is, when it is somebody else's.
    pub shared_by: Option<String>,
    /// Whether its events leave the user free.
    pub is_transparent: bool,
    /// Where a subscription comes from.
    pub source: Option<String>,
    /// Changes with everything in it.
    pub version: Option<String>,
}

impl Calendar {
    /// Whether it may hold a component such as `VEVENT`.
    #[must_use]
    pub fn holds(&self, component: &str) -> bool {
        self.kind == CalendarKind::Calendar && self.components.iter().any(|one| one == component)
    }
}

/// A calendar to be.
#[derive(Debug, Clone, Copy)]
pub struct NewCalendar<'a> {
    /// The name people see.
    pub display_name: &'a str,
    /// What it is about.
    pub description: &'a str,
    /// Its colour.
    pub color: &'a str,
}

/// A change of a calendar's property; `None` leaves it, an empty text removes it.
#[derive(Debug, Clone, Copy, Default)]
pub struct CalendarChange<'a> {
    /// The name people see.
    pub display_name: Option<&'a str>,
    /// What it is about.
    pub description: Option<&'a str>,
    /// Its colour.
    pub color: Option<&'a str>,
}

impl Client {
    /// The user's calendars, those in the trash bin included.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn calendars(&self) -> Result<Vec<Calendar>, Error> {
        let user = self.user_id().await?;
        let properties = [
            "d:displayname",
            "d:resourcetype",
            "d:owner",
            "d:current-user-privilege-set",
            "cs:getctag",
            "c:calendar-description",
            "a:calendar-color",
            "c:supported-calendar-component-set",
            "c:schedule-calendar-transp",
            "cs:source",
        ];
        let home = self.home().await?.collection();
        let request = dav::propfind_with(NAMESPACES, home, "1", &properties)?
            .header(WEBCAL_CACHING, HeaderValue::from_static("Off"));
        let responses = self.multistatus(&request).await?;
        let calendars = responses.iter().filter_map(|one| calendar(one, &user));
        Ok(calendars.collect())
    }

    /// Makes a calendar for events and tasks.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 405 when the name is taken, even by a calendar in the
    /// trash bin.
    pub async fn make_calendar(&self, name: &str, new: NewCalendar<'_>) -> Result<(), Error> {
        let mut document = Document::with_namespaces("c:mkcalendar", NAMESPACES);
        document.element("d:set", |set| {
            set.element("d:prop", |prop| {
                prop.leaf("d:displayname", new.display_name);
                if !new.description.is_empty() {
                    prop.leaf("c:calendar-description", new.description);
                }
                prop.leaf("a:calendar-color", new.color).element(
                    "c:supported-calendar-component-set",
                    |components| {
                        components
                            .empty_with("c:comp", &[("name", "VEVENT")])
                            .empty_with("c:comp", &[("name", "VTODO")]);
                    },
                );
            });
        });
        let route = self.calendar(name).await?;
        let request =
            Request::new(method(b"MKCALENDAR")?, route).body(XML, document.finish("c:mkcalendar"));
        self.send(&request).await.map(drop)
    }

    /// Changes properties of a calendar.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 404 when there is no such calendar.
    pub async fn change_calendar(
        &self,
        name: &str,
        change: CalendarChange<'_>,
    ) -> Result<(), Error> {
        let properties = [
            ("d:displayname", change.display_name),
            ("c:calendar-description", change.description),
            ("a:calendar-color", change.color),
        ];
        let given = properties
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let (removed, set): (Vec<_>, Vec<_>) = given.partition(|(_, value)| value.is_empty());
        let mut document = Document::with_namespaces("d:propertyupdate", NAMESPACES);
        if !set.is_empty() {
            document.element("d:set", |update| {
                update.element("d:prop", |prop| {
                    for (name, value) in &set {
                        prop.leaf(name, value);
                    }
                });
            });
        }
        if !removed.is_empty() {
            document.element("d:remove", |update| {
                update.element("d:prop", |prop| {
                    for (name, _) in &removed {
                        prop.empty(name);
                    }
                });
            });
        }
        let route = self.calendar(name).await?;
        let request = Request::new(method(b"PROPPATCH")?, route)
            .body(XML, document.finish("d:propertyupdate"));
        self.multistatus(&request).await.map(drop)
    }

    /// Deletes a calendar with all that is in it; it goes to the trash bin if there is one.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 404 when there is no such calendar.
    pub async fn delete_calendar(&self, name: &str) -> Result<(), Error> {
        let request = Request::new(Method::DELETE, self.calendar(name).await?);
        self.send(&request).await.map(drop)
    }

    /// How long the trash bin of the calendars keeps what is deleted, in seconds; `None` when
    /// there is none and deleting is for good.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn calendar_trash(&self) -> Result<Option<u64>, Error> {
        let route = self.home().await?.join(["trashbin"]).collection();
        let properties = ["nc:trash-bin-retention-duration"];
        let request = dav::propfind_with(NAMESPACES, route, "0", &properties)?;
        match self.multistatus(&request).await {
            Ok(responses) => Ok(responses
                .first()
                .and_then(|bin| bin.text(NEXTCLOUD, "trash-bin-retention-duration"))
                .and_then(|seconds| seconds.parse().ok())
                .filter(|&seconds| seconds > 0)),
            Err(error) if error.is(http::StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The user's calendar home.
    async fn home(&self) -> Result<Route, Error> {
        let user = self.user_id().await?;
        Ok(Route::dav(["calendars", user.as_ref()]))
    }

    async fn calendar(&self, name: &str) -> Result<Route, Error> {
        Ok(self.home().await?.join([name]).collection())
    }
}

const XML: HeaderValue = HeaderValue::from_static("application/xml; charset=utf-8");

fn calendar(response: &Response, user: &str) -> Option<Calendar> {
    let segments = segments_below(&response.href, "calendars")?;
    let [owner, name] = segments.as_slice() else {
        return None;
    };
    if owner != user {
        return None;
    }
    let is = |kind: &str| {
        let types = response.property(DAV, "resourcetype");
        types.is_some_and(|types| types.children.iter().any(|one| one == kind))
    };
    let kind = if is("deleted-calendar") {
        CalendarKind::Deleted
    } else if is("subscribed") {
        CalendarKind::Subscription
    } else if is("calendar") {
        CalendarKind::Calendar
    } else {
        return None;
    };
    let privileges = response.property(DAV, "current-user-privilege-set");
    let may_write = privileges.is_none_or(|set| {
        let needed = |one: &String| matches!(one.as_str(), "all" | "write" | "write-content");
        set.children.iter().any(needed)
    });
    let components = response
        .property(CALDAV, "supported-calendar-component-set")
        .map(|set| set.names.clone())
        .unwrap_or_default();
    let text = |namespace, name| response.text(namespace, name).map(str::to_owned);
    Some(Calendar {
        name: name.clone(),
        display_name: text(DAV, "displayname"),
        description: text(CALDAV, "calendar-description"),
        color: text(APPLE, "calendar-color"),
        components,
        kind,
        is_writable: may_write && kind == CalendarKind::Calendar,
        shared_by: response
            .text(DAV, "owner")
            .and_then(dav::user_of_principal)
            .filter(|owner| owner != user),
        is_transparent: response
            .property(CALDAV, "schedule-calendar-transp")
            .is_some_and(|value| value.children.iter().any(|one| one == "transparent")),
        source: text(CALENDARSERVER, "source"),
        version: text(CALENDARSERVER, "getctag"),
    })
}

/// An instant as iCalendar and CalDAV write it: `20261201T080000Z`.
pub(crate) fn utc_stamp(instant: i64) -> String {
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let time = OffsetDateTime::from_unix_timestamp(instant).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nextcloud::xml::multistatus;

    fn one(properties: &str) -> Option<Calendar> {
        let xml = format!(
            r#"<d:multistatus xmlns:d="DAV:" xmlns:cal="{CALDAV}" xmlns:cs="{CALENDARSERVER}"
            xmlns:x1="{APPLE}" xmlns:x2="{NEXTCLOUD}"><d:response>
            <d:href>/remote.php/dav/calendars/alice/my%20cal/</d:href><d:propstat><d:prop>{properties}
            </d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"#
        );
        calendar(&multistatus(&xml).expect("multistatus")[0], "alice")
    }

    #[test]
    fn a_calendar_says_what_it_is_and_what_one_may_do() {
        let own = one(
            r#"<d:resourcetype><d:collection/><cal:calendar/></d:resourcetype>
            <d:displayname>Meine &amp; deine</d:displayname><x1:calendar-color>#0082c9</x1:calendar-color>
            <cal:supported-calendar-component-set><cal:comp name="VEVENT"/><cal:comp name="VTODO"/></cal:supported-calendar-component-set>
            <d:current-user-privilege-set><d:privilege><d:write/></d:privilege></d:current-user-privilege-set>
            <d:owner><d:href>/remote.php/dav/principals/users/alice/</d:href></d:owner>"#,
        )
        .expect("calendar");
        assert_eq!(own.name, "my cal");
        assert_eq!(own.display_name.as_deref(), Some("Meine & deine"));
        assert!(own.is_writable && own.holds("VEVENT") && own.holds("VTODO"));
        assert!(!own.holds("VJOURNAL") && !own.is_transparent);
        assert_eq!(own.shared_by, None);

        let shared = one(
            r#"<d:resourcetype><cal:calendar/></d:resourcetype>
            <cal:supported-calendar-component-set><cal:comp name="VEVENT"/></cal:supported-calendar-component-set>
            <d:current-user-privilege-set><d:privilege><d:write-properties/></d:privilege><d:privilege><d:read/></d:privilege></d:current-user-privilege-set>
            <d:owner><d:href>/remote.php/dav/principals/users/b%20ob/</d:href></d:owner>
            <cal:schedule-calendar-transp><cal:transparent/></cal:schedule-calendar-transp>"#,
        )
        .expect("calendar");
        assert!(!shared.is_writable && shared.is_transparent);
        assert_eq!(shared.shared_by.as_deref(), Some("b ob"));
    }

    #[test]
    fn what_only_looks_like_a_calendar_is_told_apart() {
        let kind =
            |types: &str| one(&format!("<d:resourcetype>{types}</d:resourcetype>")).map(|c| c.kind);
        assert_eq!(
            kind("<d:collection/><x2:deleted-calendar/>"),
            Some(CalendarKind::Deleted)
        );
        assert_eq!(
            kind("<d:collection/><cs:subscribed/>"),
            Some(CalendarKind::Subscription)
        );
        assert_eq!(kind("<d:collection/><cal:schedule-inbox/>"), None);
        assert_eq!(kind("<d:collection/><x2:trash-bin/>"), None);
    }

    #[test]
    fn instants_are_written_without_separators() {
        assert_eq!(utc_stamp(1_796_112_000), "20261201T080000Z");
    }
}
