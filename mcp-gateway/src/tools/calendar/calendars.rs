//! The calendars themselves: list, make, change, delete.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    color::calendar_color,
    store::{self, CALENDARS, about_calendar},
};
use crate::{
    error::{Describe, ToolError, describe},
    nextcloud::{Calendar, CalendarChange, CalendarKind, Client, NewCalendar},
};

/// The colour of a new calendar.
const COLOR: &str = "#1976D2";
/// Members of every calendar home that are no calendars.
const RESERVED: [&str; 3] = ["inbox", "outbox", "trashbin"];

#[derive(Deserialize, JsonSchema)]
pub(super) struct NoArguments {}

/// The user's calendars.
#[derive(Serialize, JsonSchema)]
pub(super) struct Calendars {
    /// The calendars.
    calendars: Vec<Shown>,
}

/// A calendar.
#[derive(Serialize, JsonSchema)]
struct Shown {
    /// The name, which the other tools take as `calendar_name`.
    name: String,
    /// The name people see.
    display_name: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<String>,
    /// Whether it may hold events.
    holds_events: bool,
    /// Whether it may hold tasks.
    holds_tasks: bool,
    /// Whether it can only be read.
    read_only: bool,
    /// Who shares it with the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_by: Option<String>,
    /// Where a subscribed calendar comes from; its events are not in Nextcloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// Changes with everything in the calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

impl From<Calendar> for Shown {
    fn from(calendar: Calendar) -> Self {
        let is_own = calendar.kind == CalendarKind::Calendar;
        // Without a list a calendar takes everything (RFC 4791 §5.2.3).
        let holds = |component| calendar.holds(component) || calendar.components.is_empty();
        Self {
            display_name: calendar
                .display_name
                .clone()
                .unwrap_or_else(|| calendar.name.clone()),
            holds_events: is_own && holds("VEVENT"),
            holds_tasks: is_own && holds("VTODO"),
            read_only: !calendar.is_writable,
            name: calendar.name,
            description: calendar.description,
            color: calendar.color,
            shared_by: calendar.shared_by,
            source: calendar.source,
            version: calendar.version,
        }
    }
}

pub(super) async fn list(client: Client, _: NoArguments) -> Result<Calendars, ToolError> {
    let calendars = client.calendars().await.about(&CALENDARS)?;
    let living = calendars
        .into_iter()
        .filter(|one| one.kind != CalendarKind::Deleted);
    Ok(Calendars {
        calendars: living.map(Shown::from).collect(),
    })
}

/// What is done with a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// Shows the calendars.
    List,
    /// Makes one for events and tasks.
    Create,
    /// Deletes one with all that is in it.
    Delete,
    /// Changes its display name, description or colour.
    Update,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct ManageArguments {
    /// What to do: list, create, delete or update.
    action: Action,
    /// The calendar's name in addresses; for create a new one, such as "team".
    #[serde(default)]
    calendar_name: String,
    /// The name people see; the calendar's name unless given.
    #[serde(default)]
    display_name: Option<String>,
    /// What it is about; an empty text removes it.
    #[serde(default)]
    description: Option<String>,
    /// The colour, such as "#1976D2", which a new calendar has unless given; an empty text removes
    /// it.
    #[serde(default)]
    color: Option<String>,
}

/// What was done, and the calendars it was about.
#[derive(Serialize, JsonSchema)]
pub(super) struct Managed {
    /// What was done, in a sentence.
    message: String,
    /// The calendar that was made or changed, or all of them.
    calendars: Vec<Shown>,
    /// Whether a deleted calendar is in the trash bin now.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_trash_bin: Option<bool>,
    /// How many days the trash bin keeps it; so long its name cannot be used again.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_days: Option<u64>,
}

pub(super) async fn manage(
    client: Client,
    arguments: ManageArguments,
) -> Result<Managed, ToolError> {
    let name = arguments.calendar_name.trim().to_owned();
    if arguments.action == Action::List {
        return Ok(Managed {
            message: "These are the calendars.".to_owned(),
            calendars: list(client, NoArguments {}).await?.calendars,
            in_trash_bin: None,
            kept_days: None,
        });
    }
    if name.is_empty() || name.contains('/') || RESERVED.contains(&name.as_str()) {
        return Err(ToolError::invalid(format!(
            "\"{name}\" cannot be the name of a calendar. Give calendar_name, without slashes and \
             other than inbox, outbox and trashbin."
        )));
    }
    let color = match arguments.color.as_deref().map(str::trim) {
        None => None,
        Some("") => Some(String::new()),
        Some(color) => Some(calendar_color(color)?),
    };
    match arguments.action {
        Action::List | Action::Create => create(&client, &name, &arguments, color).await,
        Action::Update => update(&client, &name, &arguments, color).await,
        Action::Delete => delete(&client, &name).await,
    }
}

async fn create(
    client: &Client,
    name: &str,
    arguments: &ManageArguments,
    color: Option<String>,
) -> Result<Managed, ToolError> {
    let color = color.filter(|color| !color.is_empty());
    let display_name = arguments.display_name.as_deref().map(str::trim);
    let new = NewCalendar {
        display_name: display_name.filter(|text| !text.is_empty()).unwrap_or(name),
        description: arguments.description.as_deref().unwrap_or_default(),
        color: color.as_deref().unwrap_or(COLOR),
    };
    match client.make_calendar(name, new).await {
        Ok(()) => {
            done(
                client,
                name,
                format!("The calendar \"{name}\" was created."),
            )
            .await
        }
        Err(error) if error.is(StatusCode::METHOD_NOT_ALLOWED) => {
            let calendars = client.calendars().await.about(&CALENDARS)?;
            let holder = calendars.iter().find(|one| one.name == name);
            let sentence = match holder.map(|holder| holder.kind) {
                Some(CalendarKind::Deleted) => format!(
                    "A calendar \"{name}\" that was deleted is still in the trash bin and holds \
                     the name. Choose another name, or let the user restore it or empty the trash \
                     bin in the Calendar app."
                ),
                Some(CalendarKind::Calendar | CalendarKind::Subscription) | None => format!(
                    "There is a calendar \"{name}\" already. Use it, or choose another name."
                ),
            };
            Err(ToolError::failed(sentence).because(error))
        }
        Err(error) => Err(describe(error, &about_calendar(name))),
    }
}

async fn update(
    client: &Client,
    name: &str,
    arguments: &ManageArguments,
    color: Option<String>,
) -> Result<Managed, ToolError> {
    // A calendar without any name could not be told from others.
    let display_name = arguments.display_name.as_deref().map(str::trim);
    let display_name = display_name.map(|text| if text.is_empty() { name } else { text });
    let change = CalendarChange {
        display_name,
        description: arguments.description.as_deref(),
        color: color.as_deref(),
    };
    if change.display_name.is_none() && change.description.is_none() && change.color.is_none() {
        return Err(ToolError::invalid(
            "There is nothing to change: give display_name, description or color.",
        ));
    }
    client
        .change_calendar(name, change)
        .await
        .about(&about_calendar(name))?;
    done(
        client,
        name,
        format!("The calendar \"{name}\" was changed."),
    )
    .await
}

async fn delete(client: &Client, name: &str) -> Result<Managed, ToolError> {
    client
        .delete_calendar(name)
        .await
        .about(&about_calendar(name))?;
    let kept_days = store::trash(client).await?;
    let message = match kept_days {
        Some(days) => format!(
            "The calendar \"{name}\" with all that was in it is in the trash bin, where the user \
             can restore it for {days} days. So long no new calendar can have its name."
        ),
        None => format!("The calendar \"{name}\" with all that was in it was deleted for good."),
    };
    Ok(Managed {
        message,
        calendars: Vec::new(),
        in_trash_bin: Some(kept_days.is_some()),
        kept_days,
    })
}

async fn done(client: &Client, name: &str, message: String) -> Result<Managed, ToolError> {
    let calendars = client.calendars().await.about(&CALENDARS)?;
    let calendar = calendars.into_iter().find(|one| one.name == name);
    Ok(Managed {
        message,
        calendars: calendar.into_iter().map(Shown::from).collect(),
        in_trash_bin: None,
        kept_days: None,
    })
}
