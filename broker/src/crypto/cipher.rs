//! Sealing at rest: XChaCha20-Poly1305 with a key ring and bound context.

use crate::ambient::Ambient;

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

/// Seals and opens with a ring of keys: the first seals, all open.
#[derive(Clone)]
pub struct Cipher {
    keys: Vec<()>,
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
    /// A ring of (id, 256-bit key); the first seals. An empty ring seals nothing.
    #[must_use]
    pub fn new(_keys: Vec<(String, [u8; 32])>) -> Self {
        todo!()
    }

    /// Whether there is a key at all.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        todo!()
    }

    /// Seals `plaintext` for `context`. The result names the key.
    ///
    /// # Errors
    /// [`CipherError::NoKey`].
    pub fn seal(
        &self,
        _ambient: &Ambient,
        _context: SealingContext<'_>,
        _plaintext: &[u8],
    ) -> Result<Vec<u8>, CipherError> {
        todo!()
    }

    /// Opens what [`Cipher::seal`] made for the same `context`.
    ///
    /// # Errors
    /// See [`CipherError`].
    pub fn open(
        &self,
        _context: SealingContext<'_>,
        _sealed: &[u8],
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, CipherError> {
        todo!()
    }
}
