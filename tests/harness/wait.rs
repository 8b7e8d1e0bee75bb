//! Waiting for something to become true, instead of sleeping and hoping.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks again and again until the answer is `Some`, for at most `patience`.
///
/// # Errors
/// Says what was waited for when the patience is over.
pub async fn until<T, F>(what: &str, patience: Duration, mut ask: F) -> Result<T>
where
    F: AsyncFnMut() -> Option<T>,
{
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return Ok(answer);
        }
        if start.elapsed() > patience {
            bail!("waited {patience:?} for {what}, in vain");
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
