//! The configuration: the shipped example, every problem at once, the environment, secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use broker::config::{self, AuthenticationMethod, Config, ConfigError, from_table};
use broker::domain::{Domain, GrantType, RegistrationPolicy, Timestamp, TokenEndpointAuthMethod};
use broker::keys::Algorithm;
use toml::{Table, Value};

const EXAMPLE: &str = include_str!("../../../deploy/broker.toml");

fn read(text: &str) -> Result<Config, ConfigError> {
    from_table(text.parse().unwrap(), BTreeMap::new())
}

/// The problems of a configuration that cannot be used, as `key: hint`.
fn problems(outcome: Result<Config, ConfigError>) -> Vec<String> {
    match outcome {
        Err(ConfigError::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("not the problems of a configuration: {other}"),
        Ok(_) => Vec::new(),
    }
}

/// The example with one key changed, `section.key` or `section.0.key`.
fn with(path: &str, value: impl Into<Value>) -> Result<Config, ConfigError> {
    let mut table: Table = EXAMPLE.parse().unwrap();
    let mut segments: Vec<&str> = path.split('.').collect();
    let last = segments.pop().unwrap();
    let mut inner = &mut table;
    for segment in segments {
        inner = first_table(inner.entry(segment).or_insert_with(|| Table::new().into()));
    }
    inner.insert(last.to_owned(), value.into());
    from_table(table, BTreeMap::new())
}

/// The table, or the first one of a list.
fn first_table(value: &mut Value) -> &mut Table {
    if value.is_array() {
        return value[0].as_table_mut().unwrap();
    }
    value.as_table_mut().unwrap()
}

fn assert_problem(outcome: Result<Config, ConfigError>, key: &str) {
    let problems = problems(outcome);
    assert!(
        problems
            .iter()
            .any(|problem| problem.starts_with(&format!("{key}: "))),
        "no problem with {key}: {problems:#?}"
    );
}

fn environment(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

/// The example with its commented-out keys set; those that are examples only if `examples`.
fn uncommented(examples: bool) -> String {
    let mut example = false;
    let mut text = String::new();
    for line in EXAMPLE.lines() {
        let key = line.strip_prefix("# ").filter(|rest| {
            rest.split_once(" = ").is_some_and(|(key, _)| {
                key.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            })
        });
        text.push_str(key.filter(|_| examples || !example).unwrap_or(line));
        text.push('\n');
        example = line == "# Example:";
    }
    text.replace(
        r#"{ file = "/run/secrets/broker-encryption-key" }"#,
        r#""AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=""#,
    )
}

#[test]
fn the_example_loads_and_its_comments_show_the_defaults() {
    let example = read(EXAMPLE).unwrap();
    let defaults = read(&uncommented(false)).unwrap();
    assert_eq!(format!("{example:#?}"), format!("{defaults:#?}"));
    assert_eq!(example.tokens.access_token, Duration::from_mins(10));
    assert_eq!(example.keys.algorithm, Algorithm::Es256);
}

#[test]
fn the_example_has_every_key_and_no_other() {
    let full: Table = uncommented(true).parse().unwrap();
    let mut consistent = full.clone();
    // A client proves itself in one way; the example shows them all.
    let client = first_table(&mut consistent["clients"]);
    for other in ["jwks", "service_account"] {
        client.remove(other);
    }
    // The issuer that the example begins with is for a try on one machine, without TLS.
    first_table(&mut consistent["server"])
        .insert("issuer".to_owned(), "https://mcp.example".into());
    assert_eq!(problems(from_table(consistent, BTreeMap::new())), [""; 0]);

    // An unknown key makes the reader name all it knows: that must be what the example has.
    let mut sections = BTreeSet::new();
    visit(&full, "", &mut |path, keys| {
        let mut strange = full.clone();
        insert_strange(&mut strange, path);
        let expected = format!(
            "{}strange: is not a key; here are: ",
            if path.is_empty() {
                String::new()
            } else {
                format!("{path}.")
            }
        );
        let found = problems(from_table(strange, BTreeMap::new()));
        let known = found
            .iter()
            .find_map(|problem| problem.strip_prefix(&expected))
            .unwrap_or_else(|| panic!("{path}: {found:#?}"));
        let known: BTreeSet<&str> = known.split(", ").collect();
        assert_eq!(known, keys, "in [{path}]");
        sections.insert(path.to_owned());
    });
    assert_eq!(sections.len(), 22, "{sections:?}");
}

#[test]
fn tls_is_two_paths_and_wants_an_https_issuer() {
    let tls = |certificate: &str, key: &str| -> Table {
        [("certificate", certificate), ("key", key)]
            .map(|(name, path)| (name.to_owned(), Value::from(path)))
            .into_iter()
            .collect()
    };
    for section in ["server", "admin"] {
        let path = format!("{section}.tls");
        let mut half = tls("/a.pem", "/a.key");
        half.remove("key");
        assert_problem(with(&path, half), &format!("{path}.key"));
        // Whoever pastes the key itself must not find it in a message.
        let pasted = problems(with(
            &path,
            tls("/a.pem", "-----BEGIN PRIVATE KEY-----\nabc"),
        ));
        assert!(
            pasted.iter().all(|problem| !problem.contains("abc")),
            "{pasted:?}"
        );
        assert_problem(
            with(&path, tls("/a.pem", "-----BEGIN PRIVATE KEY-----\nabc")),
            &format!("{path}.key"),
        );
    }
    assert_problem(with("server.tls", tls("/a.pem", "/a.key")), "server.issuer");
    let admin = with("admin.tls", tls("/a.pem", "/a.key")).unwrap();
    assert!(admin.server.tls.is_none());
    let files = admin.admin.tls.unwrap();
    assert_eq!(files.certificate, PathBuf::from("/a.pem"));
    assert_eq!(files.key, PathBuf::from("/a.key"));
}

/// Calls `check` with the path and the keys of every table whose keys are fixed.
fn visit(table: &Table, path: &str, check: &mut impl FnMut(&str, BTreeSet<&str>)) {
    check(path, table.keys().map(String::as_str).collect());
    for (key, value) in table {
        let below = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        // The last two are values: `{ file = "…" }`.
        let free = ["scopes", "authorize_parameters", "jwks_token", "jwks_ca"];
        let free = free.contains(&key.as_str());
        let in_list = value
            .as_array()
            .and_then(|list| list[..].first()?.as_table());
        if let Some(inner) = in_list {
            visit(inner, &format!("{below}[0]"), check);
        } else if let (Value::Table(inner), false) = (value, free) {
            visit(inner, &below, check);
        }
    }
}

fn insert_strange(table: &mut Table, path: &str) {
    let mut inner = table;
    for segment in path.split('.').filter(|segment| !segment.is_empty()) {
        inner = first_table(&mut inner[segment.trim_end_matches("[0]")]);
    }
    inner.insert("strange".to_owned(), Value::Boolean(true));
}

#[test]
fn an_empty_configuration_names_everything_that_is_required() {
    let problems = problems(read(""));
    for key in ["server.issuer", "upstream.issuer", "upstream.client_id"] {
        assert!(
            problems
                .iter()
                .any(|problem| problem.starts_with(&format!("{key}: is missing"))),
            "{key}: {problems:#?}"
        );
    }
}

#[test]
fn clients_with_a_url_follow_the_policy_of_registration_unless_told_otherwise() {
    for policy in ["open", "approval", "closed"] {
        let config = with("registration.policy", policy).unwrap();
        assert_eq!(config.url_clients().policy.as_str(), policy);
    }
    let text = EXAMPLE.replace(
        "# policy = \"open\"\n",
        "policy = \"closed\"\nurl_clients = \"open\"\n\
         url_client_domains_allow = [\"Claude.AI\", \"vscode.dev\"]\n\
         url_client_domains_deny = [\"github.io\"]\n",
    );
    let clients = read(&text).unwrap().url_clients();
    assert_eq!(clients.policy, RegistrationPolicy::Open);
    let names = |domains: &[Domain]| domains.iter().map(Domain::to_string).collect::<Vec<_>>();
    assert_eq!(names(&clients.allow), ["claude.ai", "vscode.dev"]);
    assert_eq!(names(&clients.deny), ["github.io"]);
    assert!(!clients.allows_loopback);

    for wrong in ["https://claude.ai", "*.claude.ai", "10.0.0.1"] {
        let list = vec![Value::from(wrong)];
        assert_problem(
            with("registration.url_client_domains_allow", list),
            "registration.url_client_domains_allow[0]",
        );
    }
}

#[test]
fn tokens_for_anything_else_never_administer() {
    let with_audience = |audience: &str| {
        let admin = [
            ("audience".to_owned(), audience.into()),
            ("write_groups".to_owned(), vec!["ops"].into()),
        ];
        with("admin", Table::from_iter(admin))
    };
    assert!(with_audience("broker-admin").is_ok());
    for audience in ["", "nextcloud", "mcp-token-broker", "http://127.0.0.1:4280"] {
        assert_problem(with_audience(audience), "admin.audience");
    }
    assert_problem(with("admin.audience", "broker-admin"), "admin.write_groups");
    let groups = vec![Value::from("ops")];
    assert_problem(with("admin.read_groups", groups), "admin.audience");
}

#[test]
fn trusted_proxies_are_addresses_and_networks_and_never_everybody() {
    let set = |list: Vec<Value>| with("server.trusted_proxies", list);
    let config = set(vec!["10.0.0.0/8".into(), "::1".into()]).unwrap();
    assert_eq!(config.server.trusted_proxies.len(), 2);
    for bad in [Value::from("proxy.example"), "0.0.0.0/0".into(), 1.into()] {
        assert_problem(set(vec![bad]), "server.trusted_proxies[0]");
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = r#"
        [server]
        issuer = "https://mcp.example"
        listen = "nowhere"
        lissten = "127.0.0.1:1"
        [tokens]
        access_token = 600
        login = "soon"
        [upstream]
        client_id = "x"
        client_authentication = "magic"
        [[resources]]
        id = "not a uri"
        [[clients]]
        name = 7
    "#;
    let problems = problems(read(text));
    for key in [
        "server.listen",
        "server.lissten",
        "tokens.access_token",
        "tokens.login",
        "upstream.issuer",
        "upstream.client_authentication",
        "resources[0].id",
        "resources[0].scopes",
        "clients[0].client_id",
        "clients[0].name",
    ] {
        assert!(
            problems
                .iter()
                .any(|problem| problem.starts_with(&format!("{key}: "))),
            "{key}: {problems:#?}"
        );
    }
    assert_eq!(problems.len(), 10, "{problems:#?}");
}

#[test]
fn the_issuer_is_a_canonical_https_url_or_loopback() {
    for good in [
        "https://mcp.example",
        "https://mcp.example/broker",
        "https://mcp.example:8443",
        "http://127.0.0.1:4280",
        "http://localhost:4280",
        "http://[::1]:4280",
    ] {
        assert_eq!(problems(with("server.issuer", good)), [""; 0], "{good}");
    }
    for bad in [
        "mcp.example",
        "http://mcp.example",
        "https://mcp.example/",
        "https://mcp.example/broker/",
        "https://mcp.example?x",
        "https://mcp.example#x",
        "https://MCP.example",
        "https://mcp.example:443",
        "https://user@mcp.example",
        "ftp://mcp.example",
    ] {
        assert_problem(with("server.issuer", bad), "server.issuer");
    }
}

#[test]
fn names_that_refer_to_nothing_are_found() {
    let strange = || Value::Array(vec!["strange".into()]);
    assert_problem(
        with("resources.downstreams", strange()),
        "resources[0].downstreams",
    );
    assert_problem(with("clients.exchange", strange()), "clients[0].exchange");
    let other = Value::Array(vec!["https://other.example".into()]);
    assert_problem(with("clients.serves", other), "clients[0].serves");
    assert_problem(
        with("resources.default_scopes", strange()),
        "resources[0].default_scopes",
    );
}

#[test]
fn what_weakens_or_cannot_work_is_refused() {
    for (path, value, key) in [
        ("tokens.access_token", "2h", "tokens.access_token"),
        (
            "tokens.authorization_code",
            "11m",
            "tokens.authorization_code",
        ),
        ("tokens.refresh_token", "91d", "tokens.refresh_token"),
        ("tokens.refresh_grace", "6m", "tokens.refresh_grace"),
        ("keys.rotate_after", "2h", "keys.rotate_after"),
        ("admin.listen", "127.0.0.1:4280", "admin.listen"),
        ("clients.client_secret", "short", "clients[0].client_secret"),
        (
            "downstreams.token_lifetime",
            "5m",
            "downstreams[0].token_lifetime",
        ),
        (
            "upstream.client_authentication",
            "none",
            "upstream.client_secret",
        ),
        (
            "upstream.issuer",
            "https://idp.example?x",
            "upstream.issuer",
        ),
    ] {
        assert_problem(with(path, value), key);
    }
    let own = Table::from_iter([("redirect_uri".to_owned(), "https://evil.example".into())]);
    assert_problem(
        with("upstream.authorize_parameters", own),
        "upstream.authorize_parameters",
    );
}

#[test]
fn a_client_that_exchanges_needs_a_secret() {
    let mut table: Table = EXAMPLE.parse().unwrap();
    table["clients"][0]
        .as_table_mut()
        .unwrap()
        .remove("client_secret");
    assert_problem(
        from_table(table, BTreeMap::new()),
        "clients[0].client_secret",
    );
}

#[test]
fn one_resource_at_most_is_the_default_and_nothing_is_there_twice() {
    let mut table: Table = EXAMPLE.parse().unwrap();
    let resource = table["resources"][0].as_table_mut().unwrap();
    resource.insert("default".to_owned(), true.into());
    for key in ["resources", "downstreams", "clients"] {
        let list = table[key].as_array_mut().unwrap();
        list.push(list[0].clone());
    }
    let problems = problems(from_table(table, BTreeMap::new()));
    for key in [
        "resources[1].id",
        "resources[1].default",
        "downstreams[1].name",
        "clients[1].client_id",
    ] {
        assert!(
            problems
                .iter()
                .any(|problem| problem.starts_with(&format!("{key}: "))),
            "{key}: {problems:#?}"
        );
    }
}

#[test]
fn strategies_and_policies_are_all_there() {
    for strategy in ["mint", "session", "upstream_exchange"] {
        let config = with("downstreams.strategy", strategy).unwrap();
        assert_eq!(config.downstreams[0].strategy.as_str(), strategy);
    }
    for policy in ["open", "approval", "closed"] {
        let config = with("registration.policy", policy).unwrap();
        assert_eq!(config.registration.policy.as_str(), policy);
    }
}

#[test]
fn a_scope_for_the_provider_needs_the_strategy_that_asks_it() {
    let problems = problems(with("downstreams.exchange_scope", vec!["nextcloud"]));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("downstreams[0].exchange_scope")
            && problems[0].contains("upstream_exchange"),
        "{problems:?}"
    );
}

#[test]
fn a_nextcloud_as_provider_brings_its_own_defaults_and_limits() {
    let config = with("upstream.kind", "nextcloud_oidc").unwrap();
    let method = config.upstream.client_authentication;
    assert_eq!(method, AuthenticationMethod::ClientSecretPost);
    assert!(config.upstream.scopes.contains("offline_access"));

    let config = with("upstream.kind", "nextcloud_oauth2").unwrap();
    assert!(config.upstream.scopes.is_empty());
    let both = |key: &str, value: &str| {
        let mut table = EXAMPLE.parse::<Table>().unwrap();
        let upstream = table["upstream"].as_table_mut().unwrap();
        upstream.insert("kind".to_owned(), "nextcloud_oauth2".into());
        upstream.insert(key.to_owned(), value.into());
        problems(from_table(table, BTreeMap::new()))
    };
    assert!(both("scopes", "openid")[0].contains("no scopes"));
    let public = both("client_authentication", "none");
    assert!(
        public
            .iter()
            .any(|problem| problem.contains("public clients")),
        "{public:?}"
    );
}

#[test]
fn the_environment_wins_over_the_file() {
    let table = || EXAMPLE.parse::<Table>().unwrap();
    let set = |name: &str, value: &str| from_table(table(), environment(name, value));

    let config = set("BROKER__SERVER__LISTEN", "0.0.0.0:80").unwrap();
    assert_eq!(config.server.listen, "0.0.0.0:80".parse().unwrap());
    let config = set("BROKER__UPSTREAM__SEND_RESOURCE", "true").unwrap();
    assert!(config.upstream.send_resource);
    let config = set("BROKER__DATABASE__MAX_CONNECTIONS", "3").unwrap();
    assert_eq!(config.database.max_connections, 3);
    let config = set("BROKER__UPSTREAM__SCOPES", "openid,groups").unwrap();
    assert_eq!(config.upstream.scopes.to_string(), "groups openid");
    let config = set("BROKER__CLIENTS__0__CLIENT_SECRET", "12345678901234567890").unwrap();
    assert_eq!(
        config.clients[0].client_secret.as_ref().unwrap().expose(),
        "12345678901234567890"
    );
}

#[test]
fn the_environment_adds_entries_to_lists() {
    let table = || EXAMPLE.parse::<Table>().unwrap();
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let with = |variables: &[(&str, &str)]| {
        let pairs = variables.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        from_table(table(), pairs.collect())
    };
    let entry = |number: usize, id: &'static str| {
        let prefix = format!("BROKER__KEYS__ENCRYPTION__{number}");
        [
            (format!("{prefix}__ID"), id),
            (format!("{prefix}__KEY"), key),
        ]
    };
    let all = [entry(0, "first"), entry(1, "second")].concat();
    let all: Vec<_> = all
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    let config = with(&all).unwrap();
    let ids: Vec<_> = config.keys.encryption.iter().map(|key| &key.id).collect();
    assert_eq!(ids, ["first", "second"]);

    let another = [
        ("BROKER__CLIENTS__1__CLIENT_ID", "job"),
        (
            "BROKER__CLIENTS__1__REDIRECT_URIS",
            "http://127.0.0.1/callback",
        ),
    ];
    assert_eq!(with(&another).unwrap().clients.len(), 2);
    // The first of them is missing: the second would silently become the first.
    assert_problem(with(&all[2..]), "BROKER__KEYS__ENCRYPTION__1__ID");
}

#[test]
fn an_environment_variable_that_means_nothing_is_refused() {
    let set = |name: &str| from_table(EXAMPLE.parse().unwrap(), environment(name, "x"));
    assert_problem(set("BROKER__SERVER__LISSTEN"), "server.lissten");
    assert_problem(set("BROKER__CLIENTS__7__NAME"), "BROKER__CLIENTS__7__NAME");
    assert_problem(set("BROKER__SERVER__LISTEN__PORT"), "server.listen");
    assert_problem(set("BROKER__NONSENSE"), "nonsense");
}

#[test]
fn a_secret_comes_from_a_file_without_its_newline() {
    let file = TemporaryFile::with("from-a-file-and-long-enough\n");
    let path = file.0.to_str().unwrap();
    let reference = Table::from_iter([("file".to_owned(), Value::from(path))]);
    let config = with("clients.client_secret", reference).unwrap();
    let secret = config.clients[0].client_secret.as_ref().unwrap();
    assert_eq!(secret.expose(), "from-a-file-and-long-enough");

    let by_name = environment("BROKER__UPSTREAM__CLIENT_SECRET__FILE", path);
    let config = from_table(EXAMPLE.parse().unwrap(), by_name).unwrap();
    let secret = config.upstream.client_secret.as_ref().unwrap();
    assert_eq!(secret.expose(), "from-a-file-and-long-enough");

    let missing = Table::from_iter([("file".to_owned(), "/nowhere/at/all".into())]);
    assert_problem(
        with("clients.client_secret", missing),
        "clients[0].client_secret",
    );
}

#[test]
fn no_message_and_no_debug_text_shows_a_secret() {
    const SECRET: &str = "tr0ub4dor-and-more-letters";
    let config = with("clients.client_secret", SECRET).unwrap();
    assert!(!format!("{config:?}").contains(SECRET));
    let config = with("database.url", format!("postgres://u:{SECRET}@h/d")).unwrap();
    assert!(!format!("{config:?}").contains(SECRET));

    let key = Table::from_iter([
        ("id".to_owned(), Value::from("k")),
        ("key".to_owned(), Value::from(SECRET)),
    ]);
    let mut table: Table = EXAMPLE.parse().unwrap();
    table["upstream"]["client_secret"] = Value::Array(vec![SECRET.into()]);
    table["clients"][0]["client_id"] = format!("{SECRET} with a space").into();
    table.insert(
        "keys".to_owned(),
        Table::from_iter([("encryption".to_owned(), Value::Array(vec![key.into()]))]).into(),
    );
    let error = from_table(table, BTreeMap::new()).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("keys.encryption[0].key"), "{text}");
    assert!(!text.contains(SECRET), "{text}");
}

