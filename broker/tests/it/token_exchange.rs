//! Token exchange: RFC 8693, with the strategy `mint`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker::domain::{AuditKind, Outcome, User};
use broker_client::oauth::{ErrorCode, token_type};
use broker_client::testing::FakeIssuer;
use http::StatusCode;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::harness::{
    AGENT, Answer, Broker, Case, GATEWAY, ISSUER, NOW, OTHER_RESOURCE, RESOURCE, Tokens, WEB_APP,
    alice, claims, jose_header,
};

#[tokio::test]
async fn a_callers_token_becomes_a_token_for_one_call() {
    let broker = Broker::start().await;
    let session = broker.session().await;

    let answer = broker
        .exchange_with(
            &session.access,
            &[("scope", "notes.write"), ("tool", "nc_notes_create_note")],
        )
        .await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(body["issued_token_type"], token_type::ACCESS_TOKEN);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 60);
    assert_eq!(body["scope"], "notes.write");
    assert!(body.get("refresh_token").is_none());

    let token = answer.tokens().access;
    assert_eq!(jose_header(&token)["typ"], "JWT");
    assert!(jose_header(&token)["kid"].is_string());
    let minted = claims(&token);
    let expected = json!({
        "iss": ISSUER, "sub": "alice", "aud": "nextcloud-audience", "scope": "notes.write",
        "act": {"sub": GATEWAY.0}, "client_id": GATEWAY.0, "iat": NOW, "exp": NOW + 60,
        "jti": minted["jti"],
    });
    assert_eq!(minted, expected);

    let event = broker.newest().await;
    assert_eq!(event.kind, AuditKind::ExchangeGranted);
    assert_eq!(event.outcome, Outcome::Ok);
    assert_eq!(event.actor.id(), Some(GATEWAY.0));
    assert_eq!(event.sub, Some(alice()));
    assert_eq!(event.resource.unwrap().as_str(), RESOURCE);
    assert_eq!(event.downstream.unwrap().as_str(), "nextcloud");
    assert_eq!(event.tool.as_deref(), Some("nc_notes_create_note"));
    assert_eq!(event.scope.as_deref(), Some("notes.write"));
    assert_eq!(
        event.grant.unwrap().as_str(),
        claims(&session.access)["sid"]
    );
    assert_eq!(event.details["act"], GATEWAY.0);
    assert_eq!(event.details["subject_client"], AGENT);
    assert_eq!(event.details["strategy"], "mint");
}

#[tokio::test]
async fn the_downstream_may_be_named_by_audience_by_resource_or_by_both() {
    let broker = Broker::start().await;
    let token = broker.session().await.access;
    for changes in [
        &[("audience", "nextcloud")][..],
        &[("audience", ""), ("resource", "http://nextcloud.example/")],
        &[
            ("audience", "nextcloud"),
            ("resource", "http://nextcloud.example"),
        ],
        &[("requested_token_type", token_type::JWT)],
        &[("subject_token_type", token_type::JWT)],
    ] {
        let answer = broker.exchange_with(&token, changes).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{changes:?}: {}",
            answer.body
        );
        assert_eq!(claims(&answer.tokens().access)["aud"], "nextcloud-audience");
    }
    let jwt = broker
        .exchange_with(&token, &[("requested_token_type", token_type::JWT)])
        .await;
    assert_eq!(jwt.json()["issued_token_type"], token_type::JWT);
}

#[tokio::test]
async fn without_a_scope_the_token_gets_the_subjects() {
    let broker = Broker::start().await;
    let session = broker.session_with("files.read notes.read").await;
    let answer = broker.exchange(&session.access).await;
    assert_eq!(answer.json()["scope"], "files.read notes.read");
}

#[tokio::test]
async fn no_token_outlives_the_subject_token() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    broker.advance(Duration::from_secs(580)).await;
    let answer = broker.exchange(&session.access).await;
    assert_eq!(answer.json()["expires_in"], 20);
    assert_eq!(claims(&answer.tokens().access)["exp"], NOW + 600);
    // The leeway of verification must not make a token that ends in the past.
    broker.advance(Duration::from_secs(21)).await;
    broker
        .exchange(&session.access)
        .await
        .assert_refused(400, "invalid_request");
}

