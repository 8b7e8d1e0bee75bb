//! Whether an account is there, and enabled.

use http::{Method, StatusCode};
use serde_json::Value;

use super::{Nextcloud, NextcloudError};

/// What Nextcloud says about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// It is there. Whether it is enabled, only an administrator is told.
    Present,
    /// An administrator has disabled it.
    Disabled,
    /// There is no such account.
    Absent,
}

/// The code of OCS for an account that is not there, which only an administrator gets; to others every
/// account but their own is a call that does not exist (998).
const NO_SUCH_ACCOUNT: u16 = 404;

impl Nextcloud {
    /// Asks about the account of this uid, with one request.
    ///
    /// # Errors
    /// See [`NextcloudError`]: whatever is not clearly one of the three answers is none.
    pub async fn account(&self, uid: &str) -> Result<Account, NextcloudError> {
        if self.has_administrator() {
            self.administered_account(uid).await
        } else {
            self.pictured_account(uid).await
        }
    }

    async fn administered_account(&self, uid: &str) -> Result<Account, NextcloudError> {
        let path = ["cloud", "users", uid];
        match self.ocs(Method::GET, &path, &[], None).await? {
            (NO_SUCH_ACCOUNT, _) => Ok(Account::Absent),
            (200, data) => of_profile(&data, uid).ok_or(NextcloudError::Unexpected(StatusCode::OK)),
            (code, _) => Err(NextcloudError::Unexpected(
                StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY),
            )),
        }
    }

    /// Nextcloud shows a picture for every account, to everybody.
    async fn pictured_account(&self, uid: &str) -> Result<Account, NextcloudError> {
        let answer = self.get(&["index.php", "avatar", uid, "64"]).await?;
        match answer.status {
            StatusCode::OK => Ok(Account::Present),
            // Its own words, not those of a proxy or of a page that is not found.
            StatusCode::NOT_FOUND if matches!(answer.json(), Ok(Value::Array(_))) => {
                Ok(Account::Absent)
            }
            status => Err(NextcloudError::Unexpected(status)),
        }
    }
}

/// What the profile says, if it is that of the account that was asked for.
fn of_profile(data: &Value, uid: &str) -> Option<Account> {
    let found = data.get("id")?.as_str()?;
    // Nextcloud finds accounts whatever the case.
    if found.to_lowercase() != uid.to_lowercase() {
        return None;
    }
    Some(if data.get("enabled")?.as_bool()? {
        Account::Present
    } else {
        Account::Disabled
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_profile_of_the_account_itself_says_something() {
        for (data, expected) in [
            (
                json!({"id": "alice", "enabled": true}),
                Some(Account::Present),
            ),
            (
                json!({"id": "Alice", "enabled": false}),
                Some(Account::Disabled),
            ),
            (json!({"id": "bob", "enabled": false}), None),
            (json!({"id": "alice"}), None),
            (json!({"id": "alice", "enabled": "no"}), None),
            (json!([]), None),
        ] {
            assert_eq!(of_profile(&data, "alice"), expected, "{data}");
        }
    }
}
