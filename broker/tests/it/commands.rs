//! The commands as an operator runs them: what goes to stdout, how they end, and that the work
//! between requests is done.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use broker::ambient::Ambient;
use broker::audit::{AuditChain, AuditLog};
use broker::crypto::{self, Cipher};
use broker::domain::{ClientId, EndReason, Grant, GrantId, ResourceUri, Subject};
use broker::keys::{Algorithm, Keyring, Policy};
use broker::live::{CatalogHandle, Live};
use broker::metrics::Metrics;
use broker::offline_tokens::{self, OfflineTokens};
use broker::storage::{self, AuditFilter, Options, Retention, Store, Synchronous};
use broker::tasks::Tasks;
use broker::webhooks::{self, Webhooks};
use broker_client::http::{self, HttpClient};
use broker_client::oauth::Scope;
use tokio_util::sync::CancellationToken;

use crate::harness::client;

/// A directory with the shipped configuration, gone when the test is.
struct Installation(PathBuf);

impl Installation {
    fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("broker-cli-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&directory).unwrap();
        let example = include_str!("../../../deploy/broker.toml");
        std::fs::write(directory.join("broker.toml"), example).unwrap();
        Self(directory)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(&[], arguments)
    }

    fn run_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_broker"))
            .current_dir(&self.0)
            .env_clear()
            .env("BROKER_CONFIG", "broker.toml")
            .envs(environment.iter().copied())
            .args(arguments)
            .output()
            .unwrap()
    }

    async fn store(&self) -> Store {
        let options = Options {
            url: format!("sqlite:{}", self.0.join("broker.db").display()),
            synchronous: Synchronous::Normal,
            max_connections: 2,
        };
        storage::open(&options).await.unwrap()
    }

    fn has(&self, file: &str) -> bool {
        Path::new(&self.0).join(file).exists()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn check_config_says_good_or_everything_that_is_wrong_and_touches_nothing() {
    let installation = Installation::new();
    let good = installation.run(&["check-config"]);
    assert!(good.status.success(), "{}", stderr(&good));
    assert_eq!(stdout(&good), "The configuration is good.\n");

    let wrong = [
        ("BROKER__SERVER__ISSUER", "nowhere"),
        ("BROKER__TOKENS__LOGIN", "soon"),
    ];
    let bad = installation.run_with(&wrong, &["check-config"]);
    assert_eq!(bad.status.code(), Some(1));
    assert_eq!(stdout(&bad), "");
    let text = stderr(&bad);
    assert!(
        text.contains("server.issuer: ") && text.contains("tokens.login: "),
        "{text}"
    );
    assert!(!installation.has("broker.db"));
}

#[tokio::test]
async fn a_client_gets_a_new_secret_and_only_its_hash_is_kept() {
    let installation = Installation::new();
    let store = installation.store().await;
    let id = ClientId::parse("job").unwrap();
    let mut job = client(id.as_str(), Some("old"), &[]);
    job.version = 7;
    store.insert_client(&job).await.unwrap();

    let rotate = |keep: &str| {
        let arguments = [
            "client",
            "rotate-secret",
            "--client-id",
            "job",
            "--keep",
            keep,
        ];
        installation.run(&arguments)
    };
    assert_eq!(rotate("soon").status.code(), Some(2));
    let rotated = rotate("1h30m");
    assert!(rotated.status.success(), "{}", stderr(&rotated));
    let secret = stdout(&rotated).trim().to_owned();
    let now = Ambient::system().now();
    let stored = store.client(&id).await.unwrap().unwrap();
    assert_eq!(stored.version, 8);
    assert_eq!(stored.secrets[0], crypto::hash(&secret).into());
    assert_eq!(stored.secrets[1].hash, crypto::hash("old"));
    let left = stored.secrets[1].expires_at.unwrap().since(now);
    assert!(left > Duration::from_mins(89) && left <= Duration::from_mins(90));

    let unknown = installation.run(&["client", "rotate-secret", "--client-id", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("no such client"));
}

#[test]
fn failures_end_with_one_and_wrong_usage_with_two() {
    let installation = Installation::new();
    let usage = installation.run(&["make-coffee"]);
    assert_eq!(usage.status.code(), Some(2));
    let missing = installation.run_with(&[("BROKER_CONFIG", "missing.toml")], &["serve"]);
    assert_eq!(missing.status.code(), Some(1));
    let text = stderr(&missing);
    // The whole chain, once: what failed and why.
    assert_eq!(text.matches("missing.toml").count(), 1, "{text}");
    assert!(
        text.contains("cannot read") && text.contains("No such file"),
        "{text}"
    );
}

#[test]
fn migrate_creates_the_database_once() {
    let installation = Installation::new();
    assert_eq!(
        stdout(&installation.run(&["migrate"])),
        format!("Migrations applied: {}.\n", migrations::names().len())
    );
    assert!(installation.has("broker.db"));
    assert_eq!(
        stdout(&installation.run(&["migrate"])),
        "The database is up to date.\n"
    );
}

#[tokio::test]
async fn admin_token_create_prints_the_token_and_nothing_else() {
    let installation = Installation::new();
    let create = ["admin-token", "create", "--name", "ops", "--role", "write"];
    let output = installation.run(&create);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let token = text.strip_suffix('\n').unwrap();
    assert_eq!(token.len(), 43);
    assert!(!stderr(&output).contains(token));

    let store = installation.store().await;
    let stored = store
        .admin_token(&crypto::hash(token))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (stored.name.as_str(), stored.role.as_str()),
        ("ops", "write")
    );

    let again = installation.run(&create);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("ops already"), "{}", stderr(&again));
    let invalid = installation.run(&["admin-token", "create", "--name", "a b", "--role", "read"]);
    assert_eq!(invalid.status.code(), Some(1));
    assert!(stdout(&installation.run(&["admin-token", "list"])).starts_with("ops\twrite\t"));

    let revoke = ["admin-token", "revoke", "--name", "ops"];
    assert!(installation.run(&revoke).status.success());
    assert_eq!(store.admin_token(&crypto::hash(token)).await.unwrap(), None);
    assert_eq!(installation.run(&revoke).status.code(), Some(1));

    let page = store
        .list_audit(&AuditFilter::default(), None, 10)
        .await
        .unwrap();
    let written: Vec<&str> = page
        .items
        .iter()
        .map(|item| item.event.kind.as_str())
        .collect();
    assert_eq!(written, ["admin.token_revoked", "admin.token_created"]);
}

