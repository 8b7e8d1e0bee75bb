//! `broker check-downstream`: would this Nextcloud accept our tokens, and if not, why not?
//!
//! Runs beside a serving broker or without one; Nextcloud itself has to reach the serving one for
//! the keys. The tokens it makes live for seconds and are sent to the configured downstream only.

use broker_client::http::{HttpClient, Options};
use clap::Args;

use super::{CommandError, operator, say};
use crate::ambient::Ambient;
use crate::config::Config;
use crate::domain::{AuditEvent, AuditKind, DownstreamName};
use crate::exchange::check::{Check, PROVIDER, Question, Report};
use crate::keys::Keyring;
use crate::storage::Store;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The downstream to ask, by its name in the configuration.
    #[arg(long, default_value = "nextcloud")]
    name: String,
    /// The Nextcloud user id to try a call as; without it, whoever logged in last.
    #[arg(long, value_name = "UID")]
    user: Option<String>,
    /// The name of the broker's provider entry in user_oidc.
    #[arg(long, value_name = "NAME", default_value = PROVIDER)]
    provider: String,
    /// Also call as somebody who does not exist. Where that makes an account (auto-provisioning),
    /// the account stays and has to be deleted; the answer says how.
    #[arg(long)]
    try_unknown_user: bool,
}

impl Arguments {
    pub(super) async fn run(self, config: &Config, store: &Store) -> Result<(), CommandError> {
        let catalog = config.catalog();
        let downstream = DownstreamName::parse(self.name.as_str())
            .ok()
            .and_then(|name| catalog.downstream(&name).cloned())
            .ok_or(CommandError::UnknownDownstream(self.name))?;
        let ambient = Ambient::system();
        let keyring = Keyring::load(
            store.clone(),
            config.cipher(),
            config.key_policy(),
            ambient.clone(),
        )
        .await?;
        let latest = match &self.user {
            Some(_) => None,
            None => store.latest_nextcloud_user().await?,
        };
        let user = self.user.or(latest.and_then(|user| user.nextcloud_uid));
        let check = Check {
            issuer: config.server.issuer.clone(),
            keyring,
            http: HttpClient::new(&Options {
                // The operator wrote the address down.
                allow_insecure_http: true,
                ..Options::default()
            })?,
            ambient: ambient.clone(),
        };
        // Before it is asked: whatever comes of it, a token for this user was made.
        let mut event = AuditEvent::new(ambient.now(), AuditKind::DownstreamChecked, operator());
        event.downstream = Some(downstream.name.clone());
        event.details.insert("user".into(), user.as_deref().into());
        store.append_audit(&[event]).await?;
        let report = check
            .run(&Question {
                downstream: &downstream,
                user: user.as_deref(),
                provider: &self.provider,
                try_unknown_user: self.try_unknown_user,
            })
            .await?;
        print(&report)?;
        if report.is_good() {
            Ok(())
        } else {
            Err(CommandError::DownstreamRefuses)
        }
    }
}

fn print(report: &Report) -> std::io::Result<()> {
    say(report.to_string().trim_end())
}
