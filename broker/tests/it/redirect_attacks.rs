//! Attacks by redirect URI, at every door: registration (RFC 7591), a client's document, and the
//! authorization endpoint (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §2.1 and §4.1).

use broker::domain::{GrantType, RedirectUri};
use serde_json::json;

use crate::browser::{Browser, authorize_path, planned};
use crate::documents::{DocumentServer, Published};
use crate::harness::{Plan, client};

/// What nobody may register, and nobody may ask for: the attack, the URI.
const NEVER: &[(&str, &str)] = &[
    // Schemes that run, read or start something.
    ("runs a script", "javascript:alert(1)"),
    ("runs a script, in capitals", "JavaScript:alert(1)"),
    (
        "runs a script behind an authority",
        "javascript://a.example/%0aalert(1)",
    ),
    ("runs a script", "vbscript:msgbox(1)"),
    ("runs a script", "livescript:alert(1)"),
    (
        "is a page of the client's making",
        "data:text/html,<script>alert(1)</script>",
    ),
    (
        "is a page of the client's making",
        "data:text/html;base64,PHNjcmlwdD4=",
    ),
    (
        "is a page of the client's making",
        "blob:https://a.example/3f1c",
    ),
    (
        "is a page of the client's making",
        "filesystem:https://a.example/temporary/x",
    ),
    ("is a file", "file:///etc/passwd"),
    ("is a file of another machine", "file://a.example/share"),
    ("shows a source", "view-source:https://a.example/"),
    ("is a page of the browser", "about:blank"),
    ("is a page of the browser", "chrome://settings/"),
    (
        "starts an app of the system",
        "intent://scan/#Intent;scheme=zxing;end",
    ),
    ("starts an app of the system", "ms-msdt:/id"),
    ("starts an app of the system", "search-ms:query=x"),
    ("writes a mail", "mailto:a@a.example"),
    ("is another protocol", "ftp://a.example/cb"),
    ("is another protocol", "ws://a.example/cb"),
    ("is another protocol", "ldap://a.example/cb"),
    ("is no address", "urn:ietf:wg:oauth:2.0:oob"),
    ("is no address", "tel:+4912345"),
    // A private-use scheme that no app could own (RFC 8252 §7.1).
    ("a scheme without dot or host", "app:/callback"),
    ("a scheme without dot or host", "app:callback"),
    ("a scheme without dot or host", "app:///callback"),
    // Plain http that is not loopback, however much it looks like it.
    ("plain http", "http://a.example/cb"),
    (
        "a name that begins like loopback",
        "http://localhost.a.example/cb",
    ),
    (
        "a name that begins like loopback",
        "http://127.0.0.1.a.example/cb",
    ),
    ("a name that ends like loopback", "http://evil-localhost/cb"),
    ("a name below loopback", "http://app.localhost/cb"),
    ("loopback with a trailing dot", "http://localhost./cb"),
    ("another loopback address", "http://127.0.0.2/cb"),
    ("another loopback address", "http://127.1.2.3:5000/cb"),
    ("every address of this machine", "http://0.0.0.0/cb"),
    ("an IPv4-mapped address", "http://[::ffff:127.0.0.1]/cb"),
    ("the unspecified address", "http://[::]/cb"),
    ("a private address", "http://10.0.0.1/cb"),
    ("a private address", "http://192.168.0.1:33418/cb"),
    // Other spellings of a host.
    ("a decimal address", "http://2130706433/cb"),
    ("a hexadecimal address", "http://0x7f000001/cb"),
    ("an octal address", "http://0177.0.0.1/cb"),
    ("a short address", "http://127.1/cb"),
    ("a long IPv6 address", "http://[0:0:0:0:0:0:0:1]/cb"),
    ("a host in capitals", "https://A.example/cb"),
    ("a scheme in capitals", "HTTPS://a.example/cb"),
    ("an escaped host", "https://%61.example/cb"),
    ("a trailing dot", "https://a.example./cb"),
    ("an empty host", "https:///cb"),
    ("an IDN in its own letters", "https://аpple.example/cb"),
    ("full-width letters", "https://ａ.example/cb"),
    ("a full-width dot", "https://a。example/cb"),
    // Nothing before the host but the host.
    ("a user", "https://user@a.example/cb"),
    ("a user and a password", "https://user:pw@a.example/cb"),
    ("a host as user", "https://claude.ai@evil.example/cb"),
    ("an empty user", "https://@a.example/cb"),
    (
        "a port as password",
        "http://127.0.0.1:5000@evil.example/cb",
    ),
    (
        "an escaped at sign in the host",
        "https://claude.ai%40evil.example/cb",
    ),
    // No slash, or the wrong one.
    ("no slashes: relative to our own host", "https:a.example/cb"),
    ("one slash: relative to our own host", "https:/a.example/cb"),
    ("backslashes", "https:\\\\a.example\\cb"),
    (
        "a backslash before an at sign",
        "https://a.example\\@evil.example/cb",
    ),
    (
        "an escaped backslash in the host",
        "https://a.example%5c@evil.example/cb",
    ),
    ("relative", "/cb"),
    ("relative to a scheme", "//evil.example/cb"),
    ("nothing", " "),
    ("a word", "callback"),
    // Paths that are another one once read.
    ("a dot segment", "https://a.example/x/../cb"),
    ("a dot segment at the end", "https://a.example/cb/.."),
    ("a single dot", "https://a.example/./cb"),
    ("an escaped dot segment", "https://a.example/%2e%2e/cb"),
    ("a half escaped dot segment", "https://a.example/.%2E/cb"),
    ("a dot segment of an app", "cursor://mcp/x/../callback"),
    // Characters.
    ("a fragment", "https://a.example/cb#x"),
    ("an empty fragment", "https://a.example/cb#"),
    ("a fragment after a query", "https://a.example/cb?x=1#code="),
    ("a space", "https://a.example/c b"),
    ("a leading space", " https://a.example/cb"),
    ("a tab inside the scheme", "java\tscript:alert(1)"),
    ("a line feed", "https://a.example/\ncb"),
    (
        "a carriage return",
        "https://a.example/cb\r\nSet-Cookie: x=y",
    ),
    ("a null", "https://a.example/cb\0"),
    ("an escaped null", "https://a.example/cb%00"),
    (
        "escaped line ends",
        "https://a.example/cb%0d%0aSet-Cookie:x",
    ),
    ("a delete", "https://a.example/\u{7f}cb"),
    ("a byte order mark", "\u{feff}https://a.example/cb"),
    ("right-to-left override", "https://a.example/\u{202e}bc"),
    ("a broken escape", "https://a.example/%zz"),
    ("half an escape", "https://a.example/%2"),
    (
        "a quote that ends an attribute",
        "https://a.example/\u{201c}><script>",
    ),
    // Wildcards.
    ("any host below", "https://*.a.example/cb"),
    ("any host", "https://*/cb"),
    ("any path", "https://a.example/*"),
    ("any port", "http://127.0.0.1:*/cb"),
    ("any app", "cursor://*/callback"),
    // Ports that are none.
    ("too large a port", "https://a.example:65536/cb"),
    ("a negative port", "https://a.example:-1/cb"),
    ("a port in words", "https://a.example:https/cb"),
    // Parameters of our answer (RFC 6749 §3.1): the client would find two.
    ("a code of the client's", "https://a.example/cb?code=mine"),
    (
        "a state of the client's",
        "https://a.example/cb?x=1&state=mine",
    ),
    (
        "an issuer of the client's",
        "https://a.example/cb?iss=https://evil.example",
    ),
    ("an escaped code", "https://a.example/cb?%63ode=mine"),
    (
        "an error of the client's",
        "https://a.example/cb?error=none",
    ),
];

