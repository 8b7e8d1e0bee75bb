//! What everything over DAV shares: PROPFIND, multistatus answers, etags, who the user is.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::percent_decode_str;
use time::{
    OffsetDateTime,
    format_description::well_known::{Rfc2822, Rfc3339},
};

use super::{
    client::Client,
    error::Error,
    path::Route,
    request::Request,
    xml::{self, DAV, Document, OWNCLOUD, Response},
};

pub(super) const DEPTH: HeaderName = HeaderName::from_static("depth");

impl Client {
    /// The user's id in Nextcloud, which is a segment of their DAV paths.
    ///
    /// Asked over DAV, which answers users with a second factor too, and remembered.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn user_id(&self) -> Result<Arc<str>, Error> {
        let users = &self.transport().users;
        if let Some(user) = users.get(self.account()).await {
            return Ok(user);
        }
        let request = propfind(
            Route::dav([]).collection(),
            "0",
            &["d:current-user-principal"],
        )?;
        let responses = self.multistatus(&request).await?;
        let user = responses
            .first()
            .and_then(|response| response.text(DAV, "current-user-principal"))
            .and_then(user_of_principal)
            .ok_or(Error::Malformed("no current user"))?;
        let user: Arc<str> = Arc::from(user);
        users
            .insert(self.account().to_owned(), Arc::clone(&user))
            .await;
        Ok(user)
    }

    /// Sends a request and reads the multistatus that comes back.
    pub(super) async fn multistatus(&self, request: &Request) -> Result<Vec<Response>, Error> {
        let answer = self.send(request).await?;
        if answer.status != StatusCode::MULTI_STATUS {
            return Err(Error::Malformed("no multistatus"));
        }
        let text =
            std::str::from_utf8(&answer.body).map_err(|_| Error::Malformed("XML in no UTF-8"))?;
        xml::multistatus(text)
    }
}

/// The id of the user whose principal this encoded address is.
pub(super) fn user_of_principal(href: &str) -> Option<String> {
    let (_, user) = href
        .trim_end_matches('/')
        .rsplit_once("/principals/users/")?;
    let user = percent_decode_str(user).decode_utf8().ok()?;
    (!user.is_empty() && !user.contains('/')).then(|| user.into_owned())
}

/// The decoded segments of an encoded `href` below `/remote.php/dav/{collection}/`; `None` when it
/// is elsewhere or not UTF-8.
pub(super) fn segments_below(href: &str, collection: &str) -> Option<Vec<String>> {
    let (_, rest) = href.split_once("/remote.php/dav/")?;
    let rest = rest.strip_prefix(collection)?.strip_prefix('/')?;
    rest.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| {
            let decoded = percent_decode_str(segment).decode_utf8().ok()?;
            Some(decoded.into_owned())
        })
        .collect()
}

/// A PROPFIND for these properties, written with the prefixes of [`Document`].
pub(super) fn propfind(
    route: Route,
    depth: &'static str,
    properties: &[&str],
) -> Result<Request, Error> {
    let namespaces = [("xmlns:d", DAV), ("xmlns:oc", OWNCLOUD)];
    propfind_with(&namespaces, route, depth, properties)
}

/// A PROPFIND for properties of these namespaces.
pub(super) fn propfind_with(
    namespaces: &[(&str, &str)],
    route: Route,
    depth: &'static str,
    properties: &[&str],
) -> Result<Request, Error> {
    let mut document = Document::with_namespaces("d:propfind", namespaces);
    document.element("d:prop", |prop| {
        for name in properties {
            prop.empty(name);
        }
    });
    let content_type = HeaderValue::from_static("application/xml; charset=utf-8");
    Ok(Request::new(method(b"PROPFIND")?, route)
        .header(DEPTH, HeaderValue::from_static(depth))
        .body(content_type, document.finish("d:propfind")))
}

/// The version without quotes and weakness mark, as the tools show and take it.
pub(super) fn bare(etag: &str) -> &str {
    etag.trim().trim_start_matches("W/").trim_matches('"')
}

/// The version as a header wants it, however the caller wrote it.
pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{}\"", bare(etag))
}

/// `Sat, 21 Nov 2026 02:03:42 GMT` as `2026-11-21T02:03:42Z`; anything else as it is.
pub(super) fn rfc3339(text: &str) -> String {
    OffsetDateTime::parse(text, &Rfc2822)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| text.to_owned())
}

/// A verb of WebDAV.
pub(super) fn method(name: &'static [u8]) -> Result<Method, Error> {
    Method::from_bytes(name).map_err(|error| Error::Request(Box::new(error)))
}

/// Text as the value of a header.
pub(super) fn value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|error| Error::Request(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_quoted_once_however_it_was_given() {
        for text in ["abc", "\"abc\"", "W/\"abc\"", " abc "] {
            assert_eq!(quoted(text), "\"abc\"");
        }
    }

    #[test]
    fn the_segments_of_an_href_are_decoded_one_by_one() {
        assert_eq!(
            segments_below("/nc/remote.php/dav/calendars/al%20ice/a%2Fb/", "calendars"),
            Some(vec!["al ice".to_owned(), "a/b".to_owned()])
        );
        assert_eq!(
            segments_below("/remote.php/dav/files/alice/x", "calendars"),
            None
        );
        assert_eq!(
            segments_below("/remote.php/dav/calendars/%ff/", "calendars"),
            None
        );
    }

    #[test]
    fn times_are_written_as_rfc_3339() {
        assert_eq!(
            rfc3339("Sat, 21 Nov 2026 02:03:42 GMT"),
            "2026-11-21T02:03:42Z"
        );
        assert_eq!(rfc3339("yesterday"), "yesterday");
    }
}
