//! [`VerificationKey`]: one public key, parsed from its JWK (RFC 7517, RFC 7518 §6, RFC 8037).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// A signature algorithm that we verify (RFC 7518 §3.1, RFC 8037 §3.1): asymmetric ones only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
}

impl Algorithm {
    /// Every algorithm that we verify.
    pub const ALL: [Self; 9] = [
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
    ];

    /// The name in the `alg` header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = InvalidKey;

    /// The algorithm of this exact name; `none` and the HMAC ones have no value here.
    fn from_str(name: &str) -> Result<Self, InvalidKey> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .ok_or(InvalidKey)
    }
}

/// A JWK or JWKS that cannot be used to verify signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public signature key that we can use")]
pub struct InvalidKey;

/// A public key for signatures; cheap to clone. Equal when id, algorithm and material are.
#[derive(Clone, PartialEq, Eq)]
pub struct VerificationKey(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    kid: Option<String>,
    algorithm: Option<Algorithm>,
    material: Material,
}

/// The numbers of a public key.
#[derive(PartialEq, Eq)]
pub(crate) enum Material {
    /// The uncompressed point on P-256.
    P256(Vec<u8>),
    /// The uncompressed point on P-384.
    P384(Vec<u8>),
    /// The 32 bytes of an Ed25519 key.
    Ed25519(Vec<u8>),
    /// Modulus and exponent, big endian.
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

/// The members of a JWK that we read.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    public_key_use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl VerificationKey {
    /// Reads a JWK.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] when it is not a public key for signatures of a type that we know, or
    /// its `alg` is not one for its type.
    pub fn from_jwk(jwk: &serde_json::Value) -> Result<Self, InvalidKey> {
        let jwk = Jwk::deserialize(jwk).map_err(|_| InvalidKey)?;
        // RFC 7517 §4.2, §4.3: a key for something else is not for this.
        if jwk
            .public_key_use
            .as_deref()
            .is_some_and(|purpose| purpose != "sig")
            || jwk
                .key_ops
                .as_ref()
                .is_some_and(|ops| !ops.iter().any(|op| op == "verify"))
        {
            return Err(InvalidKey);
        }
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("EC", Some("P-256")) => Material::P256(point(&jwk, 32)?),
            ("EC", Some("P-384")) => Material::P384(point(&jwk, 48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(fixed(jwk.x.as_deref(), 32)?),
            ("RSA", _) => Material::Rsa {
                n: decode(jwk.n.as_deref())?,
                e: decode(jwk.e.as_deref())?,
            },
            _ => return Err(InvalidKey),
        };
        let algorithm = jwk.alg.as_deref().map(Algorithm::from_str).transpose()?;
        let key = Self(Arc::new(Parts {
            kid: jwk.kid,
            algorithm,
            material,
        }));
        match algorithm {
            Some(algorithm) if !key.allows(algorithm) => Err(InvalidKey),
            _ => Ok(key),
        }
    }

    /// The key's id.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.0.kid.as_deref()
    }

    /// Whether signatures of this algorithm may be verified with this key: the type fits, and so
    /// does the `alg` of the JWK, if it has one.
    #[must_use]
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        let type_fits = match algorithm {
            Algorithm::Es256 => matches!(self.0.material, Material::P256(_)),
            Algorithm::Es384 => matches!(self.0.material, Material::P384(_)),
            Algorithm::EdDsa => matches!(self.0.material, Material::Ed25519(_)),
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => matches!(self.0.material, Material::Rsa { .. }),
        };
        type_fits
            && self
                .0
                .algorithm
                .is_none_or(|declared| declared == algorithm)
    }

    pub(crate) fn material(&self) -> &Material {
        &self.0.material
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerificationKey")
            .field("kid", &self.0.kid)
            .field("algorithm", &self.0.algorithm)
            .finish_non_exhaustive()
    }
}

/// The point of an elliptic-curve key as SEC 1 §2.3.3 writes it: `04 || x || y`.
fn point(jwk: &Jwk, coordinate: usize) -> Result<Vec<u8>, InvalidKey> {
    let mut point = vec![4];
    point.extend(fixed(jwk.x.as_deref(), coordinate)?);
    point.extend(fixed(jwk.y.as_deref(), coordinate)?);
    Ok(point)
}

fn fixed(text: Option<&str>, length: usize) -> Result<Vec<u8>, InvalidKey> {
    decode(text).and_then(|bytes| {
        if bytes.len() == length {
            Ok(bytes)
        } else {
            Err(InvalidKey)
        }
    })
}

fn decode(text: Option<&str>) -> Result<Vec<u8>, InvalidKey> {
    text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .filter(|bytes| !bytes.is_empty())
        .ok_or(InvalidKey)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    // RFC 7515 appendix A.3.
    fn p256() -> Value {
        json!({"kty": "EC", "crv": "P-256", "kid": "k",
               "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
               "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
    }

    fn with(name: &str, value: Value) -> Result<VerificationKey, InvalidKey> {
        let mut jwk = p256();
        jwk[name] = value;
        VerificationKey::from_jwk(&jwk)
    }

    #[test]
    fn the_algorithm_must_fit_the_type() {
        let key = VerificationKey::from_jwk(&p256()).unwrap();
        assert!(key.allows(Algorithm::Es256));
        for other in Algorithm::ALL
            .into_iter()
            .filter(|other| *other != Algorithm::Es256)
        {
            assert!(!key.allows(other), "{other}");
        }
        assert!(with("alg", "RS256".into()).is_err());
        assert!(with("alg", "HS256".into()).is_err());
        assert!(
            with("alg", "ES256".into())
                .unwrap()
                .allows(Algorithm::Es256)
        );
    }

    #[test]
    fn a_declared_algorithm_excludes_the_others_of_its_type() {
        let modulus = URL_SAFE_NO_PAD.encode([0xff; 256]);
        let mut jwk = json!({"kty": "RSA", "n": modulus, "e": "AQAB"});
        let any = VerificationKey::from_jwk(&jwk).unwrap();
        assert!(any.allows(Algorithm::Rs256) && any.allows(Algorithm::Ps256));
        jwk["alg"] = "RS256".into();
        let one = VerificationKey::from_jwk(&jwk).unwrap();
        assert!(one.allows(Algorithm::Rs256) && !one.allows(Algorithm::Ps256));
    }

    #[test]
    fn the_purpose_must_be_signatures() {
        assert!(with("use", "sig".into()).is_ok());
        assert!(with("use", "enc".into()).is_err());
        assert!(with("key_ops", json!(["verify"])).is_ok());
        assert!(with("key_ops", json!(["encrypt"])).is_err());
    }

    #[test]
    fn coordinates_have_a_fixed_length() {
        assert!(with("x", "AAAA".into()).is_err());
        assert!(with("y", "not base64!".into()).is_err());
    }

    #[test]
    fn names_of_algorithms_are_exact() {
        assert_eq!("ES256".parse(), Ok(Algorithm::Es256));
        for name in ["none", "HS256", "es256", ""] {
            assert_eq!(name.parse::<Algorithm>(), Err(InvalidKey), "{name}");
        }
    }
}