/// Changes to a good request, each with its own refusal.
#[tokio::test]
async fn each_fault_of_a_request_has_its_error() {
    let broker = Broker::start().await;
    let session = broker.session_with("notes.read").await;
    let cases: [Case; 17] = [
        (
            "an unknown audience",
            &[("audience", "nowhere")],
            "invalid_target",
        ),
        (
            "not allowed for the client",
            &[("audience", "calendar")],
            "invalid_target",
        ),
        (
            "not allowed for the resource",
            &[("audience", "vault")],
            "invalid_target",
        ),
        (
            "two downstreams",
            &[("audience", "nextcloud"), ("audience", "calendar")],
            "invalid_target",
        ),
        (
            "audience and resource that differ",
            &[
                ("audience", "nextcloud"),
                ("resource", "http://vault.example"),
            ],
            "invalid_target",
        ),
        (
            "an unknown resource",
            &[("audience", ""), ("resource", "http://nowhere.example")],
            "invalid_target",
        ),
        ("no target", &[("audience", "")], "invalid_request"),
        (
            "more scope",
            &[("scope", "notes.read notes.write")],
            "invalid_scope",
        ),
        (
            "a scope that is none",
            &[("scope", "no\\scope")],
            "invalid_scope",
        ),
        (
            "no subject token",
            &[("subject_token", "")],
            "invalid_request",
        ),
        (
            "no subject token type",
            &[("subject_token_type", "")],
            "invalid_request",
        ),
        (
            "an offline grant",
            &[("subject_token_type", token_type::OFFLINE_GRANT)],
            "invalid_request",
        ),
        (
            "a refresh token as subject",
            &[("subject_token_type", token_type::REFRESH_TOKEN)],
            "invalid_request",
        ),
        (
            "another kind of token wanted",
            &[("requested_token_type", token_type::REFRESH_TOKEN)],
            "invalid_request",
        ),
        (
            "an actor without its type",
            &[("actor_token", "x")],
            "invalid_request",
        ),
        (
            "an actor type without actor",
            &[("actor_token_type", token_type::ACCESS_TOKEN)],
            "invalid_request",
        ),
        (
            "a tool that is no name",
            &[("tool", "two words")],
            "invalid_request",
        ),
    ];
    for (name, changes, error) in cases {
        let before = broker.trail().await.len();
        let answer = broker.exchange_with(&session.access, changes).await;
        assert_eq!(answer.json()["error"], error, "{name}: {}", answer.body);
        answer.assert_refused(400, error);
        let trail = broker.trail().await;
        assert_eq!(trail.len(), before + 1, "{name}: one row");
        assert_eq!(trail[0].kind, AuditKind::ExchangeRefused, "{name}");
        assert_eq!(trail[0].actor.id(), Some(GATEWAY.0), "{name}");
    }
}

#[tokio::test]
async fn the_row_of_a_refusal_says_as_much_as_was_known() {
    let broker = Broker::start().await;
    let session = broker.session_with("notes.read").await;
    broker
        .exchange_with(
            &session.access,
            &[
                ("audience", "vault"),
                ("tool", "nc_notes_list"),
                ("scope", "notes.read"),
            ],
        )
        .await
        .assert_refused(400, "invalid_target");
    let event = broker.newest().await;
    assert_eq!(event.outcome, Outcome::Refused(ErrorCode::InvalidTarget));
    assert_eq!(event.sub, Some(alice()));
    assert_eq!(event.downstream.unwrap().as_str(), "vault");
    assert_eq!(event.tool.as_deref(), Some("nc_notes_list"));
    assert_eq!(event.scope.as_deref(), Some("notes.read"));
    assert_eq!(
        event.grant.unwrap().as_str(),
        claims(&session.access)["sid"]
    );
}

#[tokio::test]
async fn only_a_confidential_client_registered_for_it_may_exchange() {
    let broker = Broker::start().await;
    let token = broker.session().await.access;
    let fields = [
        (
            "grant_type",
            broker_client::oauth::grant_type::TOKEN_EXCHANGE,
        ),
        ("subject_token", token.as_str()),
        ("subject_token_type", token_type::ACCESS_TOKEN),
        ("audience", "nextcloud"),
    ];
    let web_app = broker.post_as(WEB_APP, "/oauth/token", &fields).await;
    web_app.assert_refused(400, "unauthorized_client");
    let public = [&fields[..], &[("client_id", AGENT)]].concat();
    let public = broker.post("/oauth/token", &public).await;
    public.assert_refused(400, "unauthorized_client");
    let nobody = broker.post("/oauth/token", &fields).await;
    nobody.assert_refused(401, "invalid_client");
    let impostor = broker
        .post_as((GATEWAY.0, "wrong"), "/oauth/token", &fields)
        .await;
    impostor.assert_refused(401, "invalid_client");
    let trail = broker.trail().await;
    assert!(
        trail[..4]
            .iter()
            .all(|event| event.kind == AuditKind::ExchangeRefused)
    );
}

