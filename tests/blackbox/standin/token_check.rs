//! The acceptance table of user_oidc's bearer check, row by row.

use anyhow::Result;
use harness::jwt;
use harness::nextcloud::issuer::{KeyKind, Labelled};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{AUDIENCE, NOW, Scene, WHO_AM_I};

/// A good token with one header member and one claim changed; `null` removes a member.
fn changed(scene: &Scene, header: &Value, claims: &Value) -> Result<String> {
    let mut all_headers = json!({"alg": "ES256", "typ": "JWT", "kid": "es"});
    let mut all_claims = scene.issuer.claims("alice", AUDIENCE, NOW);
    merge(&mut all_headers, header);
    merge(&mut all_claims, claims);
    let kid = all_headers["kid"].as_str().unwrap_or("es").to_owned();
    let signer = if kid == "unknown" { "es" } else { &kid };
    scene.issuer.sign(signer, &all_headers, &all_claims)
}

fn merge(target: &mut Value, change: &Value) {
    let target = target.as_object_mut().unwrap();
    for (key, value) in change.as_object().unwrap() {
        if value.is_null() {
            target.remove(key);
        } else {
            target.insert(key.clone(), value.clone());
        }
    }
}

async fn accepted(scene: &Scene, header: Value, claims: Value) -> Result<bool> {
    let token = changed(scene, &header, &claims)?;
    Ok(scene.uid_of(&token).await?.as_deref() == Some("alice"))
}

