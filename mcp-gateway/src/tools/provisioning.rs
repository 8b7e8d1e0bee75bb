//! Background access to Nextcloud: the user begins it, asks how it stands, ends it (Flow 2).
//!
//! The names are those that users' prompts know. Whose access it is, the token says; no tool takes a
//! name. Allowing happens on the broker's page, in the user's own browser; a tool can only send him
//! there.

use broker_client::oauth::{self, AccessState};
use schemars::JsonSchema;
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    Effect, Family, Tool,
    visit::{Outcome, Visit, Visits},
};
use crate::{credentials::BackgroundAccess, error::ToolError};

/// The tools about background access.
pub(super) fn family() -> Family {
    Family {
        tools: vec![
            Tool::background("provision_nextcloud_access", Effect::Write, provision)
                .described(
                    "Let background jobs into Nextcloud",
                    "Begins the user's consent that background jobs may work in their Nextcloud \
                     while they are away: sends them to a page in their own browser, or gives the \
                     link for it. Use it when the user wants jobs to run without them, or when \
                     check_provisioning_status says that it is not active. Only the user can allow \
                     it; call check_provisioning_status afterwards.",
                )
                .calls(&["POST /oauth/background-access"])
                .visiting(),
            Tool::background("revoke_nextcloud_access", Effect::Delete, revoke)
                .described(
                    "Keep background jobs out of Nextcloud",
                    "Withdraws what the user allowed background jobs in their Nextcloud: from then \
                     on no job gets in. Use it when the user asks for that. Allowing it again \
                     needs provision_nextcloud_access and the user's consent.",
                )
                .calls(&["POST /oauth/background-access/withdraw"]),
            Tool::background("check_provisioning_status", Effect::Read, check)
                .described(
                    "Whether background jobs may enter Nextcloud",
                    "Tells whether background jobs may work in the user's Nextcloud while they \
                     are away, what they may do, and since when. Use it before you count on such a \
                     job, and after the user was sent to the page that allows it.",
                )
                .calls(&["POST /oauth/background-access"]),
        ],
        resources: Vec::new(),
    }
}

/// How background access stands.
#[derive(Serialize, JsonSchema)]
struct Provisioning {
    /// Whether background jobs get in.
    state: State,
    /// What they may do; empty unless the state is active.
    scopes: Vec<String>,
    /// Since when (RFC 3339); absent if the user never allowed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// The page on which the user allows it, made for this user alone; absent while it is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    /// What to do now.
    next_step: &'static str,
}

#[derive(Serialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum State {
    /// The user never allowed it.
    None,
    /// The user has begun and not finished.
    Pending,
    /// They get in.
    Active,
    /// The identity provider does not renew it any more; the user has to allow it again.
    Failing,
    /// The user took it back.
    Withdrawn,
}

impl From<AccessState> for State {
    fn from(state: AccessState) -> Self {
        match state {
            AccessState::None => Self::None,
            AccessState::Pending => Self::Pending,
            AccessState::Active => Self::Active,
            AccessState::Failing => Self::Failing,
            AccessState::Withdrawn => Self::Withdrawn,
        }
    }
}

const NOTHING_TO_DO: &str = "Nothing: background jobs may work. The user can end it with \
    revoke_nextcloud_access.";
const FINISH: &str = "The user has to finish on the page that is open in their browser, or open the \
    link again. Then call check_provisioning_status.";
const SHOW_THE_LINK: &str = "Show the user the link and ask them to open it in their own browser and \
    to allow it there. Then call check_provisioning_status.";
const IT_IS_OPEN: &str = "The page was opened for the user. Wait until they say that they are done, then \
    call check_provisioning_status; if no page came up, show them the link.";
const DECLINED: &str = "The user did not want to open the page, so nothing was allowed. Go on without \
    background jobs, and do not ask again unless they want it.";
const OFFER: &str = "Background jobs get nothing. If the user wants them to, call \
    provision_nextcloud_access.";
const MEND: &str = "Background jobs get nothing until the user allows it again: call \
    provision_nextcloud_access.";
const ENDED: &str = "Nothing: background jobs get nothing any more. If the user changes their mind, call \
    provision_nextcloud_access.";

impl Provisioning {
    fn new(found: oauth::BackgroundAccess, next_step: &'static str) -> Self {
        let is_active = found.state == AccessState::Active;
        let scope = found.scope.filter(|_| is_active).unwrap_or_default();
        Self {
            state: found.state.into(),
            scopes: scope.split_whitespace().map(str::to_owned).collect(),
            since: found.since.and_then(moment),
            link: Some(found.authorization_uri).filter(|_| !is_active),
            next_step,
        }
    }
}

/// Seconds since 1970 as people write a moment.
fn moment(seconds: i64) -> Option<String> {
    let moment = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    moment.format(&Rfc3339).ok()
}

async fn provision(
    access: BackgroundAccess,
    visits: Visits,
) -> Result<Outcome<Provisioning>, ToolError> {
    let found = access.state().await?;
    let next_step = match (found.state, visits) {
        (AccessState::Active, _) => NOTHING_TO_DO,
        (_, Visits::Supported) => {
            return Ok(Outcome::Visit(Visit {
                message: "Decide on this page whether background jobs may work in your Nextcloud \
                          while you are away. You can take it back at any time."
                    .to_owned(),
                url: found.authorization_uri,
            }));
        }
        (AccessState::Pending, _) => FINISH,
        (_, Visits::Unsupported) => SHOW_THE_LINK,
        (_, Visits::Asked { agreed: true }) => IT_IS_OPEN,
        (_, Visits::Asked { agreed: false }) => DECLINED,
    };
    Ok(Outcome::Done(Provisioning::new(found, next_step)))
}

async fn revoke(access: BackgroundAccess, _: Visits) -> Result<Outcome<Provisioning>, ToolError> {
    let found = access.withdraw().await?;
    Ok(Outcome::Done(Provisioning::new(found, ENDED)))
}

async fn check(access: BackgroundAccess, _: Visits) -> Result<Outcome<Provisioning>, ToolError> {
    let found = access.state().await?;
    let next_step = match found.state {
        AccessState::Active => NOTHING_TO_DO,
        AccessState::Pending => FINISH,
        AccessState::Failing => MEND,
        AccessState::None | AccessState::Withdrawn => OFFER,
    };
    Ok(Outcome::Done(Provisioning::new(found, next_step)))
}
