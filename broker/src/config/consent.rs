//! `[consent]`: what is remembered of the consent page.

use std::time::Duration;

use super::read::Section;
use super::tokens::YEARS;

/// `[consent]`.
#[derive(Debug, Clone)]
pub struct Consent {
    /// How long a click on "Allow" counts: until then an approved client gets in without the page
    /// when the same user, in the same browser, is asked by it for nothing new.
    ///
    /// Default `90d`. `BROKER__CONSENT__REMEMBER`. `0s` shows the page at every login.
    pub remember: Duration,
    /// Whether that counts for public clients on the user's own computer too, whose answers go to
    /// loopback or a private-use scheme.
    ///
    /// Default `false`. `BROKER__CONSENT__DANGER_REMEMBER_NATIVE_APPS`. Any program on that computer
    /// can pose as such a client, and only the page would stop it (RFC 8252 §8.6).
    pub danger_remember_native_apps: bool,
}

impl Consent {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let remember = section.checked(
            "remember",
            Duration::from_hours(90 * 24),
            |duration| *duration <= YEARS,
            "must be at most 3650d",
        );
        let danger_remember_native_apps = section.or("danger_remember_native_apps", false);
        section.finish();
        Self {
            remember,
            danger_remember_native_apps,
        }
    }
}
