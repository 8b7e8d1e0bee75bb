//! Attacks by the document behind a client id: answers that are none, and documents that say one thing
//! to us and another to whoever else reads them.
//!
//! Attacks by the address are in `broker_client::http`, by redirect URI in `redirect_attacks.rs`; what
//! a document may say at all is in `client_documents.rs`.

use broker::domain::{AuditKind, ClientId, Outcome};
use http::{HeaderName, header};
use serde_json::{Value, json};

use crate::browser::{authorize_path, planned};
use crate::documents::{DocumentServer, Published};

/// How the good document of a client becomes a bad one; `ID` stands for the client's id.
enum Attack {
    /// The bytes of the body.
    Body(&'static [u8]),
    /// A member is changed.
    Member(&'static str, fn(&str) -> Value),
    /// The status is another one.
    Status(u16),
    /// A header is another one.
    Header(HeaderName, &'static str),
}

use Attack::{Body, Header, Member, Status};

const ATTACKS: &[(&str, Attack)] = &[
    // No JSON, or not all of it.
    ("an empty body", Body(b"")),
    ("a page", Body(b"<html><body>Welcome</body></html>")),
    ("half an object", Body(br#"{"client_id": "ID", "redirect_uris": ["#)),
    ("two objects", Body(br#"{"client_id": "ID", "redirect_uris": ["https://a.example/"]}{}"#)),
    ("something after it", Body(br#"{"client_id": "ID", "redirect_uris": ["https://a.example/"]};"#)),
    ("something before it", Body(br#")]}',{"client_id": "ID", "redirect_uris": ["https://a.example/"]}"#)),
    ("a comment", Body(br#"{/**/"client_id": "ID", "redirect_uris": ["https://a.example/"]}"#)),
    ("single quotes", Body(br"{'client_id': 'ID', 'redirect_uris': ['https://a.example/']}")),
    ("a trailing comma", Body(br#"{"client_id": "ID", "redirect_uris": ["https://a.example/"],}"#)),
    ("a list", Body(br#"[{"client_id": "ID", "redirect_uris": ["https://a.example/"]}]"#)),
    ("a text", Body(br#""{\"client_id\": \"ID\"}""#)),
    ("a number", Body(b"1e999")),
    ("null", Body(b"null")),
    ("a byte order mark", Body(b"\xef\xbb\xbf{\"client_id\": \"ID\", \"redirect_uris\": [\"https://a.example/\"]}")),
    ("UTF-16", Body(b"\xff\xfe{\0}\0")),
    ("bytes that are not UTF-8", Body(b"{\"client_id\": \"ID\", \"client_name\": \"\xff\xfe\", \"redirect_uris\": [\"https://a.example/\"]}")),
    ("an overlong slash", Body(b"{\"client_id\": \"ID\", \"client_name\": \"\xc0\xaf\", \"redirect_uris\": [\"https://a.example/\"]}")),
    ("half a surrogate pair", Body(br#"{"client_id": "ID", "client_name": "\ud800", "redirect_uris": ["https://a.example/"]}"#)),
    ("gzip", Body(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0")),
    // Two readings.
    ("two client ids, the good one last", Body(br#"{"client_id": "https://evil.example/c", "client_id": "ID", "redirect_uris": ["https://a.example/"]}"#)),
    ("two client ids, the good one first", Body(br#"{"client_id": "ID", "client_id": "https://evil.example/c", "redirect_uris": ["https://a.example/"]}"#)),
    ("two equal client ids", Body(br#"{"client_id": "ID", "client_id": "ID", "redirect_uris": ["https://a.example/"]}"#)),
    ("two lists of redirect URIs", Body(br#"{"client_id": "ID", "redirect_uris": ["https://a.example/"], "redirect_uris": ["https://evil.example/"]}"#)),
    ("a name given twice, once escaped", Body(br#"{"client_id": "ID", "client_name": "A", "client_nam\u0065": "B", "redirect_uris": ["https://a.example/"]}"#)),
    ("two authentication methods", Body(br#"{"client_id": "ID", "redirect_uris": ["https://a.example/"], "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_method": "none"}"#)),
    // Another client than the URL says, to the byte.
    ("no client id", Member("client_id", |_| Value::Null)),
    ("an empty client id", Member("client_id", |_| "".into())),
    ("another client's id", Member("client_id", |_| "https://claude.ai/oauth/mcp-oauth-client-metadata".into())),
    ("a slash more", Member("client_id", |id| format!("{id}/").into())),
    ("a query more", Member("client_id", |id| format!("{id}?").into())),
    ("a fragment more", Member("client_id", |id| format!("{id}#").into())),
    ("a space more", Member("client_id", |id| format!("{id} ").into())),
    ("a space before", Member("client_id", |id| format!(" {id}").into())),
    ("a line feed more", Member("client_id", |id| format!("{id}\n").into())),
    ("a null more", Member("client_id", |id| format!("{id}\0").into())),
    ("a joiner more", Member("client_id", |id| format!("{id}\u{200d}").into())),
    ("capitals", Member("client_id", |id| id.to_uppercase().into())),
    ("a scheme in capitals", Member("client_id", |id| id.replacen("http", "HTTP", 1).into())),
    ("https for http", Member("client_id", |id| id.replacen("http:", "https:", 1).into())),
    ("a dot segment", Member("client_id", |id| id.replace("/clients/", "/./clients/").into())),
    ("an escaped letter", Member("client_id", |id| id.replace("/clients/", "/%63lients/").into())),
    ("another name of the host", Member("client_id", |id| id.replace("127.0.0.1", "localhost").into())),
    ("a user before the host", Member("client_id", |id| id.replacen("http://", "http://x@", 1).into())),
    ("a look-alike letter", Member("client_id", |id| id.replace("clients", "c\u{13cf}ients").into())),
    ("a list with the id", Member("client_id", |id| json!([id]))),
    ("an object with the id", Member("client_id", |id| json!({"id": id}))),
    // Members of the wrong kind.
    ("one redirect URI without a list", Member("redirect_uris", |_| "https://a.example/".into())),
    ("redirect URIs in an object", Member("redirect_uris", |_| json!({"0": "https://a.example/"}))),
    ("a redirect URI that is null", Member("redirect_uris", |_| json!([null]))),
    ("a redirect URI in a list", Member("redirect_uris", |_| json!([["https://a.example/"]]))),
    ("no redirect URI", Member("redirect_uris", |_| json!([]))),
    ("too many redirect URIs", Member("redirect_uris", |_| (0..21).map(|n| format!("https://a.example/{n}")).collect())),
    ("a name that is a list", Member("client_name", |_| json!(["A"]))),
    ("a name of two lines", Member("client_name", |_| "A\r\nB".into())),
    ("a name that rings", Member("client_name", |_| "A\u{7}".into())),
    ("a name with an escape sequence", Member("client_name", |_| "\u{1b}[31mA".into())),
    ("a long name", Member("client_name", |_| "A".repeat(101).into())),
    ("a logo that is a script", Member("logo_uri", |_| "javascript:alert(1)".into())),
    ("a home page that is a file", Member("client_uri", |_| "file:///etc/passwd".into())),
    ("terms in data", Member("tos_uri", |_| "data:text/html,x".into())),
    ("a scope with quotes", Member("scope", |_| "notes.read \"".into())),
    ("a secret that everybody reads", Member("client_secret", |_| "s".into())),
    ("a secret of the wrong kind", Member("client_secret", |_| json!(null))),
    ("a grant without a user", Member("grant_types", |_| json!(["client_credentials"]))),
    ("the right to exchange", Member("grant_types", |_| json!(["urn:ietf:params:oauth:grant-type:token-exchange"]))),
    ("a method that we do not offer it", Member("token_endpoint_auth_method", |_| "client_secret_basic".into())),
    ("the implicit flow", Member("response_types", |_| json!(["token"]))),
    ("too large a document", Member("x", |_| "x".repeat(5 * 1024).into())),
    // Answers that are none.
    ("created", Status(201)),
    ("no content", Status(204)),
    ("a part of it", Status(206)),
    ("not modified", Status(304)),
    ("moved", Status(301)),
    ("found", Status(302)),
    ("see other", Status(303)),
    ("temporarily elsewhere", Status(307)),
    ("permanently elsewhere", Status(308)),
    ("unauthorized", Status(401)),
    ("forbidden", Status(403)),
    ("not found", Status(404)),
    ("gone", Status(410)),
    ("a page by its type", Header(header::CONTENT_TYPE, "text/html")),
    ("a text by its type", Header(header::CONTENT_TYPE, "text/plain; charset=utf-8")),
    ("a script by its type", Header(header::CONTENT_TYPE, "application/javascript")),
    ("an image by its type", Header(header::CONTENT_TYPE, "image/svg+json")),
    ("nearly JSON by its type", Header(header::CONTENT_TYPE, "application/jsonp")),
];

#[tokio::test]
async fn none_makes_a_client_or_leads_anywhere() {
    let (broker, _idp) = planned(|plan| plan.settings.url_clients.allows_loopback = true).await;
    let documents = DocumentServer::start().await;
    for (number, (attack, how)) in ATTACKS.iter().enumerate() {
        let path = format!("/clients/{number}.json");
        let id = documents.url(&path);
        let mut document = documents.document(&path);
        let published = match how {
            Body(body) => {
                let mut published = Published::document(&document);
                published.body = replace(body, b"ID", id.as_bytes());
                published
            }
            Member(member, value) => {
                document[*member] = value(&id);
                Published::document(&document)
            }
            Status(status) => Published::document(&document)
                .status(*status)
                .with(header::LOCATION, "/clients/elsewhere.json"),
            Header(name, value) => Published::document(&document).with(name.clone(), value),
        };
        documents.publish(&path, published);

        for redirect_uri in ["http://127.0.0.1/callback", "https://a.example/"] {
            let changes = [("client_id", id.as_str()), ("redirect_uri", redirect_uri)];
            let answer = broker.get(&authorize_path(&changes)).await;
            assert_eq!(answer.status.as_u16(), 400, "{attack}: {}", answer.body);
            assert_eq!(answer.header("location"), None, "{attack}");
        }
        assert_eq!(
            documents.hits(),
            number + 1,
            "{attack}: fetched once, followed nowhere"
        );
        let event = broker.newest().await;
        assert_eq!(event.kind, AuditKind::AuthorizationStarted, "{attack}");
        assert!(matches!(event.outcome, Outcome::Refused(_)), "{attack}");
        assert!(event.details["reason"].is_string(), "{attack}");
        let stored = broker.store().client(&ClientId::parse(id).unwrap()).await;
        assert_eq!(stored.unwrap(), None, "{attack}");
    }
}

#[tokio::test]
async fn the_document_that_they_were_made_of_is_a_good_one() {
    let (broker, _idp) = planned(|plan| plan.settings.url_clients.allows_loopback = true).await;
    let documents = DocumentServer::start().await;
    let id = documents.publish_client("/clients/good.json");
    let answer = broker.get(&authorize_path(&[("client_id", &id)])).await;
    assert!(answer.location().starts_with("/oauth/consent?flow="));
    assert!(ATTACKS.len() >= 60);
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match text.windows(from.len()).position(|window| window == from) {
        None => text.to_vec(),
        Some(at) => {
            let rest = replace(&text[at + from.len()..], from, to);
            [&text[..at], to, &rest].concat()
        }
    }
}
