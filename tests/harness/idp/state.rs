//! What the provider remembers: users, browser sessions, pending requests, codes and tokens.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use serde_json::{Value, json};

use super::fault::Faults;
use super::{IdpOptions, User};
use crate::jwt::SigningKey;
use crate::random;

/// Seconds that a code may wait for its redemption.
const CODE_LIFETIME: u64 = 60;
/// Seconds that access and ID tokens live.
pub(super) const TOKEN_LIFETIME: u64 = 300;

/// An accepted authorization request that waits for a login.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Option<String>,
    pub(super) scope: String,
}

/// What a code or a refresh token stands for.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) user: String,
    pub(super) request: Pending,
    pub(super) expires: u64,
}

#[derive(Debug)]
pub(super) struct IdpState {
    issuer: String,
    options: IdpOptions,
    key: SigningKey,
    foreign_key: SigningKey,
    faults: Faults,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    sessions: HashMap<String, String>,
    pending: HashMap<String, Pending>,
    codes: HashMap<String, Grant>,
    refresh_tokens: HashMap<String, Grant>,
    access_tokens: HashMap<String, (String, u64)>,
    revoked: HashSet<String>,
    codes_issued: HashMap<String, usize>,
    refreshes: HashMap<String, usize>,
    requests: Vec<Vec<(String, String)>>,
    issued: Vec<String>,
}