#[test]
fn a_syntax_error_names_its_line_and_does_not_repeat_it() {
    let file = TemporaryFile::with("[server]\n\nissuer = \"x\" client_secret = \"tr0ub4dor\"\n");
    let text = config::load(Some(&file.0)).unwrap_err().to_string();
    assert!(text.contains("line 3"), "{text}");
    assert!(!text.contains("tr0ub4dor"), "{text}");
    let missing = config::load(Some("/nowhere/at/all.toml".as_ref())).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/at/all.toml"));
}

#[test]
fn a_configured_client_gets_the_grants_that_its_keys_imply() {
    let now = Timestamp::from_millis(5);
    let config = read(EXAMPLE).unwrap();
    let gateway = &config.registered_clients(now)[0];
    assert_eq!(gateway.grant_types, [GrantType::TokenExchange]);
    assert_eq!(
        gateway.auth_method,
        TokenEndpointAuthMethod::ClientSecretBasic
    );
    assert_eq!(gateway.secrets.len(), 1);

    let mut table: Table = EXAMPLE.parse().unwrap();
    let login = Table::from_iter([
        ("client_id".to_owned(), Value::from("agent")),
        (
            "redirect_uris".to_owned(),
            Value::Array(vec!["http://127.0.0.1/callback".into()]),
        ),
    ]);
    table["clients"].as_array_mut().unwrap().push(login.into());
    let config = from_table(table, BTreeMap::new()).unwrap();
    let agent = &config.registered_clients(now)[1];
    assert_eq!(
        agent.grant_types,
        [GrantType::AuthorizationCode, GrantType::RefreshToken]
    );
    assert_eq!(agent.auth_method, TokenEndpointAuthMethod::None);
}

