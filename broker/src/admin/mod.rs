//! The admin API: who may use it, and what it shows.
//!
//! Each request carries an admin token (`broker admin-token create`), of which the database has the
//! hash. Reading needs either role; changes will need [`AdminRole::Write`].

mod audit;

use crate::ambient::Ambient;
use crate::crypto;
use crate::storage::{AdminRole, Store, StoreError};

pub use audit::{AuditItem, AuditList, AuditQuery};

/// The admin API: what it needs.
pub struct AdminApi {
    /// Everything it shows.
    pub store: Store,
    /// Time.
    pub ambient: Ambient,
}

/// Who is asking.
#[derive(Debug, Clone)]
pub struct Administrator {
    /// The name of the token.
    pub name: String,
    /// What it may do.
    pub role: AdminRole,
}

/// Why an admin request fails; the text goes to the administrator.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No admin token, or one that is not known.
    #[error("Send an admin token as bearer; make one with `broker admin-token create`.")]
    Unauthenticated,
    /// The token's role is not enough.
    #[error("The admin token may only read.")]
    Forbidden,
    /// A parameter does not fit.
    #[error("The parameter `{parameter}` {problem}.")]
    Invalid {
        /// Which.
        parameter: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The database failed.
    #[error("The database did not answer. Try again in a moment.")]
    Store(#[from] StoreError),
}

impl AdminApi {
    /// Who presents this `Authorization` header, if he has at least `role`.
    ///
    /// # Errors
    /// [`AdminError::Unauthenticated`], [`AdminError::Forbidden`].
    pub async fn administrator(
        &self,
        authorization: Option<&str>,
        role: AdminRole,
    ) -> Result<Administrator, AdminError> {
        let token = authorization
            .and_then(|header| header.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .filter(|token| !token.is_empty())
            .ok_or(AdminError::Unauthenticated)?;
        let known = self
            .store
            .admin_token(&crypto::hash(token))
            .await?
            .ok_or(AdminError::Unauthenticated)?;
        if role == AdminRole::Write && known.role == AdminRole::Read {
            return Err(AdminError::Forbidden);
        }
        self.store
            .touch_admin_token(&known.name, self.ambient.now())
            .await?;
        Ok(Administrator {
            name: known.name,
            role: known.role,
        })
    }
}
