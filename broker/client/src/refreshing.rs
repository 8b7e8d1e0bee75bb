//! A value that is fetched when needed: cached, single flight, with a limit on how often.
//!
//! Used for JWKS and for authorization-server metadata. It knows when to fetch and how to share
//! the result; what is fetched is the business of its users.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::task::JoinError;

use crate::ambient::{Clock, elapsed};

/// When a value is fetched again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A value older than this is fetched again before it is used.
    pub(crate) max_age: Duration,
    /// After a successful fetch, nobody can cause another one for this long.
    pub(crate) after_success: Duration,
    /// After a failed fetch, likewise, while an older value is at hand.
    pub(crate) after_failure: Duration,
    /// After a failed fetch, likewise, when there has never been a value: short, because nothing
    /// works without one and the other side may just be starting.
    pub(crate) while_empty: Duration,
}

type Fetch<T, E> = dyn Fn() -> BoxFuture<'static, Result<T, E>> + Send + Sync;

/// A cached value and the way to fetch it.
pub(crate) struct Refreshing<T, E> {
    inner: Arc<Inner<T, E>>,
}

struct Inner<T, E> {
    clock: Arc<dyn Clock>,
    limits: Limits,
    fetch: Box<Fetch<T, E>>,
    state: RwLock<State<T, E>>,
    /// Held by whoever fetches.
    flight: tokio::sync::Mutex<()>,
}

struct State<T, E> {
    value: Option<(Arc<T>, SystemTime)>,
    failure: Option<(Arc<E>, SystemTime)>,
}

impl<T, E> Clone for State<T, E> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            failure: self.failure.clone(),
        }
    }
}

impl<T, E> State<T, E> {
    /// What a caller gets without a fetch: a value of any age before a failure.
    fn outcome(&self) -> Option<Result<Arc<T>, Arc<E>>> {
        let value = self.value.as_ref().map(|(value, _)| Ok(Arc::clone(value)));
        value.or_else(|| {
            self.failure
                .as_ref()
                .map(|(error, _)| Err(Arc::clone(error)))
        })
    }

    fn satisfies(&self, now: SystemTime, limits: &Limits, wanted: &impl Fn(&T) -> bool) -> bool {
        self.value
            .as_ref()
            .is_some_and(|(value, at)| elapsed(*at, now) < limits.max_age && wanted(value))
    }

    /// Whether the limits allow a fetch now.
    fn may_fetch(&self, now: SystemTime, limits: &Limits) -> bool {
        let after_failure = if self.value.is_some() {
            limits.after_failure
        } else {
            limits.while_empty
        };
        let rested =
            |at: Option<SystemTime>, pause: Duration| at.is_none_or(|at| elapsed(at, now) >= pause);
        rested(self.value.as_ref().map(|(_, at)| *at), limits.after_success)
            && rested(self.failure.as_ref().map(|(_, at)| *at), after_failure)
    }
}

impl<T, E> Refreshing<T, E>
where
    T: Send + Sync + 'static,
    E: From<JoinError> + Send + Sync + 'static,
{
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        limits: Limits,
        fetch: impl Fn() -> BoxFuture<'static, Result<T, E>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                clock,
                limits,
                fetch: Box::new(fetch),
                state: RwLock::new(State {
                    value: None,
                    failure: None,
                }),
                flight: tokio::sync::Mutex::new(()),
            }),
        }
    }

    /// The value, fetched first when it is missing, too old, or not what is `wanted` and the
    /// limits allow. A failed fetch leaves the old value in use.
    ///
    /// What comes back may still not be what is `wanted`.
    ///
    /// # Errors
    ///
    /// The last failure, when there is no value at all; or that the fetch was aborted, because it
    /// panicked or the runtime is going down.
    pub(crate) async fn get(
        &self,
        wanted: impl Fn(&T) -> bool + Send + Sync,
    ) -> Result<Arc<T>, Arc<E>> {
        let seen = self.inner.state();
        let now = self.inner.clock.now();
        let limits = &self.inner.limits;
        let fetch_now = !seen.satisfies(now, limits, &wanted) && seen.may_fetch(now, limits);
        if !fetch_now && let Some(outcome) = seen.outcome() {
            return outcome;
        }
        // A task of its own: a caller that goes away must not abort the flight that others wait
        // for, nor make room for another request before this one has counted.
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move { inner.fetch_once().await })
            .await
            .unwrap_or_else(|aborted| Err(Arc::new(E::from(aborted))))
    }
}