const DESKTOP: &str = "desktop";

/// A client with one redirect URI of each kind.
const REGISTERED: [&str; 7] = [
    "https://app.example/callback",
    "https://app.example/callback?tenant=1",
    "https://app.example:8443/callback",
    "http://127.0.0.1:33418/callback",
    "http://localhost/callback",
    "http://[::1]:5000/callback",
    "cursor://anysphere.cursor-mcp/oauth/callback",
];

/// What is not one of [`REGISTERED`], although another reading might make it so.
const LOOKALIKES: &[(&str, &str)] = &[
    ("a longer path", "https://app.example/callback/"),
    ("a path below", "https://app.example/callback/evil"),
    ("a longer name", "https://app.example/callbackevil"),
    ("a shorter path", "https://app.example/"),
    ("no path", "https://app.example"),
    ("another case", "https://app.example/Callback"),
    ("an escaped letter", "https://app.example/%63allback"),
    ("an escaped slash", "https://app.example%2fcallback"),
    (
        "an escaped slash in the path",
        "https://app.example/x%2f..%2fcallback",
    ),
    ("a double slash", "https://app.example//callback"),
    ("a path parameter", "https://app.example/callback;x"),
    ("an empty query", "https://app.example/callback?"),
    (
        "a query",
        "https://app.example/callback?next=https://evil.example",
    ),
    ("another tenant", "https://app.example/callback?tenant=2"),
    (
        "a tenant more",
        "https://app.example/callback?tenant=1&tenant=2",
    ),
    ("the default port", "https://app.example:443/callback"),
    ("an empty port", "https://app.example:/callback"),
    ("another port", "https://app.example:8444/callback"),
    ("plain http", "http://app.example/callback"),
    ("a host below", "https://evil.app.example/callback"),
    ("a host above", "https://example/callback"),
    (
        "a host that ends likewise",
        "https://evilapp.example/callback",
    ),
    (
        "a host that begins likewise",
        "https://app.example.evil.example/callback",
    ),
    ("a punycode twin", "https://xn--pp-7kc.example/callback"),
    ("https on loopback", "https://127.0.0.1:33418/callback"),
    (
        "another path on loopback",
        "http://127.0.0.1:33418/callback2",
    ),
    ("a query on loopback", "http://127.0.0.1:33418/callback?x=1"),
    (
        "a dot segment on loopback",
        "http://127.0.0.1:33418/x/../callback",
    ),
    ("a user on loopback", "http://evil@localhost:33418/callback"),
    ("loopback in capitals", "http://LOCALHOST/callback"),
    ("loopback with a dot", "http://localhost./callback"),
    ("loopback in decimal", "http://2130706433:33418/callback"),
    ("loopback in long", "http://[0:0:0:0:0:0:0:1]:5000/callback"),
    (
        "the mapped loopback",
        "http://[::ffff:7f00:1]:5000/callback",
    ),
    ("all interfaces", "http://0.0.0.0:33418/callback"),
    ("another app", "cursor://evil/oauth/callback"),
    (
        "another path of the app",
        "cursor://anysphere.cursor-mcp/oauth/callback/",
    ),
    (
        "another query of the app",
        "cursor://anysphere.cursor-mcp/oauth/callback?x=1",
    ),
    (
        "a port of the app",
        "cursor://anysphere.cursor-mcp:80/oauth/callback",
    ),
    (
        "another scheme",
        "cursors://anysphere.cursor-mcp/oauth/callback",
    ),
    (
        "several at once",
        "https://app.example/callback https://evil.example/",
    ),
    (
        "several at once",
        "https://app.example/callback,https://evil.example/",
    ),
];

