//! Hashes, secret handles, sealing: the few primitives everything else is built from.

mod cipher;
mod handle;

pub use cipher::{Cipher, CipherError, SealingContext};
pub use handle::{Handle, derive, hash, same, subject_for};
