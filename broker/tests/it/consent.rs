//! Remembered consent: when the consent page is passed over, and when it never is.
//!
//! The page itself is in `login.rs`; what attackers make of all this in `confused_deputy.rs`.

use std::time::Duration;

use broker::domain::{
    AuditKind, Client, ClientId, ClientStatus, GrantType, RedirectUri, TokenEndpointAuthMethod,
};
use broker::storage::ConsentsOf;
use serde_json::Value;
use url::Url;

use crate::browser::{Browser, authorize_path, parameters, planned};
use crate::harness::{Answer, Broker, OTHER_RESOURCE, Plan, VERIFIER, client};
use crate::idp::Idp;

/// An approved public client whose answers go to its maker's web address.
const WEB: &str = "web";
const CALLBACK: &str = "https://web.example/callback";
const OTHER_CALLBACK: &str = "https://web.example/other";
const DAY: Duration = Duration::from_hours(24);

fn with_web_client(plan: &mut Plan) {
    let grants = [GrantType::AuthorizationCode, GrantType::RefreshToken];
    plan.clients.push(Client {
        redirect_uris: [CALLBACK, OTHER_CALLBACK]
            .map(|uri| RedirectUri::parse(uri).unwrap())
            .into(),
        ..client(WEB, None, &grants)
    });
}

async fn set_up() -> (Broker, Idp) {
    planned(with_web_client).await
}

/// What [`WEB`] asks, with changes.
fn asking<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut asking = changes.to_vec();
    for pair in [("client_id", WEB), ("redirect_uri", CALLBACK)] {
        if changes.iter().all(|(name, _)| *name != pair.0) {
            asking.push(pair);
        }
    }
    asking
}

/// Asks; the first answer.
async fn ask(browser: &Browser<'_>, changes: &[(&str, &str)]) -> Answer {
    browser.get(&authorize_path(&asking(changes))).await
}

/// Whether the first answer leads to our page, and not to the identity provider.
#[track_caller]
fn is_asked(answer: &Answer, idp: &Idp) -> bool {
    let location = answer.location();
    let is_page = location.starts_with("/oauth/consent?flow=");
    assert!(is_page || location.starts_with(idp.issuer()), "{location}");
    is_page
}

/// A login with a click on the page.
async fn click_through(browser: &Browser<'_>, idp: &Idp, changes: &[(&str, &str)]) {
    let answer = browser.log_in(idp, &asking(changes)).await;
    assert!(parameters(&answer).contains_key("code"));
}

async fn change_client(broker: &Broker, change: impl FnOnce(&mut Client)) {
    let id = ClientId::parse(WEB).unwrap();
    let mut client = broker.store().client(&id).await.unwrap().unwrap();
    let version = client.version;
    change(&mut client);
    client.version += 1;
    assert!(
        broker
            .store()
            .update_client(&client, version)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn an_approved_client_gets_in_without_the_page_when_nothing_is_new() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;

    let answer = ask(&browser, &[("state", "second")]).await;
    assert!(!is_asked(&answer, &idp));
    let answer = browser.get(&idp.log_in(answer.location())).await;
    let parameters = parameters(&answer);
    assert!(answer.location().starts_with(CALLBACK));
    assert_eq!(parameters["state"], "second");
    let redeemed = broker
        .post(
            "/oauth/token",
            &[
                ("grant_type", "authorization_code"),
                ("code", &parameters["code"]),
                ("client_id", WEB),
                ("code_verifier", VERIFIER),
            ],
        )
        .await;
    redeemed.tokens();

    // The audit tells a remembered consent from a click.
    let trail = broker.trail().await;
    let consented: Vec<_> = trail
        .iter()
        .filter(|event| event.kind == AuditKind::AuthorizationConsented)
        .collect();
    assert_eq!(consented.len(), 2);
    assert_eq!(consented[0].details["remembered"], Value::Bool(true));
    assert_eq!(consented[0].client_id.as_ref().unwrap().as_str(), WEB);
    assert!(consented[0].sub.is_some() && consented[0].request_id.is_some());
    assert!(!consented[1].details.contains_key("remembered"));
}

#[tokio::test]
async fn the_page_is_shown_whenever_something_is_new() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[("scope", "notes.read notes.write")]).await;
    for (changes, asked) in [
        (&[][..], false),
        (&[("scope", "notes.write")], false),
        (&[("scope", "notes.read offline_access openid")], false),
        // Less than the default is asked for.
        (&[("scope", "")], false),
        (&[("scope", "notes.read files.read")], true),
        (&[("scope", "files.read")], true),
        (&[("redirect_uri", OTHER_CALLBACK)], true),
        (&[("resource", OTHER_RESOURCE)], true),
        // The client wants the user to be asked.
        (&[("prompt", "consent")], true),
        (&[("prompt", "login")], true),
        (&[("prompt", "select_account")], true),
        (&[("prompt", "something else")], true),
        (&[("max_age", "0")], true),
    ] {
        let answer = ask(&browser, changes).await;
        assert_eq!(is_asked(&answer, &idp), asked, "{changes:?}");
    }
}

