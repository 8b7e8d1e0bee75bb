//! Load over real processes: what one replica carries, and half an hour in which one is killed every
//! minute.
//!
//! ```console
//! $ cargo bench -p blackbox --bench soak -- capacity
//! $ cargo bench -p blackbox --bench soak -- soak --minutes 30 --rate 200
//! ```
//!
//! `--database postgres://…` names an empty database; without it there is an SQLite file. The figures
//! are those of this machine, with clients, database and brokers on it together: compare what was
//! measured in one run only. `docs/scaling.md` has ours.
#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measuring program: it prints, takes real time, and may stop at once"
)]

mod capacity;
mod endure;
mod load;
mod usage;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use harness::deployment::{Deployment, Options};
use harness::idp::User;
use harness::process::Binaries;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// How many brokers.
    #[arg(long, default_value_t = 3, global = true)]
    replicas: usize,
    /// The database; its contents stay. Default: a fresh SQLite file.
    #[arg(long, global = true)]
    database: Option<String>,
    /// How many sessions take part.
    #[arg(long, default_value_t = 24, global = true)]
    sessions: usize,
    /// What `cargo bench` adds.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum What {
    /// As many requests as there can be, of one kind after the other.
    Capacity {
        /// For how long each kind, in seconds.
        #[arg(long, default_value_t = 15)]
        seconds: u64,
    },
    /// A steady rate, while one replica is killed every minute.
    Soak {
        /// For how long.
        #[arg(long, default_value_t = 30)]
        minutes: u64,
        /// Requests a second: half of what `capacity` said of exchanges.
        #[arg(long)]
        rate: u32,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let binaries = tokio::task::spawn_blocking(Binaries::build).await??;
    let data_dir: PathBuf =
        std::env::temp_dir().join(format!("mcp-token-broker-soak-{}", std::process::id()));
    let mut options = Options::new(&data_dir);
    options.replicas = arguments.replicas;
    "warn".clone_into(&mut options.log_filter);
    options.users = (0..arguments.sessions)
        .map(|number| User::new(&format!("user{number}"), "a-password-for-load"))
        .collect();
    if let Some(url) = arguments.database {
        options.database = url;
    }
    let deployment = Deployment::start(&binaries, options).await?;
    let sessions = load::log_in_all(&deployment).await?;
    match arguments.what {
        What::Capacity { seconds } => {
            capacity::measure(&deployment, sessions, Duration::from_secs(seconds)).await?;
        }
        What::Soak { minutes, rate } => {
            endure::endure(&deployment, sessions, Duration::from_mins(minutes), rate).await?;
        }
    }
    drop(deployment);
    std::fs::remove_dir_all(&data_dir).ok();
    Ok(())
}
