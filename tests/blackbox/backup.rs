//! A backup made while the broker serves, and a restore: sessions from before it go on.

use std::path::PathBuf;
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use harness::client::Tokens;
use harness::deployment::Deployment;
use tokio::process::Command;

use crate::support::{Agent, bad_request, binaries, on_sqlite, own, refusal, run};

/// Runs `broker` with the configuration of `deployment`.
async fn broker(deployment: &Deployment, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(&binaries().await?.broker);
    let config = deployment.data_dir().join("broker.toml");
    let output = command.arg("--config").arg(config).args(arguments);
    Ok(output.output().await?)
}

/// Where the backup is kept.
struct Backup(PathBuf);

impl Backup {
    /// Backs up, as docs/operations.md says, while everything runs.
    async fn of(deployment: &Deployment) -> Result<Self> {
        let file = deployment.data_dir().join("backup");
        if let Some((url, schema)) = server(deployment) {
            let dump = ["--dbname", &url, "--schema", &schema, "--file"];
            run_tool("pg_dump", &dump, Some(&file)).await?;
        } else {
            let path = file.to_str().context("path")?;
            let output = broker(deployment, &["backup", path]).await?;
            ensure!(output.status.success(), "{output:?}");
        }
        Ok(Self(file))
    }

    /// Puts it in the place of the database, which nobody uses meanwhile.
    async fn restore(&self, deployment: &Deployment) -> Result<()> {
        if let Some((url, schema)) = server(deployment) {
            let drop = format!("DROP SCHEMA {schema} CASCADE");
            run_tool("psql", &["--dbname", &url, "--command", &drop], None).await?;
            let restore = ["--dbname", &url, "--set", "ON_ERROR_STOP=1", "--file"];
            return run_tool("psql", &restore, Some(&self.0)).await;
        }
        for leftover in ["broker.db-wal", "broker.db-shm"] {
            std::fs::remove_file(deployment.data_dir().join(leftover)).ok();
        }
        std::fs::copy(&self.0, deployment.data_dir().join("broker.db"))?;
        Ok(())
    }
}

/// The PostgreSQL server and the schema, if the database is there.
fn server(deployment: &Deployment) -> Option<(String, String)> {
    let described = deployment.describe();
    let url = described["database_url"].as_str()?;
    let (server, schema) = url.split_once("?options=-csearch_path%3D")?;
    Some((server.to_owned(), schema.to_owned()))
}

/// Runs a program of PostgreSQL, which may be installed where no PATH leads.
async fn run_tool(name: &str, arguments: &[&str], file: Option<&PathBuf>) -> Result<()> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let program = versions
        .flatten()
        .map(|version| version.path().join("bin").join(name))
        .filter(|program| program.exists())
        .max()
        .unwrap_or_else(|| PathBuf::from(name));
    let mut command = Command::new(program);
    let output = command.args(arguments).args(file).output().await?;
    ensure!(output.status.success(), "{name}: {output:?}");
    Ok(())
}

#[test]
fn a_backup_made_while_serving_brings_sessions_back() -> Result<()> {
    run(async {
        let deployment = own("backup", |_| ()).await?;
        let agent = Agent::new(&deployment).await?;
        let before = agent.log_in("alice").await?;
        let backup = Backup::of(&deployment).await?;
        let after = agent.log_in("bob").await?;
        let spent = after.refresh_token.context("no refresh token")?;

        let process = deployment.brokers.first().context("no broker")?;
        process.kill()?;
        backup.restore(&deployment).await?;
        process.launch().await?;

        let kept = before.refresh_token.context("no refresh token")?;
        let tokens: Tokens = agent.refresh(&kept).await?.try_into()?;
        agent.poster(&tokens.access_token).tools().await?;
        agent.exchange(&tokens.access_token).await?.success()?;
        // What came after the backup is gone, and says so.
        let lost = agent.refresh(&spent).await?;
        assert_eq!(refusal(&lost)?, bad_request("invalid_grant"));
        Ok(())
    })
}

#[test]
fn a_restored_database_without_its_key_does_not_start_and_names_the_key() -> Result<()> {
    run(async {
        let deployment = own("backup-key", |_| ()).await?;
        let agent = Agent::new(&deployment).await?;
        agent.log_in("alice").await?;
        deployment.brokers.first().context("no broker")?.kill()?;

        let config = deployment.data_dir().join("broker.toml");
        let text = std::fs::read_to_string(&config)?;
        let other = text.replace("id = \"1\"", "id = \"other\"");
        ensure!(other != text, "the configuration has another form: {text}");
        std::fs::write(&config, other)?;
        let output = broker(&deployment, &["serve"]).await?;
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().context("nothing was said")?;
        assert!(
            last.contains('1') && last.contains("keys.encryption"),
            "{said}"
        );
        Ok(())
    })
}

#[test]
fn a_backup_overwrites_nothing() -> Result<()> {
    run(async {
        let deployment = own("backup-taken", on_sqlite).await?;
        let taken = deployment.data_dir().join("broker.toml");
        let output = broker(&deployment, &["backup", taken.to_str().unwrap()]).await?;
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("name a new file"), "{said}");
        ensure!(std::fs::metadata(&taken)?.len() > 0);
        Ok(())
    })
}
