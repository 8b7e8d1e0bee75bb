//! Somebody who works in Nextcloud with the gateway's tools.

use std::sync::Mutex;

use anyhow::{Context as _, Result, ensure};
use harness::mcp_client::{self, Era, McpPoster};
use serde_json::Value;

use crate::support::Agent;

/// A signed-in user with an MCP client, and the names of all tools called so far.
pub(crate) struct Worker {
    pub(crate) name: String,
    /// One client of each era; they take turns.
    posters: Vec<McpPoster>,
    calls: Mutex<Vec<String>>,
}

impl Worker {
    /// Signs in with all scopes.
    pub(crate) async fn arrives(agent: &Agent<'_>, name: &str) -> Result<Self> {
        let token = agent.log_in(name).await?.access_token;
        let poster = |era| {
            McpPoster::new(
                agent.http.clone(),
                agent.deployment.mcp_url(),
                Some(&token),
                era,
            )
        };
        Ok(Self {
            name: name.to_owned(),
            posters: Era::ALL.map(poster).to_vec(),
            calls: Mutex::default(),
        })
    }

    /// Calls a tool that has to succeed; its structured content.
    pub(crate) async fn does(&self, tool: &str, arguments: Value) -> Result<Value> {
        let result = self.call(tool, arguments.clone()).await?;
        ensure!(
            result["isError"] != true,
            "{tool} {arguments}: {}",
            mcp_client::text(&result)
        );
        Ok(result["structuredContent"].clone())
    }

    /// Calls a tool that has to fail; what the model reads.
    pub(crate) async fn cannot(&self, tool: &str, arguments: Value) -> Result<String> {
        let result = self.call(tool, arguments.clone()).await?;
        ensure!(
            result["isError"] == true,
            "{tool} {arguments} worked: {result}"
        );
        let text = mcp_client::text(&result);
        // A sentence with a reason and a next step, and nothing of Nextcloud's inside.
        ensure!(
            text.len() > 40 && !text.contains("OCA\\") && !text.contains("Sabre\\"),
            "{tool}: {text}"
        );
        Ok(text)
    }

    /// The names of the tools called, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    async fn call(&self, tool: &str, arguments: Value) -> Result<Value> {
        let turn = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(tool.to_owned());
            calls.len() % self.posters.len()
        };
        let called = self.posters[turn].call(tool, arguments).await;
        called.with_context(|| format!("{} calls {tool}", self.name))
    }
}

/// The number in a member of a tool's result.
pub(crate) fn number(result: &Value, member: &str) -> Result<u64> {
    result[member]
        .as_u64()
        .with_context(|| format!("no number {member} in {result}"))
}

/// The text in a member of a tool's result.
pub(crate) fn text(result: &Value, member: &str) -> Result<String> {
    let text = result[member].as_str();
    Ok(text
        .with_context(|| format!("no text {member} in {result}"))?
        .to_owned())
}

/// One member of each thing in a list, in order.
pub(crate) fn each(list: &Value, member: &str) -> Vec<Value> {
    let things = list.as_array().map(Vec::as_slice).unwrap_or_default();
    things.iter().map(|thing| thing[member].clone()).collect()
}
