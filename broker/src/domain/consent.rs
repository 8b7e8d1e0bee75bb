//! Remembered consent: what a user allowed a client on the consent page, and when that still stands.
//!
//! Whose browser it is, and so whether the page may be passed over at all, is the browser flow's.

use std::time::Duration;

use broker_client::oauth::Scope;

use super::{
    Authorization, Client, ClientId, ClientStatus, HandleHash, RedirectUri, ResourceUri, Subject,
    Timestamp,
};

/// What one user allowed one client, for one redirect URI and one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// Who allowed it.
    pub sub: Subject,
    /// To whom.
    pub client_id: ClientId,
    /// Where the answers went, to the letter: for loopback the port too.
    pub redirect_uri: RedirectUri,
    /// For which protected resource (RFC 8707).
    pub resource: ResourceUri,
    /// What was allowed, at this click or before.
    pub scope: Scope,
    /// SHA-256 of what the client said of itself then ([`Client::self_description`]).
    pub client: HandleHash,
    /// When the user last clicked.
    pub given_at: Timestamp,
    /// Until when it stands.
    pub expires_at: Timestamp,
}

impl Consent {
    /// Whether it stands for what `asked` asks: not expired, the client still describes itself in
    /// the same way, and no scope is new.
    ///
    /// That user, client, redirect URI and resource are the same is how it was found.
    #[must_use]
    pub fn covers(&self, asked: &Authorization, client: HandleHash, now: Timestamp) -> bool {
        self.stands(client, now) && asked.scope.is_subset_of(&self.scope)
    }

    /// The same after another click: what was allowed before stays allowed, if it still stood.
    #[must_use]
    pub fn after(self, earlier: Option<&Self>) -> Self {
        match earlier {
            Some(earlier) if earlier.stands(self.client, self.given_at) => Self {
                scope: self.scope.union(&earlier.scope),
                ..self
            },
            _ => self,
        }
    }

    fn stands(&self, client: HandleHash, now: Timestamp) -> bool {
        now < self.expires_at && self.client == client
    }
}

/// A browser in which a user allowed something. Only a hint at who will log in next: who it is then,
/// the identity provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownBrowser {
    /// SHA-256 of the browser's cookie.
    pub cookie: HandleHash,
    /// Who it was.
    pub sub: Subject,
    /// Until when it is a hint.
    pub expires_at: Timestamp,
}

/// Which consents are remembered, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentPolicy {
    /// How long a click counts; zero: not at all.
    pub remember: Duration,
    /// Whether those are remembered that were given to a program on the user's own computer.
    pub remembers_native_apps: bool,
}

impl ConsentPolicy {
    /// Whether a consent to this client at this redirect URI is worth remembering.
    ///
    /// Any program on the computer can wait at a loopback port or claim a private-use scheme, and
    /// then ask in the name of the real one. Only the page would stand in its way, so there it is
    /// always shown (RFC 8252 §8.6), unless the client proves itself with a secret.
    #[must_use]
    pub fn remembers(&self, client: &Client, redirect_uri: &RedirectUri) -> bool {
        !self.remember.is_zero()
            && (self.remembers_native_apps || client.is_confidential() || !redirect_uri.is_native())
    }

