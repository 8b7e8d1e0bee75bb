//! Random values and the real time, for the harness only.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A fresh 256-bit value, base64url without padding (43 characters).
#[must_use]
pub fn token() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// Fresh random bytes.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

/// The real time in seconds since 1970.
#[must_use]
pub fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Random letters and digits, at most 120 or so, as PHP programs make their tokens.
#[must_use]
pub fn alphanumeric(length: usize) -> String {
    let mut text = [token(), token(), token()].concat();
    text.retain(|character| character.is_ascii_alphanumeric());
    text.truncate(length);
    text
}
