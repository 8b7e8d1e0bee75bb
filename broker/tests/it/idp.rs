//! An identity provider on a real socket, that misbehaves when told to.
//!
//! Metadata, keys and token endpoint are HTTP, because the broker calls them. The login itself is a
//! function: [`Idp::log_in`] takes the URL the broker sent the browser to and gives the callback's
//! path back. The token endpoint checks what a strict provider checks, so that a test of the good
//! case fails when the broker forgets its part.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use broker::crypto;
use broker_client::oauth::{grant_type, token_type};
use broker_client::testing::{FakeClock, FakeIssuer};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use url::Url;

use crate::harness::{NOW, OFFLINE_CLIENT};

/// Our client there.
pub(crate) const CLIENT: (&str, &str) = ("broker", "upstream-secret");

/// How an `id_token` is spoiled or signed.
pub(crate) enum Signing {
    Good,
    AnotherKey,
    Unsigned,
    PublicKeyAsSecret,
}

/// What refresh tokens are like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefreshTokens {
    /// Logins bring none.
    NotGiven,
    /// Each use brings another one, and spends the old one.
    GoodOnce,
    /// Each use brings another one, and the old one stays good.
    Lasting,
}

/// What the provider does differently.
pub(crate) struct Faults {
    /// All endpoints answer this.
    pub(crate) down: Option<StatusCode>,
    /// The token endpoint answers this.
    pub(crate) token: Option<(StatusCode, Value)>,
    /// The metadata names this issuer.
    pub(crate) issuer: Option<String>,
    /// The metadata announces `iss` in authorization responses, and they carry it.
    pub(crate) announces_iss: bool,
    /// Changes the `id_token`'s claims.
    pub(crate) claims: fn(&mut Value),
    /// Signs the `id_token`.
    pub(crate) signing: Signing,
    /// Turns the opaque access token into this one.
    pub(crate) access_token: fn(String) -> String,
    /// Changes the claims of exchanged tokens.
    pub(crate) exchanged: fn(&mut Value),
    /// Changes the answer to an exchange.
    pub(crate) exchange_answer: fn(&mut Value),
    /// How long access tokens live, in seconds.
    pub(crate) lifetime: u64,
    /// What refresh tokens are like.
    pub(crate) refresh_tokens: RefreshTokens,
    /// Whether tokens can be revoked (RFC 7009).
    pub(crate) revokes: bool,
    /// The token endpoint waits for a permit of this before it answers.
    pub(crate) gate: Option<Arc<Semaphore>>,
}

/// A login in progress, as the provider remembers it.
struct Pending {
    client: &'static str,
    nonce: String,
    code_challenge: String,
    redirect_uri: String,
}

#[derive(Default)]
struct Memory {
    pending: HashMap<String, Pending>,
    count: usize,
    token_requests: Vec<BTreeMap<String, String>>,
    /// The refresh tokens that are good; each once, for the client that it was issued to.
    refresh_tokens: HashMap<String, &'static str>,
    revoked: Vec<String>,
    issued: usize,
}

struct Shared {
    issuer: FakeIssuer,
    faults: Mutex<Faults>,
    memory: Mutex<Memory>,
}

