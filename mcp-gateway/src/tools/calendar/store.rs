//! Finding and writing stored objects, and what the user is told when that fails.

use std::borrow::Cow;

use broker_client::ambient::unix;
use http::StatusCode;
use serde::Serialize;

use super::{
    edit::unreadable,
    object::{Kind, Object},
    view::{Event, Task, uid},
    zone::Zone,
};
use crate::{
    error::{About, Describe, ToolError, describe},
    nextcloud::{CalendarObject, Client, Condition, Error, Filter},
};

/// What is about calendars as such.
pub(super) const CALENDARS: About = About {
    what: Cow::Borrowed("The list of calendars"),
    find: "Use nc_calendar_list_calendars to see the calendars.",
    app: "Calendar",
};

/// What is about one calendar.
pub(super) fn about_calendar(name: &str) -> About {
    About {
        what: format!("The calendar \"{name}\"").into(),
        ..CALENDARS
    }
}

/// What is about one event or task.
pub(super) fn about(kind: Kind, uid: &str) -> About {
    let (what, find) = match kind {
        Kind::Event => (
            "The event",
            "Use nc_calendar_list_events to find the event and its calendar.",
        ),
        Kind::Task => (
            "The task",
            "Use nc_calendar_search_todos to find the task and its calendar.",
        ),
    };
    About {
        what: format!("{what} \"{uid}\"").into(),
        find,
        app: "Calendar",
    }
}

/// The time zone the user lives in; universal time when Nextcloud does not tell.
pub(super) async fn home(client: &Client) -> Zone {
    // Some accounts with a second factor cannot be asked; whatever else is wrong, the next
    // request will say.
    let id = client.time_zone().await.ok().flatten();
    id.and_then(|id| Zone::named(&id)).unwrap_or_else(Zone::utc)
}

/// The zone that a caller names, or else the one the user lives in.
pub(super) async fn zone(client: &Client, id: Option<&str>) -> Result<Zone, ToolError> {
    match id.map(str::trim).filter(|id| !id.is_empty()) {
        None => Ok(home(client).await),
        Some(id) => Zone::named(id).ok_or_else(|| {
            ToolError::invalid(format!(
                "\"{id}\" is no time zone. Give an IANA id such as \"Europe/Berlin\"."
            ))
        }),
    }
}

/// The current time in seconds since 1970.
pub(super) fn now(client: &Client) -> i64 {
    i64::try_from(unix(client.now())).unwrap_or(i64::MAX)
}

/// An object with what it says.
pub(super) struct Found {
    /// As it is stored.
    pub(super) stored: CalendarObject,
    /// What it says.
    pub(super) object: Object,
}

impl Found {
    /// Reads a stored object; `None` when it is no calendar.
    pub(super) fn new(stored: CalendarObject) -> Option<Self> {
        let object = Object::parse(&stored.text)?;
        Some(Self { stored, object })
    }
}

/// The event or task with this id, byte for byte.
///
/// # Errors
///
/// As requests fail; a sentence when the calendar has no such thing.
pub(super) async fn find(
    client: &Client,
    calendar: &str,
    kind: Kind,
    id: &str,
) -> Result<Found, ToolError> {
    match look_for(client, calendar, kind, id).await? {
        Some(found) => Ok(found),
        None => Err(missing(calendar, kind, id)),
    }
}

pub(super) fn missing(calendar: &str, kind: Kind, id: &str) -> ToolError {
    let About { what, find, .. } = about(kind, id);
    ToolError::not_found(format!(
        "{what} does not exist in the calendar \"{calendar}\". {find}"
    ))
}

/// The event or task with this id, if the calendar has it.
pub(super) async fn look_for(
    client: &Client,
    calendar: &str,
    kind: Kind,
    id: &str,
) -> Result<Option<Found>, ToolError> {
    let is_it = |found: &Found| uid(&found.object, kind) == Some(id);
    // Most objects are called after their id: one small request instead of a search.
    match client
        .get_calendar_object(calendar, &format!("{id}.ics"))
        .await
    {
        Ok(stored) => {
            if let Some(found) = Found::new(stored).filter(is_it) {
                return Ok(Some(found));
            }
        }
        Err(Error::Request(_) | Error::Denied) => {}
        Err(error) if error.is(StatusCode::NOT_FOUND) => {}
        Err(error) => return Err(describe(error, &about(kind, id))),
    }
    let filter = Filter {
        component: kind.component(),
        property: Some(("UID", Some(id))),
        ..Filter::default()
    };
    let about = about_calendar(calendar);
    let objects = client
        .calendar_query(calendar, filter)
        .await
        .about(&about)?;
    let objects = objects.into_iter().filter_map(Found::new);
    let Some(found) = { objects }.find(is_it) else {
        return Ok(None);
    };
    // Once more by its address: XML does not keep the line ends.
    let name = &found.stored.name;
    let stored = client
        .get_calendar_object(calendar, name)
        .await
        .about(&about)?;
    Found::new(stored).map(Some).ok_or_else(unreadable)
}

