//! Lists in pages, newest first: a page begins after the last row of the one before, so rows that
//! come or go meanwhile neither repeat nor hide another.

use sea_orm::{ColumnTrait, Condition};

use crate::domain::Timestamp;

/// Where a page of rows that have a moment and an id ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The moment of the last row.
    pub at: Timestamp,
    /// Its id, for rows of the same moment.
    pub id: String,
}

/// A page.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page continues; none on the last.
    pub next: Option<Position>,
}

impl<T> Page<T> {
    /// A page of at most `limit` rows, of `limit + 1` that were asked for.
    pub(super) fn of(mut items: Vec<T>, limit: u64, position: impl Fn(&T) -> Position) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(position);
        Self { items, next }
    }
}

/// The rows behind `position`, newest first.
pub(super) fn behind<C: ColumnTrait>(at: C, id: C, position: &Position) -> Condition {
    let moment = position.at.as_millis();
    Condition::any().add(at.lt(moment)).add(
        Condition::all()
            .add(at.eq(moment))
            .add(id.lt(position.id.as_str())),
    )
}
