//! Sealing at rest: XChaCha20-Poly1305 with a key ring and bound context.
//!
//! A sealed value is
//!
//! ```text
//! version (1 byte, 0x01) ‖ length of key id (1 byte) ‖ key id ‖ nonce (24 bytes) ‖ ciphertext with tag
//! ```
//!
//! and the additional data are the version, the key id and the [`SealingContext`], each with its
//! length in front, so that no two different contexts give the same bytes.

use std::sync::Arc;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::ambient::Ambient;

const VERSION: u8 = 1;
const NONCE: usize = 24;

/// Where a sealed value stands; bound as additional data, so that it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct SealingContext<'a> {
    /// Table.
    pub table: &'a str,
    /// Column.
    pub column: &'a str,
    /// Primary key of the row.
    pub row: &'a str,
    /// The user it belongs to, empty for the broker's own secrets.
    pub user: &'a str,
}

/// Seals and opens with a ring of keys: the first seals, all open. Has no `Debug` on purpose.
#[derive(Clone)]
pub struct Cipher {
    keys: Arc<[NamedKey]>,
}

struct NamedKey {
    id: String,
    cipher: XChaCha20Poly1305,
}

/// Why a value could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum CipherError {
    /// No encryption key is configured.
    #[error("no encryption key is configured")]
    NoKey,
    /// The value was sealed with a key that is not configured.
    #[error("the value was sealed with key `{0}`, which is not configured")]
    UnknownKey(String),
    /// The value was changed, or stands in another place than it was sealed for.
    #[error("the sealed value does not open here: it was changed or moved")]
    Damaged,
}

impl Cipher {
    /// The longest id a key may have, in bytes: its length is stored in one.
    pub const LONGEST_KEY_ID: usize = 255;

    /// A ring of (id, 256-bit key); the first seals. An empty ring seals nothing.
    ///
    /// Ids are at most [`Cipher::LONGEST_KEY_ID`] bytes and differ (the configuration checks).
    #[must_use]
    pub fn new(keys: Vec<(String, [u8; 32])>) -> Self {
        let keys = keys
            .into_iter()
            .map(|(id, key)| NamedKey {
                id,
                cipher: XChaCha20Poly1305::new(&Key::from(*Zeroizing::new(key))),
            })
            .collect();
        Self { keys }
    }

    /// Whether there is a key at all.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The ids of the keys; the first seals.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// What every value begins with that the key `id` sealed, and no other.
    #[must_use]
    pub fn header(id: &str) -> Vec<u8> {
        let length = u8::try_from(id.len()).unwrap_or(u8::MAX);
        let mut header = vec![VERSION, length];
        header.extend_from_slice(id.as_bytes());
        header
    }

    /// The id of the key that sealed a value; `None` for what is no sealed value.
    #[must_use]
    pub fn key_id_of(sealed: &[u8]) -> Option<&str> {
        split(sealed).map(|(id, _, _)| id)
    }

    /// Seals `plaintext` for `context`. The result names the key.
    ///
    /// # Errors
    /// [`CipherError::NoKey`].
    pub fn seal(
        &self,
        ambient: &Ambient,
        context: SealingContext<'_>,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CipherError> {
        let key = self.keys.first().ok_or(CipherError::NoKey)?;
        // 192 random bits: no counter to keep, and no repetition to fear.
        let nonce = ambient.random::<NONCE>();
        let ciphertext = key
            .cipher
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: plaintext,
                    aad: &additional_data(&key.id, context),
                },
            )
            // Fails only for plaintexts of 256 GiB.
            .map_err(|_| CipherError::Damaged)?;
        let mut sealed = Self::header(&key.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens what [`Cipher::seal`] made for the same `context`.
    ///
    /// # Errors
    /// See [`CipherError`].
    pub fn open(
        &self,
        context: SealingContext<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CipherError> {
        let (id, nonce, ciphertext) = split(sealed).ok_or(CipherError::Damaged)?;
        if !self.is_configured() {
            return Err(CipherError::NoKey);
        }
        let key = self
            .keys
            .iter()
            .find(|key| key.id == id)
            .ok_or_else(|| CipherError::UnknownKey(id.to_owned()))?;
        key.cipher
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: ciphertext,
                    aad: &additional_data(id, context),
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| CipherError::Damaged)
    }
}

