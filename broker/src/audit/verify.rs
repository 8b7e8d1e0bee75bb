//! What a chain of seals proves about the audit trail, and what is wrong where it does not.

use std::fmt;
use std::time::Duration;

use super::chain::{ChainError, secret, written};
use crate::crypto::{self, ChainKey, Cipher};
use crate::domain::Timestamp;
use crate::storage::{Seal, SealedRow, Store};

/// Seals read at once.
const PAGE: u64 = 500;

/// The most findings that are told; whoever has more has one problem.
const MOST: usize = 100;

/// How much earlier than the rows before it a row may claim to be: clocks of replicas differ, and
/// requests take their time.
const TOLERANCE: Duration = Duration::from_mins(5);

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Rows with a seal.
    pub sealed: u64,
    /// Seals among them that anybody could have made, since there was no key.
    pub open: u64,
    /// Rows without one: of the last second, if a broker runs.
    pub unsealed: u64,
    /// The last seal, to be noted down elsewhere.
    pub head: Option<String>,
    /// What is wrong, in the order of the chain.
    pub findings: Vec<Finding>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The row of a seal is gone.
    MissingRow {
        /// Place.
        position: i64,
        /// Row.
        event_id: i64,
    },
    /// The row is not what was sealed at this place, or the seal is not what was written.
    Changed {
        /// Place.
        position: i64,
        /// Row.
        event_id: i64,
    },
    /// Seals are gone.
    MissingSeals {
        /// The first place that is empty.
        from: i64,
        /// The last.
        to: i64,
    },
    /// A row that claims to be older than those that were there before it.
    Inserted {
        /// Place.
        position: i64,
        /// Row.
        event_id: i64,
    },
    /// A seal that anybody could have made, where there was a key already.
    NotKeyed {
        /// Place.
        position: i64,
        /// Row.
        event_id: i64,
    },
    /// The seal that was noted down is not there.
    NotAsNoted {
        /// What was noted down.
        noted: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingRow { position, event_id } => {
                write!(formatter, "row {event_id} is missing (place {position})")
            }
            Self::Changed { position, event_id } => write!(
                formatter,
                "row {event_id} was changed or moved, or its seal was (place {position})"
            ),
            Self::MissingSeals { from, to } => {
                write!(formatter, "the seals of places {from} to {to} are missing")
            }
            Self::Inserted { position, event_id } => write!(
                formatter,
                "row {event_id} was inserted: it claims to be older than rows that were there \
                 before it (place {position})"
            ),
            Self::NotKeyed { position, event_id } => write!(
                formatter,
                "row {event_id} was sealed without the key (place {position})"
            ),
            Self::NotAsNoted { noted } => write!(
                formatter,
                "the trail does not have the seal {noted}: its end was cut off, or it was written \
                 anew"
            ),
        }
    }
}

/// Checks the whole chain; `noted` is a seal (`position:hash`), noted down before.
///
/// # Errors
/// When the database fails or the chain's key does not open.
pub async fn verify(
    store: &Store,
    cipher: &Cipher,
    noted: Option<&str>,
) -> Result<Report, ChainError> {
    let secret = secret(store, cipher).await?;
    let open = ChainKey::open();
    let mut report = Report::default();
    let mut walk = Walk::default();
    let mut found_noted = noted.is_none();
    loop {
        let page = store.sealed_audit(walk.position, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        report.head = Some(written(&last.seal));
        for sealed in &page {
            report.sealed += 1;
            report.open += u64::from(!sealed.seal.keyed);
            found_noted |= noted.is_some_and(|noted| written(&sealed.seal) == noted);
            let key = match &secret {
                Some(secret) if sealed.seal.keyed => secret,
                _ => &open,
            };
            for finding in walk.step(sealed, key) {
                if report.findings.len() < MOST {
                    report.findings.push(finding);
                }
            }
        }
    }
    if let (false, Some(noted)) = (found_noted, noted) {
        let noted = noted.to_owned();
        report.findings.push(Finding::NotAsNoted { noted });
    }
    report.unsealed = store.count_unsealed_audit(0).await?;
    Ok(report)
}

/// Where a walk along the chain is.
#[derive(Default)]
struct Walk {
    position: i64,
    /// The seal before; `None` behind a gap, where nothing can be said about the next.
    previous: Option<Seal>,
    /// Whether a key was in use.
    keyed: bool,
    newest: Option<Timestamp>,
}

impl Walk {
    fn step(&mut self, sealed: &SealedRow, key: &ChainKey) -> Vec<Finding> {
        let mut findings = Vec::new();
        let Seal {
            position, event_id, ..
        } = sealed.seal;
        let is_next = position == self.position + 1;
        if !is_next {
            findings.push(Finding::MissingSeals {
                from: self.position + 1,
                to: position - 1,
            });
        }
        if self.keyed && !sealed.seal.keyed {
            findings.push(Finding::NotKeyed { position, event_id });
        }
        match &sealed.row {
            None => findings.push(Finding::MissingRow { position, event_id }),
            Some((at, content)) => {
                let previous = match self.previous {
                    Some(seal) => Some(seal.hash),
                    None => (position == 1).then_some([0; 32]),
                };
                if let (true, Some(previous)) = (is_next, previous)
                    && !crypto::same(&key.link(&previous, position, content), &sealed.seal.hash)
                {
                    findings.push(Finding::Changed { position, event_id });
                }
                // Those before it, as far as they can be believed.
                if self
                    .newest
                    .is_some_and(|newest| newest.since(*at) > TOLERANCE)
                {
                    findings.push(Finding::Inserted { position, event_id });
                }
                if self.newest.is_none_or(|newest| *at > newest) {
                    self.newest = Some(*at);
                }
            }
        }
        self.position = position;
        self.previous = Some(sealed.seal);
        self.keyed |= sealed.seal.keyed;
        findings
    }
}
