//! Signatures of webhooks as Standard Webhooks 1.0 has them, for which receivers find libraries in every
//! language.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_client::secret::Secret;
use zeroize::Zeroizing;

/// What its secrets begin with.
const PREFIX: &str = "whsec_";

/// Fewest and most bytes of a secret.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// A key that webhooks are signed with: HMAC-SHA-256.
#[derive(Clone)]
pub struct WebhookKey(hmac::Key);

/// It is no secret of Standard Webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be whsec_ and 24 to 64 random bytes in base64")]
pub struct InvalidWebhookSecret;

impl WebhookKey {
    /// Reads `whsec_…`.
    ///
    /// # Errors
    /// [`InvalidWebhookSecret`].
    pub fn parse(secret: &Secret) -> Result<Self, InvalidWebhookSecret> {
        let encoded = secret.expose().strip_prefix(PREFIX);
        let bytes = encoded
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .map(Zeroizing::new)
            .filter(|bytes| LENGTHS.contains(&bytes.len()))
            .ok_or(InvalidWebhookSecret)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The signature of a message: `v1,` and the base64 of the HMAC. `timestamp` in seconds since 1970.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let content = format!("{id}.{timestamp}.{body}");
        let tag = hmac::sign(&self.0, content.as_bytes());
        format!("v1,{}", STANDARD.encode(tag.as_ref()))
    }
}

impl std::fmt::Debug for WebhookKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specification() {
        let key = WebhookKey::parse(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        assert_eq!(
            key.sign(id, 1_614_265_330, r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(format!("{key:?}"), "[redacted]");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for wrong in [
            "",
            "whsec_",
            "whsec_!!",
            "whsec_AAAA",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            assert!(WebhookKey::parse(&wrong.into()).is_err(), "{wrong}");
        }
    }
}
