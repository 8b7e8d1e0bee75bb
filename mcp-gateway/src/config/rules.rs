//! Which keys there are, their defaults, and the rules between them.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use broker_client::{http::is_secure, secret::Secret, server::TlsFiles};
use toml::Value;
use url::{Host, Url};

use super::{
    Account, Broker, Config, Credentials, Nextcloud, Server, Telemetry,
    reader::Section,
    value::{Count, FromValue, Size},
};

impl FromValue for Credentials {
    fn from_value(value: Value) -> Result<Self, String> {
        match String::from_value(value)?.as_str() {
            "exchange" => Ok(Self::Exchange),
            "basic" => Ok(Self::Basic),
            "danger_pass_through" => Ok(Self::DangerPassThrough),
            "background_only" => Ok(Self::BackgroundOnly),
            _ => {
                Err("has to be exchange, basic, danger_pass_through or background_only".to_owned())
            }
        }
    }
}

/// Reads the whole document; `None` when a problem was noted on the way.
pub(super) fn config(mut root: Section<'_>) -> Option<Config> {
    let (listen, server) = server(root.section("server"));
    let (credentials, nextcloud) = nextcloud(root.section("nextcloud"));
    let broker = if root.has("broker") {
        Some(broker(
            root.section("broker"),
            credentials.is_some_and(Credentials::needs_client),
        ))
    } else {
        without_broker(&mut root, credentials, listen);
        None
    };
    let telemetry = telemetry(root.section("telemetry"));
    root.finish();
    Some(Config {
        server: server?,
        broker: match broker {
            Some(broker) => Some(broker?),
            None => None,
        },
        nextcloud: nextcloud?,
        telemetry,
    })
}

/// Without a broker nobody is asked for a token, which only loopback makes bearable.
fn without_broker(root: &mut Section<'_>, credentials: Option<Credentials>, listen: SocketAddr) {
    match credentials {
        Some(
            Credentials::Exchange | Credentials::DangerPassThrough | Credentials::BackgroundOnly,
        ) => root.problem(
            "broker",
            "is missing: write [broker] with issuer, client_id and client_secret; only \
             nextcloud.credentials = \"basic\" works without it",
        ),
        Some(Credentials::Basic) if !listen.ip().is_loopback() => root.problem(
            "broker",
            "is missing: without it nobody needs a token, so server.listen has to be a loopback \
             address; add [broker] with its issuer to ask for tokens",
        ),
        Some(Credentials::Basic) | None => {}
    }
}

fn server(mut section: Section<'_>) -> (SocketAddr, Option<Server>) {
    let public_url: Option<Url> = section.required(
        "public_url",
        "the base URL under which clients reach the gateway, such as \"https://mcp.example.org\"",
    );
    if public_url.as_ref().is_some_and(|url| !is_secure(url)) {
        section.problem(
            "public_url",
            "has to be https unless it is a loopback address",
        );
    }
    let listen = section
        .optional("listen")
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 4282)));
    let tls = tls(&mut section);
    if tls.is_some()
        && public_url
            .as_ref()
            .is_some_and(|url| url.scheme() != "https")
    {
        let hint = "has to be https: with server.tls the gateway answers nothing else";
        section.problem("public_url", hint);
    }
    let metrics_listen = section.optional("metrics_listen");
    let allowed_hosts: Vec<String> = section.optional("allowed_hosts").unwrap_or_default();
    let allowed_origins: Vec<String> = section.optional("allowed_origins").unwrap_or_default();
    let request_limit = section.optional("request_limit").unwrap_or(Size(64 << 20));
    let call_timeout = section.optional("call_timeout");
    let requests_per_caller = section.optional("requests_per_caller");
    let shutdown_delay = section.optional("shutdown_delay");
    let shutdown_grace = section.optional("shutdown_grace");
    section.finish();
    let server = public_url.map(|public_url| Server {
        allowed_hosts: if allowed_hosts.is_empty() {
            default_hosts(&public_url, listen)
        } else {
            allowed_hosts
        },
        allowed_origins: if allowed_origins.is_empty() {
            default_origins(&public_url)
        } else {
            allowed_origins
        },
        public_url,
        listen,
        tls,
        metrics_listen,
        request_limit: request_limit.0,
        call_timeout: call_timeout.unwrap_or(Duration::from_mins(2)),
        requests_per_caller: requests_per_caller.unwrap_or(Count(16)).0,
        shutdown_delay: shutdown_delay.unwrap_or_default(),
        shutdown_grace: shutdown_grace.unwrap_or(Duration::from_secs(20)),
    });
    (listen, server)
}

/// `tls = { certificate = "…", key = "…" }`; what the files hold is not read here.
fn tls(section: &mut Section<'_>) -> Option<TlsFiles> {
    if !section.has("tls") {
        return None;
    }
    let mut tls = section.section("tls");
    let certificate = pem_file(
        &mut tls,
        "certificate",
        "the file with the certificate, in PEM",
    );
    let key = pem_file(&mut tls, "key", "the file with its private key, in PEM");
    tls.finish();
    Some(TlsFiles {
        certificate: certificate?,
        key: key?,
    })
}

