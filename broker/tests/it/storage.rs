//! The storage conformance suite: the same tests on SQLite always, and on PostgreSQL when
//! `TEST_POSTGRES_URL` names a database in which schemas may be created.

mod accounts;
mod audit_seals;
mod consents;
mod database;
mod offline;
mod opening;
mod registrations;
mod rolling;
mod upstream_tokens;
mod values;
mod webhooks;
mod whitelist;

use std::time::Duration;

use broker::domain::{
    Actor, AuditEvent, AuditKind, Authorization, ClientDocument, ClientKind, ClientStatus,
    EndReason, Outcome, Rotation, Stage, StageKind, Timestamp, TokenEndpointAuthMethod, User,
};
use broker::storage::{
    AdminRole, AdminToken, AuditFilter, KeyState, Retention, StoreError, StoredKey,
};
use broker_client::oauth::ErrorCode;
use tokio::task::JoinSet;

use self::database::Database;
use self::values::{
    at, audit_event, authorization, client, grant, grant_id, hash, key, refresh_token, subject,
};

/// Runs each of these functions as a test on both kinds of database.
macro_rules! on_both {
    ($($name:ident)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Database::sqlite(stringify!($name))).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                // Without a server there is nothing to test; CI has one.
                if let Some(database) = super::Database::postgres(stringify!($name)).await {
                    super::$name(database).await;
                }
            })+
        }
    };
}
use on_both;

on_both! {
    a_client_reads_back_and_changes_only_from_the_version_it_had
    clients_are_found_by_kind_by_secret_and_by_change
    a_fetched_document_is_remembered_as_long_as_its_client
    a_login_updates_everything_but_the_first_one
    every_stage_of_an_authorization_reads_back
    of_many_that_advance_an_authorization_one_wins
    a_grant_ends_once_and_is_heard_of_from_that_moment_on
    of_many_that_spend_a_refresh_token_one_wins
    a_refresh_token_needs_its_grant
    what_is_taken_is_a_conflict
    signing_keys_change_state_only_from_the_one_before
    a_transaction_counts_when_committed_and_not_before
    audit_rows_come_in_pages_newest_first_and_filtered
    an_audit_row_keeps_all_it_was_given
    a_row_that_cannot_be_read_is_named
    an_admin_token_is_touched_once_a_minute
    expired_rows_go_and_others_stay
    a_purge_takes_more_than_one_batch
}

/// Runs `work` many times at once and counts how often it said true.
async fn race<F, Fut>(work: F) -> usize
where
    F: Fn(u8) -> Fut,
    Fut: Future<Output = Result<bool, StoreError>> + Send + 'static,
{
    let mut tasks: JoinSet<_> = (0..8).map(work).collect();
    let mut wins = 0;
    while let Some(outcome) = tasks.join_next().await {
        wins += usize::from(outcome.unwrap().unwrap());
    }
    wins
}

async fn a_client_reads_back_and_changes_only_from_the_version_it_had(database: Database) {
    let store = database.open().await;
    let full = client("full");
    store.insert_client(&full).await.unwrap();
    assert_eq!(store.client(&full.id).await.unwrap(), Some(full.clone()));
    assert_eq!(store.client(&client("other").id).await.unwrap(), None);

    let mut bare = client("bare");
    bare.name = None;
    bare.redirect_uris = Vec::new();
    bare.grant_types = Vec::new();
    bare.secrets = Vec::new();
    bare.scope = None;
    bare.serves = Vec::new();
    bare.exchange = Vec::new();
    bare.registration_token = None;
    bare.metadata = serde_json::Map::new();
    store.insert_client(&bare).await.unwrap();
    assert_eq!(store.client(&bare.id).await.unwrap(), Some(bare));

    let mut next = full.clone();
    next.status = ClientStatus::Blocked;
    next.name = None;
    next.version = full.version + 1;
    assert!(store.update_client(&next, full.version).await.unwrap());
    assert!(!store.update_client(&full, full.version).await.unwrap());
    assert_eq!(store.client(&full.id).await.unwrap(), Some(next));
}

