//! Domain values to store: every field set, so that none can be lost unnoticed.

use broker::domain::{
    Actor, AuditEvent, AuditKind, Authorization, AuthorizationId, Client, ClientId, ClientKind,
    ClientSecret, ClientStatus, DownstreamName, Grant, GrantId, GrantType, HandleHash, RedirectUri,
    RefreshToken, ResourceUri, Stage, Subject, Timestamp, TokenEndpointAuthMethod,
};
use broker::storage::{KeyState, StoredKey};
use serde_json::json;

pub(super) const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

pub(super) const fn hash(byte: u8) -> HandleHash {
    HandleHash::from_bytes([byte; 32])
}

pub(super) fn subject(name: &str) -> Subject {
    Subject::parse(name).unwrap()
}

pub(super) fn grant_id(id: &str) -> GrantId {
    GrantId::parse(id).unwrap()
}

fn resource() -> ResourceUri {
    ResourceUri::parse("https://mcp.example/mcp").unwrap()
}

pub(super) fn client(id: &str) -> Client {
    Client {
        id: ClientId::parse(id).unwrap(),
        kind: ClientKind::Preregistered,
        status: ClientStatus::Approved,
        name: Some("Größe \"1\"".to_owned()),
        redirect_uris: vec![
            RedirectUri::parse("http://127.0.0.1/callback").unwrap(),
            RedirectUri::parse("app.example:/callback").unwrap(),
        ],
        grant_types: vec![GrantType::AuthorizationCode, GrantType::TokenExchange],
        auth_method: TokenEndpointAuthMethod::ClientSecretBasic,
        secrets: vec![
            hash(1).into(),
            ClientSecret {
                hash: hash(2),
                expires_at: Some(at(9)),
            },
        ],
        scope: Some("b a".parse().unwrap()),
        serves: vec![resource()],
        exchange: vec![DownstreamName::parse("nextcloud").unwrap()],
        background: true,
        metadata: json!({"client_uri": "https://c.example", "contacts": ["a", "b"]})
            .as_object()
            .unwrap()
            .clone(),
        registration_token: Some(hash(3)),
        created_at: at(1),
        updated_at: at(2),
        version: 3,
    }
}

pub(super) fn authorization(id: &str) -> Authorization {
    Authorization {
        id: AuthorizationId::parse(id).unwrap(),
        client_id: ClientId::parse("client").unwrap(),
        redirect_uri: RedirectUri::parse("http://127.0.0.1:5000/callback").unwrap(),
        state: Some("state with % and é".to_owned()),
        scope: "notes.read notes.write".parse().unwrap(),
        resource: resource(),
        code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned(),
        browser: hash(4),
        created_at: at(1),
        expires_at: at(600),
        stage: Stage::AwaitingConsent,
    }
}

pub(super) fn grant(id: &str) -> Grant {
    Grant {
        id: grant_id(id),
        sub: subject("alice"),
        client_id: ClientId::parse("client").unwrap(),
        resource: resource(),
        scope: "notes.read".parse().unwrap(),
        created_at: at(1),
        expires_at: at(1000),
        ended: None,
    }
}

pub(super) fn refresh_token(byte: u8, family: &str) -> RefreshToken {
    RefreshToken {
        hash: hash(byte),
        grant: grant_id(family),
        issued_at: at(1),
        expires_at: at(500),
        rotation: None,
    }
}

pub(super) fn key(kid: &str, state: KeyState) -> StoredKey {
    StoredKey {
        kid: kid.to_owned(),
        algorithm: "ES256".to_owned(),
        private_key: vec![0, 1, 255],
        sealed: false,
        public_jwk: "{}".to_owned(),
        state,
        published_at: at(1),
        activate_at: Some(at(2)),
        activated_at: None,
        retired_at: None,
    }
}

/// The event at millisecond `number`: one in two a token issued, users and clients in turn.
pub(super) fn audit_event(number: i64) -> AuditEvent {
    let kind = if number % 2 == 0 {
        AuditKind::TokenIssued
    } else {
        AuditKind::ExchangeGranted
    };
    let actor = Actor::Client(format!("client-{}", number % 5));
    let mut event = AuditEvent::new(Timestamp::from_millis(number), kind, actor);
    event.sub = Some(subject(&format!("user-{}", number % 10)));
    event.client_id = Some(ClientId::parse(format!("client-{}", number % 5)).unwrap());
    event.resource = Some(resource());
    event.downstream = Some(DownstreamName::parse("nextcloud").unwrap());
    event.tool = Some("nc_notes_create".to_owned());
    event.scope = Some("notes.write".to_owned());
    event.grant = Some(grant_id("g"));
    event.request_id = Some("r".to_owned());
    event.trace_id = Some("t".to_owned());
    event.address = Some("127.0.0.1".to_owned());
    event.details.insert("n".to_owned(), number.into());
    event
}
