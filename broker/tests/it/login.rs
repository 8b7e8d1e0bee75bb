//! The login between the client's request and its answer, on our side: the consent page, its form,
//! and the one browser that a flow belongs to. What comes from the identity provider is in
//! `upstream`.

use std::time::Duration;

use broker::domain::{AuditKind, ClientId, ClientKind, ClientStatus, RedirectUri};
use http::{StatusCode, header};
use url::Url;

use crate::browser::{Browser, authorize_path, broker_and_idp, parameters, planned};
use crate::harness::{AGENT, form};

const FINISHED: &str = "This login is already finished";
const OTHER_BROWSER: &str = "This login belongs to another browser";

// The consent page.

#[tokio::test]
async fn the_page_says_who_asks_for_what_and_where_the_answer_goes() {
    let (broker, _idp) = planned(|plan| {
        plan.clients[1].name = Some("<script>alert('x')</script> & Co".to_owned());
        plan.clients[1].kind = ClientKind::Dynamic;
        plan.clients[1].status = ClientStatus::Pending;
    })
    .await;
    let browser = Browser::new(&broker);
    let flow = browser
        .begin_with(&[("scope", "notes.read files.read")])
        .await;
    let page = browser.page(&flow).await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        "notes.read",
        "files.read",
        "127.0.0.1",
        AGENT,
        "This is a program on this computer",
        "nobody has checked it",
    ] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    // The client chose its name; it stays text.
    assert!(!page.body.contains("<script"), "{}", page.body);
    assert!(page.body.contains("&#60;script&#62;") || page.body.contains("&lt;script&gt;"));
}

#[tokio::test]
async fn the_page_says_who_knows_the_program() {
    const STRANGE: &str = "Nobody here knows this program";
    for (kind, status, said, warned) in [
        (
            ClientKind::Preregistered,
            ClientStatus::Approved,
            "has entered this program",
            false,
        ),
        (
            ClientKind::Dynamic,
            ClientStatus::Approved,
            "has approved it",
            false,
        ),
        (ClientKind::Dynamic, ClientStatus::Pending, STRANGE, true),
    ] {
        let (broker, _idp) = planned(|plan| {
            plan.clients[1].kind = kind;
            plan.clients[1].status = status;
        })
        .await;
        let browser = Browser::new(&broker);
        let page = browser.page(&browser.begin().await).await.body;
        assert!(page.contains(said), "{kind:?}: {page}");
        assert_eq!(page.contains(STRANGE), warned, "{kind:?} {status:?}");
    }
}

#[tokio::test]
async fn an_apps_own_scheme_is_warned_of_like_loopback() {
    let (broker, _idp) = planned(|plan| {
        plan.clients[1].redirect_uris = ["cursor://mcp/callback", "https://a.example/callback"]
            .map(|uri| RedirectUri::parse(uri).unwrap())
            .into();
    })
    .await;
    let browser = Browser::new(&broker);
    for (uri, shown, warned) in [
        ("cursor://mcp/callback", "<strong>cursor:</strong>", true),
        (
            "https://a.example/callback",
            "<strong>a.example</strong>",
            false,
        ),
    ] {
        let flow = browser.begin_with(&[("redirect_uri", uri)]).await;
        let page = browser.page(&flow).await.body;
        assert!(page.contains(shown), "{page}");
        assert_eq!(page.contains("This is a program on this computer"), warned);
    }
}

#[tokio::test]
async fn pages_run_nothing_load_nothing_and_stand_in_no_frame() {
    let (broker, _idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let unknown = browser.get("/oauth/authorize").await;
    for page in [browser.page(&flow).await, unknown] {
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        // Chrome applies it to the redirects after the form: to the IdP and to the client.
        assert!(!policy.contains("form-action"), "{policy}");
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(page.header(name), Some(value), "{name}");
        }
        assert!(!page.body.contains("<script"));
        assert!(page.body.contains("<html lang=\"en\">"));
        let id = page.header("x-request-id").unwrap();
        assert!(page.body.contains(id), "no request id on the page");
    }
}