fn pem_file(section: &mut Section<'_>, key: &str, hint: &str) -> Option<PathBuf> {
    let path: String = section.required(key, hint)?;
    if path.contains("-----") || path.is_empty() {
        // Else a later message would show a private key as the name of a file.
        section.problem(key, "has to be the path of a file, not what is in it");
        return None;
    }
    Some(path.into())
}

fn broker(mut section: Section<'_>, needs_client: bool) -> Option<Broker> {
    let issuer: Option<Url> = section.required(
        "issuer",
        "the broker's issuer, such as \"https://broker.example.org\"",
    );
    if issuer.as_ref().is_some_and(|url| !is_secure(url)) {
        section.problem(
            "issuer",
            "has to be https unless it is a loopback address; a plain address inside the cluster \
             belongs into broker.back_channel_url",
        );
    }
    let back_channel_url = section.optional("back_channel_url");
    let client_id: Option<String> = if needs_client {
        section.required("client_id", "the gateway's client id at the broker")
    } else {
        section.optional("client_id")
    };
    let client_assertion = assertion(&mut section);
    let client_secret: Option<Secret> = if needs_client && client_assertion.is_none() {
        section.required(
            "client_secret",
            "the gateway's secret at the broker, or { file = \"…\" }; a pod uses client_assertion",
        )
    } else {
        section.optional("client_secret")
    };
    if client_secret.is_some() && client_assertion.is_some() {
        section.problem(
            "client_assertion",
            "takes the place of client_secret: remove one of them",
        );
    }
    let downstream = section
        .optional("downstream")
        .unwrap_or_else(|| "nextcloud".to_owned());
    section.finish();
    Some(Broker {
        // Compared byte for byte with `iss`: url adds a slash to a bare origin, `iss` has none.
        issuer: issuer?.as_str().trim_end_matches('/').to_owned(),
        back_channel_url,
        client_id,
        client_secret,
        client_assertion,
        downstream,
    })
}

/// `client_assertion = { file = "…" }`: only where it is, since what is in it changes.
fn assertion(section: &mut Section<'_>) -> Option<PathBuf> {
    if !section.has("client_assertion") {
        return None;
    }
    let mut assertion = section.section("client_assertion");
    let file: Option<String> = assertion.required("file", "the path of the pod's token");
    assertion.finish();
    file.map(PathBuf::from)
}

fn nextcloud(mut section: Section<'_>) -> (Option<Credentials>, Option<Nextcloud>) {
    let url = section.required(
        "url",
        "the base URL of Nextcloud, such as \"https://cloud.example.org\"",
    );
    let credentials = if section.has("credentials") {
        section.optional("credentials")
    } else {
        Some(Credentials::Exchange)
    };
    let is = |wanted| credentials == Some(wanted);
    let audience = audience(&mut section, is(Credentials::DangerPassThrough));
    let basic = if is(Credentials::Basic) {
        account(section.section("basic"))
    } else {
        if section.has("basic") {
            let hint = "is only used with credentials = \"basic\": remove it";
            section.problem("basic", hint);
            // Taken out, so that it is not reported as unknown as well.
            drop(section.section("basic"));
        }
        None
    };
    let timeout = section.optional("timeout");
    let read_limit = section.optional("read_limit");
    section.finish();
    let nextcloud = url.zip(credentials).map(|(url, credentials)| Nextcloud {
        url,
        credentials,
        basic,
        audience,
        timeout: timeout.unwrap_or(Duration::from_secs(30)),
        read_limit: read_limit.unwrap_or(Size(10 << 20)).0,
    });
    (credentials, nextcloud)
}

fn telemetry(mut section: Section<'_>) -> Telemetry {
    let otlp_endpoint = section.optional("otlp_endpoint");
    section.finish();
    Telemetry { otlp_endpoint }
}

fn audience(section: &mut Section<'_>, is_needed: bool) -> Option<String> {
    if is_needed {
        return section.required(
            "audience",
            "the audience that Nextcloud accepts in the token",
        );
    }
    if section.has("audience") {
        let hint = "is only used with credentials = \"danger_pass_through\": remove it";
        section.problem("audience", hint);
    }
    section.optional("audience")
}

fn account(mut section: Section<'_>) -> Option<Account> {
    let username = section.required("username", "the account's login name");
    let password = section.required("password", "an app password, or { file = \"…\" }");
    section.finish();
    Some(Account {
        username: username?,
        password: password?,
    })
}

fn default_hosts(public_url: &Url, listen: SocketAddr) -> Vec<String> {
    let mut hosts: Vec<String> = authority(public_url).into_iter().collect();
    if !listen.ip().is_unspecified() {
        hosts.push(listen.to_string());
    }
    hosts.dedup();
    hosts
}

/// Browsers omit the default port in `Host`, so it is not asked for then.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(
        url.port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
    )
}

fn default_origins(public_url: &Url) -> Vec<String> {
    let mut origins = Vec::new();
    if let (Some(host), Some(port)) = (public_url.host_str(), public_url.port_or_known_default()) {
        origins.push(format!("{}://{host}:{port}", public_url.scheme()));
    }
    if is_loopback(public_url) {
        // Development: a browser-based client on this machine picks any port. A page from
        // elsewhere still has its own origin and stays refused.
        origins.extend(
            ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"].map(String::from),
        );
    }
    origins
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}
