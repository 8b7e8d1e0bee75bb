//! Rows with tokens of the identity provider that one process at a time may renew.
//!
//! Asking the provider for new tokens spends the old ones, so of all replicas one at a time may: it
//! takes the row's lease by one conditional UPDATE, which names the version that it saw. A lease
//! ends by itself, for a replica that died.

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait as _, Query, UpdateStatement};

use super::{Repository, StoreError};
use crate::domain::Timestamp;

/// The right of one process to renew the tokens of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Random: which try has it.
    pub holder: [u8; 16],
    /// When others may take over.
    pub until: Timestamp,
}

/// A table whose rows are leased.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leasable {
    /// Its name.
    pub(super) table: &'static str,
    /// Its primary key.
    pub(super) key: &'static str,
}

/// What the holder of a lease brought.
pub(super) struct Renewed<'a> {
    pub(super) access_token: &'a [u8],
    pub(super) refresh_token: Option<&'a [u8]>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) renew_at: Option<Timestamp>,
    pub(super) version: i64,
}

impl Leasable {
    fn update(&self, key: &str) -> UpdateStatement {
        Query::update()
            .table(Alias::new(self.table))
            .and_where(Expr::col(Alias::new(self.key)).eq(key))
            .take()
    }

    /// An update by the holder of `lease`, who gives it back; `until` is left in its place.
    fn last_update(&self, key: &str, lease: Lease, until: Option<Timestamp>) -> UpdateStatement {
        self.update(key)
            .value(Alias::new("lease_holder"), None::<Vec<u8>>)
            .value(Alias::new("lease_until"), millis(until))
            .and_where(Expr::col(Alias::new("lease_holder")).eq(lease.holder.to_vec()))
            .take()
    }
}

impl<C: ConnectionTrait> Repository<C> {
    /// Takes the lease of a row, if it is still at `version` and nobody else holds one.
    pub(super) async fn lease(
        &self,
        rows: Leasable,
        key: &str,
        version: i64,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let until = || Expr::col(Alias::new("lease_until"));
        let free = Condition::any()
            .add(until().is_null())
            .add(until().lte(now.as_millis()));
        let taken = rows
            .update(key)
            .value(Alias::new("lease_holder"), lease.holder.to_vec())
            .value(Alias::new("lease_until"), lease.until.as_millis())
            .and_where(Expr::col(Alias::new("version")).eq(version))
            .cond_where(free)
            .take();
        Ok(self.connection.execute(&taken).await?.rows_affected() == 1)
    }

    /// Writes what the holder of the lease brought, and gives the lease back; false when it is not
    /// the holder any more, or the row is gone.
    pub(super) async fn renew(
        &self,
        rows: Leasable,
        key: &str,
        lease: Lease,
        renewed: &Renewed<'_>,
    ) -> Result<bool, StoreError> {
        let written = rows
            .last_update(key, lease, None)
            .value(Alias::new("access_token"), renewed.access_token.to_vec())
            .value(
                Alias::new("refresh_token"),
                renewed.refresh_token.map(<[u8]>::to_vec),
            )
            .value(Alias::new("expires_at"), millis(renewed.expires_at))
            .value(Alias::new("renew_at"), millis(renewed.renew_at))
            .value(Alias::new("version"), renewed.version)
            .take();
        Ok(self.connection.execute(&written).await?.rows_affected() == 1)
    }

    /// Gives a lease back without having renewed anything. What is left of an `earlier` one, whose
    /// holder died, stays to be seen.
    pub(super) async fn release(
        &self,
        rows: Leasable,
        key: &str,
        lease: Lease,
        earlier: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let released = rows.last_update(key, lease, earlier);
        self.connection.execute(&released).await?;
        Ok(())
    }
}

/// A moment as it is stored.
pub(super) fn millis(moment: Option<Timestamp>) -> Option<i64> {
    moment.map(Timestamp::as_millis)
}
