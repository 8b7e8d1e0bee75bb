//! `[[resources]]` and `[[downstreams]]`: what tokens are for.

use std::collections::BTreeMap;
use std::time::Duration;

use broker_client::oauth::Scope;

use super::read::Section;
use crate::domain::{DownstreamName, ResourceUri, Strategy};

/// An entry of `[[resources]]`: a protected MCP server that access tokens are issued for.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its identifier (RFC 8707), the `aud` of its tokens: the URL that clients connect to.
    ///
    /// Required. `BROKER__RESOURCES__0__ID`.
    pub id: ResourceUri,
    /// Its name on the consent page.
    ///
    /// Default: the id. `BROKER__RESOURCES__0__NAME`.
    pub name: String,
    /// Whether it is meant when a client names no resource; one at most.
    ///
    /// Default `false`; the only resource is the default all the same.
    /// `BROKER__RESOURCES__0__DEFAULT`.
    pub default: bool,
    /// More identifiers by which clients may ask for it.
    ///
    /// Default `[]`. `BROKER__RESOURCES__0__ALIASES`. For clients that still send an older name.
    pub aliases: Vec<String>,
    /// The downstreams whose tokens its server may ask for.
    ///
    /// Default `[]`. `BROKER__RESOURCES__0__DOWNSTREAMS`.
    pub downstreams: Vec<DownstreamName>,
    /// Its scopes, each with a sentence for the consent page.
    ///
    /// Required: a token without scopes calls nothing. `BROKER__RESOURCES__0__SCOPES`.
    pub scopes: BTreeMap<String, String>,
    /// The scopes that are granted to a client that asks for none.
    ///
    /// Default: all of them. `BROKER__RESOURCES__0__DEFAULT_SCOPES`. Fewer, so that clients ask
    /// for more only when a tool needs it.
    pub default_scopes: Scope,
}

impl Resource {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let id: Option<ResourceUri> = section.required("id", "the URL that MCP clients connect to");
        let name = section.optional("name");
        let default = section.or("default", false);
        let aliases = section.list("aliases");
        let downstreams = section.list("downstreams");
        let scopes: BTreeMap<String, String> = section.map("scopes").into_iter().collect();
        let known = Scope::from_tokens(scopes.keys());
        match &known {
            Ok(known) if known.is_empty() => section.problem(
                "scopes",
                r#"is missing: one line for each, such as "notes.read" = "Read your notes""#,
            ),
            Ok(_) => {}
            Err(error) => section.problem("scopes", error.to_string()),
        }
        let known = known.unwrap_or_default();
        let default_scopes = default_scopes(&mut section, &known);
        section.finish();
        let id = id?;
        Some(Self {
            name: name.unwrap_or_else(|| id.to_string()),
            id,
            default,
            aliases,
            downstreams,
            scopes,
            default_scopes,
        })
    }
}

fn default_scopes(section: &mut Section<'_>, known: &Scope) -> Scope {
    let written: Vec<String> = section.list("default_scopes");
    if written.is_empty() {
        return known.clone();
    }
    match Scope::from_tokens(written) {
        Ok(scope) if scope.is_subset_of(known) => scope,
        Ok(scope) => {
            section.problem(
                "default_scopes",
                format!(
                    "names scopes that are not under scopes: {}",
                    scope.difference(known)
                ),
            );
            scope
        }
        Err(error) => {
            section.problem("default_scopes", error.to_string());
            Scope::new()
        }
    }
}

/// An entry of `[[downstreams]]`: an API that ephemeral tokens are for.
#[derive(Debug, Clone)]
pub struct Downstream {
    /// Its name: the `audience` of exchange requests.
    ///
    /// Required. `BROKER__DOWNSTREAMS__0__NAME`.
    pub name: DownstreamName,
    /// Its URI, which exchange requests may use as `resource`.
    ///
    /// Required. `BROKER__DOWNSTREAMS__0__URI`.
    pub uri: ResourceUri,
    /// The `aud` of its tokens: for Nextcloud the client id of the broker's provider entry in
    /// `user_oidc`.
    ///
    /// Default: the name. `BROKER__DOWNSTREAMS__0__AUDIENCE`.
    pub audience: String,
    /// How a token for it comes about: `mint` (the broker signs it), `session` (the provider's
    /// access token of this login) or `upstream_exchange` (the provider exchanges that token,
    /// RFC 8693). The last two need `keys.encryption`.
    ///
    /// Default `mint`. `BROKER__DOWNSTREAMS__0__STRATEGY`. `docs/strategies.md` helps to choose.
    pub strategy: Strategy,
    /// The longest life of a token for it: enough to begin one call.
    ///
    /// Default `60s`, which is also the most. `BROKER__DOWNSTREAMS__0__TOKEN_LIFETIME`. Shorter
    /// where clocks agree and calls are quick.
    pub token_lifetime: Duration,
    /// The scope that the provider is asked for with strategy `upstream_exchange`.
    ///
    /// Default `[]`: nothing is said about scope. `BROKER__DOWNSTREAMS__0__EXCHANGE_SCOPE`. For
    /// providers that give the audience with a scope only; their words, not the resource's.
    pub exchange_scope: Scope,
    /// Whether users may allow background jobs to act for them here while they are away.
    ///
    /// Default `false`. `BROKER__DOWNSTREAMS__0__OFFLINE`. It takes effect for clients with
    /// `background = true`. With another strategy than `mint` it needs `upstream.offline` and
    /// `keys.encryption`.
    pub offline: bool,
    /// Whether the sessions of callers get tokens for it, by the strategy.
    ///
    /// Default `true`. `BROKER__DOWNSTREAMS__0__SESSIONS`. `false` where background jobs alone may
    /// reach it: then gateways have `credentials = "background_only"`. Needs `offline = true`.
    pub sessions: bool,
}

impl Downstream {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let name: Option<DownstreamName> = section.required("name", "a short name for the API");
        let uri = section.required("uri", "the base URL of the API");
        let audience = section.optional("audience");
        let strategy = section.or("strategy", Strategy::Mint);
        let token_lifetime = section.checked(
            "token_lifetime",
            Duration::from_mins(1),
            |duration| (Duration::from_secs(5)..=Duration::from_mins(1)).contains(duration),
            "must be from 5s to 60s",
        );
        let exchange_scope = exchange_scope(&mut section, strategy);
        let offline = section.or("offline", false);
        let sessions = section.or("sessions", true);
        if !sessions && !offline {
            section.problem(
                "sessions",
                "is false, and so is offline: nobody could get a token; set offline = true",
            );
        }
        section.finish();
        let name = name?;
        Some(Self {
            audience: audience.unwrap_or_else(|| name.to_string()),
            name,
            uri: uri?,
            strategy,
            token_lifetime,
            exchange_scope,
            offline,
            sessions,
        })
    }
}

fn exchange_scope(section: &mut Section<'_>, strategy: Strategy) -> Scope {
    let written: Vec<String> = section.list("exchange_scope");
    if !written.is_empty() && strategy != Strategy::UpstreamExchange {
        section.problem(
            "exchange_scope",
            "is for strategy upstream_exchange only; remove one of them",
        );
    }
    Scope::from_tokens(written).unwrap_or_else(|error| {
        section.problem("exchange_scope", error.to_string());
        Scope::new()
    })
}
