//! `broker audit verify | export`: whether the trail is what was written, and all of it as lines.

use std::io::Write as _;

use clap::Subcommand;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{CommandError, say};
use crate::admin::AuditItem;
use crate::audit::verify;
use crate::config::Config;
use crate::domain::Timestamp;
use crate::storage::Store;

/// Rows read at once.
const PAGE: u64 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check every row against the chain of seals: changed, missing, moved and inserted rows are named.
    Verify {
        /// A seal that was noted down elsewhere before (the last line of an earlier `verify`, or a line
        /// in the log): it must still be there. Finds also whether the end was cut off.
        #[arg(long)]
        expect: Option<String>,
    },
    /// Write the trail to stdout, oldest first, one JSON object a line, as the admin API shows them.
    Export {
        /// Only from this moment on, such as 2026-11-21T08:00:00Z.
        #[arg(long, value_parser = moment)]
        from: Option<Timestamp>,
        /// Only before this moment.
        #[arg(long, value_parser = moment)]
        until: Option<Timestamp>,
    },
}

impl Command {
    pub(super) async fn run(self, config: &Config, store: &Store) -> Result<(), CommandError> {
        match self {
            Self::Verify { expect } => check(config, store, expect.as_deref()).await,
            Self::Export { from, until } => export(store, from, until).await,
        }
    }
}

async fn check(config: &Config, store: &Store, noted: Option<&str>) -> Result<(), CommandError> {
    let report = verify(store, &config.cipher(), noted).await?;
    for finding in &report.findings {
        say(&format!("wrong    {finding}"))?;
    }
    say(&format!(
        "sealed   {} rows, {} of them without a key",
        report.sealed, report.open
    ))?;
    say(&format!("unsealed {} rows", report.unsealed))?;
    if let Some(head) = &report.head {
        say(&format!("head     {head}"))?;
    }
    if report.findings.is_empty() {
        Ok(())
    } else {
        Err(CommandError::TrailChanged)
    }
}

async fn export(
    store: &Store,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<(), CommandError> {
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let mut after = i64::MIN;
    loop {
        let rows = store.audit_after(after, from, until, PAGE).await?;
        let Some(last) = rows.last() else {
            break;
        };
        after = last.id;
        for row in rows {
            let line =
                serde_json::to_string(&AuditItem::from(row)).map_err(std::io::Error::from)?;
            writeln!(out, "{line}")?;
        }
    }
    Ok(out.flush()?)
}

/// A moment as an argument.
fn moment(text: &str) -> Result<Timestamp, &'static str> {
    let moment = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "must be a moment such as 2026-11-21T08:00:00Z")?;
    let millis = moment.unix_timestamp_nanos() / 1_000_000;
    Ok(Timestamp::from_millis(
        i64::try_from(millis).unwrap_or(i64::MAX),
    ))
}
