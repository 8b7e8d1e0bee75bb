//! The configuration files of the two programs, as an operator would write them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Addresses, Options};
use crate::random;

/// The client id of the gateway at the broker.
pub(super) const GATEWAY_CLIENT_ID: &str = "mcp-gateway";
/// The downstream's name, and the audience of its tokens.
pub(super) const NEXTCLOUD: &str = "nextcloud";
/// The broker's client id at the identity provider.
pub(super) const BROKER_CLIENT_ID: &str = "mcp-token-broker";

/// The same of the one for background access.
pub(super) const OFFLINE_CLIENT_ID: &str = "mcp-token-broker-offline";

/// Secrets that the parts share.
#[derive(Clone, Debug)]
pub(super) struct Secrets {
    pub(super) gateway: String,
    pub(super) upstream: String,
    pub(super) offline: String,
}

impl Secrets {
    pub(super) fn generate() -> Self {
        Self {
            gateway: random::token(),
            upstream: random::token(),
            offline: random::token(),
        }
    }
}

/// Where users log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpstreamKind {
    /// At an OpenID provider.
    Oidc,
    /// At Nextcloud, through its bundled app `oauth2`.
    NextcloudOauth2,
    /// At Nextcloud, through its app `oidc`.
    NextcloudOidc,
}

impl UpstreamKind {
    /// The `[upstream]` keys that depend on it.
    fn keys(self, options: &Options) -> Value {
        match self {
            Self::Oidc => {
                let mut scopes = vec!["openid", "profile", "email"];
                if options.strategy == "session" {
                    // Else a session lasts as long as one access token.
                    scopes.push("offline_access");
                }
                json!({ "kind": "oidc", "scopes": scopes, "uid_claim": options.uid_claim })
            }
            Self::NextcloudOauth2 => json!({ "kind": "nextcloud_oauth2" }),
            Self::NextcloudOidc => json!({ "kind": "nextcloud_oidc" }),
        }
    }
}

/// The upstream identity provider, as the broker sees it.
#[derive(Clone, Debug)]
pub(super) struct UpstreamConfig {
    pub(super) kind: UpstreamKind,
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
}

/// The broker's configuration for one replica, listening on its own ports.
pub(super) fn broker(
    options: &Options,
    addresses: &Addresses,
    replica: usize,
    upstream: &UpstreamConfig,
    secrets: &Secrets,
    key_file: &Path,
) -> Value {
    let mcp_url = addresses.mcp_url();
    let mut config = json!({
        "server": {
            "issuer": addresses.issuer(),
            "listen": addresses.broker_listen(replica).to_string(),
        },
        "admin": { "listen": addresses.admin_listen(replica).to_string() },
        "database": { "url": options.database },
        "keys": { "encryption": [{ "id": "1", "key": { "file": key_file } }] },
        "upstream": {
            "issuer": upstream.issuer,
            "client_id": upstream.client_id,
            "client_secret": upstream.client_secret,
        },
        // Every client of an installation like this is on this machine, and so is the person.
        "consent": { "danger_remember_native_apps": true },
        // All tests register from one address.
        "registration": { "policy": options.registration, "attempts_per_hour": 100_000 },
        "limits": {
            "pages_per_minute": 0,
            "pages_per_minute_in_total": 0,
            "refusals_per_minute": 0,
            "refusals_per_minute_in_total": 0,
        },
        "resources": [{
            "id": mcp_url,
            "name": "Nextcloud tools",
            "default": true,
            "downstreams": [NEXTCLOUD],
            "scopes": scopes(),
        }],
        "downstreams": [{
            "name": NEXTCLOUD,
            "uri": options.nextcloud_url(addresses),
            "audience": NEXTCLOUD,
            "strategy": options.strategy,
        }],
        "clients": [{
            "client_id": GATEWAY_CLIENT_ID,
            "client_secret": secrets.gateway,
            "name": "MCP gateway",
            "redirect_uris": [],
            "serves": [mcp_url],
            "exchange": [NEXTCLOUD],
        }],
    });
    if let Value::Object(keys) = upstream.kind.keys(options) {
        for (key, value) in keys {
            config["upstream"][key] = value;
        }
    }
    if options.strategy == "upstream_exchange" && options.upstream.is_none() {
        config["upstream"]["offline"] = json!({
            "client_id": OFFLINE_CLIENT_ID,
            "client_secret": secrets.offline,
        });
    }
    if let Some(certificates) = options.certificates() {
        config["server"]["tls"] = certificates.keys();
        config["admin"]["tls"] = certificates.keys();
    }
    if let Some(adjust) = &options.adjust_broker {
        adjust(&mut config, addresses);
    }
    config
}

/// The scopes of the gateway's tools, with what the consent page says about them.
fn scopes() -> Value {
    json!({
        "notes.read": "Read your notes",
        "notes.write": "Create, change and delete your notes",
        "calendar.read": "Read your calendars and events, and ask when people are busy",
        "calendar.write": "Create, change and delete your calendars and events, and invite people",
        "todo.read": "Read your tasks",
        "todo.write": "Create, change and delete your tasks",
        "contacts.read": "Read your address books and contacts",
        "contacts.write": "Create, change and delete your address books and contacts",
        "cookbook.read": "Read your recipes",
        "cookbook.write": "Create, change, import and delete your recipes",
        "deck.read": "Read your Deck boards and cards",
        "deck.write": "Create, change and delete your Deck boards and cards",
        "tables.read": "Read your tables",
        "tables.write": "Add, change and delete rows of your tables",
        "files.read": "Read your files and folders",
        "files.write": "Create, change and delete your files and folders",
        "sharing.read": "See with whom your files are shared",
        "sharing.write": "Share your files and end shares",
    })
}

/// The gateway's configuration.
pub(super) fn gateway(options: &Options, addresses: &Addresses, secrets: &Secrets) -> Value {
    let mut config = json!({
        "server": {
            "public_url": addresses.gateway_url(),
            "listen": addresses.gateway_listen().to_string(),
        },
        "broker": {
            "issuer": addresses.issuer(),
            "client_id": GATEWAY_CLIENT_ID,
            "client_secret": secrets.gateway,
            "downstream": NEXTCLOUD,
        },
        "nextcloud": {
            "url": options.nextcloud_url(addresses),
            "credentials": "exchange",
        },
    });
    if let Some(certificates) = options.certificates() {
        config["server"]["tls"] = certificates.keys();
    }
    if let Some(adjust) = &options.adjust_gateway {
        adjust(&mut config, addresses);
    }
    config
}

/// Writes a configuration file that only its owner can read.
pub(super) fn write(path: PathBuf, config: &Value) -> Result<PathBuf> {
    write_private(&path, &toml::to_string(config).context("TOML")?)?;
    Ok(path)
}

/// Writes an encryption key: 32 bytes in base64.
///
/// A database that lives longer than this installation gets a key that follows from its URL, since
/// what was sealed in it must open again the next time. That is no secret, and for a demo only.
pub(super) fn write_encryption_key(options: &Options) -> Result<PathBuf> {
    let own = options.data_dir.to_string_lossy();
    let key = if options.database.contains(own.as_ref()) {
        random::bytes::<32>().to_vec()
    } else {
        digest::digest(&digest::SHA256, options.database.as_bytes())
            .as_ref()
            .to_vec()
    };
    let path = options.data_dir.join("encryption.key");
    write_private(&path, &STANDARD.encode(key))?;
    Ok(path)
}

fn write_private(path: &Path, content: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    fs::write(path, content).with_context(|| format!("write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
