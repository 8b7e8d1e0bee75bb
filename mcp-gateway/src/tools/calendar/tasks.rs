//! Tasks: list, search, create, change, delete.

mod change;

use calcard::icalendar::ICalendarProperty;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::change::{UpdateArguments, apply};
use super::{
    edit::{Draft, one_of, unreadable, words},
    listing::{Access, names, query},
    object::{Kind, text},
    reminder::Reminder,
    store::{self, Found, create as put_new, find, look_for, now, replace},
    view::Task,
    zone::Zone,
};
use crate::{
    error::{ToolError, describe},
    nextcloud::{Client, Filter},
};

const STATUS: &[&str] = &["NEEDS-ACTION", "IN-PROCESS", "COMPLETED", "CANCELLED"];
/// The most tasks of one answer.
const MOST: usize = 200;

#[derive(Deserialize, JsonSchema)]
pub(super) struct ListArguments {
    /// The name of the calendar, as `nc_calendar_list_calendars` shows it.
    calendar_name: String,
    #[serde(flatten)]
    conditions: Conditions,
}

/// What tasks have to be like.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Conditions {
    /// Only tasks with this status: NEEDS-ACTION, IN-PROCESS, COMPLETED or CANCELLED.
    #[serde(default)]
    status: Option<String>,
    /// Only tasks at least this important; 1 is the highest, so 5 means 1 to 5.
    #[serde(default)]
    min_priority: Option<i64>,
    /// Only tasks in one of these categories, separated by commas.
    #[serde(default)]
    categories: Option<String>,
    /// Only tasks whose summary contains this, in upper or lower case.
    #[serde(default)]
    summary_contains: Option<String>,
}

/// Tasks, those due first in front.
#[derive(Serialize, JsonSchema)]
pub(super) struct Tasks {
    /// The tasks.
    todos: Vec<Task>,
    /// How many there are, with those that are cut off.
    total: usize,
    /// What is missing, and how to get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct CreateArguments {
    /// The name of the calendar, as `nc_calendar_list_calendars` shows it.
    calendar_name: String,
    /// What is to be done.
    summary: String,
    /// The description.
    #[serde(default)]
    description: String,
    /// NEEDS-ACTION, IN-PROCESS, COMPLETED or CANCELLED.
    #[serde(default = "needs_action")]
    status: String,
    /// The priority from 1, the highest, to 9; 0 for none.
    #[serde(default)]
    priority: i64,
    /// When it is due: a date, or a time such as "2026-12-01T18:00:00" in the user's time zone.
    #[serde(default)]
    due: String,
    /// When work on it starts, written like `due`.
    #[serde(default)]
    dtstart: String,
    /// Categories, separated by commas.
    #[serde(default)]
    categories: String,
    /// Reminders.
    #[serde(default)]
    reminders: Option<Vec<Reminder>>,
}

