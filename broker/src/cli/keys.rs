//! `broker keys list | rotate | add-encryption-key | reseal`: the signing and encryption keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use zeroize::Zeroizing;

use super::{CommandError, operator, say, written};
use crate::ambient::Ambient;
use crate::config::Config;
use crate::domain::Timestamp;
use crate::keys::{Activation, Keyring};
use crate::storage::Store;
use crate::vault::Vault;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the signing keys (id, algorithm, state, since when) and the encryption keys (id, state,
    /// how many values are sealed with each: one that is not first and has none can go).
    List,
    /// Make an encryption key and print its entry for keys.encryption; changes nothing.
    AddEncryptionKey {
        /// Its id, which sealed values carry.
        #[arg(long, value_parser = key_id)]
        id: String,
    },
    /// Seal everything anew with the first encryption key, while the broker runs.
    Reseal,
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
            Self::List => list(config, store).await,
            Self::AddEncryptionKey { id } => add_encryption_key(&id),
            Self::Reseal => reseal(config, store).await,
            Self::Rotate { now: false } => rotate(config, store, Activation::WhenKnown).await,
            Self::Rotate { now: true } => rotate(config, store, Activation::AtOnce).await,
        }
    }
}

/// An id that needs no quoting anywhere.
fn key_id(text: &str) -> Result<String, &'static str> {
    let fits = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    fits.then(|| text.to_owned())
        .ok_or("must have 1 to 64 letters, digits, dots, dashes or underscores")
}

fn add_encryption_key(id: &str) -> Result<(), CommandError> {
    let key = Zeroizing::new(Ambient::system().random::<32>());
    let key = Zeroizing::new(STANDARD.encode(key.as_slice()));
    say(&format!(r#"{{ id = "{id}", key = "{}" }}"#, key.as_str()))?;
    tracing::info!(
        "put it into keys.encryption of every replica, last, and restart them; then put it first, \
         restart them again, and run `broker keys reseal`; keep a copy apart from the database"
    );
    Ok(())
}

fn vault(config: &Config, store: &Store) -> Vault {
    Vault {
        store: store.clone(),
        cipher: config.cipher(),
        ambient: Ambient::system(),
    }
}

async fn reseal(config: &Config, store: &Store) -> Result<(), CommandError> {
    let done = vault(config, store)
        .reseal(operator(), |progress| {
            say(&format!("{} of {} values …", progress.done, progress.total)).map_err(Into::into)
        })
        .await?;
    say(&match done {
        0 => "Everything is sealed with the first encryption key already.".to_owned(),
        done => format!("Sealed anew with the first encryption key: {done} values."),
    })?;
    Ok(())
}

async fn list(config: &Config, store: &Store) -> Result<(), CommandError> {
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
    for (index, key) in vault(config, store).uses().await?.into_iter().enumerate() {
        let state = match (key.is_configured, index) {
            (false, _) => "missing",
            (true, 0) => "seals",
            (true, _) => "opens",
        };
        say(&format!(
            "{}\tencryption\t{state}\t{} values",
            key.id, key.values
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
            say(&format!(
                "Key {kid} signs from {} on, when every replica knows it.",
                written(signs_at)
            ))?;
            tracing::warn!(
                "whoever caches our key set refuses our tokens until it asks again: Nextcloud for \
                 up to an hour, or until its provider entry is saved again \
                 (occ user_oidc:provider NAME --check-bearer=1)"
            );
        }
    }
    Ok(())
}
