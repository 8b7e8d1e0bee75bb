//! Whether Nextcloud would accept what the broker mints, asked of the real one.
//!
//! Nextcloud refuses every bearer token with the same bare 401, so the reason is found by asking
//! different questions: is it Nextcloud, is `user_oidc` there, does a signed logout token pass (it
//! tells an unknown provider, key and audience apart, and can log nobody in), is there such an
//! account, and only then: does a token that lives for seconds work.
//!
//! [`probe`] asks, [`findings`] puts into words what the answers mean and which command mends it.
//! Who may ask, and the audit row, are the caller's business.

mod findings;
mod probe;

pub use findings::{Finding, Report, Severity, Situation};
pub use probe::Check;

/// The name of the broker's provider entry in `user_oidc` when nobody says another one.
pub const PROVIDER: &str = "mcp-broker";

/// What is to be checked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The downstream, a Nextcloud.
    pub downstream: &'a crate::domain::Downstream,
    /// The Nextcloud uid to try a call as; without one only the set-up is looked at.
    pub user: Option<&'a str>,
    /// The name of the broker's provider entry in `user_oidc`.
    pub provider: &'a str,
    /// Whether to call as somebody who does not exist, to see whether Nextcloud would make an
    /// account. Where it does, the account stays behind and has to be deleted.
    pub try_unknown_user: bool,
}
