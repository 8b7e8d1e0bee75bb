//! Account pages and background access (Flow 2), as a person and as an attacker would use them.

use broker::crypto;
use broker::domain::{
    Actor, AuditKind, Client, ClientId, DownstreamName, GrantType, OfflineGrant, OfflineGrantId,
    Outcome, Subject,
};
use broker_client::oauth::{ErrorCode, grant_type, token_type};
use http::StatusCode;

use crate::administrator::Administrator;
use crate::browser::{Browser, planned};
use crate::harness::{AGENT, Answer, Broker, GATEWAY, Plan, claims, client, form};
use crate::idp::Idp;

/// A background job.
pub(crate) const JOB: (&str, &str) = ("nightly-job", "the nightly job's own secret");

pub(crate) fn with_a_job(plan: &mut Plan) {
    plan.clients.push(Client {
        redirect_uris: Vec::new(),
        exchange: ["nextcloud", "vault"]
            .map(|name| DownstreamName::parse(name).unwrap())
            .to_vec(),
        background: true,
        ..client(JOB.0, Some(JOB.1), &[GrantType::TokenExchange])
    });
}

async fn broker_and_idp() -> (Broker, Idp) {
    planned(with_a_job).await
}

/// Alice, as the identity provider of these tests names her.
pub(crate) fn alice(idp: &Idp) -> Subject {
    crypto::subject_for(idp.issuer(), "subject-of-alice")
}

pub(crate) const ASK: &str = "/oauth/authorize-nextcloud";

/// The value of a hidden field.
pub(crate) fn hidden(page: &Answer, name: &str) -> String {
    let marker = format!("name=\"{name}\" value=\"");
    let (_, rest) = page
        .body
        .split_once(&marker)
        .unwrap_or_else(|| panic!("no {name}: {}", page.body));
    rest.split_once('"').unwrap().0.to_owned()
}

impl Browser<'_> {
    /// Posts a form of ours.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(form(path, None, fields)).await
    }

    /// Signs in from the page at `path`; returns the answer of the callback.
    pub(crate) async fn sign_in(&self, idp: &Idp, path: &str) -> Answer {
        let begun = self.begin_sign_in(path).await;
        self.get(&idp.log_in(begun.location())).await
    }

    /// The same as far as the identity provider.
    pub(crate) async fn begin_sign_in(&self, path: &str) -> Answer {
        let page = self.get(path).await;
        let page = self.get(page.location()).await;
        page.assert_page(200, "Sign in to your account");
        let to = hidden(&page, "to");
        self.post("/account/sign-in", &[("to", &to)]).await
    }

    /// Answers the page that asks for background access.
    pub(crate) async fn answer(&self, page: &Answer, button: &str) -> Answer {
        let [csrf, downstream, scope] =
            ["csrf", "downstream", "scope"].map(|name| hidden(page, name));
        let fields = [
            ("csrf", csrf.as_str()),
            ("downstream", &downstream),
            ("scope", &scope),
            ("decision", button),
        ];
        self.post(ASK, &fields).await
    }

    /// Signs in and allows background access.
    pub(crate) async fn allow(&self, idp: &Idp) -> Answer {
        let arrived = self.sign_in(idp, ASK).await;
        let page = self.get(arrived.location()).await;
        let done = self.answer(&page, "allow").await;
        self.get(done.location()).await
    }

    /// Presses the button of the account page's form that posts to `path`.
    pub(crate) async fn press_in_account(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get("/account").await;
        let (_, after) = page
            .body
            .split_once(&format!("action=\"{path}\""))
            .unwrap_or_else(|| panic!("no form for {path}: {}", page.body));
        let (_, rest) = after.split_once("name=\"csrf\" value=\"").unwrap();
        let csrf = rest.split_once('"').unwrap().0;
        let mut all = vec![("csrf", csrf)];
        all.extend(fields);
        self.post(path, &all).await
    }
}

impl Broker {
    /// What a user has answered.
    pub(crate) async fn offline_grants(&self, sub: &Subject) -> Vec<OfflineGrant> {
        self.store().offline_grants_of(sub).await.unwrap()
    }

    /// An exchange of `grant`, as the job, with some fields changed; an empty one is left out.
    pub(crate) async fn exchange_offline(&self, grant: &str, changes: &[(&str, &str)]) -> Answer {
        self.exchange_offline_as(JOB, grant, changes).await
    }

