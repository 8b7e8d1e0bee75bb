//! Webhooks at Nextcloud: the API of its app `webhook_listeners`.

use std::collections::BTreeMap;

use broker_client::secret::Secret;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Nextcloud, NextcloudError};

/// Where it is, below `ocs/v2.php`.
const API: [&str; 5] = ["apps", "webhook_listeners", "api", "v1", "webhooks"];

/// The property of an event that says who is signed in.
const WHO: &str = "user.uid";

/// A webhook to be registered.
#[derive(Debug)]
pub struct NewHook<'a> {
    /// Where its deliveries go.
    pub uri: &'a str,
    /// Nextcloud's class of the event.
    pub event: &'a str,
    /// Only events of these users; empty: everybody's.
    pub users: &'a [String],
    /// The `Authorization` header of its deliveries.
    pub authorization: &'a Secret,
}

/// A webhook as Nextcloud has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Hook {
    /// Its number.
    pub id: i64,
    /// Where its deliveries go.
    uri: String,
    /// Nextcloud's class of the event.
    event: String,
    /// PHP writes an empty object as a list.
    #[serde(rename = "eventFilter", default)]
    filter: Value,
}

impl Hook {
    /// Whether it does what is wanted.
    #[must_use]
    pub fn is_for(&self, event: &str, users: &[String]) -> bool {
        let is_empty = self.filter.is_null() || self.filter == json!([]);
        let filter = if is_empty {
            json!({})
        } else {
            self.filter.clone()
        };
        self.event.trim_start_matches('\\') == event && filter == event_filter(users)
    }
}

/// `userIdFilter` does not work for calls with a password or token: listeners are chosen before the
/// user is known. A filter on the event itself does.
fn event_filter(users: &[String]) -> Value {
    match users {
        [] => json!({}),
        [one] => json!({ WHO: one }),
        many => json!({ WHO: { "$in": many } }),
    }
}

impl Nextcloud {
    /// Registers a webhook; gives its number.
    ///
    /// # Errors
    /// See [`NextcloudError`].
    pub async fn register_hook(&self, hook: &NewHook<'_>) -> Result<i64, NextcloudError> {
        let body = json!({
            "httpMethod": "POST",
            "uri": hook.uri,
            "event": hook.event,
            "eventFilter": event_filter(hook.users),
            "headers": { "Content-Type": "application/json" },
            "authMethod": "header",
            "authData": { "Authorization": hook.authorization.expose() },
        });
        let made = self.hooks_api(Method::POST, None, &[], Some(&body)).await?;
        made.get("id")
            .and_then(Value::as_i64)
            .ok_or(NextcloudError::Unexpected(StatusCode::OK))
    }

    /// The webhooks there whose deliveries go to `uri`, by number.
    ///
    /// # Errors
    /// See [`NextcloudError`].
    pub async fn hooks(&self, uri: &str) -> Result<BTreeMap<i64, Hook>, NextcloudError> {
        let query = [("uri", uri)];
        let found = self.hooks_api(Method::GET, None, &query, None).await?;
        let hooks: Vec<Hook> = serde_json::from_value(found)
            .map_err(|_| NextcloudError::Unexpected(StatusCode::OK))?;
        // Whatever the filter did: nobody else's is touched.
        let ours = hooks.into_iter().filter(|hook| hook.uri == uri);
        Ok(ours.map(|hook| (hook.id, hook)).collect())
    }

    /// Deletes a webhook. One that is not there is as good as deleted.
    ///
    /// # Errors
    /// See [`NextcloudError`].
    pub async fn delete_hook(&self, id: i64) -> Result<(), NextcloudError> {
        self.hooks_api(Method::DELETE, Some(id), &[], None)
            .await
            .map(drop)
    }

    async fn hooks_api(
        &self,
        method: Method,
        id: Option<i64>,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, NextcloudError> {
        let id = id.map(|id| id.to_string());
        let path: Vec<&str> = API.into_iter().chain(id.as_deref()).collect();
        match self.ocs(method, &path, query, body).await? {
            (200, data) => Ok(data),
            // 998: no such call, so the app is not there.
            (code, _) => Err(NextcloudError::Unexpected(
                StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(filter: Value) -> Hook {
        Hook {
            id: 1,
            uri: "https://mcp.example/webhooks/nextcloud".to_owned(),
            event: r"\OCP\E".to_owned(),
            filter,
        }
    }

    #[test]
    fn a_hook_is_as_wanted_when_event_and_users_are() {
        let [alice, bob] = ["alice", "bob"].map(str::to_owned);
        let both = [alice.clone(), bob];
        for (filter, users, expected) in [
            (json!([]), &[][..], true),
            (json!({}), &[], true),
            (json!({WHO: "alice"}), &both[..1], true),
            (json!({WHO: {"$in": ["alice", "bob"]}}), &both, true),
            (json!([]), &both, false),
            (json!({WHO: "bob"}), &both[..1], false),
            (json!({WHO: "alice"}), &[], false),
        ] {
            let found = hook(filter.clone()).is_for(r"OCP\E", users);
            assert_eq!(found, expected, "{filter} {users:?}");
        }
        assert!(!hook(json!([])).is_for(r"OCP\F", &[]));
    }
}