#[tokio::test]
async fn prompt_none_never_succeeds_remembered_or_not() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    for prompt in ["none", "none login"] {
        let answer = ask(&browser, &[("prompt", prompt)]).await;
        assert!(answer.location().starts_with(CALLBACK));
        assert_eq!(parameters(&answer)["error"], "login_required");
    }
}

#[tokio::test]
async fn what_was_allowed_before_stays_allowed_after_another_click() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[("scope", "notes.read")]).await;
    click_through(&browser, &idp, &[("scope", "files.read")]).await;
    for scope in ["notes.read", "files.read", "notes.read files.read"] {
        let answer = ask(&browser, &[("scope", scope)]).await;
        assert!(!is_asked(&answer, &idp), "{scope}");
    }
}

#[tokio::test]
async fn another_user_at_the_identity_provider_is_asked_after_all() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;

    idp.faults().claims = |claims| claims["sub"] = "subject-of-bob".into();
    let answer = ask(&browser, &[]).await;
    assert!(!is_asked(&answer, &idp), "the browser was alice's");
    let callback = idp.log_in(answer.location());
    let answer = browser.get(&callback).await;
    assert!(is_asked(&answer, &idp));
    let flow = answer.location().split_once("flow=").unwrap().1.to_owned();
    // The login that was not asked for counts for nothing.
    let page = browser.get(&callback).await;
    page.assert_page(400, "This answer does not fit");

    let allowed = browser.press(&flow, "allow").await;
    let answer = browser.get(&idp.log_in(allowed.location())).await;
    assert!(parameters(&answer).contains_key("code"));
    // From now on the browser is bob's.
    let answer = ask(&browser, &[]).await;
    let answer = browser.get(&idp.log_in(answer.location())).await;
    assert!(parameters(&answer).contains_key("code"));
}

#[tokio::test]
async fn a_user_who_is_asked_after_all_can_say_no() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    idp.faults().claims = |claims| claims["sub"] = "subject-of-bob".into();
    let answer = ask(&browser, &[]).await;
    let answer = browser.get(&idp.log_in(answer.location())).await;
    let flow = answer.location().split_once("flow=").unwrap().1.to_owned();
    let denied = browser.press(&flow, "deny").await;
    assert_eq!(parameters(&denied)["error"], "access_denied");
}

#[tokio::test]
async fn another_browser_is_asked() {
    let (broker, idp) = set_up().await;
    click_through(&Browser::new(&broker), &idp, &[]).await;
    let other = Browser::new(&broker);
    assert!(is_asked(&ask(&other, &[]).await, &idp));
    click_through(&other, &idp, &[]).await;
    assert!(!is_asked(&ask(&other, &[]).await, &idp));
}

#[tokio::test]
async fn a_cookie_that_we_did_not_set_says_nothing() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    for value in ["", "guess", "alice"] {
        let request = http::Request::get(authorize_path(&asking(&[])))
            .header("cookie", format!("mtb_browser={value}"))
            .body(axum::body::Body::empty())
            .unwrap();
        assert!(is_asked(&broker.send(request).await, &idp), "{value}");
    }
}

#[tokio::test]
async fn a_client_that_is_not_approved_asks_every_time_and_its_approval_is_not_new_to_the_user() {
    let (broker, idp) = set_up().await;
    change_client(&broker, |client| client.status = ClientStatus::Pending).await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    click_through(&browser, &idp, &[]).await;
    change_client(&broker, |client| client.status = ClientStatus::Approved).await;
    assert!(!is_asked(&ask(&browser, &[]).await, &idp));
}

