//! Verifying signed tokens (RFC 7519 §7.2, RFC 8725): access tokens and ID tokens.
//!
//! `jsonwebtoken` checks the signature and nothing else: what a token must be is decided here,
//! by [`Rules`], and when it is good by the clock of the caller. The token's own header only says
//! which key and which of *our* algorithms to try. RFC 9068 access tokens have a verifier of
//! their own, [`AccessTokenVerifier`].
//!
//! Revocation is not seen here. Access tokens live for minutes, and the broker checks at every
//! exchange that the session still stands.

mod access_token;
mod jws;
mod rules;

use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use access_token::{ACCESS_TOKEN_ALGORITHMS, ACCESS_TOKEN_TYPES, AccessTokenVerifier, Claims};
pub use jws::TOKEN_LIMIT;
use jws::{Header, Parts};
pub use rules::{ID_TOKEN_TYPES, Rules};
use rules::{check_claims, check_type};

use crate::ambient::unix;
use crate::keys::{Algorithm, KeySource, KeySourceError, VerificationKey};

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Not a JWS of three parts, too large, or a claim has the wrong form.
    #[error("malformed token")]
    Malformed,
    /// Another kind of token.
    #[error("wrong type of token")]
    Type,
    /// An algorithm that we do not accept, or not with this key.
    #[error("algorithm not accepted")]
    Algorithm,
    /// The issuer has no such key.
    #[error("unknown key")]
    UnknownKey,
    /// The signature is wrong.
    #[error("wrong signature")]
    Signature,
    /// Someone else issued it.
    #[error("wrong issuer")]
    Issuer,
    /// It is for someone else.
    #[error("wrong audience")]
    Audience,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come (`nbf`), or it comes from the future (`iat`).
    #[error("not valid yet")]
    NotYetValid,
    /// A required claim is missing.
    #[error("missing claim {0}")]
    MissingClaim(&'static str),
    /// The keys cannot be had, so nothing is known about the token.
    #[error("no keys to verify with")]
    Keys(#[source] KeySourceError),
}

impl VerifyError {
    /// A short constant name for logs and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Type => "type",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::MissingClaim(_) => "missing_claim",
            Self::Keys(_) => "keys",
        }
    }

    /// A sentence for whoever sent the token; it tells nothing that the sender cannot see.
    #[must_use]
    pub const fn description(&self) -> &'static str {
        match self {
            Self::Malformed => "The token is not a well-formed JWT.",
            Self::Type => "The token is not an access token.",
            Self::Algorithm => "The token is signed with an algorithm that is not accepted.",
            Self::UnknownKey => "The token is signed with an unknown key.",
            Self::Signature => "The token's signature is wrong.",
            Self::Issuer => "The token was issued by another authorization server.",
            Self::Audience => "The token is for another audience.",
            Self::Expired => "The token has expired.",
            Self::NotYetValid => "The token is not valid yet.",
            Self::MissingClaim(_) => "The token lacks a required claim.",
            Self::Keys(_) => "The token cannot be verified at the moment.",
        }
    }
}

/// Verifies a token and returns its claims.
///
/// `C` is only read from a token whose signature, issuer, audience and times are good.
///
/// # Errors
///
/// The first rule that the token breaks; [`VerifyError::Keys`] says nothing about the token.
pub async fn verify<C: DeserializeOwned>(
    token: &str,
    keys: &dyn KeySource,
    rules: &Rules,
    now: SystemTime,
) -> Result<C, VerifyError> {
    verify_with_key(token, keys, rules, now)
        .await
        .map(|(claims, _)| claims)
}

/// The `sub` that a token claims. Nothing is verified: it only tells whose keys to verify it with.
///
/// # Errors
///
/// [`VerifyError::Malformed`] when it is no JWT, [`VerifyError::MissingClaim`] when it has no `sub`.
pub fn claimed_subject(token: &str) -> Result<String, VerifyError> {
    let claims = Parts::split(token)?.claims()?;
    match claims.get("sub") {
        Some(Value::String(subject)) if !subject.is_empty() => Ok(subject.clone()),
        _ => Err(VerifyError::MissingClaim("sub")),
    }
}

/// Verifies a token and returns its claims and the key that signed it.
async fn verify_with_key<C: DeserializeOwned>(
    token: &str,
    keys: &dyn KeySource,
    rules: &Rules,
    now: SystemTime,
) -> Result<(C, VerificationKey), VerifyError> {
    let parts = Parts::split(token)?;
    let header: Header = parts.header()?;
    // RFC 7515 §4.1.11: an extension that must be understood and is not.
    if header.crit.is_some() {
        return Err(VerifyError::Malformed);
    }
    check_type(header.typ.as_deref(), rules.types)?;
    let algorithm = header
        .alg
        .parse::<Algorithm>()
        .ok()
        .filter(|algorithm| rules.algorithms.contains(algorithm))
        .ok_or(VerifyError::Algorithm)?;

    let key = match &header.kid {
        Some(kid) => keys.key(kid).await,
        None => keys.only_key().await,
    };
    let key = key
        .map_err(VerifyError::Keys)?
        .ok_or(VerifyError::UnknownKey)?;
    if !key.allows(algorithm) {
        return Err(VerifyError::Algorithm);
    }
    parts.check_signature(&key, algorithm)?;

    let claims = parts.claims()?;
    check_claims(&claims, rules, unix(now))?;
    let claims = C::deserialize(Value::Object(claims)).map_err(|_| VerifyError::Malformed)?;
    Ok((claims, key))
}
