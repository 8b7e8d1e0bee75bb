//! Rules between keys: what each key alone cannot show.

use std::collections::HashSet;
use std::hash::Hash;

use url::{Host, Url};

use super::read::Problems;
use super::{AuthenticationMethod, Config};
use crate::crypto::Cipher;
use crate::upstream::{Kind, check_parameters};

/// Writes down what does not fit together.
pub(super) fn check(config: &Config, problems: &Problems) {
    issuer(config, problems);
    upstream(config, problems);
    background_access(config, problems);
    encryption(config, problems);
    resources(config, problems);
    clients(config, problems);
    allowed_clients(config, problems);
    administrators(config, problems);
    webhooks(config, problems);
}

fn webhooks(config: &Config, problems: &Problems) {
    let receivers = &config.webhooks.receivers;
    unique(
        problems,
        receivers.iter().map(|receiver| &receiver.client_id),
        |index| format!("webhooks.receivers[{index}].client_id"),
    );
    if !receivers.is_empty() && config.nextcloud.admin_user.is_none() {
        problems.add(
            "webhooks.receivers",
            "need nextcloud.admin_user: only an administrator may register webhooks",
        );
    }
    if !receivers.is_empty() && config.nextcloud_url().is_none() {
        problems.add(
            "webhooks.receivers",
            "need nextcloud.url, where no downstream says it: webhooks are registered there",
        );
    }
}

fn administrators(config: &Config, problems: &Problems) {
    let admin = &config.admin;
    if config.server.listen == admin.listen && config.server.listen.port() != 0 {
        problems.add("admin.listen", "must differ from server.listen");
    }
    let has_groups = !admin.read_groups.is_empty() || !admin.write_groups.is_empty();
    let Some(audience) = &admin.audience else {
        if has_groups {
            problems.add(
                "admin.audience",
                "is missing: the groups count for tokens of an audience of their own",
            );
        }
        return;
    };
    let others = config.resources.iter().map(|resource| resource.id.as_str());
    let others = others
        .chain(config.downstreams.iter().map(|one| one.audience.as_str()))
        .chain([config.upstream.client_id.as_str(), &config.server.issuer])
        .chain(
            config
                .upstream
                .offline
                .iter()
                .map(|one| one.client_id.as_str()),
        );
    if audience.is_empty() || others.into_iter().any(|other| other == audience) {
        // Tokens for something else would administer.
        problems.add(
            "admin.audience",
            "must be an audience of its own: no resource, no downstream, no client id of ours at the \
             provider",
        );
    }
    if !has_groups {
        problems.add(
            "admin.write_groups",
            "is empty, and so is admin.read_groups: nobody administers by group",
        );
    }
    if config.upstream.kind == Kind::NextcloudOauth2 {
        problems.add(
            "admin.audience",
            "needs an OpenID provider: the bundled oauth2 app issues no JWTs",
        );
    }
}

