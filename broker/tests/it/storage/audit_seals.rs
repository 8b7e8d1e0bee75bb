//! The chain of seals: whoever changes the trail is found out, and replicas do not get in each other's way.

use std::sync::Arc;
use std::time::Duration;

use broker::ambient::{Ambient, SystemEntropy};
use broker::audit::{AuditChain, Finding, Report, verify};
use broker::crypto::Cipher;
use broker::metrics::{Metrics, Readings};
use broker::storage::Store;
use broker_client::testing::FakeClock;
use tokio::task::JoinSet;

use super::database::Database;
use super::on_both;
use super::values::audit_event;

on_both! {
    an_untouched_trail_verifies
    each_kind_of_change_is_found_and_named
    what_was_cut_off_at_the_end_is_missed_by_whoever_noted_the_head
    a_row_that_is_put_in_later_is_found
    whoever_has_the_database_but_no_key_cannot_seal
    replicas_seal_at_once_and_make_one_chain
    a_row_that_commits_late_is_sealed_too
}

const MINUTE: i64 = 60_000;

fn cipher() -> Cipher {
    Cipher::new(vec![("k".to_owned(), [5; 32])])
}

fn no_cipher() -> Cipher {
    Cipher::new(Vec::new())
}

fn chain(store: &Store, cipher: Cipher) -> AuditChain {
    let ambient = Ambient {
        clock: Arc::new(FakeClock::at(1_800_000_000)),
        entropy: Arc::new(SystemEntropy),
    };
    AuditChain::new(store.clone(), cipher, ambient, metrics(store))
}

fn metrics(store: &Store) -> Metrics {
    Metrics::new(store.event_counts())
}

/// Appends rows, a minute apart each.
async fn append(store: &Store, numbers: std::ops::Range<i64>) {
    let events: Vec<_> = numbers.map(|n| audit_event(n * MINUTE)).collect();
    store.append_audit(&events).await.unwrap();
}

async fn report(store: &Store) -> Report {
    verify(store, &cipher(), None).await.unwrap()
}

async fn findings(store: &Store) -> Vec<Finding> {
    report(store).await.findings
}

async fn an_untouched_trail_verifies(database: Database) {
    let store = database.open().await;
    let empty = report(&store).await;
    assert!(empty.findings.is_empty() && empty.head.is_none());

    // More than a batch, more than a page.
    append(&store, 0..600).await;
    assert_eq!(report(&store).await.unsealed, 600);
    chain(&store, cipher()).seal().await.unwrap();
    append(&store, 600..610).await;
    chain(&store, cipher()).seal().await.unwrap();
    append(&store, 610..611).await;

    let report = report(&store).await;
    assert_eq!(report.findings, []);
    assert_eq!((report.sealed, report.unsealed, report.open), (610, 1, 0));
    let head = report.head.unwrap();
    assert!(head.starts_with("610:") && head.len() == 4 + 64, "{head}");
}

async fn each_kind_of_change_is_found_and_named(database: Database) {
    let store = database.open().await;
    append(&store, 0..12).await;
    chain(&store, cipher()).seal().await.unwrap();
    let seals = store.sealed_audit(0, 100).await.unwrap();
    let id = |position: usize| seals[position - 1].seal.event_id;

    // A value; an absent value; a value moved to the next column.
    database
        .execute(&format!(
            "UPDATE audit_events SET sub = 'mallory' WHERE id = {}",
            id(2)
        ))
        .await;
    database
        .execute(&format!(
            "UPDATE audit_events SET error = '' WHERE id = {}",
            id(4)
        ))
        .await;
    database
        .execute(&format!("DELETE FROM audit_events WHERE id = {}", id(6)))
        .await;
    database
        .execute("DELETE FROM audit_seals WHERE position = 8")
        .await;
    // Two rows trade places.
    for (position, other) in [(10, -1), (11, 10), (-1, 11)] {
        database
            .execute(&format!(
                "UPDATE audit_seals SET position = {other} WHERE position = {position}"
            ))
            .await;
    }

    let changed = |position, event_id| Finding::Changed { position, event_id };
    assert_eq!(
        findings(&store).await,
        [
            changed(2, id(2)),
            changed(4, id(4)),
            Finding::MissingRow {
                position: 6,
                event_id: id(6)
            },
            Finding::MissingSeals { from: 8, to: 8 },
            changed(10, id(11)),
            changed(11, id(10)),
            // Its seal is over the one that stood before it.
            changed(12, id(12)),
        ]
    );
}

