//! Signing keys. Each change of state is one conditional statement, so that of several processes
//! that rotate at once one wins; the schema allows one next and one active key at most.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use super::entity::signing_key::{Column, Entity, Model};
use super::row::Row;
use super::{Repository, StoreError};
use crate::domain::Timestamp;

const TABLE: &str = "signing_keys";

/// A signing key as stored. Has no `Debug` on purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Key id (RFC 7638 thumbprint).
    pub kid: String,
    /// `ES256`, `EdDSA` or `RS256`.
    pub algorithm: String,
    /// PKCS#8, sealed when `sealed`.
    pub private_key: Vec<u8>,
    /// Whether `private_key` is sealed with the encryption key.
    pub sealed: bool,
    /// The public JWK as JSON.
    pub public_jwk: String,
    /// Next, active or retired.
    pub state: KeyState,
    /// When it was first published.
    pub published_at: Timestamp,
    /// From when on it signs, where an administrator does not wait until every cache knows it.
    pub activate_at: Option<Timestamp>,
    /// When it began to sign.
    pub activated_at: Option<Timestamp>,
    /// When it stopped signing.
    pub retired_at: Option<Timestamp>,
}

/// Where a signing key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published, not yet signing.
    Next,
    /// Signing.
    Active,
    /// Published so that its tokens still verify.
    Retired,
}

impl KeyState {
    /// The word stored in the database and shown by `keys list`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Next, Self::Active, Self::Retired]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

impl<C: ConnectionTrait> Repository<C> {
    /// All keys, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn signing_keys(&self) -> Result<Vec<StoredKey>, StoreError> {
        Entity::find()
            .order_by_asc(Column::PublishedAt)
            .order_by_asc(Column::Kid)
            .all(&self.connection)
            .await?
            .into_iter()
            .map(StoredKey::try_from)
            .collect()
    }

    /// Records a new key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is already a key in that state (next or active).
    pub async fn insert_signing_key(&self, key: &StoredKey) -> Result<(), StoreError> {
        Entity::insert(Model::from(key).into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }

    /// Lets the next key take over at `at`; false when it is not next (any
    /// more).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hasten_signing_key(&self, kid: &str, at: Timestamp) -> Result<bool, StoreError> {
        let updated = Entity::update_many()
            .col_expr(Column::ActivateAt, Expr::value(at.as_millis()))
            .filter(Column::Kid.eq(kid))
            .filter(Column::State.eq(KeyState::Next.as_str()))
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected == 1)
    }

    /// Makes the next key the active one; false when it is not next (any more). Retire the active
    /// one before, in the same transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn activate_signing_key(
        &self,
        kid: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let updated = Entity::update_many()
            .col_expr(Column::State, Expr::value(KeyState::Active.as_str()))
            .col_expr(Column::ActivatedAt, Expr::value(now.as_millis()))
            .filter(Column::Kid.eq(kid))
            .filter(Column::State.eq(KeyState::Next.as_str()))
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected == 1)
    }

    /// Retires the active key; false when it is not active (any more).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retire_signing_key(&self, kid: &str, now: Timestamp) -> Result<bool, StoreError> {
        let updated = Entity::update_many()
            .col_expr(Column::State, Expr::value(KeyState::Retired.as_str()))
            .col_expr(Column::RetiredAt, Expr::value(now.as_millis()))
            .filter(Column::Kid.eq(kid))
            .filter(Column::State.eq(KeyState::Active.as_str()))
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected == 1)
    }

    /// Deletes a retired key; false when it is not retired, or gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_retired_signing_key(&self, kid: &str) -> Result<bool, StoreError> {
        let deleted = Entity::delete_many()
            .filter(Column::Kid.eq(kid))
            .filter(Column::State.eq(KeyState::Retired.as_str()))
            .exec(&self.connection)
            .await?;
        Ok(deleted.rows_affected == 1)
    }

    /// Replaces a private key that was stored unsealed by its sealed form; false when it is sealed
    /// already, or gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn seal_signing_key(&self, kid: &str, sealed: &[u8]) -> Result<bool, StoreError> {
        let updated = Entity::update_many()
            .col_expr(Column::PrivateKey, Expr::value(sealed.to_vec()))
            .col_expr(Column::Sealed, Expr::value(true))
            .filter(Column::Kid.eq(kid))
            .filter(Column::Sealed.eq(false))
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected == 1)
    }
}

impl From<&StoredKey> for Model {
    fn from(key: &StoredKey) -> Self {
        Self {
            kid: key.kid.clone(),
            algorithm: key.algorithm.clone(),
            private_key: key.private_key.clone(),
            sealed: key.sealed,
            public_jwk: key.public_jwk.clone(),
            state: key.state.as_str().to_owned(),
            published_at: key.published_at.as_millis(),
            activate_at: key.activate_at.map(Timestamp::as_millis),
            activated_at: key.activated_at.map(Timestamp::as_millis),
            retired_at: key.retired_at.map(Timestamp::as_millis),
        }
    }
}

impl TryFrom<Model> for StoredKey {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let state = Row::new(TABLE, &model.kid).known("state", KeyState::parse(&model.state))?;
        Ok(Self {
            kid: model.kid,
            algorithm: model.algorithm,
            private_key: model.private_key,
            sealed: model.sealed,
            public_jwk: model.public_jwk,
            state,
            published_at: Timestamp::from_millis(model.published_at),
            activate_at: model.activate_at.map(Timestamp::from_millis),
            activated_at: model.activated_at.map(Timestamp::from_millis),
            retired_at: model.retired_at.map(Timestamp::from_millis),
        })
    }
}