    pub(crate) async fn exchange_offline_as(
        &self,
        client: (&str, &str),
        grant: &str,
        changes: &[(&str, &str)],
    ) -> Answer {
        let fields = [
            ("grant_type", grant_type::TOKEN_EXCHANGE),
            ("subject_token", grant),
            ("subject_token_type", token_type::OFFLINE_GRANT),
            ("audience", "nextcloud"),
            ("reason", "nightly backup"),
        ];
        let fields: Vec<_> = fields
            .into_iter()
            .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name))
            .chain(changes.iter().copied())
            .filter(|(_, value)| !value.is_empty())
            .collect();
        self.post_as(client, "/oauth/token", &fields).await
    }

    /// The newest row is a refused exchange with this code.
    async fn assert_refusal_recorded(&self, client: &str, code: ErrorCode) {
        let row = self.newest().await;
        assert_eq!(row.kind, AuditKind::ExchangeRefused);
        assert_eq!(row.outcome, Outcome::Refused(code));
        assert_eq!(row.client_id, Some(ClientId::parse(client).unwrap()));
    }
}

#[tokio::test]
async fn a_user_allows_background_access_and_a_job_acts_for_him() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);

    let arrived = browser
        .sign_in(
            &idp,
            &format!("{ASK}?downstream=nextcloud&scope=notes.read"),
        )
        .await;
    assert_eq!(
        arrived.location(),
        "/oauth/authorize-nextcloud?downstream=nextcloud&scope=notes.read"
    );
    let page = browser.get(arrived.location()).await;
    page.assert_page(200, "Allow background access?");
    assert!(
        page.body.contains("<code>notes.read</code>"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("notes.write"), "{}", page.body);
    let done = browser.answer(&page, "allow").await;
    assert_eq!(done.location(), "/oauth/callback-nextcloud");
    browser
        .get(done.location())
        .await
        .assert_page(200, "Background access is on");

    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::OfflineGranted);
    assert_eq!(row.outcome, Outcome::Ok);
    assert_eq!(row.sub, Some(alice(&idp)));
    assert_eq!(row.scope.as_deref(), Some("notes.read"));

    let list = broker
        .post_as(JOB, "/oauth/offline-grants", &[])
        .await
        .json();
    let listed = &list["offline_grants"][0];
    assert_eq!(listed["sub"], alice(&idp).as_str());
    assert_eq!(listed["downstream"], "nextcloud");
    assert_eq!(listed["scope"], "notes.read");
    assert_eq!(list["offline_grants"].as_array().unwrap().len(), 1);

    let grant = listed["id"].as_str().unwrap();
    let answer = broker.exchange_offline(grant, &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let json = answer.json();
    assert!(json["expires_in"].as_u64().unwrap() <= 300);
    assert_eq!(json["refresh_token"], serde_json::Value::Null);
    let minted = claims(json["access_token"].as_str().unwrap());
    assert_eq!(minted["sub"], "alice");
    assert_eq!(minted["aud"], "nextcloud-audience");
    assert_eq!(minted["act"]["sub"], JOB.0);
    assert_eq!(minted["scope"], "notes.read");

    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ExchangeGranted);
    assert_eq!(row.sub, Some(alice(&idp)));
    assert_eq!(row.details["reason"], "nightly backup");
    assert_eq!(row.details["strategy"], "offline");
    assert_eq!(row.details["offline_grant"], grant);
    assert_eq!(row.grant, None, "there is no session");
}

#[tokio::test]
async fn a_link_made_for_somebody_else_stores_nothing() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let arrived = browser.sign_in(&idp, &format!("{ASK}?user=mallory")).await;

    let page = browser.get(arrived.location()).await;

    page.assert_page(403, "This link was made for somebody else");
    assert!(!page.body.contains("name=\"csrf\""), "{}", page.body);
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::OfflineGranted);
    assert_eq!(row.outcome, Outcome::Refused(ErrorCode::AccessDenied));
    assert_eq!(row.sub, Some(alice(&idp)));
    for whose in [alice(&idp), Subject::parse("mallory").unwrap()] {
        assert!(broker.offline_grants(&whose).await.is_empty());
    }
    let own = format!("{ASK}?user={}", alice(&idp));
    browser
        .get(&own)
        .await
        .assert_page(200, "Allow background access?");
}

