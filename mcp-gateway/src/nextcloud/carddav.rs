//! Address books over CardDAV (RFC 6352): which there are, making and deleting them.
//!
//! Owns the properties of address books and the XML of the requests. The cards in them are
//! `cards`' matter; what vCard texts mean is read in `tools::contacts`.

mod cards;

use http::{HeaderValue, Method};

pub use self::cards::{Card, CardName};
use super::{
    client::Client,
    dav::{self, method, segments_below},
    error::Error,
    path::Route,
    request::Request,
    xml::{DAV, Document, Response},
};

const CARDDAV: &str = "urn:ietf:params:xml:ns:carddav";
const CALENDARSERVER: &str = "http://calendarserver.org/ns/";

/// What the bodies of CardDAV requests are written with.
const NAMESPACES: &[(&str, &str)] = &[
    ("xmlns:d", DAV),
    ("xmlns:card", CARDDAV),
    ("xmlns:cs", CALENDARSERVER),
];

const XML: HeaderValue = HeaderValue::from_static("application/xml; charset=utf-8");

/// An address book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressBook {
    /// Its segment in paths.
    pub name: String,
    /// The name people see.
    pub display_name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// Whether the user may put cards into it.
    pub is_writable: bool,
    /// Whose it is, when it is another user's.
    pub shared_by: Option<String>,
    /// Changes with everything in it.
    pub version: Option<String>,
}

impl Client {
    /// The user's address books, those that others share and Nextcloud's own included.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn address_books(&self) -> Result<Vec<AddressBook>, Error> {
        let user = self.user_id().await?;
        let properties = [
            "d:displayname",
            "d:resourcetype",
            "d:owner",
            "d:current-user-privilege-set",
            "cs:getctag",
            "card:addressbook-description",
        ];
        let home = self.address_book_home().await?.collection();
        let request = dav::propfind_with(NAMESPACES, home, "1", &properties)?;
        let responses = self.multistatus(&request).await?;
        let books = responses.iter().filter_map(|one| address_book(one, &user));
        Ok(books.collect())
    }

    /// Makes an address book (RFC 5689).
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 405 when the name is taken or reserved.
    pub async fn make_address_book(&self, name: &str, display_name: &str) -> Result<(), Error> {
        let route = self.address_book(name).await?;
        let request =
            Request::new(method(b"MKCOL")?, route).body(XML, new_address_book(display_name));
        self.send(&request).await.map(drop)
    }

    /// Deletes an address book with all that is in it, for good; of one that somebody else shares
    /// only the share goes.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 404 when there is no such address book.
    pub async fn delete_address_book(&self, name: &str) -> Result<(), Error> {
        let request = Request::new(Method::DELETE, self.address_book(name).await?);
        self.send(&request).await.map(drop)
    }

    async fn address_book_home(&self) -> Result<Route, Error> {
        let user = self.user_id().await?;
        Ok(Route::dav(["addressbooks", "users", user.as_ref()]))
    }

    async fn address_book(&self, name: &str) -> Result<Route, Error> {
        Ok(self.address_book_home().await?.join([name]).collection())
    }
}

fn new_address_book(display_name: &str) -> Vec<u8> {
    let mut document = Document::with_namespaces("d:mkcol", NAMESPACES);
    document.element("d:set", |set| {
        set.element("d:prop", |prop| {
            prop.element("d:resourcetype", |kind| {
                kind.empty("d:collection").empty("card:addressbook");
            });
            prop.leaf("d:displayname", display_name);
        });
    });
    document.finish("d:mkcol")
}

fn address_book(response: &Response, user: &str) -> Option<AddressBook> {
    let segments = segments_below(&response.href, "addressbooks")?;
    let [_, owner, name] = segments.as_slice() else {
        return None;
    };
    let kind = response.property(DAV, "resourcetype")?;
    if owner != user || !kind.children.iter().any(|one| one == "addressbook") {
        return None;
    }
    let privileges = response.property(DAV, "current-user-privilege-set");
    let is_writable = privileges.is_none_or(|set| {
        let needed = |one: &String| matches!(one.as_str(), "all" | "write" | "write-content");
        set.children.iter().any(needed)
    });
    let text = |namespace, name| response.text(namespace, name).map(str::to_owned);
    Some(AddressBook {
        name: name.clone(),
        display_name: text(DAV, "displayname"),
        description: text(CARDDAV, "addressbook-description"),
        is_writable,
        shared_by: response
            .text(DAV, "owner")
            .and_then(dav::user_of_principal)
            .filter(|owner| owner != user),
        version: text(CALENDARSERVER, "getctag"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nextcloud::xml::multistatus;

    fn one(name: &str, properties: &str) -> Option<AddressBook> {
        let xml = format!(
            r#"<d:multistatus xmlns:d="DAV:" xmlns:card="{CARDDAV}" xmlns:x1="{CALENDARSERVER}">
            <d:response><d:href>/nc/remote.php/dav/addressbooks/users/alice/{name}</d:href><d:propstat>
            <d:prop>{properties}</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>
            </d:response></d:multistatus>"#
        );
        address_book(&multistatus(&xml).expect("multistatus")[0], "alice")
    }

    const KIND: &str = "<d:resourcetype><d:collection/><card:addressbook/></d:resourcetype>";

    #[test]
    fn an_address_book_says_what_one_may_do() {
        let own = one(
            "my%20book/",
            &format!(
                "{KIND}<d:displayname>Mine &amp; yours</d:displayname><x1:getctag>30</x1:getctag>
                <d:current-user-privilege-set><d:privilege><d:write-content/></d:privilege></d:current-user-privilege-set>
                <d:owner><d:href>/nc/remote.php/dav/principals/users/alice/</d:href></d:owner>"
            ),
        )
        .expect("address book");
        assert_eq!(own.name, "my book");
        assert_eq!(own.display_name.as_deref(), Some("Mine & yours"));
        assert_eq!(own.version.as_deref(), Some("30"));
        assert!(own.is_writable && own.shared_by.is_none());

        let shared = one(
            "theirs_shared_by_bob/",
            &format!(
                "{KIND}<d:current-user-privilege-set><d:privilege><d:write-properties/></d:privilege>
                <d:privilege><d:read/></d:privilege></d:current-user-privilege-set>
                <d:owner><d:href>/nc/remote.php/dav/principals/users/bob/</d:href></d:owner>"
            ),
        )
        .expect("address book");
        assert!(!shared.is_writable);
        assert_eq!(shared.shared_by.as_deref(), Some("bob"));
    }

    #[test]
    fn the_home_and_plain_folders_are_no_address_books() {
        assert_eq!(one("", KIND), None);
        let folder = "<d:resourcetype><d:collection/></d:resourcetype>";
        assert_eq!(one("folder/", folder), None);
        assert_eq!(one("contacts/carol.vcf", KIND), None);
    }

    #[test]
    fn a_display_name_is_only_a_text() {
        let xml = String::from_utf8(new_address_book("a</d:displayname><&\"")).expect("utf-8");
        assert!(
            xml.contains("<d:displayname>a&lt;/d:displayname&gt;&lt;&amp;"),
            "{xml}"
        );
        assert!(
            xml.contains("<d:resourcetype><d:collection/><card:addressbook/></d:resourcetype>"),
            "{xml}"
        );
    }
}
