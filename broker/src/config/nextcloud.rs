//! `[nextcloud]`: what the broker itself asks Nextcloud.

use std::time::Duration;

use broker_client::secret::Secret;
use url::Url;

use super::read::Section;
use super::tokens::YEARS;

/// `[nextcloud]`.
#[derive(Debug, Clone)]
pub struct Nextcloud {
    /// The base URL by which the broker itself reaches Nextcloud.
    ///
    /// Default: the `uri` of the first downstream. `BROKER__NEXTCLOUD__URL`. Set it where that is an
    /// address for others.
    pub url: Option<Url>,
    /// The login name of an administrator there.
    ///
    /// Default: none; then the broker notices that accounts are gone, but not that they are disabled.
    /// `BROKER__NEXTCLOUD__ADMIN_USER`. An account of its own, so that Nextcloud's log says who asked.
    pub admin_user: Option<String>,
    /// An app password of that administrator.
    ///
    /// Default: none. `BROKER__NEXTCLOUD__ADMIN_PASSWORD`. Required with `admin_user`.
    pub admin_password: Option<Secret>,
    /// How often the account of each user with a live session, or with background access, is looked
    /// at. A user whose account is disabled or gone loses both.
    ///
    /// Default `5m`. `BROKER__NEXTCLOUD__ACCOUNT_INTERVAL`. `0s` looks at none. Each look is one
    /// request, at most 20 a second.
    pub account_interval: Duration,
}

impl Nextcloud {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let url = section.optional("url");
        let is_complete = section.has("admin_user") == section.has("admin_password");
        let admin_user = section.optional("admin_user");
        let admin_password = section.optional("admin_password");
        let account_interval = section.checked(
            "account_interval",
            Duration::from_mins(5),
            |interval| *interval <= YEARS,
            "must be at most 3650d",
        );
        if !is_complete {
            section.problem(
                "admin_password",
                "admin_user and admin_password come together or not at all",
            );
        }
        section.finish();
        Self {
            url,
            admin_user,
            admin_password,
            account_interval,
        }
    }
}
