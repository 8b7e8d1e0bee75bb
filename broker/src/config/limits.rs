//! `[limits]`: how often strangers may come.

use super::read::Section;

/// `[limits]`. Each number is of one replica; 0 switches the limit off.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many pages (login, consent, sign-in) one address may ask for in a minute; for IPv6 its whole
    /// /64 network.
    ///
    /// Default `3000`. `BROKER__LIMITS__PAGES_PER_MINUTE`. Enough for 700 logins a minute; higher where
    /// more people come from one address. Behind a proxy set `server.trusted_proxies` first.
    pub pages_per_minute: u32,
    /// The same for all addresses together.
    ///
    /// Default `30000`. `BROKER__LIMITS__PAGES_PER_MINUTE_IN_TOTAL`. Each login that begins is a row in
    /// the database.
    pub pages_per_minute_in_total: u32,
    /// How many requests of programs from one address may be refused in a minute, at the token endpoint
    /// and the others. What succeeds is not counted, and a client that proves itself with a secret or a key
    /// is heard all the same.
    ///
    /// Default `3000`. `BROKER__LIMITS__REFUSALS_PER_MINUTE`. Beyond it the public clients of that address
    /// wait too.
    pub refusals_per_minute: u32,
    /// The same for all addresses together.
    ///
    /// Default `60000`. `BROKER__LIMITS__REFUSALS_PER_MINUTE_IN_TOTAL`. Each refusal is a row in the
    /// audit trail.
    pub refusals_per_minute_in_total: u32,
}

impl Limits {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let pages_per_minute = section.or("pages_per_minute", 3_000);
        let pages_per_minute_in_total = section.or("pages_per_minute_in_total", 30_000);
        let refusals_per_minute = section.or("refusals_per_minute", 3_000);
        let refusals_per_minute_in_total = section.or("refusals_per_minute_in_total", 60_000);
        section.finish();
        Self {
            pages_per_minute,
            pages_per_minute_in_total,
            refusals_per_minute,
            refusals_per_minute_in_total,
        }
    }
}
