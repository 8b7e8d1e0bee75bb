//! The sharing API where the recordings do not go: what a share is bound to, and whose it is.

use anyhow::Result;
use harness::http::Answer;
use serde_json::{Value, json};

use super::{FILES, Scene};

const SHARES: &str = "/ocs/v2.php/apps/files_sharing/api/v1/shares";

async fn share(scene: &Scene, user: &str, form: &str) -> Result<Answer> {
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let target = format!("{SHARES}?format=json");
    scene.call_with(user, "POST", &target, &[kind], form).await
}

async fn seen(scene: &Scene, user: &str, query: &str) -> Result<Vec<Value>> {
    let target = format!("{SHARES}?format=json&{query}");
    let answer = scene.call(user, "GET", &target, "").await?.json()?;
    Ok(answer["ocs"]["data"].as_array().unwrap().clone())
}

#[tokio::test]
async fn a_share_follows_its_file_and_goes_with_it() -> Result<()> {
    let scene = Scene::new().await?;
    scene.nextcloud.write_file("alice", "plan.txt", "x");
    share(&scene, "alice", "path=plan.txt&shareType=0&shareWith=bob").await?;
    let destination = ("destination", "/remote.php/dav/files/alice/Documents/p.txt");
    let file = format!("{FILES}/plan.txt");
    scene
        .call_with("alice", "MOVE", &file, &[destination], "")
        .await?;
    let shares = seen(&scene, "alice", "path=/Documents/p.txt").await?;
    assert_eq!(shares[0]["path"], "/Documents/p.txt");
    assert_eq!(shares[0]["file_target"], "/plan.txt");
    let moved = format!("{FILES}/Documents/p.txt");
    scene.call("alice", "DELETE", &moved, "").await?;
    assert_eq!(seen(&scene, "bob", "shared_with_me=true").await?.len(), 0);
    assert_eq!(scene.nextcloud.shares("alice").len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_recipient_may_leave_a_share_but_not_change_it() -> Result<()> {
    let scene = Scene::new().await?;
    let form = "path=Documents&shareType=0&shareWith=bob&permissions=1";
    let made = share(&scene, "alice", form).await?.json()?;
    let one = format!(
        "{SHARES}/{}?format=json",
        made["ocs"]["data"]["id"].as_str().unwrap()
    );
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let answer = scene
        .call_with("bob", "PUT", &one, &[kind], "permissions=31")
        .await?;
    assert_eq!(answer.status, 403);
    assert_eq!(scene.call("admin", "DELETE", &one, "").await?.status, 404);
    assert_eq!(scene.call("bob", "DELETE", &one, "").await?.status, 200);
    assert_eq!(scene.nextcloud.shares("alice").len(), 0);
    Ok(())
}

#[tokio::test]
async fn without_permissions_everything_possible_is_granted() -> Result<()> {
    let scene = Scene::new().await?;
    for (form, granted) in [
        ("path=Documents&shareType=0&shareWith=bob", 31),
        ("path=Readme.md&shareType=0&shareWith=bob", 19),
        ("path=Readme.md&shareType=3", 17),
        (
            "path=Readme.md&shareType=1&shareWith=admin&permissions=1",
            1,
        ),
    ] {
        let made = share(&scene, "alice", form).await?.json()?;
        assert_eq!(made["ocs"]["data"]["permissions"], granted, "{form}");
    }
    assert_eq!(seen(&scene, "admin", "shared_with_me=true").await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_shared_is_refused() -> Result<()> {
    let scene = Scene::new().await?;
    for (form, status) in [
        ("shareType=3", 404),
        ("path=Readme.md&shareType=0&shareWith=alice", 403),
        ("path=Readme.md&shareType=1&shareWith=nobody", 404),
        ("path=Readme.md&shareType=3&expireDate=2020-01-01", 404),
        ("path=Readme.md&shareType=3&permissions=99", 404),
    ] {
        let answer = share(&scene, "alice", form).await?;
        assert_eq!(answer.status, status, "{form}");
        assert_eq!(answer.json()?["ocs"]["data"], json!([]));
    }
    Ok(())
}
