//! Starting the stand-in, and the handle by which tests and the demo work it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};
use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::account::Account;
use super::clock::Clock;
use super::dav::{addressbooks, calendars};
use super::families::FAMILIES;
use super::oauth2::OAuth2Client;
use super::observe::Observations;
use super::oidc::OidcClient;
use super::provider::ProviderEntry;
use super::server::{Server, Shared};
use super::user_oidc::UserOidc;
use super::{cookbook, deck, front, notes, oauth2, ocs, oidc, sharing, tables, webhooks};

/// What the stand-in starts with.
pub struct StandInConfig {
    /// Where it listens on loopback; 0 is any free port.
    pub port: u16,
    /// The accounts.
    pub accounts: Vec<Account>,
    /// The providers registered in user_oidc; their issuers may start later.
    pub providers: Vec<ProviderEntry>,
    /// Files that every home starts with: path and content.
    pub skeleton: Vec<(String, Bytes)>,
    /// The time it lives in.
    pub clock: Clock,
}

impl Default for StandInConfig {
    /// `alice`, `bob` and the administrator `admin` (password `<uid>-password`), a free port, the
    /// machine's time, and no provider.
    fn default() -> Self {
        let file = |path: &str, content: &'static str| (path.to_owned(), Bytes::from(content));
        Self {
            port: 0,
            accounts: vec![
                Account::new("alice", "alice-password")
                    .display_name("Alice Example")
                    .email("alice@example.test"),
                Account::new("bob", "bob-password")
                    .display_name("Bob Example")
                    .email("bob@example.test"),
                Account::new("admin", "admin-password").administrator(),
            ],
            providers: Vec::new(),
            skeleton: vec![
                file("Readme.md", "# Welcome\n\nThis is your home.\n"),
                file("Documents/Example.md", "# Example\n"),
            ],
            clock: Clock::default(),
        }
    }
}

/// A running stand-in; it stops when this is dropped.
pub struct NextcloudStandIn {
    server: Shared,
    serving: JoinHandle<()>,
}

