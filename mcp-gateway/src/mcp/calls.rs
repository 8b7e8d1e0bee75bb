//! The calls that run on this replica, so that `notifications/cancelled` finds the one it names.
//!
//! A stateless server knows no session: a call is known by the access token that it came with and
//! the id of its request. Two sessions may share a token and count from the same number; a name that
//! is not unique cancels nothing. In the 2026-07-28 era clients close the connection instead.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::RequestId;
use tokio_util::sync::CancellationToken;

use crate::credentials::Caller;

/// All running calls.
#[derive(Default)]
pub struct Calls(Mutex<Vec<Entry>>);

struct Entry {
    name: Name,
    stop: CancellationToken,
    /// Tells entries of the same name apart.
    number: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    /// `jti` of the access token; empty on a gateway without a broker.
    token: String,
    request: RequestId,
}

impl Name {
    fn new(caller: &Caller, request: &RequestId) -> Self {
        let token = match caller {
            Caller::Token(caller) => caller.claims().jti.clone(),
            Caller::SingleUser => String::new(),
        };
        Self {
            token,
            request: request.clone(),
        }
    }
}

impl Calls {
    /// Notes that a call runs, until what is returned is dropped.
    #[must_use]
    pub fn start(self: &Arc<Self>, caller: &Caller, request: &RequestId) -> Running {
        let stop = CancellationToken::new();
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = entries.last().map_or(0, |last| last.number + 1);
        entries.push(Entry {
            name: Name::new(caller, request),
            stop: stop.clone(),
            number,
        });
        Running {
            calls: Arc::clone(self),
            stop,
            number,
        }
    }

    /// Stops the one call of this caller with this id.
    pub fn cancel(&self, caller: &Caller, request: &RequestId) {
        let name = Name::new(caller, request);
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut named = entries.iter().filter(|entry| entry.name == name);
        if let (Some(entry), None) = (named.next(), named.next()) {
            entry.stop.cancel();
        }
    }
}

/// A call that runs.
pub struct Running {
    calls: Arc<Calls>,
    stop: CancellationToken,
    number: u64,
}

impl Running {
    /// Returns once the caller has cancelled the call.
    pub async fn cancelled(&self) {
        self.stop.cancelled().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut entries = self.calls.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: Caller = Caller::SingleUser;

    #[test]
    fn a_call_is_cancelled_by_its_own_id_alone() {
        let calls = Arc::new(Calls::default());
        let (one, two) = (RequestId::Number(1), RequestId::String("1".into()));
        let (first, second) = (calls.start(&CALLER, &one), calls.start(&CALLER, &two));
        calls.cancel(&CALLER, &RequestId::Number(3));
        calls.cancel(&CALLER, &one);
        assert!(first.stop.is_cancelled() && !second.stop.is_cancelled());
    }

    #[test]
    fn an_id_that_is_not_unique_cancels_nothing() {
        let calls = Arc::new(Calls::default());
        let id = RequestId::Number(1);
        let (first, second) = (calls.start(&CALLER, &id), calls.start(&CALLER, &id));
        calls.cancel(&CALLER, &id);
        assert!(!first.stop.is_cancelled() && !second.stop.is_cancelled());
        drop(first);
        calls.cancel(&CALLER, &id);
        assert!(second.stop.is_cancelled(), "now it is");
        drop(second);
        assert!(calls.0.lock().expect("lock").is_empty());
    }
}
