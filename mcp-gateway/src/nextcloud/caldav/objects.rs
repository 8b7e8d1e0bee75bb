//! The events and tasks in a calendar, as texts: finding, writing under a condition, deleting.

use http::{HeaderName, HeaderValue, Method, header};

use super::super::{
    client::Client,
    dav::{DEPTH, bare, method, quoted, segments_below, value},
    error::Error,
    path::Route,
    request::Request,
    webdav::{Condition, Written, written},
    xml::{CALDAV, DAV, Document, Response},
};
use super::{NAMESPACES, XML, utc_stamp};

const DESTINATION: HeaderName = HeaderName::from_static("destination");
const OVERWRITE: HeaderName = HeaderName::from_static("overwrite");

/// A calendar object resource (RFC 4791 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarObject {
    /// The calendar's name.
    pub calendar: String,
    /// Its own name, the last segment of its path.
    pub name: String,
    /// Where it is, encoded.
    pub href: String,
    /// Its version, without quotes.
    pub etag: String,
    /// The iCalendar text.
    pub text: String,
}

/// Which objects of a calendar are wanted; all that is given has to be true.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// The component: `VEVENT` or `VTODO`.
    pub component: &'a str,
    /// Something happens from the first to the second instant, in seconds since 1970.
    pub range: Option<(i64, i64)>,
    /// A property contains a text; or, without one, it is absent.
    pub property: Option<(&'a str, Option<&'a str>)>,
}

impl Client {
    /// The objects of a calendar that match, chosen by Nextcloud.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 404 when there is no such calendar.
    pub async fn calendar_query(
        &self,
        calendar: &str,
        filter: Filter<'_>,
    ) -> Result<Vec<CalendarObject>, Error> {
        let request = Request::new(method(b"REPORT")?, self.calendar(calendar).await?)
            .header(DEPTH, HeaderValue::from_static("1"))
            .body(XML, query(filter));
        let responses = self.multistatus(&request).await?;
        Ok(responses.iter().filter_map(object).collect())
    }

    /// Puts an object into a calendar, under a condition.
    ///
    /// The version is missing in the answer when Nextcloud changed the object on the way in, as it
    /// does with invitations.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; refusals with 412 when the condition does not hold, 415 for no valid
    /// iCalendar, 404 when there is no such calendar.
    pub async fn put_calendar_object(
        &self,
        calendar: &str,
        name: &str,
        text: String,
        condition: &Condition,
    ) -> Result<Written, Error> {
        let content_type = HeaderValue::from_static("text/calendar; charset=utf-8");
        let route = self.calendar_object(calendar, name).await?;
        let request = Request::new(Method::PUT, route).body(content_type, text);
        let request = condition.demand(request)?;
        self.send(&request).await.map(|answer| written(&answer))
    }

    /// Reads one object.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 404 when there is none.
    pub async fn get_calendar_object(
        &self,
        calendar: &str,
        name: &str,
    ) -> Result<CalendarObject, Error> {
        let route = self.calendar_object(calendar, name).await?;
        let href = route.as_str().to_owned();
        let answer = self.send(&Request::new(Method::GET, route)).await?;
        let etag = answer.header(header::ETAG).map(bare).unwrap_or_default();
        let text = std::str::from_utf8(&answer.body)
            .map_err(|_| Error::Malformed("a calendar object in no UTF-8"))?;
        Ok(CalendarObject {
            calendar: calendar.to_owned(),
            name: name.to_owned(),
            href,
            etag: etag.to_owned(),
            text: text.to_owned(),
        })
    }

    /// The place of an object that was just written, without its version and text.
    ///
    /// # Errors
    ///
    /// As [`Client::user_id`].
    pub async fn calendar_object_at(
        &self,
        calendar: &str,
        name: &str,
    ) -> Result<CalendarObject, Error> {
        let route = self.calendar_object(calendar, name).await?;
        Ok(CalendarObject {
            calendar: calendar.to_owned(),
            name: name.to_owned(),
            href: route.as_str().to_owned(),
            etag: String::new(),
            text: String::new(),
        })
    }

