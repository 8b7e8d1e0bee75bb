//! The part of the story that is told from the other side: what Nextcloud saw, what the broker
//! wrote down, and that no token was left anywhere.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::CREATE_NOTE;
use super::narrator::{Narrator, plain, scopes};
use crate::deployment::Deployment;
use crate::http::Transcript;
use crate::idp::User;
use crate::nextcloud::{BearerClaims, Credential, NextcloudStandIn};
use crate::sinks::Sinks;

/// The longest life of a token for Nextcloud, in seconds (contract §3).
const LONGEST_LIFE: u64 = 60;
/// The strategy whose tokens are not the broker's.
const SESSION: &str = "session";
/// As many audit rows as one screen takes.
const ROWS: usize = 14;

/// What the stand-in Nextcloud saw of the call.
pub(super) fn nextcloud_saw(
    deployment: &Deployment,
    narrator: &mut Narrator<'_>,
    user: &User,
    note: &Value,
) -> Result<()> {
    let Some(nextcloud) = &deployment.nextcloud else {
        narrator.step("A real Nextcloud is used: look there for the note.")?;
        narrator.value("title", plain(&note["title"]))?;
        return Ok(());
    };
    narrator.step("Now from Nextcloud's side: what it saw.")?;
    let requests = nextcloud.observations().requests_of(&user.name);
    let created = requests
        .iter()
        .find(|request| request.method == "POST" && request.path.contains("/apps/notes/"))
        .context("Nextcloud saw no note being created")?;
    narrator.detail(format!(
        "{} {}   as {}",
        created.method, created.path, user.name
    ))?;
    if deployment.strategy() == SESSION {
        ensure!(
            created.credential == Credential::OpaqueBearer,
            "the note was created with {:?}",
            created.credential
        );
        narrator
            .detail("with the token that Nextcloud's own app `oauth2` gave at this login: the")?;
        narrator.detail("broker keeps it sealed, and the agent has never seen it.")?;
        return no_rule_was_broken(nextcloud, narrator);
    }
    let claims = created
        .claims
        .as_ref()
        .context("the note was created without a JWT")?;
    match deployment.strategy() {
        "mint" => minted(deployment, narrator, user, claims)?,
        _ => exchanged(deployment, narrator, claims)?,
    }
    no_rule_was_broken(nextcloud, narrator)?;
    narrator.detail("This token served one tool call.")
}

/// The token is the identity provider's, made for Nextcloud at the broker's request.
fn exchanged(
    deployment: &Deployment,
    narrator: &mut Narrator<'_>,
    claims: &BearerClaims,
) -> Result<()> {
    narrator.detail(
        "with a token of the identity provider, which exchanged that of the login (RFC 8693):",
    )?;
    narrator.members(
        &Value::Object(claims.all().clone()),
        &[
            ("iss", "the identity provider, which Nextcloud trusts"),
            ("aud", "Nextcloud; the login's own token is for the broker"),
            ("sub", "the person, as the identity provider names them"),
            ("preferred_username", "the Nextcloud account"),
        ],
    )?;
    ensure!(
        claims.iss() == Some(deployment.upstream_issuer()),
        "the issuer is {:?}",
        claims.iss()
    );
    for_nextcloud_only(claims)
}

fn for_nextcloud_only(claims: &BearerClaims) -> Result<()> {
    ensure!(
        claims.aud() == ["nextcloud"],
        "the audience is {:?}",
        claims.aud()
    );
    Ok(())
}

