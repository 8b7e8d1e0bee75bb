//! Who a request is: the login that Nextcloud does before it looks for a route.
//!
//! Says only what the credentials are worth. What each API family does with that is in
//! [`super::gate`] and [`super::front`].

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::account::{Account, Provisioned};
use super::provider::{ProviderEntry, accept, uid_claim};
use super::server::Server;
use super::text::header;
use super::user_oidc::UserOidc;
use super::{oauth2, oidc};

/// By what a user was logged in.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Means {
    /// A self-encoded token that user_oidc accepted.
    Jwt,
    /// A token of the app `oidc`.
    OidcApp,
    /// Basic with the login password.
    LoginPassword,
    /// An app password (given), in Basic or as bearer.
    AppPassword(String),
}

/// A logged-in user.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) uid: String,
    pub(super) means: Means,
}

/// What the credentials of a request are worth.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// There were none.
    Anonymous,
    /// A bearer token that nothing accepts.
    BadBearer,
    /// A user name and password that do not match.
    BadBasic,
    /// The right login password of a user who has a second factor.
    PasswordForbidden,
    /// The password of a disabled account.
    DisabledBasic,
    /// The app password of a disabled account, sent as bearer.
    DisabledBearer,
    /// A good token of a disabled account: WebDAV still lets it in (8.7.0 to 8.10.1).
    DisabledJwt(Session),
    /// A user. `second_factor_due` when every controller route sends it to the challenge.
    User {
        session: Session,
        second_factor_due: bool,
    },
}

impl Identity {
    /// The user, for everything but WebDAV.
    pub(super) fn session(&self) -> Option<&Session> {
        match self {
            Self::User { session, .. } => Some(session),
            Self::Anonymous
            | Self::BadBearer
            | Self::BadBasic
            | Self::PasswordForbidden
            | Self::DisabledBasic
            | Self::DisabledBearer
            | Self::DisabledJwt(_) => None,
        }
    }

    /// The user, for WebDAV.
    pub(super) fn dav_session(&self) -> Option<&Session> {
        if let Self::DisabledJwt(session) = self {
            Some(session)
        } else {
            self.session()
        }
    }

    /// Whether a controller route has to ask for the second factor first.
    pub(super) fn second_factor_due(&self) -> bool {
        matches!(
            self,
            Self::User {
                second_factor_due: true,
                ..
            }
        )
    }
}

/// Logs a request in. Cookies are not looked at: with user_oidc 8.10.1 they are worth nothing.
pub(super) async fn identify(server: &Server, headers: &HeaderMap) -> Identity {
    let Some(authorization) = header(headers, "authorization") else {
        return Identity::Anonymous;
    };
    oauth2::expire(server);
    if let Some(pair) = strip_scheme(authorization, "Basic") {
        return basic(server, pair);
    }
    // The scheme's case matters: `BEARER` is not looked at, and an app password needs `Bearer`.
    if let Some(token) = authorization.strip_prefix("Bearer ") {
        match app_password(server, token.trim(), Identity::DisabledBearer) {
            Some(identity) => identity,
            None => bearer(server, token.trim()).await,
        }
    } else if let Some(token) = authorization.strip_prefix("bearer ") {
        bearer(server, token.trim()).await
    } else {
        Identity::BadBearer
    }
}

fn strip_scheme<'a>(authorization: &'a str, scheme: &str) -> Option<&'a str> {
    let (given, rest) = authorization.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

fn basic(server: &Server, pair: &str) -> Identity {
    let decoded = STANDARD
        .decode(pair)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((name, password)) = decoded.as_deref().and_then(|text| text.split_once(':')) else {
        return Identity::BadBasic;
    };
    let by_password = server.store(|store| {
        store
            .accounts
            .check_password(name, password)
            .map(login_password)
    });
    let own_app_password = server.store(|store| {
        let owner = store.accounts.app_password_owner(password);
        owner.is_some_and(|owner| {
            store
                .accounts
                .find(name)
                .is_some_and(|a| a.uid == owner.uid)
        })
    });
    let identity = match by_password {
        Some(identity) => Some(identity),
        None if own_app_password => app_password(server, password, Identity::DisabledBasic),
        None => None,
    };
    let identity = identity.unwrap_or(Identity::BadBasic);
    note_login(server, &identity);
    identity
}

