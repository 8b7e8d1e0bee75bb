//! RFC 9068 §4, RFC 8725: which access tokens are accepted, and which never.

use std::sync::Arc;
use std::time::Duration;

use broker_client::ambient::Clock;
use broker_client::testing::{FakeClock, FakeIssuer};
use broker_client::verify::{AccessTokenVerifier, Rules, VerifyError, verify};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::NOW;

const ISSUER: &str = "https://issuer.example";
const RESOURCE: &str = "https://mcp.example/mcp";

struct Case {
    issuer: Arc<FakeIssuer>,
    clock: Arc<FakeClock>,
    verifier: AccessTokenVerifier,
}

impl Case {
    fn new() -> Self {
        let clock = Arc::new(FakeClock::at(NOW));
        let time: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let issuer = Arc::new(FakeIssuer::with_clock(ISSUER, Arc::clone(&time)));
        let keys = Arc::clone(&issuer) as _;
        let verifier = AccessTokenVerifier::new(ISSUER, vec![RESOURCE.to_owned()], keys, time);
        Self {
            issuer,
            clock,
            verifier,
        }
    }

    fn claims(&self) -> Value {
        self.issuer.claims(RESOURCE, "notes.read notes.write")
    }

    /// Good claims with one changed.
    fn with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims
            .as_object_mut()
            .unwrap()
            .insert(name.to_owned(), value);
        claims
    }

    /// The reason why a token is refused, or "good".
    async fn verdict(&self, token: &str) -> &'static str {
        match self.verifier.verify(token).await {
            Ok(_) => "good",
            Err(error) => error.reason(),
        }
    }
}

#[tokio::test]
async fn a_good_token_tells_who_may_do_what() {
    let case = Case::new();
    let claims = case
        .verifier
        .verify(&case.issuer.sign(&case.claims()))
        .await
        .unwrap();
    assert_eq!(claims.sub, "alice");
    assert_eq!(claims.aud, [RESOURCE]);
    assert_eq!(claims.client_id, "test-client");
    assert_eq!(claims.sid.as_deref(), Some("session-1"));
    assert_eq!(claims.exp, NOW + 600);
    assert!(claims.scope.contains("notes.write"));
}

#[tokio::test]
async fn the_forms_that_the_rfc_allows_are_accepted() {
    let case = Case::new();
    let audiences = case.with("aud", json!(["https://other.example", RESOURCE]));
    assert_eq!(case.verdict(&case.issuer.sign(&audiences)).await, "good");
    let full_type = case
        .issuer
        .mint(&json!({"typ": "application/at+jwt"}), &case.claims());
    assert_eq!(case.verdict(&full_type).await, "good");
    let mut no_scope = case.claims();
    no_scope.as_object_mut().unwrap().remove("scope");
    let claims = case
        .verifier
        .verify(&case.issuer.sign(&no_scope))
        .await
        .unwrap();
    assert!(claims.scope.is_empty());
}

#[tokio::test]
async fn bad_claims_are_refused() {
    let case = Case::new();
    for (name, value, reason) in [
        ("exp", json!(NOW - 5), "expired"),
        ("iss", json!("https://other.example"), "issuer"),
        ("iss", json!("https://issuer.example/"), "issuer"),
        ("aud", json!("https://other.example/mcp"), "audience"),
        ("aud", json!("https://mcp.example/mcp/"), "audience"),
        ("aud", json!([]), "audience"),
        ("nbf", json!(NOW + 6), "not_yet_valid"),
        ("iat", json!(NOW + 6), "not_yet_valid"),
        ("exp", json!("soon"), "malformed"),
        ("scope", json!(["notes.read"]), "malformed"),
        ("scope", json!("a\"b"), "malformed"),
        ("sub", json!(7), "malformed"),
    ] {
        let token = case.issuer.sign(&case.with(name, value.clone()));
        assert_eq!(case.verdict(&token).await, reason, "{name} = {value}");
    }
    for name in ["iss", "aud", "exp", "sub", "client_id", "iat", "jti"] {
        let mut claims = case.claims();
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(
            case.verdict(&case.issuer.sign(&claims)).await,
            "missing_claim",
            "{name}"
        );
    }
}

