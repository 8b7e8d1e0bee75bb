//! `broker keys list | rotate`: the signing keys.

use clap::Subcommand;

use super::{CommandError, operator, say, written};
use crate::ambient::Ambient;
use crate::config::Config;
use crate::domain::Timestamp;
use crate::keys::{Activation, Keyring};
use crate::storage::Store;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the keys: id, algorithm, state, since when.
    List,
    /// Publish a new key now; it takes over once every cache knows it, in two hours.
    Rotate {
        /// Let it take over at once. For a compromised key: whoever caches our key set, such as
        /// Nextcloud for an hour, refuses our tokens until it asks again.
        #[arg(long)]
        now: bool,
    },
}

impl Command {
    pub(super) async fn run(self, config: &Config, store: &Store) -> Result<(), CommandError> {
        match self {
            Self::List => list(store).await,
            Self::Rotate { now: false } => rotate(config, store, Activation::WhenKnown).await,
            Self::Rotate { now: true } => rotate(config, store, Activation::AtOnce).await,
        }
    }
}

async fn list(store: &Store) -> Result<(), CommandError> {
    for key in store.signing_keys().await? {
        let moment = |word: &str, at: Option<Timestamp>| {
            at.map_or_else(String::new, |at| format!("\t{word} {}", written(at)))
        };
        say(&format!(
            "{}\t{}\t{}\t{}{}{}{}",
            key.kid,
            key.algorithm,
            key.state.as_str(),
            if key.sealed { "sealed" } else { "not sealed" },
            moment("published", Some(key.published_at)),
            moment("activated", key.activated_at),
            moment("retired", key.retired_at),
        ))?;
    }
    Ok(())
}

async fn rotate(
    config: &Config,
    store: &Store,
    activation: Activation,
) -> Result<(), CommandError> {
    let keyring = Keyring::load(
        store.clone(),
        config.cipher(),
        config.key_policy(),
        Ambient::system(),
    )
    .await?;
    let (kid, signs_at) = keyring.rotate(activation, operator()).await?;
    match activation {
        Activation::WhenKnown => say(&format!(
            "Key {kid} is published and signs from {} on.",
            written(signs_at)
        ))?,
        Activation::AtOnce => {
            say(&format!("Key {kid} signs now."))?;
            tracing::warn!(
                "whoever caches our key set refuses our tokens until it asks again: Nextcloud for \
                 up to an hour, or until its provider entry is saved again \
                 (occ user_oidc:provider NAME --check-bearer=1)"
            );
        }
    }
    Ok(())
}