#[test]
fn a_configured_client_proves_itself_in_one_of_three_ways() {
    let jwk = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1",
                            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let file = TemporaryFile::with(jwk);
    let secret = r#"client_secret = "change-me-to-a-random-secret""#;
    let account = r#"service_account = { issuer = "https://c.example", subject = "s", jwks = "https://c.example/k" }"#;
    let at_url = r#"jwks = "https://job.example/jwks.json""#;
    let in_file = format!("jwks = {{ file = {:?} }}", file.0);
    let read_with = |proof: &str| read(&EXAMPLE.replace(secret, proof));
    for (proof, method, member) in [
        (account, TokenEndpointAuthMethod::ServiceAccountJwt, None),
        (
            at_url,
            TokenEndpointAuthMethod::PrivateKeyJwt,
            Some("jwks_uri"),
        ),
        (
            &in_file,
            TokenEndpointAuthMethod::PrivateKeyJwt,
            Some("jwks"),
        ),
    ] {
        let config = read_with(proof).unwrap();
        let client = &config.registered_clients(Timestamp::from_millis(5))[0];
        assert_eq!(client.auth_method, method);
        assert_eq!(client.secrets, []);
        assert_eq!(client.metadata.keys().next().map(String::as_str), member);
    }
    let machine = read_with(&format!("{secret}\nown_scopes = [\"notes.read\"]")).unwrap();
    let client = &machine.registered_clients(Timestamp::from_millis(5))[0];
    assert!(client.may_use(GrantType::ClientCredentials));
    assert_eq!(client.scope.as_ref().unwrap().to_string(), "notes.read");

    let wrong = TemporaryFile::with("{}");
    for (proof, key) in [
        (
            "own_scopes = [\"notes.read\"]".to_owned(),
            "clients[0].client_secret",
        ),
        (format!("{secret}\n{at_url}"), "clients[0].client_secret"),
        (format!("{account}\n{at_url}"), "clients[0].client_secret"),
        ("jwks = \"nowhere\"".to_owned(), "clients[0].jwks"),
        (
            "jwks = { file = \"/nowhere/at/all\" }".to_owned(),
            "clients[0].jwks",
        ),
        (
            format!("jwks = {{ file = {:?} }}", wrong.0),
            "clients[0].jwks",
        ),
        (
            account.replace("subject = \"s\", ", ""),
            "clients[0].service_account.subject",
        ),
        (
            account.replace(" }", ", jwks_token = \"eyJ\" }"),
            "clients[0].service_account.jwks_token",
        ),
        (
            account.replace(
                "\"https://c.example/k\"",
                "{ file = \"/k\" }, jwks_ca = { file = \"/c\" }",
            ),
            "clients[0].service_account.jwks",
        ),
    ] {
        let found = problems(read_with(&proof));
        assert!(
            found.iter().any(|problem| problem.starts_with(key)),
            "{proof}: {found:?}"
        );
    }
}