#[tokio::test]
async fn a_token_for_a_resource_of_another_server_is_refused() {
    let broker = Broker::start().await;
    let code = broker.code_for(AGENT, OTHER_RESOURCE, "notes.read").await;
    let token = broker.redeem(&code).await.tokens().access;
    broker
        .exchange(&token)
        .await
        .assert_refused(400, "invalid_target");
}

#[tokio::test]
async fn a_token_for_a_resource_that_is_gone_is_refused() {
    let broker = Broker::start().await;
    let token = broker.session().await.access;
    let later = broker
        .replica(|plan| {
            let mut resources = plan.catalog.resources().to_vec();
            resources.retain(|resource| resource.id.as_str() != RESOURCE);
            plan.catalog =
                broker::domain::Catalog::new(resources, plan.catalog.downstreams().to_vec());
        })
        .await;
    later
        .exchange(&token)
        .await
        .assert_refused(400, "invalid_target");
}

/// Signatures and types: everything that is not an access token of ours, as it was signed.
#[tokio::test]
async fn a_subject_token_that_does_not_verify_is_an_invalid_request() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    let good = &session.access;
    let (head, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());

    let mut richer = claims(good);
    richer["scope"] = json!("notes.read notes.write files.read admin");
    let mut none = jose_header(good);
    none["alg"] = json!("none");
    let minted = broker.exchange(good).await.tokens().access;
    let another_key = FakeIssuer::new(ISSUER);
    let cases = [
        ("nothing like a token", "x".to_owned()),
        (
            "a changed payload",
            format!("{head}.{}.{signature}", encode(&richer)),
        ),
        ("alg none", format!("{}.{payload}.", encode(&none))),
        (
            "alg none with the signature",
            format!("{}.{payload}.{signature}", encode(&none)),
        ),
        (
            "HS256 with the public key",
            hs256_with_public_key(&broker, good).await,
        ),
        (
            "another key",
            another_key.mint(&jose_header(good), &claims(good)),
        ),
        ("a key that is not ours", another_key.sign(&claims(good))),
        ("another type: a minted token", minted),
        ("a refresh token", session.refresh.clone()),
    ];
    for (name, token) in cases {
        let answer = broker.exchange(&token).await;
        assert_eq!(
            answer.json()["error"],
            "invalid_request",
            "{name}: {}",
            answer.body
        );
        answer.assert_refused(400, "invalid_request");
        assert_eq!(
            broker.newest().await.kind,
            AuditKind::ExchangeRefused,
            "{name}"
        );
    }
    assert_eq!(broker.exchange(good).await.status, StatusCode::OK);
}

/// The oldest trick: the public key as the secret of an HMAC.
async fn hs256_with_public_key(broker: &Broker, token: &str) -> String {
    let jwks = broker.get("/oauth/jwks").await.json();
    let public = jwks["keys"][0].to_string();
    let mut head = jose_header(token);
    head["alg"] = json!("HS256");
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(head.to_string()),
        URL_SAFE_NO_PAD.encode(claims(token).to_string())
    );
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