fn with_desktop_client(plan: &mut Plan) {
    let mut desktop = client(DESKTOP, None, &[GrantType::AuthorizationCode]);
    desktop.redirect_uris = REGISTERED
        .map(|uri| RedirectUri::parse(uri).unwrap())
        .into();
    plan.clients.push(desktop);
}

#[tokio::test]
async fn none_can_be_registered_alone_or_among_good_ones() {
    let (broker, _idp) = planned(|_| {}).await;
    for (attack, uri) in NEVER {
        for uris in [json!([uri]), json!([REGISTERED[0], uri])] {
            let body = json!({"redirect_uris": uris, "token_endpoint_auth_method": "none"});
            let answer = broker.post_json("/oauth/register", &body).await;
            answer.assert_refused(400, "invalid_redirect_uri");
            let description = answer.json()["error_description"].to_string();
            // RFC 6749 §5.2; and nothing in it that a terminal or a page would run.
            assert!(
                description.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
                "{attack}: {description}"
            );
        }
    }
}

#[tokio::test]
async fn none_is_taken_from_a_document() {
    let (broker, _idp) = planned(|plan| plan.settings.url_clients.allows_loopback = true).await;
    let documents = DocumentServer::start().await;
    for (number, (attack, uri)) in NEVER.iter().enumerate() {
        let path = format!("/client-{number}.json");
        let mut document = documents.document(&path);
        document["redirect_uris"] = json!([REGISTERED[0], uri]);
        documents.publish(&path, Published::document(&document));
        let id = documents.url(&path);
        for asked in [REGISTERED[0], uri] {
            let changes = [("client_id", id.as_str()), ("redirect_uri", asked)];
            let answer = broker.get(&authorize_path(&changes)).await;
            assert_eq!(answer.status.as_u16(), 400, "{attack}: {}", answer.body);
            assert_eq!(answer.header("location"), None, "{attack}");
        }
    }
    assert_eq!(
        documents.hits(),
        NEVER.len(),
        "one fetch each, also when it failed"
    );
}

