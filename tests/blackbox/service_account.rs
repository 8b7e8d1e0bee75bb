//! A gateway without a shared secret: it proves itself with the token of its Kubernetes service
//! account, which somebody else keeps fresh in a file.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use harness::deployment::Deployment;
use harness::jwt::SigningKey;
use harness::random::unix_now;
use serde_json::{Value, json};

use crate::support::{Agent, also, own, run};

const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";
const ACCOUNT: &str = "system:serviceaccount:mcp:gateway";

/// The kubelet's part: it signs tokens and puts them where the pod finds them.
struct Kubelet {
    key: SigningKey,
    token: PathBuf,
}

impl Kubelet {
    fn project(&self, deployment: &Deployment, account: &str, lifetime: i64) -> Result<()> {
        let now = i64::try_from(unix_now())?;
        let claims = json!({
            "iss": CLUSTER, "sub": account, "aud": [deployment.issuer()],
            "iat": now - 600, "nbf": now - 600, "exp": now + lifetime,
        });
        fs::write(&self.token, self.key.sign("JWT", &claims)).context("the token's file")
    }
}

/// An installation whose gateway has a service account in place of its secret.
async fn pod() -> Result<(Deployment, Kubelet)> {
    let key = SigningKey::generate("cluster-1");
    let jwks = json!({ "keys": [key.jwk()] }).to_string();
    let mut token = PathBuf::new();
    let deployment = own("service-account", |options| {
        token = options.data_dir.join("pod-token");
        let keys = options.data_dir.join("cluster-jwks.json");
        fs::create_dir_all(&options.data_dir).unwrap();
        fs::write(&keys, jwks).unwrap();
        let account = json!({
            "issuer": CLUSTER, "subject": ACCOUNT, "jwks": { "file": keys },
        });
        also(options, move |config| {
            let gateway = config["clients"][0].as_object_mut().unwrap();
            gateway.remove("client_secret");
            gateway.insert("service_account".to_owned(), account.clone());
        });
        let file = token.clone();
        options.adjust_gateway = Some(Arc::new(move |config: &mut Value, _| {
            let broker = config["broker"].as_object_mut().unwrap();
            broker.remove("client_secret");
            broker.insert("client_assertion".to_owned(), json!({ "file": file }));
        }));
    })
    .await?;
    Ok((deployment, Kubelet { key, token }))
}

#[test]
fn a_gateway_with_a_service_account_needs_no_secret_for_a_tool_call() -> Result<()> {
    run(async {
        let (deployment, kubelet) = pod().await?;
        let agent = Agent::new(&deployment).await?;
        let poster = agent.poster(&agent.log_in("alice").await?.access_token);
        let create = async |title: &str| {
            let note = json!({ "title": title, "content": "", "category": "" });
            poster.call("nc_notes_create_note", note).await
        };

        // No token yet, as in a pod that just starts: told as a passing fault, not as a crash.
        let early = create("Too early").await?;
        assert_eq!(early["isError"], true, "{early}");

        kubelet.project(&deployment, ACCOUNT, 600)?;
        for title in ["First", "Second"] {
            let created = create(title).await?;
            assert_ne!(created["isError"], true, "{created}");
        }
        let rows = deployment.audit("event=exchange.granted&limit=5").await?;
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert_eq!(rows[0]["client_id"], "mcp-gateway", "{rows:?}");

        // What stands in the file counts at once, without a restart: for worse and for better.
        kubelet.project(&deployment, ACCOUNT, -60)?;
        let expired = create("With an expired token").await?;
        assert_eq!(expired["isError"], true, "{expired}");
        kubelet.project(&deployment, "system:serviceaccount:mcp:other", 600)?;
        let other = create("As another account").await?;
        assert_eq!(other["isError"], true, "{other}");
        kubelet.project(&deployment, ACCOUNT, 600)?;
        let again = create("After the rotation").await?;
        assert_ne!(again["isError"], true, "{again}");

        let token = fs::read_to_string(&kubelet.token)?;
        assert!(!deployment.logs().contains(&token));
        assert!(!deployment.database_bytes()?.contains(&token));
        // The secret that other gateways have opens nothing here.
        let subject = agent.log_in("alice").await?.access_token;
        let refused = agent.exchange(&subject).await?;
        assert_eq!(refused.json()?["error"], "invalid_client");
        Ok(())
    })
}