impl IdpState {
    pub(super) fn new(options: IdpOptions) -> Self {
        Self {
            issuer: format!("http://127.0.0.1:{}", options.port),
            options,
            key: SigningKey::generate("idp-1"),
            // The same key id on purpose: only the signature is wrong.
            foreign_key: SigningKey::generate("idp-1"),
            faults: Faults::default(),
            memory: Mutex::default(),
        }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn options(&self) -> &IdpOptions {
        &self.options
    }

    pub(super) fn users(&self) -> &[User] {
        &self.options.users
    }

    pub(super) fn user(&self, name: &str) -> Option<&User> {
        self.options.users.iter().find(|user| user.name == name)
    }

    pub(super) fn key(&self) -> &SigningKey {
        &self.key
    }

    pub(super) fn foreign_key(&self) -> &SigningKey {
        &self.foreign_key
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn remember_request(
        &self,
        query: Vec<(String, String)>,
        request: Pending,
    ) -> String {
        let id = random::token();
        let mut memory = self.memory.lock().unwrap();
        memory.requests.push(query);
        memory.pending.insert(id.clone(), request);
        id
    }

    pub(super) fn pending(&self, id: &str) -> Option<Pending> {
        self.memory.lock().unwrap().pending.get(id).cloned()
    }

    pub(super) fn authorization_requests(&self) -> Vec<Vec<(String, String)>> {
        self.memory.lock().unwrap().requests.clone()
    }

    pub(super) fn start_session(&self, user: &str) -> String {
        let id = random::token();
        self.memory
            .lock()
            .unwrap()
            .sessions
            .insert(id.clone(), user.to_owned());
        id
    }

    pub(super) fn end_session(&self, id: &str) {
        self.memory.lock().unwrap().sessions.remove(id);
    }

    pub(super) fn session_user(&self, id: &str) -> Option<User> {
        let name = self.memory.lock().unwrap().sessions.get(id).cloned()?;
        self.user(&name).cloned()
    }

    pub(super) fn issue_code(&self, user: &str, request: Pending) -> String {
        let code = random::token();
        let expires = random::unix_now() + CODE_LIFETIME;
        let mut memory = self.memory.lock().unwrap();
        *memory.codes_issued.entry(user.to_owned()).or_default() += 1;
        memory.issued.push(code.clone());
        memory.codes.insert(
            code.clone(),
            Grant {
                user: user.to_owned(),
                request,
                expires,
            },
        );
        code
    }

    pub(super) fn codes_issued(&self, user: &str) -> usize {
        self.memory
            .lock()
            .unwrap()
            .codes_issued
            .get(user)
            .copied()
            .unwrap_or_default()
    }

    /// Takes the code out: it works once.
    pub(super) fn take_code(&self, code: &str) -> Option<Grant> {
        let grant = self.memory.lock().unwrap().codes.remove(code)?;
        (grant.expires > random::unix_now()).then_some(grant)
    }

    pub(super) fn issue_refresh_token(&self, grant: Grant) -> String {
        let token = random::token();
        let mut memory = self.memory.lock().unwrap();
        memory.issued.push(token.clone());
        memory.refresh_tokens.insert(token.clone(), grant);
        token
    }

    /// Every code, access token and refresh token that was ever issued.
    pub(super) fn issued(&self) -> Vec<String> {
        self.memory.lock().unwrap().issued.clone()
    }

    /// Takes the refresh token out: each use rotates it. It is good for the client that it was issued
    /// to.
    pub(super) fn take_refresh_token(&self, token: &str, client_id: &str) -> Option<Grant> {
        let mut memory = self.memory.lock().unwrap();
        let grant = memory.refresh_tokens.get(token)?;
        if grant.request.client_id != client_id {
            return None;
        }
        let grant = memory.refresh_tokens.remove(token)?;
        *memory.refreshes.entry(grant.user.clone()).or_default() += 1;
        Some(grant)
    }

    pub(super) fn refreshes(&self, user: &str) -> usize {
        let memory = self.memory.lock().unwrap();
        memory.refreshes.get(user).copied().unwrap_or_default()
    }

    pub(super) fn refresh_tokens(&self, user: &str) -> usize {
        let memory = self.memory.lock().unwrap();
        let tokens = memory.refresh_tokens.values();
        tokens.filter(|grant| grant.user == user).count()
    }

    /// The client with this id: its own, as configured, and its secret.
    pub(super) fn client(&self, id: &str) -> Option<(&str, Option<&str>)> {
        let options = &self.options;
        if id == options.client_id {
            return Some((&options.client_id, options.client_secret.as_deref()));
        }
        let (offline, secret) = options.offline_client.as_ref()?;
        (id == offline).then_some((offline, Some(secret)))
    }

    /// A JWT access token of `client_id` for `audience`; remembered, so that it can be revoked.
    pub(super) fn issue_access_token(
        &self,
        user: &User,
        client_id: &str,
        audience: &str,
        scope: &str,
    ) -> String {
        let now = random::unix_now();
        let expires = now + TOKEN_LIFETIME;
        let token = self.key.sign(
            "at+jwt",
            &json!({
                "iss": self.issuer, "sub": user.subject, "aud": audience, "exp": expires,
                "iat": now, "jti": random::token(), "client_id": client_id,
                "azp": client_id, "scope": scope,
                "preferred_username": user.name,
            }),
        );
        let mut memory = self.memory.lock().unwrap();
        memory.issued.push(token.clone());
        memory
            .access_tokens
            .insert(token.clone(), (user.name.clone(), expires));
        token
    }

    /// The user of an access token that is ours, alive and not revoked.
    pub(super) fn access_token_user(&self, token: &str) -> Option<User> {
        let memory = self.memory.lock().unwrap();
        let (user, expires) = memory.access_tokens.get(token)?;
        if memory.revoked.contains(token) || *expires <= random::unix_now() {
            return None;
        }
        self.user(user).cloned()
    }

    /// RFC 7009: an unknown token is revoked as well.
    pub(super) fn revoke(&self, token: &str) {
        let mut memory = self.memory.lock().unwrap();
        memory.refresh_tokens.remove(token);
        memory.revoked.insert(token.to_owned());
    }
}

/// The claims about a user that the scope allows (`OpenID` Connect Core §5.4).
pub(super) fn user_claims(user: &User, scope: &str) -> Value {
    let asked = |name: &str| scope.split(' ').any(|scope| scope == name);
    let mut claims = json!({ "sub": user.subject });
    if asked("profile") {
        claims["name"] = json!(user.full_name);
        claims["preferred_username"] = json!(user.name);
    }
    if asked("email") {
        claims["email"] = json!(format!("{}@example.org", user.name));
        claims["email_verified"] = json!(true);
    }
    claims
}
