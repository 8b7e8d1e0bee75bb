//! What the server of a resource learns of its caller's background access, and withdraws for him; and
//! what it cannot learn.

use broker::domain::{
    Actor, AuditKind, Catalog, Client, Downstream, DownstreamName, GrantId, GrantType, Outcome,
    ResourceUri,
};
use broker_client::oauth::{ErrorCode, token_type};
use http::StatusCode;
use serde_json::{Value, json};

use crate::browser::{Browser, planned};
use crate::harness::{
    AGENT, Answer, Broker, GATEWAY, ISSUER, NOW, OTHER_RESOURCE, Plan, RESOURCE, WEB_APP, claims,
    client, form,
};
use crate::idp::Idp;
use crate::provisioning::{JOB, alice, with_a_job};

const ACCESS: &str = "/oauth/background-access";
const WITHDRAW: &str = "/oauth/background-access/withdraw";

/// Serves the other resource, and is otherwise what the gateway is.
const OTHER_SERVER: (&str, &str) = ("other-server", "the other server's own secret");
/// Serves the gateway's resource and may exchange nothing.
const MERE_SERVER: (&str, &str) = ("mere-server", "the mere server's own secret");

fn with_peers(plan: &mut Plan) {
    with_a_job(plan);
    let nextcloud = DownstreamName::parse("nextcloud").unwrap();
    plan.clients.push(Client {
        serves: vec![ResourceUri::parse(OTHER_RESOURCE).unwrap()],
        exchange: vec![nextcloud],
        ..client(
            OTHER_SERVER.0,
            Some(OTHER_SERVER.1),
            &[GrantType::TokenExchange],
        )
    });
    plan.clients.push(Client {
        serves: vec![ResourceUri::parse(RESOURCE).unwrap()],
        scope: Some("notes.read".parse().unwrap()),
        ..client(
            MERE_SERVER.0,
            Some(MERE_SERVER.1),
            &[GrantType::ClientCredentials],
        )
    });
}

async fn broker_and_idp() -> (Broker, Idp) {
    planned(with_peers).await
}

/// Changes what is known of Nextcloud.
fn nextcloud(plan: &mut Plan, change: impl Fn(&mut Downstream)) {
    let downstreams = plan.catalog.downstreams().iter().cloned().map(|mut entry| {
        if entry.name.as_str() == "nextcloud" {
            change(&mut entry);
        }
        entry
    });
    plan.catalog = Catalog::new(plan.catalog.resources().to_vec(), downstreams.collect());
}

impl Broker {
    /// A question about the holder of `token`, with some fields changed; an empty one is left out.
    async fn ask(
        &self,
        client: (&str, &str),
        path: &str,
        token: &str,
        changes: &[(&str, &str)],
    ) -> Answer {
        let fields = [
            ("subject_token", token),
            ("subject_token_type", token_type::ACCESS_TOKEN),
            ("audience", "nextcloud"),
            ("tool", "check_provisioning_status"),
        ];
        let fields: Vec<_> = fields
            .into_iter()
            .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name))
            .chain(changes.iter().copied())
            .filter(|(_, value)| !value.is_empty())
            .collect();
        self.post_as(client, path, &fields).await
    }

    /// What the gateway is told.
    async fn told(&self, path: &str, token: &str) -> Value {
        let answer = self.ask(GATEWAY, path, token, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.json()
    }
}

/// The access token of alice's session with an agent.
async fn session(broker: &Broker, idp: &Idp) -> String {
    let code = Browser::new(broker).log_in(idp, &[]).await.code();
    broker.redeem(&code).await.tokens().access
}

