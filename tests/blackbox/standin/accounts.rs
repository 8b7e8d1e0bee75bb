//! Which account a token stands for, and what disabled users and second factors change.

use anyhow::Result;
use harness::nextcloud::{Account, Backend};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{AUDIENCE, NOTES, NOW, Scene, WHO_AM_I};

const HOME: &str = "/remote.php/dav/files/alice/";

#[tokio::test]
async fn a_claim_finds_its_account_by_id_whatever_the_case_and_by_mail() -> Result<()> {
    let scene = Scene::new().await?;
    for claim in ["alice", "Alice", "alice@example.test"] {
        let token = scene.token(claim)?;
        assert_eq!(
            scene.uid_of(&token).await?.as_deref(),
            Some("alice"),
            "{claim}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_user_is_created_with_a_home() -> Result<()> {
    let scene = Scene::new().await?;
    let token = scene.token("dora")?;
    assert_eq!(scene.uid_of(&token).await?.as_deref(), Some("dora"));
    let account = scene.nextcloud.account("dora");
    assert_eq!(
        account.map(|account| account.backend),
        Some(Backend::UserOidc)
    );
    assert!(
        scene
            .nextcloud
            .paths("dora")
            .contains(&"Readme.md".to_owned())
    );
    Ok(())
}

#[tokio::test]
async fn a_deleted_account_comes_back_empty() -> Result<()> {
    let scene = Scene::new().await?;
    scene.nextcloud.write_file("alice", "secret.txt", "x");
    scene.nextcloud.delete_account("alice");
    let answer = scene.call("alice", "GET", WHO_AM_I, "").await?;
    assert_eq!(answer.json()?["ocs"]["data"]["backend"], "user_oidc");
    assert_eq!(scene.nextcloud.read_file("alice", "secret.txt"), None);
    Ok(())
}

#[tokio::test]
async fn without_auto_provision_only_known_users_pass() -> Result<()> {
    let scene = Scene::with(|provider| provider.auto_provision = false).await?;
    assert!(scene.uid_of(&scene.token("alice")?).await?.is_some());
    assert_eq!(scene.uid_of(&scene.token("dora")?).await?, None);
    assert!(scene.nextcloud.account("dora").is_none());
    Ok(())
}

#[tokio::test]
async fn without_soft_auto_provision_database_users_are_refused() -> Result<()> {
    let scene = Scene::with(|provider| provider.soft_auto_provision = false).await?;
    assert_eq!(scene.uid_of(&scene.token("alice")?).await?, None);
    assert!(scene.uid_of(&scene.token("dora")?).await?.is_some());
    assert!(scene.uid_of(&scene.token("dora")?).await?.is_some());
    Ok(())
}

#[tokio::test]
async fn unique_ids_are_hashes_for_new_users_only() -> Result<()> {
    let scene = Scene::with(|provider| provider.unique_uid = true).await?;
    assert_eq!(
        scene.uid_of(&scene.token("alice")?).await?.as_deref(),
        Some("alice")
    );
    let uid = scene
        .uid_of(&scene.token("dora")?)
        .await?
        .unwrap_or_default();
    assert_eq!(uid.len(), 64);
    assert_eq!(scene.uid_of(&scene.token("dora")?).await?, Some(uid));
    Ok(())
}

#[tokio::test]
async fn another_claim_can_carry_the_uid() -> Result<()> {
    let scene = Scene::with(|provider| "nc_uid".clone_into(&mut provider.mapping_uid)).await?;
    let header = json!({"alg": "ES256", "kid": "es"});
    let mut claims = scene.issuer.claims("opaque-subject", AUDIENCE, NOW);
    claims["nc_uid"] = json!("bob");
    let token = scene.issuer.sign("es", &header, &claims)?;
    assert_eq!(scene.uid_of(&token).await?.as_deref(), Some("bob"));
    assert_eq!(scene.uid_of(&scene.token("alice")?).await?, None);
    Ok(())
}

#[tokio::test]
async fn claims_overwrite_the_profile_only_with_bearer_provisioning() -> Result<()> {
    for (switch, expected) in [(false, "Alice Example"), (true, "Mallory")] {
        let scene = Scene::with(|provider| provider.bearer_provisioning = switch).await?;
        let mut claims = scene.issuer.claims("alice", AUDIENCE, NOW);
        claims["name"] = json!("Mallory");
        let token = scene
            .issuer
            .sign("es", &json!({"alg": "ES256", "kid": "es"}), &claims)?;
        let answer = scene.whoami(&token).await?;
        assert_eq!(answer.json()?["ocs"]["data"]["displayname"], expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_disabled_users_token_still_opens_webdav_and_nothing_else() -> Result<()> {
    let scene = Scene::new().await?;
    scene.nextcloud.set_enabled("alice", false);
    let answer = scene.call("alice", "GET", WHO_AM_I, "").await?;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        answer.json()?["ocs"]["meta"]["message"],
        "Current user is not logged in"
    );
    let answer = scene.call("alice", "GET", NOTES, "").await?;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()?["message"], "Current user is not logged in");
    let answer = scene.call("alice", "PROPFIND", HOME, "").await?;
    assert_eq!(answer.status, StatusCode::MULTI_STATUS);
    Ok(())
}

#[tokio::test]
async fn a_disabled_users_password_is_refused_with_the_reason() -> Result<()> {
    let scene = Scene::new().await?;
    let app_password = scene.nextcloud.make_app_password("alice");
    scene.nextcloud.set_enabled("alice", false);
    let bearer = format!("Bearer {app_password}");
    for (authorization, dav_status) in [
        (
            "Basic YWxpY2U6YWxpY2UtcGFzc3dvcmQ=",
            StatusCode::SERVICE_UNAVAILABLE,
        ),
        (bearer.as_str(), StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let headers = [("authorization", authorization), ("ocs-apirequest", "true")];
        let answer = scene.send("GET", WHO_AM_I, &headers, "").await?;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.json()?["ocs"]["meta"]["message"], "Unauthorised");
        let answer = scene.send("GET", NOTES, &headers, "").await?;
        assert_eq!(answer.json()?["message"], "Account disabled");
        let answer = scene.send("PROPFIND", HOME, &headers, "").await?;
        assert_eq!(answer.status, dav_status);
        assert!(answer.body.contains("Account disabled"));
    }
    Ok(())
}

#[tokio::test]
async fn a_second_factor_sends_tokens_to_the_challenge_but_not_on_webdav() -> Result<()> {
    let scene = Scene::new().await?;
    scene.nextcloud.set_second_factor("alice", true);
    for target in [
        WHO_AM_I,
        NOTES,
        "/ocs/v2.php/cloud/capabilities?format=json",
    ] {
        let answer = scene.call("alice", "GET", target, "").await?;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{target}");
        let location = answer.header("location").unwrap_or_default();
        assert!(
            location.starts_with("/login/selectchallenge?redirect_url=/"),
            "{location}"
        );
    }
    let followed = scene
        .send("GET", "/login/selectchallenge?redirect_url=/x", &[], "")
        .await?;
    assert_eq!(followed.status, StatusCode::OK);
    assert!(
        followed.body.len() > 10_000,
        "a client that follows must meet a page, not JSON"
    );
    let unknown = scene
        .call("alice", "GET", "/ocs/v2.php/apps/none?format=json", "")
        .await?;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let files = scene.call("alice", "PROPFIND", HOME, "").await?;
    assert_eq!(files.status, StatusCode::MULTI_STATUS);
    Ok(())
}

#[tokio::test]
async fn an_app_password_passes_the_second_factor_and_the_login_password_does_not() -> Result<()> {
    let scene = Scene::new().await?;
    scene.nextcloud.set_second_factor("alice", true);
    let bearer = format!("Bearer {}", scene.nextcloud.make_app_password("alice"));
    let password = "Basic YWxpY2U6YWxpY2UtcGFzc3dvcmQ=";
    for (authorization, ocs, dav) in [
        (bearer.as_str(), StatusCode::OK, StatusCode::MULTI_STATUS),
        (password, StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED),
    ] {
        let headers = [("authorization", authorization), ("ocs-apirequest", "true")];
        assert_eq!(scene.send("GET", WHO_AM_I, &headers, "").await?.status, ocs);
        assert_eq!(
            scene.send("PROPFIND", HOME, &headers, "").await?.status,
            dav
        );
    }
    Ok(())
}

#[tokio::test]
async fn login_works_by_name_or_mail_and_only_with_the_own_app_password() -> Result<()> {
    use base64::Engine as _;
    let scene = Scene::new().await?;
    scene
        .nextcloud
        .add_account(Account::new("dora", "dora-password"));
    let foreign = scene.nextcloud.make_app_password("bob");
    for (pair, uid) in [
        ("alice:alice-password".to_owned(), Some("alice")),
        (
            "alice@example.test:alice-password".to_owned(),
            Some("alice"),
        ),
        ("dora:dora-password".to_owned(), Some("dora")),
        ("dora:alice-password".to_owned(), None),
        (format!("alice:{foreign}"), None),
        (format!("bob:{foreign}"), Some("bob")),
    ] {
        let encoded = base64::engine::general_purpose::STANDARD.encode(&pair);
        let authorization = format!("Basic {encoded}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("ocs-apirequest", "true"),
        ];
        let answer = scene.send("GET", WHO_AM_I, &headers, "").await?;
        let body = answer.json()?;
        let id = body.pointer("/ocs/data/id").and_then(Value::as_str);
        assert_eq!(id, uid, "{pair}");
    }
    Ok(())
}
