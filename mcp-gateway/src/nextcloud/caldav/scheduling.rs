//! Who the user is to calendars, and who is busy when (RFC 4791 §7.10, RFC 6638 §5).

use http::{HeaderValue, Method};
use serde::Deserialize;

use super::super::{
    client::Client,
    dav::{DEPTH, method, propfind_with},
    error::Error,
    path::Route,
    request::Request,
    xml::{CALDAV, DAV, Document, Visit, visit},
};
use super::{NAMESPACES, XML, utc_stamp};

/// The user as organisers and invitations name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name people see.
    pub name: Option<String>,
    /// The e-mail address; an account without one can neither invite nor ask who is busy.
    pub email: Option<String>,
}

/// What the server says about one person who was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answerer {
    /// The address, such as `mailto:bob@example.org`.
    pub address: String,
    /// The status, such as `2.0;Success`.
    pub status: String,
    /// The iCalendar text with the busy times.
    pub text: String,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    timezone: Option<String>,
}

impl Client {
    /// The user's name and e-mail address.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn person(&self) -> Result<Person, Error> {
        let user = self.user_id().await?;
        let route = Route::dav(["principals", "users", user.as_ref()]).collection();
        let properties = ["d:displayname", "c:calendar-user-address-set"];
        let request = propfind_with(NAMESPACES, route, "0", &properties)?;
        let responses = self.multistatus(&request).await?;
        let principal = responses
            .first()
            .ok_or(Error::Malformed("no principal of the user"))?;
        let addresses = principal.property(CALDAV, "calendar-user-address-set");
        let email = addresses.and_then(|set| {
            let mut addresses = set.texts.iter();
            addresses.find_map(|address| address.trim().strip_prefix("mailto:"))
        });
        Ok(Person {
            name: principal.text(DAV, "displayname").map(str::to_owned),
            email: email.filter(|email| !email.is_empty()).map(str::to_owned),
        })
    }

    /// The id of the time zone that the user chose, if any.
    ///
    /// # Errors
    ///
    /// As [`Client::ocs`]; Nextcloud tells it only over OCS, which some accounts with a second
    /// factor cannot ask.
    pub async fn time_zone(&self) -> Result<Option<String>, Error> {
        let request = Request::new(Method::GET, Route::ocs(["cloud", "user"]));
        let user: User = self.ocs(request).await?;
        Ok(user.timezone.filter(|zone| !zone.is_empty()))
    }

    /// The busy times of one of the user's calendars, as iCalendar.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 404 when there is no such calendar.
    pub async fn free_busy(&self, calendar: &str, range: (i64, i64)) -> Result<String, Error> {
        let (start, end) = (utc_stamp(range.0), utc_stamp(range.1));
        let mut document = Document::with_namespaces("c:free-busy-query", NAMESPACES);
        document.empty_with("c:time-range", &[("start", &start), ("end", &end)]);
        let request = Request::new(method(b"REPORT")?, self.calendar(calendar).await?)
            .header(DEPTH, HeaderValue::from_static("1"))
            .body(XML, document.finish("c:free-busy-query"));
        let answer = self.send(&request).await?;
        if answer.media_type().as_deref() != Some("text/calendar") {
            return Err(Error::Malformed("no free-busy times"));
        }
        Ok(answer.text().into_owned())
    }

    /// Asks through the user's own scheduling outbox when the attendees named in the iCalendar
    /// text are busy.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 403 when the organizer is not the user.
    pub async fn ask_free_busy(&self, text: String) -> Result<Vec<Answerer>, Error> {
        let route = self.home().await?.join(["outbox"]).collection();
        let content_type = HeaderValue::from_static("text/calendar; charset=utf-8");
        let request = Request::new(Method::POST, route).body(content_type, text);
        let answer = self.send(&request).await?;
        let text =
            std::str::from_utf8(&answer.body).map_err(|_| Error::Malformed("XML in no UTF-8"))?;
        let mut builder = Builder::default();
        visit(text, &mut builder)?;
        if builder.is_answer {
            Ok(builder.answerers)
        } else {
            Err(Error::Malformed("no schedule-response"))
        }
    }
}

/// Follows the elements of a `schedule-response` (RFC 6638 §10.1).
#[derive(Default)]
struct Builder {
    path: Vec<String>,
    is_answer: bool,
    answerers: Vec<Answerer>,
}

impl Visit for Builder {
    fn open(&mut self, namespace: &str, name: &str, _: Option<String>) {
        if self.path.is_empty() {
            self.is_answer = namespace == CALDAV && name == "schedule-response";
        }
        self.path.push(name.to_owned());
        if self.path.len() == 2 && name == "response" {
            self.answerers.push(Answerer::default());
        }
    }

    fn text(&mut self, text: &str) {
        let (Some(place), Some(answerer)) = (self.path.last(), self.answerers.last_mut()) else {
            return;
        };
        match place.as_str() {
            "href" => answerer.address.push_str(text),
            "request-status" => answerer.status.push_str(text),
            "calendar-data" => answerer.text.push_str(text),
            _ => {}
        }
    }

    fn close(&mut self) {
        self.path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_person_asked_for_has_an_answer() {
        let xml = format!(
            r#"<?xml version="1.0"?><cal:schedule-response xmlns:d="DAV:" xmlns:cal="{CALDAV}">
            <cal:response><cal:recipient><d:href>mailto:bob@example.test</d:href></cal:recipient>
            <cal:request-status>2.0;Success</cal:request-status>
            <cal:calendar-data>BEGIN:VCALENDAR&#13;
END:VCALENDAR</cal:calendar-data></cal:response>
            <cal:response><cal:recipient><d:href>mailto:x@example.test</d:href></cal:recipient>
            <cal:request-status>3.7;Could not find principal</cal:request-status></cal:response>
            </cal:schedule-response>"#
        );
        let mut builder = Builder::default();
        visit(&xml, &mut builder).expect("XML");
        assert!(builder.is_answer);
        let [bob, unknown] = builder.answerers.as_slice() else {
            panic!("{:?}", builder.answerers)
        };
        assert_eq!(bob.address, "mailto:bob@example.test");
        assert!(bob.status.starts_with("2.0") && bob.text.starts_with("BEGIN:VCALENDAR"));
        assert_eq!(unknown.status, "3.7;Could not find principal");
        assert_eq!(unknown.text, "");
    }
}
