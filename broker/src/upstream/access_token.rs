//! Access tokens of the IdP that are for us: not the user's at Nextcloud, but an administrator's.

use broker_client::verify::{self, Rules, VerifyError};
use serde_json::{Map, Value};

use super::Upstream;

/// The header types of access tokens: RFC 9068's, and what most providers still write.
const TYPES: &[&str] = &["at+jwt", "JWT"];

/// Claims that only an ID token has (OIDC Core §2, §3.1.3.6, §3.3.2.11): one is no access token,
/// even where its header does not say so.
const OF_ID_TOKENS: [&str; 3] = ["nonce", "at_hash", "c_hash"];

impl Upstream {
    /// The claims of a JWT access token of the IdP for `audience`.
    ///
    /// # Errors
    /// The first rule that it breaks; [`VerifyError::Type`] for other kinds of tokens.
    pub async fn verify_access_token(
        &self,
        token: &str,
        audience: &str,
    ) -> Result<Map<String, Value>, VerifyError> {
        let rules = Rules {
            types: TYPES,
            required: &["sub"],
            ..Rules::access_token(&self.config.issuer, vec![audience.to_owned()])
        };
        let now = self.ambient.clock.now();
        let claims: Map<String, Value> = verify::verify(token, &self.keys, &rules, now).await?;
        // Keycloak says in `typ` which of its tokens it is.
        let is_another_kind = claims.get("typ").is_some_and(|kind| kind != "Bearer");
        if is_another_kind || OF_ID_TOKENS.iter().any(|claim| claims.contains_key(*claim)) {
            return Err(VerifyError::Type);
        }
        Ok(claims)
    }
}
