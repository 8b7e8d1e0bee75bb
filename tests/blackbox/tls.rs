//! An installation without a proxy: both programs end TLS, with certificates that are renewed.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::story::{self, narrator::Narrator};
use harness::tls::{self, Certificates, fixture};
use harness::wait;
use reqwest::tls::TlsInfo;
use tokio::process::Command;

use crate::support::{Agent, binaries, own, run};

/// Longer than the programs wait before they look at their files again, on a slow machine too.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn the_story_comes_true_over_tls_that_ends_at_the_programs() -> Result<()> {
    run(async {
        let deployment = own("tls-story", |options| options.tls = true).await?;
        ensure!(deployment.issuer().starts_with("https://"));
        ensure!(deployment.mcp_url().scheme() == "https");
        let mut out: Vec<u8> = Vec::new();
        story::tell(&deployment, &mut Narrator::new(&mut out)).await?;
        let text = String::from_utf8(out)?;
        ensure!(
            text.contains("RFC 8693") && text.contains("note id"),
            "{text}"
        );

        // A browser that has been here does not come back without TLS.
        let agent = Agent::new(&deployment).await?;
        for url in [
            deployment.issuer() + "/account",
            deployment.mcp_url().into(),
        ] {
            let answer = agent.http.get(&url).await?;
            let hsts = answer.header("strict-transport-security");
            assert_eq!(hsts, Some("max-age=31536000"), "{url}");
            let plain = agent.http.get(url.replace("https:", "http:")).await;
            assert!(plain.is_err(), "{url} answers without TLS too");
        }

        // What a container's health check runs.
        let binaries = binaries().await?;
        for (program, file) in [
            (&binaries.broker, "broker.toml"),
            (&binaries.gateway, "mcp-gateway.toml"),
        ] {
            let config = deployment.data_dir().join(file);
            let healthy = command(program, &config, "health", &[]).await?;
            assert!(healthy.status.success(), "{healthy:?}");
        }
        Ok(())
    })
}

/// The certificate that a listener shows to a new client.
async fn shown(url: &str) -> Result<Vec<u8>> {
    let client = tls::client().tls_info(true).build()?;
    let answer = client.get(url).send().await?;
    let info = answer.extensions().get::<TlsInfo>();
    let shown = info.and_then(TlsInfo::peer_certificate);
    Ok(shown.context("no certificate")?.to_vec())
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() -> Result<()> {
    run(async {
        let deployment = own("tls-renewal", |options| options.tls = true).await?;
        let listeners = [
            deployment.issuer() + "/health/live",
            deployment.addresses().admin_url() + "/metrics",
            deployment.mcp_url().join("/health/live")?.into(),
        ];
        let certificates = deployment.options().certificates();
        let certificates = certificates.context("no certificates")?;
        let second = Certificates::shown_as("second")?;
        for url in &listeners {
            assert_eq!(shown(url).await?, Certificates::shown_as("first")?, "{url}");
        }

        certificates.put("second")?;
        for url in &listeners {
            wait::until("the new certificate", PATIENCE, async || {
                (shown(url).await.ok()? == second).then_some(())
            })
            .await?;
        }

        // Half a renewal: the key is another certificate's.
        let key = certificates.keys()["key"]
            .as_str()
            .context("no key")?
            .to_owned();
        fs::copy(fixture("first.key"), key)?;
        for process in deployment.brokers.iter().chain([&deployment.gateway]) {
            wait::until("it to say so", PATIENCE, async || {
                let log = process.log();
                log.contains("is not that of the certificate").then_some(())
            })
            .await?;
        }
        for url in &listeners {
            assert_eq!(shown(url).await?, second, "{url}");
        }
        // And all of it still works, from the agent through the gateway to the broker.
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;
        agent.exchange(&tokens.access_token).await?.success()?;
        Ok(())
    })
}

/// Runs a command of a program with these keys on top of its configuration file.
async fn command(
    program: &Path,
    config: &Path,
    name: &str,
    environment: &[(&str, &Path)],
) -> Result<Output> {
    let mut command = Command::new(program);
    command.arg("--config").arg(config).arg(name);
    command.envs(environment.iter().copied());
    Ok(command.output().await?)
}

#[test]
fn an_operator_is_told_beforehand_what_is_wrong_with_a_certificate() -> Result<()> {
    run(async {
        let deployment = own("tls-check", |options| options.tls = true).await?;
        let binaries = binaries().await?;
        for (program, file, prefix) in [
            (&binaries.broker, "broker.toml", "BROKER__SERVER__TLS__"),
            (&binaries.broker, "broker.toml", "BROKER__ADMIN__TLS__"),
            (
                &binaries.gateway,
                "mcp-gateway.toml",
                "GATEWAY__SERVER__TLS__",
            ),
        ] {
            let config = deployment.data_dir().join(file);
            let [certificate, key] = ["CERTIFICATE", "KEY"].map(|name| format!("{prefix}{name}"));
            for (pem, secret, verdict) in [
                ("first.pem", "first.key", None),
                (
                    "first.pem",
                    "second.key",
                    Some("is not that of the certificate"),
                ),
                ("expired.pem", "expired.key", Some("has expired")),
                ("first.pem", "nothing.key", Some("cannot read")),
                ("first.key", "first.key", Some("holds no certificate")),
            ] {
                let files = [
                    (certificate.as_str(), fixture(pem)),
                    (key.as_str(), fixture(secret)),
                ];
                let files = files.each_ref().map(|(name, path)| (*name, path.as_path()));
                let checked = command(program, &config, "check-config", &files).await?;
                let said = String::from_utf8(checked.stderr)?;
                assert_eq!(checked.status.success(), verdict.is_none(), "{said}");
                assert!(said.contains(verdict.unwrap_or_default()), "{said}");
            }
        }
        Ok(())
    })
}
