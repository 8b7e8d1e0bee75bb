//! Stopping: what has begun is finished, nothing is lost, and an operator in a hurry is heard.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::deployment::{Deployment, Options};
use harness::http::Http;
use harness::process::Process;
use harness::wait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Agent, also, own, run};

const PATIENCE: Duration = Duration::from_secs(30);
/// Long enough to be seen, also on a slow machine.
const DELAY: &str = "3s";

/// An installation whose programs say for a while that they are about to stop.
async fn installation(name: &str) -> Result<Deployment> {
    own(name, |options: &mut Options| {
        also(options, |config| {
            config["server"]["shutdown_delay"] = json!(DELAY);
        });
        options.adjust_gateway = Some(Arc::new(|config: &mut Value, _| {
            config["server"]["shutdown_delay"] = json!(DELAY);
        }));
    })
    .await
}

/// A request that a program has begun to read.
struct Half {
    stream: TcpStream,
    rest: String,
}

impl Half {
    /// Sends everything but the end of the body.
    async fn send(address: &str, path: &str, headers: &str, body: &str) -> Result<Self> {
        let (first, rest) = body.split_at(body.len() / 2);
        let mut stream = TcpStream::connect(address).await?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        stream.write_all((head + first).as_bytes()).await?;
        Ok(Self {
            stream,
            rest: rest.to_owned(),
        })
    }

    /// Sends the rest and reads the answer, to the end of the connection.
    async fn finish(mut self) -> Result<String> {
        self.stream.write_all(self.rest.as_bytes()).await?;
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

/// Tells the program to stop while `half` is open; finishes it once nothing else is accepted.
async fn stop_around(process: &Process, address: &str, half: Half) -> Result<String> {
    let http = Http::default();
    let ready = format!("http://{address}/health/ready");
    process.signal("TERM")?;
    wait::until("it to say that it stops", PATIENCE, async || {
        let answer = http.get(&ready).await.ok()?;
        (answer.status == 503).then_some(())
    })
    .await?;
    wait::until("it to accept no more", PATIENCE, async || {
        TcpStream::connect(address).await.is_err().then_some(())
    })
    .await?;
    let answer = half.finish().await?;
    let status = process.ended().await?;
    ensure!(status.success(), "{status}");
    Ok(answer)
}

#[test]
fn a_request_in_progress_is_finished_before_a_program_stops() -> Result<()> {
    run(async {
        let deployment = installation("shutdown").await?;
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;

        let gateway = deployment.mcp_url();
        let address = format!("127.0.0.1:{}", gateway.port().context("no port")?);
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {
                "name": "nc_notes_create_note",
                "arguments": { "title": "Last", "content": "", "category": "" },
            },
        });
        let headers = format!(
            "authorization: Bearer {}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n",
            tokens.access_token
        );
        let half = Half::send(&address, "/mcp", &headers, &call.to_string()).await?;
        let answer = stop_around(&deployment.gateway, &address, half).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        ensure!(answer.contains("Last") && !answer.contains("isError\":true"));

        let broker = &deployment.brokers[0];
        let url = deployment.addresses().replica_url(0);
        let address = url.trim_start_matches("http://");
        let refresh_token = tokens.refresh_token.context("no refresh token")?;
        let form = format!(
            "grant_type=refresh_token&client_id={}&refresh_token={refresh_token}",
            agent.credentials.client_id()
        );
        let headers = "content-type: application/x-www-form-urlencoded\r\n\
                       x-request-id: the-last-request\r\n";
        let half = Half::send(address, "/oauth/token", headers, &form).await?;
        let answer = stop_around(broker, address, half).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");

        // What the answer says is true, and the trail knows it.
        broker.launch().await?;
        let rows = deployment.audit("event=token.refreshed").await?;
        let last = rows
            .iter()
            .filter(|row| row["request_id"] == "the-last-request");
        assert_eq!(last.count(), 1, "{rows:?}");
        Ok(())
    })
}

#[test]
fn a_second_signal_ends_a_program_at_once() -> Result<()> {
    run(async {
        let deployment = installation("shutdown-twice").await?;
        let url = deployment.addresses().replica_url(0);
        let gateway = deployment.mcp_url();
        let gateway = format!("127.0.0.1:{}", gateway.port().context("no port")?);
        for (process, address) in [
            (&deployment.gateway, gateway.as_str()),
            (&deployment.brokers[0], url.trim_start_matches("http://")),
        ] {
            // It would wait for this one.
            let half = Half::send(address, "/mcp", "", "12").await?;
            process.signal("TERM")?;
            wait::until("it to have heard the first", PATIENCE, async || {
                process.log().contains("a second signal").then_some(())
            })
            .await?;
            process.signal("INT")?;
            assert_eq!(process.ended().await?.code(), Some(130));
            drop(half);
        }
        Ok(())
    })
}
