//! Who the user is in Nextcloud, and what this Nextcloud can do.
//!
//! Any scope of this server is enough: every user of it may know both.

use http::Method;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Contents, Effect, Family, Needs, Resource, Tool, Variables};
use crate::{
    error::{About, Describe, ToolError},
    nextcloud::{Client, Request, Route},
};

/// The account and capabilities tools and resources.
pub(super) fn family() -> Family {
    Family {
        tools: vec![
            Tool::new("nc_whoami", Effect::Read, Needs::AnyScope, whoami)
                .described(
                    "Who am I in Nextcloud",
                    "Tells which Nextcloud account the other tools act as: user id, display name, \
                 e-mail address, groups, language, time zone and storage quota. Use it when the \
                 user asks about their account, or when you need their name, address or time zone.",
                )
                .calls(&["GET /ocs/v2.php/cloud/user"]),
            Tool::new(
                "nc_capabilities",
                Effect::Read,
                Needs::AnyScope,
                capabilities,
            )
            .described(
                "What this Nextcloud can do",
                "Tells the version of Nextcloud and the capabilities of its installed apps. Use it \
                 to find out whether an app or feature is there before relying on it; name one app \
                 to keep the answer short.",
            )
            .calls(&["GET /ocs/v2.php/cloud/capabilities"]),
        ],
        resources: vec![
            Resource::new(
                "nc://capabilities",
                "capabilities",
                Needs::AnyScope,
                read_capabilities,
            )
            .described(
                "Nextcloud capabilities",
                "The version of Nextcloud and the capabilities of its installed apps.",
                Some("application/json"),
            )
            .calls(&["GET /ocs/v2.php/cloud/capabilities"]),
        ],
    }
}

const ACCOUNT: About = About {
    what: std::borrow::Cow::Borrowed("The account"),
    find: "The user should sign in again.",
    app: "account",
};

#[derive(Deserialize, JsonSchema)]
struct NoArguments {}

/// The account as Nextcloud knows it.
#[derive(Serialize, JsonSchema)]
struct Account {
    /// The user id, as it appears in paths and shares.
    user_id: String,
    /// The name that others see.
    display_name: String,
    /// The e-mail address, if one is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// The groups that the user is in.
    groups: Vec<String>,
    /// The language of the user's interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// The user's time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    timezone: Option<String>,
    /// How much storage is used and free.
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<Quota>,
}

/// Storage, in bytes.
#[derive(Serialize, JsonSchema)]
struct Quota {
    /// Used bytes.
    used_bytes: i64,
    /// Free bytes; absent when there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    free_bytes: Option<i64>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    displayname: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    timezone: Option<String>,
    #[serde(default)]
    quota: Option<UserQuota>,
}

#[derive(Deserialize)]
struct UserQuota {
    #[serde(default)]
    used: Option<i64>,
    #[serde(default)]
    free: Option<i64>,
}

async fn whoami(client: Client, _: NoArguments) -> Result<Account, ToolError> {
    let request = Request::new(Method::GET, Route::ocs(["cloud", "user"]));
    let user: User = client.ocs(request).await.about(&ACCOUNT)?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Account {
        display_name: filled(user.displayname).unwrap_or_else(|| user.id.clone()),
        user_id: user.id,
        email: filled(user.email),
        groups: user.groups,
        language: filled(user.language),
        timezone: filled(user.timezone),
        quota: user.quota.and_then(|quota| {
            // Negative numbers are Nextcloud's words: unlimited, not computed, unknown.
            Some(Quota {
                used_bytes: quota.used?,
                free_bytes: quota.free.filter(|&free| free >= 0),
            })
        }),
    })
}

#[derive(Deserialize, JsonSchema)]
struct CapabilitiesArguments {
    /// Only the capabilities of this app, such as `notes` or `files_sharing`.
    #[serde(default)]
    app: Option<String>,
}

/// What this Nextcloud can do.
#[derive(Serialize, JsonSchema)]
struct ServerAbilities {
    /// The version of Nextcloud, such as "32.0.1".
    version: String,
    /// The names of all apps that announce capabilities.
    apps: Vec<String>,
    /// The capabilities by app, as Nextcloud gives them; with `app` only those of that app.
    capabilities: JsonObject,
}

#[derive(Deserialize, Serialize)]
struct Announced {
    version: Version,
    capabilities: JsonObject,
}

#[derive(Deserialize, Serialize)]
struct Version {
    string: String,
}

async fn announced(client: &Client) -> Result<Announced, ToolError> {
    let request = Request::new(Method::GET, Route::ocs(["cloud", "capabilities"]));
    client.ocs(request).await.about(&ACCOUNT)
}

async fn capabilities(
    client: Client,
    arguments: CapabilitiesArguments,
) -> Result<ServerAbilities, ToolError> {
    let Announced {
        version,
        mut capabilities,
    } = announced(&client).await?;
    let apps: Vec<String> = capabilities.keys().cloned().collect();
    if let Some(app) = arguments.app {
        if !apps.contains(&app) {
            return Err(ToolError::not_found(format!(
                "No app called \"{app}\" announces capabilities here. These do: {}.",
                apps.join(", ")
            )));
        }
        capabilities.retain(|name, _| *name == app);
    }
    Ok(ServerAbilities {
        version: version.string,
        apps,
        capabilities,
    })
}

async fn read_capabilities(client: Client, _: Variables) -> Result<Contents, ToolError> {
    Contents::json(&announced(&client).await?)
}
