//! Resource indicators at the authorization endpoint (RFC 8707 §2.1).

use broker::domain::Catalog;

use crate::browser::{Browser, authorize_path, broker_and_idp, planned};
use crate::harness::{Broker, OTHER_RESOURCE, RESOURCE, claims};
use crate::idp::Idp;

/// The `aud` of the access token that a login with these `resource` parameters ends in.
async fn audience(broker: &Broker, idp: &Idp, resources: &[&str]) -> String {
    let changes: Vec<_> = resources
        .iter()
        .map(|resource| ("resource", *resource))
        .collect();
    let browser = Browser::new(broker);
    let answer = browser.log_in(idp, &changes).await;
    let tokens = broker.redeem(&answer.code()).await.tokens();
    claims(&tokens.access)["aud"].as_str().unwrap().to_owned()
}

fn with_alias(plan: &mut crate::harness::Plan) {
    let mut resources = plan.catalog.resources().to_vec();
    resources[1].aliases.push("mcp-server".to_owned());
    plan.catalog = Catalog::new(resources, plan.catalog.downstreams().to_vec());
}

#[tokio::test]
async fn tokens_are_for_the_resource_that_was_named() {
    let (broker, idp) = planned(with_alias).await;
    for (named, expected) in [
        (&[][..], RESOURCE),
        (&[RESOURCE], RESOURCE),
        (&[OTHER_RESOURCE], OTHER_RESOURCE),
        (&["mcp-server"], OTHER_RESOURCE),
        // One id, spelled in other ways.
        (&["http://127.0.0.1:4282/mcp/"], RESOURCE),
        (&["https://OTHER.example:443/mcp"], OTHER_RESOURCE),
        // The origin of the only resource there.
        (&["http://127.0.0.1:4282"], RESOURCE),
        (&["http://127.0.0.1:4282/"], RESOURCE),
        (&["http://127.0.0.1:4282/", RESOURCE], RESOURCE),
        // Repeats that agree.
        (&[RESOURCE, RESOURCE], RESOURCE),
        (&["mcp-server", OTHER_RESOURCE], OTHER_RESOURCE),
    ] {
        assert_eq!(audience(&broker, &idp, named).await, expected, "{named:?}");
    }
}

#[tokio::test]
async fn another_resource_than_ours_is_an_invalid_target() {
    let (broker, _idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    for resources in [
        &["https://elsewhere.example/mcp"][..],
        &["http://127.0.0.1:4282/other"],
        &["http://127.0.0.1:4282/mcp#fragment"],
        &["mcp"],
        &["nextcloud"],
        &[RESOURCE, "https://elsewhere.example/mcp"],
        // A token is for one resource.
        &[RESOURCE, OTHER_RESOURCE],
    ] {
        let changes: Vec<_> = resources
            .iter()
            .map(|resource| ("resource", *resource))
            .collect();
        let answer = browser.get(&authorize_path(&changes)).await;
        answer.assert_error_at_client("invalid_target");
    }
}

#[tokio::test]
async fn without_a_default_one_must_be_named() {
    let (broker, _idp) = planned(|plan| {
        let mut resources = plan.catalog.resources().to_vec();
        resources[0].is_default = false;
        plan.catalog = Catalog::new(resources, plan.catalog.downstreams().to_vec());
    })
    .await;
    let browser = Browser::new(&broker);
    let answer = browser.get(&authorize_path(&[])).await;
    answer.assert_error_at_client("invalid_target");
    browser.begin_with(&[("resource", RESOURCE)]).await;
}