fn login_password(account: &Account) -> Identity {
    if !account.enabled {
        Identity::DisabledBasic
    } else if account.second_factor {
        Identity::PasswordForbidden
    } else {
        user(account, Means::LoginPassword)
    }
}

/// An app password passes the second factor; `disabled` says how a disabled owner is refused.
fn app_password(server: &Server, password: &str, disabled: Identity) -> Option<Identity> {
    server.store(|store| {
        let owner = store.accounts.app_password_owner(password)?;
        Some(if owner.enabled {
            user(owner, Means::AppPassword(password.to_owned()))
        } else {
            disabled
        })
    })
}

fn user(account: &Account, means: Means) -> Identity {
    Identity::User {
        second_factor_due: account.second_factor && means == Means::Jwt,
        session: Session {
            uid: account.uid.clone(),
            means,
        },
    }
}

async fn bearer(server: &Server, token: &str) -> Identity {
    if server.user_oidc() == UserOidc::Missing {
        return Identity::BadBearer;
    }
    if let Some(uid) = oidc::owner(server, token) {
        return stored_token(server, &uid);
    }
    let now = server.clock().now();
    // Entries are tried in turn; the first that validates wins.
    for (number, provider) in server.providers().into_iter().enumerate() {
        if !provider.check_bearer {
            continue;
        }
        let Some(issuer) = server.issuers().issuer(&provider).await else {
            continue;
        };
        let Some(claims) = accept(&provider, &issuer, token, now) else {
            continue;
        };
        let Some(claim) = uid_claim(&provider, &claims) else {
            continue;
        };
        // Provider ids start at 1 in the database.
        let identity = provisioned(server, &provider, number + 1, &claim, &claims);
        note_login(server, &identity);
        return identity;
    }
    Identity::BadBearer
}

/// A token of the app `oidc` passes the second factor, which its login asked for.
fn stored_token(server: &Server, uid: &str) -> Identity {
    server.store(|store| match store.accounts.get(uid) {
        Some(account) if account.enabled => user(account, Means::OidcApp),
        Some(_) => Identity::DisabledBearer,
        None => Identity::BadBearer,
    })
}

fn provisioned(
    server: &Server,
    provider: &ProviderEntry,
    number: usize,
    claim: &str,
    claims: &Map<String, Value>,
) -> Identity {
    let provisioned = server.store(|store| store.accounts.provision(provider, number, claim));
    let Provisioned::Account { uid, created } = provisioned else {
        return Identity::BadBearer;
    };
    if created {
        server.make_home(&uid);
    }
    server.store(|store| {
        let Some(account) = store.accounts.get_mut(&uid) else {
            return Identity::BadBearer;
        };
        if provider.bearer_provisioning {
            overwrite_profile(account, claims);
        }
        if account.enabled {
            match (user(account, Means::Jwt), server.user_oidc()) {
                // A session that the token opened counts as one that passed the second factor.
                (Identity::User { session, .. }, UserOidc::Sessions) => Identity::User {
                    session,
                    second_factor_due: false,
                },
                (identity, _) => identity,
            }
        } else {
            Identity::DisabledJwt(Session {
                uid: account.uid.clone(),
                means: Means::Jwt,
            })
        }
    })
}

/// `--bearer-provisioning=1` writes the claims at every request, to database accounts too.
fn overwrite_profile(account: &mut Account, claims: &Map<String, Value>) {
    if let Some(name) = claims.get("name").and_then(Value::as_str) {
        name.clone_into(&mut account.display_name);
    }
    if let Some(email) = claims.get("email").and_then(Value::as_str) {
        email.clone_into(&mut account.email);
    }
}

fn note_login(server: &Server, identity: &Identity) {
    let Some(session) = identity.session() else {
        return;
    };
    let now = server.clock().now();
    server.store(|store| {
        if let Some(account) = store.accounts.get_mut(&session.uid) {
            if account.logins.0 == 0 {
                account.logins.0 = now;
            }
            account.logins.1 = now;
        }
    });
}
