//! A stored calendar object: one event or task with its exceptions and time zones.
//!
//! Holds it twice: as typed values to read, and as raw lines to change without touching the rest.

use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarProperty, ICalendarValue,
};

use super::{
    when::{DAY, When},
    zone::{Zone, Zones},
};
use crate::tools::content_line::Component;

/// What an object is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An event, `VEVENT`.
    Event,
    /// A task, `VTODO`.
    Task,
}

impl Kind {
    /// The component's name.
    pub(super) fn component(self) -> &'static str {
        match self {
            Self::Event => "VEVENT",
            Self::Task => "VTODO",
        }
    }

    fn is(self, kind: &ICalendarComponentType) -> bool {
        match self {
            Self::Event => *kind == ICalendarComponentType::VEvent,
            Self::Task => *kind == ICalendarComponentType::VTodo,
        }
    }
}

/// A calendar object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    raw: Component,
    calendar: ICalendar,
    zones: Zones,
}

impl Object {
    /// Reads an object; `None` when it is no calendar.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let raw = Component::parse(text).ok()?;
        let calendar = ICalendar::parse(text).ok()?;
        let zones = Zones::of(&calendar);
        (raw.name() == "VCALENDAR").then_some(Self {
            raw,
            calendar,
            zones,
        })
    }

    /// The lines, to change some of them.
    pub(super) fn raw(&self) -> &Component {
        &self.raw
    }

    /// The time zones that the object defines.
    pub(super) fn zones(&self) -> &Zones {
        &self.zones
    }

    /// The event or task itself, without its exceptions.
    pub(super) fn series(&self, kind: Kind) -> Option<&ICalendarComponent> {
        self.all(kind).find(|one| !one.is_recurrence_override())
    }

    /// The exceptions of a series.
    pub(super) fn exceptions(&self, kind: Kind) -> impl Iterator<Item = &ICalendarComponent> {
        self.all(kind).filter(|one| one.is_recurrence_override())
    }

    /// The event or task, or an exception that came without its series.
    pub(super) fn main(&self, kind: Kind) -> Option<&ICalendarComponent> {
        self.series(kind).or_else(|| self.all(kind).next())
    }

    fn all(&self, kind: Kind) -> impl Iterator<Item = &ICalendarComponent> {
        let components = self.calendar.components.iter();
        components.filter(move |component| kind.is(&component.component_type))
    }

    /// The components inside another one, such as its alarms.
    pub(super) fn inside<'a>(
        &'a self,
        component: &'a ICalendarComponent,
    ) -> impl Iterator<Item = &'a ICalendarComponent> + 'a {
        let ids = component.component_ids.iter();
        ids.filter_map(|id| self.calendar.component_by_id(*id))
    }

    /// A property that is a point in time.
    pub(super) fn time(
        &self,
        component: &ICalendarComponent,
        name: &ICalendarProperty,
        home: &Zone,
    ) -> Option<When> {
        When::first(component.property(name)?, &self.zones, home)
    }

    /// Start and end of a component; the start of a task without one is when it is due.
    pub(super) fn span(
        &self,
        component: &ICalendarComponent,
        kind: Kind,
        home: &Zone,
    ) -> Option<(When, When)> {
        let last = match kind {
            Kind::Event => ICalendarProperty::Dtend,
            Kind::Task => ICalendarProperty::Due,
        };
        let start = self.time(component, &ICalendarProperty::Dtstart, home);
        let end = self.time(component, &last, home);
        match (start, end) {
            (Some(start), Some(end)) => Some((start, end)),
            (Some(start), None) => {
                let length = component.property(&ICalendarProperty::Duration);
                let end = match length.and_then(|entry| entry.values.first()) {
                    Some(ICalendarValue::Duration(length)) => start.plus(length.as_seconds()),
                    // RFC 5545 §3.6.1: a day lasts a day, a time is a moment.
                    _ if start.is_date() && kind == Kind::Event => start.plus(DAY),
                    _ => start.clone(),
                };
                Some((start, end))
            }
            (None, Some(end)) => Some((end.clone(), end)),
            (None, None) => None,
        }
    }
}

/// The text of a property, its values joined when there are several.
pub(super) fn text(component: &ICalendarComponent, name: &ICalendarProperty) -> Option<String> {
    let entry = component.property(name)?;
    let values = entry
        .values
        .iter()
        .filter_map(|value| value.clone().into_text());
    let text = values.collect::<Vec<_>>().join(",");
    (!text.is_empty()).then_some(text)
}

/// All values of a property that may stand several times, such as the categories.
pub(super) fn texts(component: &ICalendarComponent, name: &ICalendarProperty) -> Vec<String> {
    let entries = component.properties(name);
    entries
        .flat_map(|entry| entry.values.iter())
        .filter_map(|value| value.clone().into_text())
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .collect()
}

/// A property that is a number.
pub(super) fn number(component: &ICalendarComponent, name: &ICalendarProperty) -> Option<i64> {
    component.property(name)?.values.first()?.as_integer()
}
