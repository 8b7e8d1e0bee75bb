//! The part of the story that the registration policy decides: how an agent that nobody has heard of
//! becomes a client, and whether somebody has to let it in.

use anyhow::{Context as _, Result, ensure};
use http::Method;
use serde_json::json;

use super::narrator::Narrator;
use super::{Known, Teller};
use crate::client::{Credentials, Pending, REDIRECT_URI, Server};
use crate::person::Person;

/// The agent's name.
const AGENT: &str = "Demo agent";
/// The policy by which an administrator approves clients.
const APPROVAL: &str = "approval";
/// The policy by which nobody registers.
const CLOSED: &str = "closed";

impl Teller<'_> {
    /// The agent registers, or where nobody may, an administrator enters it.
    pub(super) async fn become_known(
        &self,
        narrator: &mut Narrator<'_>,
        server: &Server,
    ) -> Result<Credentials> {
        if self.deployment.registration() == CLOSED {
            return self.be_entered(narrator, server).await;
        }
        narrator.step("It registers itself (RFC 7591): nobody has heard of this agent before.")?;
        self.client.register(server, AGENT).await
    }

    async fn be_entered(
        &self,
        narrator: &mut Narrator<'_>,
        server: &Server,
    ) -> Result<Credentials> {
        narrator.step("It cannot register itself: the policy is `closed`.")?;
        ensure!(
            server.endpoint("registration_endpoint").is_err(),
            "the metadata name a registration_endpoint"
        );
        narrator.detail("The metadata name no registration_endpoint.")?;

        narrator.step("An administrator enters it by hand, and its user types the id in.")?;
        narrator.detail("POST /admin/v1/clients   at the admin API, which has its own port")?;
        let document = json!({ "client_name": AGENT, "redirect_uris": [REDIRECT_URI] });
        let entered = self
            .deployment
            .administer(Method::POST, "clients", Some(&document))
            .await?
            .success()?
            .json()?;
        let client_id = entered["client_id"].as_str().context("no client_id")?;
        Ok(Credentials::Public {
            client_id: client_id.to_owned(),
        })
    }

    /// Where the policy says so, the person meets a page that says who has to be asked, and an
    /// administrator lets the agent in.
    pub(super) async fn be_let_in(
        &self,
        narrator: &mut Narrator<'_>,
        known: &Known,
        person: &Person,
        pending: &Pending,
    ) -> Result<()> {
        if self.deployment.registration() != APPROVAL {
            return Ok(());
        }
        let client_id = known.credentials.client_id();
        narrator.step("But the policy is `approval`: the browser shows a page to wait at.")?;
        let page = person.browser.open(&pending.url).await?.page()?;
        let text = page.text();
        ensure!(
            page.answer.status == 403 && text.contains(client_id),
            "no page to wait at: {}",
            page.describe()
        );
        let words: String = text.chars().take(110).collect();
        narrator.detail(format!("  \"{words}…\""))?;
        narrator.detail("It names the agent, where its answers go, and the id to tell him.")?;

        narrator.step("An administrator approves the client, with one call.")?;
        narrator.detail(format!("POST /admin/v1/clients/{client_id}/approve"))?;
        let client = self.deployment.judge_client(client_id, "approve").await?;
        narrator.members(&client, &[("status", "")])?;
        narrator.detail("\"Check again\" on the page goes on with the very same request.")
    }
}
