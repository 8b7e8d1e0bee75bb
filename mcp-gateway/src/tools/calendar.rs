//! Calendar and tasks over CalDAV.
//!
//! What the tools are is here; what they do is in one file a matter: `calendars`, `events`,
//! `listing`, `bulk`, `availability` and `tasks`. Below them: `store` finds and writes objects,
//! `view` shows them, `edit` changes them; `object`, `recurrence`, `zone` and `when` know what
//! iCalendar means (RFC 5545), `reminder`, `attendee` and `color` some of its properties.

mod attendee;
mod availability;
mod bulk;
mod calendars;
mod color;
mod edit;
mod events;
mod listing;
mod object;
mod recurrence;
mod reminder;
mod store;
mod tasks;
mod view;
mod when;
mod zone;

use super::{Effect, Family, Needs, Tool};

const READ: Needs = Needs::All(&["calendar.read"]);
const WRITE: Needs = Needs::All(&["calendar.write"]);
/// Tasks live in calendars, so whoever works with them reads calendars.
const READ_TASKS: Needs = Needs::All(&["todo.read", "calendar.read"]);
const WRITE_TASKS: Needs = Needs::All(&["todo.write", "calendar.read"]);

/// The tools for calendars and tasks.
pub(super) fn family() -> Family {
    let mut tools = event_tools();
    tools.extend(calendar_tools());
    tools.extend(task_tools());
    Family {
        tools,
        resources: Vec::new(),
    }
}

