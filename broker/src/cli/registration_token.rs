//! `broker registration-token create | list | revoke`: initial access tokens (RFC 7591 §1.2), for
//! clients that an administrator wants and that register themselves.

use std::time::Duration;

use clap::Subcommand;

use super::{CommandError, checked_name, operator, parse_duration, say, taken, written};
use crate::ambient::Ambient;
use crate::crypto::Handle;
use crate::domain::{AuditEvent, AuditKind, Timestamp};
use crate::storage::{RegistrationToken, Store};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a token and print it, once: only its hash is kept.
    Create {
        /// Who or what it is for; shown in the audit.
        #[arg(long)]
        name: String,
        /// How long it is good, such as 7d; without it, until it is revoked.
        #[arg(long, value_parser = parse_duration)]
        expires_in: Option<Duration>,
        /// How many clients may be registered with it; without it, any number.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        uses: Option<u32>,
    },
    /// List the tokens: name, uses, created, until when.
    List,
    /// Revoke a token; it stops working at once. Clients registered with it stay.
    Revoke {
        /// Its name.
        #[arg(long)]
        name: String,
    },
}

impl Command {
    pub(super) async fn run(self, store: &Store) -> Result<(), CommandError> {
        let ambient = Ambient::system();
        match self {
            Self::Create {
                name,
                expires_in,
                uses,
            } => {
                let now = ambient.now();
                let handle = Handle::generate(&ambient);
                let token = RegistrationToken {
                    name: checked_name(name)?,
                    hash: handle.hash(),
                    created_at: now,
                    expires_at: expires_in.map(|life| now.plus(life)),
                    most_uses: uses,
                    uses: 0,
                };
                create(store, &token).await?;
                say(handle.expose())?;
            }
            Self::List => list(store, ambient.now()).await?,
            Self::Revoke { name } => {
                revoke(store, &name, ambient.now()).await?;
                say(&format!("Revoked: {name}."))?;
            }
        }
        Ok(())
    }
}

async fn create(store: &Store, token: &RegistrationToken) -> Result<(), CommandError> {
    let transaction = store.begin().await?;
    let inserted = transaction.insert_registration_token(token).await;
    inserted.map_err(taken(&token.name))?;
    let mut event = event(
        AuditKind::RegistrationTokenCreated,
        token.created_at,
        &token.name,
    );
    if let Some(end) = token.expires_at {
        event
            .details
            .insert("expires_at".into(), written(end).into());
    }
    if let Some(most) = token.most_uses {
        event.details.insert("uses".into(), most.into());
    }
    transaction.append_audit(&[event]).await?;
    Ok(transaction.commit().await?)
}

async fn list(store: &Store, now: Timestamp) -> Result<(), CommandError> {
    for token in store.registration_tokens().await? {
        let uses = match token.most_uses {
            Some(most) => format!("{} of {most} uses", token.uses),
            None => format!("{} uses", token.uses),
        };
        let end = match token.expires_at {
            Some(end) if end <= now => format!("expired {}", written(end)),
            Some(end) => format!("until {}", written(end)),
            None => "until revoked".to_owned(),
        };
        say(&format!(
            "{}\t{uses}\tcreated {}\t{end}",
            token.name,
            written(token.created_at),
        ))?;
    }
    Ok(())
}

async fn revoke(store: &Store, name: &str, now: Timestamp) -> Result<(), CommandError> {
    let transaction = store.begin().await?;
    if !transaction.delete_registration_token(name).await? {
        return Err(CommandError::UnknownName(name.to_owned()));
    }
    let event = event(AuditKind::RegistrationTokenRevoked, now, name);
    transaction.append_audit(&[event]).await?;
    Ok(transaction.commit().await?)
}

fn event(kind: AuditKind, at: Timestamp, name: &str) -> AuditEvent {
    let mut event = AuditEvent::new(at, kind, operator());
    event.details.insert("name".into(), name.into());
    event
}