impl Drop for NextcloudStandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl NextcloudStandIn {
    /// Starts it.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(config: StandInConfig) -> anyhow::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, config.port));
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("the stand-in Nextcloud cannot listen on {address}"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let server = Arc::new(Server::new(
            url,
            config.clock,
            config.accounts,
            config.providers,
            config.skeleton,
        )?);
        let router = router(Arc::clone(&server));
        let serving = tokio::spawn(async move {
            // Ends only with the task: an accept error is retried inside.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { server, serving })
    }

    /// Where it is reached, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// What it saw.
    #[must_use]
    pub fn observations(&self) -> &Observations {
        self.server.observations()
    }

    /// Its time.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.server.clock()
    }

    /// Registers other providers than before.
    pub async fn set_providers(&self, providers: Vec<ProviderEntry>) {
        self.server.set_providers(providers);
        self.server.issuers().clear().await;
    }

    /// Installs this version of `user_oidc`, or removes it.
    pub fn set_user_oidc(&self, version: UserOidc) {
        self.server.set_user_oidc(version);
    }

    /// Puts the server into maintenance mode, or ends it. Only `status.php` and the login pages
    /// know of it.
    pub fn set_maintenance(&self, is_on: bool) {
        self.server.set_maintenance(is_on);
    }

    /// Empties the cache of discovery documents and keys, as `occ user_oidc:provider` does.
    pub async fn flush_key_cache(&self) {
        self.server.issuers().clear().await;
    }

    /// How many discovery documents and key sets it fetched.
    #[must_use]
    pub fn issuer_fetches(&self) -> usize {
        self.server.issuers().fetches()
    }

    /// Adds an account.
    pub fn add_account(&self, account: Account) {
        self.server.add_account(account);
    }

    /// The account with this id, if there is one.
    #[must_use]
    pub fn account(&self, uid: &str) -> Option<Account> {
        self.server.store(|store| store.accounts.get(uid).cloned())
    }

    /// Changes an account, say its quota.
    pub fn change_account(&self, uid: &str, change: impl FnOnce(&mut Account)) {
        self.server.store(|store| {
            if let Some(account) = store.accounts.get_mut(uid) {
                change(account);
            }
        });
    }

    /// Disables an account, or enables it again.
    pub fn set_enabled(&self, uid: &str, enabled: bool) {
        self.change_account(uid, |account| account.enabled = enabled);
    }

    /// Gives a user a second factor, or takes it away.
    pub fn set_second_factor(&self, uid: &str, has_one: bool) {
        self.change_account(uid, |account| account.second_factor = has_one);
    }

    /// Deletes an account with its files.
    pub fn delete_account(&self, uid: &str) {
        self.server.remove_account(uid);
    }

    /// The webhooks that are registered, as the app `webhook_listeners` shows them.
    #[must_use]
    pub fn webhooks(&self) -> Vec<Value> {
        webhooks::all(&self.server)
    }

    /// Deletes a webhook behind everybody's back.
    pub fn forget_webhook(&self, id: i64) {
        webhooks::forget(&self.server, id);
    }

    /// Makes an app password, as the user's settings page would.
    #[must_use]
    pub fn make_app_password(&self, uid: &str) -> String {
        let password = ocs::fresh_app_password();
        self.server
            .store(|store| store.accounts.add_app_password(uid, password.clone()));
        password
    }

    /// Registers a client of the bundled app `oauth2`.
    pub fn register_oauth2_client(&self, client: OAuth2Client) {
        oauth2::register(&self.server, client);
    }

    /// How often clients of the app `oauth2` renewed their tokens.
    #[must_use]
    pub fn oauth2_renewals(&self) -> usize {
        oauth2::renewals(&self.server)
    }

    /// Enters a client of the app `oidc`, whose tokens Nextcloud takes
    /// (`oidc_provider_bearer_validation`).
    ///
    /// # Errors
    /// When the app's signing key cannot be made.
    pub fn enter_oidc_client(&self, client: OidcClient) -> anyhow::Result<()> {
        oidc::register(&self.server, client)?;
        self.set_oidc_bearer_validation(true);
        Ok(())
    }

    /// Whether Nextcloud's own APIs take tokens of the app `oidc`.
    pub fn set_oidc_bearer_validation(&self, is_on: bool) {
        oidc::set_bearer_validation(&self.server, is_on);
    }

    /// How long access tokens of the app `oidc` live from now on, in seconds.
    pub fn set_oidc_life(&self, seconds: u64) {
        oidc::set_life(&self.server, seconds);
    }

    /// How often clients of the app `oidc` renewed their tokens.
    #[must_use]
    pub fn oidc_renewals(&self) -> usize {
        oidc::renewals(&self.server)
    }

    /// Forgets every token of the app `oidc` for an account.
    pub fn forget_oidc(&self, uid: &str) {
        oidc::forget(&self.server, uid);
    }

    /// Every access and refresh token that its login apps ever issued.
    #[must_use]
    pub fn issued_tokens(&self) -> Vec<String> {
        [oauth2::issued(&self.server), oidc::issued(&self.server)].concat()
    }

    /// Ends the access of every client of the app `oauth2` to an account, as its owner can.
    pub fn revoke_oauth2(&self, uid: &str) {
        oauth2::revoke(&self.server, uid);
    }

    /// Writes a file, with the folders above it.
    pub fn write_file(&self, uid: &str, path: &str, content: impl Into<Bytes>) {
        let now = self.clock().now();
        self.server.store(|store| {
            let (tree, ids) = store.files(uid);
            tree.write_with_parents(&split(path), content.into(), now, ids);
        });
    }

    /// Reads a file.
    #[must_use]
    pub fn read_file(&self, uid: &str, path: &str) -> Option<Bytes> {
        self.server.store(|store| {
            let (tree, _) = store.files(uid);
            tree.get(&split(path))?.content().cloned()
        })
    }

    /// The paths of all files and folders of a user; folders end with a slash.
    #[must_use]
    pub fn paths(&self, uid: &str) -> Vec<String> {
        self.server.store(|store| {
            let (tree, _) = store.files(uid);
            let nodes = tree.subtree(&[]).skip(1);
            nodes
                .map(|(path, node)| {
                    let end = if node.is_folder() { "/" } else { "" };
                    format!("{}{end}", path.join("/"))
                })
                .collect()
        })
    }

    /// Where everything in a user's trash bin was, in the order of deletion.
    #[must_use]
    pub fn trashed(&self, uid: &str) -> Vec<String> {
        self.server.store(|store| {
            let bin = store.files(uid).0.bin().iter();
            bin.map(|one| one.original.join("/")).collect()
        })
    }

    /// Locks a file as a transaction that writes it does, or lets it go.
    pub fn set_file_locked(&self, uid: &str, path: &str, locked: bool) {
        self.server.store(|store| {
            let (tree, _) = store.files(uid);
            tree.set_locked(&split(path), locked);
        });
    }

    /// Puts a note into the Notes app and gives its id.
    ///
    /// # Errors
    /// When a file is where the category's folder would have to be.
    pub fn add_note(
        &self,
        uid: &str,
        title: &str,
        category: &str,
        content: &str,
    ) -> anyhow::Result<u64> {
        notes::add(&self.server, uid, title, category, content)
    }

    /// Every note of a user as the Notes API shows it, by id.
    #[must_use]
    pub fn notes(&self, uid: &str) -> Vec<Value> {
        notes::all(&self.server, uid)
    }

    /// Puts an event or a task into a user's calendar, which is made if it is not there.
    ///
    /// # Errors
    /// When the text is no calendar object.
    pub fn put_calendar_object(
        &self,
        uid: &str,
        calendar: &str,
        name: &str,
        text: &str,
    ) -> anyhow::Result<()> {
        calendars::arrange(&self.server, uid, calendar, name, text)
    }

    /// The events and tasks of a user's calendar as they are stored, by name.
    #[must_use]
    pub fn calendar_objects(&self, uid: &str, calendar: &str) -> Vec<(String, String)> {
        calendars::stored(&self.server, uid, calendar)
    }

    /// Subscribes a user to a calendar of another server.
    pub fn subscribe_calendar(&self, uid: &str, name: &str, source: &str) {
        calendars::subscribe(&self.server, uid, name, source);
    }

    /// Puts a card into a user's address book.
    ///
    /// # Errors
    /// When the text is no card, or there is no such address book.
    pub fn put_card(&self, uid: &str, book: &str, name: &str, text: &str) -> anyhow::Result<()> {
        addressbooks::arrange(&self.server, uid, book, name, text)
    }

    /// The cards of a user's address book as they are stored, by name.
    #[must_use]
    pub fn cards(&self, uid: &str, book: &str) -> Vec<(String, String)> {
        addressbooks::stored(&self.server, uid, book)
    }

    /// Every recipe of a user as the Cookbook API shows it, by id.
    #[must_use]
    pub fn recipes(&self, uid: &str) -> Vec<Value> {
        cookbook::all(&self.server, uid)
    }

    /// Puts a recipe on a page of the web, from where users can import it.
    pub fn publish_recipe(&self, url: &str, recipe: Value) {
        cookbook::publish(&self.server, url, recipe);
    }

    /// Makes a table with these columns, as people do in the browser, and gives its id.
    ///
    /// # Errors
    /// When the table has no title or a column has none.
    pub fn add_table(&self, uid: &str, title: &str, columns: &[Value]) -> anyhow::Result<u64> {
        tables::add(&self.server, uid, title, columns)
    }

    /// The titles of a table's columns and below them the values of its rows; `None` without such
    /// a table.
    #[must_use]
    pub fn table(&self, id: u64) -> Option<Value> {
        tables::simple(&self.server, id)
    }

    /// Every board that a user sees in Deck with its lists and all their cards, archived ones too.
    #[must_use]
    pub fn boards(&self, uid: &str) -> Vec<Value> {
        deck::all(&self.server, uid)
    }

    /// Every share that a user made, as the sharing API shows it.
    #[must_use]
    pub fn shares(&self, uid: &str) -> Vec<Value> {
        sharing::all(&self.server, uid)
    }
}

fn router(server: Shared) -> Router {
    let mut router = Router::new();
    for family in FAMILIES {
        router = router.merge((family.routes)());
    }
    router
        .method_not_allowed_fallback(front::method_not_allowed)
        .fallback(front::not_found)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&server),
            front::front,
        ))
        .layer(DefaultBodyLimit::disable())
        .with_state(server)
}

fn split(path: &str) -> Vec<String> {
    let segments = path.split('/');
    segments
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect()
}
