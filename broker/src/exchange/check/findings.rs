//! What the answers of a Nextcloud mean, in words, with the command that mends it.

use std::fmt;
use std::time::Duration;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Good,
    /// Works, but somebody should know.
    Note,
    /// Calls fail, or reach the wrong account.
    Problem,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Problem => "problem",
        }
    }
}

/// Something that was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Nobody answers at the downstream's address.
    Unreachable,
    /// The address redirects elsewhere, which no API call follows.
    Redirected,
    /// Something answers that is no Nextcloud.
    NotNextcloud,
    /// Nextcloud is being upgraded or was put into maintenance mode.
    Maintenance,
    /// Nextcloud answers, in this version.
    Nextcloud {
        /// As `status.php` says it.
        version: String,
    },
    /// The clocks differ by this much.
    ClockSkew(Duration),
    /// The strategy does not depend on `user_oidc` trusting the broker; nothing more to see.
    OtherStrategy,
    /// The app `user_oidc` is not installed or not enabled.
    AppMissing,
    /// `user_oidc` has no provider entry of the given name.
    ProviderMissing,
    /// `user_oidc` cannot check our signature.
    KeyUnknown,
    /// The provider entry is for another client id than the downstream's audience.
    AudienceMismatch,
    /// The provider entry belongs to another issuer.
    IssuerMismatch,
    /// Provider entry, keys and audience fit.
    Trusted,
    /// Without a user no call was tried.
    NoUser,
    /// There is no account of this uid.
    UserUnknown,
    /// Everything fits and the call is refused all the same: bearer tokens are not looked at.
    BearerCheckOff,
    /// The account is disabled.
    AccountDisabled,
    /// The account has a second factor, which this version of `user_oidc` asks for.
    SecondFactor,
    /// The call ran as another account than the uid says.
    OtherAccount {
        /// The account that it ran as.
        found: String,
    },
    /// The call ran as the user.
    Accepted,
    /// The answer opened a browser session that outlives the token.
    SessionOpened,
    /// An unknown uid made an account.
    AutoProvisioning {
        /// The account that now exists.
        uid: String,
    },
    /// An unknown uid is refused.
    NoAutoProvisioning,
    /// Whether an unknown uid makes an account was not tried.
    AutoProvisioningUnseen,
    /// An answer that fits nothing known.
    Unexpected {
        /// Its HTTP status.
        status: u16,
    },
}

/// What the words of a finding refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation {
    /// Our issuer identifier.
    pub issuer: String,
    /// The downstream's base URL.
    pub url: String,
    /// The audience of its tokens.
    pub audience: String,
    /// The name of the provider entry.
    pub provider: String,
    /// The uid that calls were tried as.
    pub user: Option<String>,
}

impl Situation {
    fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("the user")
    }

    fn discovery(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer)
    }

    /// `occ user_oidc:provider` with these options.
    fn entry(&self, options: &str) -> String {
        format!(
            "occ user_oidc:provider {} {options}",
            argument(&self.provider)
        )
    }
}

/// Everything that was found out, in the order of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What the findings refer to.
    pub situation: Situation,
    /// The findings.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether no finding is a problem.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity() < Severity::Problem)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let severity = finding.severity().as_str();
            let text = finding.text(&self.situation);
            writeln!(formatter, "{severity:<8}{:<26}{text}", finding.code())?;
            for command in finding.commands(&self.situation) {
                writeln!(formatter, "{:8}{:26}$ {command}", "", "")?;
            }
        }
        Ok(())
    }
}

