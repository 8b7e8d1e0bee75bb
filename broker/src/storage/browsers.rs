//! The browsers that users are known in.

use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};

use super::entity::browser::{Entity, Model};
use super::row::{Row, hex};
use super::{Repository, StoreError};
use crate::domain::{HandleHash, KnownBrowser, Subject, Timestamp};

const TABLE: &str = "browsers";

impl<C: ConnectionTrait> Repository<C> {
    /// Records a browser.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its cookie is taken.
    pub async fn insert_browser(&self, browser: &KnownBrowser) -> Result<(), StoreError> {
        Entity::insert(Model::from(browser).into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }

    /// The browser whose cookie has this hash.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn browser(&self, cookie: &HandleHash) -> Result<Option<KnownBrowser>, StoreError> {
        Entity::find_by_id(cookie.as_bytes().to_vec())
            .one(&self.connection)
            .await?
            .map(KnownBrowser::try_from)
            .transpose()
    }
}

impl From<&KnownBrowser> for Model {
    fn from(browser: &KnownBrowser) -> Self {
        Self {
            hash: browser.cookie.as_bytes().to_vec(),
            sub: browser.sub.to_string(),
            expires_at: browser.expires_at.as_millis(),
        }
    }
}

impl TryFrom<Model> for KnownBrowser {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let key = hex(&model.hash);
        let row = Row::new(TABLE, &key);
        Ok(Self {
            cookie: row.hash("hash", &model.hash)?,
            sub: row.parsed("sub", Subject::parse(model.sub))?,
            expires_at: Timestamp::from_millis(model.expires_at),
        })
    }
}
