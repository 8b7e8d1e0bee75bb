//! The public keys of clients that sign their authentication (RFC 7591 §2: `jwks`, `jwks_uri`).
//!
//! The keys stand in the client's own metadata, or at a URL there. That URL is a stranger's, so it is
//! fetched by the guarded client, and cached as the keys of an issuer are. What a signature has to
//! cover is [`crate::token`]'s.

use std::sync::Arc;

use broker_client::ambient::Clock;
use broker_client::http::GuardedClient;
use broker_client::keys::{KeySet, KeySource, RemoteKeySet};
use broker_client::oauth::OAuthError;
use moka::future::Cache;
use serde_json::{Map, Value};
use url::Url;

use super::metadata::{invalid, text};

/// The most keys of one client.
const MOST_KEYS: usize = 20;

/// Members of a JWK that are not public (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// How many clients' key URLs are remembered.
const MOST_URLS: u64 = 1_000;

/// Where a client's keys are.
#[derive(Debug, Clone)]
enum ClientKeys {
    /// In its metadata.
    Inline(KeySet),
    /// At this URL.
    At(Url),
}

impl ClientKeys {
    fn of(metadata: &Map<String, Value>) -> Option<Self> {
        if let Some(jwks) = metadata.get("jwks") {
            let keys = KeySet::from_json(jwks.to_string().as_bytes()).ok()?;
            return Some(Self::Inline(keys));
        }
        let url = metadata.get("jwks_uri")?.as_str()?;
        Url::parse(url).ok().map(Self::At)
    }
}

/// Whether a client with this metadata has keys to sign with.
pub(crate) fn has_keys(metadata: &Map<String, Value>) -> bool {
    ClientKeys::of(metadata).is_some()
}

/// Takes `jwks` or `jwks_uri` of a client's document into what is kept of it.
///
/// # Errors
/// `invalid_client_metadata` when there are both (RFC 7591 §2), or one that is of no use.
pub(crate) fn keep(
    document: &Map<String, Value>,
    kept: &mut Map<String, Value>,
) -> Result<(), OAuthError> {
    let jwks = document.get("jwks").filter(|jwks| !jwks.is_null());
    let uri = text(document, "jwks_uri")?;
    match (jwks, uri) {
        (None, None) => {}
        (Some(_), Some(_)) => return Err(invalid("jwks and jwks_uri exclude each other.")),
        (Some(jwks), None) => {
            check(jwks)?;
            kept.insert("jwks".to_owned(), jwks.clone());
        }
        (None, Some(uri)) => {
            // Where it leads is judged when it is fetched.
            if !matches!(Url::parse(uri), Ok(url) if matches!(url.scheme(), "https" | "http")) {
                return Err(invalid("jwks_uri must be a web address."));
            }
            kept.insert("jwks_uri".to_owned(), uri.into());
        }
    }
    Ok(())
}

/// Whether this is a key set that we can use and may show: it goes back to whoever registered it.
///
/// # Errors
/// `invalid_client_metadata` when it is not.
fn check(jwks: &Value) -> Result<(), OAuthError> {
    let wrong = || {
        invalid(format!(
            "jwks must be a JWK Set with 1 to {MOST_KEYS} public keys for signatures."
        ))
    };
    let keys = jwks
        .get("keys")
        .and_then(Value::as_array)
        .ok_or_else(wrong)?;
    let is_private = |key: &Value| PRIVATE.iter().any(|member| key.get(*member).is_some());
    if keys.iter().any(is_private) {
        return Err(invalid(
            "jwks holds a private key. It must be replaced: whoever saw this request has it.",
        ));
    }
    let usable = KeySet::from_json(jwks.to_string().as_bytes()).map_err(|_| wrong())?;
    if keys.len() > MOST_KEYS || usable.is_empty() {
        return Err(wrong());
    }
    Ok(())
}

/// Gives clients' keys. Cheap to clone.
#[derive(Clone)]
pub struct KeyReader {
    guarded: GuardedClient,
    clock: Arc<dyn Clock>,
    remote: Cache<Url, RemoteKeySet>,
}

impl KeyReader {
    /// Fetches with `guarded`.
    #[must_use]
    pub fn new(guarded: GuardedClient, clock: Arc<dyn Clock>) -> Self {
        Self {
            guarded,
            clock,
            remote: Cache::new(MOST_URLS),
        }
    }

    /// The keys that this metadata names; `None` when it names none.
    pub async fn keys(&self, metadata: &Map<String, Value>) -> Option<Arc<dyn KeySource>> {
        match ClientKeys::of(metadata)? {
            ClientKeys::Inline(keys) => Some(Arc::new(keys)),
            ClientKeys::At(url) => {
                let fresh = async {
                    let (guarded, clock) = (self.guarded.clone(), Arc::clone(&self.clock));
                    RemoteKeySet::from_guarded(guarded, url.clone(), clock)
                };
                Some(Arc::new(self.remote.get_with_by_ref(&url, fresh).await))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // RFC 8037 appendix A.2.
    fn public() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "1",
               "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn kept(document: &Value) -> Result<Map<String, Value>, OAuthError> {
        let mut kept = Map::new();
        keep(document.as_object().unwrap(), &mut kept).map(|()| kept)
    }

    #[test]
    fn keys_are_public_usable_and_in_one_place() {
        let private = json!({"kty": "OKP", "crv": "Ed25519", "x": public()["x"], "d": "AA"});
        let symmetric = json!({"kty": "oct", "k": "c2VjcmV0"});
        for wrong in [
            json!({"jwks": {"keys": [public()]}, "jwks_uri": "https://a.example/jwks"}),
            json!({"jwks": {"keys": []}}),
            json!({"jwks": {"keys": [private]}}),
            json!({"jwks": {"keys": [public(), symmetric]}}),
            json!({"jwks": {"keys": vec![public(); 21]}}),
            json!({"jwks": {"keys": [{"kty": "new"}]}}),
            json!({"jwks": [public()]}),
            json!({"jwks": "keys"}),
            json!({"jwks_uri": "file:///etc/passwd"}),
            json!({"jwks_uri": ["https://a.example/jwks"]}),
        ] {
            assert!(kept(&wrong).is_err(), "{wrong}");
        }
        for good in [
            json!({"jwks": {"keys": [public()]}}),
            json!({"jwks_uri": "https://a.example/jwks"}),
        ] {
            let kept = kept(&good).unwrap();
            assert!(has_keys(&kept), "{good}");
            assert_eq!(Value::Object(kept), good);
        }
        assert!(!has_keys(&kept(&json!({"jwks": null})).unwrap()));
    }
}