#[tokio::test]
async fn a_server_learns_where_its_caller_allows_it_and_how_it_stands() {
    let (broker, idp) = broker_and_idp().await;
    let token = session(&broker, &idp).await;

    let before = broker.trail().await.len();
    let none = broker.told(ACCESS, &token).await;
    let link = format!(
        "{ISSUER}/oauth/authorize-nextcloud?downstream=nextcloud&user={}",
        alice(&idp)
    );
    assert_eq!(
        none,
        json!({"downstream": "nextcloud", "state": "none", "authorization_uri": link})
    );
    assert_eq!(
        broker.trail().await.len(),
        before,
        "looking changes nothing and gives nothing"
    );

    let browser = Browser::new(&broker);
    let arrived = browser
        .sign_in(&idp, link.strip_prefix(ISSUER).unwrap())
        .await;
    let page = browser.get(arrived.location()).await;
    browser.answer(&page, "allow").await;
    let active = broker.told(ACCESS, &token).await;
    assert_eq!(
        active,
        json!({
            "downstream": "nextcloud", "state": "active", "since": NOW, "authorization_uri": link,
            "scope": "files.read notes.read notes.write",
        })
    );
    let grant = broker.offline_grants(&alice(&idp)).await.remove(0).id;
    assert!(
        !active.to_string().contains(grant.as_str()),
        "the grant is for background clients"
    );

    let withdrawn = broker.told(WITHDRAW, &token).await;
    assert_eq!(
        withdrawn,
        json!({
            "downstream": "nextcloud", "state": "withdrawn", "since": NOW, "authorization_uri": link,
        })
    );
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::OfflineWithdrawn);
    assert_eq!(row.outcome, Outcome::Ok);
    assert_eq!(row.actor, Actor::Client(GATEWAY.0.to_owned()));
    assert_eq!(row.sub, Some(alice(&idp)));
    assert_eq!(row.resource.unwrap().as_str(), RESOURCE);
    assert_eq!(row.downstream.unwrap().as_str(), "nextcloud");
    assert_eq!(row.tool.as_deref(), Some("check_provisioning_status"));
    assert_eq!(
        row.grant,
        GrantId::parse(claims(&token)["sid"].as_str().unwrap()).ok()
    );
    assert_eq!(row.details["subject_client"], AGENT);
    let refused = broker.exchange_offline(grant.as_str(), &[]).await;
    refused.assert_refused(400, "invalid_request");

    let rows = broker.trail().await.len();
    assert_eq!(broker.told(WITHDRAW, &token).await, withdrawn);
    assert_eq!(broker.told(ACCESS, &token).await, withdrawn);
    assert_eq!(broker.trail().await.len(), rows, "twice is as good as once");
}

#[tokio::test]
async fn the_caller_is_who_the_token_says_and_no_parameter() {
    let (broker, idp) = broker_and_idp().await;
    Browser::new(&broker).allow(&idp).await;
    // Somebody else's session at the same gateway.
    let other = broker.session().await.access;
    let alices = alice(&idp);
    for name in ["user", "sub", "subject", "offline_grant"] {
        for path in [ACCESS, WITHDRAW] {
            let answer = broker
                .ask(GATEWAY, path, &other, &[(name, alices.as_str())])
                .await;
            assert_eq!(answer.json()["state"], "none", "{name}: {}", answer.body);
            assert!(!answer.body.contains(alices.as_str()), "{}", answer.body);
        }
    }
    assert!(broker.offline_grants(&alices).await[0].stands());
}

impl Broker {
    /// Neither question is answered; both refusals are in the audit.
    async fn assert_untold(
        &self,
        client: (&str, &str),
        token: &str,
        changes: &[(&str, &str)],
        code: ErrorCode,
    ) {
        let status = if code == ErrorCode::InvalidClient {
            401
        } else {
            400
        };
        for (path, kind) in [
            (ACCESS, AuditKind::OfflineAskRefused),
            (WITHDRAW, AuditKind::OfflineWithdrawn),
        ] {
            let answer = self.ask(client, path, token, changes).await;
            answer.assert_refused(status, code.as_str());
            assert!(!answer.body.contains("authorization_uri"));
            let row = self.newest().await;
            assert_eq!((row.kind, row.outcome), (kind, Outcome::Refused(code)));
            assert_eq!(row.actor.id(), Some(client.0));
        }
    }
}