#[tokio::test]
async fn a_sign_in_counts_only_in_the_browser_that_began_it() {
    let (broker, idp) = broker_and_idp().await;
    let mallory = Browser::new(&broker);
    let begun = mallory.begin_sign_in("/account").await;
    let callback = idp.log_in(begun.location());
    let victim = Browser::new(&broker);

    let answer = victim.get(&callback).await;

    answer.assert_page(400, "Please sign in once more");
    assert!(victim.cookies().is_empty());
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::AccountSignedIn);
    assert_eq!(row.outcome, Outcome::Refused(ErrorCode::InvalidRequest));
    let forged = callback.replace("state=signin-", "state=signin-0");
    mallory
        .get(&forged)
        .await
        .assert_page(400, "Please sign in once more");
}

#[tokio::test]
async fn a_sign_in_leads_nowhere_but_to_our_own_pages() {
    let (broker, idp) = broker_and_idp().await;
    for to in [
        "//evil.example",
        "aHR0cHM6Ly9ldmlsLmV4YW1wbGU",
        "%0d%0a",
        "DQo",
    ] {
        let browser = Browser::new(&broker);
        let begun = browser.post("/account/sign-in", &[("to", to)]).await;
        let arrived = browser.get(&idp.log_in(begun.location())).await;
        let location = arrived.location();
        assert!(
            location == "/account" || location.starts_with("/oauth/authorize-nextcloud?"),
            "{to}: {location}"
        );
    }
}

#[tokio::test]
async fn only_the_form_of_the_page_that_was_shown_counts() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let arrived = browser
        .sign_in(&idp, &format!("{ASK}?scope=notes.read"))
        .await;
    let page = browser.get(arrived.location()).await;
    let csrf = hidden(&page, "csrf");
    let good = [
        ("csrf", csrf.as_str()),
        ("downstream", "nextcloud"),
        ("scope", "notes.read"),
        ("decision", "allow"),
    ];
    let with = |name: &'static str, value: &'static str| {
        good.map(|(key, old)| {
            if key == name {
                (key, value)
            } else {
                (key, old)
            }
        })
    };
    for (fields, status) in [
        (with("csrf", "made-up"), 403),
        (with("scope", "notes.read notes.write"), 403),
        (with("scope", "everything"), 400),
        (with("downstream", "vault"), 404),
        (with("decision", "perhaps"), 403),
    ] {
        let answer = browser.post(ASK, &fields).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    }
    let mut foreign = form(ASK, None, &good);
    let cross_site = http::HeaderValue::from_static("cross-site");
    foreign.headers_mut().insert("sec-fetch-site", cross_site);
    assert_eq!(browser.send(foreign).await.status, StatusCode::FORBIDDEN);
    let stranger = Browser::new(&broker).post(ASK, &good).await;
    assert_eq!(stranger.status, StatusCode::FORBIDDEN);
    assert!(broker.offline_grants(&alice(&idp)).await.is_empty());

    let denied = browser.post(ASK, &with("decision", "deny")).await;
    assert_eq!(denied.location(), "/account");
    assert!(broker.offline_grants(&alice(&idp)).await.is_empty());
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::OfflineGranted);
    assert_eq!(row.outcome, Outcome::Refused(ErrorCode::AccessDenied));
    assert_eq!(row.sub, Some(alice(&idp)));
    assert_eq!(row.scope.as_deref(), Some("notes.read"));
    let forged = [
        ("csrf", "made-up"),
        ("downstream", "nextcloud"),
        ("scope", "notes.read"),
        ("decision", "deny"),
    ];
    assert_eq!(
        browser.post(ASK, &forged).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        broker.newest().await,
        row,
        "nobody writes rows in his name from another page"
    );
    browser.post(ASK, &good).await.location();
    assert_eq!(broker.offline_grants(&alice(&idp)).await.len(), 1);
}

