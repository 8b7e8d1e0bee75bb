//! The MCP clients that there are, each through a whole login: its document or its registration, its
//! redirect URI, what it asks for, how it spells the resource, and how it refreshes.
//!
//! Documents and registrations in `tests/fixtures/clients` are rebuilt from what the products were seen
//! to send. A document is served from this machine under the path of the real one; nothing else in it
//! is changed.

use broker_client::oauth::grant_type;
use http::StatusCode;
use serde_json::Value;

use crate::browser::{Browser, parameters, planned};
use crate::documents::{DocumentServer, Published};
use crate::harness::{Broker, ISSUER, RESOURCE, Tokens, VERIFIER, claims};

macro_rules! fixture {
    ($path:literal) => {
        include_str!(concat!("../fixtures/clients/", $path, ".json"))
    };
}

/// How a product becomes known.
enum Identity {
    /// Its client id is the URL of this document.
    Document(&'static str),
    /// It registers with this body (RFC 7591).
    Registration(&'static str),
}

/// A login of a product.
struct Login {
    product: &'static str,
    identity: Identity,
    redirect_uri: &'static str,
    /// Parameters of the authorization request beyond the usual ones.
    authorize: &'static [(&'static str, &'static str)],
    /// What it gets.
    scope: &'static str,
    /// How many processes share its refresh token.
    processes: usize,
}

/// The origin of [`RESOURCE`], as `new URL(…).href` spells it.
const ORIGIN: &str = "http://127.0.0.1:4282/";
const WITH_SLASH: &str = "http://127.0.0.1:4282/mcp/";

const LOGINS: &[Login] = &[
    Login {
        product: "Claude",
        identity: Identity::Document(fixture!("documents/claude-web")),
        redirect_uri: "https://claude.ai/api/mcp/auth_callback",
        authorize: &[("resource", RESOURCE), ("scope", "notes.read notes.write")],
        scope: "notes.read notes.write",
        processes: 1,
    },
    Login {
        product: "Claude",
        identity: Identity::Document(fixture!("documents/claude-web")),
        redirect_uri: "https://claude.com/api/mcp/auth_callback",
        authorize: &[("resource", ORIGIN), ("scope", "notes.read")],
        scope: "notes.read",
        processes: 1,
    },
    // No resource, no scope, any port, and a refresh token that all its windows share.
    Login {
        product: "Claude Code",
        identity: Identity::Document(fixture!("documents/claude-code")),
        redirect_uri: "http://localhost:54212/callback",
        authorize: &[],
        scope: "notes.read",
        processes: 3,
    },
    Login {
        product: "ChatGPT",
        identity: Identity::Document(fixture!("documents/chatgpt")),
        redirect_uri: "https://chatgpt.com/connector/oauth/k7Qw2mZr",
        authorize: &[("resource", WITH_SLASH), ("scope", "notes.read")],
        scope: "notes.read",
        processes: 1,
    },
    // Only the plural member says that it may be public.
    Login {
        product: "ChatGPT",
        identity: Identity::Document(fixture!("documents/chatgpt-plural")),
        redirect_uri: "https://chatgpt.com/connector/oauth/p3Xt9aLd",
        authorize: &[("resource", RESOURCE), ("scope", "notes.read")],
        scope: "notes.read",
        processes: 1,
    },
    // Its usual port was taken.
    Login {
        product: "Visual Studio Code",
        identity: Identity::Document(fixture!("documents/vscode")),
        redirect_uri: "http://127.0.0.1:49731/",
        authorize: &[
            ("resource", RESOURCE),
            ("scope", "notes.read offline_access"),
            ("prompt", "consent"),
        ],
        scope: "notes.read",
        processes: 1,
    },
    Login {
        product: "Visual Studio Code",
        identity: Identity::Document(fixture!("documents/vscode")),
        redirect_uri: "https://vscode.dev/redirect",
        authorize: &[("resource", RESOURCE)],
        scope: "notes.read",
        processes: 1,
    },
    Login {
        product: "Claude Code (nextcloud)",
        identity: Identity::Registration(fixture!("registrations/claude-code")),
        redirect_uri: "http://localhost:3118/callback",
        authorize: &[("resource", ORIGIN)],
        scope: "notes.read",
        processes: 3,
    },
    Login {
        product: "Cursor",
        identity: Identity::Registration(fixture!("registrations/cursor")),
        redirect_uri: "cursor://anysphere.cursor-mcp/oauth/callback",
        authorize: &[("resource", RESOURCE), ("scope", "notes.read files.read")],
        scope: "files.read notes.read",
        processes: 1,
    },
    Login {
        product: "Cursor",
        identity: Identity::Registration(fixture!("registrations/cursor")),
        redirect_uri: "http://localhost:8787/callback",
        authorize: &[("resource", RESOURCE)],
        scope: "notes.read",
        processes: 1,
    },
    Login {
        product: "Visual Studio Code",
        identity: Identity::Registration(fixture!("registrations/vscode")),
        redirect_uri: "http://127.0.0.1:50117/",
        authorize: &[
            ("resource", RESOURCE),
            ("scope", "notes.read offline_access"),
            ("prompt", "consent"),
        ],
        scope: "notes.read",
        processes: 1,
    },
    // Registers with the scopes of the resource's metadata and asks for them again.
    Login {
        product: "MCP Inspector",
        identity: Identity::Registration(fixture!("registrations/inspector")),
        redirect_uri: "http://localhost:6274/oauth/callback",
        authorize: &[
            ("resource", RESOURCE),
            ("scope", "files.read notes.read notes.write"),
        ],
        scope: "files.read notes.read notes.write",
        processes: 1,
    },
    // Several processes, each with the refresh token it once read.
    Login {
        product: "Codex",
        identity: Identity::Registration(fixture!("registrations/codex")),
        redirect_uri: "http://127.0.0.1:63546/callback",
        authorize: &[("resource", RESOURCE)],
        scope: "notes.read",
        processes: 4,
    },
    Login {
        product: "Mistral AI",
        identity: Identity::Registration(fixture!("registrations/mistral")),
        redirect_uri: "https://callback.mistral.ai/v1/integrations_auth/oauth2_callback",
        authorize: &[("resource", RESOURCE), ("scope", "notes.read")],
        scope: "notes.read",
        processes: 1,
    },
    // `resource` and other strange members in the registration; the registered scope is its default.
    Login {
        product: "An agent of somebody else",
        identity: Identity::Registration(fixture!("registrations/third-party")),
        redirect_uri: "http://127.0.0.1:9009/oauth/callback",
        authorize: &[],
        scope: "notes.read",
        processes: 1,
    },
];

/// The client as the product knows itself.
struct Known {
    client_id: String,
    client_secret: Option<String>,
}

impl Known {
    fn fields(&self) -> Vec<(&str, &str)> {
        let secret = self.client_secret.as_deref();
        [("client_id", self.client_id.as_str())]
            .into_iter()
            .chain(secret.map(|secret| ("client_secret", secret)))
            .collect()
    }
}

async fn become_known(login: &Login, broker: &Broker, documents: &DocumentServer) -> Known {
    match login.identity {
        Identity::Document(document) => {
            let mut document: Value = serde_json::from_str(document).unwrap();
            let real = url::Url::parse(document["client_id"].as_str().unwrap()).unwrap();
            let client_id = documents.url(real.path());
            document["client_id"] = client_id.as_str().into();
            documents.publish(real.path(), Published::document(&document));
            Known {
                client_id,
                client_secret: None,
            }
        }
        Identity::Registration(body) => {
            let body: Value = serde_json::from_str(body).unwrap();
            let answer = broker.post_json("/oauth/register", &body).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
            let registered = answer.json();
            for member in ["redirect_uris", "token_endpoint_auth_method", "client_name"] {
                assert_eq!(registered[member], body[member], "{}", login.product);
            }
            Known {
                client_id: registered["client_id"].as_str().unwrap().to_owned(),
                client_secret: registered["client_secret"].as_str().map(str::to_owned),
            }
        }
    }
}

#[tokio::test]
async fn every_product_logs_in_and_stays_logged_in() {
    let (broker, idp) = planned(|plan| plan.settings.url_clients.allows_loopback = true).await;
    let documents = DocumentServer::start().await;
    for login in LOGINS {
        let known = become_known(login, &broker, &documents).await;
        let browser = Browser::new(&broker);
        let mut changes = vec![
            ("client_id", known.client_id.as_str()),
            ("redirect_uri", login.redirect_uri),
            ("scope", ""),
            ("state", "the client's state"),
        ];
        changes.retain(|(name, _)| login.authorize.iter().all(|(given, _)| given != name));
        changes.extend(login.authorize);

        let flow = browser.begin_with(&changes).await;
        let page = browser.page(&flow).await.body;
        assert!(
            page.contains(&format!("<strong>{}</strong> asks", login.product)),
            "{}: {page}",
            login.product
        );
        let allowed = browser.press(&flow, "allow").await;
        let answer = browser.get(&idp.log_in(allowed.location())).await;
        assert!(
            answer.location().starts_with(login.redirect_uri),
            "{}: {}",
            login.product,
            answer.location()
        );
        let parameters = parameters(&answer);
        assert_eq!(parameters["state"], "the client's state");
        assert_eq!(parameters["iss"], ISSUER);

        let resource = login
            .authorize
            .iter()
            .filter(|(name, _)| *name == "resource");
        let mut fields = known.fields();
        fields.extend(resource.copied());
        let mut redeem = fields.clone();
        redeem.extend([
            ("grant_type", grant_type::AUTHORIZATION_CODE),
            ("code", &parameters["code"]),
            ("code_verifier", VERIFIER),
            ("redirect_uri", login.redirect_uri),
        ]);
        let tokens = broker.post("/oauth/token", &redeem).await.tokens();
        assert_token(login, &known, &tokens);
        assert_refreshes(login, &known, &broker, &fields, tokens).await;
    }
}

fn assert_token(login: &Login, known: &Known, tokens: &Tokens) {
    let claims = claims(&tokens.access);
    assert_eq!(claims["aud"], RESOURCE, "{}", login.product);
    assert_eq!(claims["client_id"], known.client_id, "{}", login.product);
    assert_eq!(claims["scope"], login.scope, "{}", login.product);
}

/// Twice, and each time by every process of the product, which all hold the same refresh token.
async fn assert_refreshes(
    login: &Login,
    known: &Known,
    broker: &Broker,
    fields: &[(&str, &str)],
    mut tokens: Tokens,
) {
    for _ in 0..2 {
        let mut refresh = fields.to_vec();
        refresh.extend([
            ("grant_type", grant_type::REFRESH_TOKEN),
            ("refresh_token", &tokens.refresh),
        ]);
        let mut next = Vec::new();
        for _ in 0..login.processes {
            let refreshed = broker.post("/oauth/token", &refresh).await.tokens();
            assert_token(login, known, &refreshed);
            next.push(refreshed);
        }
        let first = next.swap_remove(0);
        assert_ne!(first.refresh, tokens.refresh, "{}", login.product);
        for other in next {
            assert_eq!(other.refresh, first.refresh, "{}", login.product);
        }
        tokens = first;
    }
}

#[test]
fn every_fixture_is_used() {
    // A file that nobody reads would look like a product that is tested.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/clients");
    let mut unused = Vec::new();
    for kind in ["documents", "registrations"] {
        for file in std::fs::read_dir(format!("{folder}/{kind}")).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let is_used = LOGINS.iter().any(|login| match login.identity {
                Identity::Document(used) | Identity::Registration(used) => used == text,
            });
            if !is_used {
                unused.push(path);
            }
        }
    }
    assert!(unused.is_empty(), "{unused:?}");
}
