//! Validation of the `id_token` (OIDC Core §3.1.3.7).

use broker_client::secret::Secret;
use broker_client::verify::{self, Rules, VerifyError};
use serde_json::{Map, Value};

use super::{Identity, Upstream};
use crate::crypto;

/// Why an `id_token` is not believed.
#[derive(Debug, thiserror::Error)]
pub enum IdTokenError {
    /// Signature, `iss`, `aud`, `exp` or `iat` (points 1 to 3, 6 to 10).
    #[error("the id_token does not verify")]
    Verify(#[from] VerifyError),
    /// It is for several audiences, or names another authorized party (points 4 and 5).
    #[error("the id_token was issued to another client")]
    AuthorizedParty,
    /// It is not of this login (point 11).
    #[error("the id_token's nonce is not of this login")]
    Nonce,
    /// `sub` is missing, empty or longer than 255 characters (OIDC Core §2).
    #[error("the id_token has no usable sub")]
    Subject,
}

impl IdTokenError {
    /// A word for the audit.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Verify(error) => error.reason(),
            Self::AuthorizedParty => "authorized_party",
            Self::Nonce => "nonce",
            Self::Subject => "subject",
        }
    }
}

impl Upstream {
    /// Verifies `id_token` for the login with `nonce`.
    pub(super) async fn verify(
        &self,
        id_token: &Secret,
        nonce: &str,
    ) -> Result<Identity, IdTokenError> {
        let client_id = self.config.authentication.client_id();
        let rules = Rules::id_token(&self.config.issuer, client_id);
        let claims: Map<String, Value> = verify::verify(
            id_token.expose(),
            &self.keys,
            &rules,
            self.ambient.clock.now(),
        )
        .await?;
        check_authorized_party(&claims, client_id)?;
        check_nonce(&claims, nonce)?;
        identity(&claims, &self.config.issuer, &self.config.uid_claim)
    }
}

/// Points 3 to 5. That `client_id` is among the audiences is already verified; another audience is
/// trusted only when the token says it was issued to us.
fn check_authorized_party(
    claims: &Map<String, Value>,
    client_id: &str,
) -> Result<(), IdTokenError> {
    let has_others = claims
        .get("aud")
        .and_then(Value::as_array)
        .is_some_and(|audiences| audiences.iter().any(|audience| audience != client_id));
    match claims.get("azp") {
        Some(azp) if azp == client_id => Ok(()),
        None if !has_others => Ok(()),
        _ => Err(IdTokenError::AuthorizedParty),
    }
}

fn check_nonce(claims: &Map<String, Value>, nonce: &str) -> Result<(), IdTokenError> {
    let same =
        text(claims, "nonce").is_some_and(|found| crypto::same(found.as_bytes(), nonce.as_bytes()));
    if same {
        Ok(())
    } else {
        Err(IdTokenError::Nonce)
    }
}

fn identity(
    claims: &Map<String, Value>,
    issuer: &str,
    uid_claim: &str,
) -> Result<Identity, IdTokenError> {
    let subject = text(claims, "sub")
        .filter(|subject| (1..=255).contains(&subject.len()))
        .ok_or(IdTokenError::Subject)?
        .to_owned();
    let owned = |name: &str| {
        text(claims, name)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    };
    Ok(Identity {
        issuer: issuer.to_owned(),
        subject,
        // The exact text: a number, a list or other letters of case name nobody in Nextcloud.
        nextcloud_uid: owned(uid_claim),
        name: owned("name").or_else(|| owned("preferred_username")),
        session: identifier(claims, "sid").map(str::to_owned),
    })
}

/// A claim that names something: 1 to 255 bytes, no control characters.
pub(super) fn identifier<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    text(claims, name)
        .filter(|value| (1..=255).contains(&value.len()) && !value.chars().any(char::is_control))
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else {
            panic!("an object")
        };
        map
    }

    #[test]
    fn a_single_audience_needs_no_azp_but_a_foreign_one_is_refused() {
        for (value, good) in [
            (json!({"aud": "us"}), true),
            (json!({"aud": ["us"]}), true),
            (json!({"aud": "us", "azp": "us"}), true),
            (json!({"aud": ["us", "other"], "azp": "us"}), true),
            (json!({"aud": ["us", "other"]}), false),
            (json!({"aud": ["us", "other"], "azp": "other"}), false),
            (json!({"aud": "us", "azp": "other"}), false),
            (json!({"aud": "us", "azp": 1}), false),
        ] {
            assert_eq!(
                check_authorized_party(&claims(value.clone()), "us").is_ok(),
                good,
                "{value}"
            );
        }
    }

    #[test]
    fn the_nonce_must_be_there_and_be_ours() {
        assert!(check_nonce(&claims(json!({"nonce": "n"})), "n").is_ok());
        assert!(check_nonce(&claims(json!({"nonce": "m"})), "n").is_err());
        assert!(check_nonce(&claims(json!({})), "n").is_err());
    }

    #[test]
    fn the_uid_is_the_configured_claims_exact_text_or_nothing() {
        let uid = |value: Value, claim: &str| {
            identity(&claims(value), "https://id.example", claim)
                .map(|identity| identity.nextcloud_uid)
                .ok()
                .flatten()
        };
        let base = json!({"sub": "s-1", "preferred_username": "Älice ", "number": 7, "empty": ""});
        assert_eq!(uid(base.clone(), "sub").as_deref(), Some("s-1"));
        assert_eq!(
            uid(base.clone(), "preferred_username").as_deref(),
            Some("Älice ")
        );
        assert_eq!(uid(base.clone(), "number"), None);
        assert_eq!(uid(base.clone(), "empty"), None);
        assert_eq!(uid(base, "missing"), None);
    }

    #[test]
    fn a_token_without_a_usable_sub_names_nobody() {
        for value in [
            json!({}),
            json!({"sub": ""}),
            json!({"sub": 7}),
            json!({"sub": "x".repeat(256)}),
        ] {
            assert!(matches!(
                identity(&claims(value), "https://id.example", "sub"),
                Err(IdTokenError::Subject)
            ));
        }
    }
}
