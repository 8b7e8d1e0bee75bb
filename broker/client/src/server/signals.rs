//! The signals by which a program is told to stop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What the program ends with when it is told to stop twice: like one that SIGINT ended.
const IMPATIENT: i32 = 130;

/// A token that SIGTERM or SIGINT cancels. A second signal ends the process at once.
///
/// # Errors
/// When the system does not let us wait for signals.
///
/// # Panics
/// Outside a tokio runtime.
pub fn stop_on_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        let name = next(&mut terminate, &mut interrupt).await;
        tracing::info!("{name}: finishing what is in progress; a second signal ends it at once");
        told.cancel();
        let name = next(&mut terminate, &mut interrupt).await;
        tracing::warn!("{name} again: ending at once");
        std::process::exit(IMPATIENT);
    });
    Ok(stop)
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