impl<T: Send + Sync, E: Send + Sync> Inner<T, E> {
    fn state(&self) -> State<T, E> {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Fetches, unless someone else did while we waited for our turn.
    async fn fetch_once(&self) -> Result<Arc<T>, Arc<E>> {
        let _flight = self.flight.lock().await;
        let seen = self.state();
        if !seen.may_fetch(self.clock.now(), &self.limits)
            && let Some(outcome) = seen.outcome()
        {
            return outcome;
        }
        let result = (self.fetch)().await.map(Arc::new).map_err(Arc::new);
        let now = self.clock.now();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(value) => {
                *state = State {
                    value: Some((Arc::clone(&value), now)),
                    failure: None,
                };
                Ok(value)
            }
            Err(error) => {
                state.failure = Some((Arc::clone(&error), now));
                state
                    .value
                    .as_ref()
                    .map_or(Err(error), |(value, _)| Ok(Arc::clone(value)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;
    use crate::testing::FakeClock;

    #[derive(Debug, thiserror::Error)]
    #[error("failed")]
    struct Failed;

    impl From<JoinError> for Failed {
        fn from(_: JoinError) -> Self {
            Self
        }
    }

    const LIMITS: Limits = Limits {
        max_age: Duration::from_mins(10),
        after_success: Duration::from_mins(1),
        after_failure: Duration::from_secs(30),
        while_empty: Duration::from_secs(5),
    };

    /// A value that counts its fetches, a clock, and a switch that makes fetching fail.
    struct Case {
        cached: Refreshing<usize, Failed>,
        clock: Arc<FakeClock>,
        fails: Arc<AtomicBool>,
        fetches: Arc<AtomicUsize>,
    }

    impl Case {
        fn new() -> Self {
            let clock = Arc::new(FakeClock::at(1_000_000));
            let fails = Arc::new(AtomicBool::new(false));
            let fetches = Arc::new(AtomicUsize::new(0));
            let (fail, count) = (Arc::clone(&fails), Arc::clone(&fetches));
            let time: Arc<dyn Clock> = Arc::clone(&clock) as _;
            let cached = Refreshing::new(time, LIMITS, move || {
                let (fail, count) = (Arc::clone(&fail), Arc::clone(&count));
                Box::pin(async move {
                    let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                    tokio::task::yield_now().await;
                    if fail.load(Ordering::SeqCst) {
                        Err(Failed)
                    } else {
                        Ok(number)
                    }
                })
            });
            Self {
                cached,
                clock,
                fails,
                fetches,
            }
        }

        async fn get(&self, wanted: bool) -> Option<usize> {
            self.cached.get(|_| wanted).await.ok().map(|value| *value)
        }

        fn fetches(&self) -> usize {
            self.fetches.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn a_value_is_kept_until_it_is_too_old() {
        let case = Case::new();
        assert_eq!(case.get(true).await, Some(1));
        case.clock.advance(Duration::from_secs(599));
        assert_eq!(case.get(true).await, Some(1));
        case.clock.advance(Duration::from_secs(1));
        assert_eq!(case.get(true).await, Some(2));
    }

    #[tokio::test]
    async fn wanting_something_else_fetches_at_most_once_a_minute() {
        let case = Case::new();
        for _ in 0..50 {
            assert_eq!(case.get(false).await, Some(1));
        }
        case.clock.advance(Duration::from_mins(1));
        for _ in 0..50 {
            assert_eq!(case.get(false).await, Some(2));
        }
        assert_eq!(case.fetches(), 2);
    }

    #[tokio::test]
    async fn a_failure_keeps_the_old_value_and_waits_half_a_minute() {
        let case = Case::new();
        case.get(true).await;
        case.fails.store(true, Ordering::SeqCst);
        case.clock.advance(Duration::from_mins(10));
        assert_eq!((case.get(true).await, case.fetches()), (Some(1), 2));
        case.clock.advance(Duration::from_secs(29));
        assert_eq!((case.get(true).await, case.fetches()), (Some(1), 2));
        case.fails.store(false, Ordering::SeqCst);
        case.clock.advance(Duration::from_secs(1));
        assert_eq!((case.get(true).await, case.fetches()), (Some(3), 3));
    }

    #[tokio::test]
    async fn without_any_value_a_failure_is_reported_and_retried_sooner() {
        let case = Case::new();
        case.fails.store(true, Ordering::SeqCst);
        assert_eq!((case.get(true).await, case.get(true).await), (None, None));
        assert_eq!(case.fetches(), 1);
        case.fails.store(false, Ordering::SeqCst);
        case.clock.advance(Duration::from_secs(5));
        assert_eq!(case.get(true).await, Some(2));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_does_not_stop_the_flight() {
        let case = Case::new();
        {
            let mut impatient = Box::pin(case.cached.get(|_| true));
            // Polled once: the flight has started. Then dropped.
            assert!(futures_util::poll!(&mut impatient).is_pending());
        }
        assert_eq!(case.get(true).await, Some(1));
        assert_eq!(case.fetches(), 1);
    }
}
