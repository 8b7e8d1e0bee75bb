//! Leases: work of which one replica at a time does its turn.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::entity::lease::{Column, Entity, Model};
use super::{Lease, Repository, StoreError};
use crate::domain::Timestamp;

const TABLE: &str = "leases";

impl<C: ConnectionTrait> Repository<C> {
    /// Takes the lease of this name, or keeps it; false while another holds it. Not inside a
    /// transaction: there a conflict would end it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_lease(
        &self,
        name: &str,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let free = Condition::any()
            .add(Column::Holder.eq(lease.holder.to_vec()))
            .add(Column::Until.lte(now.as_millis()));
        let updated = Entity::update_many()
            .col_expr(Column::Holder, Expr::value(lease.holder.to_vec()))
            .col_expr(Column::Until, Expr::value(lease.until.as_millis()))
            .filter(Column::Name.eq(name))
            .filter(free)
            .exec(&self.connection)
            .await?;
        if updated.rows_affected == 1 {
            return Ok(true);
        }
        if Entity::find_by_id(name)
            .one(&self.connection)
            .await?
            .is_some()
        {
            return Ok(false);
        }
        let model = Model {
            name: name.to_owned(),
            holder: lease.holder.to_vec(),
            until: lease.until.as_millis(),
        };
        let inserted = Entity::insert(model.into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE));
        match inserted {
            Ok(_) => Ok(true),
            // Another replica was first.
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives a lease back before its time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_lease(&self, name: &str, lease: Lease) -> Result<(), StoreError> {
        Entity::delete_many()
            .filter(Column::Name.eq(name))
            .filter(Column::Holder.eq(lease.holder.to_vec()))
            .exec(&self.connection)
            .await?;
        Ok(())
    }
}