    /// Deletes an object that still has this version; it goes to the trash bin if there is one.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; refusals with 412 for another version, 404 when there is none.
    pub async fn delete_calendar_object(&self, object: &CalendarObject) -> Result<(), Error> {
        let route = self.calendar_object(&object.calendar, &object.name).await?;
        let request = Request::new(Method::DELETE, route)
            .header(header::IF_MATCH, value(&quoted(&object.etag))?);
        self.send(&request).await.map(drop)
    }

    /// Moves an object that still has this version to another calendar of the user. It stays one
    /// and the same object: nobody is invited again, and nothing is in two places or in none.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; refusals with 412 for another version or when the name is taken there,
    /// 404 or 409 when one of the calendars does not exist.
    pub async fn move_calendar_object(
        &self,
        object: &CalendarObject,
        calendar: &str,
    ) -> Result<(), Error> {
        let destination = self.calendar_object(calendar, &object.name).await?;
        let destination = self.url(&destination);
        let route = self.calendar_object(&object.calendar, &object.name).await?;
        let request = Request::new(method(b"MOVE")?, route)
            .header(DESTINATION, value(&destination)?)
            .header(OVERWRITE, HeaderValue::from_static("F"))
            .header(header::IF_MATCH, value(&quoted(&object.etag))?);
        self.send(&request).await.map(drop)
    }

    async fn calendar_object(&self, calendar: &str, name: &str) -> Result<Route, Error> {
        Ok(self.home().await?.join([calendar, name]))
    }
}

/// A `calendar-query` (RFC 4791 §7.8).
fn query(filter: Filter<'_>) -> Vec<u8> {
    let mut document = Document::with_namespaces("c:calendar-query", NAMESPACES);
    document.element("d:prop", |prop| {
        prop.empty("d:getetag").empty("c:calendar-data");
    });
    document.element("c:filter", |tree| {
        tree.element_with("c:comp-filter", &[("name", "VCALENDAR")], |calendar| {
            let component = [("name", filter.component)];
            calendar.element_with("c:comp-filter", &component, |component| {
                if let Some((start, end)) = filter.range {
                    let (start, end) = (utc_stamp(start), utc_stamp(end));
                    component.empty_with("c:time-range", &[("start", &start), ("end", &end)]);
                }
                if let Some((name, text)) = filter.property {
                    component.element_with("c:prop-filter", &[("name", name)], |property| {
                        match text {
                            Some(text) => property.element_with(
                                "c:text-match",
                                &[("collation", "i;octet")],
                                |matched| matched.text(text),
                            ),
                            None => property.empty("c:is-not-defined"),
                        };
                    });
                }
            });
        });
    });
    document.finish("c:calendar-query")
}

fn object(response: &Response) -> Option<CalendarObject> {
    let mut segments = segments_below(&response.href, "calendars")?;
    let (name, calendar) = (segments.pop()?, segments.pop()?);
    Some(CalendarObject {
        calendar,
        name,
        href: response.href.clone(),
        etag: bare(response.text(DAV, "getetag")?).to_owned(),
        text: response.property(CALDAV, "calendar-data")?.text.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written_query(filter: Filter<'_>) -> String {
        String::from_utf8(query(filter)).expect("utf-8")
    }

    #[test]
    fn a_query_asks_for_a_time_and_for_a_property() {
        let xml = written_query(Filter {
            component: "VEVENT",
            range: Some((1_796_112_000, 1_796_115_600)),
            property: Some(("UID", Some("a<&\"b"))),
        });
        for part in [
            r#"<c:comp-filter name="VCALENDAR"><c:comp-filter name="VEVENT">"#,
            r#"<c:time-range start="20261201T080000Z" end="20261201T090000Z"/>"#,
            r#"<c:prop-filter name="UID"><c:text-match collation="i;octet">a&lt;&amp;"#,
        ] {
            assert!(xml.contains(part), "{part} in {xml}");
        }
        let absent = written_query(Filter {
            component: "VTODO",
            range: None,
            property: Some(("COMPLETED", None)),
        });
        assert!(
            absent.contains(r#"<c:prop-filter name="COMPLETED"><c:is-not-defined/>"#),
            "{absent}"
        );
    }
}
