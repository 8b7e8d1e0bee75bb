//! `broker check-downstream` against a Nextcloud in every state that it knows: what it says, the
//! command that it names, and how it ends.

use anyhow::{Context as _, Result};
use harness::deployment::Deployment;
use harness::nextcloud::{NextcloudStandIn, ProviderEntry, UserOidc};
use harness::ports;
use http::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::support::{Agent, binaries, own, run};

static DEPLOYMENT: OnceCell<Deployment> = OnceCell::const_new();
/// The states are the Nextcloud's, so one test at a time.
static TURN: Mutex<()> = Mutex::const_new(());

struct Scene {
    deployment: &'static Deployment,
    nextcloud: &'static NextcloudStandIn,
    _turn: MutexGuard<'static, ()>,
}

/// What the command said and whether it ended well.
struct Said {
    text: String,
    is_good: bool,
}

impl Scene {
    /// A Nextcloud that is set up as the documentation says.
    async fn new() -> Result<Self> {
        let turn = TURN.lock().await;
        let deployment = DEPLOYMENT
            .get_or_try_init(|| own("check-downstream", |_| ()))
            .await?;
        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        let scene = Self {
            deployment,
            nextcloud,
            _turn: turn,
        };
        nextcloud.set_user_oidc(UserOidc::Stateless);
        nextcloud.set_maintenance(false);
        nextcloud.set_enabled("alice", true);
        nextcloud.set_second_factor("alice", false);
        scene.provider(|_| ()).await;
        Ok(scene)
    }

    /// The broker's provider entry as documented, with a change.
    async fn provider(&self, change: impl FnOnce(&mut ProviderEntry)) {
        let issuer = self.deployment.issuer();
        let mut entry = ProviderEntry::for_issuer("mcp-broker", "nextcloud", &issuer);
        entry.auto_provision = false;
        change(&mut entry);
        self.nextcloud.set_providers(vec![entry]).await;
    }

    async fn check(&self, arguments: &[&str]) -> Result<Said> {
        self.check_at(None, arguments).await
    }

    /// The same question over the admin API.
    async fn ask(&self, options: Value) -> Result<Value> {
        let path = "downstreams/nextcloud/check";
        self.deployment
            .administer(Method::POST, path, Some(&options))
            .await?
            .success()?
            .json()
    }

    async fn check_at(&self, uri: Option<&str>, arguments: &[&str]) -> Result<Said> {
        let mut command = Command::new(&binaries().await?.broker);
        command
            .arg("--config")
            .arg(self.deployment.data_dir().join("broker.toml"))
            .arg("check-downstream")
            .args(arguments);
        if let Some(uri) = uri {
            command.env("BROKER__DOWNSTREAMS__0__URI", uri);
        }
        let output = command.output().await?;
        let error = String::from_utf8(output.stderr)?;
        assert!(!error.contains("panicked"), "{error}");
        Ok(Said {
            text: String::from_utf8(output.stdout)?,
            is_good: output.status.success(),
        })
    }
}

impl Said {
    /// The names of what was found, in order.
    fn codes(&self) -> Vec<&str> {
        let lines = self.text.lines().filter(|line| !line.starts_with(' '));
        lines
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect()
    }

    /// Asserts that this was found, with these words, and how the command ended.
    #[track_caller]
    fn found(&self, severity: &str, code: &str, words: &[&str]) {
        let line = self
            .text
            .lines()
            .any(|line| line.starts_with(severity) && line.split_whitespace().nth(1) == Some(code));
        assert!(line, "no {severity} {code} in:\n{}", self.text);
        for words in words {
            assert!(self.text.contains(words), "no {words:?} in:\n{}", self.text);
        }
        if severity == "problem" {
            assert!(!self.is_good, "ended well:\n{}", self.text);
        }
    }
}

