//! `broker backup`: a copy of the SQLite database while the broker serves.

use std::path::PathBuf;

use clap::Args;

use super::{CommandError, say};
use crate::config::Config;
use crate::storage;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The file to write; it must not be there yet.
    file: PathBuf,
}

impl Arguments {
    pub(super) async fn run(self, config: &Config) -> Result<(), CommandError> {
        storage::backup(&config.storage_options(), &self.file).await?;
        say(&format!(
            "The database is copied to {}.",
            self.file.display()
        ))?;
        tracing::info!(
            "keep the encryption keys in another place; a copy without them opens nothing"
        );
        Ok(())
    }
}
