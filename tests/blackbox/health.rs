//! `broker health` and `mcp-gateway health`: what a container's health check runs.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;

use anyhow::Result;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::support::{binaries, own, run};

/// Runs a program's `health`, of the process that listens where the file or `listen` says.
async fn health(
    program: &Path,
    config: &Path,
    listen: Option<(&str, SocketAddr)>,
) -> Result<Output> {
    let mut command = Command::new(program);
    command.arg("--config").arg(config).arg("health");
    if let Some((variable, address)) = listen {
        command.env(variable, address.to_string());
    }
    Ok(command.output().await?)
}

#[test]
fn health_ends_well_exactly_while_the_program_is_ready() -> Result<()> {
    run(async {
        let deployment = own("health", |_| ()).await?;
        let binaries = binaries().await?;
        // Another program that listens, and is not ready.
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let unready = listener.local_addr()?;
        let answer = async || (StatusCode::SERVICE_UNAVAILABLE, "what is down");
        let router = Router::new().route("/health/ready", get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });

        for (program, process, file, variable) in [
            (
                &binaries.broker,
                &deployment.brokers[0],
                "broker.toml",
                "BROKER__SERVER__LISTEN",
            ),
            (
                &binaries.gateway,
                &deployment.gateway,
                "mcp-gateway.toml",
                "GATEWAY__SERVER__LISTEN",
            ),
        ] {
            let config = deployment.data_dir().join(file);
            let good = health(program, &config, None).await?;
            assert!(good.status.success(), "{good:?}");
            assert!(String::from_utf8(good.stdout)?.contains("up"), "{file}");

            let bad = health(program, &config, Some((variable, unready))).await?;
            assert!(!bad.status.success(), "{bad:?}");
            assert_eq!(String::from_utf8(bad.stdout)?, "what is down\n");

            process.kill()?;
            let gone = health(program, &config, None).await?;
            assert!(!gone.status.success(), "{gone:?}");
        }
        Ok(())
    })
}
