//! The confused deputy (MCP security best practices): a client of an attacker, in a browser whose user
//! is signed in at the identity provider, gets no code unless this user clicks.
//!
//! In these tests the provider is as obliging as can be: whoever comes with a login request is sent
//! back signed in, without a question.

use axum::body::Body;
use broker::domain::{AuditKind, Client, GrantType, RedirectUri};
use http::{Request, header};
use serde_json::json;
use url::Url;

use crate::browser::{Browser, authorize_path, parameters, planned};
use crate::documents::{DocumentServer, Published};
use crate::harness::{Answer, Broker, Plan, client, form};
use crate::idp::Idp;

/// The victim's own, approved client, and what it asks.
const TRUSTED: &str = "trusted";
const TRUSTED_CALLBACK: &str = "https://trusted.example/callback";
const EVIL_CALLBACK: &str = "https://evil.example/callback";

fn with_clients(plan: &mut Plan) {
    plan.settings.url_clients.allows_loopback = true;
    let grants = [GrantType::AuthorizationCode, GrantType::RefreshToken];
    for (id, uris) in [
        (
            TRUSTED,
            vec![TRUSTED_CALLBACK, "https://trusted.example/other"],
        ),
        // Approved too: even an administrator's word does not stand for the user's.
        ("evil", vec![EVIL_CALLBACK]),
    ] {
        plan.clients.push(Client {
            redirect_uris: uris
                .into_iter()
                .map(|uri| RedirectUri::parse(uri).unwrap())
                .collect(),
            ..client(id, None, &grants)
        });
    }
}

/// A victim who has allowed [`TRUSTED`] everything, and is signed in at the provider.
async fn victim<'a>(broker: &'a Broker, idp: &Idp) -> Browser<'a> {
    let browser = Browser::new(broker);
    let asked = [
        ("client_id", TRUSTED),
        ("redirect_uri", TRUSTED_CALLBACK),
        ("scope", "notes.read notes.write files.read"),
    ];
    let answer = browser.log_in(idp, &asked).await;
    assert!(parameters(&answer).contains_key("code"));
    browser
}

/// Follows redirects as a browser does, through the obliging provider, until a page or another site;
/// presses nothing.
async fn follow(browser: &Browser<'_>, idp: &Idp, path: &str) -> Answer {
    let mut answer = browser.get(path).await;
    for _ in 0..10 {
        let Some(location) = answer.header("location") else {
            return answer;
        };
        if location.starts_with(idp.issuer()) {
            let callback = idp.log_in(location);
            answer = browser.get(&callback).await;
        } else if location.starts_with('/') {
            let path = location.to_owned();
            answer = browser.get(&path).await;
        } else {
            return answer;
        }
    }
    panic!("redirects without end");
}

/// Asserts that the victim sees our page, and that nothing was handed out.
async fn assert_asked(broker: &Broker, browser: &Browser<'_>, idp: &Idp, changes: &[(&str, &str)]) {
    let issued = async || {
        let trail = broker.trail().await;
        let codes = trail.iter().filter(|it| it.kind == AuditKind::CodeIssued);
        codes.count()
    };
    let before = issued().await;
    let answer = follow(browser, idp, &authorize_path(changes)).await;
    assert_eq!(answer.status.as_u16(), 200, "{changes:?}: {}", answer.body);
    assert!(answer.body.contains("value=\"allow\""), "{}", answer.body);
    assert_eq!(issued().await, before, "{changes:?}");
}

#[tokio::test]
async fn a_live_session_at_the_provider_gives_a_client_of_an_attacker_nothing() {
    let (broker, idp) = planned(with_clients).await;
    let browser = victim(&broker, &idp).await;
    let body = json!({
        "client_name": "Trusted", "redirect_uris": [EVIL_CALLBACK], "token_endpoint_auth_method": "none",
    });
    let registered = broker.post_json("/oauth/register", &body).await.json();
    let registered = registered["client_id"].as_str().unwrap();
    let documents = DocumentServer::start().await;
    let mut document = documents.document("/c.json");
    document["redirect_uris"] = json!([EVIL_CALLBACK]);
    document["client_name"] = "Trusted".into();
    documents.publish("/c.json", Published::document(&document));
    let url = documents.url("/c.json");

    for evil in [registered, &url, "evil"] {
        let asks = [("client_id", evil), ("redirect_uri", EVIL_CALLBACK)];
        assert_asked(&broker, &browser, &idp, &asks).await;
    }
}

