//! Encryption keys change while the broker runs, and nothing is lost or left behind in clear.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use broker::crypto::Cipher;
use broker::domain::{Actor, AuditKind, AuthorizationId, Catalog, Strategy, Subject};
use broker::storage::SealedTokens;
use broker::vault::{KeyUse, Progress, Vault, VaultError};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::browser::{Browser, planned};
use crate::harness::{Broker, Plan};
use crate::idp::Idp;

type Ring = &'static [(&'static str, u8)];
const OLD: Ring = &[("old", 1)];
const OLD_AND_NEW: Ring = &[("old", 1), ("new", 2)];
const NEW_AND_OLD: Ring = &[("new", 2), ("old", 1)];
const NEW: Ring = &[("new", 2)];

fn keys(ring: Ring) -> Vec<(String, [u8; 32])> {
    ring.iter()
        .map(|(id, byte)| ((*id).to_owned(), [*byte; 32]))
        .collect()
}

/// Nextcloud's tokens come from the login, sealed with the first key of `ring`.
fn sealed_with(plan: &mut Plan, ring: Ring) {
    plan.encryption = keys(ring);
    let mut downstreams = plan.catalog.downstreams().to_vec();
    for downstream in &mut downstreams {
        downstream.strategy = Strategy::Session;
    }
    plan.catalog = Catalog::new(plan.catalog.resources().to_vec(), downstreams);
}

async fn replica(broker: &Broker, idp: &Idp, ring: Ring) -> Broker {
    let issuer = idp.issuer().to_owned();
    broker
        .replica(|plan| {
            sealed_with(plan, ring);
            plan.upstream.issuer = issuer;
        })
        .await
}

fn vault(broker: &Broker, ring: Ring) -> Vault {
    Vault {
        store: broker.store().clone(),
        cipher: Cipher::new(keys(ring)),
        ambient: broker.parts.ambient.clone(),
    }
}

fn uses(id: &str, is_configured: bool, values: u64) -> KeyUse {
    KeyUse {
        id: id.to_owned(),
        is_configured,
        values,
    }
}

/// Rows of other logins, so that there is something to do.
async fn fill(broker: &Broker, logins: usize) {
    let cipher = Cipher::new(keys(OLD));
    let transaction = broker.store().begin().await.unwrap();
    for number in 0..logins {
        let flow = format!("login-{number:04}");
        let seal = |column| {
            let context = broker::crypto::SealingContext {
                table: "upstream_tokens",
                column,
                row: &flow,
                user: "somebody",
            };
            cipher
                .seal(&broker.parts.ambient, context, column.as_bytes())
                .unwrap()
        };
        let tokens = SealedTokens {
            flow: AuthorizationId::parse(flow.as_str()).unwrap(),
            sub: Subject::parse("somebody").unwrap(),
            grant: None,
            access_token: seal("access_token"),
            refresh_token: (number % 2 == 0).then(|| seal("refresh_token")),
            expires_at: None,
            renew_at: None,
            keep_until: broker.now().plus(Duration::from_hours(1)),
            version: 0,
        };
        transaction.insert_upstream_tokens(&tokens).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_takes_over_while_the_broker_runs_and_no_read_fails() {
    let (broker, idp) = planned(|plan| sealed_with(plan, OLD)).await;
    let code = Browser::new(&broker).log_in(&idp, &[]).await.code();
    let tokens = broker.redeem(&code).await.tokens();
    fill(&broker, 150).await;
    // A signing key, this login's two tokens, 150 access and 75 refresh tokens.
    let all = 1 + 2 + 225;
    let running = Arc::new(replica(&broker, &idp, OLD_AND_NEW).await);
    let vault_of = |ring| vault(&broker, ring);
    assert_eq!(
        vault_of(NEW_AND_OLD).uses().await.unwrap(),
        [uses("new", true, 0), uses("old", true, all)]
    );

    let is_over = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (running, is_over) = (Arc::clone(&running), Arc::clone(&is_over));
        let access = tokens.access.clone();
        async move {
            let mut reads = 0;
            while !is_over.load(Ordering::SeqCst) {
                let answer = running.exchange(&access).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
                reads += 1;
            }
            reads
        }
    });
    let mut reports = Vec::new();
    let actor = Actor::Administrator("test".to_owned());
    let done = vault_of(NEW_AND_OLD)
        .reseal(actor.clone(), |progress| {
            reports.push(progress);
            Ok(())
        })
        .await
        .unwrap();
    is_over.store(true, Ordering::SeqCst);
    assert!(reader.await.unwrap() > 0);
    assert_eq!(done, all);
    assert!(reports.len() > 2, "{reports:?}");
    assert_eq!(
        reports.last(),
        Some(&Progress {
            done: all,
            total: all
        })
    );
    let row = broker
        .trail()
        .await
        .into_iter()
        .find(|row| row.kind == AuditKind::KeyRotated && row.details["step"] == "resealed");
    assert_eq!(row.unwrap().details["values"], all);

    // The old key can go: nothing needs it.
    let alone = replica(&broker, &idp, NEW).await;
    let answer = alone.exchange(&tokens.access).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        vault_of(NEW).uses().await.unwrap(),
        [uses("new", true, all)]
    );
    vault_of(NEW).check().await.unwrap();
    let again = vault_of(NEW_AND_OLD).reseal(actor, |_| Ok(())).await;
    assert_eq!(again.unwrap(), 0, "there is nothing left to do");
}

