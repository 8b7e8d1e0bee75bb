//! `cargo demo` as a program: the line it prints for other programs, and that nothing outlives it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::browser::Browser;
use harness::client::OAuthClient;
use harness::http::Http;
use harness::mcp_client::{Era, SdkClient};
use harness::person::Person;
use harness::{ports, wait};
use serde_json::Value;
use url::Url;

use crate::support::{binaries, run};

const DEMO: &str = env!("CARGO_BIN_EXE_demo");

/// A running demo; killed at the end, whatever happens.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Starts `cargo demo --json` and reads its line.
async fn start() -> Result<(Demo, Value)> {
    // So that the demo finds everything built.
    binaries().await?;
    let base = ports::free_row(5)?.to_string();
    let child = Command::new(DEMO)
        .args(["--json", "--port-base", &base])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut demo = Demo(child);
    let out = demo.0.stdout.take().context("no stdout")?;
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).map(|_| line)
    });
    Ok((demo, serde_json::from_str(&line.await??)?))
}

fn text<'a>(about: &'a Value, name: &str) -> Result<&'a str> {
    about[name]
        .as_str()
        .with_context(|| format!("no {name} in {about}"))
}

/// The ids of the processes that the demo has started.
fn children(about: &Value) -> Vec<u64> {
    let brokers = about["pids"]["broker"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    brokers
        .iter()
        .chain([&about["pids"]["gateway"]])
        .filter_map(Value::as_u64)
        .collect()
}

/// Whether a process exists: signal 0 does nothing but ask.
fn lives(pid: u64) -> bool {
    let ask = Command::new("kill")
        .args(["-0", &pid.to_string()])
        .stderr(Stdio::null())
        .status();
    ask.is_ok_and(|status| status.success())
}

async fn all_gone(pids: &[u64]) -> Result<()> {
    wait::until(
        "the processes to end",
        Duration::from_secs(15),
        async || (!pids.iter().any(|&pid| lives(pid))).then_some(()),
    )
    .await
}

#[test]
fn from_the_json_line_alone_a_real_client_gets_to_work() -> Result<()> {
    run(async {
        let (demo, about) = start().await?;
        for name in [
            "issuer",
            "upstream_issuer",
            "nextcloud_url",
            "database_url",
            "data_dir",
        ] {
            assert!(!text(&about, name)?.is_empty(), "{name}");
        }
        for name in ["gateway_client_id", "gateway_client_secret"] {
            assert!(!text(&about, name)?.is_empty(), "{name}");
        }
        assert_eq!(children(&about).len(), 2, "{}", about["pids"]);

        let mcp_url = Url::parse(text(&about, "mcp_url")?)?;
        let http = Http::default();
        let client = OAuthClient::new(http.clone(), mcp_url.clone());
        let resource = client.resource(&client.challenge().await?).await?;
        let server = client.server(text(&about, "issuer")?).await?;
        let credentials = client.register(&server, "Somebody's client").await?;
        let user = &about["users"][0];
        let person = Person::new(
            Browser::new(http.clone()),
            text(user, "name")?,
            text(user, "password")?,
        );
        let id = Some(resource.id.as_str());
        let pending = client.authorize(&server, credentials.client_id(), id, None)?;
        let redirect = person.log_in(&pending.url).await?;
        let code = client.code(&server, &pending, &redirect)?;
        let tokens = client
            .redeem(&server, &credentials, &pending, &code)
            .await?;
        let session = SdkClient::connect(&mcp_url, &tokens.access_token, Era::Stateless).await?;
        assert!(!session.tools().await?.is_empty());

        let audit = format!("{}/admin/v1/audit", text(&about, "admin_url")?);
        let request = http
            .client()
            .get(audit)
            .bearer_auth(text(&about, "admin_token")?);
        let rows = http.send(request).await?.success()?.json()?;
        assert!(
            rows["items"]
                .as_array()
                .is_some_and(|rows| !rows.is_empty()),
            "{rows}"
        );

        // Asked to stop, it cleans up.
        let data_dir = text(&about, "data_dir")?;
        assert!(std::path::Path::new(data_dir).exists());
        Command::new("kill")
            .args(["-TERM", &demo.0.id().to_string()])
            .status()?;
        all_gone(&children(&about)).await?;
        wait::until(
            "the data to be removed",
            Duration::from_secs(5),
            async || (!std::path::Path::new(data_dir).exists()).then_some(()),
        )
        .await
    })
}

#[test]
fn a_demo_that_is_killed_leaves_no_process_behind() -> Result<()> {
    run(async {
        let (demo, about) = start().await?;
        let pids = children(&about);
        assert!(pids.iter().all(|&pid| lives(pid)), "{pids:?}");
        drop(demo);
        all_gone(&pids).await?;
        std::fs::remove_dir_all(text(&about, "data_dir")?)?;
        Ok(())
    })
}
