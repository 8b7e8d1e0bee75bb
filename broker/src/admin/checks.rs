//! A downstream asked, on an administrator's word, whether it would accept our tokens.
//!
//! What is asked and what the answers mean is [`crate::exchange::check`]'s; `broker check-downstream`
//! is the same from a terminal.

use serde::{Deserialize, Serialize};

use super::body::text;
use super::{AdminApi, AdminError, Administrator};
use crate::domain::{AuditKind, DownstreamName};
use crate::exchange::check::{Finding, PROVIDER, Question, Situation};

/// The longest uid that Nextcloud has, in characters; also ample for the name of a provider entry.
const LONGEST_WORD: usize = 64;

/// How to check a downstream.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckOptions {
    /// The Nextcloud user id to try a call as; left out, whoever logged in last.
    #[serde(default)]
    user: Option<String>,
    /// The name of the broker's provider entry in `user_oidc`; left out, `mcp-broker`.
    #[serde(default)]
    provider: Option<String>,
    /// Also call as somebody who does not exist. Where that makes an account (auto-provisioning), the
    /// account stays and has to be deleted; the finding says how.
    #[serde(default)]
    try_unknown_user: bool,
}

/// What was found out.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct CheckedDownstream {
    /// The downstream's name.
    downstream: String,
    /// The Nextcloud user id that calls were tried as, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// Whether no finding is a problem.
    good: bool,
    /// In the order of asking.
    findings: Vec<FindingItem>,
}

/// Something that was found out.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct FindingItem {
    /// `good`, `note` or `problem`.
    severity: &'static str,
    /// A name that stays the same, for programs.
    code: &'static str,
    /// What it means and what to do.
    text: String,
    /// What to run on the machine of Nextcloud; often nothing.
    commands: Vec<String>,
}

impl FindingItem {
    fn new(finding: &Finding, at: &Situation) -> Self {
        Self {
            severity: finding.severity().as_str(),
            code: finding.code(),
            text: finding.text(at),
            commands: finding.commands(at),
        }
    }
}

impl AdminApi {
    /// Asks a downstream whether it would accept our tokens. That it would not is an answer too.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Body`] when an option does not fit;
    /// [`AdminError::Keys`] when the broker cannot sign.
    pub async fn check_downstream(
        &self,
        by: &Administrator,
        name: &str,
        options: CheckOptions,
    ) -> Result<CheckedDownstream, AdminError> {
        const NO_DOWNSTREAM: AdminError = AdminError::NotFound("downstream");
        let catalog = self.catalog.current();
        let downstream = DownstreamName::parse(name)
            .ok()
            .and_then(|name| catalog.downstream(&name))
            .ok_or(NO_DOWNSTREAM)?;
        let word = |name, word| text(name, word, LONGEST_WORD);
        let provider = options
            .provider
            .map(|provider| word("provider", provider))
            .transpose()?;
        let user = match options.user {
            Some(user) => Some(word("user", user)?),
            None => self
                .store
                .latest_nextcloud_user()
                .await?
                .and_then(|latest| latest.nextcloud_uid),
        };
        // Before it is asked: whatever comes of it, a token for this user was made.
        let mut event = by.does(AuditKind::DownstreamChecked, self.ambient.now());
        event.downstream = Some(downstream.name.clone());
        event.details.insert("user".into(), user.as_deref().into());
        self.store.append_audit(&[event]).await?;
        let report = self
            .check
            .run(&Question {
                downstream,
                user: user.as_deref(),
                provider: provider.as_deref().unwrap_or(PROVIDER),
                try_unknown_user: options.try_unknown_user,
            })
            .await?;
        Ok(CheckedDownstream {
            downstream: downstream.name.to_string(),
            user,
            good: report.is_good(),
            findings: report
                .findings
                .iter()
                .map(|finding| FindingItem::new(finding, &report.situation))
                .collect(),
        })
    }
}