#[tokio::test]
async fn what_was_allowed_to_one_client_at_one_address_is_allowed_to_no_other() {
    let (broker, idp) = planned(with_clients).await;
    let browser = victim(&broker, &idp).await;
    // This much is remembered:
    let same = [("client_id", TRUSTED), ("redirect_uri", TRUSTED_CALLBACK)];
    let answer = follow(&browser, &idp, &authorize_path(&same)).await;
    assert!(answer.location().starts_with(TRUSTED_CALLBACK));

    // Another address of the same client, and the same request by another client.
    let other = [
        ("client_id", TRUSTED),
        ("redirect_uri", "https://trusted.example/other"),
    ];
    assert_asked(&broker, &browser, &idp, &other).await;
    let evil = [("client_id", "evil"), ("redirect_uri", EVIL_CALLBACK)];
    assert_asked(&broker, &browser, &idp, &evil).await;
    // The trusted client's id with the attacker's address: not even a page to click on.
    let stolen = [("client_id", TRUSTED), ("redirect_uri", EVIL_CALLBACK)];
    let answer = follow(&browser, &idp, &authorize_path(&stolen)).await;
    answer.assert_page(400, "The way back does not match");
}

#[tokio::test]
async fn a_login_that_the_attacker_began_cannot_be_finished_in_the_victims_browser() {
    let (broker, idp) = planned(with_clients).await;
    let browser = victim(&broker, &idp).await;
    let attacker = Browser::new(&broker);
    let asks = [("client_id", "evil"), ("redirect_uri", EVIL_CALLBACK)];
    // The attacker allows it himself and sends the victim on to the provider, or to the page.
    let flow = attacker.begin_with(&asks).await;
    let allowed = attacker.press(&flow, "allow").await;
    let callback = idp.log_in(allowed.location());
    let answer = browser.get(&callback).await;
    answer.assert_page(403, "This login belongs to another browser");
    let page = browser.page(&flow).await;
    page.assert_page(403, "This login belongs to another browser");
    assert!(
        idp.token_requests().len() == 1,
        "only the victim's own login"
    );
}

