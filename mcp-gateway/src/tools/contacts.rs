//! Contacts: address books, and the people in them.
//!
//! A contact is found by its UID: the name of its object is somebody else's choice. A change is
//! made on the lines as they are stored, under the condition that they still are.

mod birthday;
mod book;
mod card;
mod data;
mod edit;
#[cfg(test)]
mod unharmed;

use std::borrow::Cow;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::{
    card::{Card, Contact},
    data::ContactData,
};
use super::{Effect, Family, Needs, Tool, page::Page};
use crate::{
    error::{About, Describe, ToolError, describe, words},
    nextcloud::{self, Client, Condition, Error},
};

const READ: Needs = Needs::All(&["contacts.read"]);
const WRITE: Needs = Needs::All(&["contacts.write"]);

/// Contacts returned unless asked otherwise, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 200;

/// The contact tools.
pub(super) fn family() -> Family {
    let [list_books, create_book, delete_book] = book::tools();
    Family {
        tools: vec![
            list_books,
            Tool::new("nc_contacts_list_contacts", Effect::Read, READ, list)
                .described(
                    "List contacts",
                    "Lists the contacts of an address book with their details, page by page. Use \
                     it to find somebody's address or number, or the uid of a contact. When \
                     next_offset is in the answer there are more: call again with it as offset.",
                )
                .calls(&[
                    "PROPFIND /remote.php/dav/addressbooks/users/{user}/{addressbook}/",
                    "REPORT /remote.php/dav/addressbooks/users/{user}/{addressbook}/ for the contacts of the page",
                ]),
            create_book,
            delete_book,
            Tool::new("nc_contacts_create_contact", Effect::Write, WRITE, create)
                .described(
                    "Create a contact",
                    "Adds a contact to an address book. \"fn\" in contact_data, the full name, is \
                     required. Look with nc_contacts_list_contacts first whether the person is \
                     there already.",
                )
                .calls(&["PUT /remote.php/dav/addressbooks/users/{user}/{addressbook}/{object}"]),
            Tool::new("nc_contacts_delete_contact", Effect::Delete, WRITE, delete)
                .described(
                    "Delete a contact",
                    "Deletes a contact for good: there is no trash bin for contacts. Use it only \
                     when the user asked for it. It is no error when there is no such contact.",
                )
                .calls(&[
                    FIND,
                    "DELETE /remote.php/dav/addressbooks/users/{user}/{addressbook}/{object}",
                ]),
            Tool::new("nc_contacts_update_contact", Effect::Write, WRITE, update)
                .described(
                    "Change a contact",
                    "Changes details of a contact and leaves all others as they are, also those \
                     that the tools do not show. An empty text clears a field. Pass the etag that \
                     you read, so that nobody's change is lost.",
                )
                .calls(&[
                    FIND,
                    "PROPFIND /remote.php/dav/addressbooks/users/{user}/{addressbook}/{object}",
                    "PUT /remote.php/dav/addressbooks/users/{user}/{addressbook}/{object}",
                ]),
        ],
        resources: Vec::new(),
    }
}

const FIND: &str = "REPORT /remote.php/dav/addressbooks/users/{user}/{addressbook}/ for the uid";

const APP: &str = "Contacts";

fn about_book(name: &str) -> About {
    About {
        what: format!("The address book \"{name}\"").into(),
        find: "Use nc_contacts_list_addressbooks to see the address books.",
        app: APP,
    }
}

fn about_contact(uid: &str) -> About {
    About {
        what: format!("The contact \"{uid}\"").into(),
        find: "Use nc_contacts_list_contacts to find the contact.",
        app: APP,
    }
}

/// A name as a segment of a path. Nextcloud decodes slashes before it takes the path apart, so a
/// name with one would be another place.
fn segment(what: &str, name: &str) -> Result<(), ToolError> {
    if name.is_empty()
        || matches!(name, "." | "..")
        || name.contains(['/', '\\'])
        || name.chars().any(char::is_control)
    {
        return Err(ToolError::invalid(format!(
            "\"{name}\" cannot be the name of {what}. nc_contacts_list_addressbooks shows the names \
             there are; a new one may have letters, digits and dashes."
        )));
    }
    Ok(())
}

#[derive(Deserialize, JsonSchema)]
struct ListArguments {
    /// The name of the address book, such as "contacts".
    addressbook: String,
    /// How many contacts to return at most: 50 unless given, 200 at most.
    #[serde(default)]
    limit: Option<usize>,
    /// How many contacts to skip.
    #[serde(default)]
    offset: usize,
}

/// A part of an address book.
#[derive(Serialize, JsonSchema)]
struct ContactPage {
    /// The address book.
    addressbook: String,
    /// The contacts.
    contacts: Vec<Contact>,
    /// How many there are altogether.
    total: usize,
    /// The offset to go on with, if there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<usize>,
    /// The objects of this part that are no readable contacts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<String>,
}

