//! What an operator looks at while the programs run: metrics, and whether the audit trail is whole.

use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::deployment::Deployment;
use harness::http::Http;
use harness::wait;
use serde_json::Value;
use tokio::process::Command;

use crate::support::{Agent, binaries, own, run};

const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `broker …` with the configuration of the running one.
async fn broker(deployment: &Deployment, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(&binaries().await?.broker);
    let config = deployment.data_dir().join("broker.toml");
    Ok(command
        .arg("--config")
        .arg(config)
        .args(arguments)
        .output()
        .await?)
}

#[test]
fn an_operator_sees_what_was_counted_and_that_the_trail_is_whole() -> Result<()> {
    run(async {
        let deployment = own("operations", |_| ()).await?;
        let agent = Agent::new(&deployment).await?;
        agent.log_in("alice").await?;

        let admin = deployment.describe()["admin_url"]
            .as_str()
            .context("no admin URL")?
            .to_owned();
        let url = format!("{admin}/metrics");
        let scraped = Http::default().get(&url).await?;
        ensure!(scraped.status == 200, "{}", scraped.body);
        let text = scraped.body;
        for line in [
            "broker_token_requests_total{grant_type=\"authorization_code\",outcome=\"ok\"} 1",
            "broker_upstream_requests_total{operation=\"redeem\",outcome=\"ok\"} 1",
            "broker_dependency_up{dependency=\"upstream\"} 1",
            "broker_downstream_up{downstream=\"nextcloud\"} 1",
        ] {
            ensure!(text.lines().any(|is| is == line), "no {line} in\n{text}");
        }

        // The trail is sealed by itself, about a second behind.
        let whole = wait::until("the trail to be sealed", PATIENCE, async || {
            let verified = broker(&deployment, &["audit", "verify"]).await.ok()?;
            let said = String::from_utf8(verified.stdout).ok()?;
            (verified.status.success() && said.contains("unsealed 0 rows")).then_some(said)
        })
        .await?;
        let head = whole
            .lines()
            .find_map(|line| line.strip_prefix("head     "))
            .context("no head")?;
        let expected = broker(&deployment, &["audit", "verify", "--expect", head]).await?;
        ensure!(expected.status.success(), "{expected:?}");
        let other = format!("1:{}", "0".repeat(64));
        let other = broker(&deployment, &["audit", "verify", "--expect", &other]).await?;
        ensure!(!other.status.success(), "{other:?}");
        ensure!(String::from_utf8_lossy(&other.stdout).contains("does not have the seal"));

        let exported = broker(&deployment, &["audit", "export"]).await?;
        ensure!(exported.status.success(), "{exported:?}");
        let rows = String::from_utf8(exported.stdout)?;
        let rows = rows
            .lines()
            .map(serde_json::from_str::<Value>)
            .collect::<Result<Vec<_>, _>>()?;
        ensure!(rows.iter().any(|row| row["event"] == "login.succeeded"));
        ensure!(rows.is_sorted_by_key(|row| row["id"].as_i64()), "{rows:?}");
        let none = ["audit", "export", "--until", "2020-01-01T00:00:00Z"];
        ensure!(broker(&deployment, &none).await?.stdout.is_empty());
        Ok(())
    })
}
