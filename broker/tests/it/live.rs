//! What every replica must know within a second: ended grants and confidential clients, and that a
//! replica which cannot know refuses. And the audit trail's writer, which nothing may overtake.

use std::sync::Arc;
use std::time::Duration;

use broker::ambient::{Ambient, Clock, SystemEntropy};
use broker::audit::AuditLog;
use broker::domain::{
    Actor, AuditEvent, AuditKind, Client, ClientId, ClientKind, ClientStatus, EndReason, Grant,
    GrantId, GrantType, HandleHash, ResourceUri, Subject, TokenEndpointAuthMethod,
};
use broker::live::{LONGEST_ACCESS_TOKEN, Live};
use broker::storage::{self, AuditFilter, Options, Store, StoreError, Synchronous};
use broker_client::oauth::Scope;
use broker_client::testing::FakeClock;
use tokio::task::JoinSet;

struct World {
    store: Store,
    clock: Arc<FakeClock>,
}

impl World {
    async fn new() -> Self {
        let options = Options {
            url: "sqlite::memory:".to_owned(),
            synchronous: Synchronous::Normal,
            max_connections: 1,
        };
        Self {
            store: storage::open(&options).await.unwrap(),
            clock: Arc::new(FakeClock::at(1_800_000_000)),
        }
    }

    fn ambient(&self) -> Ambient {
        let clock: Arc<dyn Clock> = Arc::<FakeClock>::clone(&self.clock);
        Ambient {
            clock,
            entropy: Arc::new(SystemEntropy),
        }
    }

    async fn live(&self) -> Live {
        Live::load(self.store.clone(), self.ambient(), Vec::new())
            .await
            .unwrap()
    }

    async fn grant(&self, id: &str) -> GrantId {
        let now = self.ambient().now();
        let grant = Grant {
            id: GrantId::parse(id).unwrap(),
            sub: Subject::parse("alice").unwrap(),
            client_id: ClientId::parse("client").unwrap(),
            resource: ResourceUri::parse("https://mcp.example").unwrap(),
            scope: Scope::new(),
            created_at: now,
            expires_at: now.plus(Duration::from_hours(24)),
            ended: None,
        };
        self.store.insert_grant(&grant).await.unwrap();
        grant.id
    }

    async fn end(&self, id: &GrantId) {
        let now = self.ambient().now();
        assert!(
            self.store
                .end_grant(id, EndReason::Revoked, now)
                .await
                .unwrap()
        );
    }