async fn list(client: Client, arguments: ListArguments) -> Result<ContactPage, ToolError> {
    let ListArguments {
        addressbook,
        limit,
        offset,
    } = arguments;
    segment("an address book", &addressbook)?;
    let about = about_book(&addressbook);
    let names = client.card_names(&addressbook).await.about(&about)?;
    let page = Page::of(names, offset, limit, PAGE, MAX_PAGE);
    let cards = client
        .cards(&addressbook, &page.items)
        .await
        .about(&about)?;
    let (mut contacts, mut unreadable) = (Vec::new(), Vec::new());
    for stored in cards {
        match Card::parse(&stored.text) {
            Some(card) => contacts.push(card.contact(&stored.name, &stored.etag)),
            None => unreadable.push(stored.name),
        }
    }
    Ok(ContactPage {
        addressbook,
        contacts,
        total: page.total,
        next_offset: page.next_offset,
        unreadable,
    })
}

#[derive(Deserialize, JsonSchema)]
struct CreateArguments {
    /// The name of the address book, such as "contacts".
    addressbook: String,
    /// An id of your choice that no other contact has; leave it empty to get one.
    #[serde(default)]
    uid: String,
    /// The details; "fn" is required.
    contact_data: ContactData,
}

async fn create(client: Client, arguments: CreateArguments) -> Result<Contact, ToolError> {
    let CreateArguments {
        addressbook,
        uid,
        contact_data,
    } = arguments;
    segment("an address book", &addressbook)?;
    let uid = match uid.trim() {
        "" => Uuid::new_v4().to_string(),
        uid if uid.chars().count() > LONGEST_UID || uid.chars().any(char::is_control) => {
            return Err(ToolError::invalid(format!(
                "That uid cannot be used: it has to be one line of at most {LONGEST_UID} characters. \
                 Leave it empty to get one."
            )));
        }
        uid => uid.to_owned(),
    };
    let card = edit::create(&uid, &contact_data)?;
    let name = object_name(&uid);
    let text = card.raw().to_string();
    let put = client
        .put_card(&addressbook, &name, text, &Condition::Absent)
        .await;
    let written = put.map_err(|error| creation_refusal(error, &addressbook, &uid))?;
    let etag = match written.etag {
        Some(etag) => etag,
        None => {
            client
                .card(&addressbook, &name)
                .await
                .about(&about_contact(&uid))?
                .etag
        }
    };
    Ok(card.contact(&name, &etag))
}

/// Nextcloud keeps the UID in a column of this many characters.
const LONGEST_UID: usize = 255;
/// And the name of the object in one of 255, its ending included.
const LONGEST_NAME: usize = 200;

/// The name of a new object: the UID where that is a harmless name.
fn object_name(uid: &str) -> Cow<'static, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':');
    if uid.len() <= LONGEST_NAME && uid.chars().all(is_plain) && !uid.starts_with('.') {
        return format!("{uid}.vcf").into();
    }
    format!("{}.vcf", Uuid::new_v4()).into()
}

fn creation_refusal(error: Error, addressbook: &str, uid: &str) -> ToolError {
    let is_taken = error.is(StatusCode::PRECONDITION_FAILED)
        || (error.is(StatusCode::BAD_REQUEST)
            && words(&error).is_some_and(|words| words.contains("uid already exists")));
    if is_taken {
        return ToolError::failed(format!(
            "There is a contact with the uid \"{uid}\" in the address book \"{addressbook}\" \
             already, so nothing was written. Change that one with nc_contacts_update_contact, or \
             leave the uid empty."
        ))
        .because(error);
    }
    refusal(error, &about_book(addressbook))
}

/// Why a card was not written.
fn refusal(error: Error, about: &About) -> ToolError {
    if error.is(StatusCode::UNSUPPORTED_MEDIA_TYPE) {
        let words = words(&error).unwrap_or_default();
        return ToolError::failed(format!(
            "Nextcloud does not take this contact: \"{words}\". Nothing was written; check the \
             details in contact_data."
        ))
        .because(error);
    }
    describe(error, about)
}

#[derive(Deserialize, JsonSchema)]
struct UpdateArguments {
    /// The name of the address book, such as "contacts".
    addressbook: String,
    /// The uid of the contact.
    uid: String,
    /// The details to change; what is left out stays as it is.
    contact_data: ContactData,
    /// The etag of the version that you read.
    #[serde(default)]
    etag: String,
}

