//! The configuration as an operator writes it.

use super::*;

const GOOD: &str = r#"
    [server]
    public_url = "https://mcp.example"
    [broker]
    issuer = "https://broker.example"
    client_id = "mcp-gateway"
    client_secret = "s3cret"
    [nextcloud]
    url = "https://cloud.example/nc"
"#;

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    from_parts(
        text,
        environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

fn problems(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    match load(text, environment) {
        Err(ConfigError::Problems(problems)) => {
            problems.into_iter().map(|problem| problem.key).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = load(GOOD, &[]).expect("good");
    assert_eq!(config.server.resource(), "https://mcp.example/mcp");
    assert_eq!(
        config.server.listen,
        "127.0.0.1:4282".parse().expect("address")
    );
    assert_eq!(
        config.server.allowed_hosts,
        ["mcp.example", "127.0.0.1:4282"]
    );
    assert_eq!(config.server.allowed_origins, ["https://mcp.example:443"]);
    assert_eq!(config.server.request_limit, 64 << 20);
    assert_eq!(config.server.call_timeout, Duration::from_mins(2));
    assert_eq!(config.server.requests_per_caller, 16);
    let broker = config.broker.expect("broker");
    assert_eq!(
        (broker.issuer.as_str(), broker.downstream.as_str()),
        ("https://broker.example", "nextcloud")
    );
    assert_eq!(config.nextcloud.credentials, Credentials::Exchange);
    assert_eq!(config.nextcloud.timeout, Duration::from_secs(30));
    assert_eq!(config.nextcloud.read_limit, 10 << 20);
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = r#"
        [server]
        public_url = "mcp.example"
        listen = "4282"
        requests_per_caller = 0
        call_timeout = 30
        colour = "red"
        [broker]
        client_id = ""
        [nextcloud]
        timeout = "30"
        read_limit = "10MB"
        [clients]
    "#;
    let mut keys = problems(text, &[("GATEWAY__NEXTCLOUD__SPEED", "fast")]);
    keys.sort();
    assert_eq!(
        keys,
        [
            "broker.client_id",
            "broker.client_secret",
            "broker.issuer",
            "clients",
            "nextcloud.read_limit",
            "nextcloud.speed",
            "nextcloud.timeout",
            "nextcloud.url",
            "server.call_timeout",
            "server.colour",
            "server.listen",
            "server.public_url",
            "server.requests_per_caller",
        ]
    );
}

#[test]
fn a_pod_proves_itself_with_its_token_and_not_with_a_secret_too() {
    let pod = GOOD.replace(
        "client_secret = \"s3cret\"",
        "client_assertion = { file = \"/var/run/secrets/tokens/broker\" }",
    );
    let broker = load(&pod, &[]).expect("good").broker.expect("broker");
    assert_eq!(
        broker.client_assertion.expect("file").to_str(),
        Some("/var/run/secrets/tokens/broker")
    );
    assert!(broker.client_secret.is_none());
    let environment = [("GATEWAY__BROKER__CLIENT_ASSERTION__FILE", "/run/token")];
    assert_eq!(problems(GOOD, &environment), ["broker.client_assertion"]);
    let empty = GOOD.replace("client_secret = \"s3cret\"", "client_assertion = {}");
    assert!(problems(&empty, &[]).contains(&"broker.client_assertion.file".to_owned()));
}

#[test]
fn the_environment_wins_and_may_split_a_secret() {
    let file = std::env::temp_dir().join(format!("mcp-gateway-secret-{}", std::process::id()));
    std::fs::write(&file, "from-file\n").expect("written");
    let environment = [
        ("GATEWAY__SERVER__LISTEN", "0.0.0.0:80"),
        (
            "GATEWAY__SERVER__ALLOWED_HOSTS",
            "a.example, b.example:8080",
        ),
        (
            "GATEWAY__BROKER__CLIENT_SECRET__FILE",
            file.to_str().expect("utf-8"),
        ),
        ("GATEWAY__SERVER__REQUESTS_PER_CALLER", "4"),
        ("PATH", "/bin"),
    ];
    let config = load(GOOD, &environment).expect("good");
    assert_eq!(config.server.listen, "0.0.0.0:80".parse().expect("address"));
    assert_eq!(config.server.allowed_hosts, ["a.example", "b.example:8080"]);
    assert_eq!(config.server.requests_per_caller, 4);
    let secret = config
        .broker
        .and_then(|broker| broker.client_secret)
        .expect("secret");
    assert_eq!(secret.expose(), "from-file");
    assert!(!format!("{secret:?}").contains("from-file"));
    std::fs::remove_file(&file).expect("removed");
}

#[test]
fn a_gateway_without_a_broker_is_for_one_user_on_loopback() {
    let basic = r#"
        [server]
        public_url = "http://localhost:4282"
        [nextcloud]
        url = "http://localhost:8080"
        credentials = "basic"
        basic = { username = "alice", password = "app-password" }
    "#;
    let config = load(basic, &[]).expect("good");
    assert!(config.broker.is_none());
    assert!(
        config
            .server
            .allowed_origins
            .contains(&"http://localhost:*".to_owned())
    );
    assert_eq!(
        problems(basic, &[("GATEWAY__SERVER__LISTEN", "0.0.0.0:4282")]),
        ["broker"]
    );
    assert_eq!(
        problems(basic, &[("GATEWAY__NEXTCLOUD__CREDENTIALS", "exchange")]),
        ["nextcloud.basic", "broker"]
    );
}

#[test]
fn pass_through_demands_the_second_audience() {
    let text = GOOD.to_owned() + "credentials = \"danger_pass_through\"\n";
    assert_eq!(problems(&text, &[]), ["nextcloud.audience"]);
    let config = load(&text, &[("GATEWAY__NEXTCLOUD__AUDIENCE", "nextcloud")]).expect("good");
    assert_eq!(config.nextcloud.credentials, Credentials::DangerPassThrough);
    assert_eq!(config.nextcloud.audience.as_deref(), Some("nextcloud"));
    assert_eq!(
        problems(GOOD, &[("GATEWAY__NEXTCLOUD__AUDIENCE", "nextcloud")]),
        ["nextcloud.audience"]
    );
}

#[test]
fn a_gateway_for_background_jobs_only_asks_the_broker_as_a_client() {
    let environment = [("GATEWAY__NEXTCLOUD__CREDENTIALS", "background_only")];
    let config = load(GOOD, &environment).expect("good");
    assert_eq!(config.nextcloud.credentials, Credentials::BackgroundOnly);
    let text = GOOD.replace("client_secret = \"s3cret\"", "");
    assert_eq!(problems(&text, &environment), ["broker.client_secret"]);
    let alone = r#"
        [server]
        public_url = "http://localhost:4282"
        [nextcloud]
        url = "http://localhost:8080"
    "#;
    assert_eq!(problems(alone, &environment), ["broker"]);
}

#[test]
fn tokens_never_travel_in_the_clear_by_default() {
    let text = GOOD.replace("https://mcp.example", "http://mcp.example");
    assert_eq!(problems(&text, &[]), ["server.public_url"]);
    let text = GOOD.replace("https://broker.example", "http://broker.example");
    assert_eq!(problems(&text, &[]), ["broker.issuer"]);
}

/// The operator's manual, as it is shipped.
const MANUAL: &str = include_str!("../../../deploy/mcp-gateway.toml");

#[test]
fn the_manual_is_a_configuration_that_starts() {
    let config = load(MANUAL, &[]).expect("good");
    assert!(crate::app::build(&config).is_ok());
    assert_eq!(config.server.resource(), "http://127.0.0.1:4282/mcp");
}

#[test]
fn the_manual_names_every_key_and_its_real_default() {
    // Every commented key switched on, but for what belongs to one way into Nextcloud only.
    let mut text = String::new();
    for line in MANUAL.lines() {
        let key = line.strip_prefix("# ").filter(|line| {
            line.split_once(" = ").is_some_and(|(key, _)| {
                key.chars()
                    .all(|character| character.is_ascii_lowercase() || character == '_')
            })
        });
        match key {
            Some(key) if key.starts_with("audience") || key.starts_with("basic") => {}
            Some(key) if key.starts_with("back_channel_url") => {}
            // These have no default.
            Some(key) if key.starts_with("metrics_listen") => {}
            Some(key) if key.starts_with("tls") => {}
            Some(key) if key.starts_with("otlp_endpoint") => {}
            Some(key) if key.starts_with("shutdown_delay") => {}
            // In place of client_secret, which the manual shows.
            Some(key) if key.starts_with("client_assertion") => {}
            _ => {
                text.push_str(key.unwrap_or(line));
                text.push('\n');
            }
        }
    }
    let (shown, silent) = (
        load(&text, &[]).expect("good"),
        load(MANUAL, &[]).expect("good"),
    );
    assert_eq!(format!("{shown:?}"), format!("{silent:?}"));
    for key in [
        "public_url",
        "listen",
        "tls",
        "allowed_hosts",
        "allowed_origins",
        "request_limit",
        "issuer",
        "back_channel_url",
        "client_id",
        "client_secret",
        "client_assertion",
        "downstream",
        "url",
        "credentials",
        "audience",
        "basic",
        "timeout",
        "read_limit",
        "otlp_endpoint",
    ] {
        assert!(
            MANUAL.lines().any(|line| line
                .trim_start_matches("# ")
                .starts_with(&format!("{key} = "))),
            "{key} is not in the manual"
        );
    }
}

#[test]
fn nothing_at_all_names_every_required_key() {
    let mut keys = problems("", &[]);
    keys.sort();
    assert_eq!(keys, ["broker", "nextcloud.url", "server.public_url"]);
}

#[test]
fn tls_is_two_paths_and_wants_an_https_url() {
    let environment = [
        ("GATEWAY__SERVER__TLS__CERTIFICATE", "/a.pem"),
        ("GATEWAY__SERVER__TLS__KEY", "/a.key"),
    ];
    let config = load(GOOD, &environment).expect("good");
    let files = config.server.tls.expect("files");
    assert_eq!(files.certificate, PathBuf::from("/a.pem"));
    assert_eq!(files.key, PathBuf::from("/a.key"));

    assert_eq!(problems(GOOD, &environment[..1]), ["server.tls.key"]);
    let plain = GOOD.replace("https://mcp.example", "http://127.0.0.1:4282");
    assert_eq!(problems(&plain, &environment), ["server.public_url"]);
    // Whoever pastes the key itself must not find it in a message.
    let pasted = [
        environment[0],
        (environment[1].0, "-----BEGIN PRIVATE KEY-----\nabc"),
    ];
    assert_eq!(problems(GOOD, &pasted), ["server.tls.key"]);
    let said = load(GOOD, &pasted).expect_err("a key").to_string();
    assert!(!said.contains("abc"), "{said}");
}