async fn clients_are_found_by_kind_by_secret_and_by_change(database: Database) {
    let store = database.open().await;
    for (id, kind, method, updated) in [
        ("a", ClientKind::Dynamic, TokenEndpointAuthMethod::None, 100),
        (
            "b",
            ClientKind::Dynamic,
            TokenEndpointAuthMethod::ClientSecretPost,
            200,
        ),
        (
            "c",
            ClientKind::Preregistered,
            TokenEndpointAuthMethod::ClientSecretBasic,
            300,
        ),
    ] {
        let mut client = client(id);
        client.kind = kind;
        client.auth_method = method;
        client.updated_at = at(updated);
        store.insert_client(&client).await.unwrap();
    }
    assert_eq!(store.count_clients(ClientKind::Dynamic).await.unwrap(), 2);
    assert_eq!(store.count_clients(ClientKind::Url).await.unwrap(), 0);
    let ids = |clients: Vec<broker::domain::Client>| {
        let mut ids: Vec<String> = clients.iter().map(|client| client.id.to_string()).collect();
        ids.sort();
        ids
    };
    let confidential = store.confidential_clients().await.unwrap();
    assert_eq!(ids(confidential), ["b", "c"]);
    let changed = store.clients_changed_since(at(200)).await.unwrap();
    assert_eq!(ids(changed), ["b", "c"], "the boundary is included");
}

async fn a_fetched_document_is_remembered_as_long_as_its_client(database: Database) {
    let store = database.open().await;
    let client = client("https://agent.example/client.json");
    let first = ClientDocument {
        fetched_at: at(1),
        fresh_until: at(2),
    };
    let orphan = store.record_client_document(&client.id, first).await;
    assert!(matches!(orphan, Err(StoreError::Database(_))), "{orphan:?}");

    store.insert_client(&client).await.unwrap();
    assert_eq!(store.client_document(&client.id).await.unwrap(), None);
    let second = ClientDocument {
        fetched_at: at(3),
        fresh_until: at(5),
    };
    for document in [first, second] {
        let outcome = store.record_client_document(&client.id, document).await;
        outcome.unwrap();
        let found = store.client_document(&client.id).await.unwrap();
        assert_eq!(found, Some(document));
    }
    assert_eq!(
        store.client(&client.id).await.unwrap(),
        Some(client.clone())
    );

    database.execute("DELETE FROM clients").await;
    let store = database.open().await;
    assert_eq!(store.client_document(&client.id).await.unwrap(), None);
}

async fn a_login_updates_everything_but_the_first_one(database: Database) {
    let store = database.open().await;
    let first = User {
        sub: subject("alice"),
        upstream_issuer: "https://idp.example".to_owned(),
        upstream_subject: "1".to_owned(),
        nextcloud_uid: Some("Alice".to_owned()),
        name: None,
        created_at: at(1),
        last_login_at: at(1),
    };
    let again = User {
        nextcloud_uid: None,
        name: Some("Alice A.".to_owned()),
        created_at: at(2),
        last_login_at: at(2),
        ..first.clone()
    };
    assert_eq!(store.user(&first.sub).await.unwrap(), None);
    store.record_login(&first).await.unwrap();
    assert_eq!(store.user(&first.sub).await.unwrap(), Some(first.clone()));
    store.record_login(&again).await.unwrap();
    let expected = User {
        created_at: at(1),
        ..again
    };
    assert_eq!(store.user(&first.sub).await.unwrap(), Some(expected));
}

fn stages() -> [Stage; 6] {
    [
        Stage::AwaitingConsent,
        Stage::AwaitingLogin,
        Stage::AwaitingKnownUser,
        Stage::Approved {
            sub: subject("alice"),
            code: hash(1),
            code_expires_at: at(9),
        },
        Stage::Redeemed {
            sub: subject("alice"),
            code: hash(2),
            grant: grant_id("g"),
        },
        Stage::Denied,
    ]
}

