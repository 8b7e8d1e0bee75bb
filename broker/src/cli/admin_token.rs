//! `broker admin-token create | list | revoke`: who may use the admin API.

use clap::{Subcommand, ValueEnum};

use super::{CommandError, checked_name, operator, say, taken, written};
use crate::ambient::Ambient;
use crate::crypto::Handle;
use crate::domain::{AuditEvent, AuditKind};
use crate::storage::{AdminRole, AdminToken, Store};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a token and print it, once: only its hash is kept.
    Create {
        /// Who or what it is for; shown in the audit.
        #[arg(long)]
        name: String,
        /// What it may do.
        #[arg(long, value_enum)]
        role: Role,
    },
    /// List the tokens: name, role, created, last used.
    List,
    /// Revoke a token; it stops working at once.
    Revoke {
        /// Its name.
        #[arg(long)]
        name: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Role {
    /// Look.
    Read,
    /// Look and change.
    Write,
}

impl Command {
    pub(super) async fn run(self, store: &Store) -> Result<(), CommandError> {
        let ambient = Ambient::system();
        match self {
            Self::Create { name, role } => {
                say(create(store, &ambient, name, role).await?.expose())?;
            }
            Self::List => list(store).await?,
            Self::Revoke { name } => {
                revoke(store, &ambient, &name).await?;
                say(&format!("Revoked: {name}."))?;
            }
        }
        Ok(())
    }
}

async fn create(
    store: &Store,
    ambient: &Ambient,
    name: String,
    role: Role,
) -> Result<Handle, CommandError> {
    let name = checked_name(name)?;
    let handle = Handle::generate(ambient);
    let token = AdminToken {
        hash: handle.hash(),
        role: match role {
            Role::Read => AdminRole::Read,
            Role::Write => AdminRole::Write,
        },
        created_at: ambient.now(),
        last_used_at: None,
        name,
    };
    let transaction = store.begin().await?;
    let inserted = transaction.insert_admin_token(&token).await;
    inserted.map_err(taken(&token.name))?;
    let mut event = AuditEvent::new(token.created_at, AuditKind::AdminTokenCreated, operator());
    event.details.insert("name".into(), token.name.into());
    event
        .details
        .insert("role".into(), token.role.as_str().into());
    transaction.append_audit(&[event]).await?;
    transaction.commit().await?;
    Ok(handle)
}

async fn list(store: &Store) -> Result<(), CommandError> {
    for token in store.admin_tokens().await? {
        say(&format!(
            "{}\t{}\tcreated {}\t{}",
            token.name,
            token.role.as_str(),
            written(token.created_at),
            token.last_used_at.map_or_else(
                || "never used".to_owned(),
                |at| format!("used {}", written(at))
            ),
        ))?;
    }
    Ok(())
}

async fn revoke(store: &Store, ambient: &Ambient, name: &str) -> Result<(), CommandError> {
    let transaction = store.begin().await?;
    if !transaction.delete_admin_token(name).await? {
        return Err(CommandError::UnknownName(name.to_owned()));
    }
    let mut event = AuditEvent::new(ambient.now(), AuditKind::AdminTokenRevoked, operator());
    event.details.insert("name".into(), name.into());
    transaction.append_audit(&[event]).await?;
    transaction.commit().await?;
    Ok(())
}