/// The token is the broker's own.
fn minted(
    deployment: &Deployment,
    narrator: &mut Narrator<'_>,
    user: &User,
    claims: &BearerClaims,
) -> Result<()> {
    let life = claims.lifetime().context("a token without iat or exp")?;
    narrator
        .detail("with a token that user_oidc accepted, because the broker is a provider there:")?;
    narrator.members(
        &Value::Object(claims.all().clone()),
        &[
            ("iss", ""),
            ("aud", "Nextcloud, and nothing else"),
            ("sub", "the Nextcloud account"),
            ("act", "who acts for it: the gateway (RFC 8693 §4.1)"),
            ("client_id", ""),
            ("scope", ""),
        ],
    )?;
    narrator.value("life", format!("{life} s"))?;
    for_nextcloud_only(claims)?;
    ensure!(
        claims.sub() == Some(user.name.as_str()),
        "the subject is {:?}",
        claims.sub()
    );
    let gateway = deployment.gateway_credentials().0;
    ensure!(
        claims.act_sub() == Some(gateway),
        "the actor is {:?}",
        claims.act_sub()
    );
    ensure!(life <= LONGEST_LIFE, "the token lives {life} s");
    Ok(())
}

fn no_rule_was_broken(nextcloud: &NextcloudStandIn, narrator: &mut Narrator<'_>) -> Result<()> {
    let broken = nextcloud.observations().violations();
    ensure!(
        broken.is_empty(),
        "the gateway broke Nextcloud's rules: {broken:?}"
    );
    narrator.detail("No request of the gateway carried a cookie.")
}

/// The audit rows, oldest first.
pub(super) async fn audit(deployment: &Deployment, narrator: &mut Narrator<'_>) -> Result<()> {
    narrator.step("The broker wrote down what happened. The last rows of its audit:")?;
    let rows = deployment.audit(&format!("limit={ROWS}")).await?;
    for row in rows.iter().rev() {
        let members = ["client_id", "tool", "downstream"];
        let members = members
            .iter()
            .filter_map(|name| Some(format!("{name}={}", row[*name].as_str()?)));
        let scope = row.get("scope");
        let scope = scope.map(|scope| format!("scope={}", scopes(scope)));
        let rest = members.chain(scope).collect::<Vec<_>>().join(" ");
        let (event, outcome) = (plain(&row["event"]), plain(&row["outcome"]));
        narrator.detail(format!("{event:<24} {outcome:<8} {rest}"))?;
    }
    let exchanges = deployment.audit("event=exchange.granted&limit=100").await?;
    if !exchanges
        .iter()
        .any(|row| row["tool"] == json!(CREATE_NOTE))
    {
        bail!("no audit row tells of the exchange for {CREATE_NOTE}");
    }
    Ok(())
}

/// Searches database and logs for every token that must not be there.
pub(super) fn stored_nowhere(
    deployment: &Deployment,
    narrator: &mut Narrator<'_>,
    refresh_tokens: &[String],
) -> Result<()> {
    narrator.step("And the tokens? A search through the database files and all logs.")?;
    let sinks = Sinks::collect(deployment, &Transcript::default())?;
    let nextcloud = deployment.nextcloud.as_ref();
    let seen = nextcloud.map(|nextcloud| nextcloud.observations().bearer_tokens());
    let seen = seen.unwrap_or_default();
    for token in seen.iter().chain(refresh_tokens) {
        let places = sinks.with(token);
        ensure!(places.is_empty(), "a token lies in: {}", places.join(", "));
    }
    let sizes: Vec<_> = sinks
        .sizes()
        .into_iter()
        .filter(|(_, bytes)| *bytes > 0)
        .map(|(name, bytes)| format!("{name} ({} KiB)", bytes.div_ceil(1024)))
        .collect();
    narrator.detail(format!(
        "{} Nextcloud tokens and {} refresh tokens looked for in {}: none is there.",
        seen.len(),
        refresh_tokens.len(),
        sizes.join(" and ")
    ))?;
    narrator.detail("Refresh tokens are kept as SHA-256 only.")?;
    narrator.detail(match deployment.strategy() {
        SESSION => {
            "Nextcloud's tokens of the logins are kept sealed, as long as the sessions live."
        }
        "upstream_exchange" => {
            "The provider's tokens of the logins are kept sealed; Nextcloud's are not kept at all."
        }
        _ => "Nextcloud tokens are not kept at all.",
    })
}
