//! The gateway without an exchange: one configured account, or the caller's own token.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use harness::http::Http;
use harness::mcp_client::{self, Era, McpPoster};
use harness::nextcloud::issuer::{KeyKind, Labelled, ProbeIssuer};
use harness::nextcloud::{Credential, NextcloudStandIn, ProviderEntry, StandInConfig};
use harness::ports;
use harness::process::{Launch, Process};
use serde_json::{Value, json};
use url::Url;

use crate::support::{binaries, run, run_dir};

const CREATE: &str = "nc_notes_create_note";

/// A gateway of its own with a Nextcloud of its own.
struct Scene {
    gateway: Process,
    nextcloud: NextcloudStandIn,
    mcp_url: Url,
}

impl Scene {
    /// `configure` gets the gateway's URL and adds to the configuration below `[nextcloud]`.
    async fn new(
        name: &str,
        nextcloud: NextcloudStandIn,
        configure: impl FnOnce(&str, &mut Value),
    ) -> Result<Self> {
        let port = ports::free()?;
        let public_url = format!("http://127.0.0.1:{port}");
        let mut config = json!({
            "server": { "public_url": public_url, "listen": format!("127.0.0.1:{port}") },
            "nextcloud": { "url": nextcloud.url() },
        });
        configure(&public_url, &mut config);
        let directory = run_dir()?.join(name);
        std::fs::create_dir_all(&directory)?;
        let file = directory.join("mcp-gateway.toml");
        std::fs::write(&file, toml::to_string(&config)?)?;
        let gateway = Process::start(Launch {
            name: name.to_owned(),
            program: binaries().await?.gateway.clone(),
            arguments: vec!["--config".into(), file.into(), "serve".into()],
            environment: vec![("RUST_LOG".to_owned(), "info".to_owned())],
            log: directory.join("mcp-gateway.log"),
            health: Url::parse(&format!("{public_url}/health/live"))?,
        })
        .await?;
        Ok(Self {
            gateway,
            nextcloud,
            mcp_url: Url::parse(&format!("{public_url}/mcp"))?,
        })
    }

    fn poster(&self, token: Option<&str>) -> McpPoster {
        McpPoster::new(
            Http::default(),
            self.mcp_url.clone(),
            token,
            Era::Initialize,
        )
    }
}

fn note(title: &str) -> Value {
    json!({ "title": title, "content": "Text", "category": "" })
}

#[test]
fn basic_needs_no_broker_and_no_token_and_acts_as_the_one_account() -> Result<()> {
    run(async {
        let nextcloud = NextcloudStandIn::start(StandInConfig::default()).await?;
        let password = nextcloud.make_app_password("alice");
        let scene = Scene::new("basic", nextcloud, |_, config| {
            config["nextcloud"]["credentials"] = json!("basic");
            config["nextcloud"]["basic"] = json!({ "username": "alice", "password": password });
        })
        .await?;
        let poster = scene.poster(None);
        let created = poster.call(CREATE, note("By the one account")).await?;
        assert_ne!(created["isError"], true, "{created}");
        let titles: BTreeSet<_> = scene
            .nextcloud
            .notes("alice")
            .iter()
            .map(|note| note["title"].to_string())
            .collect();
        assert!(titles.contains("\"By the one account\""), "{titles:?}");

        let seen = scene.nextcloud.observations().requests();
        assert!(!seen.is_empty());
        for request in &seen {
            assert!(request.credential == Credential::Basic, "{request:?}");
            assert_eq!(request.user.as_deref(), Some("alice"), "{request:?}");
            assert!(request.violations.is_empty(), "{request:?}");
        }
        // There is nobody whose access could be provisioned.
        let tools = poster.tools().await?;
        let provisioning = tools.iter().find(|tool| tool.contains("provision"));
        assert_eq!(provisioning, None);
        let log = scene.gateway.log();
        assert!(log.contains("basic without a broker"), "{log}");
        assert!(!log.contains(&password), "the password is in the log");
        Ok(())
    })
}

/// Whatever issues tokens for the gateway and Nextcloud alike; and its tokens.
struct Issuer(ProbeIssuer);

impl Issuer {
    async fn start() -> Result<Self> {
        let issuer = ProbeIssuer::start().await?;
        issuer.add_key("es", KeyKind::P256, Labelled::WithAlg)?;
        Ok(Self(issuer))
    }

    /// An access token (RFC 9068) of alice with these audiences.
    fn token(&self, audiences: &[&str]) -> Result<String> {
        let now = std::time::UNIX_EPOCH.elapsed()?.as_secs();
        let mut claims = self.0.claims("alice", "", now);
        claims["aud"] = json!(audiences);
        claims["client_id"] = json!("some-client");
        claims["jti"] = json!(format!("{now}-{}", audiences.len()));
        claims["scope"] = json!("notes.read notes.write");
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "es" });
        self.0.sign("es", &header, &claims)
    }
}

#[test]
fn pass_through_forwards_only_verified_tokens_that_are_for_nextcloud_too() -> Result<()> {
    run(async {
        let (issuer, stranger) = (Issuer::start().await?, Issuer::start().await?);
        let nextcloud = NextcloudStandIn::start(StandInConfig {
            providers: vec![
                ProviderEntry::for_issuer("idp", "nextcloud", issuer.0.url()),
                // Nextcloud trusts more issuers than the gateway does.
                ProviderEntry::for_issuer("other", "nextcloud", stranger.0.url()),
            ],
            ..StandInConfig::default()
        })
        .await?;
        let scene = Scene::new("pass-through", nextcloud, |_, config| {
            config["broker"] = json!({ "issuer": issuer.0.url() });
            config["nextcloud"]["credentials"] = json!("danger_pass_through");
            config["nextcloud"]["audience"] = json!("nextcloud");
        })
        .await?;
        let here = scene.mcp_url.as_str();
        let poster = scene.poster(None);

        let both = issuer.token(&[here, "nextcloud"])?;
        let created = poster
            .with_token(&both)
            .call(CREATE, note("By alice's own token"))
            .await?;
        assert_ne!(created["isError"], true, "{created}");
        let forwarded = scene.nextcloud.observations().bearer_tokens();
        assert!(
            forwarded.iter().all(|token| *token == both),
            "{forwarded:?}"
        );
        assert!(!forwarded.is_empty());

        // Verified, but not for Nextcloud: it stays here.
        let before = scene.nextcloud.observations().requests().len();
        let only_here = issuer.token(&[here])?;
        let refused = poster
            .with_token(&only_here)
            .call(CREATE, note("Never written"))
            .await?;
        assert_eq!(refused["isError"], true, "{refused}");
        let text = mcp_client::text(&refused);
        assert!(text.contains("not meant for Nextcloud"), "{text}");

        // For Nextcloud, but not for the gateway; and of an issuer that only Nextcloud trusts.
        for token in [
            issuer.token(&["nextcloud"])?,
            stranger.token(&[here, "nextcloud"])?,
        ] {
            let poster = poster.with_token(&token);
            let answer = poster.call_answer(CREATE, note("Never written")).await?;
            assert_eq!(answer.status.as_u16(), 401, "{}", answer.describe());
        }
        let after = scene.nextcloud.observations().requests().len();
        assert_eq!(before, after, "Nextcloud was asked");

        let log = scene.gateway.log();
        let warning = log
            .lines()
            .find(|line| line.contains("danger_pass_through"));
        let warning = warning.context("no warning at the start")?;
        assert!(warning.contains("WARN"), "{warning}");
        assert!(!log.contains(&both), "the token is in the log");
        Ok(())
    })
}