async fn every_stage_of_an_authorization_reads_back(database: Database) {
    let store = database.open().await;
    for (number, stage) in stages().into_iter().enumerate() {
        let inserted = Authorization {
            stage,
            ..authorization(&format!("inserted-{number}"))
        };
        store.insert_authorization(&inserted).await.unwrap();
        assert_eq!(
            store.authorization(&inserted.id).await.unwrap(),
            Some(inserted.clone())
        );
        if let Stage::Approved { code, .. } | Stage::Redeemed { code, .. } = &inserted.stage {
            let found = store.authorization_by_code(code).await.unwrap();
            assert_eq!(found, Some(inserted));
        }
    }
    assert_eq!(store.authorization_by_code(&hash(99)).await.unwrap(), None);

    let mut bare = authorization("advanced");
    bare.state = None;
    store.insert_authorization(&bare).await.unwrap();
    let path = [
        bare.clone().consented().unwrap(),
        bare.clone()
            .consented()
            .unwrap()
            .approved(subject("bob"), hash(7), at(5))
            .unwrap(),
        bare.clone()
            .consented()
            .unwrap()
            .approved(subject("bob"), hash(7), at(5))
            .unwrap()
            .redeemed(grant_id("h"))
            .unwrap(),
    ];
    let mut from = StageKind::AwaitingConsent;
    for next in path {
        assert!(store.advance_authorization(&next, from).await.unwrap());
        assert!(!store.advance_authorization(&next, from).await.unwrap());
        assert_eq!(
            store.authorization(&bare.id).await.unwrap(),
            Some(next.clone())
        );
        from = next.stage.kind();
    }
    let found = store
        .authorization_by_code(&hash(7))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        found.stage.kind(),
        StageKind::Redeemed,
        "a replay is noticed by it"
    );
}

async fn of_many_that_advance_an_authorization_one_wins(database: Database) {
    let store = database.open().await;
    let waiting = authorization("raced").consented().unwrap();
    store.insert_authorization(&waiting).await.unwrap();
    let wins = race(|number| {
        let (store, waiting) = (store.clone(), waiting.clone());
        let code = hash(100 + number);
        async move {
            let next = waiting.approved(subject("alice"), code, at(9)).unwrap();
            store
                .advance_authorization(&next, StageKind::AwaitingLogin)
                .await
        }
    })
    .await;
    assert_eq!(wins, 1);
}

async fn a_grant_ends_once_and_is_heard_of_from_that_moment_on(database: Database) {
    let store = database.open().await;
    let kept = grant("kept");
    let ended = grant("ended");
    store.insert_grant(&kept).await.unwrap();
    store.insert_grant(&ended).await.unwrap();
    assert_eq!(store.grants_ended_since(at(0)).await.unwrap(), []);

    let wins = race(|number| {
        let (store, id) = (store.clone(), ended.id.clone());
        async move {
            let reason = if number % 2 == 0 {
                EndReason::Revoked
            } else {
                EndReason::User
            };
            store.end_grant(&id, reason, at(50)).await
        }
    })
    .await;
    assert_eq!(wins, 1);

    let heard = [(ended.id.clone(), at(50))];
    assert_eq!(store.grants_ended_since(at(50)).await.unwrap(), heard);
    assert_eq!(store.grants_ended_since(at(51)).await.unwrap(), []);
    assert_eq!(store.grant(&kept.id).await.unwrap(), Some(kept));
    let (when, _) = store
        .grant(&ended.id)
        .await
        .unwrap()
        .unwrap()
        .ended
        .unwrap();
    assert_eq!(when, at(50));
    assert!(
        !store
            .end_grant(&grant_id("nobody"), EndReason::User, at(1))
            .await
            .unwrap()
    );
}

