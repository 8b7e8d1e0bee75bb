//! The two binaries as real processes: built with cargo, started, watched, killed, restarted.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use url::Url;

use crate::http::Http;
use crate::{reaper, wait};

/// How long a process may take until it is ready; generous, for loaded machines.
const PATIENCE: Duration = Duration::from_mins(1);
/// How much of a log is shown when a process fails to start, in lines.
const TAIL: usize = 25;

/// The two programs.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The authorization server.
    pub broker: PathBuf,
    /// The MCP server.
    pub gateway: PathBuf,
}

impl Binaries {
    /// Builds both with the cargo, the profile and the target directory of this very program.
    ///
    /// The build's messages go to standard error. It is quick when nothing has changed.
    ///
    /// # Errors
    /// When the build fails.
    pub fn build() -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("no workspace")?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let output = Command::new(cargo)
            .current_dir(workspace)
            .args([
                "build",
                "--message-format=json-render-diagnostics",
                "--profile",
                &profile(),
            ])
            // With this package among the selected, cargo unifies features as for the demo itself
            // and for the workspace, and need not compile the dependencies a second time.
            .args(["-p", "broker", "-p", "mcp-gateway", "-p", "blackbox"])
            .args(["--bin", "broker", "--bin", "mcp-gateway"])
            .stderr(Stdio::inherit())
            .output()
            .context("cargo could not be started")?;
        ensure!(
            output.status.success(),
            "cargo build failed ({})",
            output.status
        );
        let messages = String::from_utf8_lossy(&output.stdout);
        Ok(Self {
            broker: executable(&messages, "broker")?,
            gateway: executable(&messages, "mcp-gateway")?,
        })
    }
}

/// The cargo profile that this program was built with, read off its place in the target directory.
fn profile() -> String {
    let exe = std::env::current_exe().unwrap_or_default();
    let folder = exe
        .ancestors()
        .skip(1)
        .filter_map(Path::file_name)
        .find(|name| *name != "deps");
    match folder.and_then(|name| name.to_str()) {
        None | Some("debug") => "dev".to_owned(),
        Some(name) => name.to_owned(),
    }
}

/// The path of a binary, out of cargo's messages.
fn executable(messages: &str, name: &str) -> Result<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo built no {name}"))
}

/// How to start a process.
#[derive(Clone, Debug)]
pub struct Launch {
    /// What to call it in messages and in the name of its log file.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// The arguments.
    pub arguments: Vec<OsString>,
    /// Variables added to the environment.
    pub environment: Vec<(String, String)>,
    /// Where its standard output and error go.
    pub log: PathBuf,
    /// The URL that answers 200 when it is ready.
    pub health: Url,
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    launch: Launch,
    /// Behind a lock, so that a test can restart what others only look at.
    child: Mutex<Option<Child>>,
}

impl Process {
    /// Starts the process and waits until it is ready.
    ///
    /// # Errors
    /// When it ends or is not ready in time; the message shows the end of its log.
    pub async fn start(launch: Launch) -> Result<Self> {
        let process = Self {
            launch,
            child: Mutex::default(),
        };
        process.launch().await?;
        Ok(process)
    }

    /// Kills the process at once, as a crash or a power failure would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&self) -> Result<()> {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.kill().context("kill")?;
            child.wait().context("wait")?;
            reaper::forget(child.id());
        }
        Ok(())
    }

    /// Sends the process a signal, such as `TERM`, and does not wait for what comes of it.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn signal(&self, name: &str) -> Result<()> {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status()?;
        ensure!(status.success(), "kill -s {name} {pid}: {status}");
        Ok(())
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Errors
    /// When it goes on.
    pub async fn ended(&self) -> Result<ExitStatus> {
        let what = format!("{} to end", self.launch.name);
        let status = wait::until(&what, PATIENCE, async || self.exit_status()).await?;
        if let Some(child) = self.child.lock().unwrap().take() {
            reaper::forget(child.id());
        }
        Ok(status)
    }

    /// Kills the process and starts it again with the same configuration.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn restart(&self) -> Result<()> {
        self.kill()?;
        self.launch().await
    }

    /// Starts the process after [`Process::kill`].
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn launch(&self) -> Result<()> {
        let child = Command::new(&self.launch.program)
            .args(&self.launch.arguments)
            .envs(
                self.launch
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .stdout(self.open_log()?)
            .stderr(self.open_log()?)
            .spawn()
            .with_context(|| format!("{} could not be started", self.launch.name))?;
        reaper::watch(child.id());
        *self.child.lock().unwrap() = Some(child);
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let http = Http::default();
        let name = self.launch.name.clone();
        let health = self.launch.health.clone();
        let outcome = wait::until(&format!("{name} to be ready"), PATIENCE, async || {
            if let Some(status) = self.exit_status() {
                return Some(Err(status));
            }
            let answer = http.get(health.as_str()).await.ok()?;
            answer.status.is_success().then_some(Ok(()))
        })
        .await;
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => bail!("{name} stopped ({status}). It said:\n{}", self.log_tail()),
            Err(error) => Err(error.context(format!("{name} said:\n{}", self.log_tail()))),
        }
    }

    fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().as_mut()?.try_wait().ok()?
    }

    /// The process id; 0 while it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap().as_ref().map_or(0, Child::id)
    }

    /// Everything that it has written so far, over all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.launch.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let tail: Vec<_> = lines.into_iter().rev().take(TAIL).collect();
        tail.into_iter()
            .rev()
            .map(|line| format!("  {line}"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn open_log(&self) -> Result<File> {
        let path = &self.launch.log;
        let options = OpenOptions::new().create(true).append(true).open(path);
        options.with_context(|| format!("log file {}", path.display()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The reaper still has the pid, should this fail.
        self.kill().ok();
    }
}