#[tokio::test]
async fn a_key_that_is_still_needed_is_missed_by_name() {
    let (broker, _idp) = planned(|plan| sealed_with(plan, OLD)).await;
    for ring in [NEW, &[]] {
        let vault = vault(&broker, ring);
        let error = vault.check().await.unwrap_err();
        assert!(error.to_string().contains("`old`"), "{error}");
        assert!(matches!(error, VaultError::MissingKey { values: 1, .. }));
    }
    let unable = vault(&broker, NEW).reseal(Actor::Broker, |_| Ok(())).await;
    assert!(matches!(unable, Err(VaultError::Closed { row, .. }) if !row.is_empty()));
    let keyless = vault(&broker, &[]).reseal(Actor::Broker, |_| Ok(())).await;
    assert!(matches!(keyless, Err(VaultError::NoKey)));
}

#[tokio::test]
async fn a_value_that_is_not_sealed_at_all_stops_no_count() {
    let (broker, _idp) = planned(|plan| sealed_with(plan, OLD)).await;
    fill(&broker, 2).await;
    let url = format!("sqlite:{}", broker.database().display());
    let connection = sea_orm::Database::connect(url).await.unwrap();
    let sql = "UPDATE upstream_tokens SET access_token = x'ff00' WHERE flow = 'login-0000'";
    connection.execute_unprepared(sql).await.unwrap();
    let counted = vault(&broker, OLD).uses().await.unwrap();
    assert_eq!(counted, [uses("old", true, 3)]);
}

#[tokio::test]
async fn no_column_of_any_table_holds_a_token_in_clear() {
    let (broker, idp) = planned(|plan| sealed_with(plan, OLD)).await;
    let browser = Browser::new(&broker);
    let code = browser.log_in(&idp, &[]).await.code();
    let tokens = broker.redeem(&code).await.tokens();
    assert_eq!(broker.exchange(&tokens.access).await.status, 200);
    broker.advance(Duration::from_secs(280)).await;
    assert_eq!(broker.exchange(&tokens.access).await.status, 200);
    let fresh = broker.refresh(&tokens.refresh).await.tokens();
    // A login that is not finished, and one whose code is not redeemed.
    browser.begin().await;
    let open = browser.log_in(&idp, &[]).await.code();

    let secrets = [
        "upstream-access-token",
        "upstream-refresh-token",
        "upstream-code",
        &tokens.access,
        &tokens.refresh,
        &fresh.access,
        &fresh.refresh,
        &code.code,
        &open.code,
    ];
    let mut columns = 0;
    for (column, values) in dump(&broker).await {
        columns += 1;
        for secret in secrets {
            let found = values.iter().any(|value| value.contains(&hex(secret)));
            assert!(!found, "{column} holds {secret}");
        }
    }
    assert!(columns > 50, "{columns}");
    // What is looked for is found where it is.
    let known = dump(&broker).await;
    assert!(
        known
            .iter()
            .any(|(_, values)| values.contains(&hex("agent")))
    );
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").unwrap();
        text
    })
}

/// Every value of every column as hexadecimal bytes.
async fn dump(broker: &Broker) -> Vec<(String, Vec<String>)> {
    let url = format!("sqlite:{}", broker.database().display());
    let connection = sea_orm::Database::connect(url).await.unwrap();
    let all = async |sql: String| {
        let statement = Statement::from_string(DbBackend::Sqlite, sql);
        let rows = connection.query_all_raw(statement).await.unwrap();
        rows.into_iter()
            .map(|row| row.try_get::<String>("", "value").unwrap())
            .collect::<Vec<_>>()
    };
    let tables = "SELECT name AS value FROM sqlite_master WHERE type = 'table'";
    let mut dump = Vec::new();
    for table in all(tables.to_owned()).await {
        let columns = format!("SELECT name AS value FROM pragma_table_info('{table}')");
        for column in all(columns).await {
            let values = format!("SELECT hex(CAST({column} AS BLOB)) AS value FROM {table}");
            dump.push((format!("{table}.{column}"), all(values).await));
        }
    }
    dump
}
