//! Signing keys: what they sign verifies, they rotate ahead of every cache, replicas agree, and at
//! rest they are sealed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker::ambient::{Ambient, Clock, SystemEntropy};
use broker::crypto::{Cipher, CipherError};
use broker::domain::{Actor, AuditKind, Timestamp};
use broker::keys::{Activation, Algorithm, KeyError, Keyring, Policy};
use broker::storage::{self, AuditFilter, KeyState, Options, Store, Synchronous};
use broker_client::keys::{KeySet, KeySource as _};
use broker_client::testing::FakeClock;
use broker_client::verify::{self, Rules, VerifyError};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const TWO_HOURS: Duration = Duration::from_hours(2);
const DAY: Duration = Duration::from_hours(24);

/// A database and a clock that several brokers share.
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
            clock: Arc::new(FakeClock::at(NOW)),
        }
    }

    fn ambient(&self) -> Ambient {
        let clock: Arc<dyn Clock> = Arc::<FakeClock>::clone(&self.clock);
        Ambient {
            clock,
            entropy: Arc::new(SystemEntropy),
        }
    }

    fn now(&self) -> Timestamp {
        self.ambient().now()
    }

    async fn try_load(&self, cipher: Cipher, policy: Policy) -> Result<Keyring, KeyError> {
        Keyring::load(self.store.clone(), cipher, policy, self.ambient()).await
    }

    async fn load(&self, algorithm: Algorithm) -> Keyring {
        self.try_load(Cipher::new(Vec::new()), policy(algorithm))
            .await
            .unwrap()
    }

    /// Keys by state, in the order of publication.
    async fn kids(&self, state: KeyState) -> Vec<String> {
        let keys = self.store.signing_keys().await.unwrap();
        keys.into_iter()
            .filter(|key| key.state == state)
            .map(|key| key.kid)
            .collect()
    }

    async fn one(&self, state: KeyState) -> String {
        let kids = self.kids(state).await;
        assert_eq!(kids.len(), 1, "{state:?}");
        kids[0].clone()
    }

    async fn audited(&self) -> Vec<Value> {
        let filter = AuditFilter {
            kind: Some(AuditKind::KeyRotated),
            ..AuditFilter::default()
        };
        let page = self.store.list_audit(&filter, None, 1000).await.unwrap();
        let newest_first = page.items.into_iter();
        newest_first
            .rev()
            .map(|item| Value::Object(item.event.details))
            .collect()
    }
}

fn policy(algorithm: Algorithm) -> Policy {
    Policy::new(algorithm, 30 * DAY)
}

