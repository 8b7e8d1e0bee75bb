//! Authorizations: one row a trip through `/oauth/authorize`.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::entity::authorization::{Column, Entity, Model};
use super::row::Row;
use super::{Repository, StoreError};
use crate::domain::{
    Authorization, AuthorizationId, ClientId, GrantId, HandleHash, RedirectUri, ResourceUri, Stage,
    StageKind, Subject, Timestamp,
};

const TABLE: &str = "authorizations";

impl<C: ConnectionTrait> Repository<C> {
    /// Records a new authorization.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the id is taken.
    pub async fn insert_authorization(&self, new: &Authorization) -> Result<(), StoreError> {
        Entity::insert(Model::from(new).into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }

    /// The authorization.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn authorization(
        &self,
        id: &AuthorizationId,
    ) -> Result<Option<Authorization>, StoreError> {
        Entity::find_by_id(id.as_str())
            .one(&self.connection)
            .await?
            .map(Authorization::try_from)
            .transpose()
    }

    /// The authorization that handed out this code, redeemed or not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn authorization_by_code(
        &self,
        code: &HandleHash,
    ) -> Result<Option<Authorization>, StoreError> {
        Entity::find()
            .filter(Column::CodeHash.eq(code.as_bytes().to_vec()))
            .one(&self.connection)
            .await?
            .map(Authorization::try_from)
            .transpose()
    }

    /// Writes the stage of `next` if the row is still at `from`: one conditional UPDATE, so of two
    /// racing requests one gets `true`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn advance_authorization(
        &self,
        next: &Authorization,
        from: StageKind,
    ) -> Result<bool, StoreError> {
        let stage = StageColumns::from(&next.stage);
        let updated = Entity::update_many()
            .col_expr(Column::Stage, Expr::value(next.stage.kind().as_str()))
            .col_expr(Column::Sub, Expr::value(stage.sub))
            .col_expr(Column::CodeHash, Expr::value(stage.code_hash))
            .col_expr(Column::CodeExpiresAt, Expr::value(stage.code_expires_at))
            .col_expr(Column::GrantId, Expr::value(stage.grant_id))
            .filter(Column::Id.eq(next.id.as_str()))
            .filter(Column::Stage.eq(from.as_str()))
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected == 1)
    }
}

/// The columns that only some stages fill.
#[derive(Default)]
struct StageColumns {
    sub: Option<String>,
    code_hash: Option<Vec<u8>>,
    code_expires_at: Option<i64>,
    grant_id: Option<String>,
}

impl From<&Stage> for StageColumns {
    fn from(stage: &Stage) -> Self {
        match stage {
            Stage::AwaitingConsent
            | Stage::AwaitingLogin
            | Stage::AwaitingKnownUser
            | Stage::Denied => Self::default(),
            Stage::Approved {
                sub,
                code,
                code_expires_at,
            } => Self {
                sub: Some(sub.to_string()),
                code_hash: Some(code.as_bytes().to_vec()),
                code_expires_at: Some(code_expires_at.as_millis()),
                grant_id: None,
            },
            Stage::Redeemed { sub, code, grant } => Self {
                sub: Some(sub.to_string()),
                code_hash: Some(code.as_bytes().to_vec()),
                code_expires_at: None,
                grant_id: Some(grant.to_string()),
            },
        }
    }
}

impl From<&Authorization> for Model {
    fn from(value: &Authorization) -> Self {
        let stage = StageColumns::from(&value.stage);
        Self {
            id: value.id.to_string(),
            client_id: value.client_id.to_string(),
            redirect_uri: value.redirect_uri.to_string(),
            state: value.state.clone(),
            scope: value.scope.to_string(),
            resource: value.resource.to_string(),
            code_challenge: value.code_challenge.clone(),
            browser_hash: value.browser.as_bytes().to_vec(),
            created_at: value.created_at.as_millis(),
            expires_at: value.expires_at.as_millis(),
            stage: value.stage.kind().as_str().to_owned(),
            sub: stage.sub,
            code_hash: stage.code_hash,
            code_expires_at: stage.code_expires_at,
            grant_id: stage.grant_id,
        }
    }
}

impl TryFrom<Model> for Authorization {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::new(TABLE, &model.id);
        Ok(Self {
            id: row.parsed("id", AuthorizationId::parse(model.id.as_str()))?,
            client_id: row.parsed("client_id", ClientId::parse(model.client_id.as_str()))?,
            stage: read_stage(&row, &model)?,
            scope: row.scope("scope", &model.scope)?,
            resource: row.parsed("resource", ResourceUri::parse(&model.resource))?,
            browser: row.hash("browser_hash", &model.browser_hash)?,
            created_at: Timestamp::from_millis(model.created_at),
            expires_at: Timestamp::from_millis(model.expires_at),
            redirect_uri: RedirectUri::from_trusted(model.redirect_uri),
            state: model.state,
            code_challenge: model.code_challenge,
        })
    }
}

fn read_stage(row: &Row<'_>, model: &Model) -> Result<Stage, StoreError> {
    let sub = || {
        let sub = row.known("sub", model.sub.as_deref())?;
        row.parsed("sub", Subject::parse(sub))
    };
    let code = || row.hash("code_hash", model.code_hash.as_deref().unwrap_or_default());
    Ok(match row.known("stage", StageKind::parse(&model.stage))? {
        StageKind::AwaitingConsent => Stage::AwaitingConsent,
        StageKind::AwaitingLogin => Stage::AwaitingLogin,
        StageKind::AwaitingKnownUser => Stage::AwaitingKnownUser,
        StageKind::Denied => Stage::Denied,
        StageKind::Approved => Stage::Approved {
            sub: sub()?,
            code: code()?,
            code_expires_at: Timestamp::from_millis(
                row.known("code_expires_at", model.code_expires_at)?,
            ),
        },
        StageKind::Redeemed => {
            let grant = row.known("grant_id", model.grant_id.as_deref())?;
            Stage::Redeemed {
                sub: sub()?,
                code: code()?,
                grant: row.parsed("grant_id", GrantId::parse(grant))?,
            }
        }
    })
}
