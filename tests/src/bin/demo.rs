//! `cargo demo`: the whole system on this machine, and the main job as a story.
//!
//! Builds the two programs, starts them with a development identity provider and a stand-in
//! Nextcloud, tells the story, and stays up for a real MCP client until Ctrl-C.
#![expect(
    clippy::print_stdout,
    reason = "a program for people: it writes on standard output"
)]

use std::io::{Write, stderr, stdout};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use harness::deployment::{Deployment, Options, Upstream};
use harness::process::Binaries;
use harness::story::{self, narrator::Narrator};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

/// Runs the MCP Token Broker with everything around it, on loopback, and tells what it does.
#[derive(Parser)]
#[command(name = "cargo demo", bin_name = "cargo demo")]
struct Arguments {
    /// Tell the story and end: 0 when every promise held, 1 otherwise.
    #[arg(long)]
    once: bool,
    /// One JSON line on standard output when ready, everything else on standard error. The story is
    /// told only together with --once, so that the installation starts untouched.
    #[arg(long)]
    json: bool,
    /// Use this Nextcloud instead of the stand-in.
    #[arg(long, value_name = "URL")]
    nextcloud: Option<Url>,
    /// Use this identity provider instead of the development one.
    #[arg(
        long,
        value_name = "ISSUER",
        requires = "upstream_client_id",
        requires = "upstream_client_secret"
    )]
    upstream: Option<String>,
    /// The broker's client id at that provider.
    #[arg(long, value_name = "ID", requires = "upstream")]
    upstream_client_id: Option<String>,
    /// The broker's client secret at that provider.
    #[arg(
        long,
        allow_hyphen_values = true,
        value_name = "SECRET",
        requires = "upstream"
    )]
    upstream_client_secret: Option<String>,
    /// The claim of the provider's ID token that is the Nextcloud user id.
    #[arg(long, value_name = "CLAIM", default_value = "preferred_username")]
    uid_claim: String,
    /// How the broker obtains tokens for Nextcloud.
    #[arg(long, value_enum, default_value = "mint")]
    strategy: Strategy,
    /// The broker's database: `sqlite:FILE` or `postgres://…`. Default: a fresh SQLite file.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// The first port: broker +0, admin +1, gateway +2, identity provider +3, Nextcloud +4.
    #[arg(long, value_name = "N", default_value_t = 4280)]
    port_base: u16,
    /// How many brokers to run behind the one port.
    #[arg(long, value_name = "N", default_value_t = 1)]
    replicas: usize,
    /// Who may register as a client.
    #[arg(long, value_enum, default_value = "open")]
    registration: Registration,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Strategy {
    Mint,
    UpstreamExchange,
    Session,
}

#[derive(Clone, Copy, ValueEnum)]
enum Registration {
    Open,
    Approval,
    Closed,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing better can be done when standard error is closed.
            writeln!(stderr(), "\nThe demo stopped: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let mut out: Box<dyn Write + Send> = if arguments.json {
        Box::new(stderr())
    } else {
        Box::new(stdout())
    };
    let mut narrator = Narrator::new(&mut out);
    let data_dir = DataDir::create()?;

    narrator.say("Building the broker and the gateway (the first time takes some minutes) …")?;
    let binaries = Binaries::build()?;
    narrator.say("Starting the identity provider, Nextcloud, the broker and the gateway …")?;
    let deployment = tokio::select! {
        deployment = Deployment::start(&binaries, options(&arguments, &data_dir)?) => deployment?,
        () = interrupted() => return Ok(()),
    };
    if arguments.json {
        println!("{}", deployment.describe());
    } else {
        introduce(&mut narrator, &deployment)?;
    }
    if arguments.once || !arguments.json {
        let told = tokio::select! {
            told = story::tell(&deployment, &mut narrator) => told,
            () = interrupted() => return Ok(()),
        };
        match told {
            Err(error) if !arguments.once => {
                narrator.say(format!("\nThe story stops here: {error:#}"))?;
            }
            told => told?,
        }
    }
    if arguments.once {
        return Ok(());
    }
    narrator.say(format!(
        "\nEverything stays up. Point an MCP client at {} and log in as one of the users above.\n\
         Ctrl-C stops and removes it all.",
        deployment.mcp_url()
    ))?;
    interrupted().await;
    Ok(())
}

fn options(arguments: &Arguments, data_dir: &DataDir) -> Result<Options> {
    let name = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
        value()
            .map(|value| value.get_name().to_owned())
            .context("a value without a name")
    };
    let mut options = Options::new(&data_dir.0);
    options.port_base = Some(arguments.port_base);
    options.replicas = arguments.replicas;
    options.strategy = name(&|| arguments.strategy.to_possible_value())?;
    options.registration = name(&|| arguments.registration.to_possible_value())?;
    options.nextcloud.clone_from(&arguments.nextcloud);
    options.uid_claim.clone_from(&arguments.uid_claim);
    if let Some(database) = &arguments.database {
        options.database.clone_from(database);
    }
    if let Some(issuer) = &arguments.upstream {
        options.upstream = Some(Upstream {
            issuer: issuer.clone(),
            client_id: arguments.upstream_client_id.clone().unwrap_or_default(),
            client_secret: arguments.upstream_client_secret.clone().unwrap_or_default(),
        });
    }
    Ok(options)
}

fn introduce(narrator: &mut Narrator<'_>, deployment: &Deployment) -> Result<()> {
    let about = deployment.describe();
    let text = |name: &str| about.get(name).and_then(Value::as_str).unwrap_or_default();
    narrator.say("")?;
    narrator.say(format!("  MCP server (gateway)   {}", text("mcp_url")))?;
    narrator.say(format!("  broker                 {}", text("issuer")))?;
    narrator.say(format!("  admin API              {}", text("admin_url")))?;
    narrator.say(format!(
        "  identity provider      {}",
        text("upstream_issuer")
    ))?;
    narrator.say(format!(
        "  Nextcloud              {}",
        text("nextcloud_url")
    ))?;
    narrator.say(format!(
        "  strategy               {}",
        deployment.strategy()
    ))?;
    narrator.say(format!("  files and logs         {}", text("data_dir")))?;
    if deployment.knows_passwords() {
        for user in deployment.users() {
            narrator.say(format!(
                "  user                   {} / {}",
                user.name, user.password
            ))?;
        }
    }
    Ok(())
}

/// Ends with Ctrl-C or SIGTERM.
async fn interrupted() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

/// The demo's own directory below the system's temporary one; removed at the end.
struct DataDir(PathBuf);

impl DataDir {
    fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("mcp-token-broker-{}", std::process::id()));
        // Only for its owner, and never a directory that somebody else has put there.
        let mut builder = std::fs::DirBuilder::new();
        let created = builder.mode(0o700).create(&path);
        created.with_context(|| format!("create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        std::fs::remove_dir_all(&self.0).ok();
    }
}
