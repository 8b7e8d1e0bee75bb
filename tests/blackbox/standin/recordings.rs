//! Replays every fixture of recorded exchanges against the stand-in.

use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::nextcloud::Account;
use harness::nextcloud::replay::{Scenario, Stage};

use super::{AUDIENCE, NOW, Scene};

/// The credentials and actions that the fixtures name.
struct StandInStage<'a> {
    scene: &'a Scene,
    app_password: Mutex<String>,
}

impl StandInStage<'_> {
    fn new(scene: &Scene) -> StandInStage<'_> {
        let app_password = scene.nextcloud.make_app_password("alice");
        StandInStage {
            scene,
            app_password: Mutex::new(app_password),
        }
    }
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

impl Stage for StandInStage<'_> {
    fn authorization(&self, who: &str) -> Result<String> {
        let issuer = &self.scene.issuer;
        let bearer = |token: String| format!("Bearer {token}");
        Ok(match who {
            "bad-bearer" => bearer("not-a-token".to_owned()),
            "expired" => bearer(issuer.token("es", "alice", AUDIENCE, NOW - 3600)?),
            "wrong-audience" => bearer(issuer.token("es", "alice", "someone-else", NOW)?),
            "alice:wrong-password" => basic("alice", "wrong"),
            "alice:app-password" => basic("alice", &self.app_password.lock().unwrap()),
            who => match who.split_once(':') {
                Some((uid, "password")) => basic(uid, &format!("{uid}-password")),
                Some(_) => bail!("no credentials are called {who}"),
                None => bearer(self.scene.token(who)?),
            },
        })
    }

    fn act(&self, action: &str) -> Result<()> {
        let nextcloud = &self.scene.nextcloud;
        match action {
            "lock alice Lab/hello.txt" => nextcloud.set_file_locked("alice", "Lab/hello.txt", true),
            "use up the quota of alice" => {
                nextcloud.change_account("alice", |account| account.quota = Some(0));
            }
            "disable bob" => nextcloud.set_enabled("bob", false),
            "make a new app password for alice" => {
                *self.app_password.lock().unwrap() = nextcloud.make_app_password("alice");
            }
            other => bail!("no action is called {other}"),
        }
        Ok(())
    }
}

/// Plays one file in a scene of its own.
async fn play(path: &Path) -> Result<usize> {
    let scene = Scene::new().await?;
    scene
        .nextcloud
        .add_account(Account::new("carol", "carol-password"));
    scene.nextcloud.set_second_factor("carol", true);
    let scenario = Scenario::read(path)?;
    scenario
        .play(scene.nextcloud.url(), &StandInStage::new(&scene))
        .await
}

#[tokio::test]
async fn every_recorded_exchange_is_answered_as_the_real_server_did() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nextcloud");
    let mut played = 0;
    let mut failed = Vec::new();
    for entry in std::fs::read_dir(&folder).context("no fixtures")? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match play(&path).await {
            Ok(steps) => played += steps,
            Err(error) => failed.push(format!("{error:#}")),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert!(played >= 390, "only {played} exchanges were replayed");
    Ok(())
}