fn needs_action() -> String {
    "NEEDS-ACTION".to_owned()
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct TaskArguments {
    /// The name of the calendar, as `nc_calendar_list_calendars` shows it.
    calendar_name: String,
    /// The task's `uid`.
    todo_uid: String,
}

/// A task that was deleted.
#[derive(Serialize, JsonSchema)]
pub(super) struct Gone {
    /// The task's id.
    todo_uid: String,
    /// What was to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    /// Whether something was deleted; false when there was no such task any more.
    deleted: bool,
    /// Whether it is in the trash bin of the calendars now.
    in_trash_bin: bool,
    /// How many days the trash bin keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_days: Option<u64>,
}

pub(super) async fn list(client: Client, arguments: ListArguments) -> Result<Tasks, ToolError> {
    let calendars = vec![arguments.calendar_name];
    answer(&client, calendars, &arguments.conditions).await
}

pub(super) async fn search(client: Client, conditions: Conditions) -> Result<Tasks, ToolError> {
    let calendars = names(&client, Kind::Task, Access::Read).await?;
    answer(&client, calendars, &conditions).await
}

async fn answer(
    client: &Client,
    calendars: Vec<String>,
    conditions: &Conditions,
) -> Result<Tasks, ToolError> {
    let status = one_of(
        "status of a task",
        conditions.status.as_deref().unwrap_or_default(),
        STATUS,
    )?;
    let filter = Filter {
        component: Kind::Task.component(),
        range: None,
        // Nextcloud leaves out what was done long ago, mostly by far the larger part.
        property: match status.as_str() {
            "COMPLETED" => Some(("STATUS", Some("COMPLETED"))),
            "NEEDS-ACTION" | "IN-PROCESS" => Some(("COMPLETED", None)),
            _ => None,
        },
    };
    let (home, now) = (store::home(client).await, now(client));
    let found = query(client, calendars, filter).await?;
    let wanted: Vec<String> = words(conditions.categories.as_deref().unwrap_or_default())
        .map(str::to_lowercase)
        .collect();
    let summary = conditions
        .summary_contains
        .as_deref()
        .map(str::to_lowercase);
    let is_wanted = |task: &Task| {
        let mut categories = task.categories.iter().map(|one| one.to_lowercase());
        (status.is_empty() || task.status == status)
            && conditions
                .min_priority
                .is_none_or(|least| task.priority.is_some_and(|one| one <= least))
            && (wanted.is_empty() || categories.any(|one| wanted.contains(&one)))
            && summary
                .as_ref()
                .is_none_or(|text| task.summary.to_lowercase().contains(text))
    };
    let mut todos: Vec<(i64, Task)> = found
        .iter()
        .filter_map(|one| {
            let task = Task::read(&one.stored, &one.object, &home, now)?;
            let main = one.object.main(Kind::Task)?;
            let due = one.object.time(main, &ICalendarProperty::Due, &home);
            let due = due.map_or(i64::MAX, |due| due.instant(&home));
            is_wanted(&task).then_some((due, task))
        })
        .collect();
    todos.sort_by(|(due, one), (other_due, other)| {
        let importance = |task: &Task| task.priority.unwrap_or(10);
        (due, importance(one)).cmp(&(other_due, importance(other)))
    });
    let total = todos.len();
    todos.truncate(MOST);
    Ok(Tasks {
        note: (total > MOST).then(|| {
            format!(
                "{} more, due later: ask again with a narrower status, min_priority, categories or \
                 summary_contains.",
                total - MOST
            )
        }),
        todos: todos.into_iter().map(|(_, task)| task).collect(),
        total,
    })
}

pub(super) async fn create(client: Client, arguments: CreateArguments) -> Result<Task, ToolError> {
    let (uid, now) = (Uuid::new_v4().to_string(), now(&client));
    let home = store::home(&client).await;
    let mut draft = Draft::new(Kind::Task, &uid, now);
    let changes = UpdateArguments {
        calendar_name: arguments.calendar_name,
        todo_uid: uid,
        summary: Some(arguments.summary),
        description: Some(arguments.description),
        status: Some(arguments.status),
        priority: Some(arguments.priority),
        percent_complete: None,
        due: Some(arguments.due),
        dtstart: Some(arguments.dtstart),
        completed: None,
        categories: Some(arguments.categories),
        reminders: arguments.reminders,
        etag: String::new(),
    };
    apply(&client, &mut draft, None, &changes, &home).await?;
    draft.stamp(now, false)?;
    let UpdateArguments {
        calendar_name,
        todo_uid,
        ..
    } = &changes;
    let found = put_new(&client, calendar_name, Kind::Task, todo_uid, draft.finish()).await?;
    shown(&found, &home, now)
}

pub(super) async fn update(client: Client, arguments: UpdateArguments) -> Result<Task, ToolError> {
    let UpdateArguments {
        calendar_name,
        todo_uid,
        etag,
        ..
    } = &arguments;
    let found = find(&client, calendar_name, Kind::Task, todo_uid).await?;
    let (home, now) = (store::home(&client).await, now(&client));
    let mut draft = Draft::of(&found.object, Kind::Task);
    apply(&client, &mut draft, Some(&found), &arguments, &home).await?;
    draft.stamp(now, true)?;
    let found = replace(&client, &found, Kind::Task, etag, draft.finish()).await?;
    shown(&found, &home, now)
}

pub(super) async fn delete(client: Client, arguments: TaskArguments) -> Result<Gone, ToolError> {
    let TaskArguments {
        calendar_name,
        todo_uid,
    } = arguments;
    let Some(found) = look_for(&client, &calendar_name, Kind::Task, &todo_uid).await? else {
        return Ok(Gone {
            todo_uid,
            summary: None,
            deleted: false,
            in_trash_bin: false,
            kept_days: None,
        });
    };
    let main = found.object.main(Kind::Task);
    let summary = main.and_then(|task| text(task, &ICalendarProperty::Summary));
    match client.delete_calendar_object(&found.stored).await {
        Ok(()) => {}
        Err(error) if error.is(StatusCode::PRECONDITION_FAILED) => {
            return Err(ToolError::failed(format!(
                "The task \"{todo_uid}\" was changed just now, so it was not deleted. List the \
                 tasks again and delete it if it is still unwanted."
            ))
            .because(error));
        }
        Err(error) => return Err(describe(error, &store::about(Kind::Task, &todo_uid))),
    }
    let kept_days = store::trash(&client).await?;
    Ok(Gone {
        todo_uid,
        summary,
        deleted: true,
        in_trash_bin: kept_days.is_some(),
        kept_days,
    })
}

fn shown(found: &Found, home: &Zone, now: i64) -> Result<Task, ToolError> {
    Task::read(&found.stored, &found.object, home, now).ok_or_else(unreadable)
}
