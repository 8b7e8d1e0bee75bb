//! One private key: made, parsed once, signing compact JWS (RFC 7515) at full speed.
//!
//! Not through `jsonwebtoken`, which parses the private key again at every signature.

use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Algorithm, KeyError};

/// A parsed private key with its id.
pub(super) struct Signer {
    kid: String,
    key: PrivateKey,
}

enum PrivateKey {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// The JOSE header (RFC 7515 §4.1).
#[derive(Serialize)]
struct Header<'a> {
    typ: &'a str,
    alg: &'a str,
    kid: &'a str,
}

/// Makes a new private key, as PKCS#8. RSA takes a good part of a second.
///
/// The crypto library draws the randomness itself; it takes none from outside.
pub(super) fn generate(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let random = SystemRandom::new();
    let pkcs8 = match algorithm {
        Algorithm::Es256 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?
                .as_ref()
                .to_vec()
        }
        Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random)?.as_ref().to_vec(),
        Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048)?
            .as_der()?
            .as_ref()
            .to_vec(),
    };
    Ok(Zeroizing::new(pkcs8))
}

impl Signer {
    /// Parses a private key. Its id is the thumbprint of the public one (RFC 7638).
    pub(super) fn parse(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let key = match algorithm {
            Algorithm::Es256 => PrivateKey::Es256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
                    .map_err(|_| KeyError::Crypto)?,
            ),
            Algorithm::EdDsa => {
                PrivateKey::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::Crypto)?)
            }
            Algorithm::Rs256 => {
                PrivateKey::Rs256(RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::Crypto)?)
            }
        };
        let kid = thumbprint(&key.public_members());
        Ok(Self { kid, key })
    }

    /// The key id.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm it signs with.
    pub(super) const fn algorithm(&self) -> Algorithm {
        match self.key {
            PrivateKey::Es256(_) => Algorithm::Es256,
            PrivateKey::EdDsa(_) => Algorithm::EdDsa,
            PrivateKey::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// The public key as a JWK (RFC 7517 §4).
    pub(super) fn public_jwk(&self) -> Value {
        let mut jwk = self.key.public_members();
        if let Value::Object(members) = &mut jwk {
            members.insert("use".into(), "sig".into());
            members.insert("alg".into(), self.algorithm().as_str().into());
            members.insert("kid".into(), self.kid.as_str().into());
        }
        jwk
    }

    /// Signs `claims` as a compact JWS with header `typ`.
    pub(super) fn sign<T: Serialize>(&self, typ: &str, claims: &T) -> Result<String, KeyError> {
        let header = Header {
            typ,
            alg: self.algorithm().as_str(),
            kid: &self.kid,
        };
        let mut jws = String::with_capacity(1024);
        URL_SAFE_NO_PAD.encode_string(to_json(&header)?, &mut jws);
        jws.push('.');
        URL_SAFE_NO_PAD.encode_string(to_json(claims)?, &mut jws);
        let signature = self.key.sign(jws.as_bytes())?;
        jws.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut jws);
        Ok(jws)
    }
}

impl PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        Ok(match self {
            // RFC 7518 §3.4: r and s, 32 bytes each, not DER.
            Self::Es256(key) => key.sign(&random, message)?.as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(message).as_ref().to_vec(),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                signature
            }
        })
    }

    /// The members that RFC 7638 §3.2 hashes. `serde_json` keeps an object's members sorted, as
    /// §3.3 wants them.
    fn public_members(&self) -> Value {
        match self {
            Self::Es256(key) => {
                // SEC 1 §2.3.3: 04, then x, then y.
                let point = key.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({"crv": "P-256", "kty": "EC", "x": encode(x), "y": encode(y)})
            }
            Self::EdDsa(key) => {
                json!({"crv": "Ed25519", "kty": "OKP", "x": encode(key.public_key().as_ref())})
            }
            Self::Rs256(key) => {
                let public = key.public_key();
                json!({
                    "e": encode(public.exponent().big_endian_without_leading_zero()),
                    "kty": "RSA",
                    "n": encode(public.modulus().big_endian_without_leading_zero()),
                })
            }
        }
    }
}

fn thumbprint(members: &Value) -> String {
    encode(digest::digest(&digest::SHA256, members.to_string().as_bytes()).as_ref())
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, KeyError> {
    serde_json::to_vec(value).map_err(|_| KeyError::Crypto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_the_one_of_the_rfc() {
        // RFC 7638 §3.1.
        let members = json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
        });
        assert_eq!(
            thumbprint(&members),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn a_key_reads_back_as_the_same_key() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
            let pkcs8 = generate(algorithm).unwrap();
            let (first, second) = (
                Signer::parse(algorithm, &pkcs8).unwrap(),
                Signer::parse(algorithm, &pkcs8).unwrap(),
            );
            assert_eq!(first.kid(), second.kid());
            assert_eq!(first.kid().len(), 43);
            assert_eq!(first.public_jwk()["alg"], algorithm.as_str());
        }
    }

    #[test]
    fn a_key_of_one_kind_is_no_key_of_another() {
        let pkcs8 = generate(Algorithm::Es256).unwrap();
        assert!(Signer::parse(Algorithm::EdDsa, &pkcs8).is_err());
        assert!(Signer::parse(Algorithm::Rs256, &pkcs8).is_err());
        assert!(Signer::parse(Algorithm::Es256, b"garbage").is_err());
    }
}
