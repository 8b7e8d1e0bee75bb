//! Webhooks of background clients: enable and disable presets, see what is registered.
//!
//! A change is first what the database wants, with its audit row; then Nextcloud is asked. When that
//! fails the answer says so, and the broker goes on trying.

use serde::{Deserialize, Serialize};

use super::audit::rfc3339;
use super::{AdminApi, AdminError, Administrator, body, page};
use crate::domain::{AuditKind, ClientId, ClientStatus, Preset, Webhook, WebhookId};
use crate::storage::{AdminRole, Transaction, WebhookFilter};
use crate::webhooks::{Look, SettleError};

/// The longest uid of Nextcloud, in characters.
const LONGEST_UID: usize = 64;

/// Which webhooks to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WebhookQuery {
    /// Only of this preset: `files`, `calendar`, `tags` or `tables`.
    pub preset: Option<String>,
    /// Only of this client.
    pub client_id: Option<String>,
    /// Ask Nextcloud what it has, and repair what differs; needs the role `write`.
    #[serde(default)]
    pub refresh: bool,
}

/// Whose webhooks to clear.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ClearQuery {
    /// Only of this client.
    pub client_id: Option<String>,
}

/// The presets.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PresetList {
    items: Vec<PresetItem>,
    /// The clients that can be told, by the configuration.
    receivers: Vec<String>,
}

/// A named set of events.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PresetItem {
    /// Its name.
    preset: &'static str,
    /// Nextcloud's classes of its events.
    events: &'static [&'static str],
}

/// For whom a preset is enabled.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PresetChange {
    /// The background client that is told.
    pub client_id: String,
    /// The Nextcloud uids of the people whose events count, while they let background jobs act for
    /// them. Left out or empty, and no technical account either: everybody who does.
    #[serde(default)]
    pub users: Vec<String>,
    /// The Nextcloud uids of accounts that are nobody's: their events count without anybody's leave.
    #[serde(default)]
    pub technical_accounts: Vec<String>,
}

/// Whose preset is disabled.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PresetClient {
    /// The background client.
    pub client_id: String,
}

/// Webhooks, by client, preset and event.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct WebhookList {
    items: Vec<WebhookItem>,
    /// Why Nextcloud could not be asked; the broker tries again by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// One event of one preset for one client.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct WebhookItem {
    /// Its id.
    webhook_id: String,
    /// The preset that it is of.
    preset: &'static str,
    /// Who is told.
    client_id: String,
    /// Nextcloud's class of the event.
    event: String,
    /// The uids of the people whose events count.
    users: Vec<String>,
    /// The uids of technical accounts whose events count; empty as `users`: everybody counts.
    technical_accounts: Vec<String>,
    /// `pending` (not yet at Nextcloud), `active`, or `removing`.
    state: &'static str,
    /// Its number at Nextcloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    nextcloud_id: Option<i64>,
    /// When it was asked for: RFC 3339, UTC.
    created_at: String,
    /// When it last changed.
    updated_at: String,
}

impl From<&Webhook> for WebhookItem {
    fn from(webhook: &Webhook) -> Self {
        Self {
            webhook_id: webhook.id.to_string(),
            preset: webhook.preset.as_str(),
            client_id: webhook.client_id.to_string(),
            event: webhook.event.clone(),
            users: webhook.users.clone(),
            technical_accounts: webhook.technical_accounts.clone(),
            state: match (webhook.is_wanted, webhook.is_active()) {
                (false, _) => "removing",
                (true, true) => "active",
                (true, false) => "pending",
            },
            nextcloud_id: webhook.nextcloud_id,
            created_at: rfc3339(webhook.created_at),
            updated_at: rfc3339(webhook.updated_at),
        }
    }
}

impl AdminApi {
    /// The presets that there are, and who can be told.
    #[must_use]
    pub fn webhook_presets(&self) -> PresetList {
        let items = Preset::ALL.map(|preset| PresetItem {
            preset: preset.as_str(),
            events: preset.events(),
        });
        PresetList {
            items: items.into(),
            receivers: self.webhooks.receivers().map(ClientId::to_string).collect(),
        }
    }

