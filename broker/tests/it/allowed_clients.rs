//! Clients that the configuration lets in by one line each.

use std::collections::BTreeMap;

use broker::config::{Config, ConfigError, from_table};
use broker::domain::{ClientId, ClientStatus, GrantType, RedirectUri, Timestamp};

const EXAMPLE: &str = include_str!("../../../deploy/broker.toml");

fn allowing(list: &str) -> Result<Config, ConfigError> {
    let name = "BROKER__REGISTRATION__ALLOWED_CLIENTS".to_owned();
    from_table(
        EXAMPLE.parse().unwrap(),
        BTreeMap::from([(name, list.to_owned())]),
    )
}

#[test]
fn an_entry_is_an_id_or_an_id_with_a_redirect_uri() {
    let url = "https://claude.ai/oauth/mcp-oauth-client-metadata";
    let config = allowing(&format!(
        "{url}, cli, app|https://app.example/cb, app|app.example:/cb, {url}?other|https://x.example/"
    ))
    .unwrap();

    let clients = config.registered_clients(Timestamp::from_millis(0));
    let found = |id: &str| {
        let client = clients.iter().find(|client| client.id.as_str() == id)?;
        assert_eq!(client.status, ClientStatus::Approved);
        assert_eq!(
            client.grant_types,
            [GrantType::AuthorizationCode, GrantType::RefreshToken]
        );
        assert!(!client.is_confidential());
        let uris = client.redirect_uris.iter().map(RedirectUri::as_str);
        Some(uris.map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(found(url), None, "its document says what it is");
    assert_eq!(
        found(&format!("{url}?other")).unwrap(),
        ["https://x.example/"]
    );
    assert_eq!(
        found("app").unwrap(),
        ["https://app.example/cb", "app.example:/cb"]
    );
    let local = found("cli").unwrap();
    assert!(
        local.contains(&"http://127.0.0.1/callback".to_owned()),
        "{local:?}"
    );
    for uri in &local {
        assert!(RedirectUri::parse(uri.as_str()).is_ok(), "{uri}");
    }
    let named = config.url_clients().named;
    assert_eq!(named, [ClientId::parse(url).unwrap()]);
}

#[test]
fn what_is_no_entry_is_named() {
    for (list, expected) in [
        ("a b", "allowed_clients[0]: "),
        (
            "a|javascript:alert(1)",
            "allowed_clients[0]: the redirect URI ",
        ),
        ("a|", "allowed_clients[0]: the redirect URI "),
        ("a,a", "allowed_clients[1]: is there twice"),
        (
            "a,a|https://a.example/",
            "allowed_clients[1]: is there twice",
        ),
        (
            "mcp-gateway",
            "allowed_clients[0]: is in [[clients]] already",
        ),
    ] {
        let Err(ConfigError::Invalid(problems)) = allowing(list) else {
            panic!("{list} is accepted");
        };
        let text: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(
            text.iter().any(|problem| problem.contains(expected)),
            "{list}: {text:?}"
        );
    }
}
