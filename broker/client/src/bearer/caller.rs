//! [`Caller`]: who is calling, as a verified token says.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use super::Challenge;
use crate::oauth::Scope;
use crate::secret::Secret;
use crate::verify::Claims;

/// Who is calling. Exists only where a token was verified; take it as a handler's argument.
///
/// Cheap to clone; `Debug` shows no token.
#[derive(Debug, Clone)]
pub struct Caller {
    claims: Arc<Claims>,
    token: Arc<Secret>,
}

impl Caller {
    pub(super) fn new(claims: Arc<Claims>, token: Secret) -> Self {
        Self {
            claims,
            token: Arc::new(token),
        }
    }

    /// The verified claims.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// What the token allows.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.claims.scope
    }

    /// Whether the token allows all of `required`. A token without scopes allows nothing, so
    /// this is `false` for it even when nothing in particular is required.
    #[must_use]
    pub fn has(&self, required: &Scope) -> bool {
        !self.scope().is_empty() && required.is_subset_of(self.scope())
    }

    /// The token itself, to be exchanged (RFC 8693 `subject_token`) and for nothing else: passing
    /// it on to another API would be the confused deputy that audiences exist against.
    #[must_use]
    pub fn subject_token(&self) -> &Secret {
        &self.token
    }
}

/// The rejection of [`Caller`] as an argument: 401 with a bare `Bearer` challenge.
///
/// It means that the route is not behind [`super::BearerLayer`]. The request is refused as any
/// other without a verified token, so a forgotten layer closes the route instead of opening it.
#[derive(Debug, Clone, Copy)]
pub struct NotAuthenticated;

impl IntoResponse for NotAuthenticated {
    fn into_response(self) -> Response {
        Challenge::default().into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = NotAuthenticated;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotAuthenticated> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a handler asks for the Caller, but no bearer layer is around it");
            NotAuthenticated
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn caller(scope: &str) -> Caller {
        let claims = json!({
            "iss": "i", "sub": "alice", "aud": "a", "client_id": "c", "scope": scope,
            "iat": 1, "exp": 2, "jti": "j",
        });
        Caller::new(
            Arc::new(serde_json::from_value(claims).unwrap()),
            Secret::new("token"),
        )
    }

    #[test]
    fn a_caller_has_what_the_token_allows() {
        let caller = caller("notes.read notes.write");
        assert!(caller.has(&"notes.read".parse().unwrap()));
        assert!(caller.has(&Scope::new()));
        assert!(!caller.has(&"notes.read files.read".parse().unwrap()));
    }

    #[test]
    fn a_token_without_scopes_allows_nothing_at_all() {
        assert!(!caller("").has(&Scope::new()));
    }
}