impl Finding {
    /// A name that stays the same, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Redirected => "redirected",
            Self::NotNextcloud => "not_nextcloud",
            Self::Maintenance => "maintenance",
            Self::Nextcloud { .. } => "nextcloud",
            Self::ClockSkew(_) => "clock_skew",
            Self::OtherStrategy => "other_strategy",
            Self::AppMissing => "app_missing",
            Self::ProviderMissing => "provider_missing",
            Self::KeyUnknown => "key_unknown",
            Self::AudienceMismatch => "audience_mismatch",
            Self::IssuerMismatch => "issuer_mismatch",
            Self::Trusted => "trusted",
            Self::NoUser => "no_user",
            Self::UserUnknown => "user_unknown",
            Self::BearerCheckOff => "bearer_check_off",
            Self::AccountDisabled => "account_disabled",
            Self::SecondFactor => "second_factor",
            Self::OtherAccount { .. } => "other_account",
            Self::Accepted => "accepted",
            Self::SessionOpened => "session_opened",
            Self::AutoProvisioning { .. } => "auto_provisioning",
            Self::NoAutoProvisioning => "no_auto_provisioning",
            Self::AutoProvisioningUnseen => "auto_provisioning_unseen",
            Self::Unexpected { .. } => "unexpected",
        }
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Nextcloud { .. } | Self::Trusted | Self::Accepted | Self::NoAutoProvisioning => {
                Severity::Good
            }
            Self::OtherStrategy
            | Self::NoUser
            | Self::SessionOpened
            | Self::AutoProvisioningUnseen => Severity::Note,
            Self::Unreachable
            | Self::Redirected
            | Self::NotNextcloud
            | Self::Maintenance
            | Self::ClockSkew(_)
            | Self::AppMissing
            | Self::ProviderMissing
            | Self::KeyUnknown
            | Self::AudienceMismatch
            | Self::IssuerMismatch
            | Self::UserUnknown
            | Self::BearerCheckOff
            | Self::AccountDisabled
            | Self::SecondFactor
            | Self::OtherAccount { .. }
            | Self::AutoProvisioning { .. }
            | Self::Unexpected { .. } => Severity::Problem,
        }
    }

    /// What it means and what to do.
    #[must_use]
    #[expect(
        clippy::too_many_lines,
        reason = "a list: a sentence or two for each finding"
    )]
    pub fn text(&self, at: &Situation) -> String {
        let Situation {
            issuer,
            url,
            audience,
            provider,
            ..
        } = at;
        let user = at.user();
        match self {
            Self::Unreachable => format!(
                "Nobody answers at {url}. Check the downstream's uri, name resolution, firewall \
                 and certificate from the machine of the broker."
            ),
            Self::Redirected => format!(
                "{url} redirects elsewhere, and API calls never follow. Set the downstream's uri \
                 to where it leads: often https, another host name or a sub-path."
            ),
            Self::NotNextcloud => format!(
                "Something answers at {url}, but it is no Nextcloud: {url}/status.php does not \
                 say so. Set the downstream's uri to the base URL, a sub-path included."
            ),
            Self::Maintenance => "Nextcloud is in maintenance mode or waits for its upgrade; \
                every call fails until that is over."
                .to_owned(),
            Self::Nextcloud { version } => format!("Nextcloud {version} answers at {url}."),
            Self::ClockSkew(by) => format!(
                "The clocks of broker and Nextcloud differ by {} seconds. Nextcloud allows none \
                 at the end of a token's life and 60 at its beginning: set both with NTP.",
                by.as_secs()
            ),
            Self::OtherStrategy => "This downstream's strategy gets its tokens from the identity \
                provider. Whether Nextcloud takes those shows in a tool call of a signed-in user; \
                there is nothing to mint for a check."
                .to_owned(),
            Self::AppMissing => "The app user_oidc is not there, or not enabled. Without it use \
                the strategy session with upstream kind nextcloud_oauth2, which needs no app."
                .to_owned(),
            Self::ProviderMissing => format!(
                "user_oidc has no provider entry named {provider}. Name the right one, or make \
                 it:"
            ),
            Self::KeyUnknown => format!(
                "user_oidc cannot check our signature. Either Nextcloud does not reach \
                 {discovery} or the key set named there (it must reach both itself; for a private \
                 address it wants allow_local_remote_servers), or the entry {provider} is of \
                 another issuer, or its copy of the keys is from before a rotation. The first \
                 command shows what Nextcloud sees; saving the entry sets the issuer and fetches \
                 the keys anew:",
                discovery = at.discovery()
            ),
            Self::AudienceMismatch => format!(
                "The entry {provider} is for another client id than {audience}, the downstream's \
                 audience. Change one of them; this changes the entry:"
            ),
            Self::IssuerMismatch => {
                format!("The entry {provider} belongs to another issuer than {issuer}:")
            }
            Self::Trusted => format!(
                "user_oidc knows our keys, and the entry {provider} is for our issuer and the \
                 audience {audience}."
            ),
            Self::NoUser => "No call was tried, because nobody has logged in here yet and no \
                user was named."
                .to_owned(),
            Self::UserUnknown => format!(
                "Nextcloud has no account {user}, so no call was tried: it would be refused, or \
                 make the account. The claim of upstream.uid_claim must hold the exact user id. \
                 These are the accounts:"
            ),
            Self::BearerCheckOff => format!(
                "Keys, issuer and audience fit and {user} exists, but the call is refused as if \
                 it had no token: user_oidc does not look at bearer tokens (or \
                 soft_auto_provision is off, which shuts out accounts of Nextcloud itself)."
            ),
            Self::AccountDisabled => format!(
                "The account {user} is disabled. Some versions of user_oidc let its tokens reach \
                 files all the same."
            ),
            Self::SecondFactor => format!(
                "{user} has a second factor, and user_oidc 8.7 to 8.10 sends minted tokens to its \
                 page (HTTP 303). No switch exempts them. The strategy session with Nextcloud's \
                 own oauth2 app or oidc app works for such users: there the factor is asked for \
                 at the login."
            ),
            Self::OtherAccount { found } => format!(
                "A token for {user} acts as {found}! Nextcloud looks accounts up without regard \
                 to case and by e-mail address. Set upstream.uid_claim to a claim that holds \
                 exact user ids, which users cannot change."
            ),
            Self::Accepted => format!("A minted token acts as {user}."),
            Self::SessionOpened => "This version of user_oidc (before 8.7, or after 8.10) opens a \
                browser session for each token, which outlives it and is slow. The gateway never \
                keeps or sends cookies; other programs that get tokens must not either. 8.7 to \
                8.10 open none."
                .to_owned(),
            Self::AutoProvisioning { uid } => format!(
                "A token for somebody unknown made the account {uid}: the token of a deleted \
                 account would make it again. Turn it off, and delete what this check made:"
            ),
            Self::NoAutoProvisioning => "A token for somebody unknown makes no account.".to_owned(),
            Self::AutoProvisioningUnseen => {
                "Whether a token for somebody unknown makes an account \
                (the default) cannot be seen without making one. Where accounts exist already it \
                should be false:"
                    .to_owned()
            }
            Self::Unexpected { status } => format!(
                "Nextcloud answers {status} to a call as {user}, which no known set-up explains. \
                 Its log says more at level debug:"
            ),
        }
    }

    /// What to run on the machine of Nextcloud.
    #[must_use]
    pub fn commands(&self, at: &Situation) -> Vec<String> {
        const DISABLE: &str =
            "occ config:system:set user_oidc auto_provision --value=false --type=boolean";
        match self {
            Self::Maintenance => vec![
                "occ upgrade".to_owned(),
                "occ maintenance:mode --off".to_owned(),
            ],
            Self::AppMissing => vec!["occ app:install user_oidc".to_owned()],
            Self::ProviderMissing => vec![at.entry(&format!(
                "--clientid={} --clientsecret=unused --discoveryuri={} --unique-uid=0 \
                 --check-bearer=1 --mapping-uid=sub",
                argument(&at.audience),
                argument(&at.discovery())
            ))],
            Self::KeyUnknown => vec![
                format!("curl --fail {}", argument(&at.discovery())),
                at.entry(&format!("--discoveryuri={}", argument(&at.discovery()))),
            ],
            Self::IssuerMismatch => {
                vec![at.entry(&format!("--discoveryuri={}", argument(&at.discovery())))]
            }
            Self::AudienceMismatch => {
                vec![at.entry(&format!("--clientid={}", argument(&at.audience)))]
            }
            Self::BearerCheckOff => vec![at.entry("--check-bearer=1")],
            Self::UserUnknown => vec!["occ user:list".to_owned()],
            Self::AccountDisabled => vec![format!("occ user:enable {}", argument(at.user()))],
            Self::AutoProvisioning { uid } => vec![
                DISABLE.to_owned(),
                format!("occ user:delete {}", argument(uid)),
            ],
            Self::AutoProvisioningUnseen => vec![
                "occ config:system:get user_oidc auto_provision".to_owned(),
                DISABLE.to_owned(),
            ],
            Self::SessionOpened => vec!["occ app:list --enabled | grep user_oidc".to_owned()],
            Self::Unexpected { .. } => vec!["occ log:tail".to_owned()],
            Self::Unreachable
            | Self::Redirected
            | Self::NotNextcloud
            | Self::Nextcloud { .. }
            | Self::ClockSkew(_)
            | Self::OtherStrategy
            | Self::Trusted
            | Self::NoUser
            | Self::SecondFactor
            | Self::OtherAccount { .. }
            | Self::Accepted
            | Self::NoAutoProvisioning => Vec::new(),
        }
    }
}

/// A word as a shell reads it back: quoted unless it needs no quotes.
fn argument(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_a_shell_would_take_apart_is_quoted() {
        assert_eq!(argument("https://mcp.example/x"), "https://mcp.example/x");
        assert_eq!(argument("a b"), "'a b'");
        assert_eq!(argument("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(argument(""), "''");
    }

    #[test]
    fn one_problem_spoils_a_report() {
        let report = |findings| Report {
            situation: Situation {
                issuer: "https://mcp.example".to_owned(),
                url: "https://cloud.example".to_owned(),
                audience: "nextcloud".to_owned(),
                provider: "mcp-broker".to_owned(),
                user: Some("alice".to_owned()),
            },
            findings,
        };
        assert!(report(vec![Finding::Accepted, Finding::AutoProvisioningUnseen]).is_good());
        let bad = report(vec![Finding::Trusted, Finding::BearerCheckOff]);
        assert!(!bad.is_good());
        let text = bad.to_string();
        assert!(
            text.contains("$ occ user_oidc:provider mcp-broker --check-bearer=1"),
            "{text}"
        );
    }
}
