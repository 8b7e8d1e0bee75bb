//! How often something may happen: per address and in total, in a bounded memory.
//!
//! The generic cell rate algorithm: one moment per address says when its past requests are paid for.
//! A minute's worth may come at once. No I/O, and the time comes from the caller.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use broker_client::oauth::OAuthError;

use super::Timestamp;

/// The most addresses that are remembered; further ones share one count until others are idle.
const MOST_ADDRESSES: usize = 20_000;

/// How often the memory is looked through for addresses that are idle.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// What may come at once.
const BURST: i64 = MINUTE;

/// In microseconds.
const MINUTE: i64 = 60_000_000;

/// How many a minute; zero switches a limit off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// From one address (IPv6: one /64).
    pub per_address: u32,
    /// From all together.
    pub in_total: u32,
}

impl Rate {
    /// As many as come.
    pub const NONE: Self = Self {
        per_address: 0,
        in_total: 0,
    };
}

/// Too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Which limit.
    pub limit: ExceededLimit,
    /// When the next may come.
    pub retry_after: Duration,
    /// Whether it is the first in a minute, of this address or of all: worth a row in the audit.
    pub is_first: bool,
}

/// Why somebody is not heard: too many of his requests were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests from this address were refused")]
pub struct TooOften {
    /// When the next may come.
    pub retry_after: Duration,
}

impl From<Exceeded> for TooOften {
    fn from(exceeded: Exceeded) -> Self {
        Self {
            retry_after: exceeded.retry_after,
        }
    }
}

impl From<TooOften> for OAuthError {
    fn from(too_often: TooOften) -> Self {
        Self::temporarily_unavailable(
            "Too many requests from this address were refused. Try again later.",
        )
        .because(too_often)
    }
}

/// Which limit it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExceededLimit {
    /// That of one address.
    Address,
    /// That of all together.
    Total,
}

/// Counts against a [`Rate`].
pub struct RateLimit {
    rate: Rate,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    total: Cell,
    addresses: HashMap<String, Cell>,
    /// For addresses beyond those that can be remembered.
    others: Cell,
    tidied: i64,
}

/// One count.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    /// When everything so far is paid for, in microseconds since 1970.
    paid: i64,
    /// In which minute an excess was told last.
    told: i64,
}

impl RateLimit {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            state: Mutex::default(),
        }
    }

    /// Whether one more may come from `address`; counts nothing.
    ///
    /// # Errors
    /// [`Exceeded`].
    pub fn check(&self, address: Option<&str>, now: Timestamp) -> Result<(), Exceeded> {
        self.visit(address, now, false)
    }

    /// Counts one from `address`.
    ///
    /// # Errors
    /// [`Exceeded`], and then it does not count: whoever goes on does not lock himself out for longer.
    pub fn count(&self, address: Option<&str>, now: Timestamp) -> Result<(), Exceeded> {
        self.visit(address, now, true)
    }

    fn visit(&self, address: Option<&str>, now: Timestamp, counts: bool) -> Result<(), Exceeded> {
        let now = now.as_millis().saturating_mul(1000);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = |a_minute: u32| (a_minute > 0).then(|| MINUTE / i64::from(a_minute));
        let (per_address, in_total) = (cost(self.rate.per_address), cost(self.rate.in_total));
        let refused = |cell: &mut Cell, limit, wait: i64| {
            let minute = now / MINUTE;
            let is_first = cell.told != minute;
            cell.told = minute;
            Exceeded {
                limit,
                retry_after: Duration::from_micros(u64::try_from(wait).unwrap_or_default()),
                is_first,
            }
        };
        if let Some(cost) = per_address {
            let cell = state.cell(address, now);
            if let Some(wait) = cell.wait(cost, now) {
                return Err(refused(cell, ExceededLimit::Address, wait));
            }
        }
        if let Some(cost) = in_total {
            if let Some(wait) = state.total.wait(cost, now) {
                return Err(refused(&mut state.total, ExceededLimit::Total, wait));
            }
            if counts {
                state.total.pay(cost, now);
            }
        }
        if let (Some(cost), true) = (per_address, counts) {
            state.cell(address, now).pay(cost, now);
        }
        Ok(())
    }
}

impl State {
    fn cell(&mut self, address: Option<&str>, now: i64) -> &mut Cell {
        let name = counted_as(address);
        if !self.addresses.contains_key(&name) && self.addresses.len() >= MOST_ADDRESSES {
            let every = i64::try_from(TIDY_EVERY.as_micros()).unwrap_or(i64::MAX);
            if now - self.tidied >= every {
                self.tidied = now;
                self.addresses.retain(|_, cell| cell.paid > now);
            }
            if self.addresses.len() >= MOST_ADDRESSES {
                return &mut self.others;
            }
        }
        self.addresses.entry(name).or_default()
    }
}

