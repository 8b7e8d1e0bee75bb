//! Links of a chain of hashes: each over the one before, so that none can be changed alone.

use aws_lc_rs::hmac;

/// What everybody may know: a chain made with it shows what was changed by mistake, and by whoever did
/// not hash again all that follows.
const IN_THE_OPEN: &[u8] = b"mcp-token-broker audit chain";

/// Makes and checks links. Has no `Debug` on purpose.
pub struct ChainKey {
    key: hmac::Key,
    keyed: bool,
}

impl ChainKey {
    /// With a key that nobody else knows.
    #[must_use]
    pub fn secret(key: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            keyed: true,
        }
    }

    /// Without one.
    #[must_use]
    pub fn open() -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, IN_THE_OPEN),
            keyed: false,
        }
    }

    /// Whether it is a secret.
    #[must_use]
    pub const fn is_keyed(&self) -> bool {
        self.keyed
    }

    /// The link at `position` over `content`, behind the link `previous`.
    #[must_use]
    pub fn link(&self, previous: &[u8; 32], position: i64, content: &[u8]) -> [u8; 32] {
        let mut message = hmac::Context::with_key(&self.key);
        message.update(previous);
        message.update(&position.to_be_bytes());
        message.update(content);
        let mut link = [0; 32];
        link.copy_from_slice(message.sign().as_ref());
        link
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_depends_on_everything_it_is_over() {
        let (key, zero) = (ChainKey::secret(&[7; 32]), [0; 32]);
        let link = key.link(&zero, 1, b"row");
        assert_eq!(link, key.link(&zero, 1, b"row"));
        assert_ne!(link, key.link(&[1; 32], 1, b"row"));
        assert_ne!(link, key.link(&zero, 2, b"row"));
        assert_ne!(link, key.link(&zero, 1, b"Row"));
        assert_ne!(link, ChainKey::secret(&[8; 32]).link(&zero, 1, b"row"));
        assert_ne!(link, ChainKey::open().link(&zero, 1, b"row"));
    }
}