#[tokio::test]
async fn a_client_that_was_blocked_asks_again() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    change_client(&broker, |client| client.status = ClientStatus::Blocked).await;
    let blocked = ask(&browser, &[]).await;
    blocked.assert_page(403, "This program is blocked");
    change_client(&broker, |client| client.status = ClientStatus::Approved).await;
    assert!(is_asked(&ask(&browser, &[]).await, &idp));
}

#[tokio::test]
async fn a_client_that_describes_itself_anew_asks_again() {
    let changes: [fn(&mut Client); 4] = [
        |client| client.name = Some("Web 2".to_owned()),
        |client| drop(client.redirect_uris.pop()),
        |client| {
            let metadata = &mut client.metadata;
            metadata.insert("client_uri".to_owned(), "https://x".into());
        },
        |client| client.auth_method = TokenEndpointAuthMethod::ClientSecretPost,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let (broker, idp) = set_up().await;
        let browser = Browser::new(&broker);
        click_through(&browser, &idp, &[]).await;
        change_client(&broker, change).await;
        assert!(is_asked(&ask(&browser, &[]).await, &idp), "{number}");
    }
    // What an administrator gives it is not its own.
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    change_client(&broker, |client| client.exchange.clear()).await;
    assert!(!is_asked(&ask(&browser, &[]).await, &idp));
}

#[tokio::test]
async fn a_consent_that_is_withdrawn_while_the_user_logs_in_counts_no_more() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    let answer = ask(&browser, &[]).await;
    let callback = idp.log_in(answer.location());
    let id = ClientId::parse(WEB).unwrap();
    let withdrawn = broker
        .store()
        .withdraw_consents(ConsentsOf::Client(&id))
        .await;
    assert_eq!(withdrawn.unwrap(), 1);
    assert!(is_asked(&browser.get(&callback).await, &idp));
}

#[tokio::test]
async fn a_client_that_is_no_longer_approved_while_the_user_logs_in_asks_after_all() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    let answer = ask(&browser, &[]).await;
    let callback = idp.log_in(answer.location());
    change_client(&broker, |client| client.status = ClientStatus::Pending).await;
    assert!(is_asked(&browser.get(&callback).await, &idp));
}

#[tokio::test]
async fn a_click_counts_until_it_expires() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    broker.advance(89 * DAY).await;
    let answer = ask(&browser, &[]).await;
    assert!(!is_asked(&answer, &idp));
    broker.advance(DAY).await;
    assert!(is_asked(&ask(&browser, &[]).await, &idp));
}

#[tokio::test]
async fn passing_the_page_over_does_not_prolong_the_click() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    let consents = async || {
        let id = ClientId::parse(WEB).unwrap();
        broker
            .store()
            .consents(ConsentsOf::Client(&id))
            .await
            .unwrap()
    };
    let before = consents().await;
    broker.advance(DAY).await;
    // The provider's clock has not moved with ours; its word is judged elsewhere.
    idp.faults().claims = |claims| {
        claims["iat"] = (claims["iat"].as_u64().unwrap() + 86_400).into();
        claims["exp"] = (claims["exp"].as_u64().unwrap() + 86_400).into();
    };
    let answer = ask(&browser, &[]).await;
    let answer = browser.get(&idp.log_in(answer.location())).await;
    assert!(parameters(&answer).contains_key("code"), "{}", answer.body);
    assert_eq!(consents().await, before);
}

#[tokio::test]
async fn zero_remembers_nothing_and_leaves_no_cookie() {
    let (broker, idp) = planned(|plan| {
        with_web_client(plan);
        plan.settings.consent.remember = Duration::ZERO;
    })
    .await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    assert!(browser.cookies().is_empty());
    assert!(is_asked(&ask(&browser, &[]).await, &idp));
}

#[tokio::test]
async fn switching_it_off_forgets_at_once() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    let issuer = idp.issuer().to_owned();
    let strict = broker
        .replica(|plan| {
            with_web_client(plan);
            plan.upstream.issuer = issuer;
            plan.settings.consent.remember = Duration::ZERO;
        })
        .await;
    let browser = browser.at(&strict);
    assert!(is_asked(&ask(&browser, &[]).await, &idp));
}