#[tokio::test]
async fn only_a_server_that_may_exchange_the_token_may_ask_with_it() {
    use ErrorCode::{InvalidClient, InvalidRequest, InvalidTarget, UnauthorizedClient};

    let (broker, idp) = broker_and_idp().await;
    Browser::new(&broker).allow(&idp).await;
    let token = session(&broker, &idp).await;
    for (client, code) in [
        (("nobody", "x"), InvalidClient),
        ((GATEWAY.0, "x"), InvalidClient),
        (WEB_APP, UnauthorizedClient),
        (MERE_SERVER, UnauthorizedClient),
        (JOB, InvalidRequest),
        (OTHER_SERVER, InvalidTarget),
    ] {
        broker.assert_untold(client, &token, &[], code).await;
    }
    // A public client has no way to prove that it is a server.
    let fields = [
        ("client_id", AGENT),
        ("subject_token", token.as_str()),
        ("subject_token_type", token_type::ACCESS_TOKEN),
        ("audience", "nextcloud"),
    ];
    for path in [ACCESS, WITHDRAW] {
        let answer = broker.send(form(path, None, &fields)).await;
        answer.assert_refused(400, "unauthorized_client");
    }
    for (changes, code) in [
        (("audience", ""), InvalidRequest),
        (("audience", "x"), InvalidTarget),
        (("audience", "calendar"), InvalidTarget),
        (("audience", "vault"), InvalidTarget),
        (("tool", "a b"), InvalidRequest),
        (("actor_token", "x"), InvalidRequest),
    ] {
        broker
            .assert_untold(GATEWAY, &token, &[changes], code)
            .await;
    }
    assert!(broker.offline_grants(&alice(&idp)).await[0].stands());
}

#[tokio::test]
async fn only_the_live_token_of_a_session_says_who_is_meant() {
    let (broker, idp) = broker_and_idp().await;
    Browser::new(&broker).allow(&idp).await;
    let grant = broker.offline_grants(&alice(&idp)).await.remove(0).id;
    let ended = session(&broker, &idp).await;
    let end = [("token", ended.as_str()), ("client_id", AGENT)];
    assert_eq!(broker.post("/oauth/revoke", &end).await.status, 200);
    let itself = [("grant_type", "client_credentials"), ("resource", RESOURCE)];
    let itself = broker.post_as(MERE_SERVER, "/oauth/token", &itself).await;
    let machine = itself.json()["access_token"].as_str().unwrap().to_owned();
    let refresh = broker.session().await.refresh;
    for token in [&ended, &machine, &refresh, "made-up", grant.as_str(), ""] {
        broker
            .assert_untold(GATEWAY, token, &[], ErrorCode::InvalidRequest)
            .await;
    }
    let offline = [("subject_token_type", token_type::OFFLINE_GRANT)];
    broker
        .assert_untold(GATEWAY, grant.as_str(), &offline, ErrorCode::InvalidRequest)
        .await;
    let elsewhere = broker.code_for(AGENT, OTHER_RESOURCE, "notes.read").await;
    let elsewhere = broker.redeem(&elsewhere).await.tokens().access;
    broker
        .assert_untold(GATEWAY, &elsewhere, &[], ErrorCode::InvalidTarget)
        .await;
    assert!(broker.offline_grants(&alice(&idp)).await[0].stands());
}

#[tokio::test]
async fn where_there_is_no_background_access_there_is_nothing_to_ask() {
    let (broker, idp) = planned(|plan| nextcloud(plan, |entry| entry.offline = false)).await;
    let token = session(&broker, &idp).await;
    for path in [ACCESS, WITHDRAW] {
        let answer = broker.ask(GATEWAY, path, &token, &[]).await;
        answer.assert_refused(400, "invalid_target");
        assert!(
            answer.body.contains("no background access"),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_downstream_for_background_jobs_alone_gives_sessions_nothing() {
    let (broker, idp) = planned(|plan| {
        with_peers(plan);
        nextcloud(plan, |entry| entry.sessions = false);
    })
    .await;
    let token = session(&broker, &idp).await;

    let refused = broker.exchange(&token).await;

    refused.assert_refused(400, "invalid_target");
    assert!(
        refused.body.contains("background jobs only"),
        "{}",
        refused.body
    );
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ExchangeRefused);
    assert_eq!(row.outcome, Outcome::Refused(ErrorCode::InvalidTarget));
    assert_eq!(row.sub, Some(alice(&idp)));
    assert_eq!(broker.told(ACCESS, &token).await["state"], "none");
    Browser::new(&broker).allow(&idp).await;
    assert_eq!(broker.told(ACCESS, &token).await["state"], "active");
    broker
        .exchange(&token)
        .await
        .assert_refused(400, "invalid_target");
    let grant = broker.offline_grants(&alice(&idp)).await.remove(0).id;
    let granted = broker.exchange_offline(grant.as_str(), &[]).await;
    assert_eq!(granted.status, StatusCode::OK, "{}", granted.body);
    assert_eq!(
        claims(granted.json()["access_token"].as_str().unwrap())["sub"],
        "alice"
    );
}
