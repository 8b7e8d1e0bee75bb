//! Resources added, changed and deleted by hand.

use std::collections::BTreeMap;

use broker_client::oauth::Scope;
use serde::Deserialize;

use super::body::{LONGEST_NAME, list, member, text};
use super::catalog::NO_RESOURCE;
use super::change::note;
use super::{AdminApi, AdminError, Administrator, Precondition, ResourceItem};
use crate::domain::{
    AuditEvent, AuditKind, Catalog, DownstreamName, Resource, ResourceUri, Timestamp,
};
use crate::storage::{StoredResource, Transaction};

/// The most scopes of a resource; all stand in the metadata.
const MOST_SCOPES: usize = 200;

/// The longest sentence about a scope, in characters.
const LONGEST_SENTENCE: usize = 300;

/// A resource to add.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewResource {
    /// Its identifier (RFC 8707), the `aud` of its tokens: the URL that clients connect to.
    id: String,
    /// Its name on the consent page; left out, its identifier.
    #[serde(default)]
    name: Option<String>,
    /// More identifiers by which clients may ask for it.
    #[serde(default)]
    aliases: Vec<String>,
    /// Its scopes, each with a sentence for the consent page; one at least.
    scopes: BTreeMap<String, String>,
    /// Granted when a client asks for none; left out, all of them.
    #[serde(default)]
    default_scopes: Option<String>,
    /// The downstreams whose tokens its server may ask for, by name.
    #[serde(default)]
    downstreams: Vec<String>,
    /// Whether it is meant when a client names none; one resource at most.
    #[serde(default)]
    default: bool,
}

/// What a resource is from now on: members that are left out are as for a new one.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceChanges {
    /// Its name on the consent page.
    #[serde(default)]
    name: Option<String>,
    /// More identifiers by which clients may ask for it.
    #[serde(default)]
    aliases: Vec<String>,
    /// Its scopes, each with a sentence for the consent page; one at least.
    scopes: BTreeMap<String, String>,
    /// Granted when a client asks for none.
    #[serde(default)]
    default_scopes: Option<String>,
    /// The downstreams whose tokens its server may ask for, by name.
    #[serde(default)]
    downstreams: Vec<String>,
    /// Whether it is meant when a client names none.
    #[serde(default)]
    default: bool,
}