    fn client(&self, id: &str, auth_method: TokenEndpointAuthMethod) -> Client {
        let now = self.ambient().now();
        Client {
            id: ClientId::parse(id).unwrap(),
            kind: ClientKind::Preregistered,
            status: ClientStatus::Approved,
            name: None,
            redirect_uris: Vec::new(),
            grant_types: vec![GrantType::TokenExchange],
            auth_method,
            secrets: vec![HandleHash::from_bytes([1; 32]).into()],
            scope: None,
            serves: Vec::new(),
            exchange: Vec::new(),
            background: false,
            metadata: serde_json::Map::new(),
            registration_token: None,
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }
}

#[tokio::test]
async fn a_grant_that_another_replica_ended_is_known_after_the_next_poll() {
    let world = World::new().await;
    let (kept, ended) = (world.grant("kept").await, world.grant("ended").await);
    let live = world.live().await;
    world.end(&ended).await;
    assert!(!live.is_ended(&ended).unwrap(), "not asked yet");
    world.clock.advance(Duration::from_millis(250));
    live.refresh().await.unwrap();
    assert!(live.is_ended(&ended).unwrap());
    assert!(!live.is_ended(&kept).unwrap());
    let restarted = world.live().await;
    assert!(
        restarted.is_ended(&ended).unwrap(),
        "a restart forgets nothing"
    );
}

#[tokio::test]
async fn a_replica_whose_clock_is_behind_or_whose_commit_is_late_is_heard() {
    let world = World::new().await;
    let grant = world.grant("g").await;
    let live = world.live().await;
    // Written with a time before polls that saw nothing of it.
    let behind = world.ambient().now().minus(Duration::from_secs(10));
    for _ in 0..10 {
        world.clock.advance(Duration::from_millis(500));
        live.refresh().await.unwrap();
    }
    assert!(
        world
            .store
            .end_grant(&grant, EndReason::User, behind)
            .await
            .unwrap()
    );
    live.refresh().await.unwrap();
    assert!(live.is_ended(&grant).unwrap());
}

#[tokio::test]
async fn after_a_second_without_news_every_question_is_refused() {
    let world = World::new().await;
    let grant = world.grant("g").await;
    let id = ClientId::parse("client").unwrap();
    let live = world.live().await;
    world.clock.advance(Duration::from_secs(1));
    assert!(live.is_current() && live.is_ended(&grant).is_ok() && live.client(&id).is_ok());
    world.clock.advance(Duration::from_secs(1));
    assert!(!live.is_current() && live.is_ended(&grant).is_err() && live.client(&id).is_err());
    live.refresh().await.unwrap();
    assert!(live.is_current());

    world.store.close().await.unwrap();
    assert!(live.refresh().await.is_err());
    assert!(
        live.is_current(),
        "a failed poll takes nothing away that is young enough"
    );
    world.clock.advance(Duration::from_secs(2));
    assert!(live.refresh().await.is_err());
    assert!(!live.is_current());
}

#[tokio::test]
async fn a_clock_that_was_set_back_proves_nothing() {
    let world = World::new().await;
    let live = world.live().await;
    world.clock.set(1_800_000_000 - 3600);
    assert!(!live.is_current());
    live.refresh().await.unwrap();
    assert!(live.is_current());
}

/// Counting statements by taking the database away: what still answers asks nobody.
#[tokio::test]
async fn questions_are_answered_from_memory() {
    let world = World::new().await;
    let (kept, ended) = (world.grant("kept").await, world.grant("ended").await);
    world.end(&ended).await;
    let client = world.client("gateway", TokenEndpointAuthMethod::ClientSecretBasic);
    world.store.insert_client(&client).await.unwrap();
    let live = world.live().await;
    world.store.close().await.unwrap();
    assert!(world.store.ping().await.is_err());

    assert!(live.is_ended(&ended).unwrap());
    assert!(!live.is_ended(&kept).unwrap());
    assert_eq!(live.client(&client.id).unwrap().as_deref(), Some(&client));
}

#[tokio::test]
async fn an_ended_grant_is_remembered_while_a_token_of_it_may_live() {
    let world = World::new().await;
    let grant = world.grant("g").await;
    let live = world.live().await;
    world.end(&grant).await;
    live.refresh().await.unwrap();
    world.clock.advance(LONGEST_ACCESS_TOKEN);
    live.refresh().await.unwrap();
    assert!(live.is_ended(&grant).unwrap());
    assert!(world.live().await.is_ended(&grant).unwrap());
    // Then it is forgotten: the memory stays bounded.
    world.clock.advance(Duration::from_mins(2));
    live.refresh().await.unwrap();
    assert!(!live.is_ended(&grant).unwrap());
    assert!(!world.live().await.is_ended(&grant).unwrap());
}

#[tokio::test]
async fn clients_that_change_are_followed_and_public_ones_are_not_held() {
    let world = World::new().await;
    let confidential = world.client("gateway", TokenEndpointAuthMethod::ClientSecretBasic);
    let public = world.client("agent", TokenEndpointAuthMethod::None);
    world.store.insert_client(&confidential).await.unwrap();
    let live = world.live().await;
    assert!(live.client(&confidential.id).unwrap().is_some());

    world.clock.advance(Duration::from_secs(1));
    let added = world.client("added", TokenEndpointAuthMethod::ClientSecretPost);
    world.store.insert_client(&added).await.unwrap();
    world.store.insert_client(&public).await.unwrap();
    let mut blocked = confidential.clone();
    blocked.status = ClientStatus::Blocked;
    blocked.updated_at = world.ambient().now();
    blocked.version = 2;
    assert!(world.store.update_client(&blocked, 1).await.unwrap());
    live.refresh().await.unwrap();
    assert!(live.client(&added.id).unwrap().is_some());
    assert!(live.client(&public.id).unwrap().is_none());
    let seen = live.client(&confidential.id).unwrap().unwrap();
    assert_eq!(seen.status, ClientStatus::Blocked);

    let mut opened = blocked;
    opened.auth_method = TokenEndpointAuthMethod::None;
    opened.version = 3;
    assert!(world.store.update_client(&opened, 2).await.unwrap());
    live.refresh().await.unwrap();
    assert!(live.client(&confidential.id).unwrap().is_none());
}

fn event(world: &World, number: usize) -> AuditEvent {
    let actor = Actor::Client(number.to_string());
    AuditEvent::new(world.ambient().now(), AuditKind::TokenIssued, actor)
}

async fn count(store: &Store) -> usize {
    let page = store
        .list_audit(&AuditFilter::default(), None, 10_000)
        .await
        .unwrap();
    page.items.len()
}

#[tokio::test]
async fn an_event_is_committed_when_its_recording_returns() {
    let world = World::new().await;
    let log = AuditLog::start(world.store.clone());
    for number in 0..3 {
        log.record(event(&world, number)).await.unwrap();
        assert_eq!(count(&world.store).await, number + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_lose_nothing_and_wait_when_the_writer_is_behind() {
    let world = World::new().await;
    let log = AuditLog::start(world.store.clone());
    let mut callers: JoinSet<_> = (0..3000)
        .map(|number| {
            let (log, event) = (log.clone(), event(&world, number));
            async move { log.record(event).await }
        })
        .collect();
    while let Some(recorded) = callers.join_next().await {
        recorded.unwrap().unwrap();
    }
    assert_eq!(count(&world.store).await, 3000);
}

#[tokio::test]
async fn closing_writes_what_waits_and_takes_nothing_more() {
    let world = World::new().await;
    let log = AuditLog::start(world.store.clone());
    let mut callers: JoinSet<_> = (0..500)
        .map(|number| {
            let (log, event) = (log.clone(), event(&world, number));
            async move { log.record(event).await }
        })
        .collect();
    // Every caller has handed its event over before anything is closed.
    tokio::task::yield_now().await;
    tokio::join!(log.close(), log.close());
    while let Some(recorded) = callers.join_next().await {
        recorded.unwrap().unwrap();
    }
    assert_eq!(count(&world.store).await, 500);
    let refused = log.record(event(&world, 1)).await.unwrap_err();
    assert!(matches!(*refused, StoreError::Stopping));
    log.close().await;
}

#[tokio::test]
async fn who_cannot_be_audited_is_told() {
    let world = World::new().await;
    let log = AuditLog::start(world.store.clone());
    world.store.close().await.unwrap();
    let failed = log.record(event(&world, 1)).await.unwrap_err();
    assert!(matches!(*failed, StoreError::Database(_)));
    // The writer lives on.
    assert!(log.record(event(&world, 2)).await.is_err());
}
