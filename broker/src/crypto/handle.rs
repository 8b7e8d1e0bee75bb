//! Secret handles: codes, tokens, cookies. The outside holds the handle, we hold its SHA-256.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::ambient::Ambient;
use crate::domain::{HandleHash, Subject};

/// A 256-bit secret in base64url, wiped from memory when dropped. Has no `Debug` on purpose.
pub struct Handle(Zeroizing<String>);

impl Handle {
    /// A new random handle.
    #[must_use]
    pub fn generate(ambient: &Ambient) -> Self {
        let bytes = Zeroizing::new(ambient.random::<32>());
        Self::from_bytes(&bytes)
    }

    /// The successor that `token` and a stored `salt` yield (refresh rotation, see
    /// [`crate::domain::Rotation`]).
    #[must_use]
    pub fn successor(token: &str, salt: &[u8; 32]) -> Self {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes()), salt);
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(tag.as_ref())))
    }

    fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The handle, to hand out.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored.
    #[must_use]
    pub fn hash(&self) -> HandleHash {
        hash(&self.0)
    }
}

/// SHA-256 of a handle that somebody presented.
#[must_use]
pub fn hash(handle: &str) -> HandleHash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, handle.as_bytes()).as_ref());
    HandleHash::from_bytes(bytes)
}

/// Bytes as text, two hexadecimal digits each.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A value that only the holder of `secret` can know, for one `purpose`: base64url of
/// HMAC-SHA-256. The upstream `state`, nonce and PKCE verifier are made so from the flow cookie,
/// hence never stored.
#[must_use]
pub fn derive(secret: &str, purpose: &str, context: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut message = hmac::Context::with_key(&key);
    message.update(purpose.as_bytes());
    message.update(&[0]);
    message.update(context.as_bytes());
    URL_SAFE_NO_PAD.encode(message.sign().as_ref())
}

/// Whether two secrets are equal, in time that does not depend on where they differ.
#[must_use]
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Our stable name for an upstream user: base64url of SHA-256 over issuer and subject. A lost
/// database does not rename anybody, and the upstream's name for him does not leak to clients.
///
/// # Panics
/// Never: base64url text is a valid [`Subject`].
#[must_use]
#[expect(clippy::expect_used, reason = "43 base64url characters always parse")]
pub fn subject_for(upstream_issuer: &str, upstream_subject: &str) -> Subject {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(upstream_issuer.as_bytes());
    context.update(&[0]);
    context.update(upstream_subject.as_bytes());
    Subject::parse(URL_SAFE_NO_PAD.encode(context.finish().as_ref())).expect("base64url parses")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_256_random_bits_and_stored_as_its_hash() {
        let ambient = Ambient::system();
        let (one, other) = (Handle::generate(&ambient), Handle::generate(&ambient));
        assert_eq!(one.expose().len(), 43);
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.hash(), hash(one.expose()));
        // FIPS 180-2, appendix B.1.
        let digest = hash("abc");
        assert_eq!(&digest.as_bytes()[..4], &[0xba, 0x78, 0x16, 0xbf]);
    }

    #[test]
    fn a_successor_follows_from_token_and_salt_together() {
        let successor =
            |token: &str, salt: u8| Handle::successor(token, &[salt; 32]).expose().to_owned();
        assert_eq!(successor("token", 1), successor("token", 1));
        assert_ne!(successor("token", 1), successor("token", 2));
        assert_ne!(successor("token", 1), successor("other", 1));
    }

    #[test]
    fn derived_values_differ_by_purpose_and_context() {
        let values = [
            derive("secret", "state", "flow"),
            derive("secret", "nonce", "flow"),
            derive("secret", "state", "other"),
            derive("other", "state", "flow"),
            derive("secret", "stat", "eflow"),
        ];
        for (index, value) in values.iter().enumerate() {
            assert!(!values[..index].contains(value), "{index}");
        }
    }

    #[test]
    fn a_subject_is_stable_and_belongs_to_one_issuer() {
        let name = |issuer: &str, subject: &str| subject_for(issuer, subject).to_string();
        // A change here would rename every user there is.
        assert_eq!(
            name("https://idp.example", "alice"),
            "fjoNTmTQU6oNgELFACkvB76RSCRWSfLDcJfURUxvsb8"
        );
        assert_ne!(
            name("https://idp.example", "alice"),
            name("https://idp.exampl", "ealice")
        );
        assert_ne!(
            name("https://idp.example", "alice"),
            name("https://other.example", "alice")
        );
    }

    #[test]
    fn equality_does_not_depend_on_how_it_is_found() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd"));
        assert!(!same(b"abc", b"abcd"));
    }
}