#[tokio::test]
async fn what_was_withdrawn_is_good_for_nothing_and_never_comes_back() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    browser
        .allow(&idp)
        .await
        .assert_page(200, "Background access is on");
    let first = broker.offline_grants(&alice(&idp)).await.remove(0);

    let fields = [("downstream", "nextcloud")];
    let withdrawn = browser.press_in_account("/account/withdraw", &fields).await;

    assert_eq!(withdrawn.location(), "/account");
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::OfflineWithdrawn);
    assert_eq!(row.sub, Some(alice(&idp)));
    let page = browser.get("/account").await;
    assert!(page.body.contains("you withdrew it on"), "{}", page.body);
    let refused = broker.exchange_offline(first.id.as_str(), &[]).await;
    refused.assert_refused(400, "invalid_request");
    assert!(refused.body.contains("withdrawn"), "{}", refused.body);
    let list = broker
        .post_as(JOB, "/oauth/offline-grants", &[])
        .await
        .json();
    assert_eq!(list["offline_grants"].as_array().unwrap().len(), 0);

    let page = browser.get(ASK).await;
    browser.answer(&page, "allow").await;
    let second = broker.offline_grants(&alice(&idp)).await.remove(0);
    assert_ne!(second.id, first.id);
    let refused = broker.exchange_offline(first.id.as_str(), &[]).await;
    refused.assert_refused(400, "invalid_request");
    let granted = broker.exchange_offline(second.id.as_str(), &[]).await;
    assert_eq!(granted.status, StatusCode::OK, "{}", granted.body);

    let page = browser.get(ASK).await;
    browser.answer(&page, "allow").await;
    let third = broker.offline_grants(&alice(&idp)).await.remove(0);
    assert_eq!(third.id, second.id, "allowed again, jobs go on");
}

#[tokio::test]
async fn a_user_sees_and_disconnects_programs_and_signs_out() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let code = browser.log_in(&idp, &[]).await.code();
    let tokens = broker.redeem(&code).await.tokens();
    assert_eq!(
        browser.get("/account").await.location(),
        "/account/sign-in",
        "a login for a program does not open the account"
    );
    browser.sign_in(&idp, "/account").await;
    let page = browser.get("/account").await;
    page.assert_page(200, "Your account");
    assert!(page.body.contains("Alice &#60;A.&#62;"), "{}", page.body);
    assert!(page.body.contains(AGENT), "{}", page.body);

    browser
        .press_in_account("/account/disconnect", &[("client_id", AGENT)])
        .await
        .location();

    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::GrantEnded);
    assert_eq!(row.details["reason"], "user");
    broker
        .refresh(&tokens.refresh)
        .await
        .assert_refused(400, "invalid_grant");
    broker
        .exchange(&tokens.access)
        .await
        .assert_refused(400, "invalid_request");
    let page = browser.get("/account").await;
    assert!(
        page.body.contains("No program acts for you."),
        "{}",
        page.body
    );

    let account = browser.cookies();
    browser
        .press_in_account("/account/sign-out", &[])
        .await
        .location();
    assert_eq!(broker.newest().await.kind, AuditKind::AccountSignedOut);
    assert!(browser.cookies().len() < account.len());
    assert_eq!(browser.get("/account").await.location(), "/account/sign-in");
    let cookie = format!("mtb_account={}", account["mtb_account"]);
    let request = http::Request::get("/account").header("cookie", cookie);
    let kept = broker.send(request.body(axum::body::Body::empty()).unwrap());
    assert_eq!(
        kept.await.location(),
        "/account/sign-in",
        "the cookie is dead"
    );
}

#[tokio::test]
async fn signed_in_lasts_an_hour() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    browser.sign_in(&idp, "/account").await;
    browser
        .get("/account")
        .await
        .assert_page(200, "Your account");
    broker.advance(std::time::Duration::from_hours(1)).await;
    assert_eq!(browser.get("/account").await.location(), "/account/sign-in");
}