fn event_tools() -> Vec<Tool> {
    vec![
        Tool::new(
            "nc_calendar_list_calendars",
            Effect::Read,
            READ,
            calendars::list,
        )
        .described(
            "List calendars",
            "Returns the user's calendars with their names, which the other calendar tools take as \
             calendar_name. Use it first when it is not clear which calendar is meant.",
        ).calls(&["PROPFIND /remote.php/dav/calendars/{user}/"]),
        Tool::new(
            "nc_calendar_create_event",
            Effect::Write,
            WRITE,
            events::create,
        )
        .described(
            "Create an event",
            "Creates an event: with a start and an end or for whole days, once or repeating, with \
             reminders and attendees, whom Nextcloud invites. For a plain meeting \
             nc_calendar_create_meeting is simpler; for something to do use \
             nc_calendar_create_todo.",
        ).calls(&["GET /ocs/v2.php/cloud/user for the time zone, unless one is given", "PROPFIND /remote.php/dav/principals/users/{user}/ for the address, with attendees or reminders by e-mail", "PUT /remote.php/dav/calendars/{user}/{calendar}/{uid}.ics"]),
        Tool::new("nc_calendar_list_events", Effect::Read, READ, listing::list).described(
            "List events",
            "Returns the events of one calendar, or of all, in a span of time (31 days from today \
             unless given), with conditions on title, place, category, status, length and \
             attendees. An event that repeats is there once for each of its times.",
        ).calls(&["GET /ocs/v2.php/cloud/user for the time zone", "PROPFIND /remote.php/dav/calendars/{user}/ for all calendars", "REPORT /remote.php/dav/calendars/{user}/{calendar}/ of each calendar"]),
        Tool::new("nc_calendar_get_event", Effect::Read, READ, events::get).described(
            "Read an event",
            "Returns one event with everything it says and its etag, by its uid. Use \
             nc_calendar_list_events to find the uid.",
        ).calls(&["GET /remote.php/dav/calendars/{user}/{calendar}/{uid}.ics", "REPORT /remote.php/dav/calendars/{user}/{calendar}/ by UID, and GET, when it has another name", "GET /ocs/v2.php/cloud/user for the time zone"]),
        Tool::new(
            "nc_calendar_update_event",
            Effect::Write,
            WRITE,
            events::update,
        )
        .described(
            "Change an event",
            "Changes the given fields of an event and leaves everything else as it is; an empty \
             text clears a field. Of an event that repeats it changes the series. Pass the etag \
             that you read, so that nobody's change is lost.",
        ).calls(&["GET /remote.php/dav/calendars/{user}/{calendar}/{uid}.ics", "REPORT /remote.php/dav/calendars/{user}/{calendar}/ by UID, and GET, when it has another name", "GET /ocs/v2.php/cloud/user for the time zone", "PROPFIND /remote.php/dav/principals/users/{user}/ for the address, with attendees or reminders by e-mail", "PUT /remote.php/dav/calendars/{user}/{calendar}/{name} with If-Match"]),
        Tool::new(
            "nc_calendar_delete_event",
            Effect::Delete,
            WRITE,
            events::delete,
        )
        .described(
            "Delete an event",
            "Deletes an event, or a whole series, and says whether the user can restore it from \
             the trash bin. Attendees are told. Use it only when the user asked for it.",
        ).calls(&["GET /remote.php/dav/calendars/{user}/{calendar}/{uid}.ics", "REPORT /remote.php/dav/calendars/{user}/{calendar}/ by UID, and GET, when it has another name", "DELETE /remote.php/dav/calendars/{user}/{calendar}/{name} with If-Match", "PROPFIND /remote.php/dav/calendars/{user}/trashbin/ after deleting"]),
        Tool::new(
            "nc_calendar_create_meeting",
            Effect::Write,
            WRITE,
            events::create_meeting,
        )
        .described(
            "Create a meeting",
            "Creates an event from a date, a time and a length in minutes, in the user's time \
             zone, and invites the attendees. Use nc_calendar_find_availability first to find a \
             time that suits everybody.",
        ).calls(&["GET /ocs/v2.php/cloud/user for the time zone", "PROPFIND /remote.php/dav/principals/users/{user}/ for the address, with attendees or reminders by e-mail", "PUT /remote.php/dav/calendars/{user}/{calendar}/{uid}.ics"]),
        Tool::new(
            "nc_calendar_get_upcoming_events",
            Effect::Read,
            READ,
            listing::upcoming,
        )
        .described(
            "Upcoming events",
            "Returns what comes next: the events of the calendar \"personal\" (or another one, or \
             all) from now on for some days, in order.",
        ).calls(&["GET /ocs/v2.php/cloud/user for the time zone", "PROPFIND /remote.php/dav/calendars/{user}/ for all calendars", "REPORT /remote.php/dav/calendars/{user}/{calendar}/ of each calendar"]),
        Tool::new(
            "nc_calendar_find_availability",
            Effect::Read,
            READ,
            availability::find,
        )
        .described(
            "Find a free time",
            "Returns times at which the user and all attendees are free, in the user's time zone, \
             from the busy times of their calendars. Only when people are busy is asked, never \
             with what.",
        ).calls(&["GET /ocs/v2.php/cloud/user for the time zone", "PROPFIND /remote.php/dav/calendars/{user}/", "REPORT /remote.php/dav/calendars/{user}/{calendar}/ of each own calendar, free-busy", "PROPFIND /remote.php/dav/principals/users/{user}/ for the address, with attendees", "POST /remote.php/dav/calendars/{user}/outbox/ with attendees"]),
    ]
}

fn calendar_tools() -> Vec<Tool> {
    vec![
        Tool::new(
            "nc_calendar_bulk_operations",
            Effect::Write,
            WRITE,
            bulk::run,
        )
        .described(
            "Change many events",
            "Changes, deletes or moves all events in a span of time that meet conditions, up to \
             100 a call, and says for each what became of it. Look with nc_calendar_list_events \
             first which events are meant; delete only what the user asked for.",
        )
        .calls(&[
            "GET /ocs/v2.php/cloud/user for the time zone",
            "PROPFIND /remote.php/dav/calendars/{user}/",
            "REPORT /remote.php/dav/calendars/{user}/{calendar}/ of each calendar",
            "GET /remote.php/dav/calendars/{user}/{calendar}/{name} of each event to change",
            "PUT /remote.php/dav/calendars/{user}/{calendar}/{name} of each, with If-Match",
            "DELETE /remote.php/dav/calendars/{user}/{calendar}/{name} of each, with If-Match",
            "MOVE /remote.php/dav/calendars/{user}/{calendar}/{name} of each, with If-Match",
            "PROPFIND /remote.php/dav/calendars/{user}/trashbin/ after deleting",
        ]),
        Tool::new(
            "nc_calendar_manage_calendar",
            Effect::Write,
            WRITE,
            calendars::manage,
        )
        .described(
            "Manage calendars",
            "Creates a calendar, changes its display name, description or colour, deletes it with \
             all that is in it, or lists all. Delete only when the user asked for it.",
        )
        .calls(&[
            "MKCALENDAR /remote.php/dav/calendars/{user}/{calendar}/ to create",
            "PROPPATCH /remote.php/dav/calendars/{user}/{calendar}/ to update",
            "DELETE /remote.php/dav/calendars/{user}/{calendar}/ to delete",
            "PROPFIND /remote.php/dav/calendars/{user}/ to list and to show",
            "PROPFIND /remote.php/dav/calendars/{user}/trashbin/ after deleting",
        ]),
    ]
}

