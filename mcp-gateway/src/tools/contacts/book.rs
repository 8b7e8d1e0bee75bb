//! Address books: which there are, making one, deleting one.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{APP, READ, WRITE, about_book, segment};
use crate::{
    error::{About, Describe, ToolError, describe},
    nextcloud::{AddressBook, Client},
    tools::{Effect, Tool},
};

/// What Nextcloud and its apps call the address books that they make themselves.
const RESERVED: [&str; 2] = ["z-server-generated--", "z-app-generated--"];

pub(super) fn tools() -> [Tool; 3] {
    [
        Tool::new("nc_contacts_list_addressbooks", Effect::Read, READ, list)
            .described(
                "List address books",
                "Lists the user's address books, also those that others share with the user and \
                 those that Nextcloud makes itself. Use it to find the name that the other contact \
                 tools want.",
            )
            .calls(&["PROPFIND /remote.php/dav/addressbooks/users/{user}/"]),
        Tool::new(
            "nc_contacts_create_addressbook",
            Effect::Write,
            WRITE,
            create,
        )
        .described(
            "Create an address book",
            "Creates an empty address book. Use it only when the user wants contacts kept \
                 apart; otherwise put them into an address book that is there.",
        )
        .calls(&["MKCOL /remote.php/dav/addressbooks/users/{user}/{name}/"]),
        Tool::new(
            "nc_contacts_delete_addressbook",
            Effect::Delete,
            WRITE,
            delete,
        )
        .described(
            "Delete an address book",
            "Deletes an address book with all its contacts, for good: there is no trash bin \
                 for contacts. Of an address book that somebody else shares, only the share goes. \
                 Use it only when the user asked for it. It is no error when there is none.",
        )
        .calls(&[
            "PROPFIND /remote.php/dav/addressbooks/users/{user}/",
            "PROPFIND /remote.php/dav/addressbooks/users/{user}/{name}/ to count the contacts",
            "DELETE /remote.php/dav/addressbooks/users/{user}/{name}/",
        ]),
    ]
}

const ABOUT: About = About {
    what: std::borrow::Cow::Borrowed("The list of address books"),
    find: "The user should sign in again.",
    app: APP,
};

/// An address book.
#[derive(Serialize, JsonSchema)]
struct Book {
    /// Its name, which the other tools take as `addressbook`.
    name: String,
    /// The name people see.
    display_name: String,
    /// What it is about; empty when nothing is said.
    description: String,
    /// Whether contacts can be put into it and changed.
    writable: bool,
    /// The user who shares it, when it is somebody else's.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_by: Option<String>,
    /// Changes when anything in it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    ctag: Option<String>,
}

impl From<AddressBook> for Book {
    fn from(book: AddressBook) -> Self {
        Self {
            display_name: book.display_name.unwrap_or_else(|| book.name.clone()),
            name: book.name,
            description: book.description.unwrap_or_default(),
            writable: book.is_writable,
            shared_by: book.shared_by,
            ctag: book.version,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct ListArguments {}

/// The address books.
#[derive(Serialize, JsonSchema)]
struct Books {
    /// The address books.
    addressbooks: Vec<Book>,
}

async fn list(client: Client, _: ListArguments) -> Result<Books, ToolError> {
    let books = client.address_books().await.about(&ABOUT)?;
    Ok(Books {
        addressbooks: books.into_iter().map(Book::from).collect(),
    })
}

#[derive(Deserialize, JsonSchema)]
struct CreateArguments {
    /// A short name for paths, such as "work"; letters, digits and dashes are safe.
    name: String,
    /// The name people see.
    display_name: String,
}

/// An address book that was made.
#[derive(Serialize, JsonSchema)]
struct Made {
    /// Its name, which the other tools take as `addressbook`.
    name: String,
    /// The name people see.
    display_name: String,
}

async fn create(client: Client, arguments: CreateArguments) -> Result<Made, ToolError> {
    let CreateArguments { name, display_name } = arguments;
    segment("an address book", &name)?;
    if RESERVED.iter().any(|start| name.starts_with(start)) {
        return Err(ToolError::invalid(format!(
            "\"{name}\" is a name that Nextcloud keeps for itself. Choose another one."
        )));
    }
    let display_name = match display_name.trim() {
        "" => name.clone(),
        text => text.to_owned(),
    };
    match client.make_address_book(&name, &display_name).await {
        Ok(()) => Ok(Made { name, display_name }),
        Err(error) if error.is(StatusCode::METHOD_NOT_ALLOWED) => Err(ToolError::failed(format!(
            "There is an address book with the name \"{name}\" already, so nothing was made. Use \
             it, or choose another name; nc_contacts_list_addressbooks shows what is there."
        ))
        .because(error)),
        Err(error) => Err(describe(error, &about_book(&name))),
    }
}

#[derive(Deserialize, JsonSchema)]
struct DeleteArguments {
    /// The name of the address book, as `nc_contacts_list_addressbooks` shows it.
    name: String,
}

/// A deleted address book.
#[derive(Serialize, JsonSchema)]
struct Gone {
    /// Its name.
    name: String,
    /// The name people saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// Whether an address book was deleted; otherwise there was none.
    deleted: bool,
    /// How many contacts went with it.
    contacts_deleted: usize,
    /// The user whose it is, when only the share is gone and the contacts are still theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    unshared_from: Option<String>,
    /// Whether it is in a trash bin: contacts have none.
    in_trash_bin: bool,
}

async fn delete(client: Client, arguments: DeleteArguments) -> Result<Gone, ToolError> {
    let DeleteArguments { name } = arguments;
    segment("an address book", &name)?;
    let books = client.address_books().await.about(&ABOUT)?;
    let Some(book) = books.into_iter().find(|book| book.name == name) else {
        return Ok(Gone {
            name,
            display_name: None,
            deleted: false,
            contacts_deleted: 0,
            unshared_from: None,
            in_trash_bin: false,
        });
    };
    if RESERVED.iter().any(|start| name.starts_with(start)) {
        return Err(ToolError::failed(format!(
            "The address book \"{name}\" is made by Nextcloud itself and cannot be deleted."
        )));
    }
    let about = about_book(&name);
    let contacts_deleted = match book.shared_by {
        Some(_) => 0,
        None => client.card_names(&name).await.about(&about)?.len(),
    };
    client.delete_address_book(&name).await.about(&about)?;
    Ok(Gone {
        name,
        display_name: book.display_name,
        deleted: true,
        contacts_deleted,
        unshared_from: book.shared_by,
        in_trash_bin: false,
    })
}
