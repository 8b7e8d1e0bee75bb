//! A collector sees one tool call as one trace, over both programs, and nothing that is secret.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use harness::mcp_client::{Era, McpPoster, result};
use harness::wait;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Agent, also, own, run};

const TOOL: &str = "nc_notes_search_notes";
const PATIENCE: Duration = Duration::from_secs(30);

/// What a collector was sent.
type Sent = Arc<Mutex<Vec<Value>>>;

/// A stand-in collector: its endpoint, and what it was sent.
async fn collector() -> Result<(String, Sent)> {
    let sent = Sent::default();
    let take = async |State(sent): State<Sent>, Json(request): Json<Value>| {
        sent.lock().unwrap().push(request);
        Json(json!({}))
    };
    let router = Router::new()
        .route("/v1/traces", post(take))
        .with_state(Arc::clone(&sent));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((endpoint, sent))
}

/// The spans of one trace so far, each with its program's name.
fn spans(sent: &Sent, trace: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for request in sent.lock().unwrap().iter() {
        let resource = &request["resourceSpans"][0];
        let service = &resource["resource"]["attributes"][0]["value"]["stringValue"];
        let all = resource["scopeSpans"][0]["spans"].as_array();
        let of_trace = all
            .into_iter()
            .flatten()
            .filter(|span| span["traceId"] == trace);
        let name = service.as_str().unwrap_or_default();
        found.extend(of_trace.map(|span| (name.to_owned(), span.clone())));
    }
    found
}

#[test]
fn one_call_is_one_trace_over_both_programs() -> Result<()> {
    run(async {
        let (endpoint, sent) = collector().await?;
        let deployment = own("telemetry", |options| {
            let for_gateway = endpoint.clone();
            also(options, move |config| {
                config["telemetry"]["otlp_endpoint"] = json!(endpoint);
            });
            options.adjust_gateway = Some(Arc::new(move |config, _| {
                config["telemetry"]["otlp_endpoint"] = json!(for_gateway);
            }));
        })
        .await?;
        let agent = Agent::new(&deployment).await?;
        let tokens = agent.log_in("alice").await?;
        let id = "0af7651916cd43dd8448eb211c80319c";
        let caller = "b7ad6b7169203331";
        for era in Era::ALL {
            let url = deployment.mcp_url();
            let poster = McpPoster::new(agent.http.clone(), url, Some(&tokens.access_token), era);
            let params = json!({ "name": TOOL, "arguments": { "query": "anything" } });
            let request = poster
                .request("tools/call", params)
                .header("traceparent", format!("00-{id}-{caller}-01"));
            let answer = result(agent.http.send(request).await?)?;
            ensure!(answer["isError"] != true, "{answer}");
        }
        let found = wait::until("the spans of both calls", PATIENCE, async || {
            let found = spans(&sent, id);
            (found.len() >= 4).then_some(found)
        })
        .await?;
        let of = |service: &str| {
            let spans = found.iter().filter(|(name, _)| name == service);
            spans.map(|(_, span)| span).collect::<Vec<_>>()
        };
        let (calls, requests) = (of("mcp-gateway"), of("mcp-token-broker"));
        assert_eq!((calls.len(), requests.len()), (2, 2), "{found:#?}");
        for call in &calls {
            assert_eq!(call["name"], format!("call {TOOL}"));
            assert_eq!(call["parentSpanId"], caller);
        }
        for request in requests {
            assert_eq!(request["name"], "POST /oauth/token");
            // The exchange was asked for by the call.
            let parent = &request["parentSpanId"];
            ensure!(
                calls.iter().any(|call| call["spanId"] == *parent),
                "{found:#?}"
            );
        }

        // What begins here is recorded too: a login comes with no trace.
        let everything = wait::until("the spans of the login", PATIENCE, async || {
            let all = serde_json::to_string(&*sent.lock().unwrap()).ok()?;
            all.contains("GET /oauth/callback").then_some(all)
        })
        .await?;
        let refresh_token = tokens.refresh_token.context("no refresh token")?;
        for secret in [
            tokens.access_token.as_str(),
            &refresh_token,
            "?",
            "code=",
            "eyJ",
        ] {
            ensure!(!everything.contains(secret), "a span has {secret}");
        }
        ensure!(!everything.contains("/health/"), "probes are no news");
        Ok(())
    })
}

#[test]
fn a_collector_that_is_away_is_nobody_elses_trouble() -> Result<()> {
    run(async {
        // Taken and given back: nobody listens there.
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        drop(listener);
        let deployment = own("telemetry-away", |options| {
            also(options, move |config| {
                config["telemetry"]["otlp_endpoint"] = json!(endpoint);
            });
        })
        .await?;
        let agent = Agent::new(&deployment).await?;
        agent.log_in("alice").await?;
        let metrics = deployment.addresses().admin_url() + "/metrics";
        wait::until("lost spans to be counted", PATIENCE, async || {
            let text = agent.http.get(&metrics).await.ok()?.body;
            let lost = text.lines().find_map(|line| {
                let number = line.strip_prefix("broker_spans_total{outcome=\"lost\"} ")?;
                number.parse::<u64>().ok()
            });
            lost.filter(|lost| *lost > 0).map(|_| ())
        })
        .await?;
        ensure!(deployment.logs().contains("the collector takes no spans"));
        Ok(())
    })
}
