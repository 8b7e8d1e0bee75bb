//! Resources of the configuration become rows, by the same rule as clients.
//!
//! All in one transaction, because resources depend on each other: one default, no identifier twice.
//! Where what the configuration wants clashes with what an administrator made, he wins.

use super::SeedError;
use crate::domain::{Actor, AuditEvent, AuditKind, Catalog, Resource, ResourceUri, Timestamp};
use crate::storage::{Store, StoredResource, Transaction};

/// Brings the rows of `configured` up to date, and writes down what it changed.
///
/// What an administrator made or changed stays, and each start says so. What the configuration names
/// no more is deleted, with its sessions, unless an administrator changed it.
///
/// # Errors
/// When the database fails.
pub async fn seed_resources(
    store: &Store,
    configured: &[Resource],
    now: Timestamp,
) -> Result<(), SeedError> {
    let transaction = store.begin().await?;
    transaction.lock_catalog().await?;
    let stored = transaction.resources().await?;
    let mut seeding = Seeding {
        transaction,
        now,
        changed: false,
    };
    seeding.withdraw(configured, &stored).await?;
    seeding.record(configured, &stored).await?;
    if seeding.changed {
        seeding.transaction.commit().await?;
    }
    Ok(())
}

struct Seeding {
    transaction: Transaction,
    now: Timestamp,
    /// Whether there is anything to commit.
    changed: bool,
}

impl Seeding {
    /// Deletes what the configuration names no more.
    async fn withdraw(
        &mut self,
        configured: &[Resource],
        stored: &[StoredResource],
    ) -> Result<(), SeedError> {
        let is_named = |id: &ResourceUri| configured.iter().any(|resource| resource.id == *id);
        for dropped in stored {
            let id = &dropped.resource.id;
            if dropped.seeded_version.is_none() || is_named(id) {
                continue;
            }
            if !dropped.is_as_seeded() {
                tracing::warn!(
                    resource = id.as_str(),
                    "the configuration names the resource no more, but an administrator changed \
                     it: it stays (delete it with the admin API)"
                );
                continue;
            }
            self.transaction.delete_resource(id).await?;
            let ended = self.transaction.end_all_of_resource(id, self.now).await?;
            let mut event = self.event(AuditKind::ResourceDeleted, id);
            for (name, value) in [
                ("reason", "the configuration names it no more".into()),
                ("ended_sessions", ended.grants.into()),
                ("ended_logins", ended.logins.into()),
            ] {
                event.details.insert(name.to_owned(), value);
            }
            self.transaction.append_audit(&[event]).await?;
            self.changed = true;
            tracing::warn!(
                resource = id.as_str(),
                "the configuration names the resource no more: it is deleted, and its sessions are \
                 ended"
            );
        }
        Ok(())
    }

    /// Writes what the configuration names.
    async fn record(
        &mut self,
        configured: &[Resource],
        stored: &[StoredResource],
    ) -> Result<(), SeedError> {
        let mut settled: Vec<Resource> = stored
            .iter()
            .filter(|stored| !stored.is_as_seeded())
            .map(|stored| stored.resource.clone())
            .collect();
        for wanted in configured {
            let before = stored.iter().find(|stored| stored.resource.id == wanted.id);
            match before {
                Some(before) if !before.is_as_seeded() => self.adopt(wanted, before).await?,
                Some(before) => {
                    let next = fitting(wanted, &settled);
                    if before.resource != next {
                        self.update(before, next.clone()).await?;
                    }
                    settled.push(next);
                }
                None => {
                    let next = fitting(wanted, &settled);
                    self.insert(next.clone()).await?;
                    settled.push(next);
                }
            }
        }
        Ok(())
    }

    /// Leaves alone what an administrator made; the same as the configuration wants, it is the
    /// configuration's from now on.
    async fn adopt(&mut self, wanted: &Resource, made: &StoredResource) -> Result<(), SeedError> {
        if made.resource != *wanted {
            tracing::warn!(
                resource = wanted.id.as_str(),
                "the resource differs from the configuration, because an administrator changed it: \
                 it stays as he made it (delete it with the admin API and start again to go back)"
            );
            return Ok(());
        }
        let adopted = StoredResource {
            seeded_version: Some(made.version),
            ..made.clone()
        };
        self.transaction.update_resource(&adopted).await?;
        self.changed = true;
        Ok(())
    }

    async fn update(&mut self, before: &StoredResource, next: Resource) -> Result<(), SeedError> {
        let next = before.changed(next, self.now);
        let next = StoredResource {
            seeded_version: Some(next.version),
            ..next
        };
        self.transaction.update_resource(&next).await?;
        self.seeded(&next.resource.id).await
    }

    async fn insert(&mut self, resource: Resource) -> Result<(), SeedError> {
        let new = StoredResource {
            resource,
            seeded_version: Some(1),
            created_at: self.now,
            updated_at: self.now,
            version: 1,
        };
        self.transaction.insert_resource(&new).await?;
        self.seeded(&new.resource.id).await
    }

    async fn seeded(&mut self, id: &ResourceUri) -> Result<(), SeedError> {
        let event = self.event(AuditKind::ResourceSeeded, id);
        self.transaction.append_audit(&[event]).await?;
        self.changed = true;
        Ok(())
    }

    fn event(&self, kind: AuditKind, id: &ResourceUri) -> AuditEvent {
        let mut event = AuditEvent::new(self.now, kind, Actor::Broker);
        event.resource = Some(id.clone());
        event
    }
}

/// `wanted` without what an administrator gave to another resource.
fn fitting(wanted: &Resource, settled: &[Resource]) -> Resource {
    let settled = Catalog::new(settled.to_vec(), Vec::new());
    let mut next = wanted.clone();
    next.aliases
        .retain(|alias| !settled.is_taken_besides(&wanted.id, alias));
    next.is_default = wanted.is_default && !settled.has_default_besides(&wanted.id);
    if next != *wanted {
        tracing::warn!(
            resource = wanted.id.as_str(),
            "the resource is not the default, or lacks aliases, as the configuration wants it, \
             because an administrator gave them to another one"
        );
    }
    next
}