/// The provider. Stops when dropped.
pub(crate) struct Idp {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Idp {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Arc::new(FakeClock::at(NOW));
        let shared = Arc::new(Shared {
            issuer: FakeIssuer::with_clock(format!("http://{address}"), clock),
            faults: Mutex::new(Faults {
                down: None,
                token: None,
                issuer: None,
                announces_iss: false,
                claims: |_| {},
                signing: Signing::Good,
                access_token: |token| token,
                exchanged: |_| {},
                exchange_answer: |_| {},
                lifetime: 300,
                refresh_tokens: RefreshTokens::GoodOnce,
                revokes: true,
                gate: None,
            }),
            memory: Mutex::default(),
        });
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.unwrap_or_default();
        });
        Self { shared, task }
    }

    /// Signs whatever a test wants it to have said.
    pub(crate) fn keys(&self) -> &FakeIssuer {
        &self.shared.issuer
    }

    pub(crate) fn issuer(&self) -> &str {
        self.shared.issuer.issuer()
    }

    /// What it does differently from now on.
    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.shared.faults.lock().unwrap()
    }

    /// The user logs in at the URL he was sent to; returns the callback's path and query.
    pub(crate) fn log_in(&self, url: &str) -> String {
        let query = self.login_request(url);
        let mut memory = self.shared.memory.lock().unwrap();
        memory.count += 1;
        let code = format!("upstream-code-{}", memory.count);
        let pending = Pending {
            client: known(&query["client_id"]).0,
            nonce: query["nonce"].clone(),
            code_challenge: query["code_challenge"].clone(),
            redirect_uri: query["redirect_uri"].clone(),
        };
        memory.pending.insert(code.clone(), pending);
        drop(memory);
        self.answer(&query, &[("code", &code)])
    }

    /// The login ends with an error of the provider.
    pub(crate) fn refuse(&self, url: &str, error: &str) -> String {
        let query = self.login_request(url);
        self.answer(
            &query,
            &[("error", error), ("error_description", "No <b>.")],
        )
    }

    /// What the broker posted to the token endpoint, with its authorization header as
    /// `authorization`.
    pub(crate) fn token_requests(&self) -> Vec<BTreeMap<String, String>> {
        self.shared.memory.lock().unwrap().token_requests.clone()
    }

    /// How often new tokens were asked for.
    pub(crate) fn refreshes(&self) -> usize {
        let requests = self.token_requests();
        let refreshes = requests
            .iter()
            .filter(|form| form.get("grant_type").map(String::as_str) == Some("refresh_token"));
        refreshes.count()
    }

    /// The refresh tokens that were revoked, by whom they were issued to.
    pub(crate) fn revoked(&self) -> Vec<String> {
        self.shared.memory.lock().unwrap().revoked.clone()
    }

    /// The user ends the broker's access: no refresh token is good any more.
    pub(crate) fn forget(&self) {
        self.shared.memory.lock().unwrap().refresh_tokens.clear();
    }

    /// The parameters of a login request, checked (OIDC Core §3.1.2.2).
    fn login_request(&self, url: &str) -> BTreeMap<String, String> {
        let url = Url::parse(url).unwrap();
        assert_eq!(
            format!("{}/authorize", self.issuer()),
            url[..url::Position::AfterPath]
        );
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        let query: BTreeMap<_, _> = pairs.iter().cloned().collect();
        assert_eq!(pairs.len(), query.len(), "repeated: {url}");
        assert_eq!(query["response_type"], "code");
        if known(&query["client_id"]) == OFFLINE_CLIENT {
            // OIDC Core §11: it may be ignored without this prompt.
            assert_eq!(query["prompt"], "consent");
            assert!(
                query["scope"]
                    .split(' ')
                    .any(|scope| scope == "offline_access")
            );
            assert!(query["redirect_uri"].ends_with("/oauth/callback-nextcloud"));
        }
        assert_eq!(query["code_challenge_method"], "S256");
        assert!(query["scope"].split(' ').any(|scope| scope == "openid"));
        assert!(query["state"].len() >= 43 && query["nonce"].len() >= 43);
        query
    }

    fn answer(&self, query: &BTreeMap<String, String>, parameters: &[(&str, &str)]) -> String {
        let mut url = Url::parse(&query["redirect_uri"]).unwrap();
        url.query_pairs_mut()
            .extend_pairs(parameters)
            .append_pair("state", &query["state"]);
        if self.faults().announces_iss {
            url.query_pairs_mut().append_pair("iss", self.issuer());
        }
        format!("{}?{}", url.path(), url.query().unwrap())
    }
}

impl Drop for Idp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn metadata(State(shared): State<Arc<Shared>>) -> Response {
    let faults = shared.faults.lock().unwrap();
    if let Some(status) = faults.down {
        return status.into_response();
    }
    let base = shared.issuer.issuer();
    Json(json!({
        "issuer": faults.issuer.as_deref().unwrap_or(base),
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "jwks_uri": format!("{base}/jwks"),
        "revocation_endpoint": faults.revokes.then(|| format!("{base}/revoke")),
        "authorization_response_iss_parameter_supported": faults.announces_iss,
    }))
    .into_response()
}

async fn jwks(State(shared): State<Arc<Shared>>) -> Response {
    if let Some(status) = shared.faults.lock().unwrap().down {
        return status.into_response();
    }
    Json(shared.issuer.jwks()).into_response()
}

async fn token(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    let gate = shared.faults.lock().unwrap().gate.clone();
    let answer = answer_token_request(&shared, &headers, &form);
    // Decided, and perhaps not yet heard of by whoever asked.
    if let Some(gate) = gate {
        gate.acquire().await.unwrap().forget();
    }
    answer
}