#[test]
fn a_nextcloud_as_documented_accepts_and_no_account_appears() -> Result<()> {
    run(async {
        let scene = Scene::new().await?;
        let said = scene.check(&["--user", "alice"]).await?;
        said.found("good", "accepted", &["acts as alice"]);
        said.found("note", "auto_provisioning_unseen", &["auto_provision"]);
        assert!(said.is_good, "{}", said.text);
        let said = scene
            .check(&["--user", "alice", "--try-unknown-user"])
            .await?;
        said.found("good", "no_auto_provisioning", &[]);
        assert!(said.is_good, "{}", said.text);
        let rows = scene.deployment.audit("event=downstream.checked").await?;
        let row = rows.first().context("no audit row")?;
        assert_eq!(row["details"]["user"], "alice", "{row}");
        assert_eq!(row["downstream"], "nextcloud", "{row}");
        Ok(())
    })
}

#[test]
fn whoever_logged_in_last_is_tried_when_nobody_is_named() -> Result<()> {
    run(async {
        let scene = Scene::new().await?;
        let agent = Agent::new(scene.deployment).await?;
        agent.log_in("bob").await?;
        let said = scene.check(&[]).await?;
        said.found("good", "accepted", &["acts as bob"]);
        Ok(())
    })
}

#[test]
fn an_address_that_leads_to_no_nextcloud_is_named() -> Result<()> {
    run(async {
        let scene = Scene::new().await?;
        let closed = format!("http://127.0.0.1:{}", ports::free()?);
        let said = scene.check_at(Some(&closed), &[]).await?;
        said.found("problem", "unreachable", &[&closed]);
        let broker = scene.deployment.issuer();
        let said = scene.check_at(Some(&broker), &[]).await?;
        said.found("problem", "not_nextcloud", &["status.php"]);
        scene.nextcloud.set_maintenance(true);
        let said = scene.check(&[]).await?;
        said.found("problem", "maintenance", &["$ occ maintenance:mode --off"]);
        Ok(())
    })
}

#[test]
fn a_missing_app_and_a_missing_provider_entry_are_told_apart() -> Result<()> {
    run(async {
        let scene = Scene::new().await?;
        let said = scene
            .check(&["--user", "alice", "--provider", "other"])
            .await?;
        // The entry works, whatever it is called.
        said.found("good", "accepted", &[]);
        scene.nextcloud.set_providers(Vec::new()).await;
        let said = scene.check(&["--user", "alice"]).await?;
        let command = "$ occ user_oidc:provider mcp-broker --clientid=nextcloud";
        said.found(
            "problem",
            "provider_missing",
            &[command, "--check-bearer=1"],
        );
        scene.nextcloud.set_user_oidc(UserOidc::Missing);
        let said = scene.check(&["--user", "alice"]).await?;
        said.found("problem", "app_missing", &["$ occ app:install user_oidc"]);
        Ok(())
    })
}

#[test]
fn a_bearer_check_that_is_off_is_found_though_everything_else_fits() -> Result<()> {
    run(async {
        let scene = Scene::new().await?;
        scene.provider(|entry| entry.check_bearer = false).await;
        let said = scene.check(&["--user", "alice"]).await?;
        let command = "$ occ user_oidc:provider mcp-broker --check-bearer=1";
        said.found("problem", "bearer_check_off", &[command]);
        Ok(())
    })
}

#[test]
fn another_audience_and_keys_that_cannot_be_had_are_told_apart() -> Result<()> {
    run(async {
        let scene = Scene::new().await?;
        scene
            .provider(|entry| "web-login".clone_into(&mut entry.client_id))
            .await;
        let said = scene.check(&["--user", "alice"]).await?;
        let command = "$ occ user_oidc:provider mcp-broker --clientid=nextcloud";
        said.found("problem", "audience_mismatch", &[command]);

        let closed = format!("http://127.0.0.1:{}/discovery", ports::free()?);
        scene.provider(|entry| entry.discovery_url = closed).await;
        let said = scene.check(&["--user", "alice"]).await?;
        let command = format!(
            "--discoveryuri={}/.well-known/openid-configuration",
            scene.deployment.issuer()
        );
        said.found("problem", "key_unknown", &["$ curl --fail", &command]);

        let idp = scene.deployment.idp.as_ref().context("no provider")?;
        let other = format!("{}/.well-known/openid-configuration", idp.issuer());
        scene.provider(|entry| entry.discovery_url = other).await;
        let said = scene.check(&["--user", "alice"]).await?;
        said.found("problem", "key_unknown", &["another issuer", &command]);
        Ok(())
    })
}