async fn of_many_that_spend_a_refresh_token_one_wins(database: Database) {
    let store = database.open().await;
    store.insert_grant(&grant("family")).await.unwrap();
    let token = refresh_token(1, "family");
    store.insert_refresh_token(&token).await.unwrap();
    assert_eq!(
        store.refresh_token(&token.hash).await.unwrap(),
        Some(token.clone())
    );

    let rotation = |number: u8| Rotation {
        at: at(60),
        salt: [number; 32],
        successor: hash(100 + number),
    };
    let wins = race(|number| {
        let (store, token, rotation) = (store.clone(), token.hash, rotation(number));
        async move { store.spend_refresh_token(&token, &rotation).await }
    })
    .await;
    assert_eq!(wins, 1);

    let stored = store.refresh_token(&token.hash).await.unwrap().unwrap();
    let spent = stored.rotation.unwrap();
    assert_eq!(
        spent,
        rotation(spent.salt[0]),
        "one rotation, not a mixture"
    );
}

async fn a_refresh_token_needs_its_grant(database: Database) {
    let store = database.open().await;
    // On several connections, since SQLite switches the check on for each by itself.
    for number in 0..4 {
        let orphan = refresh_token(number, "nobody");
        let open = store.begin().await.unwrap();
        assert!(matches!(
            open.insert_refresh_token(&orphan).await,
            Err(StoreError::Database(_))
        ));
    }
}

async fn what_is_taken_is_a_conflict(database: Database) {
    let store = database.open().await;
    let conflict = |outcome: Result<(), StoreError>, expected: &str| match outcome {
        Err(StoreError::Conflict { table }) => assert_eq!(table, expected),
        other => panic!("{expected}: {other:?}"),
    };
    let client = client("c");
    store.insert_client(&client).await.unwrap();
    conflict(store.insert_client(&client).await, "clients");
    let authorization = authorization("a");
    store.insert_authorization(&authorization).await.unwrap();
    conflict(
        store.insert_authorization(&authorization).await,
        "authorizations",
    );
    let grant = grant("g");
    store.insert_grant(&grant).await.unwrap();
    conflict(store.insert_grant(&grant).await, "grants");
    let token = refresh_token(1, "g");
    store.insert_refresh_token(&token).await.unwrap();
    conflict(store.insert_refresh_token(&token).await, "refresh_tokens");
    let admin = admin_token("ops", 1);
    store.insert_admin_token(&admin).await.unwrap();
    conflict(
        store.insert_admin_token(&admin_token("ops", 2)).await,
        "admin_tokens",
    );
    conflict(
        store.insert_admin_token(&admin_token("dev", 1)).await,
        "admin_tokens",
    );

    // Any number of retired keys, but one next and one active.
    for (kid, state) in [
        ("1", KeyState::Active),
        ("2", KeyState::Next),
        ("3", KeyState::Retired),
        ("4", KeyState::Retired),
    ] {
        store.insert_signing_key(&key(kid, state)).await.unwrap();
    }
    conflict(
        store.insert_signing_key(&key("5", KeyState::Active)).await,
        "signing_keys",
    );
    conflict(
        store.insert_signing_key(&key("5", KeyState::Next)).await,
        "signing_keys",
    );
}

