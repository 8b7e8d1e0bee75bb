//! Administrators by group: who is in a group at the identity provider needs no admin token.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::storage::AdminRole;
use crate::upstream::Upstream;

/// Which tokens of the identity provider administer, and what they may do.
#[derive(Clone)]
pub struct Groups {
    /// Whose tokens.
    pub upstream: Arc<Upstream>,
    /// Who they must be for.
    pub policy: GroupPolicy,
}

/// The configured part of it.
#[derive(Debug, Clone)]
pub struct GroupPolicy {
    /// The `aud` that a token needs, kept for this API alone.
    pub audience: String,
    /// The claim with the groups: a list of texts, or one text.
    pub claim: String,
    /// The groups that may look, to the letter.
    pub read: Vec<String>,
    /// The groups that may look and change.
    pub write: Vec<String>,
}

/// A member of the identity provider's.
pub(super) struct Member {
    /// His `sub` there.
    pub(super) subject: String,
    /// What his groups may do; none for members of no group that is named.
    pub(super) role: Option<AdminRole>,
}

impl Groups {
    /// Whose token it is; none when it is no good one.
    pub(super) async fn member(&self, token: &str) -> Option<Member> {
        let audience = &self.policy.audience;
        let claims = match self.upstream.verify_access_token(token, audience).await {
            Ok(claims) => claims,
            Err(error) => {
                tracing::warn!(
                    reason = error.reason(),
                    "a token of the identity provider was refused at the admin API"
                );
                return None;
            }
        };
        let subject = claims.get("sub")?.as_str()?.to_owned();
        let role = self.policy.role(&claims);
        Some(Member { subject, role })
    }
}

impl GroupPolicy {
    fn role(&self, claims: &Map<String, Value>) -> Option<AdminRole> {
        let is_in = |groups: &[String]| match claims.get(&self.claim) {
            Some(Value::String(group)) => groups.contains(group),
            Some(Value::Array(list)) => list
                .iter()
                .filter_map(Value::as_str)
                .any(|group| groups.iter().any(|named| named == group)),
            _ => false,
        };
        if is_in(&self.write) {
            Some(AdminRole::Write)
        } else {
            is_in(&self.read).then_some(AdminRole::Read)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_are_compared_to_the_letter() {
        let policy = GroupPolicy {
            audience: "admin".to_owned(),
            claim: "groups".to_owned(),
            read: vec!["auditors".to_owned()],
            write: vec!["/ops".to_owned()],
        };
        for (groups, role) in [
            (json!(["auditors"]), Some(AdminRole::Read)),
            (json!("auditors"), Some(AdminRole::Read)),
            (json!(["auditors", "/ops"]), Some(AdminRole::Write)),
            (json!(["ops", "Auditors", "auditors ", 7, null]), None),
            (json!({ "auditors": true }), None),
            (json!("auditors /ops"), None),
            (json!(null), None),
        ] {
            let claims = Map::from_iter([("groups".to_owned(), groups.clone())]);
            assert_eq!(policy.role(&claims), role, "{groups}");
        }
        assert_eq!(policy.role(&Map::new()), None);
    }
}
