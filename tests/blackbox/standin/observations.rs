//! What tests can learn from the stand-in about its callers.

use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::nextcloud::{Credential, NextcloudStandIn, StandInConfig, Violation};
use serde_json::json;

use super::{AUDIENCE, NOTES, NOW, Scene, WHO_AM_I};

#[tokio::test]
async fn a_request_is_seen_with_its_user_and_its_tokens_claims() -> Result<()> {
    let scene = Scene::new().await?;
    let mut claims = scene.issuer.claims("alice", AUDIENCE, NOW);
    claims["act"] = json!({"sub": "mcp-gateway"});
    claims["client_id"] = json!("mcp-gateway");
    claims["scope"] = json!("notes.read");
    let token = scene
        .issuer
        .sign("es", &json!({"alg": "ES256", "kid": "es"}), &claims)?;
    scene.whoami(&token).await?;
    let seen = scene.nextcloud.observations().requests_of("alice");
    let request = seen.first().context("nothing was seen")?;
    assert_eq!(request.path, "/ocs/v2.php/cloud/user");
    assert_eq!(request.status, Some(200));
    assert_eq!(request.credential, Credential::Jwt);
    assert_eq!(request.bearer_token(), Some(token.as_str()));
    assert!(request.violations.is_empty());
    assert!(
        !format!("{request:?}").contains(&token),
        "Debug must not show the token"
    );
    let claims = request.claims.as_ref().context("no claims")?;
    assert_eq!(claims.aud(), [AUDIENCE]);
    assert_eq!(claims.iss(), Some(scene.issuer.url()));
    assert_eq!(claims.sub(), Some("alice"));
    assert_eq!(claims.act_sub(), Some("mcp-gateway"));
    assert_eq!(claims.client_id(), Some("mcp-gateway"));
    assert_eq!(claims.scope(), Some("notes.read"));
    assert_eq!(claims.lifetime(), Some(60));
    Ok(())
}

#[tokio::test]
async fn refused_requests_are_seen_too() -> Result<()> {
    let scene = Scene::new().await?;
    let expired = scene.issuer.token("es", "alice", AUDIENCE, NOW - 3600)?;
    scene.whoami(&expired).await?;
    let seen = scene.nextcloud.observations().requests();
    let request = seen.last().context("nothing was seen")?;
    assert_eq!((request.status, request.user.as_deref()), (Some(401), None));
    assert_eq!(
        request.claims.as_ref().and_then(|claims| claims.sub()),
        Some("alice")
    );
    assert_eq!(scene.nextcloud.observations().bearer_tokens(), [expired]);
    Ok(())
}

#[tokio::test]
async fn broken_rules_are_recorded_as_such() -> Result<()> {
    let scene = Scene::new().await?;
    let violations = |scene: &Scene| -> Vec<Violation> {
        let seen = scene.nextcloud.observations().violations();
        scene.nextcloud.observations().clear();
        seen.into_iter()
            .flat_map(|request| request.violations)
            .collect()
    };
    scene.call("alice", "GET", NOTES, "").await?;
    assert_eq!(violations(&scene), []);

    scene
        .call_with("alice", "GET", NOTES, &[("cookie", "a=1; b=2")], "")
        .await?;
    let cookies = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(violations(&scene), [Violation::Cookie(cookies)]);

    let authorization = format!("Bearer {}", scene.token("alice")?);
    scene
        .send("GET", WHO_AM_I, &[("authorization", &authorization)], "")
        .await?;
    assert_eq!(violations(&scene), [Violation::NoOcsHeader]);

    for (method, target) in [
        ("GET", "/ocs/v2.php/core/getapppassword"),
        ("PUT", "/ocs/v1.php/cloud/users/alice"),
        ("POST", "/index.php/settings/personal/authtokens"),
        ("POST", "/login/v2"),
        ("GET", "/index.php/apps/oauth2/authorize"),
        ("GET", "/ocs/v2.php/cloud%2f..%2fcore/getapppassword"),
    ] {
        scene.call("alice", method, target, "").await?;
        assert!(
            violations(&scene).contains(&Violation::AccountTaking),
            "{method} {target}"
        );
    }
    scene
        .call("alice", "GET", "/login/selectchallenge", "")
        .await?;
    assert!(violations(&scene).contains(&Violation::FollowedChallenge));
    Ok(())
}

#[tokio::test]
async fn the_stand_in_stops_with_its_handle() -> Result<()> {
    let nextcloud = NextcloudStandIn::start(StandInConfig::default()).await?;
    let address = nextcloud.url().trim_start_matches("http://").to_owned();
    assert!(tokio::net::TcpStream::connect(&address).await.is_ok());
    drop(nextcloud);
    let patience = Duration::from_secs(10);
    harness::wait::until("the port to be free", patience, async || {
        tokio::net::TcpListener::bind(&address).await.ok()
    })
    .await?;
    Ok(())
}