#[test]
fn an_account_that_is_not_there_is_not_made_by_asking() -> Result<()> {
    run(async {
        let scene = Scene::new().await?;
        scene.provider(|entry| entry.auto_provision = true).await;
        let said = scene.check(&["--user", "nobody"]).await?;
        said.found("problem", "user_unknown", &["no account nobody"]);
        assert!(scene.nextcloud.account("nobody").is_none());
        Ok(())
    })
}

#[test]
fn accounts_that_cannot_work_with_minted_tokens_are_explained() -> Result<()> {
    run(async {
        let scene = Scene::new().await?;
        scene.nextcloud.set_second_factor("alice", true);
        let said = scene.check(&["--user", "alice"]).await?;
        said.found("problem", "second_factor", &["strategy session"]);
        scene.nextcloud.set_second_factor("alice", false);
        scene.nextcloud.set_enabled("alice", false);
        let said = scene.check(&["--user", "alice"]).await?;
        said.found("problem", "account_disabled", &["$ occ user:enable alice"]);
        scene.nextcloud.set_enabled("alice", true);
        let said = scene.check(&["--user", "ALICE"]).await?;
        said.found("problem", "other_account", &["ALICE acts as alice"]);
        Ok(())
    })
}

#[test]
fn a_version_that_opens_sessions_and_provisioning_are_noticed() -> Result<()> {
    run(async {
        let scene = Scene::new().await?;
        scene.nextcloud.set_user_oidc(UserOidc::Sessions);
        let said = scene.check(&["--user", "alice"]).await?;
        said.found("note", "session_opened", &["outlives"]);
        scene.provider(|entry| entry.auto_provision = true).await;
        let said = scene
            .check(&["--user", "alice", "--try-unknown-user"])
            .await?;
        said.found(
            "problem",
            "auto_provisioning",
            &[
                "auto_provision --value=false",
                "$ occ user:delete mcp-broker-check-",
            ],
        );
        Ok(())
    })
}

#[test]
fn the_admin_api_says_what_the_command_says() -> Result<()> {
    run(async {
        let scene = Scene::new().await?;
        let alice = || json!({ "user": "alice" });
        for state in ["as documented", "no bearer check", "a second factor"] {
            match state {
                "no bearer check" => scene.provider(|entry| entry.check_bearer = false).await,
                "a second factor" => {
                    scene.provider(|_| ()).await;
                    scene.nextcloud.set_second_factor("alice", true);
                }
                _ => {}
            }
            let said = scene.check(&["--user", "alice"]).await?;
            let found = scene.ask(alice()).await?;
            assert_eq!(found["good"], said.is_good, "{state}: {found}");
            let findings = found["findings"].as_array().context("no findings")?;
            let codes: Vec<_> = findings
                .iter()
                .filter_map(|finding| finding["code"].as_str())
                .collect();
            assert_eq!(codes, said.codes(), "{state}");
            for finding in findings {
                let text = finding["text"].as_str().context("no text")?;
                assert!(said.text.contains(text), "{state}: {text}");
            }
        }
        let rows = scene.deployment.audit("event=downstream.checked").await?;
        let administrators = rows
            .iter()
            .filter(|row| row["actor"]["kind"] == "administrator" && row["request_id"].is_string());
        assert_eq!(administrators.count(), 3, "{rows:?}");
        Ok(())
    })
}
