//! The command line: `broker [--config FILE] serve | health | check-config | check-downstream | migrate |
//! backup FILE | keys … | audit … | admin-token … | client … | registration-token …`.
//!
//! Results go to stdout, everything else to stderr. What the commands do with the database is in
//! [`admin_token`], [`audit`], [`client`], [`keys`] and [`registration_token`]; what one asks a Nextcloud in
//! [`check_downstream`]; [`backup`] copies it.

mod admin_token;
mod audit;
mod backup;
mod check_downstream;
mod client;
mod keys;
mod registration_token;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use broker_client::http::{HttpError, readiness};
use clap::{Parser, Subcommand, ValueEnum};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::ambient::Ambient;
use crate::app::{self, ServeError};
use crate::audit::ChainError;
use crate::clients::RotationError;
use crate::config::{self, Config, ConfigError};
use crate::domain::{Actor, Timestamp};
use crate::keys::KeyError;
use crate::storage::{self, BackupError, OpenError, Store, StoreError};
use crate::vault::VaultError;

/// What is logged when `RUST_LOG` does not say.
const DEFAULT_FILTER: &str = "info,sea_orm_migration=warn";

/// The OAuth 2.1 authorization server and token broker.
#[derive(Debug, Parser)]
#[command(name = "broker", version)]
pub struct Arguments {
    /// The configuration file; without one, everything comes from BROKER__… variables.
    #[arg(long, env = "BROKER_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// How log lines on stderr look.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C.
    Serve,
    /// Ask the broker that serves with this configuration whether it is ready: for health checks in
    /// containers, which have no other program for it.
    Health,
    /// Check the configuration, without network or database, and say everything that is wrong.
    CheckConfig,
    /// Ask a Nextcloud whether it would accept our tokens; say what is wrong and what mends it.
    CheckDownstream(check_downstream::Arguments),
    /// Create or upgrade the database; `serve` does it too.
    Migrate,
    /// Copy the SQLite database to a new file, while the broker serves; PostgreSQL has `pg_dump`.
    Backup(backup::Arguments),
    /// Look at the signing and encryption keys, or rotate them.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Check the audit trail, or write it out.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Create, list and revoke tokens for the admin API.
    #[command(subcommand)]
    AdminToken(admin_token::Command),
    /// Give a client a new secret.
    #[command(subcommand)]
    Client(client::Command),
    /// Create, list and revoke tokens with which a client may register and needs no approval.
    #[command(subcommand)]
    RegistrationToken(registration_token::Command),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database was not copied.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A client got no new secret.
    #[error(transparent)]
    Rotation(#[from] RotationError),
    /// The signing keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The sealed values cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The broker could not start, or stopped.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// No downstream has this name.
    #[error("there is no downstream named {0} in the configuration")]
    UnknownDownstream(String),
    /// The HTTP client could not be made.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The broker runs, but cannot serve; what is down was said.
    #[error("the broker is not ready; see above")]
    NotReady,
    /// A downstream would not accept our tokens; what is wrong was said.
    #[error("the downstream would not accept the broker's tokens; see above")]
    DownstreamRefuses,
    /// A token's name is no name.
    #[error("the name must have 1 to 64 letters, digits, dots, dashes or underscores")]
    InvalidName,
    /// A token of this name exists.
    #[error("there is a token named {0} already; revoke it first or choose another name")]
    NameTaken(String),
    /// No token has this name.
    #[error("there is no token named {0}; `list` instead of `revoke` shows all")]
    UnknownName(String),
    /// The audit trail's seals could not be checked.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The audit trail is not what was sealed; what is wrong was said.
    #[error("the audit trail was changed; see above")]
    TrailChanged,
    /// The result could not be written.
    #[error("the result could not be written")]
    Output(#[from] std::io::Error),
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever stopped it, told to the operator.
    pub async fn run(self) -> Result<(), CommandError> {
        let config = config::load(self.config.as_deref())?;
        log_to_stderr(self.log_format);
        match self.command {
            Command::Serve => app::serve(config).await?,
            Command::Health => health(&config).await?,
            Command::CheckConfig => {
                app::check(&config, &Ambient::system())?;
                say("The configuration is good.")?;
            }
            Command::Migrate => match storage::migrate(&config.storage_options()).await? {
                0 => say("The database is up to date.")?,
                count => say(&format!("Migrations applied: {count}."))?,
            },
            Command::Backup(arguments) => arguments.run(&config).await?,
            Command::CheckDownstream(arguments) => {
                let store = open(&config).await?;
                let outcome = arguments.run(&config, &store).await;
                store.close().await?;
                outcome?;
            }
            Command::Keys(command) => {
                let store = open(&config).await?;
                command.run(&config, &store).await?;
                store.close().await?;
            }
            Command::Audit(command) => {
                let store = open(&config).await?;
                let outcome = command.run(&config, &store).await;
                store.close().await?;
                outcome?;
            }
            Command::AdminToken(command) => {
                let store = open(&config).await?;
                command.run(&store).await?;
                store.close().await?;
            }
            Command::Client(command) => {
                let store = open(&config).await?;
                command.run(&store).await?;
                store.close().await?;
            }
            Command::RegistrationToken(command) => {
                let store = open(&config).await?;
                command.run(&store).await?;
                store.close().await?;
            }
        }
        Ok(())
    }
}

async fn open(config: &Config) -> Result<Store, OpenError> {
    storage::open(&config.storage_options()).await
}

/// Says what `/health/ready` says.
async fn health(config: &Config) -> Result<(), CommandError> {
    let answer = readiness(config.server.listen, config.server.tls.is_some()).await?;
    say(&String::from_utf8_lossy(&answer.body))?;
    if answer.status.is_success() {
        Ok(())
    } else {
        Err(CommandError::NotReady)
    }
}

/// Who acts when a command does: whoever may run it on the broker's machine.
fn operator() -> Actor {
    Actor::Administrator("command line".to_owned())
}

/// Writes a line of the result to stdout.
fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

/// A moment as people read it, in UTC.
fn written(moment: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp(moment.as_secs())
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| moment.as_secs().to_string())
}

/// A duration as an argument.
fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    config::duration(text).ok_or("must be a duration, such as 90s, 12h or 7d")
}

/// The name of a token, as it may be.
fn checked_name(name: String) -> Result<String, CommandError> {
    let is_name = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if is_name {
        Ok(name)
    } else {
        Err(CommandError::InvalidName)
    }
}

/// Says that a name is taken, where that is why an insert failed.
fn taken(name: &str) -> impl FnOnce(StoreError) -> CommandError {
    move |error| match error {
        StoreError::Conflict { .. } => CommandError::NameTaken(name.to_owned()),
        StoreError::Corrupt { .. } | StoreError::Database(_) | StoreError::Stopping => error.into(),
    }
}

fn log_to_stderr(format: LogFormat) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let registry = tracing_subscriber::registry().with(filter);
    // Colours are for people, not for files.
    let layer = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => registry.with(layer).init(),
        LogFormat::Json => registry
            .with(json_lines().with_writer(std::io::stderr))
            .init(),
    }
}

/// Lines as `--log-format json` writes them: what happened at the top, what it belongs to in `spans`.
#[must_use]
pub fn json_lines<S>()
-> fmt::Layer<S, fmt::format::JsonFields, fmt::format::Format<fmt::format::Json>>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
}
