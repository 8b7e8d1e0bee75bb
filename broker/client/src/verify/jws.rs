//! [`Parts`]: a signed token taken apart (RFC 7515), and its signature.
//!
//! The only place that touches `jsonwebtoken`, which checks signatures and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::VerifyError;
use crate::keys::{Algorithm, Material, VerificationKey};

/// The largest token that is looked at, in bytes.
pub const TOKEN_LIMIT: usize = 16 * 1024;

/// The members of the JOSE header that we read.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) typ: Option<String>,
    pub(super) kid: Option<String>,
    pub(super) crit: Option<Value>,
}

/// A JWS in compact form (RFC 7515 §7.1), still encoded.
pub(super) struct Parts<'a> {
    /// Header and payload with the dot between: what is signed.
    message: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn split(token: &'a str) -> Result<Self, VerifyError> {
        if token.len() > TOKEN_LIMIT {
            return Err(VerifyError::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(VerifyError::Malformed)?;
        if payload.contains('.') {
            return Err(VerifyError::Malformed);
        }
        Ok(Self {
            message,
            header,
            payload,
            signature,
        })
    }

    pub(super) fn header(&self) -> Result<Header, VerifyError> {
        from_base64_json(self.header)
    }

    pub(super) fn claims(&self) -> Result<Map<String, Value>, VerifyError> {
        from_base64_json(self.payload)
    }

    pub(super) fn check_signature(
        &self,
        key: &VerificationKey,
        algorithm: Algorithm,
    ) -> Result<(), VerifyError> {
        let key = match key.material() {
            Material::P256(point) | Material::P384(point) => DecodingKey::from_ec_der(point),
            Material::Ed25519(bytes) => DecodingKey::from_ed_der(bytes),
            Material::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
        };
        let message = self.message.as_bytes();
        match jsonwebtoken::crypto::verify(self.signature, message, &key, external(algorithm)) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(VerifyError::Signature),
        }
    }
}

/// Our closed list in the words of the library; the list has no symmetric algorithm.
const fn external(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::Es384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Rs384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::Rs512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Ps384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::Ps512 => jsonwebtoken::Algorithm::PS512,
    }
}

fn from_base64_json<T: DeserializeOwned>(part: &str) -> Result<T, VerifyError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| VerifyError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| VerifyError::Malformed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whether the signature of a token is good under a key given as JWK.
    fn signature_is_good(token: &str, jwk: &Value, algorithm: Algorithm) -> bool {
        let key = VerificationKey::from_jwk(jwk).unwrap();
        Parts::split(token)
            .unwrap()
            .check_signature(&key, algorithm)
            .is_ok()
    }

    fn with_last_byte_changed(token: &str) -> String {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    #[test]
    fn es256_vector_of_rfc_7515_appendix_a_3() {
        let jwk = json!({"kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6\
                     Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4Gawx\
                     aepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        assert!(signature_is_good(token, &jwk, Algorithm::Es256));
        assert!(!signature_is_good(
            &with_last_byte_changed(token),
            &jwk,
            Algorithm::Es256
        ));
    }

    #[test]
    fn ed25519_vector_of_rfc_8037_appendix_a_4() {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1\
                     PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert!(signature_is_good(token, &jwk, Algorithm::EdDsa));
        assert!(!signature_is_good(
            &with_last_byte_changed(token),
            &jwk,
            Algorithm::EdDsa
        ));
    }

    #[test]
    fn rsa_signatures_are_good_under_their_own_algorithm_only() {
        use aws_lc_rs::rand::SystemRandom;
        use aws_lc_rs::rsa::{KeyPair, KeySize};
        use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};

        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let jwk = json!({"kty": "RSA",
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero())});
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            b"e30.e30",
            &mut signature,
        )
        .unwrap();
        let token = format!("e30.e30.{}", URL_SAFE_NO_PAD.encode(signature));
        assert!(signature_is_good(&token, &jwk, Algorithm::Rs256));
        assert!(!signature_is_good(
            &with_last_byte_changed(&token),
            &jwk,
            Algorithm::Rs256
        ));
        assert!(!signature_is_good(&token, &jwk, Algorithm::Rs512));
        assert!(!signature_is_good(&token, &jwk, Algorithm::Ps256));
    }

    #[test]
    fn a_token_has_three_parts_and_a_limit() {
        for bad in ["", ".", "a.b", "a.b.c.d"] {
            assert!(
                matches!(Parts::split(bad), Err(VerifyError::Malformed)),
                "{bad}"
            );
        }
        let largest = format!("{}.b.c", "a".repeat(TOKEN_LIMIT - 4));
        assert!(Parts::split(&largest).is_ok());
        assert!(matches!(
            Parts::split(&format!("a{largest}")),
            Err(VerifyError::Malformed)
        ));
    }
}