/// The header of a compact JWS.
fn header(jws: &str) -> Value {
    let encoded = jws.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

fn signing_kid(keyring: &Keyring) -> String {
    let jws = keyring.sign("at+jwt", &json!({})).unwrap();
    header(&jws)["kid"].as_str().unwrap().to_owned()
}

fn published(keyring: &Keyring) -> BTreeSet<String> {
    let document: Value = serde_json::from_str(&keyring.jwks()).unwrap();
    let keys = document["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_a_key_signs_verifies_with_what_is_published() {
    for algorithm in Algorithm::ALL {
        let world = World::new().await;
        let keyring = world.load(algorithm).await;
        assert_eq!(keyring.algorithm(), algorithm);
        let claims = json!({
            "iss": "https://broker.example", "aud": "https://mcp.example", "sub": "alice",
            "iat": NOW, "exp": NOW + 60, "client_id": "c", "jti": "1",
        });
        let jws = keyring.sign("at+jwt", &claims).unwrap();
        let header = header(&jws);
        assert_eq!(header["alg"], algorithm.as_str());
        assert_eq!(header["typ"], "at+jwt");

        let audiences = vec!["https://mcp.example".to_owned()];
        let rules = Rules::access_token("https://broker.example", audiences);
        let remote = KeySet::from_json(keyring.jwks().as_bytes()).unwrap();
        let read: Value = verify::verify(&jws, &remote, &rules, world.clock.now())
            .await
            .unwrap();
        assert_eq!(read, claims);
        let read: Value = verify::verify(&jws, &keyring, &rules, world.clock.now())
            .await
            .unwrap();
        assert_eq!(read["sub"], "alice");
        assert!(keyring.key("unknown").await.unwrap().is_none());

        // The signature covers the claims.
        let mut other = claims.clone();
        other["sub"] = "bob".into();
        let parts: Vec<&str> = jws.split('.').collect();
        let payload = URL_SAFE_NO_PAD.encode(other.to_string());
        let forged = format!("{}.{payload}.{}", parts[0], parts[2]);
        let refused = verify::verify::<Value>(&forged, &remote, &rules, world.clock.now()).await;
        assert!(
            matches!(refused, Err(VerifyError::Signature)),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn the_key_set_holds_public_members_only() {
    for (algorithm, members) in [
        (
            Algorithm::Es256,
            ["alg", "crv", "kid", "kty", "use", "x", "y"].as_slice(),
        ),
        (Algorithm::EdDsa, &["alg", "crv", "kid", "kty", "use", "x"]),
        (Algorithm::Rs256, &["alg", "e", "kid", "kty", "n", "use"]),
    ] {
        let world = World::new().await;
        let document: Value = serde_json::from_str(&world.load(algorithm).await.jwks()).unwrap();
        let key = document["keys"][0].as_object().unwrap();
        assert_eq!(key.keys().collect::<Vec<_>>(), members);
        assert_eq!(key["use"], "sig");
    }
}

#[tokio::test]
async fn a_restart_keeps_the_key() {
    let world = World::new().await;
    let kid = signing_kid(&world.load(Algorithm::Es256).await);
    assert_eq!(signing_kid(&world.load(Algorithm::Es256).await), kid);
    assert_eq!(world.audited().await.len(), 1);
}

/// The promise to everybody who caches our key set: except for the very first, no key signs before
/// it was published for two hours. And a token can always be verified while it lives.
#[tokio::test]
async fn over_months_two_replicas_never_sign_with_a_key_that_is_younger_than_two_hours() {
    let world = World::new().await;
    let replicas = [
        world.load(Algorithm::Es256).await,
        world.load(Algorithm::Es256).await,
    ];
    let first = world.one(KeyState::Active).await;
    let mut published_at: BTreeMap<String, Timestamp> = BTreeMap::new();
    let mut signers = BTreeSet::new();
    // What was signed within the longest life of a token, and when.
    let mut alive: Vec<(String, Timestamp)> = Vec::new();

    let step = Duration::from_hours(1);
    for round in 0..(100 * 24) {
        world.clock.advance(step);
        // The replicas do not tick together: one is quick, the other one up to an hour late.
        replicas[0].tick().await.unwrap();
        if round % 2 == 0 {
            replicas[1].tick().await.unwrap();
        }
        for key in world.store.signing_keys().await.unwrap() {
            published_at.entry(key.kid).or_insert(key.published_at);
        }
        alive.retain(|(_, at)| world.now().since(*at) <= Duration::from_hours(1));
        for replica in &replicas {
            let kid = signing_kid(replica);
            if kid != first {
                let age = world.now().since(published_at[&kid]);
                assert!(
                    age >= TWO_HOURS,
                    "round {round}: {kid} signs {age:?} after publication"
                );
            }
            signers.insert(kid.clone());
            alive.push((kid, world.now()));
        }
        for (kid, _) in &alive {
            assert!(
                published(&replicas[0]).contains(kid),
                "round {round}: {kid} is gone"
            );
        }
    }
    assert_eq!(signers.len(), 4, "one key for each 30 days of 100");
    // Each key was published once and, but for the first, activated once: replicas took no step twice.
    let steps = |step: &str, audited: &[Value]| {
        audited
            .iter()
            .filter(|details| details["step"] == step)
            .count()
    };
    let audited = world.audited().await;
    assert_eq!(steps("published", &audited), 4);
    assert_eq!(steps("activated", &audited), 3);
    assert_eq!(steps("removed", &audited), 3);
}

#[tokio::test]
async fn replicas_that_start_on_a_new_database_at_once_agree_on_one_key() {
    let world = World::new().await;
    let (one, two) = tokio::join!(world.load(Algorithm::EdDsa), world.load(Algorithm::EdDsa));
    assert_eq!(signing_kid(&one), signing_kid(&two));
    assert_eq!(world.store.signing_keys().await.unwrap().len(), 1);
}

#[tokio::test]
async fn another_algorithm_takes_over_once_its_key_is_known() {
    let world = World::new().await;
    let old = signing_kid(&world.load(Algorithm::Es256).await);
    let keyring = world.load(Algorithm::EdDsa).await;
    assert_eq!(signing_kid(&keyring), old);
    assert_eq!(published(&keyring).len(), 2);
    world.clock.advance(Duration::from_mins(119));
    keyring.tick().await.unwrap();
    assert_eq!(keyring.algorithm(), Algorithm::Es256);
    world.clock.advance(Duration::from_mins(10));
    keyring.tick().await.unwrap();
    assert_eq!(keyring.algorithm(), Algorithm::EdDsa);
    assert!(
        published(&keyring).contains(&old),
        "its tokens still verify"
    );
}

#[tokio::test]
async fn a_rotation_on_demand_is_published_now_and_followed_by_other_replicas() {
    let world = World::new().await;
    let (here, there) = (
        world.load(Algorithm::Es256).await,
        world.load(Algorithm::Es256).await,
    );
    let old = signing_kid(&here);
    let actor = Actor::Administrator("ops".to_owned());
    let (next, signs_at) = here
        .rotate(Activation::WhenKnown, actor.clone())
        .await
        .unwrap();
    assert!(signs_at.since(world.now()) >= TWO_HOURS);
    // Once more changes nothing: there is a next key already.
    let again = here.rotate(Activation::WhenKnown, actor).await.unwrap();
    assert_eq!(again, (next.clone(), signs_at));

    there.tick().await.unwrap();
    assert!(published(&there).contains(&next));
    assert_eq!(signing_kid(&there), old);
    world.clock.advance(signs_at.since(world.now()));
    there.tick().await.unwrap();
    here.tick().await.unwrap();
    assert_eq!(
        [signing_kid(&here), signing_kid(&there)],
        [next.clone(), next]
    );
}

#[tokio::test]
async fn a_compromised_key_stops_signing_once_every_replica_knows_the_next() {
    let world = World::new().await;
    let (here, there) = (
        world.load(Algorithm::Es256).await,
        world.load(Algorithm::Es256).await,
    );
    let old = signing_kid(&here);
    let actor = Actor::Administrator("ops".to_owned());
    let (next, signs_at) = here.rotate(Activation::AtOnce, actor).await.unwrap();
    assert_eq!(signs_at, world.now().plus(Duration::from_secs(10)));
    // Published first: what it signs is good at each replica from the first moment on.
    there.tick().await.unwrap();
    assert_eq!(signing_kid(&here), old);
    assert!(there.jwks().contains(&next));
    world.clock.advance(Duration::from_secs(10));
    there.tick().await.unwrap();
    assert_eq!(signing_kid(&there), next);
    here.tick().await.unwrap();
    assert_eq!(signing_kid(&here), next);
    assert_eq!(world.kids(KeyState::Retired).await, [old]);

    let page = world
        .store
        .list_audit(&AuditFilter::default(), None, 10)
        .await
        .unwrap();
    let by_ops = page
        .items
        .iter()
        .find(|item| item.event.details["step"] == "hastened")
        .unwrap();
    assert_eq!(by_ops.event.actor, Actor::Administrator("ops".to_owned()));
    assert_eq!(by_ops.event.details["kid"], next.as_str());
}

fn sealing(keys: &[(&str, u8)]) -> Cipher {
    Cipher::new(
        keys.iter()
            .map(|(id, byte)| ((*id).to_owned(), [*byte; 32]))
            .collect(),
    )
}

#[tokio::test]
async fn a_key_is_sealed_at_rest_from_the_moment_there_is_an_encryption_key() {
    let world = World::new().await;
    let kid = signing_kid(&world.load(Algorithm::Es256).await);
    let plain = world.store.signing_keys().await.unwrap().remove(0);
    assert!(!plain.sealed);

    let cipher = sealing(&[("k", 1)]);
    let keyring = world
        .try_load(cipher.clone(), policy(Algorithm::Es256))
        .await
        .unwrap();
    assert_eq!(signing_kid(&keyring), kid);
    let sealed = world.store.signing_keys().await.unwrap().remove(0);
    assert!(sealed.sealed);
    let secret = &plain.private_key[plain.private_key.len() - 32..];
    assert!(
        !sealed
            .private_key
            .windows(secret.len())
            .any(|window| window == secret)
    );
    // And so is every later one.
    keyring
        .rotate(Activation::WhenKnown, Actor::Broker)
        .await
        .unwrap();
    assert!(
        world
            .store
            .signing_keys()
            .await
            .unwrap()
            .iter()
            .all(|key| key.sealed)
    );
}

#[tokio::test]
async fn a_sealed_key_does_not_open_without_its_encryption_key() {
    let world = World::new().await;
    let policy = policy(Algorithm::Es256);
    world
        .try_load(sealing(&[("old", 1)]), policy)
        .await
        .unwrap();
    world
        .try_load(sealing(&[("new", 2), ("old", 1)]), policy)
        .await
        .unwrap();

    let without = world
        .try_load(Cipher::new(Vec::new()), policy)
        .await
        .err()
        .unwrap();
    assert!(
        matches!(
            without,
            KeyError::Sealed {
                source: CipherError::NoKey,
                ..
            }
        ),
        "{without:?}"
    );
    let other = world
        .try_load(sealing(&[("new", 2)]), policy)
        .await
        .err()
        .unwrap();
    let named = |id: &String| id == "old";
    assert!(
        matches!(&other, KeyError::Sealed { source: CipherError::UnknownKey(id), .. } if named(id)),
        "{other:?}"
    );
    let wrong = world
        .try_load(sealing(&[("old", 9)]), policy)
        .await
        .err()
        .unwrap();
    assert!(
        matches!(
            wrong,
            KeyError::Sealed {
                source: CipherError::Damaged,
                ..
            }
        ),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn a_key_that_stands_in_another_row_is_not_used() {
    let world = World::new().await;
    let keyring = world.load(Algorithm::Es256).await;
    keyring
        .rotate(Activation::WhenKnown, Actor::Broker)
        .await
        .unwrap();
    // Somebody who can write the database puts a key of his own under a known id.
    let own = World::new().await;
    own.load(Algorithm::Es256).await;
    let mut planted = own.store.signing_keys().await.unwrap().remove(0);
    let target = world.one(KeyState::Active).await;
    assert!(
        world
            .store
            .retire_signing_key(&target, world.now())
            .await
            .unwrap()
    );
    assert!(
        world
            .store
            .delete_retired_signing_key(&target)
            .await
            .unwrap()
    );
    planted.kid = target;
    world.store.insert_signing_key(&planted).await.unwrap();

    let error = world
        .try_load(Cipher::new(Vec::new()), policy(Algorithm::Es256))
        .await
        .err()
        .unwrap();
    assert!(matches!(error, KeyError::Damaged { .. }), "{error:?}");
}