#[tokio::test]
async fn none_and_nothing_alike_is_answered_with_a_redirect() {
    let (broker, _idp) = planned(with_desktop_client).await;
    let browser = Browser::new(&broker);
    for (attack, uri) in NEVER.iter().chain(LOOKALIKES) {
        // Neither for a login nor for an error, whose redirect would lead there as well.
        for more in [
            ("scope", "notes.read"),
            ("response_type", "token"),
            ("scope", "\""),
        ] {
            let changes = [("client_id", DESKTOP), ("redirect_uri", uri), more];
            let answer = browser.get(&authorize_path(&changes)).await;
            assert_eq!(answer.status.as_u16(), 400, "{attack}: {uri}");
            answer.assert_page(400, "The way back does not match");
            // The page does not repeat what it was sent, so nobody is led on by hand.
            assert!(
                uri.len() < 10 || !answer.body.contains(uri),
                "{attack}: {uri}"
            );
        }
    }
    assert!(browser.cookies().is_empty());
}

#[tokio::test]
async fn the_registered_ones_are_answered_to_the_letter() {
    let (broker, _idp) = planned(with_desktop_client).await;
    for uri in REGISTERED {
        let changes = [
            ("client_id", DESKTOP),
            ("redirect_uri", uri),
            ("response_type", "token"),
        ];
        let answer = broker.get(&authorize_path(&changes)).await;
        assert!(answer.location().starts_with(uri), "{}", answer.location());
    }
}

#[tokio::test]
async fn a_very_long_one_is_refused_everywhere_before_it_costs_anything() {
    let (broker, _idp) = planned(with_desktop_client).await;
    for length in [2049, 12_000] {
        let uri = format!("https://a.example/{}", "a".repeat(length - 18));
        assert_eq!(uri.len(), length);
        let body = json!({"redirect_uris": [uri], "token_endpoint_auth_method": "none"});
        let answer = broker.post_json("/oauth/register", &body).await;
        answer.assert_refused(400, "invalid_redirect_uri");
        assert!(answer.body.len() < 500, "{}", answer.body);
        let changes = [("client_id", DESKTOP), ("redirect_uri", uri.as_str())];
        let answer = broker.get(&authorize_path(&changes)).await;
        answer.assert_page(400, "The way back does not match");
    }
}

#[test]
fn the_tables_are_long_and_say_nothing_twice() {
    assert!(NEVER.len() >= 60 && LOOKALIKES.len() >= 40);
    let mut uris: Vec<_> = NEVER.iter().chain(LOOKALIKES).map(|(_, uri)| uri).collect();
    let all = uris.len();
    uris.sort_unstable();
    uris.dedup();
    assert_eq!(uris.len(), all);
}