#[tokio::test]
async fn the_attackers_callback_in_the_victims_browser_logs_nobody_in() {
    // Login CSRF: the victim is to work in the attacker's account.
    let (broker, idp) = planned(with_clients).await;
    let browser = victim(&broker, &idp).await;
    let attacker = Browser::new(&broker);
    let asks = [("client_id", TRUSTED), ("redirect_uri", TRUSTED_CALLBACK)];
    let flow = attacker.begin_with(&asks).await;
    let allowed = attacker.press(&flow, "allow").await;
    let callback = idp.log_in(allowed.location());
    // As it is, under a flow of the victim's own, and without a flow.
    let own = browser.begin_with(&[]).await;
    let pressed = browser.press(&own, "allow").await;
    let url = Url::parse(pressed.location()).unwrap();
    let state = url
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1;
    let code = callback
        .split("code=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    // The foreign code belongs to another PKCE challenge: the provider refuses it.
    let injected = format!("/oauth/callback?code={code}&state={state}");
    let foreign = browser.get(&callback).await;
    foreign.assert_page(403, "This login belongs to another browser");
    let injected = browser.get(&injected).await;
    injected.assert_page(400, "Please log in once more");
    let bare = browser.get(&format!("/oauth/callback?code={code}")).await;
    bare.assert_page(400, "This answer does not fit");
    // The victim's own login is unharmed.
    let answer = browser.get(&idp.log_in(pressed.location())).await;
    assert!(parameters(&answer).contains_key("code"));
}

#[tokio::test]
async fn an_answer_of_another_authorization_server_is_no_answer() {
    // Mix-up (RFC 9207 §1): a provider that announces `iss` and another that answers in its place.
    let (broker, idp) = planned(with_clients).await;
    idp.faults().announces_iss = true;
    let browser = victim(&broker, &idp).await;
    for asks in [
        [("client_id", "evil"), ("redirect_uri", EVIL_CALLBACK)],
        // Also where the consent is remembered.
        [("client_id", TRUSTED), ("redirect_uri", TRUSTED_CALLBACK)],
    ] {
        let answer = browser.get(&authorize_path(&asks)).await;
        let to_idp = if answer.location().starts_with('/') {
            let flow = answer.location().split_once("flow=").unwrap().1.to_owned();
            browser.press(&flow, "allow").await
        } else {
            answer
        };
        let callback = idp.log_in(to_idp.location());
        let (path, query) = callback.split_once('?').unwrap();
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let logins = idp.token_requests().len();
        for iss in [None, Some("https://evil.example"), Some(""), Some("both")] {
            let mut changed: Vec<_> = pairs.clone();
            if iss != Some("both") {
                changed.retain(|(name, _)| name != "iss");
            }
            if let Some(iss) = iss {
                changed.push(("iss".to_owned(), iss.to_owned()));
            }
            let query = serde_urlencoded::to_string(&changed).unwrap();
            let answer = browser.get(&format!("{path}?{query}")).await;
            answer.assert_page(400, "This answer does not fit");
        }
        assert_eq!(idp.token_requests().len(), logins, "its code went nowhere");
        // The right answer still counts, and carries our own issuer to the client.
        let answer = browser.get(&callback).await;
        assert_eq!(parameters(&answer)["iss"], crate::harness::ISSUER);
    }
}

#[tokio::test]
async fn a_form_from_elsewhere_allows_nothing() {
    let (broker, idp) = planned(with_clients).await;
    let browser = victim(&broker, &idp).await;
    let asks = [("client_id", "evil"), ("redirect_uri", EVIL_CALLBACK)];
    let flow = browser.begin_with(&asks).await;
    let csrf = browser.csrf(&flow).await;

    // The attacker knows flow and token of a page of his own, and whatever was in a URL.
    let attacker = Browser::new(&broker);
    let own = attacker.begin_with(&asks).await;
    let own_csrf = attacker.csrf(&own).await;
    for (flow, csrf) in [
        (flow.as_str(), ""),
        (flow.as_str(), own_csrf.as_str()),
        (flow.as_str(), flow.as_str()),
        (own.as_str(), own_csrf.as_str()),
    ] {
        let answer = browser.submit(flow, csrf, "allow").await;
        assert_eq!(answer.status.as_u16(), 403, "{}", answer.body);
    }
    let fields = [("flow", &*flow), ("csrf", &*csrf), ("decision", "allow")];
    // Without the cookie the token is worth nothing, with it only from our own page.
    let bare = broker.send(form("/oauth/consent", None, &fields)).await;
    bare.assert_page(403, "This login belongs to another browser");
    let mut cross_site = form("/oauth/consent", None, &fields);
    let headers = cross_site.headers_mut();
    headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    let answer = browser.send(cross_site).await;
    answer.assert_page(403, "This form was not sent from our page");
    // Nor by a link, nor as another kind of body.
    let link = format!("/oauth/consent?flow={flow}&csrf={csrf}&decision=allow");
    let answer = browser.get(&link).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert!(
        answer.body.contains("value=\"allow\""),
        "only the page again"
    );
    let json = Request::post("/oauth/consent")
        .header(header::CONTENT_TYPE, "text/plain")
        .body(Body::from(serde_urlencoded::to_string(fields).unwrap()))
        .unwrap();
    let answer = browser.send(json).await;
    answer.assert_page(403, "This form was not sent from our page");

    let trail = broker.trail().await;
    let allowed = |it: &&broker::domain::AuditEvent| it.kind == AuditKind::AuthorizationConsented;
    assert_eq!(
        trail.iter().filter(allowed).count(),
        1,
        "the victim's first"
    );
}

#[tokio::test]
async fn no_step_of_a_login_can_be_framed() {
    let (broker, idp) = planned(with_clients).await;
    let browser = victim(&broker, &idp).await;
    let asks = [("client_id", "evil"), ("redirect_uri", EVIL_CALLBACK)];
    let flow = browser.begin_with(&asks).await;
    let remembered = [("client_id", TRUSTED), ("redirect_uri", TRUSTED_CALLBACK)];
    for answer in [
        browser.get(&authorize_path(&asks)).await,
        browser.get(&authorize_path(&remembered)).await,
        browser.page(&flow).await,
        browser.press(&flow, "deny").await,
        browser.get("/oauth/callback").await,
        browser.get("/oauth/authorize").await,
    ] {
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    }
}