impl Cell {
    /// How long until one more of this cost may come; `None`: at once.
    fn wait(&self, cost: i64, now: i64) -> Option<i64> {
        let wait = self.paid.max(now) + cost - now - BURST;
        (wait > 0).then_some(wait)
    }

    fn pay(&mut self, cost: i64, now: i64) {
        self.paid = self.paid.max(now) + cost;
    }
}

/// What an address is counted as: a home or a machine has a whole /64 of IPv6.
#[must_use]
pub fn counted_as(address: Option<&str>) -> String {
    match address.map(str::parse::<IpAddr>) {
        Some(Ok(address)) => match address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        },
        Some(Err(_)) | None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOMEBODY: Option<&str> = Some("192.0.2.1");

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + millis)
    }

    fn limit(per_address: u32, in_total: u32) -> RateLimit {
        RateLimit::new(Rate {
            per_address,
            in_total,
        })
    }

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_one_at_a_time() {
        let limit = limit(6, 0);
        for _ in 0..6 {
            limit.count(SOMEBODY, at(0)).unwrap();
        }
        let exceeded = limit.count(SOMEBODY, at(0)).unwrap_err();
        assert_eq!(exceeded.retry_after, Duration::from_secs(10));
        assert!(exceeded.is_first);
        assert!(!limit.check(SOMEBODY, at(1)).unwrap_err().is_first);
        assert!(limit.count(Some("192.0.2.2"), at(0)).is_ok(), "another");
        assert!(limit.count(SOMEBODY, at(9_999)).is_err());
        assert!(limit.count(SOMEBODY, at(10_000)).is_ok());
        assert!(limit.count(SOMEBODY, at(10_001)).is_err());
        assert!(limit.count(SOMEBODY, at(70_001)).is_ok());
    }

    #[test]
    fn looking_costs_nothing_and_neither_does_what_is_refused() {
        let limit = limit(1, 0);
        for _ in 0..10 {
            limit.check(SOMEBODY, at(0)).unwrap();
        }
        limit.count(SOMEBODY, at(0)).unwrap();
        for _ in 0..10 {
            limit.count(SOMEBODY, at(30_000)).unwrap_err();
        }
        limit.count(SOMEBODY, at(60_000)).unwrap();
    }

    #[test]
    fn all_together_have_a_limit_too_and_zero_is_none() {
        let limit = limit(0, 3);
        for n in 0..3 {
            limit.count(Some(&format!("192.0.2.{n}")), at(0)).unwrap();
        }
        let exceeded = limit.count(Some("192.0.2.9"), at(0)).unwrap_err();
        assert_eq!(exceeded.limit, ExceededLimit::Total);
        let off = self::limit(0, 0);
        for _ in 0..1000 {
            off.count(SOMEBODY, at(0)).unwrap();
        }
    }

    #[test]
    fn the_memory_is_bounded_and_idle_addresses_make_room() {
        let limit = limit(1, 0);
        let address = |n: usize| format!("2001:db8:{:x}:{:x}::1", n >> 16, n & 0xffff);
        for n in 0..MOST_ADDRESSES {
            limit.count(Some(&address(n)), at(0)).unwrap();
        }
        // What does not fit shares one count.
        limit.count(Some(&address(MOST_ADDRESSES)), at(0)).unwrap();
        limit
            .count(Some(&address(MOST_ADDRESSES + 1)), at(0))
            .unwrap_err();
        assert_eq!(limit.state.lock().unwrap().addresses.len(), MOST_ADDRESSES);
        // A minute later nobody owes anything.
        limit
            .count(Some(&address(MOST_ADDRESSES + 1)), at(61_000))
            .unwrap();
        assert_eq!(limit.state.lock().unwrap().addresses.len(), 1);
    }

    #[test]
    fn an_ipv6_address_counts_as_its_network_and_a_mapped_one_as_ipv4() {
        for (address, counted) in [
            (Some("192.0.2.1"), "192.0.2.1"),
            (Some("::ffff:192.0.2.1"), "192.0.2.1"),
            (Some("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64"),
            (Some("2001:db8:1:2::1"), "2001:db8:1:2::/64"),
            (Some("nonsense"), "unknown"),
            (None, "unknown"),
        ] {
            assert_eq!(counted_as(address), counted, "{address:?}");
        }
    }
}