#[tokio::test]
async fn claims_of_ours_that_are_off_are_refused() {
    let broker = Broker::start().await;
    let good = claims(&broker.session().await.access);
    let off = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        broker.parts.keyring.sign("at+jwt", &claims).unwrap()
    };
    for (name, token, error) in [
        (
            "another issuer",
            off("iss", json!("https://evil.example")),
            "invalid_request",
        ),
        ("expired", off("exp", json!(NOW - 60)), "invalid_request"),
        (
            "from the future",
            off("iat", json!(NOW + 600)),
            "invalid_request",
        ),
        ("no session", off("sid", Value::Null), "invalid_request"),
        (
            "for nobody here",
            off("aud", json!("https://nobody.example")),
            "invalid_target",
        ),
    ] {
        let answer = broker.exchange(&token).await;
        assert_eq!(answer.json()["error"], error, "{name}: {}", answer.body);
    }
    let unchanged = broker.parts.keyring.sign("at+jwt", &good).unwrap();
    assert_eq!(broker.exchange(&unchanged).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_expired_subject_token_is_an_invalid_request() {
    let broker = Broker::start().await;
    let token = broker.session().await.access;
    broker.advance(Duration::from_secs(606)).await;
    broker
        .exchange(&token)
        .await
        .assert_refused(400, "invalid_request");
}

#[tokio::test]
async fn an_actor_token_must_be_the_clients_own() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    let actor = |token: &str| {
        let token = token.to_owned();
        let broker = &broker;
        let session = &session;
        async move {
            let changes = [
                ("actor_token", token.as_str()),
                ("actor_token_type", token_type::ACCESS_TOKEN),
            ];
            broker.exchange_with(&session.access, &changes).await
        }
    };
    actor(&session.access)
        .await
        .assert_refused(400, "invalid_request");
    actor("nonsense")
        .await
        .assert_refused(400, "invalid_request");
    let mut own = claims(&session.access);
    own["client_id"] = json!(GATEWAY.0);
    let own = broker.parts.keyring.sign("at+jwt", &own).unwrap();
    assert_eq!(actor(&own).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_user_without_a_nextcloud_uid_is_told_which_claim_is_missing() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    let mut user = broker.store().user(&alice()).await.unwrap().unwrap();
    user.nextcloud_uid = None;
    broker.store().record_login(&user).await.unwrap();

    let answer = broker.exchange(&session.access).await;

    answer.assert_refused(400, "invalid_request");
    let description = answer.json()["error_description"].to_string();
    assert!(description.contains("preferred_username"), "{description}");
    // That there was none is not remembered: the next login cures it.
    let cured = User {
        nextcloud_uid: Some("Alice Q.".to_owned()),
        ..user
    };
    broker.store().record_login(&cured).await.unwrap();
    let token = broker.exchange(&session.access).await.tokens().access;
    assert_eq!(
        claims(&token)["sub"],
        "Alice Q.",
        "exactly as the identity provider said it"
    );
}

async fn revoke(broker: &Broker, session: &Tokens) -> Answer {
    let fields = [("token", session.refresh.as_str()), ("client_id", AGENT)];
    broker.post("/oauth/revoke", &fields).await
}

#[tokio::test]
async fn a_revoked_session_is_refused_here_at_once_and_elsewhere_within_a_second() {
    let broker = Broker::start().await;
    let other = broker.replica(|_| {}).await;
    let session = broker.session().await;
    assert_eq!(other.exchange(&session.access).await.status, StatusCode::OK);

    assert_eq!(revoke(&broker, &session).await.status, StatusCode::OK);

    broker
        .exchange(&session.access)
        .await
        .assert_refused(400, "invalid_request");
    // The other replica asks the database several times a second; this is one of those times.
    other.parts.live.refresh().await.unwrap();
    other
        .exchange(&session.access)
        .await
        .assert_refused(400, "invalid_request");
}

#[tokio::test]
async fn a_replica_that_cannot_hear_of_revocations_exchanges_nothing() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    broker.clock.advance(Duration::from_millis(1_001));
    broker
        .exchange(&session.access)
        .await
        .assert_refused(503, "temporarily_unavailable");
    broker.parts.live.refresh().await.unwrap();
    assert_eq!(
        broker.exchange(&session.access).await.status,
        StatusCode::OK
    );
}

/// The tables are taken away: whatever still works reads none of them.
#[tokio::test]
async fn an_exchange_reads_no_table() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    assert_eq!(
        broker.exchange(&session.access).await.status,
        StatusCode::OK
    );

    let url = format!("sqlite:{}", broker.database().display());
    let database = sea_orm::Database::connect(url).await.unwrap();
    let tables = database
        .query_all_raw(sea_orm::Statement::from_string(
            sea_orm::DbBackend::Sqlite,
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%audit%' \
             AND name NOT LIKE 'sqlite_%'",
        ))
        .await
        .unwrap();
    assert!(tables.len() >= 6, "{}", tables.len());
    for table in tables {
        let name: String = table.try_get("", "name").unwrap();
        let rename = format!("ALTER TABLE \"{name}\" RENAME TO \"{name}_away\"");
        database.execute_unprepared(&rename).await.unwrap();
    }

    for scope in ["notes.read", "files.read", "notes.write"] {
        let answer = broker
            .exchange_with(&session.access, &[("scope", scope)])
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
    broker
        .exchange_with(&session.access, &[("audience", "vault")])
        .await
        .assert_refused(400, "invalid_target");
    // The counter-proof: what does read fails.
    broker
        .refresh(&session.refresh)
        .await
        .assert_refused(500, "server_error");
}