#[tokio::test]
async fn bad_headers_are_refused() {
    let case = Case::new();
    for (header, reason) in [
        (json!({"typ": "JWT"}), "type"),
        (json!({"typ": null}), "type"),
        (json!({"typ": "at+jwt", "kid": "other"}), "unknown_key"),
        (json!({"typ": "at+jwt", "alg": "RS256"}), "algorithm"),
        (json!({"typ": "at+jwt", "alg": "EdDSA"}), "algorithm"),
        (json!({"typ": "at+jwt", "alg": "ES384"}), "algorithm"),
        (
            json!({"typ": "at+jwt", "crit": ["b64"], "b64": false}),
            "malformed",
        ),
        (json!({"typ": "at+jwt", "alg": 7}), "malformed"),
    ] {
        let token = case.issuer.mint(&header, &case.claims());
        assert_eq!(case.verdict(&token).await, reason, "{header}");
    }
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let case = Case::new();
    let claims = case.claims();
    assert_eq!(
        case.verdict(&case.issuer.mint_unsigned(&claims)).await,
        "algorithm"
    );
    let confused = case.issuer.mint_hs256_with_public_key(&claims);
    assert_eq!(case.verdict(&confused).await, "algorithm");
    assert_eq!(
        case.verdict(&case.issuer.mint_with_another_key(&claims))
            .await,
        "signature"
    );

    let good = case.issuer.sign(&claims);
    let other = case.issuer.sign(&case.with("sub", json!("bob")));
    let (message, _) = other.rsplit_once('.').unwrap();
    let (_, signature) = good.rsplit_once('.').unwrap();
    assert_eq!(
        case.verdict(&format!("{message}.{signature}")).await,
        "signature"
    );
    assert_eq!(case.verdict(&format!("{message}.")).await, "signature");
}

#[tokio::test]
async fn what_is_no_token_is_malformed() {
    let case = Case::new();
    let huge = format!("{}.e30.", "a".repeat(20_000));
    for token in [
        "",
        "x",
        "a.b",
        "a.b.c",
        "e30.e30.e30",
        "....",
        huge.as_str(),
    ] {
        assert_eq!(case.verdict(token).await, "malformed", "{token:.40}");
    }
}

#[tokio::test]
async fn a_token_that_was_good_ends_with_its_time() {
    let case = Case::new();
    let token = case.issuer.sign(&case.claims());
    assert_eq!(case.verdict(&token).await, "good");
    case.clock.advance(Duration::from_secs(604));
    assert_eq!(case.verdict(&token).await, "good");
    case.clock.advance(Duration::from_secs(1));
    assert_eq!(case.verdict(&token).await, "expired");
}

#[tokio::test]
async fn a_token_that_was_good_ends_with_its_key() {
    let case = Case::new();
    let token = case.issuer.sign(&case.claims());
    case.issuer.rotate();
    assert_eq!(case.verdict(&token).await, "good");
    assert_eq!(
        case.verdict(&case.issuer.sign(&case.claims())).await,
        "good"
    );
    case.issuer.withdraw_old_keys();
    assert_eq!(case.verdict(&token).await, "unknown_key");
}

#[tokio::test]
async fn id_tokens_have_rules_of_their_own() {
    #[derive(Debug, Deserialize)]
    struct IdToken {
        sub: String,
        nonce: String,
    }
    let case = Case::new();
    let rules = Rules::id_token(ISSUER, "client-1");
    let claims = json!({
        "iss": ISSUER, "aud": "client-1", "sub": "alice", "nonce": "n",
        "iat": NOW, "exp": NOW + 60,
    });
    let issuer = case.issuer.as_ref();
    let now = case.clock.now();
    for header in [json!({"typ": "JWT"}), json!({}), json!({"kid": null})] {
        let token = issuer.mint(&header, &claims);
        let id_token: IdToken = verify(&token, issuer, &rules, now).await.unwrap();
        assert_eq!(
            (id_token.sub.as_str(), id_token.nonce.as_str()),
            ("alice", "n")
        );
    }
    let access_token = issuer.mint(&json!({"typ": "at+jwt"}), &claims);
    let result = verify::<IdToken>(&access_token, issuer, &rules, now).await;
    assert!(matches!(result, Err(VerifyError::Type)), "{result:?}");

    // OpenID Connect Core §10.1: with several keys, the token must say which.
    issuer.rotate();
    let nameless = issuer.mint(&json!({"kid": null}), &claims);
    let result = verify::<IdToken>(&nameless, issuer, &rules, now).await;
    assert!(matches!(result, Err(VerifyError::UnknownKey)), "{result:?}");
}
