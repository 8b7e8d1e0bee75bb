//! One id by which an operator follows a call: from its caller through the broker to Nextcloud.

use anyhow::{Context as _, Result};
use harness::mcp_client::{Era, McpPoster, result};
use harness::sinks::Sinks;
use serde_json::json;

use crate::support::{Agent, own, run};

const TOOL: &str = "nc_notes_search_notes";

#[test]
fn a_call_is_followed_by_one_id_from_the_caller_to_nextcloud() -> Result<()> {
    run(async {
        // An installation of its own, so that every line with an id is about these calls.
        let deployment = own("trace", |_| ()).await?;
        let agent = Agent::new(&deployment).await?;
        let token = agent.log_in("alice").await?.access_token;
        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        for (era, id) in [
            (Era::Initialize, "0af7651916cd43dd8448eb211c80319c"),
            (Era::Stateless, "4bf92f3577b34da6a3ce929d0e0e4736"),
        ] {
            nextcloud.observations().clear();
            let poster =
                McpPoster::new(agent.http.clone(), deployment.mcp_url(), Some(&token), era);
            let params = json!({ "name": TOOL, "arguments": { "query": "anything" } });
            let request = poster
                .request("tools/call", params)
                .header("traceparent", format!("00-{id}-b7ad6b7169203331-01"));
            let called = result(agent.http.send(request).await?)?;
            assert_ne!(called["isError"], true, "{called}");

            // Nextcloud: every request, each from a span of the gateway's.
            let requests = nextcloud.observations().requests_of("alice");
            assert!(!requests.is_empty());
            for request in requests {
                let trace = request.traceparent.as_deref().context("no trace")?;
                assert!(trace.starts_with(&format!("00-{id}-")), "{trace}");
                assert!(!trace.contains("b7ad6b7169203331"), "{trace}");
            }
            // The broker: the one exchange for the call.
            let rows = deployment.audit("event=exchange.granted&limit=50").await?;
            let of_trace: Vec<_> = rows.iter().filter(|row| row["trace_id"] == id).collect();
            let [row] = of_trace.as_slice() else {
                anyhow::bail!("{rows:?}");
            };
            assert_eq!(
                (&row["tool"], &row["outcome"]),
                (&json!(TOOL), &json!("ok"))
            );
            // The logs: what an operator searches.
            let sinks = Sinks::collect(&deployment, agent.http.transcript())?;
            assert!(sinks.with(id).contains(&"logs"), "{:?}", sinks.with(id));
        }
        Ok(())
    })
}