#[tokio::test]
async fn the_key_decides_the_algorithm() -> Result<()> {
    let scene = Scene::new().await?;
    for (kid, kind) in [
        ("rsa", KeyKind::Rsa),
        ("p384", KeyKind::P384),
        ("ed", KeyKind::Ed25519),
    ] {
        scene.issuer.add_key(kid, kind, Labelled::WithAlg)?;
        scene
            .issuer
            .add_key(&format!("{kid}-bare"), kind, Labelled::WithoutAlg)?;
    }
    scene
        .issuer
        .add_key("es-bare", KeyKind::P256, Labelled::WithoutAlg)?;
    for (kid, algorithm) in [
        ("rsa", "RS256"),
        ("rsa-bare", "RS256"),
        ("rsa-bare", "RS512"),
        ("es", "ES256"),
        ("es-bare", "ES256"),
        ("p384", "ES384"),
        ("p384-bare", "ES384"),
        ("ed", "EdDSA"),
        ("ed-bare", "EdDSA"),
    ] {
        let header = json!({"alg": algorithm, "kid": kid});
        assert!(
            accepted(&scene, header, json!({})).await?,
            "{algorithm} with {kid}"
        );
    }
    // A label other than the header's, and what php-jwt or user_oidc do not know.
    for (kid, algorithm) in [("rsa", "RS512"), ("rsa", "PS256"), ("rsa-bare", "PS256")] {
        let header = json!({"alg": algorithm, "kid": kid});
        assert!(
            !accepted(&scene, header, json!({})).await?,
            "{algorithm} with {kid}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn unsigned_and_hmac_tokens_are_refused() -> Result<()> {
    let scene = Scene::new().await?;
    let header = json!({"typ": "JWT", "kid": "es"});
    let claims = scene.issuer.claims("alice", AUDIENCE, NOW);
    let hmac = jwt::hmac(&header, &claims, b"secret");
    let garbage = ["", "x", "a.b.c", "e30.e30.e30"].map(str::to_owned);
    let forged = [jwt::unsigned(&header, &claims), hmac];
    for token in garbage.into_iter().chain(forged) {
        assert_eq!(scene.uid_of(&token).await?, None, "{token}");
    }
    Ok(())
}

#[tokio::test]
async fn the_header_needs_a_known_kid_and_nothing_else() -> Result<()> {
    let scene = Scene::new().await?;
    for good in [
        json!({"typ": "at+jwt"}),
        json!({"typ": null}),
        json!({"typ": "anything"}),
    ] {
        assert!(accepted(&scene, good.clone(), json!({})).await?, "{good}");
    }
    for bad in [json!({"kid": null}), json!({"kid": "unknown"})] {
        assert!(!accepted(&scene, bad.clone(), json!({})).await?, "{bad}");
    }
    Ok(())
}

#[tokio::test]
async fn the_audience_check_has_the_hole_of_the_real_one() -> Result<()> {
    let scene = Scene::new().await?;
    for good in [
        json!(AUDIENCE),
        json!(["x", AUDIENCE]),
        json!(null),
        json!(7),
    ] {
        assert!(
            accepted(&scene, json!({}), json!({"aud": good.clone()})).await?,
            "{good}"
        );
    }
    for bad in [json!("other"), json!(["x", "y"]), json!([]), json!("")] {
        assert!(
            !accepted(&scene, json!({}), json!({"aud": bad.clone()})).await?,
            "{bad}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_issuer_is_compared_exactly() -> Result<()> {
    let scene = Scene::new().await?;
    let slash = format!("{}/", scene.issuer.url());
    for bad in [json!(null), json!(slash), json!("http://other.example")] {
        assert!(
            !accepted(&scene, json!({}), json!({"iss": bad.clone()})).await?,
            "{bad}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn expiry_has_no_leeway_and_the_start_has_a_minute() -> Result<()> {
    let scene = Scene::new().await?;
    for good in [
        json!({"exp": NOW}),
        json!({"exp": NOW + 315_360_000}),
        json!({"iat": null}),
        json!({"iat": NOW + 30}),
        json!({"nbf": NOW + 30}),
    ] {
        assert!(accepted(&scene, json!({}), good.clone()).await?, "{good}");
    }
    for bad in [
        json!({"exp": null}),
        json!({"exp": NOW - 1}),
        json!({"exp": NOW - 5}),
        json!({"iat": NOW + 120, "exp": NOW + 300}),
        json!({"nbf": NOW + 120, "exp": NOW + 300}),
    ] {
        assert!(!accepted(&scene, json!({}), bad.clone()).await?, "{bad}");
    }
    Ok(())
}

#[tokio::test]
async fn other_claims_are_ignored_and_a_token_may_come_twice() -> Result<()> {
    let scene = Scene::new().await?;
    for claims in [
        json!({"scope": ""}),
        json!({"azp": "someone-else"}),
        json!({"act": {"sub": "gateway"}}),
        json!({"cnf": {"jkt": "thumbprint"}}),
        json!({"jti": "1"}),
        json!({"jti": "1"}),
    ] {
        assert!(
            accepted(&scene, json!({}), claims.clone()).await?,
            "{claims}"
        );
    }
    assert!(!accepted(&scene, json!({}), json!({"sub": null})).await?);
    Ok(())
}

#[tokio::test]
async fn a_changed_payload_is_refused() -> Result<()> {
    let scene = Scene::new().await?;
    let (alice, bob) = (scene.token("alice")?, scene.token("bob")?);
    let parts = |token: &str| -> Vec<String> { token.split('.').map(str::to_owned).collect() };
    let (alice, bob) = (parts(&alice), parts(&bob));
    let mixed = format!("{}.{}.{}", alice[0], bob[1], alice[2]);
    assert_eq!(scene.uid_of(&mixed).await?, None);
    Ok(())
}

#[tokio::test]
async fn the_scheme_is_read_with_its_case() -> Result<()> {
    let scene = Scene::new().await?;
    let token = scene.token("alice")?;
    for (scheme, status) in [
        ("Bearer", StatusCode::OK),
        ("bearer", StatusCode::OK),
        ("BEARER", StatusCode::UNAUTHORIZED),
        ("DPoP", StatusCode::UNAUTHORIZED),
    ] {
        let authorization = format!("{scheme} {token}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("ocs-apirequest", "true"),
        ];
        let answer = scene.send("GET", WHO_AM_I, &headers, "").await?;
        assert_eq!(answer.status, status, "{scheme}");
    }
    Ok(())
}

#[tokio::test]
async fn without_the_bearer_check_no_token_is_looked_at() -> Result<()> {
    let scene = Scene::with(|provider| provider.check_bearer = false).await?;
    let token = scene.token("alice")?;
    assert_eq!(scene.uid_of(&token).await?, None);
    assert_eq!(scene.issuer.key_fetches(), 0);
    Ok(())
}