/// Key id, nonce and ciphertext of a sealed value.
fn split(sealed: &[u8]) -> Option<(&str, [u8; NONCE], &[u8])> {
    let (&[version, id_length], rest) = sealed.split_first_chunk::<2>()?;
    if version != VERSION {
        return None;
    }
    let (id, rest) = rest.split_at_checked(usize::from(id_length))?;
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>()?;
    Some((std::str::from_utf8(id).ok()?, *nonce, ciphertext))
}

fn additional_data(key_id: &str, context: SealingContext<'_>) -> Vec<u8> {
    let mut data = vec![VERSION];
    for part in [
        key_id,
        context.table,
        context.column,
        context.row,
        context.user,
    ] {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part.as_bytes());
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: SealingContext<'static> = SealingContext {
        table: "signing_keys",
        column: "private_key",
        row: "kid-1",
        user: "alice",
    };

    fn ring(keys: &[(&str, u8)]) -> Cipher {
        Cipher::new(
            keys.iter()
                .map(|(id, byte)| ((*id).to_owned(), [*byte; 32]))
                .collect(),
        )
    }

    fn seal(cipher: &Cipher) -> Vec<u8> {
        cipher.seal(&Ambient::system(), HERE, b"secret").unwrap()
    }

    #[test]
    fn what_was_sealed_opens_in_its_place() {
        let cipher = ring(&[("k", 1)]);
        assert_eq!(**cipher.open(HERE, &seal(&cipher)).unwrap(), *b"secret");
        assert_ne!(seal(&cipher), seal(&cipher), "the nonce is random");
    }

    #[test]
    fn it_opens_in_no_other_table_column_row_or_for_another_user() {
        let cipher = ring(&[("k", 1)]);
        let sealed = seal(&cipher);
        for moved in [
            SealingContext {
                table: "grants",
                ..HERE
            },
            SealingContext {
                column: "public_jwk",
                ..HERE
            },
            SealingContext {
                row: "kid-2",
                ..HERE
            },
            SealingContext {
                user: "bob",
                ..HERE
            },
            // The same letters, cut elsewhere.
            SealingContext {
                row: "kid-1a",
                user: "lice",
                ..HERE
            },
        ] {
            assert!(
                matches!(cipher.open(moved, &sealed), Err(CipherError::Damaged)),
                "{moved:?}"
            );
        }
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let old = ring(&[("old", 1)]);
        let both = ring(&[("new", 2), ("old", 1)]);
        let new = ring(&[("new", 2)]);
        assert_eq!(**both.open(HERE, &seal(&old)).unwrap(), *b"secret");
        assert_eq!(**new.open(HERE, &seal(&both)).unwrap(), *b"secret");
        assert!(
            matches!(new.open(HERE, &seal(&old)), Err(CipherError::UnknownKey(id)) if id == "old")
        );
    }

    #[test]
    fn another_key_of_the_same_id_does_not_open() {
        let sealed = seal(&ring(&[("k", 1)]));
        assert!(matches!(
            ring(&[("k", 2)]).open(HERE, &sealed),
            Err(CipherError::Damaged)
        ));
    }

    #[test]
    fn a_change_of_any_byte_is_noticed() {
        let cipher = ring(&[("k", 1)]);
        let sealed = seal(&cipher);
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(cipher.open(HERE, &changed).is_err(), "byte {index}");
            assert!(
                cipher.open(HERE, &sealed[..index]).is_err(),
                "cut at {index}"
            );
        }
    }

    #[test]
    fn without_a_key_nothing_is_sealed_or_opened() {
        let none = Cipher::new(Vec::new());
        assert!(!none.is_configured());
        assert!(matches!(
            none.seal(&Ambient::system(), HERE, b""),
            Err(CipherError::NoKey)
        ));
        let sealed = seal(&ring(&[("k", 1)]));
        assert!(matches!(none.open(HERE, &sealed), Err(CipherError::NoKey)));
    }
}