#[tokio::test]
async fn the_wall_stands_from_the_session_side() {
    let (broker, idp) = broker_and_idp().await;
    Browser::new(&broker).allow(&idp).await;
    let grant = broker.offline_grants(&alice(&idp)).await.remove(0).id;

    let as_gateway = broker
        .exchange_offline_as(GATEWAY, grant.as_str(), &[])
        .await;
    as_gateway.assert_refused(400, "invalid_request");
    broker
        .assert_refusal_recorded(GATEWAY.0, ErrorCode::InvalidRequest)
        .await;

    let session = broker.session().await.access;
    for changes in [
        [
            ("subject_token_type", token_type::OFFLINE_GRANT),
            ("reason", "x"),
        ],
        [
            ("subject_token_type", token_type::ACCESS_TOKEN),
            ("subject_token", grant.as_str()),
        ],
    ] {
        let answer = broker.exchange_with(&session, &changes).await;
        answer.assert_refused(400, "invalid_request");
        broker
            .assert_refusal_recorded(GATEWAY.0, ErrorCode::InvalidRequest)
            .await;
    }
    let offline = broker
        .exchange_with(&session, &[("scope", "offline_access")])
        .await;
    offline.assert_refused(400, "invalid_scope");
    broker
        .assert_refusal_recorded(GATEWAY.0, ErrorCode::InvalidScope)
        .await;
    let target = broker
        .exchange_with(&session, &[("audience", "offline")])
        .await;
    target.assert_refused(400, "invalid_target");
    let list = broker.post_as(GATEWAY, "/oauth/offline-grants", &[]).await;
    list.assert_refused(400, "unauthorized_client");

    let gateway = ClientId::parse(GATEWAY.0).unwrap();
    let names = [DownstreamName::parse("nextcloud").unwrap()];
    let store = broker.store();
    let found = store.offline_grant_for(&gateway, &grant).await.unwrap();
    assert_eq!(found, None, "the statement itself finds nothing for it");
    let found = store.offline_grants_for(&gateway, &names, None, 10).await;
    assert_eq!(found.unwrap(), []);
    let job = ClientId::parse(JOB.0).unwrap();
    let found = store.offline_grant_for(&job, &grant).await.unwrap();
    assert_eq!(found.map(|found| found.id), Some(grant));
}

#[tokio::test]
async fn the_wall_stands_from_the_background_side() {
    let (broker, idp) = broker_and_idp().await;
    Browser::new(&broker).allow(&idp).await;
    let session = broker.session().await.access;

    for kind in [token_type::ACCESS_TOKEN, token_type::JWT] {
        let answer = broker
            .exchange_offline(&session, &[("subject_token_type", kind)])
            .await;
        answer.assert_refused(400, "invalid_request");
        broker
            .assert_refusal_recorded(JOB.0, ErrorCode::InvalidRequest)
            .await;
    }
    let grant = claims(&session)["sid"].as_str().unwrap().to_owned();
    for never_consented in [
        grant.as_str(),
        &session,
        "made-up",
        "a b",
        alice(&idp).as_str(),
    ] {
        let answer = broker.exchange_offline(never_consented, &[]).await;
        answer.assert_refused(400, "invalid_request");
        broker
            .assert_refusal_recorded(JOB.0, ErrorCode::InvalidRequest)
            .await;
    }
}

#[tokio::test]
async fn a_job_gets_no_more_than_the_user_allowed() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let arrived = browser
        .sign_in(&idp, &format!("{ASK}?scope=notes.read"))
        .await;
    let page = browser.get(arrived.location()).await;
    browser.answer(&page, "allow").await;
    let grant = broker.offline_grants(&alice(&idp)).await.remove(0).id;
    let long = "x".repeat(201);
    for (changes, error) in [
        ([("scope", "notes.read notes.write")], "invalid_scope"),
        ([("audience", "vault")], "invalid_target"),
        ([("audience", "calendar")], "invalid_target"),
        ([("audience", "nowhere")], "invalid_target"),
        ([("audience", "")], "invalid_request"),
        ([("reason", "")], "invalid_request"),
        ([("reason", long.as_str())], "invalid_request"),
        ([("reason", "two\nlines")], "invalid_request"),
        ([("actor_token", "x")], "invalid_request"),
    ] {
        let answer = broker.exchange_offline(grant.as_str(), &changes).await;
        answer.assert_refused(400, error);
        assert_eq!(broker.newest().await.kind, AuditKind::ExchangeRefused);
    }
    let wrong = broker
        .exchange_offline_as((JOB.0, "wrong"), grant.as_str(), &[])
        .await;
    wrong.assert_refused(401, "invalid_client");
}

#[tokio::test]
async fn an_administrator_ends_background_access_with_everything_else_of_a_user() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    browser.allow(&idp).await;
    let grant = broker.offline_grants(&alice(&idp)).await.remove(0).id;
    let admin = Administrator::new(&broker).await;

    let answer = admin.post(&format!("users/{}/revoke", alice(&idp))).await;

    assert_eq!(answer.json()["withdrawn_offline_grants"], 1);
    let refused = broker.exchange_offline(grant.as_str(), &[]).await;
    refused.assert_refused(400, "invalid_request");
    assert_eq!(browser.get("/account").await.location(), "/account/sign-in");
}

