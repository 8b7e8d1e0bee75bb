//! The cards in an address book, as texts: finding, reading, writing under a condition, deleting.
//!
//! A card is read by PROPFIND when it is to be written again: GET and the reports convert it to
//! version 3.0 on the way out, and what was lost in that would be lost for good.

use http::{HeaderValue, Method};

use super::{CARDDAV, NAMESPACES, XML};
use crate::nextcloud::{
    client::Client,
    dav::{self, DEPTH, bare, method, segments_below},
    error::Error,
    path::Route,
    request::Request,
    webdav::{Condition, Written, written},
    xml::{DAV, Document, Response},
};

/// What the tools show of a card. The rest, photos above all, stays where it is.
const SHOWN: [&str; 15] = [
    "VERSION",
    "UID",
    "FN",
    "N",
    "NICKNAME",
    "EMAIL",
    "TEL",
    "URL",
    "ADR",
    "ORG",
    "TITLE",
    "NOTE",
    "BDAY",
    "CATEGORIES",
    "X-ABLABEL",
];

/// A card that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardName {
    /// Its name, the last segment of its path.
    pub name: String,
    /// Where it is, encoded as Nextcloud did it.
    pub href: String,
    /// Its version, without quotes.
    pub etag: String,
}

/// A card with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Its name, the last segment of its path.
    pub name: String,
    /// Its version, without quotes.
    pub etag: String,
    /// The vCard text.
    pub text: String,
}

impl Client {
    /// The names of all cards of an address book, in a fixed order, without their texts.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 404 when there is no such address book.
    pub async fn card_names(&self, book: &str) -> Result<Vec<CardName>, Error> {
        let route = self.address_book(book).await?;
        let request = dav::propfind_with(NAMESPACES, route, "1", &["d:getetag"])?;
        let responses = self.multistatus(&request).await?;
        let mut names: Vec<CardName> = responses.iter().filter_map(card_name).collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(names)
    }

    /// What the tools show of these cards, in their order; a card that is gone by now is missing.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn cards(&self, book: &str, names: &[CardName]) -> Result<Vec<Card>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = self.card_report(book, multiget(names)).await?;
        let place = |card: &Card| names.iter().position(|one| one.name == card.name);
        found.sort_by_key(place);
        Ok(found)
    }

    /// What the tools show of the cards with this UID: one, unless something went wrong.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 404 when there is no such address book.
    pub async fn cards_by_uid(&self, book: &str, uid: &str) -> Result<Vec<Card>, Error> {
        self.card_report(book, query_uid(uid)).await
    }

    /// A card exactly as it is stored.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 404 when there is none.
    pub async fn card(&self, book: &str, name: &str) -> Result<Card, Error> {
        let route = self.card_route(book, name).await?;
        let properties = ["d:getetag", "card:address-data"];
        let request = dav::propfind_with(NAMESPACES, route, "0", &properties)?;
        let responses = self.multistatus(&request).await?;
        let card = responses.iter().find_map(card);
        card.ok_or(Error::Malformed("a card without its text"))
    }

    /// Puts a card into an address book, under a condition.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; refusals with 412 when the condition does not hold, 415 for no valid
    /// vCard, 400 when another card has the UID, 404 when there is no such address book.
    pub async fn put_card(
        &self,
        book: &str,
        name: &str,
        text: String,
        condition: &Condition,
    ) -> Result<Written, Error> {
        let content_type = HeaderValue::from_static("text/vcard; charset=utf-8");
        let route = self.card_route(book, name).await?;
        let request = Request::new(Method::PUT, route).body(content_type, text);
        let request = condition.demand(request)?;
        self.send(&request).await.map(|answer| written(&answer))
    }

    /// Deletes a card that still has this version, for good.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; refusals with 412 for another version, 404 when there is none.
    pub async fn delete_card(&self, book: &str, name: &str, etag: &str) -> Result<(), Error> {
        let route = self.card_route(book, name).await?;
        let request = Request::new(Method::DELETE, route);
        let request = Condition::Unchanged(etag.to_owned()).demand(request)?;
        self.send(&request).await.map(drop)
    }

    async fn card_report(&self, book: &str, body: Vec<u8>) -> Result<Vec<Card>, Error> {
        let request = Request::new(method(b"REPORT")?, self.address_book(book).await?)
            .header(DEPTH, HeaderValue::from_static("1"))
            .body(XML, body);
        let responses = self.multistatus(&request).await?;
        Ok(responses.iter().filter_map(card).collect())
    }

    async fn card_route(&self, book: &str, name: &str) -> Result<Route, Error> {
        Ok(self.address_book_home().await?.join([book, name]))
    }
}

