//! What the address books of all users hold. Knows no HTTP.

use std::collections::BTreeMap;

use super::super::super::account::Account;
use super::super::super::text::digest;

/// The address book with all accounts, which Nextcloud makes itself.
pub(super) const SYSTEM: &str = "z-server-generated--system";
/// The address book with people recently written to.
const RECENT: &str = "z-app-generated--contactsinteraction--recent";
/// How the names begin that apps keep for theirs.
pub(super) const RESERVED: &str = "z-app-generated";

/// The address books of all users; family data of the server.
#[derive(Default)]
pub(super) struct AddressBooks {
    homes: BTreeMap<String, Home>,
}

/// The address books of one user, in the order of a listing.
pub(super) struct Home {
    pub(super) books: Vec<Book>,
}

/// What a user may do with an address book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    /// Everything.
    Own,
    /// Read it and change how it looks.
    Look,
    /// Read it.
    Read,
}

/// An address book.
pub(super) struct Book {
    pub(super) name: String,
    pub(super) display_name: String,
    pub(super) description: Option<String>,
    pub(super) rights: Rights,
    pub(super) cards: BTreeMap<String, Card>,
    /// The number of the next change; made-up ones have none.
    token: u64,
}

/// A card as it was written.
#[derive(Clone)]
pub(super) struct Card {
    pub(super) text: String,
    pub(super) uid: String,
    /// When it was written, Unix seconds.
    pub(super) modified: u64,
}

impl Card {
    /// The entity tag, without quotes.
    pub(super) fn etag(&self) -> String {
        digest(self.text.as_bytes())
    }
}

impl AddressBooks {
    /// A user's address books.
    pub(super) fn home(&mut self, uid: &str) -> &mut Home {
        self.homes.entry(uid.to_owned()).or_insert_with(|| {
            let mut system = Book::new(SYSTEM, "Accounts");
            system.rights = Rights::Look;
            system.description = Some("System address book which holds all accounts".to_owned());
            let mut recent = Book::new(RECENT, "Recently contacted");
            recent.rights = Rights::Read;
            recent.token = 0;
            Home {
                books: vec![Book::new("contacts", "Contacts"), system, recent],
            }
        })
    }

    /// Puts the accounts of the server into a user's address book of them.
    pub(super) fn list_accounts(&mut self, uid: &str, accounts: &[Account]) {
        let Some(system) = self.home(uid).get_mut(SYSTEM) else {
            return;
        };
        let cards = accounts.iter().map(|account| {
            let text = format!(
                "BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:-//Sabre//Sabre VObject 4.5.6//EN\r\n\
                 UID:{uid}\r\nFN:{}\r\nEMAIL;TYPE=OTHER;X-NC-SCOPE=v2-federated:{}\r\n\
                 CLOUD:{uid}@127.0.0.1\r\nEND:VCARD\r\n",
                account.display_name,
                account.email,
                uid = account.uid,
            );
            let card = Card {
                text,
                uid: account.uid.clone(),
                modified: 0,
            };
            (format!("Database:{}.vcf", account.uid), card)
        });
        system.cards = cards.collect();
    }
}

impl Home {
    pub(super) fn get(&self, name: &str) -> Option<&Book> {
        self.books.iter().find(|book| book.name == name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Book> {
        self.books.iter_mut().find(|book| book.name == name)
    }

    /// Adds an address book behind those of the user.
    pub(super) fn add(&mut self, book: Book) {
        let own = self.books.iter();
        let at = own.take_while(|book| book.rights == Rights::Own).count();
        self.books.insert(at, book);
    }
}

impl Book {
    pub(super) fn new(name: &str, display_name: &str) -> Self {
        Self {
            name: name.to_owned(),
            display_name: display_name.to_owned(),
            description: None,
            rights: Rights::Own,
            cards: BTreeMap::new(),
            token: 1,
        }
    }

    /// What changes with everything in it; a made-up address book has only the beginning.
    pub(super) fn ctag(&self) -> String {
        match self.token {
            0 => "http://sabre.io/ns/sync/0".to_owned(),
            token => token.to_string(),
        }
    }

    /// What `sync-collection` would start from.
    pub(super) fn sync_token(&self) -> Option<String> {
        (self.token > 0).then(|| format!("http://sabre.io/ns/sync/{}", self.token))
    }

    /// Notes that a card changed.
    pub(super) fn touch(&mut self) {
        self.token += 1;
    }
}
