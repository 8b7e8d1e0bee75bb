//! A pod proves itself with its Kubernetes service-account token: no shared secret.

use std::path::PathBuf;
use std::time::Duration;

use broker::app::ServiceAccountSettings;
use broker::config::Jwks;
use broker::domain::{
    Client, ClientId, DownstreamName, GrantType, ResourceUri, TokenEndpointAuthMethod,
};
use broker_client::oauth::{grant_type, token_type};
use broker_client::testing::FakeIssuer;
use serde_json::{Value, json};

use crate::documents::{DocumentServer, Published};
use crate::harness::{Answer, Broker, ISSUER, NOW, Plan, RESOURCE, client};

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";
const ACCOUNT: &str = "system:serviceaccount:mcp:gateway";
const POD: &str = "pod";

/// A file with a cluster's keys, gone when the test is.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new(cluster: &FakeIssuer) -> Self {
        let name = format!("broker-jwks-{}", uuid::Uuid::now_v7());
        let file = Self(std::env::temp_dir().join(name));
        file.write(cluster);
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
    plan.settings.service_accounts.push(ServiceAccountSettings {
        client_id: ClientId::parse(POD).unwrap(),
        issuer: CLUSTER.to_owned(),
        subject: ACCOUNT.to_owned(),
        audience: None,
        keys,
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
