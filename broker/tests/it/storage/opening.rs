//! Opening: created at the first start, reused later, by several at once; refused when foreign,
//! newer or unreadable, with a message that helps.

use broker::storage::{self, OpenError, Options, Synchronous};
use tokio::task::JoinSet;

use super::database::Database;
use super::on_both;
use super::values::{grant, grant_id};

on_both! {
    what_was_written_is_there_after_reopening
    several_processes_can_start_on_a_new_database_at_once
    a_database_of_another_program_is_refused_untouched
    a_database_of_a_newer_broker_is_refused
    migrating_is_idempotent_and_counts
}

async fn what_was_written_is_there_after_reopening(database: Database) {
    let store = database.open().await;
    store.insert_grant(&grant("g")).await.unwrap();
    store.ping().await.unwrap();
    store.close().await.unwrap();
    assert!(store.ping().await.is_err());
    let store = database.open().await;
    assert!(store.grant(&grant_id("g")).await.unwrap().is_some());
}

async fn several_processes_can_start_on_a_new_database_at_once(database: Database) {
    let mut starting: JoinSet<_> = (0..8)
        .map(|number| {
            let options = database.options();
            async move {
                let store = storage::open(&options).await.unwrap();
                store
                    .insert_grant(&grant(&format!("g{number}")))
                    .await
                    .unwrap();
                store
            }
        })
        .collect();
    let mut stores = Vec::new();
    while let Some(store) = starting.join_next().await {
        stores.push(store.unwrap());
    }
    for store in &stores {
        for number in 0..8 {
            let id = grant_id(&format!("g{number}"));
            assert!(store.grant(&id).await.unwrap().is_some());
        }
    }
}

async fn a_database_of_another_program_is_refused_untouched(database: Database) {
    database.execute("CREATE TABLE recipes (id integer)").await;
    let before = database.file().map(|file| std::fs::read(file).unwrap());
    let error = database.try_open().await.err().unwrap();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    assert!(error.to_string().contains("another program"));
    let after = database.file().map(|file| std::fs::read(file).unwrap());
    assert!(before == after, "not a byte was changed");
}

async fn a_database_of_a_newer_broker_is_refused(database: Database) {
    database.open().await.close().await.unwrap();
    database
        .execute("INSERT INTO mcp_token_broker_migrations VALUES ('m29991231_000001_future', 1)")
        .await;
    let error = database.try_open().await.err().unwrap();
    assert!(
        matches!(&error, OpenError::Newer { migration, .. } if migration == "m29991231_000001_future"),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("start that version, or restore a backup")
    );
}

async fn migrating_is_idempotent_and_counts(database: Database) {
    let all = u32::try_from(migrations::names().len()).unwrap();
    assert_eq!(storage::migrate(&database.options()).await.unwrap(), all);
    assert_eq!(storage::migrate(&database.options()).await.unwrap(), 0);
    database.open().await.ping().await.unwrap();
}

#[tokio::test]
async fn garbage_is_refused_and_left_alone() {
    let database = Database::sqlite("garbage");
    let file = database.file().unwrap();
    let garbage = "not a database, but long enough to be looked at. ".repeat(40);
    std::fs::write(&file, &garbage).unwrap();
    let error = database.try_open().await.err().unwrap();
    assert!(
        error.to_string().contains("not an SQLite database"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), garbage);
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_named() {
    let mut database = Database::sqlite("nowhere");
    let missing = database.directory().join("missing").join("broker.db");
    database.url = format!("sqlite:{}", missing.display());
    let error = database.try_open().await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains("missing/broker.db"), "{text}");
    assert!(text.contains("directory must exist"), "{text}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_for_the_broker_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let database = Database::sqlite("mode");
    let store = database.open().await;
    store.insert_grant(&grant("g")).await.unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(database.directory()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    assert!(
        names.contains(&"broker.db-wal".to_owned()),
        "write-ahead logging is on: {names:?}"
    );
}

#[tokio::test]
async fn a_database_in_memory_is_one_and_its_own() {
    let options = Options {
        url: "sqlite::memory:".to_owned(),
        synchronous: Synchronous::Full,
        max_connections: 8,
    };
    let (one, other) = (
        storage::open(&options).await.unwrap(),
        storage::open(&options).await.unwrap(),
    );
    one.insert_grant(&grant("g")).await.unwrap();
    assert!(one.clone().grant(&grant_id("g")).await.unwrap().is_some());
    assert_eq!(other.grant(&grant_id("g")).await.unwrap(), None);
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused_without_repeating_it() {
    let options = Options {
        url: "mysql://user:tr0ub4dor@host/name".to_owned(),
        synchronous: Synchronous::Full,
        max_connections: 1,
    };
    let error = storage::open(&options).await.err().unwrap();
    assert!(error.to_string().contains("postgres://"), "{error}");
    assert!(!format!("{error:?} {error} {options:?}").contains("tr0ub4dor"));
}

#[tokio::test]
async fn a_postgres_database_that_is_not_there_is_named_without_the_password() {
    let Some(server) = std::env::var_os("TEST_POSTGRES_URL") else {
        return;
    };
    let mut url = url::Url::parse(server.to_str().unwrap()).unwrap();
    url.set_path("/no_such_database");
    let password = url.password().map(str::to_owned);
    if password.is_none() {
        url.set_password(Some("tr0ub4dor")).unwrap();
    }
    let options = Options {
        url: url.to_string(),
        synchronous: Synchronous::Full,
        max_connections: 1,
    };
    let error = storage::open(&options).await.err().unwrap();
    let text = format!("{error} {error:?}");
    assert!(
        text.contains("no_such_database") && text.contains("create it"),
        "{text}"
    );
    assert!(
        !text.contains(password.as_deref().unwrap_or("tr0ub4dor")),
        "{text}"
    );
}
