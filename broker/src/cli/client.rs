//! `broker client rotate-secret`: a new secret for a client, while the old one still works.

use std::time::Duration;

use clap::Subcommand;

use super::{CommandError, operator, parse_duration, say};
use crate::ambient::Ambient;
use crate::clients::SecretRotation;
use crate::domain::{ClientId, RequestInfo};
use crate::storage::Store;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Give a client a new secret and print it, once: only its hash is kept.
    RotateSecret {
        /// The client's identifier.
        #[arg(long, value_parser = |id: &str| ClientId::parse(id))]
        client_id: ClientId,
        /// How long the old secret stays good, such as 90s, 10m, 24h; 0s ends it at once.
        #[arg(long, default_value = "24h", value_parser = parse_duration)]
        keep: Duration,
    },
}

impl Command {
    pub(super) async fn run(self, store: &Store) -> Result<(), CommandError> {
        let Self::RotateSecret { client_id, keep } = self;
        let rotation = SecretRotation {
            client_id,
            overlap: keep,
            version: None,
        };
        let (_, secret) = rotation
            .perform(
                store,
                &Ambient::system(),
                operator(),
                &RequestInfo::default(),
            )
            .await?;
        say(secret.expose())?;
        Ok(())
    }
}