fn task_tools() -> Vec<Tool> {
    vec![
        Tool::new(
            "nc_calendar_list_todos",
            Effect::Read,
            READ_TASKS,
            tasks::list,
        )
        .described(
            "List tasks",
            "Returns the tasks of one calendar, those due first in front, with conditions on \
             status, priority, category and text. nc_calendar_search_todos looks into all \
             calendars.",
        ).calls(&["GET /ocs/v2.php/cloud/user for the time zone", "REPORT /remote.php/dav/calendars/{user}/{calendar}/"]),
        Tool::new(
            "nc_calendar_create_todo",
            Effect::Write,
            WRITE_TASKS,
            tasks::create,
        )
        .described(
            "Create a task",
            "Creates a task in a calendar, with a due date, a start, a priority, categories and \
             reminders. For an appointment use nc_calendar_create_event.",
        ).calls(&["GET /ocs/v2.php/cloud/user for the time zone", "PROPFIND /remote.php/dav/principals/users/{user}/ for the address, with reminders by e-mail", "PUT /remote.php/dav/calendars/{user}/{calendar}/{uid}.ics"]),
        Tool::new(
            "nc_calendar_update_todo",
            Effect::Write,
            WRITE_TASKS,
            tasks::update,
        )
        .described(
            "Change a task",
            "Changes the given fields of a task and leaves everything else as it is; an empty text \
             clears a field. To complete a task set the status to COMPLETED. Pass the etag that \
             you read, so that nobody's change is lost.",
        ).calls(&["GET /remote.php/dav/calendars/{user}/{calendar}/{uid}.ics", "REPORT /remote.php/dav/calendars/{user}/{calendar}/ by UID, and GET, when it has another name", "GET /ocs/v2.php/cloud/user for the time zone", "PROPFIND /remote.php/dav/principals/users/{user}/ for the address, with reminders by e-mail", "PUT /remote.php/dav/calendars/{user}/{calendar}/{name} with If-Match"]),
        Tool::new(
            "nc_calendar_delete_todo",
            Effect::Delete,
            WRITE_TASKS,
            tasks::delete,
        )
        .described(
            "Delete a task",
            "Deletes a task and says whether the user can restore it from the trash bin. To keep \
             it as done, set its status to COMPLETED with nc_calendar_update_todo instead.",
        ).calls(&["GET /remote.php/dav/calendars/{user}/{calendar}/{uid}.ics", "REPORT /remote.php/dav/calendars/{user}/{calendar}/ by UID, and GET, when it has another name", "DELETE /remote.php/dav/calendars/{user}/{calendar}/{name} with If-Match", "PROPFIND /remote.php/dav/calendars/{user}/trashbin/ after deleting"]),
        Tool::new(
            "nc_calendar_search_todos",
            Effect::Read,
            READ_TASKS,
            tasks::search,
        )
        .described(
            "Search tasks",
            "Returns the tasks of all calendars, those due first in front, with conditions on \
             status, priority, category and text. Use it when it is not clear in which calendar a \
             task is.",
        ).calls(&["PROPFIND /remote.php/dav/calendars/{user}/", "GET /ocs/v2.php/cloud/user for the time zone", "REPORT /remote.php/dav/calendars/{user}/{calendar}/ of each calendar"]),
    ]
}