#[tokio::test]
async fn registration_token_create_prints_the_token_and_nothing_else() {
    let installation = Installation::new();
    let create = ["registration-token", "create", "--name", "ci"];
    let limited = [&create[..], &["--expires-in", "7d", "--uses", "2"]].concat();
    let output = installation.run(&limited);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let token = text.strip_suffix('\n').unwrap();
    assert_eq!(token.len(), 43);
    assert!(!stderr(&output).contains(token));

    let store = installation.store().await;
    let hash = crypto::hash(token);
    let stored = store.registration_token(&hash).await.unwrap().unwrap();
    assert_eq!((stored.most_uses, stored.uses), (Some(2), 0));
    let life = stored.expires_at.unwrap().since(stored.created_at);
    assert_eq!(life, Duration::from_hours(7 * 24));

    let again = installation.run(&create);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("ci already"), "{}", stderr(&again));
    for wrong in [["--expires-in", "soon"], ["--uses", "0"]] {
        let output = installation.run(&[&create[..], &wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    }
    let list = stdout(&installation.run(&["registration-token", "list"]));
    assert!(list.starts_with("ci\t0 of 2 uses\tcreated "), "{list}");
    assert!(
        list.contains("\tuntil 20") && !list.contains(token),
        "{list}"
    );

    let revoke = ["registration-token", "revoke", "--name", "ci"];
    assert!(installation.run(&revoke).status.success());
    assert_eq!(store.registration_token(&hash).await.unwrap(), None);
    assert_eq!(installation.run(&revoke).status.code(), Some(1));
    let page = store
        .list_audit(&AuditFilter::default(), None, 10)
        .await
        .unwrap();
    let written = page.items.iter().map(|item| item.event.kind.as_str());
    assert_eq!(
        written.collect::<Vec<_>>(),
        ["registration.token_revoked", "registration.token_created"]
    );
}

#[test]
fn keys_rotate_publishes_ahead_and_now_warns() {
    let installation = Installation::new();
    let published = installation.run(&["keys", "rotate"]);
    assert!(
        stdout(&published).contains("is published and signs from"),
        "{published:?}"
    );
    let list = stdout(&installation.run(&["keys", "list"]));
    let states: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split('\t').nth(2))
        .collect();
    assert_eq!(states.len(), 2);
    assert!(
        states.contains(&"active") && states.contains(&"next"),
        "{list}"
    );

    let at_once = installation.run(&["keys", "rotate", "--now"]);
    assert!(stdout(&at_once).contains("when every replica knows it"));
    assert!(
        stderr(&at_once).contains("Nextcloud for up to an hour"),
        "{}",
        stderr(&at_once)
    );
}

