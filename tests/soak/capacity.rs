//! As many requests of one kind as there can be.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use harness::deployment::Deployment;
use tokio::task::JoinSet;

use crate::load::{Counts, Session};
use crate::usage;

/// A kind of request.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Exchange,
    Refresh,
    Login,
    ToolCall,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Exchange, Self::Refresh, Self::Login, Self::ToolCall];
}

/// Prints, for each kind, how many there were and what one took of brokers and database.
pub(crate) async fn measure(
    deployment: &Deployment,
    mut sessions: Vec<Session>,
    each: Duration,
) -> Result<()> {
    println!(
        "kind       a second   broker CPU (us)   gateway CPU (us)   PostgreSQL CPU (us)   tries again"
    );
    for kind in Kind::ALL {
        let counts = Arc::new(Counts::default());
        let brokers = usage::brokers(deployment);
        let gateway = usage::cpu(&deployment.gateway);
        let postgres = usage::postgres();
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for session in sessions.drain(..) {
            tasks.spawn(repeat(session, kind, each, Arc::clone(&counts)));
        }
        while let Some(session) = tasks.join_next().await {
            sessions.push(session??);
        }
        let seconds = start.elapsed().as_secs_f64();
        let done = match kind {
            Kind::Exchange => &counts.exchanges,
            Kind::Refresh => &counts.refreshes,
            Kind::Login => &counts.logins,
            Kind::ToolCall => &counts.tool_calls,
        };
        let done = f64::from(u32::try_from(done.load(Ordering::Relaxed))?);
        let micros = |used: Duration| used.as_secs_f64() * 1e6 / done;
        println!(
            "{:<10} {:>8.0} {:>17.0} {:>18.0} {:>21.0} {:>13}",
            format!("{kind:?}").to_lowercase(),
            done / seconds,
            micros(usage::brokers(deployment).saturating_sub(brokers)),
            micros(usage::cpu(&deployment.gateway).saturating_sub(gateway)),
            micros(usage::postgres().saturating_sub(postgres)),
            counts.tries_again.load(Ordering::Relaxed),
        );
    }
    let memory: Vec<_> = deployment.brokers.iter().map(usage::resident).collect();
    println!(
        "resident memory of the brokers afterwards, MiB: {memory:?}; of the gateway: {}",
        usage::resident(&deployment.gateway)
    );
    Ok(())
}

async fn repeat(
    mut session: Session,
    kind: Kind,
    time: Duration,
    counts: Arc<Counts>,
) -> Result<Session> {
    let start = Instant::now();
    while start.elapsed() < time {
        match kind {
            Kind::Exchange => session.exchange(&counts).await?,
            Kind::Refresh => session.refresh(&counts).await?,
            Kind::Login => session.log_in(&counts).await?,
            Kind::ToolCall => session.call_tool(&counts).await?,
        }
    }
    Ok(session)
}