/// RFC 8252 §8.6: any local program can pose as a public client of this computer.
#[tokio::test]
async fn programs_on_this_computer_are_asked_for_unless_they_have_a_secret() {
    let native = [
        "http://127.0.0.1:33418/callback",
        "com.example.app:/callback",
    ];
    for redirect_uri in native {
        for (has_secret, remembers, asked) in [
            (false, false, true),
            (true, false, false),
            (false, true, false),
        ] {
            let (broker, idp) = planned(|plan| {
                with_web_client(plan);
                plan.settings.consent.remembers_native_apps = remembers;
                let web = plan.clients.last_mut().unwrap();
                web.redirect_uris = vec![RedirectUri::parse(redirect_uri).unwrap()];
                if has_secret {
                    web.auth_method = TokenEndpointAuthMethod::ClientSecretPost;
                }
            })
            .await;
            let browser = Browser::new(&broker);
            let here = [("redirect_uri", redirect_uri)];
            click_through(&browser, &idp, &here).await;
            let answer = ask(&browser, &here).await;
            assert_eq!(
                is_asked(&answer, &idp),
                asked,
                "{redirect_uri} {has_secret}"
            );
        }
    }
}

#[tokio::test]
async fn another_loopback_port_is_another_redirect_uri() {
    let (broker, idp) = planned(|plan| {
        with_web_client(plan);
        plan.settings.consent.remembers_native_apps = true;
        let web = plan.clients.last_mut().unwrap();
        web.redirect_uris = vec![RedirectUri::parse("http://127.0.0.1/callback").unwrap()];
    })
    .await;
    let browser = Browser::new(&broker);
    let at = |port: &'static str| [("redirect_uri", port)];
    let (one, other) = (
        at("http://127.0.0.1:5001/callback"),
        at("http://127.0.0.1:5002/callback"),
    );
    click_through(&browser, &idp, &one).await;
    assert!(!is_asked(&ask(&browser, &one).await, &idp));
    assert!(is_asked(&ask(&browser, &other).await, &idp));
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_told_of_on_the_page() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    let issuer = idp.issuer().to_owned();
    // A process that has not read the provider's metadata yet.
    let fresh = broker
        .replica(|plan| {
            with_web_client(plan);
            plan.upstream.issuer = issuer;
        })
        .await;
    idp.faults().down = Some(http::StatusCode::BAD_GATEWAY);
    let browser = browser.at(&fresh);
    assert!(is_asked(&ask(&browser, &[]).await, &idp));
}

#[tokio::test]
async fn a_failed_login_can_go_on_with_the_page() {
    let (broker, idp) = set_up().await;
    let browser = Browser::new(&broker);
    click_through(&browser, &idp, &[]).await;
    let answer = ask(&browser, &[]).await;
    let url = Url::parse(answer.location()).unwrap();
    let state = url
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1;
    let flow = state.split_once('.').unwrap().0;
    let spent = format!("/oauth/callback?code=spent&state={state}");
    let page = browser.get(&spent).await;
    page.assert_page(400, "Please log in once more");
    let allowed = browser.press(flow, "allow").await;
    let answer = browser.get(&idp.log_in(allowed.location())).await;
    assert!(parameters(&answer).contains_key("code"));
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_and_of_other_hosts() {
    let issuer = "https://broker.example";
    let (broker, idp) = planned(|plan| {
        with_web_client(plan);
        plan.settings.issuer = issuer.to_owned();
    })
    .await;
    let browser = Browser::new(&broker);
    let flow = browser.begin_with(&asking(&[])).await;
    let allowed = browser.press(&flow, "allow").await;
    let callback = idp.log_in(allowed.location());
    let callback = callback.replace("https://broker.example", "");
    let answer = browser.get(&callback).await;
    let set: Vec<_> = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap())
        .filter(|value| value.starts_with("__Host-mtb_browser="))
        .collect();
    let [cookie] = set.as_slice() else {
        panic!("{set:?}");
    };
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=7776000; Secure"),
        "{cookie}"
    );
    // Only its hash is stored.
    let value = cookie.split(['=', ';']).nth(1).unwrap();
    assert_eq!(value.len(), 43);
    for suffix in ["", "-wal"] {
        let mut path = broker.database().into_os_string();
        path.push(suffix);
        let stored = std::fs::read(path).unwrap_or_default();
        let is_stored = stored.windows(43).any(|window| window == value.as_bytes());
        assert!(!is_stored);
    }
}