#[test]
fn an_encryption_key_is_made_takes_over_and_is_missed_when_it_goes_too_soon() {
    const OLD: &str = r#"{ id = "old", key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=" }"#;
    let installation = Installation::new();
    let made = installation.run(&["keys", "add-encryption-key", "--id", "2027"]);
    let entry = stdout(&made);
    let table: toml::Table = format!("entry = {entry}").parse().unwrap();
    assert_eq!(table["entry"]["id"].as_str(), Some("2027"));
    let key = table["entry"]["key"].as_str().unwrap();
    assert_eq!(key.len(), 44);
    let other = stdout(&installation.run(&["keys", "add-encryption-key", "--id", "2027"]));
    assert_ne!(entry, other);
    assert!(!installation.has("broker.db-wal"), "it only prints");
    let bad = installation.run(&["keys", "add-encryption-key", "--id", "a b"]);
    assert_eq!(bad.status.code(), Some(2));

    let run = |ring: &[&str], arguments: &[&str]| {
        let ring = format!("[{}]", ring.join(", "));
        installation.run_with(&[("BROKER__KEYS__ENCRYPTION", &ring)], arguments)
    };
    let list = |ring: &[&str]| stdout(&run(ring, &["keys", "list"]));
    let new = entry.trim();
    run(&[OLD], &["keys", "rotate"]);
    let listed = list(&[OLD]);
    assert!(
        listed.contains("old\tencryption\tseals\t2 values"),
        "{listed}"
    );

    // Without it, nothing starts, and it is named.
    let refused = run(&[new], &["serve"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("encryption key `old`"),
        "{}",
        stderr(&refused)
    );

    let resealed = stdout(&run(&[new, OLD], &["keys", "reseal"]));
    assert!(resealed.contains("2 of 2 values"), "{resealed}");
    let listed = list(&[new, OLD]);
    assert!(
        listed.contains("2027\tencryption\tseals\t2 values"),
        "{listed}"
    );
    assert!(
        listed.contains("old\tencryption\topens\t0 values"),
        "{listed}"
    );
    assert!(!list(&[new]).contains("old"));
}

/// With the real clock, since it is the promise itself: a replica hears within a second.
#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_follow_another_replica_within_a_second_and_stop_when_told() {
    let installation = Installation::new();
    let (here, there) = (installation.store().await, installation.store().await);
    let ambient = Ambient::system();
    let now = ambient.now();
    let grant = Grant {
        id: GrantId::parse("g").unwrap(),
        sub: Subject::parse("alice").unwrap(),
        client_id: ClientId::parse("client").unwrap(),
        resource: ResourceUri::parse("https://mcp.example").unwrap(),
        scope: Scope::new(),
        created_at: now,
        expires_at: now.plus(Duration::from_hours(1)),
        ended: None,
    };
    let mut old = grant.clone();
    old.id = GrantId::parse("old").unwrap();
    old.expires_at = now.minus(Duration::from_hours(2));
    here.insert_grant(&grant).await.unwrap();
    here.insert_grant(&old).await.unwrap();

    let live = Live::load(here.clone(), ambient.clone(), Vec::new())
        .await
        .unwrap();
    let policy = Policy::new(Algorithm::Es256, Duration::from_hours(24));
    let keyring = Keyring::load(
        here.clone(),
        Cipher::new(Vec::new()),
        policy,
        ambient.clone(),
    );
    let stop = CancellationToken::new();
    let tasks = Tasks {
        store: here.clone(),
        live: live.clone(),
        keyring: keyring.await.unwrap(),
        offline_tokens: OfflineTokens::new(offline_tokens::Dependencies {
            store: here.clone(),
            audit: AuditLog::start(here.clone()),
            cipher: Cipher::new(Vec::new()),
            upstream: None,
            ambient: ambient.clone(),
            allowed_at: String::new(),
            patience: Duration::ZERO,
        }),
        accounts: None,
        chain: AuditChain::new(
            here.clone(),
            Cipher::new(Vec::new()),
            ambient.clone(),
            Metrics::new(here.event_counts()),
        ),
        webhooks: Webhooks::new(
            webhooks::Dependencies {
                store: here.clone(),
                audit: AuditLog::start(here.clone()),
                nextcloud: None,
                catalog: CatalogHandle::default(),
                http: HttpClient::new(&http::Options::default()).unwrap(),
                ambient: ambient.clone(),
            },
            webhooks::Settings {
                callback_url: String::new(),
                receivers: BTreeMap::new(),
                queue: 1,
                attempts: 1,
                retry_after: Duration::from_secs(1),
            },
        ),
        ambient: ambient.clone(),
        retention: Retention {
            authorizations: Duration::from_hours(1),
            grants: Duration::from_hours(1),
        },
        unused_after: Duration::from_hours(24),
        metrics: Metrics::new(here.event_counts()),
    }
    .start(&stop);

    assert!(
        there
            .end_grant(&grant.id, EndReason::Revoked, ambient.now())
            .await
            .unwrap()
    );
    let ended = Instant::now();
    while !live.is_ended(&grant.id).unwrap_or(false) {
        assert!(
            ended.elapsed() < Duration::from_secs(1),
            "not heard within a second"
        );
        tokio::task::yield_now().await;
    }
    let patience = Instant::now();
    while here.grant(&old.id).await.unwrap().is_some() {
        assert!(patience.elapsed() < Duration::from_secs(10), "not purged");
    }
    stop.cancel();
    tasks.wait().await;
}