    /// Lists webhooks, from the database; with `refresh` once Nextcloud has been asked and what differs
    /// repaired.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when a parameter does not fit; [`AdminError::Forbidden`] for a reader who
    /// wants to refresh.
    pub async fn list_webhooks(
        &self,
        by: &Administrator,
        query: WebhookQuery,
    ) -> Result<WebhookList, AdminError> {
        let filter = WebhookFilter {
            preset: page::id("preset", query.preset, |word| {
                Preset::parse(&word).ok_or(())
            })?,
            client_id: page::id("client_id", query.client_id, ClientId::parse)?,
            is_wanted: false,
        };
        let problem = if !query.refresh {
            None
        } else if by.role == AdminRole::Write {
            self.settled(Look::Everything).await?
        } else {
            return Err(AdminError::Forbidden);
        };
        self.listed(&filter, problem).await
    }

    /// One webhook.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub async fn webhook(&self, id: &str) -> Result<WebhookItem, AdminError> {
        let id = WebhookId::parse(id).map_err(|_| NO_WEBHOOK)?;
        let webhook = self.store.webhook(&id).await?.ok_or(NO_WEBHOOK)?;
        Ok(WebhookItem::from(&webhook))
    }

    /// Has a background client told of a preset's events. Enabled anew with other users, those count
    /// from now on.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] for a preset that is none; [`AdminError::Body`] for a client that is no
    /// approved background client with a receiver.
    pub async fn enable_preset(
        &self,
        by: &Administrator,
        preset: &str,
        change: PresetChange,
    ) -> Result<WebhookList, AdminError> {
        let preset = Preset::parse(preset).ok_or(NO_PRESET)?;
        let users = uids("users", change.users)?;
        let technical_accounts = uids("technical_accounts", change.technical_accounts)?;
        let now = self.ambient.now();
        let transaction = self.store.begin().await?;
        let client_id = self.receiver_in(&transaction, change.client_id).await?;
        let filter = WebhookFilter {
            preset: Some(preset),
            client_id: Some(client_id.clone()),
            is_wanted: true,
        };
        let there = transaction.webhooks(&filter).await?;
        let is_as_wanted = |event: &&'static str| {
            there.iter().any(|webhook| {
                webhook.event == **event
                    && webhook.users == users
                    && webhook.technical_accounts == technical_accounts
            })
        };
        if !preset.events().iter().all(is_as_wanted) {
            transaction.unwant_webhooks(&filter, now).await?;
            for event in preset.events() {
                let webhook = Webhook {
                    id: self.new_id()?,
                    preset,
                    client_id: client_id.clone(),
                    event: (*event).to_owned(),
                    users: users.clone(),
                    technical_accounts: technical_accounts.clone(),
                    is_wanted: true,
                    nextcloud_id: None,
                    secret: None,
                    created_at: now,
                    updated_at: now,
                };
                transaction.insert_webhook(&webhook).await?;
            }
            let mut audited = by.does(AuditKind::WebhookEnabled, now);
            audited.client_id = Some(client_id);
            let details = &mut audited.details;
            details.insert("preset".to_owned(), preset.as_str().into());
            details.insert("users".to_owned(), users.into());
            let accounts = technical_accounts.into();
            details.insert("technical_accounts".to_owned(), accounts);
            self.commit(transaction, &[audited]).await?;
        }
        let problem = self.settled(Look::Unsettled).await?;
        self.listed(&filter, problem).await
    }

    /// Has a client told of a preset's events no more.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] for a preset that is none.
    pub async fn disable_preset(
        &self,
        by: &Administrator,
        preset: &str,
        client: PresetClient,
    ) -> Result<WebhookList, AdminError> {
        let preset = Preset::parse(preset).ok_or(NO_PRESET)?;
        let client_id = parsed_client(client.client_id)?;
        self.unwant(
            by,
            WebhookFilter {
                preset: Some(preset),
                client_id: Some(client_id),
                is_wanted: false,
            },
        )
        .await
    }

    /// Has nobody told of anything any more, or one client.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when the client's id is none.
    pub async fn clear_webhooks(
        &self,
        by: &Administrator,
        query: ClearQuery,
    ) -> Result<WebhookList, AdminError> {
        let client_id = page::id("client_id", query.client_id, ClientId::parse)?;
        self.unwant(
            by,
            WebhookFilter {
                client_id,
                ..WebhookFilter::default()
            },
        )
        .await
    }

    /// Deletes one webhook of a preset.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub async fn delete_webhook(&self, by: &Administrator, id: &str) -> Result<(), AdminError> {
        let id = WebhookId::parse(id).map_err(|_| NO_WEBHOOK)?;
        let now = self.ambient.now();
        let transaction = self.store.begin().await?;
        let webhook = transaction.webhook(&id).await?.ok_or(NO_WEBHOOK)?;
        if transaction.unwant_webhook(&id, now).await? {
            let mut event = by.does(AuditKind::WebhookDisabled, now);
            event.client_id = Some(webhook.client_id);
            let details = &mut event.details;
            details.insert("preset".to_owned(), webhook.preset.as_str().into());
            details.insert("event".to_owned(), webhook.event.into());
            self.commit(transaction, &[event]).await?;
        }
        self.settled(Look::Unsettled).await?;
        Ok(())
    }

    async fn unwant(
        &self,
        by: &Administrator,
        filter: WebhookFilter,
    ) -> Result<WebhookList, AdminError> {
        let now = self.ambient.now();
        let transaction = self.store.begin().await?;
        let ended = transaction.unwant_webhooks(&filter, now).await?;
        if ended > 0 {
            let mut event = by.does(AuditKind::WebhookDisabled, now);
            event.client_id.clone_from(&filter.client_id);
            let preset = filter.preset.map(Preset::as_str);
            event.details.insert("preset".to_owned(), preset.into());
            event.details.insert("webhooks".to_owned(), ended.into());
            self.commit(transaction, &[event]).await?;
        }
        let problem = self.settled(Look::Unsettled).await?;
        self.listed(&filter, problem).await
    }

    /// Brings about at Nextcloud what the database wants; says why not, when it is Nextcloud's fault.
    async fn settled(&self, look: Look) -> Result<Option<String>, AdminError> {
        match self.webhooks.settle(look).await {
            Ok(()) => Ok(None),
            Err(SettleError::Store(error)) => Err(error.into()),
            Err(SettleError::Nextcloud(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "webhooks are not settled; it is tried again"
                );
                Ok(Some(format!("{error}.")))
            }
        }
    }

    async fn listed(
        &self,
        filter: &WebhookFilter,
        problem: Option<String>,
    ) -> Result<WebhookList, AdminError> {
        let webhooks = self.store.webhooks(filter).await?;
        Ok(WebhookList {
            items: webhooks.iter().map(WebhookItem::from).collect(),
            problem,
        })
    }

    /// The client, if it may be told of events.
    async fn receiver_in(
        &self,
        transaction: &Transaction,
        id: String,
    ) -> Result<ClientId, AdminError> {
        let id = parsed_client(id)?;
        let client = transaction.client(&id).await?;
        let is_background =
            client.is_some_and(|it| it.background && it.status == ClientStatus::Approved);
        if !is_background {
            return Err(body::member(
                "client_id",
                &"is no approved background client",
            ));
        }
        if !self.webhooks.has_receiver(&id) {
            return Err(body::member(
                "client_id",
                &"has no receiver (webhooks.receivers of the configuration)",
            ));
        }
        Ok(id)
    }

    fn new_id(&self) -> Result<WebhookId, AdminError> {
        let id = uuid::Builder::from_random_bytes(self.ambient.random()).into_uuid();
        WebhookId::parse(id.simple().to_string()).map_err(|_| NO_WEBHOOK)
    }
}

/// Uids, each once.
fn uids(member: &'static str, given: Vec<String>) -> Result<Vec<String>, AdminError> {
    let mut uids = body::list(member, given, |uid| {
        body::text("", uid, LONGEST_UID).map_err(|_| "is no uid")
    })?;
    uids.sort_unstable();
    uids.dedup();
    Ok(uids)
}

fn parsed_client(id: String) -> Result<ClientId, AdminError> {
    ClientId::parse(id).map_err(|error| body::member("client_id", &error))
}

const NO_WEBHOOK: AdminError = AdminError::NotFound("webhook");

const NO_PRESET: AdminError = AdminError::NotFound("preset");