async fn signing_keys_change_state_only_from_the_one_before(database: Database) {
    let store = database.open().await;
    let state = async |kid: &str| {
        let keys = store.signing_keys().await.unwrap();
        keys.into_iter().find(|key| key.kid == kid)
    };
    let first = key("first", KeyState::Active);
    let mut second = key("second", KeyState::Next);
    second.published_at = at(5);
    store.insert_signing_key(&second).await.unwrap();
    store.insert_signing_key(&first).await.unwrap();
    let order: Vec<String> = store
        .signing_keys()
        .await
        .unwrap()
        .into_iter()
        .map(|key| key.kid)
        .collect();
    assert_eq!(order, ["first", "second"], "oldest first");
    assert!(state("first").await == Some(first));

    assert!(!store.retire_signing_key("second", at(9)).await.unwrap());
    assert!(!store.activate_signing_key("first", at(9)).await.unwrap());
    assert!(!store.delete_retired_signing_key("first").await.unwrap());
    assert!(store.retire_signing_key("first", at(9)).await.unwrap());
    assert!(store.activate_signing_key("second", at(9)).await.unwrap());
    let expected = StoredKey {
        state: KeyState::Active,
        activated_at: Some(at(9)),
        ..second
    };
    assert!(state("second").await == Some(expected));
    assert_eq!(state("first").await.unwrap().retired_at, Some(at(9)));

    assert!(store.seal_signing_key("second", b"sealed").await.unwrap());
    assert!(!store.seal_signing_key("second", b"again").await.unwrap());
    let sealed = state("second").await.unwrap();
    assert_eq!(
        (sealed.private_key, sealed.sealed),
        (b"sealed".to_vec(), true)
    );

    assert!(store.delete_retired_signing_key("first").await.unwrap());
    assert!(state("first").await.is_none());
}

async fn a_transaction_counts_when_committed_and_not_before(database: Database) {
    let store = database.open().await;
    let dropped = store.begin().await.unwrap();
    dropped.insert_grant(&grant("dropped")).await.unwrap();
    drop(dropped);

    let committed = store.begin().await.unwrap();
    committed.insert_grant(&grant("committed")).await.unwrap();
    let seen = store.grant(&grant_id("committed")).await.unwrap();
    assert_eq!(
        seen, None,
        "readers are not held up and see the state before"
    );
    committed.commit().await.unwrap();

    assert_eq!(store.grant(&grant_id("dropped")).await.unwrap(), None);
    assert!(store.grant(&grant_id("committed")).await.unwrap().is_some());
}