/// A file that is gone when the test is.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn with(content: &str) -> Self {
        let name = format!("broker-config-{}.toml", uuid::Uuid::now_v7());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[test]
fn a_background_client_has_a_secret_and_a_downstream_and_no_callers() {
    let job = |more: &str| {
        let entry = format!("\n[[clients]]\nclient_id = \"job\"\nbackground = true\n{more}\n");
        problems(read(&format!("{EXAMPLE}{entry}")))
    };
    let secret = "client_secret = \"sixteen characters at least\"\n";
    let exchange = "exchange = [\"nextcloud\"]\n";
    assert_eq!(job(&format!("{secret}{exchange}")), [""; 0]);
    for (more, key) in [
        (secret.to_owned(), "exchange"),
        (exchange.to_owned(), "client_secret"),
        (
            format!("{secret}{exchange}serves = [\"http://127.0.0.1:4282/mcp\"]"),
            "background",
        ),
        (
            format!("{secret}{exchange}redirect_uris = [\"https://a.example/cb\"]"),
            "background",
        ),
    ] {
        let found = job(&more);
        assert!(
            found.iter().any(|problem| problem.contains(key)),
            "{more}: {found:?}"
        );
    }
}

#[test]
fn background_access_needs_a_client_of_its_own_where_the_broker_does_not_mint() {
    assert_eq!(problems(with("downstreams.offline", true)), [""; 0]);
    let offline = |strategy: &str, client: &str| {
        let mut table: Table = EXAMPLE.parse().unwrap();
        let downstream = first_table(table.get_mut("downstreams").unwrap());
        downstream.insert("offline".to_owned(), true.into());
        downstream.insert("strategy".to_owned(), strategy.into());
        let upstream = first_table(table.get_mut("upstream").unwrap());
        if !client.is_empty() {
            let client: Table = client.parse().unwrap();
            upstream.insert("offline".to_owned(), client.into());
        }
        from_table(table, BTreeMap::new())
    };
    let good = "client_id = \"for-jobs\"\nclient_secret = \"secret\"\n";
    for strategy in ["session", "upstream_exchange"] {
        let missing = problems(offline(strategy, ""));
        assert!(missing[0].starts_with("upstream.offline: "), "{missing:?}");
        for word in [strategy, "/oauth/callback-nextcloud", "nextcloud"] {
            assert!(missing[0].contains(word), "{word}: {missing:?}");
        }
        assert_eq!(problems(offline(strategy, good)), [""; 0]);
    }
    for (client, key) in [
        ("client_secret = \"secret\"", "client_id"),
        ("client_id = \"for-jobs\"", "client_secret"),
        (
            "client_id = \"mcp-token-broker\"\nclient_secret = \"secret\"",
            "client_id",
        ),
        (
            "client_id = \"for-jobs\"\nclient_secret = \"s\"\nclient_authentication = \"none\"",
            "client_secret",
        ),
        (
            "client_id = \"a\"\nclient_secret = \"s\"\nauthorize_parameters = { state = \"x\" }",
            "authorize_parameters",
        ),
    ] {
        assert_problem(
            offline("session", client),
            &format!("upstream.offline.{key}"),
        );
    }

    let config = offline("session", good).unwrap();
    let client = config.offline_upstream_config().unwrap();
    assert_eq!(client.authentication.client_id(), "for-jobs");
    assert_eq!(client.issuer, config.upstream.issuer);
    assert_eq!(client.scopes.to_string(), "offline_access openid");
    let prompt = ("prompt".to_owned(), "consent".to_owned());
    assert_eq!(client.authorize_parameters, [prompt]);
}

