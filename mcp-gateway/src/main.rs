//! The `mcp-gateway` program: parse the arguments, run one command.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use mcp_gateway::cli::Arguments;

#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // For the operator: all causes, no backtrace. When stderr is gone, nobody reads it.
            drop(writeln!(std::io::stderr(), "mcp-gateway: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
