//! The accounts of the stand-in: who exists, how a name finds its account, app passwords.
//!
//! Leaves the decision whether a request is accepted to [`super::auth`].

use std::collections::BTreeMap;

use super::provider::ProviderEntry;
use super::text::sha256_hex;

/// Where an account came from; user_oidc treats the two differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// An account of Nextcloud itself.
    Database,
    /// An account that a bearer token brought into being.
    UserOidc,
}

impl Backend {
    /// The name that the provisioning API shows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "Database",
            Self::UserOidc => "user_oidc",
        }
    }
}

/// One Nextcloud account.
#[derive(Clone)]
pub struct Account {
    /// The user id, as in `/remote.php/dav/files/{uid}`.
    pub uid: String,
    /// The name people see.
    pub display_name: String,
    /// The e-mail address, empty when there is none.
    pub email: String,
    /// The login password; accounts from a bearer token have none.
    pub password: Option<String>,
    /// Where the account lives.
    pub backend: Backend,
    /// Whether an administrator has left it enabled.
    pub enabled: bool,
    /// Whether the user has set up a second factor.
    pub second_factor: bool,
    /// Whether it may administer the server.
    pub admin: bool,
    /// Group ids.
    pub groups: Vec<String>,
    /// Storage limit in bytes; `None` is unlimited.
    pub quota: Option<u64>,
    /// Further fields of the provisioning API (`phone`, `website`, …) that were set.
    pub profile: BTreeMap<String, String>,
    /// First and last login, Unix seconds; 0 before the first.
    pub logins: (u64, u64),
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("uid", &self.uid)
            .field("backend", &self.backend)
            .field("enabled", &self.enabled)
            .field("second_factor", &self.second_factor)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// An ordinary enabled account of the database back end.
    #[must_use]
    pub fn new(uid: &str, password: &str) -> Self {
        Self {
            uid: uid.to_owned(),
            display_name: uid.to_owned(),
            email: String::new(),
            password: Some(password.to_owned()),
            backend: Backend::Database,
            enabled: true,
            second_factor: false,
            admin: false,
            groups: Vec::new(),
            quota: None,
            profile: BTreeMap::new(),
            logins: (0, 0),
        }
    }

    /// Sets the display name.
    #[must_use]
    pub fn display_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.display_name);
        self
    }

    /// Sets the e-mail address.
    #[must_use]
    pub fn email(mut self, email: &str) -> Self {
        email.clone_into(&mut self.email);
        self
    }

    /// Limits the storage, in bytes.
    #[must_use]
    pub fn quota(mut self, bytes: u64) -> Self {
        self.quota = Some(bytes);
        self
    }

    /// Makes it an administrator.
    #[must_use]
    pub fn administrator(mut self) -> Self {
        self.admin = true;
        self.groups.push("admin".to_owned());
        self
    }
}

/// Who a verified token's uid claim stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Provisioned {
    /// This account, which was there or has just been made.
    Account { uid: String, created: bool },
    /// Nobody: provisioning does not allow it.
    Nobody,
}

/// All accounts and their app passwords.
#[derive(Default)]
pub(super) struct Accounts {
    by_uid: BTreeMap<String, Account>,
    /// App password → uid.
    app_passwords: BTreeMap<String, String>,
}

impl Accounts {
    pub(super) fn insert(&mut self, account: Account) {
        self.by_uid.insert(account.uid.clone(), account);
    }

    pub(super) fn get(&self, uid: &str) -> Option<&Account> {
        self.by_uid.get(uid)
    }

    pub(super) fn get_mut(&mut self, uid: &str) -> Option<&mut Account> {
        self.by_uid.get_mut(uid)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Account> {
        self.by_uid.values()
    }

    pub(super) fn remove(&mut self, uid: &str) -> Option<Account> {
        self.app_passwords.retain(|_, owner| owner != uid);
        self.by_uid.remove(uid)
    }

    /// Finds an account as Nextcloud's database back end does: the exact id, then whatever the
    /// case, then by e-mail address.
    pub(super) fn find(&self, name: &str) -> Option<&Account> {
        self.by_uid
            .get(name)
            .or_else(|| self.all().find(|a| a.uid.eq_ignore_ascii_case(name)))
            .or_else(|| {
                self.all()
                    .find(|a| !a.email.is_empty() && a.email.eq_ignore_ascii_case(name))
            })
    }

    /// Checks a login password; the name may be the uid or the e-mail address.
    pub(super) fn check_password(&self, name: &str, password: &str) -> Option<&Account> {
        self.find(name)
            .filter(|account| account.password.as_deref() == Some(password))
    }

    pub(super) fn add_app_password(&mut self, uid: &str, password: String) {
        self.app_passwords.insert(password, uid.to_owned());
    }

    pub(super) fn remove_app_password(&mut self, password: &str) {
        self.app_passwords.remove(password);
    }

    /// The account that an app password belongs to.
    pub(super) fn app_password_owner(&self, password: &str) -> Option<&Account> {
        self.app_passwords
            .get(password)
            .and_then(|uid| self.by_uid.get(uid))
    }

    /// Maps a verified uid claim to an account the way user_oidc does.
    ///
    /// Existing accounts are looked up by the raw claim first, whatever `unique_uid` says; the
    /// claim of a token that nobody matches makes an account when `auto_provision` is on.
    pub(super) fn provision(
        &mut self,
        provider: &ProviderEntry,
        provider_number: usize,
        claim: &str,
    ) -> Provisioned {
        let local_id = if provider.unique_uid {
            sha256_hex(format!("{provider_number}_0_{claim}").as_bytes())
        } else if claim.len() > 64 {
            sha256_hex(claim.as_bytes())
        } else {
            claim.to_owned()
        };
        let known = self.find(claim).or_else(|| self.by_uid.get(&local_id));
        if let Some(account) = known {
            if account.backend == Backend::Database && !provider.soft_auto_provision {
                return Provisioned::Nobody;
            }
            return Provisioned::Account {
                uid: account.uid.clone(),
                created: false,
            };
        }
        if !provider.auto_provision {
            return Provisioned::Nobody;
        }
        let mut account = Account::new(&local_id, "");
        account.password = None;
        account.backend = Backend::UserOidc;
        self.insert(account);
        Provisioned::Account {
            uid: local_id,
            created: true,
        }
    }
}
