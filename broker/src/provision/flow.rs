//! What follows from the secret of one trip to the IdP: our `state`, the nonce, the PKCE verifier.

use crate::crypto;

/// Derived from a secret that only the user's browser has.
pub(super) struct Derived<'a> {
    purpose: &'static str,
    id: &'a str,
    secret: &'a str,
}

impl<'a> Derived<'a> {
    /// For the trip `id`; two purposes never give the same.
    pub(super) const fn new(purpose: &'static str, id: &'a str, secret: &'a str) -> Self {
        Self {
            purpose,
            id,
            secret,
        }
    }

    /// Our `state`: the id, and the proof that we made it for this browser.
    pub(super) fn state(&self) -> String {
        format!("{}.{}", self.id, self.tag())
    }

    /// Whether `tag` is the proof.
    pub(super) fn is_proven_by(&self, tag: &str) -> bool {
        crypto::same(self.tag().as_bytes(), tag.as_bytes())
    }

    fn tag(&self) -> String {
        self.derive("state")
    }

    pub(super) fn nonce(&self) -> String {
        self.derive("nonce")
    }

    /// 43 characters, as RFC 7636 §4.1 asks at least.
    pub(super) fn code_verifier(&self) -> String {
        self.derive("pkce")
    }

    fn derive(&self, part: &str) -> String {
        crypto::derive(self.secret, &format!("{} {part}", self.purpose), self.id)
    }
}