#[tokio::test]
async fn the_cookie_is_for_this_flow_and_out_of_reach_of_others() {
    let (broker, _idp) = broker_and_idp().await;
    let answer = broker.get(&authorize_path(&[])).await;
    let cookie = answer.header("set-cookie").unwrap();
    let flow = answer.location().split_once("flow=").unwrap().1;
    assert!(cookie.starts_with(&format!("mtb-{flow}=")), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600"),
        "{cookie}"
    );

    let issuer = "https://broker.example";
    let (broker, _idp) = planned(|plan| plan.settings.issuer = issuer.to_owned()).await;
    let answer = broker.get(&authorize_path(&[])).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-mtb-"), "{cookie}");
    assert!(cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn a_reload_shows_the_page_again_also_after_allowing() {
    let (broker, _idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let first = browser.csrf(&flow).await;
    assert_eq!(browser.csrf(&flow).await, first);
    browser.press(&flow, "allow").await;
    // Back from the IdP's page: he may still change his mind.
    assert_eq!(browser.csrf(&flow).await, first);
    let denied = browser.press(&flow, "deny").await;
    denied.assert_error_at_client("access_denied");
}

#[tokio::test]
async fn a_double_submit_goes_the_same_way_twice() {
    let (broker, _idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let csrf = browser.csrf(&flow).await;
    let (first, second) = tokio::join!(
        browser.submit(&flow, &csrf, "allow"),
        browser.submit(&flow, &csrf, "allow")
    );
    assert_eq!(first.location(), second.location());
    let consented =
        |row: &broker::domain::AuditEvent| row.kind == AuditKind::AuthorizationConsented;
    assert_eq!(
        broker
            .trail()
            .await
            .iter()
            .filter(|row| consented(row))
            .count(),
        1
    );
}

#[tokio::test]
async fn no_means_access_denied_however_often_it_is_said() {
    let (broker, _idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let csrf = browser.csrf(&flow).await;
    let (first, second) = tokio::join!(
        browser.submit(&flow, &csrf, "deny"),
        browser.submit(&flow, &csrf, "deny")
    );
    first.assert_error_at_client("access_denied");
    second.assert_error_at_client("access_denied");
    assert_eq!(broker.newest().await.kind, AuditKind::AuthorizationDenied);
    assert!(browser.cookies().is_empty());
    browser.page(&flow).await.assert_page(200, FINISHED);
}

#[tokio::test]
async fn a_form_that_is_not_ours_decides_nothing() {
    let (broker, _idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let (flow, other) = (browser.begin().await, browser.begin().await);
    let (csrf, foreign) = (browser.csrf(&flow).await, browser.csrf(&other).await);
    for wrong in ["", "guess", &foreign] {
        let answer = browser.submit(&flow, wrong, "allow").await;
        answer.assert_page(403, "This form was not sent from our page");
    }
    let strange = browser.submit(&flow, &csrf, "maybe").await;
    strange.assert_page(403, "This form was not sent from our page");
    let fields = [
        ("flow", flow.as_str()),
        ("csrf", &csrf),
        ("decision", "allow"),
    ];
    let mut cross_site = form("/oauth/consent", None, &fields);
    cross_site
        .headers_mut()
        .insert("sec-fetch-site", "cross-site".parse().unwrap());
    let answer = browser.send(cross_site).await;
    answer.assert_page(403, "This form was not sent from our page");
    // Browsers send `Origin: null` from a page with our referrer policy.
    let mut own = form("/oauth/consent", None, &fields);
    own.headers_mut()
        .insert(header::ORIGIN, "null".parse().unwrap());
    own.headers_mut()
        .insert("sec-fetch-site", "same-origin".parse().unwrap());
    browser.send(own).await.location();
}

// One browser, one flow.

#[tokio::test]
async fn two_tabs_do_not_disturb_each_other() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let one = browser.begin_with(&[("state", "one")]).await;
    let two = browser.begin_with(&[("state", "two")]).await;
    let to_one = browser.press(&one, "allow").await;
    let to_two = browser.press(&two, "allow").await;
    assert_ne!(to_one.location(), to_two.location());
    // Back in the other order.
    let from_two = browser.get(&idp.log_in(to_two.location())).await;
    let from_one = browser.get(&idp.log_in(to_one.location())).await;
    assert_eq!(parameters(&from_one)["state"], "one");
    assert_eq!(parameters(&from_two)["state"], "two");
    for answer in [&from_one, &from_two] {
        broker.redeem(&answer.code()).await.tokens();
    }
}

#[tokio::test]
async fn another_browser_cannot_go_on_and_spoils_nothing() {
    let (broker, idp) = broker_and_idp().await;
    let (browser, other) = (Browser::new(&broker), Browser::new(&broker));
    let flow = browser.begin().await;
    other.begin().await;
    other.page(&flow).await.assert_page(403, OTHER_BROWSER);
    let csrf = browser.csrf(&flow).await;
    let answer = other.submit(&flow, &csrf, "allow").await;
    answer.assert_page(403, OTHER_BROWSER);

    let allowed = browser.press(&flow, "allow").await;
    let callback = idp.log_in(allowed.location());
    other.get(&callback).await.assert_page(403, OTHER_BROWSER);
    assert_eq!(broker.newest().await.kind, AuditKind::LoginFailed);
    // The IdP was not asked, and the right browser goes on.
    assert!(idp.token_requests().is_empty());
    browser.get(&callback).await.code();
}

#[tokio::test]
async fn a_request_ahead_of_the_browser_consumes_nothing() {
    let (broker, idp) = broker_and_idp().await;
    let ahead = broker.get(&authorize_path(&[])).await;
    ahead.location();
    let browser = Browser::new(&broker);
    let answer = browser.log_in(&idp, &[]).await;
    broker.redeem(&answer.code()).await.tokens();
}

#[tokio::test]
async fn going_back_after_the_end_shows_a_friendly_page() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let csrf = browser.csrf(&flow).await;
    let allowed = browser.press(&flow, "allow").await;
    let callback = idp.log_in(allowed.location());
    let answer = browser.get(&callback).await;
    assert!(
        browser.cookies().is_empty(),
        "the flow's cookie stays behind"
    );
    for page in [
        browser.page(&flow).await,
        browser.submit(&flow, &csrf, "allow").await,
        browser.submit(&flow, &csrf, "deny").await,
        browser.get(&callback).await,
    ] {
        page.assert_page(200, FINISHED);
    }
    broker.redeem(&answer.code()).await.tokens();
}

#[tokio::test]
async fn an_answer_that_was_lost_can_be_asked_for_again() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let allowed = browser.press(&flow, "allow").await;
    let callback = idp.log_in(allowed.location());
    // Both requests carry the cookie, as when the first answer never arrived.
    let (first, second) = tokio::join!(browser.get(&callback), browser.get(&callback));
    assert_eq!(first.location(), second.location());
    broker.redeem(&first.code()).await.tokens();
}

#[tokio::test]
async fn a_lost_answer_is_not_repeated_once_the_code_is_spent_or_old() {
    for spend in [true, false] {
        let (broker, idp) = broker_and_idp().await;
        let browser = Browser::new(&broker);
        let flow = browser.begin().await;
        let allowed = browser.press(&flow, "allow").await;
        let callback = idp.log_in(allowed.location());
        let cookies = browser.cookies();
        let answer = browser.get(&callback).await;
        if spend {
            broker.redeem(&answer.code()).await.tokens();
        } else {
            broker.advance(Duration::from_secs(61)).await;
        }
        let (name, value) = cookies.iter().next().unwrap();
        let again = http::Request::get(&callback)
            .header(header::COOKIE, format!("{name}={value}"))
            .body(axum::body::Body::empty())
            .unwrap();
        broker.send(again).await.assert_page(200, FINISHED);
    }
}

#[tokio::test]
async fn a_login_that_takes_too_long_says_so() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let (early, late) = (browser.begin().await, browser.begin().await);
    let csrf = browser.csrf(&early).await;
    let allowed = browser.press(&late, "allow").await;
    let callback = idp.log_in(allowed.location());
    broker.advance(Duration::from_mins(10)).await;
    for page in [
        browser.page(&early).await,
        browser.submit(&early, &csrf, "allow").await,
        browser.submit(&early, &csrf, "deny").await,
        browser.get(&callback).await,
    ] {
        page.assert_page(400, "That took too long");
    }
    assert!(idp.token_requests().is_empty());
}

#[tokio::test]
async fn a_flow_that_never_was_is_not_found() {
    let (broker, _idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    for path in [
        "/oauth/consent",
        "/oauth/consent?flow=",
        "/oauth/consent?flow=none",
        "/oauth/consent?flow=a%20b",
        "/oauth/callback?state=none.tag&code=c",
    ] {
        let page = browser.get(path).await;
        page.assert_page(404, "Nothing to continue here");
    }
}

#[tokio::test]
async fn a_client_that_is_blocked_meanwhile_gets_nothing() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let allowed = browser.press(&flow, "allow").await;
    let callback = idp.log_in(allowed.location());
    let id = ClientId::parse(AGENT).unwrap();
    let mut agent = broker.store().client(&id).await.unwrap().unwrap();
    agent.status = ClientStatus::Blocked;
    let version = agent.version;
    agent.version += 1;
    assert!(broker.store().update_client(&agent, version).await.unwrap());
    for page in [browser.page(&flow).await, browser.get(&callback).await] {
        page.assert_page(403, "This program is blocked");
    }
    assert!(idp.token_requests().is_empty());
}

#[tokio::test]
async fn a_restart_in_the_middle_loses_nothing() {
    let (broker, idp) = broker_and_idp().await;
    let issuer = idp.issuer().to_owned();
    let restarted = broker
        .replica(|plan| plan.upstream.issuer.clone_from(&issuer))
        .await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let csrf = browser.csrf(&flow).await;
    let browser = browser.at(&restarted);
    let allowed = browser.submit(&flow, &csrf, "allow").await;
    let callback = idp.log_in(allowed.location());
    let browser = browser.at(&broker);
    let answer = browser.get(&callback).await;
    restarted.redeem(&answer.code()).await.tokens();
}

#[tokio::test]
async fn the_database_holds_nothing_that_could_be_used() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let flow = browser.begin().await;
    let mut secrets = vec![
        browser.cookies().into_values().next().unwrap(),
        browser.csrf(&flow).await,
    ];
    let allowed = browser.press(&flow, "allow").await;
    let url = Url::parse(allowed.location()).unwrap();
    for (name, value) in url.query_pairs() {
        if matches!(name.as_ref(), "state" | "nonce") {
            secrets.push(value.rsplit('.').next().unwrap().to_owned());
        }
    }
    let answer = browser.get(&idp.log_in(allowed.location())).await;
    secrets.push(answer.code().code);
    secrets.push(idp.token_requests()[0]["code_verifier"].clone());
    secrets.push("upstream-access-token".to_owned());
    secrets.push("upstream-refresh-token".to_owned());
    assert_eq!(secrets.len(), 8);

    let mut stored = Vec::new();
    for suffix in ["", "-wal"] {
        let mut path = broker.database().into_os_string();
        path.push(suffix);
        stored.extend(std::fs::read(path).unwrap_or_default());
    }
    let holds = |text: &str| {
        stored
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(holds(&flow), "the database was not read");
    for secret in secrets {
        assert!(!holds(&secret), "{secret}");
    }
}
