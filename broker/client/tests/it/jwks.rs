//! RFC 7517: the remote key set and how often it asks.

use std::sync::Arc;
use std::time::Duration;

use broker_client::ambient::Clock;
use broker_client::discovery::Discovery;
use broker_client::keys::{KeySource as _, RemoteKeySet};
use broker_client::testing::{FakeClock, FakeServer};
use http::StatusCode;

use crate::support::{NOW, http_client};

struct Case {
    server: FakeServer,
    clock: Arc<FakeClock>,
    keys: RemoteKeySet,
}

impl Case {
    async fn new() -> Self {
        let clock = Arc::new(FakeClock::at(NOW));
        let time: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let server = FakeServer::start_with_clock(Arc::clone(&time)).await;
        let issuer = server.issuer().issuer().to_owned();
        let discovery = Discovery::new(http_client(), issuer, None, Arc::clone(&time));
        let keys = RemoteKeySet::from_discovery(http_client(), Arc::new(discovery), time);
        Self {
            server,
            clock,
            keys,
        }
    }

    async fn has(&self, kid: &str) -> bool {
        self.keys.key(kid).await.is_ok_and(|key| key.is_some())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_callers_at_once_make_one_request() {
    let case = Case::new().await;
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let keys = case.keys.clone();
            tokio::spawn(async move { keys.key("key-1").await })
        })
        .collect();
    for caller in callers {
        assert!(caller.await.unwrap().unwrap().is_some());
    }
    assert_eq!(
        (case.server.jwks_requests(), case.server.metadata_requests()),
        (1, 1)
    );
}

#[tokio::test]
async fn a_flood_of_unknown_ids_makes_one_request_in_five_seconds() {
    let case = Case::new().await;
    assert!(case.has("key-1").await);
    for number in 0..100 {
        assert!(!case.has(&format!("made-up-{number}")).await);
    }
    assert_eq!(case.server.jwks_requests(), 1);
    case.clock.advance(Duration::from_secs(5));
    for number in 0..100 {
        assert!(!case.has(&format!("made-up-{number}")).await);
    }
    assert_eq!(case.server.jwks_requests(), 2);
}

#[tokio::test]
async fn a_new_key_is_found_when_it_is_first_met() {
    let case = Case::new().await;
    assert!(case.has("key-1").await);
    case.server.issuer().rotate();
    case.clock.advance(Duration::from_secs(5));
    assert!(case.has("key-2").await);
    assert!(case.has("key-1").await);
    assert_eq!(case.server.jwks_requests(), 2);
}

#[tokio::test]
async fn a_withdrawn_key_is_forgotten_after_ten_minutes() {
    let case = Case::new().await;
    assert!(case.has("key-1").await);
    case.server.issuer().rotate();
    case.server.issuer().withdraw_old_keys();
    case.clock.advance(Duration::from_secs(599));
    assert!(case.has("key-1").await);
    case.clock.advance(Duration::from_secs(1));
    assert!(!case.has("key-1").await);
}

#[tokio::test]
async fn old_keys_stay_in_use_while_the_issuer_is_down() {
    let case = Case::new().await;
    assert!(case.has("key-1").await);
    case.server
        .answer_jwks_requests_with(StatusCode::INTERNAL_SERVER_ERROR);
    case.clock.advance(Duration::from_hours(24));
    for _ in 0..10 {
        assert!(case.has("key-1").await);
    }
    assert_eq!(case.server.jwks_requests(), 2);
    case.clock.advance(Duration::from_secs(30));
    assert!(case.has("key-1").await);
    assert_eq!(case.server.jwks_requests(), 3);
}

#[tokio::test]
async fn without_any_key_the_fault_is_told_and_soon_tried_again() {
    let case = Case::new().await;
    case.server
        .answer_jwks_requests_with(StatusCode::SERVICE_UNAVAILABLE);
    for _ in 0..10 {
        let error = case.keys.key("key-1").await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("503"), "{source}");
    }
    assert_eq!(case.server.jwks_requests(), 1);
    case.server.answer_jwks_requests_with(StatusCode::OK);
    case.clock.advance(Duration::from_secs(1));
    assert!(case.has("key-1").await);
}

#[tokio::test]
async fn the_keys_can_be_at_a_known_url() {
    let case = Case::new().await;
    let url = case.server.url("/jwks");
    let clock = Arc::clone(&case.clock) as _;
    let keys = RemoteKeySet::from_url(http_client(), url, clock);
    assert!(keys.key("key-1").await.unwrap().is_some());
    assert!(keys.only_key().await.unwrap().is_some());
    assert_eq!(
        (case.server.jwks_requests(), case.server.metadata_requests()),
        (1, 0)
    );
}
