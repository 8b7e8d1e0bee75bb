//! The labels, each a type of its own: what can be a label at all is decided here.

use std::fmt;
use std::hash::Hash;

use http::Method;
use prometheus_client::encoding::EncodeLabelSet;

use crate::domain::{DownstreamName, GrantType};

/// What a set of labels must be able to do.
pub(super) trait Labels:
    EncodeLabelSet + Clone + Hash + Eq + fmt::Debug + Send + Sync + 'static
{
}

impl<T: EncodeLabelSet + Clone + Hash + Eq + fmt::Debug + Send + Sync + 'static> Labels for T {}

/// A set of one label whose values are constants.
macro_rules! constant {
    ($($(#[$doc:meta])* $name:ident { $label:ident }),+ $(,)?) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
            pub(super) struct $name {
                $label: &'static str,
            }

            impl $name {
                pub(super) const fn new($label: &'static str) -> Self {
                    Self { $label }
                }
            }
        )+
    };
}

constant! {
    /// Why a token did not verify.
    Reason { reason },
    /// How an exchange is done.
    Strategy { strategy },
    /// What the identity provider is asked for.
    Operation { operation },
    /// A periodic task.
    TaskName { task },
    /// A dependency, by our word for it.
    Dependency { dependency },
    /// What became of a span.
    Ended { outcome },
    /// The state of a key or of a connection.
    State { state },
}

/// A route's template.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Route {
    route: String,
}

impl Route {
    pub(super) fn new(route: &str) -> Self {
        Self {
            route: route.to_owned(),
        }
    }
}

/// An answered request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Request {
    route: String,
    method: &'static str,
    status: u16,
}

impl Request {
    pub(super) fn new(route: Route, method: &Method, status: u16) -> Self {
        Self {
            route: route.route,
            method: known(method),
            status,
        }
    }
}

/// The method's name; a stranger may invent any number of others.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// A grant type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Grant {
    grant_type: &'static str,
}

impl Grant {
    pub(super) fn new(grant: Option<GrantType>) -> Self {
        Self {
            grant_type: match grant {
                Some(GrantType::AuthorizationCode) => "authorization_code",
                Some(GrantType::RefreshToken) => "refresh_token",
                Some(GrantType::ClientCredentials) => "client_credentials",
                // The URN in full would be half of each line.
                Some(GrantType::TokenExchange) => "token_exchange",
                None => "unknown",
            },
        }
    }
}

/// An answered token request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TokenRequest {
    grant_type: &'static str,
    outcome: &'static str,
}

impl TokenRequest {
    pub(super) const fn new(grant: &Grant, outcome: &'static str) -> Self {
        Self {
            grant_type: grant.grant_type,
            outcome,
        }
    }
}

/// A downstream of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Downstream {
    downstream: String,
}

impl Downstream {
    pub(super) fn new(name: &DownstreamName) -> Self {
        Self {
            downstream: name.to_string(),
        }
    }
}

/// A decided exchange.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Exchange {
    strategy: &'static str,
    downstream: String,
    outcome: &'static str,
}

impl Exchange {
    pub(super) fn new(
        strategy: &Strategy,
        downstream: &DownstreamName,
        outcome: &'static str,
    ) -> Self {
        Self {
            strategy: strategy.strategy,
            downstream: downstream.to_string(),
            outcome,
        }
    }
}

/// A request to the identity provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct UpstreamRequest {
    operation: &'static str,
    outcome: &'static str,
}

impl UpstreamRequest {
    pub(super) const fn new(operation: &Operation, outcome: &'static str) -> Self {
        Self {
            operation: operation.operation,
            outcome,
        }
    }
}

/// A run of a periodic task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Task {
    task: &'static str,
    outcome: &'static str,
}

impl Task {
    pub(super) const fn new(task: &'static str, outcome: &'static str) -> Self {
        Self { task, outcome }
    }
}

/// A limit that was exceeded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Limit {
    what: &'static str,
    of: &'static str,
}

impl Limit {
    pub(super) const fn new(what: &'static str, of: &'static str) -> Self {
        Self { what, of }
    }
}

/// A kind of audit row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Event {
    event: &'static str,
    outcome: &'static str,
}

impl Event {
    pub(super) const fn new(event: &'static str, outcome: &'static str) -> Self {
        Self { event, outcome }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invented_method_is_no_label_of_its_own() {
        let invented = Method::from_bytes(b"X-4711").unwrap();
        assert_eq!(known(&invented), "other");
        assert_eq!(known(&Method::PUT), "PUT");
    }
}
