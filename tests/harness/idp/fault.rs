//! What a provider can do wrong, ordered per user.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// One misbehaviour of the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The token endpoint waits this long before it answers.
    SlowTokenEndpoint(Duration),
    /// The token endpoint answers 500 with an HTML page.
    BrokenTokenEndpoint,
    /// The tokens that a code brings are over at once; those of a refresh are not.
    ShortFirstTokens,
    /// The ID token carries another nonce than the request.
    WrongNonce,
    /// The ID token carries another issuer.
    WrongIssuer,
    /// The ID token is for another client.
    WrongAudience,
    /// The ID token expired an hour ago.
    ExpiredIdToken,
    /// The ID token is signed by a key that the key set does not have.
    BadSignature,
    /// The ID token has no `preferred_username`.
    NoUsername,
    /// The authorization response carries this `iss` (RFC 9207) instead of the provider's own.
    IssParameter(String),
    /// The authorization response carries no `iss` although the metadata promises one.
    NoIssParameter,
    /// After the login the provider answers with this error instead of a code.
    AuthorizationError(&'static str),
}

/// The faults in force.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<HashMap<String, Vec<Fault>>>);

impl Faults {
    pub(super) fn inject(&self, user: &str, fault: Fault) {
        self.0
            .lock()
            .unwrap()
            .entry(user.to_owned())
            .or_default()
            .push(fault);
    }

    pub(super) fn heal(&self, user: &str) {
        self.0.lock().unwrap().remove(user);
    }

    /// Whether this very fault is in force for the user.
    pub(super) fn has(&self, user: &str, fault: &Fault) -> bool {
        self.find(user, |candidate| (candidate == fault).then_some(()))
            .is_some()
    }

    /// The first fault of the user that `pick` wants.
    pub(super) fn find<T>(&self, user: &str, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        self.0.lock().unwrap().get(user)?.iter().find_map(pick)
    }
}