#[test]
fn a_downstream_without_sessions_is_for_background_jobs_or_for_nobody() {
    assert_problem(
        with("downstreams.sessions", false),
        "downstreams[0].sessions",
    );
    let mut table: Table = EXAMPLE.parse().unwrap();
    let downstream = first_table(table.get_mut("downstreams").unwrap());
    downstream.insert("offline".to_owned(), true.into());
    downstream.insert("sessions".to_owned(), false.into());
    assert_eq!(problems(from_table(table, BTreeMap::new())), [""; 0]);
}

#[test]
fn receivers_of_webhooks_are_known_signed_for_and_asked_for_at_a_nextcloud() {
    let receiver =
        r#"{ client_id = "indexer", url = "https://job.example", secrets = ["SECRET"] }"#;
    let good = receiver.replace("SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    // It is told of events, and may have nothing else to do.
    let client = "[[clients]]\nclient_id = \"indexer\"\nbackground = true\n\
                  client_secret = \"sixteen characters at least\"\n";
    let config = |receivers: &[&str], administered: bool, downstreams: bool| {
        let mut table: Table = format!("{EXAMPLE}\n{client}").parse().unwrap();
        let text = format!("receivers = [{}]", receivers.join(", "));
        let webhooks: Table = text.parse().unwrap();
        table.insert("webhooks".to_owned(), webhooks.into());
        if administered {
            let admin = "admin_user = \"a\"\nadmin_password = \"b\"";
            let admin: Table = admin.parse().unwrap();
            table.insert("nextcloud".to_owned(), admin.into());
        } else {
            table.remove("nextcloud");
        }
        if !downstreams {
            table.remove("downstreams");
        }
        problems(from_table(table, BTreeMap::new()))
    };
    assert_eq!(config(&[&good], true, true), [""; 0]);
    for (problem, found) in [
        ("admin_user", config(&[&good], false, true)),
        ("nextcloud.url", config(&[&good], true, false)),
        (
            "receivers[1].client_id",
            config(&[&good, &good], true, true),
        ),
        ("receivers[0].secrets[0]", config(&[receiver], true, true)),
    ] {
        let is_there = found.iter().any(|one| one.contains(problem));
        assert!(is_there, "{problem}: {found:?}");
    }
}