fn issuer(config: &Config, problems: &Problems) {
    const KEY: &str = "server.issuer";
    let issuer = &config.server.issuer;
    let Ok(url) = Url::parse(issuer) else {
        problems.add(KEY, "must be a URL, such as https://mcp.example");
        return;
    };
    // RFC 8414 §2.
    if url.query().is_some() || url.fragment().is_some() {
        problems.add(KEY, "must not have a query or fragment");
    } else if issuer.ends_with('/') {
        problems.add(KEY, "must not end with a slash");
    } else if url.as_str().trim_end_matches('/') != issuer
        || !url.username().is_empty()
        || url.password().is_some()
    {
        // Clients compare it byte for byte, some of them after normalising their side.
        problems.add(
            KEY,
            "must be written in its normal form: lower-case host, no default port, no user",
        );
    }
    match url.scheme() {
        "https" => {}
        _ if config.server.tls.is_some() => {
            problems.add(
                KEY,
                "must be https: with server.tls the broker answers nothing else",
            );
        }
        "http" if is_loopback(&url) => {}
        _ => problems.add(KEY, "must be https; http is for loopback addresses only"),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn upstream(config: &Config, problems: &Problems) {
    let upstream = &config.upstream;
    let url = Url::parse(&upstream.issuer)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    if url.is_none_or(|url| url.query().is_some() || url.fragment().is_some()) {
        problems.add(
            "upstream.issuer",
            "must be an http or https URL without query and fragment",
        );
    }
    if let Err(error) = check_parameters(&upstream.authorize_parameters) {
        problems.add("upstream.authorize_parameters", error.to_string());
    }
    client_at_provider(
        "upstream",
        upstream.client_authentication,
        upstream.client_secret.is_some(),
        upstream.kind,
        problems,
    );
}

/// How a client of ours proves itself at the identity provider.
fn client_at_provider(
    section: &str,
    authentication: AuthenticationMethod,
    has_secret: bool,
    kind: Kind,
    problems: &Problems,
) {
    let public = authentication == AuthenticationMethod::None;
    if !has_secret && !public {
        problems.add(
            format!("{section}.client_secret"),
            format!("is missing; without one set {section}.client_authentication to none"),
        );
    }
    if has_secret && public {
        problems.add(
            format!("{section}.client_secret"),
            "is never sent with client_authentication none; remove one of them",
        );
    }
    if public && kind != Kind::Oidc {
        problems.add(
            format!("{section}.client_authentication"),
            format!("Nextcloud's apps know no public clients: set {section}.client_secret instead"),
        );
    }
}

/// Our client for background access, where a downstream needs it.
fn background_access(config: &Config, problems: &Problems) {
    let mut needing = config
        .downstreams
        .iter()
        .filter(|one| one.offline && one.strategy.needs_upstream_tokens());
    let Some(offline) = &config.upstream.offline else {
        if let Some(downstream) = needing.next() {
            problems.add(
                "upstream.offline",
                format!(
                    "is missing: background access at {} with strategy {} needs a client of its own at \
                     the provider, with {}/oauth/callback-nextcloud as its redirect URI",
                    downstream.name,
                    downstream.strategy.as_str(),
                    config.server.issuer,
                ),
            );
        }
        return;
    };
    if let Err(error) = check_parameters(&offline.authorize_parameters) {
        problems.add("upstream.offline.authorize_parameters", error.to_string());
    }
    if offline.client_id == config.upstream.client_id {
        // What it is given must be told from what logins are given, here and there.
        problems.add(
            "upstream.offline.client_id",
            "must be a client of its own, not that of upstream.client_id",
        );
    }
    client_at_provider(
        "upstream.offline",
        offline.client_authentication,
        offline.client_secret.is_some(),
        config.upstream.kind,
        problems,
    );
}

fn encryption(config: &Config, problems: &Problems) {
    let keys = &config.keys.encryption;
    unique(problems, keys.iter().map(|key| key.id.as_str()), |index| {
        format!("keys.encryption[{index}].id")
    });
    for (index, key) in keys.iter().enumerate() {
        if key.id.is_empty() || key.id.len() > Cipher::LONGEST_KEY_ID {
            problems.add(
                format!("keys.encryption[{index}].id"),
                "must have 1 to 255 bytes",
            );
        }
    }
}

fn resources(config: &Config, problems: &Problems) {
    if config.resources.is_empty() {
        problems.add(
            "resources",
            "is missing: name at least one protected MCP server in [[resources]]",
        );
    }
    unique(
        problems,
        config.resources.iter().map(|resource| &resource.id),
        |index| format!("resources[{index}].id"),
    );
    unique(
        problems,
        config.downstreams.iter().map(|downstream| &downstream.name),
        |index| format!("downstreams[{index}].name"),
    );
    unique(
        problems,
        config.downstreams.iter().map(|downstream| &downstream.uri),
        |index| format!("downstreams[{index}].uri"),
    );
    let defaults = || config.resources.iter().enumerate();
    for (index, _) in defaults().filter(|(_, resource)| resource.default).skip(1) {
        problems.add(
            format!("resources[{index}].default"),
            "another resource is the default already",
        );
    }
    let names: HashSet<_> = config.downstreams.iter().map(|entry| &entry.name).collect();
    for (index, resource) in config.resources.iter().enumerate() {
        for name in &resource.downstreams {
            if !names.contains(name) {
                problems.add(
                    format!("resources[{index}].downstreams"),
                    format!("there is no [[downstreams]] entry of the name {name}"),
                );
            }
        }
        let taken = config.resources.iter().enumerate().any(|(other, entry)| {
            other != index
                && resource
                    .aliases
                    .iter()
                    .any(|alias| alias == entry.id.as_str() || entry.aliases.contains(alias))
        });
        if taken {
            problems.add(
                format!("resources[{index}].aliases"),
                "another resource has the same identifier",
            );
        }
    }
}

fn clients(config: &Config, problems: &Problems) {
    unique(
        problems,
        config.clients.iter().map(|client| &client.client_id),
        |index| format!("clients[{index}].client_id"),
    );
    let resources: HashSet<_> = config.resources.iter().map(|entry| &entry.id).collect();
    let downstreams: HashSet<_> = config.downstreams.iter().map(|entry| &entry.name).collect();
    let receivers = config.webhooks.receivers.iter();
    let told: HashSet<_> = receivers.map(|entry| &entry.client_id).collect();
    for (index, client) in config.clients.iter().enumerate() {
        if client.background && client.exchange.is_empty() && !told.contains(&client.client_id) {
            problems.add(
                format!("clients[{index}].exchange"),
                "is missing: a background client needs a downstream, or events \
                 (webhooks.receivers)",
            );
        }
        for id in client.serves.iter().filter(|id| !resources.contains(id)) {
            problems.add(
                format!("clients[{index}].serves"),
                format!("there is no [[resources]] entry with the id {id}"),
            );
        }
        for name in client
            .exchange
            .iter()
            .filter(|name| !downstreams.contains(name))
        {
            problems.add(
                format!("clients[{index}].exchange"),
                format!("there is no [[downstreams]] entry of the name {name}"),
            );
        }
    }
}

/// A client is described once: by itself, by `[[clients]]`, or by its redirect URIs.
fn allowed_clients(config: &Config, problems: &Problems) {
    let entries = &config.registration.allowed_clients;
    for (index, entry) in entries.iter().enumerate() {
        let key = format!("registration.allowed_clients[{index}]");
        let id = &entry.client_id;
        if config.clients.iter().any(|client| client.client_id == *id) {
            problems.add(key, "is in [[clients]] already");
        } else if entries.iter().enumerate().any(|(other, earlier)| {
            other < index
                && earlier.client_id == *id
                && (earlier == entry
                    || earlier.redirect_uri.is_none() != entry.redirect_uri.is_none())
        }) {
            problems.add(
                key,
                "is there twice; either every entry of a client names a redirect URI, or one does not",
            );
        }
    }
}

/// Writes down each value that stood before.
fn unique<T: Eq + Hash>(
    problems: &Problems,
    values: impl Iterator<Item = T>,
    key: impl Fn(usize) -> String,
) {
    let mut seen = HashSet::new();
    for (index, value) in values.enumerate() {
        if !seen.insert(value) {
            problems.add(key(index), "is there twice");
        }
    }
}