/// What is there now of an event or task that somebody else changed.
#[derive(Serialize)]
#[serde(untagged)]
enum Current {
    Event(Box<Event>),
    Task(Box<Task>),
}

/// Writes an object that is there already if it still has the version `etag`, and gives the new
/// version.
///
/// # Errors
///
/// As requests fail; a conflict brings the current version along.
pub(super) async fn replace(
    client: &Client,
    found: &Found,
    kind: Kind,
    etag: &str,
    text: String,
) -> Result<Found, ToolError> {
    let stored = &found.stored;
    let etag = match etag.trim() {
        "" => stored.etag.clone(),
        given => given.to_owned(),
    };
    let id = uid(&found.object, kind).unwrap_or(&stored.name);
    let about = about(kind, id);
    let condition = Condition::Unchanged(etag);
    let sent = text.clone();
    let written = client
        .put_calendar_object(&stored.calendar, &stored.name, sent, &condition)
        .await;
    match written {
        Ok(written) => after(client, stored, written.etag, text)
            .await
            .about(&about)?
            .ok_or_else(unreadable),
        Err(error) if error.is(StatusCode::PRECONDITION_FAILED) => {
            Err(conflict(client, stored, kind, &about).await.because(error))
        }
        Err(error) => Err(describe(error, &about)),
    }
}

/// Puts a new object into a calendar.
///
/// # Errors
///
/// As requests fail.
pub(super) async fn create(
    client: &Client,
    calendar: &str,
    kind: Kind,
    id: &str,
    text: String,
) -> Result<Found, ToolError> {
    let name = format!("{id}.ics");
    let written = client
        .put_calendar_object(calendar, &name, text.clone(), &Condition::Absent)
        .await
        .about(&about_calendar(calendar))?;
    let stored = client.calendar_object_at(calendar, &name).await;
    let stored = stored.about(&about_calendar(calendar))?;
    let found = after(client, &stored, written.etag, text).await;
    found.about(&about(kind, id))?.ok_or_else(unreadable)
}

/// The object as it is after writing: what was sent, or what Nextcloud made of it.
async fn after(
    client: &Client,
    place: &CalendarObject,
    etag: Option<String>,
    text: String,
) -> Result<Option<Found>, Error> {
    let stored = match etag {
        Some(etag) => CalendarObject {
            etag,
            text,
            ..place.clone()
        },
        // No version: Nextcloud changed it on the way in.
        None => {
            client
                .get_calendar_object(&place.calendar, &place.name)
                .await?
        }
    };
    Ok(Found::new(stored))
}

async fn conflict(
    client: &Client,
    stored: &CalendarObject,
    kind: Kind,
    about: &About,
) -> ToolError {
    let current = client
        .get_calendar_object(&stored.calendar, &stored.name)
        .await;
    let what = &about.what;
    let current = match current {
        Ok(current) => current,
        Err(error) if error.is(StatusCode::NOT_FOUND) => {
            return ToolError::failed(format!(
                "{what} was deleted since you read it, so nothing was written. Create it again if \
                 it is still wanted."
            ));
        }
        Err(error) => return describe(error, about),
    };
    let sentence = format!(
        "{what} was changed since you read it, so nothing was written. The current version \
         follows: repeat your change on it and pass its etag."
    );
    let home = home(client).await;
    let shown = Found::new(current).and_then(|found| {
        Some(match kind {
            Kind::Event => {
                let event = Event::whole(&found.stored, &found.object, &home)?;
                Current::Event(Box::new(event))
            }
            Kind::Task => {
                let task = Task::read(&found.stored, &found.object, &home, now(client))?;
                Current::Task(Box::new(task))
            }
        })
    });
    let error = ToolError::failed(sentence);
    match shown {
        Some(current) => error.attach(&current),
        None => error,
    }
}

/// Where something deleted is now, as a sentence; and for how many days, if it can be restored.
///
/// # Errors
///
/// As requests fail.
pub(super) async fn trash(client: &Client) -> Result<Option<u64>, ToolError> {
    let seconds = client.calendar_trash().await.about(&CALENDARS)?;
    Ok(seconds.map(|seconds| seconds.div_ceil(86_400)))
}
