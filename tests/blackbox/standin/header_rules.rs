//! What `OCS-APIRequest`, cookies and the front controller decide, per credential and surface.

use anyhow::Result;
use reqwest::StatusCode;

use super::{NOTES, Scene, WHO_AM_I};

const STATS: &str = "/index.php/apps/files/api/v1/stats";
const HOME: &str = "/remote.php/dav/files/alice/";
const PASSWORD: &str = "Basic YWxpY2U6YWxpY2UtcGFzc3dvcmQ=";

/// The statuses of WebDAV, OCS, a CORS app and an ordinary controller, in this order.
async fn statuses(scene: &Scene, headers: &[(&str, &str)]) -> Result<[u16; 4]> {
    let mut statuses = [0; 4];
    let calls = [
        ("PROPFIND", HOME),
        ("GET", WHO_AM_I),
        ("GET", NOTES),
        ("GET", STATS),
    ];
    for (status, (method, target)) in statuses.iter_mut().zip(calls) {
        *status = scene
            .send(method, target, headers, "")
            .await?
            .status
            .as_u16();
    }
    Ok(statuses)
}

#[tokio::test]
async fn the_header_opens_every_surface_to_every_credential() -> Result<()> {
    let scene = Scene::new().await?;
    let app_password = scene.nextcloud.make_app_password("alice");
    let token = scene.token("alice")?;
    let upper = format!("Bearer {token}");
    let lower = format!("bearer {token}");
    let app = format!("Bearer {app_password}");
    for (authorization, without_header) in [
        (PASSWORD, [207, 412, 200, 412]),
        (app.as_str(), [207, 200, 401, 412]),
        (upper.as_str(), [207, 200, 401, 412]),
        (lower.as_str(), [207, 412, 401, 412]),
    ] {
        let with = [("authorization", authorization), ("ocs-apirequest", "1")];
        assert_eq!(
            statuses(&scene, &with).await?,
            [207, 200, 200, 200],
            "{authorization}"
        );
        let without = [("authorization", authorization)];
        assert_eq!(
            statuses(&scene, &without).await?,
            without_header,
            "{authorization}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_empty_header_is_no_header() -> Result<()> {
    let scene = Scene::new().await?;
    let authorization = format!("Bearer {}", scene.token("alice")?);
    let headers = [
        ("authorization", authorization.as_str()),
        ("ocs-apirequest", ""),
    ];
    let answer = scene.send("GET", NOTES, &headers, "").await?;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()?["message"], "CORS requires basic auth");
    Ok(())
}

#[tokio::test]
async fn the_cookies_of_an_answer_are_worth_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    let answer = scene.call("alice", "GET", WHO_AM_I, "").await?;
    let cookies: Vec<String> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned))
        .collect();
    assert!(cookies.len() >= 4);
    let jar = cookies.join("; ");
    let alone = [("cookie", jar.as_str()), ("ocs-apirequest", "true")];
    assert_eq!(
        scene.send("GET", WHO_AM_I, &alone, "").await?.status,
        StatusCode::UNAUTHORIZED
    );
    // With another user's token the token wins.
    let both = scene
        .call_with("bob", "GET", WHO_AM_I, &[("cookie", &jar)], "")
        .await?;
    assert_eq!(both.header("x-user-id"), Some("bob"));
    Ok(())
}

#[tokio::test]
async fn app_routes_need_the_front_controller() -> Result<()> {
    let scene = Scene::new().await?;
    let answer = scene
        .call("alice", "GET", "/apps/notes/api/v1/notes", "")
        .await?;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=UTF-8")
    );
    Ok(())
}

#[tokio::test]
async fn a_token_gets_no_lasting_password() -> Result<()> {
    let scene = Scene::new().await?;
    for (method, target, status) in [
        ("GET", "/ocs/v2.php/core/getapppassword?format=json", 403),
        ("DELETE", "/ocs/v2.php/core/apppassword?format=json", 403),
        (
            "POST",
            "/ocs/v2.php/core/apppassword/rotate?format=json",
            403,
        ),
        ("POST", "/index.php/settings/personal/authtokens", 503),
    ] {
        let answer = scene.call("alice", method, target, "").await?;
        assert_eq!(answer.status.as_u16(), status, "{target}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_alone_can_change_the_password() -> Result<()> {
    let scene = Scene::new().await?;
    let target = "/ocs/v2.php/cloud/users/alice?format=json";
    let json = [("content-type", "application/json")];
    let body = r#"{"key": "password", "value": "taken"}"#;
    let answer = scene.call_with("alice", "PUT", target, &json, body).await?;
    assert_eq!(answer.status, StatusCode::OK);
    let headers = [("authorization", PASSWORD), ("ocs-apirequest", "true")];
    assert_eq!(
        scene.send("GET", WHO_AM_I, &headers, "").await?.status,
        StatusCode::UNAUTHORIZED
    );
    let target = "/ocs/v2.php/cloud/users/bob?format=json";
    let answer = scene.call_with("alice", "PUT", target, &json, body).await?;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    Ok(())
}

#[tokio::test]
async fn the_first_version_of_ocs_hides_the_outcome_in_the_body() -> Result<()> {
    let scene = Scene::new().await?;
    let answer = scene
        .call(
            "alice",
            "GET",
            "/ocs/v1.php/cloud/users/none?format=json",
            "",
        )
        .await?;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()?["ocs"]["meta"]["statuscode"], 404);
    let answer = scene
        .call("alice", "GET", "/ocs/v1.php/cloud/users?format=json", "")
        .await?;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()?["ocs"]["meta"]["statuscode"], 403);
    Ok(())
}

#[tokio::test]
async fn capabilities_know_their_version() -> Result<()> {
    let scene = Scene::new().await?;
    let target = "/ocs/v2.php/cloud/capabilities?format=json";
    let first = scene.call("alice", "GET", target, "").await?;
    let etag = first.header("etag").unwrap_or_default().to_owned();
    let condition = [("if-none-match", etag.as_str())];
    let again = scene
        .call_with("alice", "GET", target, &condition, "")
        .await?;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    assert_eq!(again.body, "");
    Ok(())
}

#[tokio::test]
async fn nextcloud_knows_no_protected_resource_metadata() -> Result<()> {
    let scene = Scene::new().await?;
    let answer = scene
        .send("GET", "/.well-known/oauth-protected-resource", &[], "")
        .await?;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(
        answer.json()?["message"],
        "oauth-protected-resource not supported"
    );
    Ok(())
}
