//! The chain of seals over the audit trail: places and hashes, given to committed rows.
//!
//! What a hash is made with, and what a broken one means, is the matter of [`crate::audit`]. Only
//! whoever holds [`Transaction::take_audit_turn`] appends.

use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait as _, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::entity::audit_event::{self, Model as Event};
use super::entity::audit_seal::{Column, Entity, Model};
use super::row::Row;
use super::{Repository, StoreError, Transaction};
use crate::domain::Timestamp;

const TABLE: &str = "audit_seals";
const CHAIN: &str = "audit_chain";
/// The one row of [`CHAIN`].
const NAME: &str = "audit";

/// A row's place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// The place, from 1, without gaps.
    pub position: i64,
    /// The audit row's id.
    pub event_id: i64,
    /// Over the seal before, the place, and the row.
    pub hash: [u8; 32],
    /// Whether it was made with a key that is not in the open.
    pub keyed: bool,
}

/// A committed row without a place.
#[derive(Debug, Clone)]
pub struct UnsealedRow {
    /// Its id.
    pub id: i64,
    /// Everything in it, unambiguously.
    pub bytes: Vec<u8>,
}

/// A seal and the row it is for.
#[derive(Debug, Clone)]
pub struct SealedRow {
    /// The seal.
    pub seal: Seal,
    /// When the row says that it happened, and everything in it; `None` when it is gone.
    pub row: Option<(Timestamp, Vec<u8>)>,
}

impl<C: ConnectionTrait> Repository<C> {
    /// The key of the hashes, as stored; `None` when none was made.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_chain_key(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let asked = Query::select()
            .column("chain_key")
            .from(CHAIN)
            .and_where(Expr::col("name").eq(NAME))
            .take();
        let row = self.connection.query_one(&asked).await?;
        Ok(match row {
            Some(row) => row.try_get("", "chain_key")?,
            None => None,
        })
    }

    /// Stores the key of the hashes; false when there is one already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_audit_chain_key(&self, sealed: &[u8]) -> Result<bool, StoreError> {
        let update = Query::update()
            .table(CHAIN)
            .value("chain_key", sealed.to_vec())
            .and_where(Expr::col("name").eq(NAME))
            .and_where(Expr::col("chain_key").is_null())
            .take();
        Ok(self.connection.execute(&update).await?.rows_affected() == 1)
    }

    /// The last seal.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_head(&self) -> Result<Option<Seal>, StoreError> {
        Entity::find()
            .order_by_desc(Column::Position)
            .one(&self.connection)
            .await?
            .map(Seal::try_from)
            .transpose()
    }

    /// Committed rows without a seal whose ids are above `after`, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unsealed_audit(
        &self,
        after: i64,
        limit: u64,
    ) -> Result<Vec<UnsealedRow>, StoreError> {
        let rows = unsealed()
            .filter(audit_event::Column::Id.gt(after))
            .order_by_asc(audit_event::Column::Id)
            .limit(limit)
            .all(&self.connection)
            .await?;
        Ok(rows
            .iter()
            .map(|row| UnsealedRow {
                id: row.id,
                bytes: canonical(row),
            })
            .collect())
    }

    /// How many rows with ids above `after` have no seal.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_unsealed_audit(&self, after: i64) -> Result<u64, StoreError> {
        let rows = unsealed().filter(audit_event::Column::Id.gt(after));
        Ok(rows.count(&self.connection).await?)
    }

    /// Seals behind the place `after`, in order, each with its row.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sealed_audit(&self, after: i64, limit: u64) -> Result<Vec<SealedRow>, StoreError> {
        let seals = Entity::find()
            .filter(Column::Position.gt(after))
            .order_by_asc(Column::Position)
            .limit(limit)
            .all(&self.connection)
            .await?;
        let ids: Vec<_> = seals.iter().map(|seal| seal.event_id).collect();
        let rows = audit_event::Entity::find()
            .filter(audit_event::Column::Id.is_in(ids))
            .all(&self.connection)
            .await?;
        let rows: std::collections::HashMap<_, _> =
            rows.into_iter().map(|row| (row.id, row)).collect();
        seals
            .into_iter()
            .map(|seal| {
                let row = rows.get(&seal.event_id);
                Ok(SealedRow {
                    row: row.map(|row| (Timestamp::from_millis(row.at), canonical(row))),
                    seal: Seal::try_from(seal)?,
                })
            })
            .collect()
    }
}

impl Transaction {
    /// Waits until nobody else appends seals, and keeps others from it until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_audit_turn(&self) -> Result<(), StoreError> {
        let update = Query::update()
            .table(CHAIN)
            .value("turn", Expr::col("turn").add(1))
            .and_where(Expr::col("name").eq(NAME))
            .take();
        self.connection.execute(&update).await?;
        Ok(())
    }

    /// Appends seals.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a place is taken, or a row has one.
    pub async fn append_audit_seals(&self, seals: &[Seal]) -> Result<(), StoreError> {
        if seals.is_empty() {
            return Ok(());
        }
        let rows = seals.iter().map(|seal| {
            Model {
                position: seal.position,
                event_id: seal.event_id,
                hash: seal.hash.to_vec(),
                keyed: seal.keyed,
            }
            .into_active_model()
        });
        Entity::insert_many(rows)
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }
}

fn unsealed() -> sea_orm::Select<audit_event::Entity> {
    let sealed = Query::select()
        .expr(Expr::val(1))
        .from(TABLE)
        .and_where(
            Expr::col((Alias::new(TABLE), Alias::new("event_id")))
                .equals((Alias::new("audit_events"), Alias::new("id"))),
        )
        .take();
    audit_event::Entity::find().filter(Expr::exists(sealed).not())
}

impl TryFrom<Model> for Seal {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let key = model.position.to_string();
        let row = Row::new(TABLE, &key);
        Ok(Self {
            position: model.position,
            event_id: model.event_id,
            hash: row.bytes("hash", &model.hash)?,
            keyed: model.keyed,
        })
    }
}

/// Everything in a row, each value with its length in front, so that no two rows give the same bytes.
fn canonical(row: &Event) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    for number in [row.id, row.at] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    let values = [
        Some(&row.event),
        Some(&row.outcome),
        row.error.as_ref(),
        Some(&row.actor_kind),
        row.actor_id.as_ref(),
        row.sub.as_ref(),
        row.client_id.as_ref(),
        row.resource.as_ref(),
        row.downstream.as_ref(),
        row.tool.as_ref(),
        row.scope.as_ref(),
        row.grant_id.as_ref(),
        row.request_id.as_ref(),
        row.trace_id.as_ref(),
        row.address.as_ref(),
        Some(&row.details),
    ];
    for value in values {
        match value {
            // No value is so long.
            None => bytes.extend_from_slice(&u64::MAX.to_be_bytes()),
            Some(text) => {
                let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }
    bytes
}
