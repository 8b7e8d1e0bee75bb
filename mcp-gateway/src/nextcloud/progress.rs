//! How far a long call is, for a caller that wants to know.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

/// One step of a long call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How much is done.
    pub done: usize,
    /// How much there is, if that is known.
    pub total: Option<usize>,
    /// What was done, for people.
    pub message: String,
}

/// Somebody who is told.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Takes note of a step.
    async fn hear(&self, step: Step);
}

/// Tells the caller of a long call how far it is, and does nothing when nobody asked.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn Listener>>);

impl Progress {
    /// Tells `listener`.
    #[must_use]
    pub fn to(listener: Arc<dyn Listener>) -> Self {
        Self(Some(listener))
    }

    /// Says that `done` of `total` are done; `done` has to grow from one report to the next.
    pub async fn report(
        &self,
        done: usize,
        total: Option<usize>,
        message: impl FnOnce() -> String + Send,
    ) {
        if let Some(listener) = &self.0 {
            let message = message();
            listener
                .hear(Step {
                    done,
                    total,
                    message,
                })
                .await;
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Progress").field(&self.0.is_some()).finish()
    }
}