impl AdminApi {
    /// Adds a resource: from now on there are tokens for it.
    ///
    /// # Errors
    /// [`AdminError::Body`] when a member does not fit; [`AdminError::Conflict`] when it clashes with
    /// another resource.
    pub async fn create_resource(
        &self,
        by: &Administrator,
        new: NewResource,
    ) -> Result<StoredResource, AdminError> {
        let now = self.ambient.now();
        let id = ResourceUri::parse(&new.id).map_err(|error| member("id", &error))?;
        let changes = ResourceChanges {
            name: new.name,
            aliases: new.aliases,
            scopes: new.scopes,
            default_scopes: new.default_scopes,
            downstreams: new.downstreams,
            default: new.default,
        };
        let created = StoredResource {
            resource: self.decide_resource(id, changes)?,
            seeded_version: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let transaction = self.store.begin().await?;
        let stored = locked(&transaction).await?;
        if stored
            .iter()
            .any(|other| other.resource.id == created.resource.id)
        {
            return Err(AdminError::Conflict(
                "There is a resource of this id already.",
            ));
        }
        check_others(&created.resource, stored)?;
        transaction.insert_resource(&created).await?;
        let kind = AuditKind::ResourceCreated;
        let event = audited(by, kind, now, None, Some(&created));
        self.commit(transaction, &[event]).await?;
        Ok(created)
    }

    /// Replaces what a resource is, but for its identifier. Sessions keep what was granted.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::PreconditionRequired`], [`AdminError::Changed`];
    /// [`AdminError::Body`] when a member does not fit; [`AdminError::Conflict`] when it clashes with
    /// another resource.
    pub async fn update_resource(
        &self,
        by: &Administrator,
        id: &str,
        precondition: &Precondition,
        changes: ResourceChanges,
    ) -> Result<StoredResource, AdminError> {
        let now = self.ambient.now();
        let transaction = self.store.begin().await?;
        let stored = locked(&transaction).await?;
        let before = named(&stored, id)?.clone();
        precondition.demands(&before)?;
        let decided = self.decide_resource(before.resource.id.clone(), changes)?;
        check_others(&decided, stored)?;
        let next = before.changed(decided, now);
        transaction.update_resource(&next).await?;
        let kind = AuditKind::ResourceUpdated;
        let event = audited(by, kind, now, Some(&before), Some(&next));
        self.commit(transaction, &[event]).await?;
        Ok(next)
    }

    /// Deletes a resource, and ends its sessions and the logins under way, on every replica.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Changed`].
    pub async fn delete_resource(
        &self,
        by: &Administrator,
        id: &str,
        precondition: &Precondition,
    ) -> Result<(), AdminError> {
        let now = self.ambient.now();
        let transaction = self.store.begin().await?;
        let stored = locked(&transaction).await?;
        let gone = named(&stored, id)?;
        precondition.admits(gone)?;
        transaction.delete_resource(&gone.resource.id).await?;
        let ended = transaction
            .end_all_of_resource(&gone.resource.id, now)
            .await?;
        let mut event = audited(by, AuditKind::ResourceDeleted, now, Some(gone), None);
        ended.note(&mut event.details);
        self.commit(transaction, &[event]).await
    }

    fn decide_resource(
        &self,
        id: ResourceUri,
        asked: ResourceChanges,
    ) -> Result<Resource, AdminError> {
        if !(1..=MOST_SCOPES).contains(&asked.scopes.len()) {
            return Err(member("scopes", &"must have 1 to 200 members"));
        }
        let known =
            Scope::from_tokens(asked.scopes.keys()).map_err(|error| member("scopes", &error))?;
        let scopes = asked
            .scopes
            .into_iter()
            .map(|(scope, sentence)| {
                let sentence = text(&format!("scopes[{scope}]"), sentence, LONGEST_SENTENCE)?;
                Ok((scope, sentence))
            })
            .collect::<Result<_, AdminError>>()?;
        let default_scopes = match asked.default_scopes {
            None => known.clone(),
            Some(words) => words
                .parse()
                .map_err(|_| member("default_scopes", &"has characters that no scope has"))?,
        };
        if !default_scopes.is_subset_of(&known) {
            return Err(member(
                "default_scopes",
                &"names scopes that are not among `scopes`",
            ));
        }
        let downstreams = list("downstreams", asked.downstreams, DownstreamName::parse)?;
        let catalog = self.catalog.current();
        if downstreams
            .iter()
            .any(|name| catalog.downstream(name).is_none())
        {
            return Err(member(
                "downstreams",
                &"names a downstream that there is not",
            ));
        }
        Ok(Resource {
            name: match asked.name {
                Some(name) => text("name", name, LONGEST_NAME)?,
                None => id.to_string(),
            },
            id,
            aliases: list("aliases", asked.aliases, alias)?,
            scopes,
            default_scopes,
            downstreams,
            is_default: asked.default,
        })
    }
}

/// All resources, and nobody else changes one until the transaction ends.
async fn locked(transaction: &Transaction) -> Result<Vec<StoredResource>, AdminError> {
    transaction.lock_catalog().await?;
    Ok(transaction.resources().await?)
}

fn named<'a>(stored: &'a [StoredResource], id: &str) -> Result<&'a StoredResource, AdminError> {
    let id = ResourceUri::parse(id).map_err(|_| NO_RESOURCE)?;
    stored
        .iter()
        .find(|stored| stored.resource.id == id)
        .ok_or(NO_RESOURCE)
}

/// Whether the resource gets along with the others: one default, no identifier twice.
fn check_others(resource: &Resource, stored: Vec<StoredResource>) -> Result<(), AdminError> {
    let all = stored.into_iter().map(|stored| stored.resource).collect();
    let others = Catalog::new(all, Vec::new());
    if resource.is_default && others.has_default_besides(&resource.id) {
        return Err(AdminError::Conflict(
            "Another resource is the default already. Change that one first.",
        ));
    }
    let mut names = resource.aliases.iter().map(String::as_str);
    if names.any(|name| others.is_taken_besides(&resource.id, name))
        || others.is_taken_besides(&resource.id, resource.id.as_str())
    {
        return Err(AdminError::Conflict(
            "Another resource has the same identifier or alias.",
        ));
    }
    Ok(())
}

/// An alias: what a `resource` parameter may say, as it stands.
fn alias(alias: String) -> Result<String, &'static str> {
    let fits =
        (1..=2048).contains(&alias.len()) && alias.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(alias)
        .ok_or("must have 1 to 2048 visible ASCII characters")
}

fn audited(
    by: &Administrator,
    kind: AuditKind,
    at: Timestamp,
    before: Option<&StoredResource>,
    after: Option<&StoredResource>,
) -> AuditEvent {
    let mut event = by.does(kind, at);
    event.resource = after.or(before).map(|stored| stored.resource.id.clone());
    note(
        &mut event,
        before.map(ResourceItem::from),
        after.map(ResourceItem::from),
    );
    event
}
