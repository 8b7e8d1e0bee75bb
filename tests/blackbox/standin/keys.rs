//! The caches of discovery and keys: 3600 s, and no second look for an unknown key.

use std::time::Duration;

use anyhow::Result;
use harness::nextcloud::ProviderEntry;
use harness::nextcloud::issuer::{KeyKind, Labelled};

use super::{AUDIENCE, Scene};

/// A token signed with another key than `es`.
fn with_key(scene: &Scene, kid: &str) -> Result<String> {
    scene
        .issuer
        .token(kid, "alice", AUDIENCE, scene.nextcloud.clock().now())
}

#[tokio::test]
async fn a_new_key_is_unknown_until_the_cache_is_an_hour_old() -> Result<()> {
    let scene = Scene::new().await?;
    assert!(scene.uid_of(&scene.token("alice")?).await?.is_some());
    scene
        .issuer
        .add_key("next", KeyKind::P256, Labelled::WithAlg)?;
    assert_eq!(scene.uid_of(&with_key(&scene, "next")?).await?, None);
    scene.nextcloud.clock().advance(Duration::from_secs(3590));
    assert_eq!(scene.uid_of(&with_key(&scene, "next")?).await?, None);
    assert_eq!(scene.issuer.key_fetches(), 1);
    scene.nextcloud.clock().advance(Duration::from_secs(11));
    assert!(scene.uid_of(&with_key(&scene, "next")?).await?.is_some());
    assert_eq!(scene.issuer.key_fetches(), 2);
    Ok(())
}

#[tokio::test]
async fn a_withdrawn_key_stays_good_until_the_cache_ends() -> Result<()> {
    let scene = Scene::new().await?;
    assert!(scene.uid_of(&scene.token("alice")?).await?.is_some());
    scene.issuer.unpublish("es");
    assert!(scene.uid_of(&scene.token("alice")?).await?.is_some());
    scene.nextcloud.clock().advance(Duration::from_hours(1));
    assert_eq!(scene.uid_of(&scene.token("alice")?).await?, None);
    Ok(())
}

#[tokio::test]
async fn the_cache_can_be_flushed_by_the_administrator() -> Result<()> {
    let scene = Scene::new().await?;
    assert!(scene.uid_of(&scene.token("alice")?).await?.is_some());
    scene
        .issuer
        .add_key("next", KeyKind::P256, Labelled::WithAlg)?;
    scene.nextcloud.flush_key_cache().await;
    assert!(scene.uid_of(&with_key(&scene, "next")?).await?.is_some());
    Ok(())
}

#[tokio::test]
async fn provider_entries_are_tried_in_turn() -> Result<()> {
    let scene = Scene::new().await?;
    let entry =
        |name: &str, client: &str| ProviderEntry::for_issuer(name, client, scene.issuer.url());
    let entries = vec![
        entry("web", "web-login"),
        entry("broker", "https://mcp.example/mcp"),
    ];
    scene.nextcloud.set_providers(entries).await;
    for (audience, uid) in [
        ("web-login", Some("alice")),
        ("https://mcp.example/mcp", Some("alice")),
        (AUDIENCE, None),
    ] {
        let token = scene.issuer.token("es", "alice", audience, super::NOW)?;
        assert_eq!(scene.uid_of(&token).await?.as_deref(), uid, "{audience}");
    }
    Ok(())
}
