//! The state behind all families: accounts, files, providers, and room for a family's own data.
//!
//! Knows no HTTP. Every family gets it as `State<Shared>`.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::account::{Account, Accounts};
use super::clock::Clock;
use super::jwks::IssuerCache;
use super::observe::Observations;
use super::provider::ProviderEntry;
use super::tree::{Ids, Tree};
use super::user_oidc::UserOidc;

/// The server as the handlers share it.
pub(super) type Shared = Arc<Server>;

/// Everything the stand-in remembers.
pub(super) struct Server {
    url: String,
    clock: Clock,
    observations: Observations,
    issuers: IssuerCache,
    providers: Mutex<Vec<ProviderEntry>>,
    user_oidc: Mutex<UserOidc>,
    maintenance: AtomicBool,
    skeleton: Vec<(String, Bytes)>,
    store: Mutex<Store>,
    families: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
}

/// Accounts and their files.
#[derive(Default)]
pub(super) struct Store {
    pub(super) accounts: Accounts,
    pub(super) ids: Ids,
    trees: BTreeMap<String, Tree>,
}

impl Store {
    /// A user's files, and the source of new ids and entity tags.
    pub(super) fn files(&mut self, uid: &str) -> (&mut Tree, &mut Ids) {
        let ids = &mut self.ids;
        let tree = self
            .trees
            .entry(uid.to_owned())
            .or_insert_with(|| Tree::new(ids));
        (tree, ids)
    }

    /// The bytes a user may still store; `None` is unlimited.
    pub(super) fn free_space(&mut self, uid: &str) -> Option<u64> {
        let quota = self.accounts.get(uid)?.quota?;
        Some(quota.saturating_sub(self.files(uid).0.size(&[])))
    }
}

impl Server {
    /// A server with these accounts and providers.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(super) fn new(
        url: String,
        clock: Clock,
        accounts: Vec<Account>,
        providers: Vec<ProviderEntry>,
        skeleton: Vec<(String, Bytes)>,
    ) -> anyhow::Result<Self> {
        let server = Self {
            url,
            issuers: IssuerCache::new(clock.clone())?,
            clock,
            observations: Observations::default(),
            providers: Mutex::new(providers),
            user_oidc: Mutex::default(),
            maintenance: AtomicBool::new(false),
            skeleton,
            store: Mutex::default(),
            families: Mutex::default(),
        };
        for account in accounts {
            server.add_account(account);
        }
        Ok(server)
    }

    /// Where the server is reached, without a slash at the end.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn observations(&self) -> &Observations {
        &self.observations
    }

    pub(super) fn issuers(&self) -> &IssuerCache {
        &self.issuers
    }

    pub(super) fn providers(&self) -> Vec<ProviderEntry> {
        lock(&self.providers).clone()
    }

    pub(super) fn set_providers(&self, providers: Vec<ProviderEntry>) {
        *lock(&self.providers) = providers;
    }

    pub(super) fn user_oidc(&self) -> UserOidc {
        *lock(&self.user_oidc)
    }

    pub(super) fn set_user_oidc(&self, version: UserOidc) {
        *lock(&self.user_oidc) = version;
    }

    pub(super) fn in_maintenance(&self) -> bool {
        self.maintenance.load(Ordering::SeqCst)
    }

    pub(super) fn set_maintenance(&self, is_on: bool) {
        self.maintenance.store(is_on, Ordering::SeqCst);
    }

    /// Adds an account and its home.
    pub(super) fn add_account(&self, account: Account) {
        let uid = account.uid.clone();
        self.store(|store| store.accounts.insert(account));
        self.make_home(&uid);
    }

    /// Fills a home with the skeleton files.
    pub(super) fn make_home(&self, uid: &str) {
        let now = self.clock.now();
        self.store(|store| {
            let (tree, ids) = store.files(uid);
            for (path, content) in &self.skeleton {
                let path: Vec<String> = path.split('/').map(str::to_owned).collect();
                tree.write_with_parents(&path, content.clone(), now, ids);
            }
        });
    }

    /// Deletes an account and its files.
    pub(super) fn remove_account(&self, uid: &str) {
        self.store(|store| {
            store.accounts.remove(uid);
            store.trees.remove(uid);
        });
    }

    /// Works on accounts and files; do not call it from within itself.
    pub(super) fn store<R>(&self, work: impl FnOnce(&mut Store) -> R) -> R {
        work(&mut lock(&self.store))
    }

    /// Works on a family's own data, which starts out as its default.
    pub(super) fn family<T, R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R>
    where
        T: Default + Send + 'static,
    {
        let mut families = lock(&self.families);
        families
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Box::new(T::default()))
            .downcast_mut::<T>()
            .map(work)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
