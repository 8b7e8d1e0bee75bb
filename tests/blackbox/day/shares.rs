//! Sharing: the offers with Olaf, and a link for the movers that is taken back.

use anyhow::Result;
use serde_json::json;

use super::office::Office;
use super::worker::{Worker, each, number};

const OFFERS: &str = "Büro ✓ 2026/Angebote #3 + 50%";

pub(crate) async fn chapter(judy: &Worker, olaf: &Worker) -> Result<()> {
    let file = format!("{OFFERS}/a+b %20 #1?.txt");
    let made = judy
        .does(
            "nc_share_create",
            json!({ "path": file, "share_with": "olaf" }),
        )
        .await?;
    let with_olaf = number(&made, "share_id")?;
    assert_eq!(made["allowed"], json!(["read"]), "{made}");
    let link = judy
        .does(
            "nc_share_create",
            json!({ "path": OFFERS, "share_type": 3 }),
        )
        .await?;
    let link = number(&link, "share_id")?;

    judy.cannot(
        "nc_share_create",
        json!({ "path": file, "share_with": "niemand" }),
    )
    .await?;
    judy.cannot(
        "nc_share_create",
        json!({ "path": "fehlt.txt", "share_with": "olaf" }),
    )
    .await?;
    judy.cannot(
        "nc_share_create",
        json!({ "path": "../olaf", "share_with": "olaf" }),
    )
    .await?;
    judy.cannot("nc_share_get", json!({ "share_id": 99_999_999 }))
        .await?;

    // Olaf sees it and may not give himself more.
    let seen = olaf
        .does("nc_share_list", json!({ "shared_with_me": true }))
        .await?;
    assert_eq!(each(&seen["shares"], "share_id"), [json!(with_olaf)]);
    olaf.cannot(
        "nc_share_update",
        json!({ "share_id": with_olaf, "permissions": 31 }),
    )
    .await?;
    olaf.cannot("nc_share_get", json!({ "share_id": link }))
        .await?;

    judy.does(
        "nc_share_update",
        json!({ "share_id": with_olaf, "permissions": 3 }),
    )
    .await?;
    let read = judy
        .does("nc_share_get", json!({ "share_id": with_olaf }))
        .await?;
    assert_eq!(read["allowed"], json!(["read", "change"]), "{read}");
    judy.does("nc_share_delete", json!({ "share_id": link }))
        .await?;
    judy.cannot("nc_share_delete", json!({ "share_id": link }))
        .await?;
    let left = judy.does("nc_share_list", json!({})).await?;
    assert_eq!(each(&left["shares"], "share_id"), [json!(with_olaf)]);
    Ok(())
}

pub(crate) fn remain(office: &Office<'_>) -> Result<()> {
    let shares = office.nextcloud.shares("judy");
    let [share] = shares.as_slice() else {
        anyhow::bail!("not one share: {shares:?}");
    };
    assert_eq!(
        json!([
            share["path"],
            share["share_with"],
            share["share_type"],
            share["permissions"]
        ]),
        json!([format!("/{OFFERS}/a+b %20 #1?.txt"), "olaf", 0, 3])
    );
    Ok(())
}