async fn audit_rows_come_in_pages_newest_first_and_filtered(database: Database) {
    let store = database.open().await;
    // More than fit in one statement.
    let events: Vec<AuditEvent> = (0..1100).map(audit_event).collect();
    store.append_audit(&events).await.unwrap();
    store.append_audit(&[]).await.unwrap();

    let all = AuditFilter::default();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.list_audit(&all, before, 300).await.unwrap();
        assert!(page.items.len() <= 300);
        assert!(page.items.windows(2).all(|pair| pair[0].id > pair[1].id));
        seen.extend(page.items.iter().map(|item| item.event.at.as_millis()));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let expected: Vec<i64> = (0..1100).rev().collect();
    assert_eq!(seen, expected);

    let count = async |filter: AuditFilter| {
        let page = store.list_audit(&filter, None, 2000).await.unwrap();
        assert_eq!(page.next, None);
        page.items.len()
    };
    let half = AuditFilter {
        kind: Some(AuditKind::TokenIssued),
        ..AuditFilter::default()
    };
    assert_eq!(count(half).await, 550);
    let user = AuditFilter {
        sub: Some("user-3".to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(count(user).await, 110);
    let client = AuditFilter {
        client_id: Some("client-1".to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(count(client).await, 220);
    let time = AuditFilter {
        from: Some(ms(100)),
        until: Some(ms(200)),
        ..AuditFilter::default()
    };
    assert_eq!(count(time).await, 100);
    let nobody = AuditFilter {
        sub: Some("nobody".to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(count(nobody).await, 0);
}

async fn an_audit_row_keeps_all_it_was_given(database: Database) {
    let store = database.open().await;
    let actors = [
        Actor::Client("c".to_owned()),
        Actor::User("u".to_owned()),
        Actor::Administrator("a".to_owned()),
        Actor::Broker,
        Actor::Anonymous,
    ];
    let mut events: Vec<AuditEvent> = AuditKind::ALL
        .iter()
        .zip(actors.iter().cycle())
        .map(|(kind, actor)| AuditEvent::new(at(1), *kind, actor.clone()))
        .collect();
    events.extend(ErrorCode::ALL.map(|code| AuditEvent {
        outcome: Outcome::Refused(code),
        ..audit_event(1)
    }));
    store.append_audit(&events).await.unwrap();
    let page = store
        .list_audit(&AuditFilter::default(), None, 1000)
        .await
        .unwrap();
    let stored: Vec<AuditEvent> = page
        .items
        .into_iter()
        .rev()
        .map(|item| item.event)
        .collect();
    assert_eq!(stored, events);

    // PostgreSQL has no NUL in text; one bad value must not take the others with it.
    let mut strange = audit_event(2);
    strange.tool = Some("a\0b".to_owned());
    strange.details.insert("why".to_owned(), "c\0d".into());
    store
        .append_audit(&[strange, audit_event(3)])
        .await
        .unwrap();
    let page = store
        .list_audit(&AuditFilter::default(), None, 2)
        .await
        .unwrap();
    let stored = &page.items[1].event;
    assert_eq!(stored.tool.as_deref(), Some("a\u{FFFD}b"));
    assert_eq!(stored.details["why"], "c\0d");
}

async fn a_row_that_cannot_be_read_is_named(database: Database) {
    let store = database.open().await;
    store.insert_client(&client("c")).await.unwrap();
    store.insert_grant(&grant("g")).await.unwrap();
    store
        .insert_authorization(&authorization("a"))
        .await
        .unwrap();
    store
        .insert_refresh_token(&refresh_token(1, "g"))
        .await
        .unwrap();
    store
        .insert_signing_key(&key("k", KeyState::Active))
        .await
        .unwrap();
    store
        .insert_admin_token(&admin_token("t", 1))
        .await
        .unwrap();
    store.append_audit(&[audit_event(1)]).await.unwrap();

    for (table, column, value) in [
        ("clients", "kind", "'strange'"),
        ("grants", "ended_at", "5"),
        ("authorizations", "stage", "'approved'"),
        ("refresh_tokens", "spent_at", "5"),
        ("signing_keys", "state", "'lost'"),
        ("admin_tokens", "role", "'god'"),
        ("audit_events", "event", "'something.else'"),
    ] {
        database
            .execute(&format!("UPDATE {table} SET {column} = {value}"))
            .await;
    }

    let named = |error: StoreError, table: &str, column: &str, row: &str| {
        let text = format!("{table}.{column} of row {row} holds a value that cannot be read");
        assert_eq!(error.to_string(), text);
    };
    named(
        store.client(&client("c").id).await.unwrap_err(),
        "clients",
        "kind",
        "c",
    );
    named(
        store.grant(&grant_id("g")).await.unwrap_err(),
        "grants",
        "end_reason",
        "g",
    );
    let id = authorization("a").id;
    named(
        store.authorization(&id).await.unwrap_err(),
        "authorizations",
        "sub",
        "a",
    );
    let row = "01".repeat(32);
    named(
        store.refresh_token(&hash(1)).await.unwrap_err(),
        "refresh_tokens",
        "salt",
        &row,
    );
    let error = store.signing_keys().await.err().unwrap();
    named(error, "signing_keys", "state", "k");
    named(
        store.admin_token(&hash(1)).await.unwrap_err(),
        "admin_tokens",
        "role",
        "t",
    );
    let error = store
        .list_audit(&AuditFilter::default(), None, 1)
        .await
        .unwrap_err();
    named(error, "audit_events", "event", "1");
}

async fn an_admin_token_is_touched_once_a_minute(database: Database) {
    let store = database.open().await;
    let token = admin_token("ops", 1);
    store.insert_admin_token(&token).await.unwrap();
    assert_eq!(
        store.admin_token(&token.hash).await.unwrap(),
        Some(token.clone())
    );
    let touched = async |second: i64| {
        store.touch_admin_token("ops", at(second)).await.unwrap();
        store
            .admin_token(&token.hash)
            .await
            .unwrap()
            .unwrap()
            .last_used_at
    };
    assert_eq!(touched(100).await, Some(at(100)));
    assert_eq!(touched(159).await, Some(at(100)));
    assert_eq!(touched(160).await, Some(at(160)));

    store
        .insert_admin_token(&admin_token("dev", 2))
        .await
        .unwrap();
    let names: Vec<String> = store
        .admin_tokens()
        .await
        .unwrap()
        .into_iter()
        .map(|token| token.name)
        .collect();
    assert_eq!(names, ["dev", "ops"]);
    assert!(store.delete_admin_token("ops").await.unwrap());
    assert!(!store.delete_admin_token("ops").await.unwrap());
    assert_eq!(store.admin_token(&token.hash).await.unwrap(), None);
}

const KEEP: Retention = Retention {
    authorizations: Duration::from_secs(100),
    grants: Duration::from_secs(100),
};

async fn expired_rows_go_and_others_stay(database: Database) {
    let store = database.open().await;
    for (id, expires) in [("old", 899), ("young", 900)] {
        let mut authorization = authorization(id);
        authorization.expires_at = at(expires);
        store.insert_authorization(&authorization).await.unwrap();
    }
    for (number, (id, expires, ended)) in [
        ("expired", 899, None),
        ("ended", 5000, Some(899)),
        ("live", 900, None),
        ("late", 5000, Some(900)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut grant = grant(id);
        grant.expires_at = at(expires);
        grant.ended = ended.map(|second| (at(second), EndReason::Revoked));
        store.insert_grant(&grant).await.unwrap();
        let mut token = refresh_token(u8::try_from(number).unwrap(), id);
        token.expires_at = at(5000);
        store.insert_refresh_token(&token).await.unwrap();
    }
    let mut stale = refresh_token(9, "live");
    stale.expires_at = at(899);
    store.insert_refresh_token(&stale).await.unwrap();

    for (byte, expires) in [(1, 999), (2, 1000)] {
        let used = hash(byte);
        let spend = || store.spend_client_assertion(&used, at(expires));
        assert!(spend().await.unwrap());
        assert!(!spend().await.unwrap(), "once");
    }

    // One authorization, two grants with a token each, the stale token of a live grant, and the
    // assertion that nobody would accept any more.
    assert_eq!(store.purge(at(1000), KEEP).await.unwrap(), 7);
    assert_eq!(store.purge(at(1000), KEEP).await.unwrap(), 0);
    assert_eq!(
        store.authorization(&authorization("old").id).await.unwrap(),
        None
    );
    assert!(
        store
            .authorization(&authorization("young").id)
            .await
            .unwrap()
            .is_some()
    );
    for (number, id, stays) in [
        (0, "expired", false),
        (1, "ended", false),
        (2, "live", true),
        (3, "late", true),
    ] {
        assert_eq!(
            store.grant(&grant_id(id)).await.unwrap().is_some(),
            stays,
            "{id}"
        );
        assert_eq!(
            store.refresh_token(&hash(number)).await.unwrap().is_some(),
            stays,
            "{id}"
        );
    }
}

async fn a_purge_takes_more_than_one_batch(database: Database) {
    let store = database.open().await;
    let transaction = store.begin().await.unwrap();
    for number in 0..1201 {
        let old = authorization(&format!("old-{number}"));
        transaction.insert_authorization(&old).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(store.purge(at(1_000_000), KEEP).await.unwrap(), 1201);
}

fn admin_token(name: &str, number: u8) -> AdminToken {
    AdminToken {
        name: name.to_owned(),
        hash: hash(number),
        role: AdminRole::Read,
        created_at: at(1),
        last_used_at: None,
    }
}

const fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}