fn answer_token_request(
    shared: &Shared,
    headers: &HeaderMap,
    form: &BTreeMap<String, String>,
) -> Response {
    let faults = shared.faults.lock().unwrap();
    if let Some(status) = faults.down {
        return status.into_response();
    }
    let mut memory = shared.memory.lock().unwrap();
    let mut recorded = form.clone();
    if let Some(value) = headers.get("authorization") {
        recorded.insert(
            "authorization".to_owned(),
            value.to_str().unwrap().to_owned(),
        );
    }
    memory.token_requests.push(recorded);
    if let Some((status, body)) = &faults.token {
        return (*status, Json(body.clone())).into_response();
    }
    let refused =
        |error: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response();
    let Some(client) = authenticated(headers, form) else {
        return refused("invalid_client");
    };
    if form.get("grant_type").map(String::as_str) == Some("refresh_token") {
        let token = &form["refresh_token"];
        if memory.refresh_tokens.get(token) != Some(&client) {
            return refused("invalid_grant");
        }
        // Spent by the first use, as most providers do.
        if faults.refresh_tokens == RefreshTokens::GoodOnce {
            memory.refresh_tokens.remove(token);
        }
        return Json(tokens(&faults, &mut memory, client)).into_response();
    }
    if form.get("grant_type").map(String::as_str) == Some(grant_type::TOKEN_EXCHANGE) {
        return Json(exchanged(shared, &faults, form)).into_response();
    }
    // A code is spent by the first try, whatever comes of it (RFC 6749 §4.1.2).
    let Some(pending) = form
        .get("code")
        .and_then(|code| memory.pending.remove(code))
    else {
        return refused("invalid_grant");
    };
    let verifier = form
        .get("code_verifier")
        .map(String::as_str)
        .unwrap_or_default();
    let challenge = URL_SAFE_NO_PAD.encode(crypto::hash(verifier).as_bytes());
    if form.get("grant_type").map(String::as_str) != Some("authorization_code")
        || client != pending.client
        || form.get("redirect_uri") != Some(&pending.redirect_uri)
        || challenge != pending.code_challenge
    {
        return refused("invalid_grant");
    }
    let mut claims = json!({
        "iss": shared.issuer.issuer(), "sub": "subject-of-alice", "aud": client,
        "iat": NOW, "exp": NOW + 300, "nonce": pending.nonce,
        "preferred_username": "alice", "name": "Alice <A.>",
    });
    (faults.claims)(&mut claims);
    let id_token = match faults.signing {
        Signing::Good => shared.issuer.mint(&json!({"typ": "JWT"}), &claims),
        Signing::AnotherKey => with_type(&shared.issuer.mint_with_another_key(&claims)),
        Signing::Unsigned => with_type(&shared.issuer.mint_unsigned(&claims)),
        Signing::PublicKeyAsSecret => with_type(&shared.issuer.mint_hs256_with_public_key(&claims)),
    };
    let mut body = tokens(&faults, &mut memory, client);
    body["id_token"] = id_token.into();
    Json(body).into_response()
}

/// A JWT for the audience asked for (RFC 8693 §2.2.1).
fn exchanged(shared: &Shared, faults: &Faults, form: &BTreeMap<String, String>) -> Value {
    let mut claims = json!({
        "iss": shared.issuer.issuer(), "sub": "subject-of-alice", "aud": form["audience"],
        "iat": NOW, "exp": NOW + 300, "azp": CLIENT.0,
    });
    (faults.exchanged)(&mut claims);
    let mut body = json!({
        "access_token": shared.issuer.mint(&json!({"typ": "JWT"}), &claims),
        "issued_token_type": token_type::ACCESS_TOKEN, "token_type": "bearer", "expires_in": 300,
    });
    (faults.exchange_answer)(&mut body);
    body
}

/// New tokens: `upstream-access-token-N` and `upstream-refresh-token-N`, counted from 1.
fn tokens(faults: &Faults, memory: &mut Memory, client: &'static str) -> Value {
    memory.issued += 1;
    let number = memory.issued;
    let mut body = json!({
        "access_token": (faults.access_token)(format!("upstream-access-token-{number}")),
        // Some providers write numbers as text.
        "token_type": "Bearer", "expires_in": faults.lifetime.to_string(),
    });
    if faults.refresh_tokens != RefreshTokens::NotGiven {
        let refresh_token = format!("upstream-refresh-token-{number}");
        memory.refresh_tokens.insert(refresh_token.clone(), client);
        body["refresh_token"] = refresh_token.into();
    }
    body
}

/// `POST /revoke` (RFC 7009 §2).
async fn revoke(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    if let Some(status) = shared.faults.lock().unwrap().down {
        return status.into_response();
    }
    let Some(client) = authenticated(&headers, &form) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let mut memory = shared.memory.lock().unwrap();
    let token = &form["token"];
    if memory.refresh_tokens.get(token) == Some(&client) {
        memory.refresh_tokens.remove(token);
        memory.revoked.push(token.clone());
    }
    StatusCode::OK.into_response()
}

/// The client with this id, and its secret.
fn known(id: &str) -> (&'static str, &'static str) {
    let mut clients = [CLIENT, OFFLINE_CLIENT].into_iter();
    clients.find(|client| client.0 == id).unwrap()
}

/// Who proves himself by Basic, post or, without a secret, only the id.
fn authenticated(headers: &HeaderMap, form: &BTreeMap<String, String>) -> Option<&'static str> {
    let mut clients = [CLIENT, OFFLINE_CLIENT].into_iter();
    let client = clients.find(|(id, secret)| match headers.get("authorization") {
        Some(value) => {
            let expected = STANDARD.encode(format!("{id}:{secret}"));
            value == format!("Basic {expected}").as_str()
        }
        None => {
            form.get("client_id").is_some_and(|given| given == id)
                && form
                    .get("client_secret")
                    .is_none_or(|given| given == secret)
        }
    });
    client.map(|(id, _)| id)
}

/// The same token with the header `typ: JWT`, so that it fails for nothing but its signature.
fn with_type(token: &str) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let mut header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["typ"] = "JWT".into();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}
