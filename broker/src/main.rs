//! The `broker` program: parse the arguments, run one command, say why it failed.

use std::io::Write as _;
use std::process::ExitCode;

use broker::cli::Arguments;
use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    // Wrong usage ends here, with code 2.
    let arguments = Arguments::parse();
    match arguments.run().await.map_err(anyhow::Error::from) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain, once. Nobody is left to tell when stderr is gone.
            drop(writeln!(std::io::stderr(), "error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