#[tokio::test]
async fn an_administrator_sees_background_access_and_withdraws_it() {
    let (broker, idp) = broker_and_idp().await;
    Browser::new(&broker).allow(&idp).await;
    let grant = broker.offline_grants(&alice(&idp)).await.remove(0).id;
    let admin = Administrator::new(&broker).await;
    let listed = async |query: String| admin.all(&format!("offline-grants{query}")).await;
    for (query, expected) in [
        (String::new(), 1),
        (format!("?sub={}", alice(&idp)), 1),
        ("?downstream=nextcloud".to_owned(), 1),
        ("?downstream=elsewhere".to_owned(), 0),
        ("?sub=nobody".to_owned(), 0),
    ] {
        assert_eq!(listed(query.clone()).await.len(), expected, "{query}");
    }
    let withdraw = format!("offline-grants/{grant}/withdraw");
    for _twice in 0..2 {
        let answer = admin.post(&withdraw).await;
        assert_eq!(answer.json()["state"], "withdrawn", "{}", answer.body);
    }
    let trail = broker.trail().await;
    let rows: Vec<_> = trail
        .iter()
        .filter(|row| row.kind == AuditKind::OfflineWithdrawn)
        .collect();
    assert_eq!(rows.len(), 1, "once is enough");
    assert_eq!(rows[0].actor, Actor::Administrator("ops".to_owned()));
    assert_eq!(listed(String::new()).await.len(), 0);
    assert_eq!(listed("?withdrawn=true".to_owned()).await.len(), 1);
    let refused = broker.exchange_offline(grant.as_str(), &[]).await;
    refused.assert_refused(400, "invalid_request");
    assert_eq!(admin.post("offline-grants/none/withdraw").await.status, 404);
}

#[tokio::test]
async fn a_blocked_job_gets_nothing() {
    let (broker, idp) = broker_and_idp().await;
    Browser::new(&broker).allow(&idp).await;
    let grant = broker.offline_grants(&alice(&idp)).await.remove(0).id;
    let admin = Administrator::new(&broker).await;
    let blocked = admin
        .call(
            "POST",
            &format!("clients/{}/block", JOB.0),
            &[("if-match", "*")],
            None,
        )
        .await;
    assert_eq!(blocked.status, StatusCode::OK, "{}", blocked.body);

    let refused = broker.exchange_offline(grant.as_str(), &[]).await;

    refused.assert_refused(400, "unauthorized_client");
    let job = ClientId::parse(JOB.0).unwrap();
    let found = broker
        .store()
        .offline_grant_for(&job, &grant)
        .await
        .unwrap();
    assert_eq!(found, None);
}

#[tokio::test]
async fn who_has_no_nextcloud_account_is_told_so() {
    let (broker, idp) = broker_and_idp().await;
    idp.faults().claims = |claims| {
        claims.as_object_mut().unwrap().remove("preferred_username");
    };
    let browser = Browser::new(&broker);
    let arrived = browser.sign_in(&idp, ASK).await;
    browser
        .get(arrived.location())
        .await
        .assert_page(403, "You have no account there");
    assert!(broker.offline_grants(&alice(&idp)).await.is_empty());
}

#[tokio::test]
async fn the_list_of_grants_comes_in_pages() {
    let (broker, idp) = broker_and_idp().await;
    Browser::new(&broker).allow(&idp).await;
    let template = broker.offline_grants(&alice(&idp)).await.remove(0);
    for number in 0..500 {
        let grant = OfflineGrant {
            id: OfflineGrantId::parse(format!("g{number:03}")).unwrap(),
            sub: Subject::parse(format!("user-{number}")).unwrap(),
            ..template.clone()
        };
        broker.store().record_offline_grant(&grant).await.unwrap();
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut after = String::new();
    for expected in [500, 1] {
        let fields = [("after", after.as_str())];
        let page = broker
            .post_as(JOB, "/oauth/offline-grants", &fields)
            .await
            .json();
        let items = page["offline_grants"].as_array().unwrap();
        assert_eq!(items.len(), expected);
        seen.extend(items.iter().map(|item| item["id"].to_string()));
        after = page["next"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!((seen.len(), after.as_str()), (501, ""));
}
