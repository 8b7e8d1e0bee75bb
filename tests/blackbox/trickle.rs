//! A client that sends its request a byte at a time keeps nobody waiting for ever. Over real sockets.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::{Agent, own, run};

/// Longer than any request may take, on a slow machine too.
const PATIENCE: Duration = Duration::from_mins(2);

/// Sends a head at once and a byte of its body now and then; what was answered before the connection
/// ended.
async fn trickle(address: &str, path: &str, headers: &str) -> Result<String> {
    let stream = TcpStream::connect(address).await?;
    let (mut from, mut to) = stream.into_split();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 4000\r\n{headers}\r\n");
    to.write_all(head.as_bytes()).await?;
    let trickle = async {
        while to.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    let mut answer = Vec::new();
    let read = async {
        from.read_to_end(&mut answer).await.ok();
    };
    // The connection ends at both sides, or it was not cut off.
    timeout(PATIENCE, async { tokio::join!(trickle, read) }).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn a_body_that_trickles_in_is_cut_off() -> Result<()> {
    run(async {
        let deployment = own("trickle", |options| {
            options.adjust_gateway = Some(Arc::new(|config, _| {
                config["server"]["call_timeout"] = json!("1s");
            }));
        })
        .await?;
        let token = Agent::new(&deployment).await?.log_in("alice").await?;
        let broker = deployment.addresses().replica_url(0);
        let broker = broker.trim_start_matches("http://");
        let gateway = deployment.addresses().gateway_url();
        let gateway = gateway.trim_start_matches("http://");
        let form = "content-type: application/x-www-form-urlencoded\r\n";
        let call = format!(
            "authorization: Bearer {}\r\ncontent-type: application/json\r\n\
             accept: application/json, text/event-stream\r\n",
            token.access_token
        );
        let (token, mcp, nobody) = tokio::join!(
            trickle(broker, "/oauth/token", form),
            trickle(gateway, "/mcp", &call),
            // Refused at once, and the rest of it is not waited for either.
            trickle(gateway, "/mcp", "content-type: application/json\r\n"),
        );
        for (answer, status) in [(token?, "503"), (mcp?, "408"), (nobody?, "401")] {
            ensure!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
            ensure!(
                answer.to_lowercase().contains("connection: close"),
                "{answer}"
            );
        }
        Ok(())
    })
}
