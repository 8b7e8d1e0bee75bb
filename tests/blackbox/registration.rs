//! What a client does with its own registration (RFC 7592), over two replicas and a restart.

use anyhow::{Context as _, Result};
use harness::client::Credentials;
use harness::deployment::Deployment;
use harness::http::{Answer, Http};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Agent, own, refusal, run};

/// A registration in the hands of its client.
struct Registration {
    uri: String,
    token: String,
}

impl Registration {
    fn of(document: &Value) -> Result<Self> {
        let text = |name: &str| document[name].as_str().map(str::to_owned);
        Ok(Self {
            uri: text("registration_client_uri").context("no registration_client_uri")?,
            token: text("registration_access_token").context("no registration_access_token")?,
        })
    }

    /// A request about it to one replica.
    async fn ask(
        &self,
        deployment: &Deployment,
        replica: usize,
        method: Method,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let there = deployment.addresses().replica_url(replica);
        let uri = self.uri.replace(&deployment.issuer(), &there);
        let http = Http::default();
        let mut request = http.client().request(method, uri).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        http.send(request).await
    }
}

#[test]
fn a_registration_made_at_one_replica_is_managed_at_the_other_and_outlives_a_restart() -> Result<()>
{
    run(async {
        let deployment = own("registration", |options| options.replicas = 2).await?;
        let mut agent = Agent::new(&deployment).await?;

        let mut first = agent.server.clone();
        let endpoint = deployment.addresses().replica_url(0) + "/oauth/register";
        first.document["registration_endpoint"] = json!(endpoint);
        let registered = agent.client.register_answer(&first, "First name").await?;
        let registered = registered.success()?.json()?;
        let client_id = registered["client_id"].as_str().context("no client_id")?;
        let original = Registration::of(&registered)?;

        let read = original.ask(&deployment, 1, Method::GET, None).await?;
        let mut document = read.success()?.json()?;
        assert_eq!(document["client_id"], client_id);
        assert_eq!(document["client_name"], "First name");

        document["client_name"] = json!("Second name");
        let members = document.as_object_mut().context("no object")?;
        members.retain(|name, _| !name.starts_with("registration_") && !name.ends_with("_at"));
        let updated = original
            .ask(&deployment, 1, Method::PUT, Some(&document))
            .await?;
        let renewed = Registration::of(&updated.success()?.json()?)?;
        let spent = original.ask(&deployment, 0, Method::GET, None).await?;
        assert_eq!(refusal(&spent)?, (401, "invalid_token".to_owned()));

        for broker in &deployment.brokers {
            broker.restart().await?;
        }

        agent.credentials = Credentials::Public {
            client_id: client_id.to_owned(),
        };
        let person = agent.person("alice")?;
        let pending = agent.pending()?;
        let consent = person.consent_page(&pending.url).await?;
        assert!(consent.text().contains("Second name"), "{}", consent.text());
        let redirect = person.log_in(&pending.url).await?;
        let tokens = agent.redeem(&pending, &redirect).await?;
        let poster = agent.poster(&tokens.access_token);
        let found = poster
            .call("nc_notes_search_notes", json!({ "query": "anything" }))
            .await?;
        assert_ne!(found["isError"], true, "{found}");

        let deleted = renewed.ask(&deployment, 1, Method::DELETE, None).await?;
        assert_eq!(deleted.status, 204, "{}", deleted.describe());
        let gone = renewed.ask(&deployment, 0, Method::GET, None).await?;
        assert_eq!(refusal(&gone)?, (401, "invalid_token".to_owned()));
        let refresh_token = tokens.refresh_token.context("no refresh token")?;
        let refused = agent.refresh(&refresh_token).await?;
        assert_eq!(refusal(&refused)?.1, "invalid_client");
        let page = person.browser.open(&agent.pending()?.url).await?.page()?;
        assert!(page.text().contains("Unknown program"), "{}", page.text());
        Ok(())
    })
}