/// An `addressbook-multiget` (RFC 6352 §8.7).
fn multiget(names: &[CardName]) -> Vec<u8> {
    let mut document = Document::with_namespaces("card:addressbook-multiget", NAMESPACES);
    wanted(&mut document);
    for name in names {
        document.leaf("d:href", &name.href);
    }
    document.finish("card:addressbook-multiget")
}

/// An `addressbook-query` (RFC 6352 §8.6) for one UID.
fn query_uid(uid: &str) -> Vec<u8> {
    let mut document = Document::with_namespaces("card:addressbook-query", NAMESPACES);
    wanted(&mut document);
    document.element("card:filter", |filter| {
        filter.element_with("card:prop-filter", &[("name", "UID")], |property| {
            // Who compares exactly is our caller: Sabre's own comparison folds case.
            let how = [("collation", "i;unicode-casemap"), ("match-type", "equals")];
            property.element_with("card:text-match", &how, |matched| matched.text(uid));
        });
    });
    document.finish("card:addressbook-query")
}

fn wanted(document: &mut Document) {
    document.element("d:prop", |prop| {
        prop.empty("d:getetag");
        prop.element("card:address-data", |data| {
            for name in SHOWN {
                data.empty_with("card:prop", &[("name", name)]);
            }
        });
    });
}

fn card_name(response: &Response) -> Option<CardName> {
    let name = card_segment(response)?;
    Some(CardName {
        name,
        href: response.href.clone(),
        etag: bare(response.text(DAV, "getetag")?).to_owned(),
    })
}

fn card(response: &Response) -> Option<Card> {
    Some(Card {
        name: card_segment(response)?,
        etag: bare(response.text(DAV, "getetag")?).to_owned(),
        text: response.property(CARDDAV, "address-data")?.text.clone(),
    })
}

/// The name in the address of a card; the address book itself has none.
fn card_segment(response: &Response) -> Option<String> {
    let segments = segments_below(&response.href, "addressbooks")?;
    match segments.as_slice() {
        [_, _, _, name] => Some(name.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nextcloud::xml::multistatus;

    #[test]
    fn a_uid_is_only_a_text_in_a_query() {
        let xml = String::from_utf8(query_uid("a<&]]>\"")).expect("utf-8");
        for part in [
            r#"<card:prop-filter name="UID"><card:text-match collation="i;unicode-casemap" match-type="equals">a&lt;&amp;]]&gt;"#,
            r#"<card:prop name="EMAIL"/>"#,
        ] {
            assert!(xml.contains(part), "{part} in {xml}");
        }
        assert!(!xml.contains("PHOTO"));
    }

    #[test]
    fn cards_are_asked_for_where_nextcloud_said_they_are() {
        let name = CardName {
            name: "a b.vcf".to_owned(),
            href: "/nc/remote.php/dav/addressbooks/users/al/c/a%20b.vcf".to_owned(),
            etag: "e".to_owned(),
        };
        let xml = String::from_utf8(multiget(std::slice::from_ref(&name))).expect("utf-8");
        assert!(
            xml.contains(&format!("<d:href>{}</d:href>", name.href)),
            "{xml}"
        );
    }

    #[test]
    fn the_text_of_a_card_keeps_its_line_ends() {
        let responses = multistatus(&format!(
            "<d:multistatus xmlns:d=\"DAV:\" xmlns:card=\"{CARDDAV}\"><d:response>\
             <d:href>/remote.php/dav/addressbooks/users/al/c/a.vcf</d:href><d:propstat><d:prop>\
             <d:getetag>&quot;e1&quot;</d:getetag><card:address-data>BEGIN:VCARD&#13;\n FN:a&amp;b&#13;\n\
             </card:address-data></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>\
             </d:response></d:multistatus>"
        ))
        .expect("multistatus");
        let card = card(&responses[0]).expect("a card");
        assert_eq!((card.name.as_str(), card.etag.as_str()), ("a.vcf", "e1"));
        assert_eq!(card.text, "BEGIN:VCARD\r\n FN:a&b\r\n");
    }
}
