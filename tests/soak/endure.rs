//! A steady rate for a long time, while replicas die: no lost write, no wrong answer, flat memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use harness::deployment::Deployment;
use sea_orm::{ConnectionTrait as _, Database, Statement};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::load::{Counts, Session};
use crate::usage;

/// How often a replica dies.
const LIFE: Duration = Duration::from_mins(1);
/// How long it is away.
const AWAY: Duration = Duration::from_secs(5);
/// Of how many requests of a session one is a tool call, a refresh, a new login; the others are
/// exchanges.
const TOOL_CALL: u32 = 10;
const REFRESH: u32 = 25;
const LOGIN: u32 = 250;
/// By how much memory may differ between the first and the last third, in MiB and in per cent.
const FLAT: (u64, u64) = (8, 25);

/// Runs the load, kills the replicas, and checks everything; the first replica lives to the end, so
/// that its memory can be watched.
pub(crate) async fn endure(
    deployment: &Deployment,
    sessions: Vec<Session>,
    time: Duration,
    rate: u32,
) -> Result<()> {
    let counts = Arc::new(Counts::default());
    let permits = Arc::new(Semaphore::new(0));
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for session in sessions {
        tasks.spawn(work(
            session,
            end,
            Arc::clone(&permits),
            Arc::clone(&counts),
        ));
    }
    let pace = tokio::spawn(pace(permits, rate));
    let memory = watch(deployment, end, &counts).await?;
    let mut sessions = Vec::new();
    while let Some(session) = tasks.join_next().await {
        sessions.push(session??);
    }
    pace.abort();

    // No lost write: whatever a client was given last is good, and every answer is in the trail.
    for session in &mut sessions {
        session.refresh(&counts).await.context("a lost refresh")?;
        session.exchange(&counts).await?;
    }
    let rows = granted(deployment).await?;
    let answered =
        counts.exchanges.load(Ordering::Relaxed) + counts.tool_calls.load(Ordering::Relaxed);
    println!("exchanges answered {answered}, in the audit trail {rows}");
    ensure!(rows >= answered, "{} rows are lost", answered - rows);
    println!("{counts:?}");
    flat(&memory)
}

/// Hands out `rate` permits a second; what cannot be used in time is not caught up.
async fn pace(permits: Arc<Semaphore>, rate: u32) {
    let mut tick = interval(Duration::from_secs(1) / rate);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tick.tick().await;
        permits.add_permits(1);
    }
}

async fn work(
    mut session: Session,
    end: Instant,
    permits: Arc<Semaphore>,
    counts: Arc<Counts>,
) -> Result<Session> {
    for number in 1.. {
        permits.acquire().await?.forget();
        if Instant::now() >= end {
            break;
        }
        if number % LOGIN == 0 {
            session.log_in(&counts).await.context("login")?;
        } else if number % REFRESH == 0 {
            session.refresh(&counts).await.context("refresh")?;
        } else if number % TOOL_CALL == 0 {
            session.call_tool(&counts).await.context("tool call")?;
        } else {
            session.exchange(&counts).await.context("exchange")?;
        }
    }
    Ok(session)
}

/// Kills one replica each minute, never the first one, and notes the first one's memory.
async fn watch(deployment: &Deployment, end: Instant, counts: &Counts) -> Result<Vec<u64>> {
    let (first, others) = deployment.brokers.split_first().context("no broker")?;
    ensure!(!others.is_empty(), "with one replica there is none to kill");
    let mut memory = Vec::new();
    for victim in others.iter().cycle() {
        let next = Instant::now() + LIFE;
        while Instant::now() < next.min(end) {
            tokio::time::sleep(Duration::from_secs(2)).await;
            memory.push(usage::resident(first));
        }
        if Instant::now() >= end {
            break;
        }
        victim.kill()?;
        tokio::time::sleep(AWAY).await;
        victim.launch().await?;
        println!(
            "exchanges {:>9}  refreshes {:>7}  logins {:>6}  tool calls {:>7}  tries again {:>6}  memory {} MiB, gateway {} MiB",
            counts.exchanges.load(Ordering::Relaxed),
            counts.refreshes.load(Ordering::Relaxed),
            counts.logins.load(Ordering::Relaxed),
            counts.tool_calls.load(Ordering::Relaxed),
            counts.tries_again.load(Ordering::Relaxed),
            usage::resident(first),
            usage::resident(&deployment.gateway),
        );
    }
    Ok(memory)
}

/// How many exchanges the audit trail has.
async fn granted(deployment: &Deployment) -> Result<u64> {
    let described = deployment.describe();
    let url = described["database_url"].as_str().context("no database")?;
    let connection = Database::connect(url).await?;
    let sql = "SELECT count(*) AS rows FROM audit_events WHERE event = 'exchange.granted'";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection
        .query_one_raw(statement)
        .await?
        .context("no row")?;
    let rows: i64 = row.try_get("", "rows")?;
    Ok(u64::try_from(rows)?)
}

/// The last third of the time needs no more memory than the first.
fn flat(memory: &[u64]) -> Result<()> {
    let third = memory.len() / 3;
    ensure!(third > 0, "too short to say anything about memory");
    let mean = |part: &[u64]| part.iter().sum::<u64>() / third as u64;
    let (early, late) = (
        mean(&memory[..third]),
        mean(&memory[memory.len() - third..]),
    );
    println!("memory of the first replica: {early} MiB in the first third, {late} MiB in the last");
    let (mib, per_cent) = FLAT;
    let more = late.saturating_sub(early);
    ensure!(
        more <= mib || more * 100 <= early * per_cent,
        "memory grows"
    );
    Ok(())
}
