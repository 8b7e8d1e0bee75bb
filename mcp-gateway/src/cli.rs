//! The command line: `mcp-gateway [--config FILE] serve | health | check-config`.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    sync::Arc,
};

use anyhow::Context;
use broker_client::{ambient::SystemClock, http::readiness, server};
use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{app, config};

/// What is logged unless `RUST_LOG` says otherwise: rmcp tells three lines about every request.
const DEFAULT_FILTER: &str = "info,rmcp=warn";

/// A stateless MCP server with the Nextcloud tools.
#[derive(Debug, Parser)]
#[command(name = "mcp-gateway", version)]
pub struct Arguments {
    /// The configuration file; without one, everything comes from GATEWAY__… variables.
    #[arg(long, env = "GATEWAY_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// How log lines on stderr look.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C; a second one ends it at once.
    Serve,
    /// Ask the gateway that serves with this configuration whether it is ready: for health checks in
    /// containers, which have no other program for it.
    Health,
    /// Check the configuration, without any network, and say what is wrong.
    CheckConfig,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// Whatever stopped it, told to the operator.
    pub async fn run(self) -> anyhow::Result<()> {
        let config = config::from_file(self.config.as_deref())?;
        match self.command {
            Command::CheckConfig => {
                // Building the parts finds what only they can judge; nothing is asked over the network.
                drop(app::build(&config)?);
                app::check_certificate(&config, &SystemClock)?;
                writeln!(std::io::stdout(), "The configuration is good.")?;
                Ok(())
            }
            Command::Health => {
                let answer = readiness(config.server.listen, config.server.tls.is_some()).await?;
                writeln!(
                    std::io::stdout(),
                    "{}",
                    String::from_utf8_lossy(&answer.body)
                )?;
                anyhow::ensure!(
                    answer.status.is_success(),
                    "the gateway is not ready; see above"
                );
                Ok(())
            }
            Command::Serve => {
                log_to_stderr(self.log_format);
                let stop = server::stop_on_signal().context("cannot wait for signals")?;
                let routers = app::build_at(&config, Arc::new(SystemClock), stop.clone())?;
                app::serve(&config, routers, stop).await?;
                Ok(())
            }
        }
    }
}

fn log_to_stderr(format: LogFormat) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let registry = tracing_subscriber::registry().with(filter);
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
