//! Hashes, secret handles, sealing: the few primitives everything else is built from.

mod chain;
mod cipher;
mod handle;
mod webhook;

pub use chain::ChainKey;
pub use cipher::{Cipher, CipherError, SealingContext};
pub use handle::{Handle, derive, hash, hex, same, subject_for};
pub use webhook::{InvalidWebhookSecret, WebhookKey};