    /// Whether the page may be passed over for this client: an administrator knows it as well.
    #[must_use]
    pub fn may_pass_over(&self, client: &Client, redirect_uri: &RedirectUri) -> bool {
        client.status == ClientStatus::Approved && self.remembers(client, redirect_uri)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::domain::{AuthorizationId, ClientKind, GrantType, Stage, TokenEndpointAuthMethod};

    const DAY: Duration = Duration::from_hours(24);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn described(byte: u8) -> HandleHash {
        HandleHash::from_bytes([byte; 32])
    }

    fn consent(scope: &str) -> Consent {
        Consent {
            sub: Subject::parse("alice").unwrap(),
            client_id: ClientId::parse("client").unwrap(),
            redirect_uri: RedirectUri::parse("https://client.example/cb").unwrap(),
            resource: ResourceUri::parse("https://mcp.example").unwrap(),
            scope: scope.parse().unwrap(),
            client: described(1),
            given_at: at(0),
            expires_at: at(100),
        }
    }

    fn asking(scope: &str) -> Authorization {
        let consent = consent(scope);
        Authorization {
            id: AuthorizationId::parse("flow").unwrap(),
            client_id: consent.client_id,
            redirect_uri: consent.redirect_uri,
            state: None,
            scope: consent.scope,
            resource: consent.resource,
            code_challenge: String::new(),
            browser: described(9),
            created_at: at(0),
            expires_at: at(1000),
            stage: Stage::AwaitingConsent,
        }
    }

    fn client(status: ClientStatus, auth_method: TokenEndpointAuthMethod) -> Client {
        Client {
            id: ClientId::parse("client").unwrap(),
            kind: ClientKind::Dynamic,
            status,
            name: None,
            redirect_uris: Vec::new(),
            grant_types: vec![GrantType::AuthorizationCode],
            auth_method,
            secrets: Vec::new(),
            scope: None,
            serves: Vec::new(),
            exchange: Vec::new(),
            background: false,
            metadata: Map::new(),
            registration_token: None,
            created_at: at(0),
            updated_at: at(0),
            version: 1,
        }
    }

    #[test]
    fn it_stands_for_no_more_than_was_allowed_to_the_client_as_it_was_until_it_expires() {
        let given = consent("notes.read notes.write");
        for (scope, client, now, covered) in [
            ("notes.read", 1, 99, true),
            ("notes.read notes.write", 1, 0, true),
            ("notes.read files.read", 1, 0, false),
            ("files.read", 1, 0, false),
            ("notes.read", 2, 0, false),
            ("notes.read", 1, 100, false),
        ] {
            let found = given.covers(&asking(scope), described(client), at(now));
            assert_eq!(found, covered, "{scope} {client} {now}");
        }
    }

    #[test]
    fn a_second_click_adds_to_what_still_stands() {
        let again = Consent {
            given_at: at(50),
            expires_at: at(150),
            ..consent("files.read")
        };
        let scope = |earlier: Option<&Consent>| again.clone().after(earlier).scope.to_string();
        assert_eq!(scope(None), "files.read");
        assert_eq!(scope(Some(&consent("notes.read"))), "files.read notes.read");
        let expired = Consent {
            expires_at: at(50),
            ..consent("notes.read")
        };
        assert_eq!(scope(Some(&expired)), "files.read");
        let of_another = Consent {
            client: described(2),
            ..consent("notes.read")
        };
        assert_eq!(scope(Some(&of_another)), "files.read");
    }

    #[test]
    fn the_page_is_passed_over_for_approved_clients_that_nobody_can_pose_as() {
        use ClientStatus::{Approved, Blocked, Pending};
        use TokenEndpointAuthMethod::{ClientSecretBasic, None as Public};

        let web = "https://client.example/cb";
        let strict = ConsentPolicy {
            remember: DAY,
            remembers_native_apps: false,
        };
        let lax = ConsentPolicy {
            remembers_native_apps: true,
            ..strict
        };
        let off = ConsentPolicy {
            remember: Duration::ZERO,
            ..lax
        };
        for (policy, status, method, redirect_uri, expected) in [
            (strict, Approved, Public, web, true),
            (strict, Pending, Public, web, false),
            (strict, Blocked, Public, web, false),
            (off, Approved, Public, web, false),
            (strict, Approved, Public, "http://127.0.0.1:33418/cb", false),
            (strict, Approved, Public, "https://localhost/cb", false),
            (strict, Approved, Public, "cursor://mcp/callback", false),
            (
                strict,
                Approved,
                ClientSecretBasic,
                "http://localhost/cb",
                true,
            ),
            (lax, Approved, Public, "http://127.0.0.1:33418/cb", true),
            (lax, Pending, Public, "http://127.0.0.1:33418/cb", false),
            (off, Approved, ClientSecretBasic, web, false),
        ] {
            let redirect_uri = RedirectUri::parse(redirect_uri).unwrap();
            let found = policy.may_pass_over(&client(status, method), &redirect_uri);
            assert_eq!(
                found, expected,
                "{policy:?} {status:?} {method:?} {redirect_uri}"
            );
        }
    }
}