async fn update(client: Client, arguments: UpdateArguments) -> Result<Contact, ToolError> {
    let UpdateArguments {
        addressbook,
        uid,
        contact_data,
        etag,
    } = arguments;
    let about = about_contact(&uid);
    let found = find(&client, &addressbook, &uid)
        .await?
        .ok_or_else(|| missing(&addressbook, &uid))?;
    // As it is stored: what was found is a version for reading.
    let stored = client.card(&addressbook, &found.name).await.about(&about)?;
    let mut card = Card::parse(&stored.text).ok_or_else(|| {
        ToolError::failed(format!(
            "The contact \"{uid}\" is stored in a form that cannot be read, so nothing was changed. \
             The user has to look at it in Nextcloud."
        ))
    })?;
    edit::update(&mut card, &contact_data)?;
    let read = if etag.trim().is_empty() {
        &stored.etag
    } else {
        &etag
    };
    let text = card.raw().to_string();
    if text == stored.text && nextcloud::quoted(read) == nextcloud::quoted(&stored.etag) {
        // It says all that already.
        return Ok(card.contact(&stored.name, &stored.etag));
    }
    let condition = Condition::Unchanged(read.clone());
    match client
        .put_card(&addressbook, &stored.name, text, &condition)
        .await
    {
        Ok(written) => {
            let etag = match written.etag {
                Some(etag) => etag,
                None => {
                    client
                        .card(&addressbook, &stored.name)
                        .await
                        .about(&about)?
                        .etag
                }
            };
            Ok(card.contact(&stored.name, &etag))
        }
        Err(error) if error.is(StatusCode::PRECONDITION_FAILED) => {
            let current = client
                .card(&addressbook, &stored.name)
                .await
                .about(&about)?;
            let contact =
                Card::parse(&current.text).map(|card| card.contact(&current.name, &current.etag));
            Err(ToolError::failed(format!(
                "The contact \"{uid}\" was changed since you read it, so nothing was written. The \
                 current version follows: repeat your change on it and pass its etag."
            ))
            .attach(&contact)
            .because(error))
        }
        Err(error) => Err(refusal(error, &about)),
    }
}

#[derive(Deserialize, JsonSchema)]
struct ContactArguments {
    /// The name of the address book, such as "contacts".
    addressbook: String,
    /// The uid of the contact.
    uid: String,
}

/// A deleted contact.
#[derive(Serialize, JsonSchema)]
struct Gone {
    /// Its uid.
    uid: String,
    /// Its full name was.
    #[serde(rename = "fn", skip_serializing_if = "Option::is_none")]
    full_name: Option<String>,
    /// Whether a contact was deleted; otherwise there was none.
    deleted: bool,
    /// Whether it is in a trash bin: contacts have none.
    in_trash_bin: bool,
}

async fn delete(client: Client, arguments: ContactArguments) -> Result<Gone, ToolError> {
    let ContactArguments { addressbook, uid } = arguments;
    let mut gone = Gone {
        uid,
        full_name: None,
        deleted: false,
        in_trash_bin: false,
    };
    let Some(found) = find(&client, &addressbook, &gone.uid).await? else {
        return Ok(gone);
    };
    match client
        .delete_card(&addressbook, &found.name, &found.etag)
        .await
    {
        Ok(()) => {}
        Err(error) if error.is(StatusCode::NOT_FOUND) => return Ok(gone),
        Err(error) if error.is(StatusCode::PRECONDITION_FAILED) => {
            return Err(ToolError::failed(format!(
                "The contact \"{}\" was changed just now, so it was not deleted. Read it again with \
                 nc_contacts_list_contacts and delete it if it is still unwanted.",
                gone.uid
            ))
            .because(error));
        }
        Err(error) => return Err(describe(error, &about_contact(&gone.uid))),
    }
    gone.full_name = Card::parse(&found.text).and_then(|card| card.text("FN"));
    gone.deleted = true;
    Ok(gone)
}

fn missing(addressbook: &str, uid: &str) -> ToolError {
    ToolError::not_found(format!(
        "There is no contact with the uid \"{uid}\" in the address book \"{addressbook}\". Use \
         nc_contacts_list_contacts to find the contact and its address book."
    ))
}

/// The card with this UID; or, as the list shows it, the card without one whose object is called so.
async fn find(
    client: &Client,
    addressbook: &str,
    uid: &str,
) -> Result<Option<nextcloud::Card>, ToolError> {
    segment("an address book", addressbook)?;
    let cards = client
        .cards_by_uid(addressbook, uid)
        .await
        .about(&about_book(addressbook))?;
    let uid_of = |card: &nextcloud::Card| Card::parse(&card.text)?.uid();
    let by_uid = cards
        .into_iter()
        .find(|card| uid_of(card).as_deref() == Some(uid));
    if by_uid.is_some() || segment("a contact", uid).is_err() {
        return Ok(by_uid);
    }
    match client.card(addressbook, &format!("{uid}.vcf")).await {
        Ok(card) => Ok(Some(card).filter(|card| uid_of(card).is_none())),
        Err(error) if error.is(StatusCode::NOT_FOUND) => Ok(None),
        Err(error) => Err(describe(error, &about_contact(uid))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_called_like_its_uid_only_if_that_is_harmless() {
        assert_eq!(
            object_name("carol-1@example.test"),
            "carol-1@example.test.vcf"
        );
        let long = "x".repeat(250);
        for uid in ["a/b", "..", "a b", "ä", "a?b", "a%2Fb", long.as_str()] {
            let name = object_name(uid);
            assert!(!name.contains(uid) && name.ends_with(".vcf"), "{name}");
        }
    }

    #[test]
    fn a_name_is_one_segment() {
        for name in ["", ".", "..", "a/b", "a\\b", "a\nb"] {
            assert!(segment("an address book", name).is_err(), "{name}");
        }
        assert!(segment("an address book", "my böok #1").is_ok());
    }
}
