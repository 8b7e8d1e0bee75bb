//! A pod proves itself with its Kubernetes service-account token: no shared secret.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use broker::app::ServiceAccountSettings;
use broker::config::Jwks;
use broker::domain::{
    Client, ClientId, DownstreamName, GrantType, ResourceUri, TokenEndpointAuthMethod,
};
use broker_client::keys::KeyAccess;
use broker_client::oauth::{grant_type, token_type};
use broker_client::testing::FakeIssuer;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::documents::{DocumentServer, Published};
use crate::harness::{Answer, Broker, ISSUER, NOW, Plan, RESOURCE, client};

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";
const ACCOUNT: &str = "system:serviceaccount:mcp:gateway";
const POD: &str = "pod";

/// A file with a cluster's keys or something else, gone when the test is.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new(cluster: &FakeIssuer) -> Self {
        let name = format!("broker-jwks-{}", uuid::Uuid::now_v7());
        let file = Self(std::env::temp_dir().join(name));
        file.write(cluster);
        file
    }

    fn with(text: &str) -> Self {
        let name = format!("broker-key-access-{}", uuid::Uuid::now_v7());
        let file = Self(std::env::temp_dir().join(name));
        std::fs::write(&file.0, text).unwrap();
        file
    }

    fn write(&self, cluster: &FakeIssuer) {
        std::fs::write(&self.0, cluster.jwks().to_string()).unwrap();
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// A gateway that runs as [`ACCOUNT`] of the cluster whose keys are there.
fn trust(plan: &mut Plan, keys: Jwks) {
    trust_with(plan, keys, KeyAccess::default());
}

fn trust_with(plan: &mut Plan, keys: Jwks, access: KeyAccess) {
    plan.settings.service_accounts.push(ServiceAccountSettings {
        client_id: ClientId::parse(POD).unwrap(),
        issuer: CLUSTER.to_owned(),
        subject: ACCOUNT.to_owned(),
        audience: None,
        keys,
        access,
    });
    plan.clients.push(Client {
        auth_method: TokenEndpointAuthMethod::ServiceAccountJwt,
        serves: vec![ResourceUri::parse(RESOURCE).unwrap()],
        exchange: vec![DownstreamName::parse("nextcloud").unwrap()],
        ..client(POD, None, &[GrantType::TokenExchange])
    });
}

/// The claims of a projected token.
fn projected() -> Value {
    json!({
        "iss": CLUSTER, "sub": ACCOUNT, "aud": [ISSUER], "iat": NOW, "nbf": NOW, "exp": NOW + 3607,
        "kubernetes.io": { "namespace": "mcp", "serviceaccount": { "name": "gateway" } },
    })
}

fn sign(cluster: &FakeIssuer, claims: &Value) -> String {
    // As the API server does: no `typ`.
    cluster.mint(&json!({}), claims)
}

async fn exchange(broker: &Broker, subject: &str, assertion: &str, client_id: &str) -> Answer {
    let fields = [
        ("grant_type", grant_type::TOKEN_EXCHANGE),
        ("subject_token", subject),
        ("subject_token_type", token_type::ACCESS_TOKEN),
        ("audience", "nextcloud"),
        ("client_id", client_id),
        ("client_assertion_type", KIND),
        ("client_assertion", assertion),
    ];
    broker.post("/oauth/token", &fields).await
}

#[tokio::test]
async fn a_pod_exchanges_with_its_service_account_until_the_token_ends() {
    let cluster = FakeIssuer::new(CLUSTER);
    let file = KeyFile::new(&cluster);
    let broker = Broker::planned(|plan| trust(plan, Jwks::File(file.0.clone()))).await;
    let token = sign(&cluster, &projected());
    // The kubelet hands out the same token for most of an hour.
    for _ in 0..3 {
        let session = broker.session().await;
        let answer = exchange(&broker, &session.access, &token, POD).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(broker.newest().await.actor.id(), Some(POD));
    }
    broker.advance(Duration::from_secs(3607 + 30)).await;
    let session = broker.session().await;
    let late = exchange(&broker, &session.access, &token, POD).await;
    late.assert_refused(401, "invalid_client");
}

#[tokio::test]
async fn another_account_cluster_or_audience_is_somebody_else() {
    let cluster = FakeIssuer::new(CLUSTER);
    let file = KeyFile::new(&cluster);
    let broker = Broker::planned(|plan| trust(plan, Jwks::File(file.0.clone()))).await;
    let session = broker.session().await.access;
    for (claim, value) in [
        ("sub", json!("system:serviceaccount:mcp:default")),
        ("sub", json!("system:serviceaccount:other:gateway")),
        ("sub", json!(POD)),
        ("iss", json!("https://other-cluster.example")),
        ("aud", json!(["https://kubernetes.default.svc"])),
        ("aud", json!([])),
        ("exp", json!(NOW - 31)),
        ("exp", json!(null)),
        ("nbf", json!(NOW + 31)),
    ] {
        let mut claims = projected();
        claims[claim] = value.clone();
        let answer = exchange(&broker, &session, &sign(&cluster, &claims), POD).await;
        answer.assert_refused(401, "invalid_client");
    }
    let good = sign(&cluster, &projected());
    for forged in [
        cluster.mint_with_another_key(&projected()),
        cluster.mint_unsigned(&projected()),
        cluster.mint_hs256_with_public_key(&projected()),
    ] {
        let answer = exchange(&broker, &session, &forged, POD).await;
        answer.assert_refused(401, "invalid_client");
    }
    // It speaks for the client that the configuration names, and for no other.
    for other in ["gateway", "agent", "nobody"] {
        let answer = exchange(&broker, &session, &good, other).await;
        answer.assert_refused(401, "invalid_client");
    }
    let answer = exchange(&broker, &session, &good, POD).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn new_keys_of_the_cluster_are_found_in_the_file_and_at_the_url() {
    let cluster = FakeIssuer::new(CLUSTER);
    let file = KeyFile::new(&cluster);
    let documents = DocumentServer::start().await;
    let publish = || documents.publish("/openid/v1/jwks", Published::document(&cluster.jwks()));
    publish();
    let url = documents.url("/openid/v1/jwks").parse().unwrap();
    for keys in [Jwks::File(file.0.clone()), Jwks::Url(url)] {
        let broker = Broker::planned(|plan| trust(plan, keys)).await;
        for _ in 0..2 {
            let session = broker.session().await.access;
            let token = sign(&cluster, &projected());
            let answer = exchange(&broker, &session, &token, POD).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            cluster.rotate();
            file.write(&cluster);
            publish();
            broker.advance(Duration::from_mins(1)).await;
        }
    }
}

/// An API server that shows its keys to service accounts only. Returns the address of the keys, and
/// what to change to make it want another token.
async fn api_server(cluster: &FakeIssuer, token: &'static str) -> (Url, Arc<Mutex<&'static str>>) {
    let wanted = Arc::new(Mutex::new(token));
    let expected = Arc::clone(&wanted);
    let keys = cluster.jwks();
    let router = Router::new().route(
        "/openid/v1/jwks",
        get(async move |headers: HeaderMap| {
            let shown = headers.get(header::AUTHORIZATION);
            let bearer = format!("Bearer {}", *expected.lock().unwrap());
            if shown.is_some_and(|shown| shown == &bearer) {
                Ok(Json(keys))
            } else {
                Err(StatusCode::FORBIDDEN)
            }
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/openid/v1/jwks", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url.parse().unwrap(), wanted)
}

#[tokio::test]
async fn the_api_server_is_shown_the_token_that_the_file_holds_now() {
    let cluster = FakeIssuer::new(CLUSTER);
    let (url, wanted) = api_server(&cluster, "first").await;
    let file = KeyFile::with("first\n");
    let access = KeyAccess {
        token: Some(file.0.clone()),
        roots: None,
    };
    let broker = Broker::planned(|plan| trust_with(plan, Jwks::Url(url), access)).await;
    let attempt = async || {
        let session = broker.session().await.access;
        exchange(&broker, &session, &sign(&cluster, &projected()), POD).await
    };
    assert_eq!(attempt().await.status, 200);
    // The kubelet has replaced the token; the keys are fetched anew after ten minutes.
    *wanted.lock().unwrap() = "second";
    std::fs::write(&file.0, "second").unwrap();
    broker.advance(Duration::from_mins(11)).await;
    assert_eq!(attempt().await.status, 200);
}

#[tokio::test]
async fn without_the_api_servers_trust_nobody_gets_in_and_it_is_a_passing_fault() {
    let cluster = FakeIssuer::new(CLUSTER);
    let no_certificate = KeyFile::with("no certificate");
    let another_token = KeyFile::with("another");
    for access in [
        KeyAccess::default(),
        KeyAccess {
            token: Some(another_token.0.clone()),
            roots: None,
        },
        KeyAccess {
            token: Some("/nowhere/at/all".into()),
            roots: None,
        },
        KeyAccess {
            token: None,
            roots: Some(no_certificate.0.clone()),
        },
    ] {
        let (url, _) = api_server(&cluster, "token").await;
        let broker = Broker::planned(|plan| trust_with(plan, Jwks::Url(url), access)).await;
        let session = broker.session().await.access;
        let answer = exchange(&broker, &session, &sign(&cluster, &projected()), POD).await;
        answer.assert_refused(503, "temporarily_unavailable");
    }
}

#[tokio::test]
async fn a_client_whose_platform_is_not_trusted_any_more_is_refused() {
    let cluster = FakeIssuer::new(CLUSTER);
    let file = KeyFile::new(&cluster);
    let broker = Broker::planned(|plan| {
        trust(plan, Jwks::File(file.0.clone()));
        plan.settings.service_accounts.clear();
    })
    .await;
    let session = broker.session().await.access;
    let answer = exchange(&broker, &session, &sign(&cluster, &projected()), POD).await;
    answer.assert_refused(401, "invalid_client");
}
