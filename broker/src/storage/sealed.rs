//! Every sealed column there is, whatever its table: what a change of encryption keys must know.
//!
//! A table that keeps something sealed adds its columns to [`SEALED_COLUMNS`]; then its values are
//! counted, re-sealed, and a start without their key is refused. The id of the key stands in front
//! of a sealed value ([`crate::crypto`]), so the database finds them by it.

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait as _, Func, Query, SimpleExpr};

use super::{Repository, StoreError};

/// A column whose values are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedColumn {
    /// Table.
    pub table: &'static str,
    /// Column.
    pub column: &'static str,
    /// Primary key of the table, which the seal is bound to.
    key: &'static str,
    /// Where the user stands, whom the seal is bound to as well; `None` for the broker's own.
    user: Option<&'static str>,
    /// The column that says whether the value is sealed, where it need not be.
    flag: Option<&'static str>,
}

/// All of them.
pub const SEALED_COLUMNS: [SealedColumn; 6] = [
    SealedColumn {
        table: "signing_keys",
        column: "private_key",
        key: "kid",
        user: None,
        flag: Some("sealed"),
    },
    SealedColumn {
        table: "upstream_tokens",
        column: "access_token",
        key: "flow",
        user: Some("sub"),
        flag: None,
    },
    SealedColumn {
        table: "upstream_tokens",
        column: "refresh_token",
        key: "flow",
        user: Some("sub"),
        flag: None,
    },
    SealedColumn {
        table: "offline_tokens",
        column: "access_token",
        key: "offline_grant",
        user: Some("sub"),
        flag: None,
    },
    SealedColumn {
        table: "offline_tokens",
        column: "refresh_token",
        key: "offline_grant",
        user: Some("sub"),
        flag: None,
    },
    SealedColumn {
        table: "audit_chain",
        column: "chain_key",
        key: "name",
        user: None,
        flag: None,
    },
];

/// A sealed value and what it is bound to.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedValue {
    /// Primary key of its row.
    pub row: String,
    /// Its user; empty for the broker's own.
    pub user: String,
    /// As stored.
    pub value: Vec<u8>,
}

impl<C: ConnectionTrait> Repository<C> {
    /// How many values of `column` begin with `header`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_sealed(
        &self,
        column: &SealedColumn,
        header: &[u8],
    ) -> Result<u64, StoreError> {
        let counted = Query::select()
            .expr_as(Expr::col(Alias::new(column.key)).count(), Alias::new("n"))
            .from(Alias::new(column.table))
            .cond_where(column.condition())
            .and_where(starts_with(column, header).eq(header.to_vec()))
            .take();
        let row = self.connection.query_one(&counted).await?;
        let count: i64 = match row {
            Some(row) => row.try_get("", "n")?,
            None => 0,
        };
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Values of `column` that begin with none of `headers`, by row, behind the row `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sealed_otherwise(
        &self,
        column: &SealedColumn,
        headers: &[Vec<u8>],
        after: &str,
        limit: u64,
    ) -> Result<Vec<SealedValue>, StoreError> {
        let key = || Expr::col(Alias::new(column.key));
        let user = match column.user {
            Some(user) => Expr::col(Alias::new(user)),
            None => Expr::value(""),
        };
        let mut others = column.condition();
        for header in headers {
            others = others.add(starts_with(column, header).ne(header.clone()));
        }
        let found = Query::select()
            .expr_as(key(), Alias::new("row_key"))
            .expr_as(user, Alias::new("row_user"))
            .expr_as(Expr::col(Alias::new(column.column)), Alias::new("value"))
            .from(Alias::new(column.table))
            .cond_where(others)
            .and_where(key().gt(after))
            .order_by(Alias::new(column.key), sea_orm::Order::Asc)
            .limit(limit)
            .take();
        let rows = self.connection.query_all(&found).await?;
        rows.into_iter()
            .map(|row| {
                Ok(SealedValue {
                    row: row.try_get("", "row_key")?,
                    user: row.try_get("", "row_user")?,
                    value: row.try_get("", "value")?,
                })
            })
            .collect()
    }

    /// Puts `new` in the place of `old`; false when the value was changed meanwhile, or is gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn replace_sealed(
        &self,
        column: &SealedColumn,
        old: &SealedValue,
        new: &[u8],
    ) -> Result<bool, StoreError> {
        let replaced = Query::update()
            .table(Alias::new(column.table))
            .value(Alias::new(column.column), new.to_vec())
            .and_where(Expr::col(Alias::new(column.key)).eq(old.row.as_str()))
            .and_where(Expr::col(Alias::new(column.column)).eq(old.value.clone()))
            .take();
        Ok(self.connection.execute(&replaced).await?.rows_affected() == 1)
    }
}

impl SealedColumn {
    /// Rows that have a sealed value.
    fn condition(&self) -> Condition {
        let there = Condition::all().add(Expr::col(Alias::new(self.column)).is_not_null());
        match self.flag {
            Some(flag) => there.add(Expr::col(Alias::new(flag)).eq(true)),
            None => there,
        }
    }
}

/// As many first bytes of the value as `header` has.
fn starts_with(column: &SealedColumn, header: &[u8]) -> SimpleExpr {
    let length = i32::try_from(header.len()).unwrap_or(i32::MAX);
    Func::cust(Alias::new("substr"))
        .arg(Expr::col(Alias::new(column.column)))
        .arg(1)
        .arg(length)
        .into()
}