async fn what_was_cut_off_at_the_end_is_missed_by_whoever_noted_the_head(database: Database) {
    let store = database.open().await;
    append(&store, 0..5).await;
    chain(&store, cipher()).seal().await.unwrap();
    let head = report(&store).await.head.unwrap();
    append(&store, 5..9).await;
    chain(&store, cipher()).seal().await.unwrap();
    let noted = async |noted: &str| {
        let report = verify(&store, &cipher(), Some(noted)).await.unwrap();
        report.findings
    };
    assert_eq!(noted(&head).await, [], "more may have come since");

    for table in [
        "DELETE FROM audit_events WHERE id IN (SELECT event_id FROM audit_seals WHERE position > 3)",
        "DELETE FROM audit_seals WHERE position > 3",
    ] {
        database.execute(table).await;
    }
    assert_eq!(findings(&store).await, [], "the rest is whole");
    assert_eq!(
        noted(&head).await,
        [Finding::NotAsNoted {
            noted: head.clone()
        }]
    );
}

async fn a_row_that_is_put_in_later_is_found(database: Database) {
    let store = database.open().await;
    append(&store, 0..20).await;
    chain(&store, cipher()).seal().await.unwrap();
    // Somebody writes that something happened at minute 3; the broker seals it unknowingly.
    append(&store, 3..4).await;
    chain(&store, cipher()).seal().await.unwrap();
    let [Finding::Inserted { position: 21, .. }] = findings(&store).await[..] else {
        panic!("{:?}", findings(&store).await);
    };
}

async fn whoever_has_the_database_but_no_key_cannot_seal(database: Database) {
    let store = database.open().await;
    // Before there was an encryption key, everybody could.
    append(&store, 0..3).await;
    chain(&store, no_cipher()).seal().await.unwrap();
    append(&store, 3..6).await;
    chain(&store, cipher()).seal().await.unwrap();
    let before = report(&store).await;
    assert_eq!((before.findings.as_slice(), before.open), (&[][..], 3));

    // A replica without the key leaves it to others, and says how much waits for them.
    append(&store, 6..7).await;
    let metrics = metrics(&store);
    let ambient = Ambient::system();
    let keyless = AuditChain::new(store.clone(), no_cipher(), ambient, metrics.clone());
    keyless.seal().await.unwrap();
    assert_eq!(report(&store).await.unsealed, 1);
    let scraped = metrics.render(&Readings::default()).unwrap();
    assert!(
        scraped.contains("broker_audit_unsealed_rows 1\n"),
        "{scraped}"
    );
    chain(&store, cipher()).seal().await.unwrap();
    assert_eq!(findings(&store).await, []);

    // Whoever seals as in the old days is found.
    database
        .execute("UPDATE audit_seals SET keyed = (1 = 0) WHERE position = 7")
        .await;
    let found = findings(&store).await;
    assert!(
        matches!(
            found[..],
            [
                Finding::NotKeyed { position: 7, .. },
                Finding::Changed { position: 7, .. }
            ]
        ),
        "{found:?}"
    );
    assert!(
        verify(&store, &no_cipher(), None).await.is_err(),
        "without the key nothing can be said"
    );
}

async fn replicas_seal_at_once_and_make_one_chain(database: Database) {
    let stores = [database.open().await, database.open().await];
    let mut work = JoinSet::new();
    for store in stores.clone() {
        let chain = chain(&store, cipher());
        work.spawn(async move {
            for n in 0..30 {
                append(&store, n..n + 3).await;
                let transaction = store.begin().await.unwrap();
                transaction
                    .append_audit(&[audit_event(n * MINUTE)])
                    .await
                    .unwrap();
                transaction.commit().await.unwrap();
                chain.seal().await.unwrap();
            }
        });
    }
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
    chain(&stores[0], cipher()).seal().await.unwrap();
    let report = report(&stores[0]).await;
    assert_eq!((report.sealed, report.unsealed), (2 * 30 * 4, 0));
    // The two are not at the same minute; nothing else may be wrong.
    let others: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| !matches!(finding, Finding::Inserted { .. }))
        .collect();
    assert_eq!(others, Vec::<&Finding>::new());
}

async fn a_row_that_commits_late_is_sealed_too(database: Database) {
    let store = database.open().await;
    let clock = Arc::new(FakeClock::at(1_800_000_000));
    let ambient = Ambient {
        clock: Arc::clone(&clock) as _,
        entropy: Arc::new(SystemEntropy),
    };
    let chain = AuditChain::new(store.clone(), cipher(), ambient, metrics(&store));
    append(&store, 0..2).await;
    chain.seal().await.unwrap();
    // As if it had taken its number long ago, and committed now.
    database
        .execute("DELETE FROM audit_seals WHERE position = 2")
        .await;
    database
        .execute("UPDATE audit_events SET id = id + 1000000 WHERE id = (SELECT event_id FROM audit_seals)")
        .await;
    database
        .execute("UPDATE audit_seals SET event_id = event_id + 1000000")
        .await;
    chain.seal().await.unwrap();
    assert_eq!(report(&store).await.unsealed, 1, "out of reach");
    clock.advance(Duration::from_hours(2));
    chain.seal().await.unwrap();
    assert_eq!(report(&store).await.unsealed, 0);
}
