//! Registration with the policy `approval`, as the person sees it who wants to use the client: a page
//! that says whom to ask for what, and a way to go on.

use broker::domain::{AuditKind, ClientId, ClientStatus, RegistrationPolicy};
use serde_json::{Value, json};

use crate::administrator::Administrator;
use crate::browser::{Browser, authorize_path, planned};
use crate::harness::{AGENT, Answer, Broker, Code, Plan, REDIRECT_URI};
use crate::idp::Idp;

const WAITING: &str = "Waiting for an administrator";

fn with_approval(plan: &mut Plan) {
    plan.settings.registration = RegistrationPolicy::Approval;
}

async fn set_up() -> (Broker, Idp) {
    planned(with_approval).await
}

async fn register(broker: &Broker, document: &Value) -> String {
    let answer = broker.post_json("/oauth/register", document).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["client_id"].as_str().unwrap().to_owned()
}

/// A public client with answers to the user's computer.
fn helper() -> Value {
    json!({
        "client_name": "Notebook <b>helper</b>",
        "redirect_uris": [REDIRECT_URI],
        "token_endpoint_auth_method": "none",
    })
}

async fn set_status(broker: &Broker, id: &str, status: ClientStatus) {
    let id = ClientId::parse(id).unwrap();
    let mut client = broker.store().client(&id).await.unwrap().unwrap();
    let version = client.version;
    client.status = status;
    client.version += 1;
    let updated = broker.store().update_client(&client, version).await;
    assert!(updated.unwrap());
}

/// Where "Check again" leads.
#[track_caller]
fn check_again(answer: &Answer) -> String {
    let (before, _) = answer.body.split_once("\">Check again</a>").unwrap();
    let (_, link) = before.rsplit_once("href=\"").unwrap();
    link.to_owned()
}

#[tokio::test]
async fn the_page_says_which_client_waits_and_where_its_answers_go() {
    let (broker, _idp) = set_up().await;
    let mut document = helper();
    document["redirect_uris"] = json!([
        "https://helper.example/callback",
        "https://helper.example/other",
        "com.example.helper:/callback",
        REDIRECT_URI,
    ]);
    let id = register(&broker, &document).await;
    let browser = Browser::new(&broker);
    let page = browser.get(&authorize_path(&[("client_id", &id)])).await;
    page.assert_page(403, WAITING);
    for words in [
        "an administrator of this server has to approve it",
        "Tell him the client id below",
        &format!("<code>{id}</code>"),
        "<strong>Notebook &#60;b&#62;helper&#60;/b&#62;</strong> (it gave itself this name)",
        "<strong>helper.example</strong>, <strong>com.example.helper:</strong>, \
         <strong>127.0.0.1</strong></dd>",
    ] {
        assert!(page.body.contains(words), "{words}: {}", page.body);
    }
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(browser.cookies().is_empty(), "nothing has begun");
}

#[tokio::test]
async fn the_page_shows_nothing_that_a_link_made_up() {
    let (broker, _idp) = set_up().await;
    let id = register(&broker, &helper()).await;
    let made_up = [
        ("client_id", id.as_str()),
        ("redirect_uri", "https://evil.example/\"><b>"),
        ("state", "\"><script>alert(1)</script>"),
    ];
    let page = Browser::new(&broker).get(&authorize_path(&made_up)).await;
    page.assert_page(403, WAITING);
    for words in ["evil.example", "script", "alert"] {
        assert!(!page.body.contains(words), "{words}: {}", page.body);
    }
}

#[tokio::test]
async fn the_same_request_goes_on_once_an_administrator_has_approved_the_client() {
    let (broker, idp) = set_up().await;
    let admin = Administrator::new(&broker).await;
    let id = register(&broker, &helper()).await;
    let path = authorize_path(&[("client_id", &id)]);
    let browser = Browser::new(&broker);
    for _ in 0..2 {
        let page = browser.get(&path).await;
        page.assert_page(403, WAITING);
        // An empty reference is the page's own address, with the whole request in it (RFC 3986 §4.4).
        assert_eq!(check_again(&page), "");
    }

    let approved = admin.post(&format!("clients/{id}/approve")).await;
    assert_eq!(approved.json()["status"], "approved");

    let begun = browser.get(&path).await;
    let flow = begun.location().strip_prefix("/oauth/consent?flow=");
    let flow = flow.unwrap().to_owned();
    let consent = browser.page(&flow).await;
    assert!(consent.body.contains("an administrator of this server"));
    let allowed = browser.press(&flow, "allow").await;
    let answer = browser.get(&idp.log_in(allowed.location())).await;
    let code = Code {
        client_id: id.clone(),
        ..answer.code()
    };
    let tokens = broker.redeem(&code).await.tokens();
    broker.exchange(&tokens.access).await.tokens();

    // Oldest first, everything that happened to the client.
    let mut trail = broker.trail().await;
    trail.retain(|event| event.client_id.as_ref().is_some_and(|of| of.as_str() == id));
    trail.reverse();
    let told: Vec<_> = trail
        .iter()
        .map(|event| (event.kind, event.details.get("reason").cloned()))
        .collect();
    let waiting = || {
        let reason = json!("client_pending");
        (AuditKind::AuthorizationStarted, Some(reason))
    };
    let expected = [
        (AuditKind::ClientRegistered, None),
        waiting(),
        waiting(),
        (AuditKind::ClientApproved, None),
        (AuditKind::AuthorizationStarted, None),
        (AuditKind::AuthorizationConsented, None),
        (AuditKind::LoginSucceeded, None),
        (AuditKind::CodeIssued, None),
    ];
    assert_eq!(told.get(..expected.len()), Some(&expected[..]), "{told:?}");
    let after: Vec<_> = told
        .iter()
        .skip(expected.len())
        .map(|(kind, _)| *kind)
        .collect();
    assert_eq!(after, [AuditKind::TokenIssued]);
}

#[tokio::test]
async fn a_login_whose_client_has_to_wait_in_the_middle_of_it_goes_on_where_it_stood() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let csrf = browser.csrf(&flow).await;
    let consent_page = format!("/oauth/consent?flow={flow}");

    set_status(&broker, AGENT, ClientStatus::Pending).await;
    for answer in [
        browser.submit(&flow, &csrf, "allow").await,
        browser.page(&flow).await,
    ] {
        answer.assert_page(403, WAITING);
        assert_eq!(check_again(&answer), consent_page);
    }

    set_status(&broker, AGENT, ClientStatus::Approved).await;
    let allowed = browser.press(&flow, "allow").await;
    let callback = idp.log_in(allowed.location());

    set_status(&broker, AGENT, ClientStatus::Pending).await;
    let answer = browser.get(&callback).await;
    answer.assert_page(403, WAITING);
    assert_eq!(check_again(&answer), consent_page);

    set_status(&broker, AGENT, ClientStatus::Approved).await;
    let allowed = browser.press(&flow, "allow").await;
    let answer = browser.get(&idp.log_in(allowed.location())).await;
    broker.redeem(&answer.code()).await.tokens();
}
