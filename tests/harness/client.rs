//! An OAuth client as MCP clients are: it starts from nothing but the URL of an MCP server.
//!
//! 401 → protected-resource metadata (RFC 9728) → authorization-server metadata (RFC 8414) →
//! registration (RFC 7591) → authorization code with PKCE and `resource` (RFC 7636, RFC 8707) →
//! tokens. Each step is a method of its own, so that the story can tell them one by one; and each
//! checks what a careful client checks (issuer equality, `state`, `iss` of RFC 9207).

use anyhow::{Context as _, Result, anyhow, ensure};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use url::Url;

use crate::http::{Answer, Http, query};
use crate::random;

/// Where codes are sent. Nothing listens there: the browser is told to stop at it.
pub const REDIRECT_URI: &str = "http://127.0.0.1:33418/callback";

/// A client of one MCP server.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    http: Http,
    mcp_url: Url,
}

/// What a 401 of the MCP server says (RFC 6750 §3, RFC 9728 §5.1).
#[derive(Clone, Debug)]
pub struct Challenge {
    /// The whole `WWW-Authenticate` value.
    pub header: String,
    /// Where the protected-resource metadata are.
    pub resource_metadata: Url,
    /// The scopes to ask for, if the server says.
    pub scope: Option<String>,
}

/// The protected-resource metadata that matter to a client.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The identifier, which becomes the audience of the token.
    pub id: String,
    /// The first authorization server.
    pub authorization_server: String,
    /// The whole document.
    pub document: Value,
}

/// The authorization-server metadata (RFC 8414).
#[derive(Clone, Debug)]
pub struct Server {
    /// The issuer identifier.
    pub issuer: String,
    /// The whole document.
    pub document: Value,
}

/// How a client proves who it is at the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `none`: a public client.
    Public {
        /// The client id.
        client_id: String,
    },
    /// `client_secret_basic`.
    Secret {
        /// The client id.
        client_id: String,
        /// The secret.
        client_secret: String,
    },
}

/// An authorization request that is on its way through the browser.
#[derive(Clone, Debug)]
pub struct Pending {
    /// What the browser opens.
    pub url: Url,
    /// The PKCE verifier.
    pub verifier: String,
    /// Our `state`.
    pub state: String,
}

/// The tokens of a client.
#[derive(Clone)]
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// The refresh token, if there is one.
    pub refresh_token: Option<String>,
    /// Seconds the access token lives.
    pub expires_in: u64,
    /// The scopes granted.
    pub scope: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tokens")
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// The client id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        match self {
            Self::Public { client_id } | Self::Secret { client_id, .. } => client_id,
        }
    }

    fn apply(&self, request: RequestBuilder, form: &mut Vec<(String, String)>) -> RequestBuilder {
        match self {
            Self::Public { client_id } => {
                form.push(("client_id".to_owned(), client_id.clone()));
                request
            }
            Self::Secret {
                client_id,
                client_secret,
            } => request.basic_auth(form_encode(client_id), Some(form_encode(client_secret))),
        }
    }
}

/// RFC 6749 §2.3.1: id and secret are form-encoded before Basic.
fn form_encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl OAuthClient {
    /// A client for the MCP server at `mcp_url`.
    #[must_use]
    pub fn new(http: Http, mcp_url: Url) -> Self {
        Self { http, mcp_url }
    }

    /// The HTTP client inside.
    #[must_use]
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// Calls the MCP server without a token and reads its challenge.
    ///
    /// # Errors
    /// When the answer is no 401 with a usable `WWW-Authenticate`.
    pub async fn challenge(&self) -> Result<Challenge> {
        let request = self.http.client().post(self.mcp_url.clone()).json(&json!({
            "jsonrpc": "2.0", "id": 1, "method": "ping",
        }));
        let accept = "application/json, text/event-stream";
        let answer = self.http.send(request.header("accept", accept)).await?;
        ensure!(
            answer.status.as_u16() == 401,
            "expected a 401: {}",
            answer.describe()
        );
        let header = answer
            .header("www-authenticate")
            .context("a 401 without challenge")?;
        let metadata = parameter(header, "resource_metadata")
            .with_context(|| format!("no resource_metadata in: {header}"))?;
        Ok(Challenge {
            header: header.to_owned(),
            resource_metadata: Url::parse(&metadata)?,
            scope: parameter(header, "scope"),
        })
    }

    /// Reads the protected-resource metadata; the resource must be the server that was called.
    ///
    /// # Errors
    /// When it is missing or speaks of another server (RFC 9728 §3.3).
    pub async fn resource(&self, challenge: &Challenge) -> Result<Resource> {
        let document = self
            .http
            .get(challenge.resource_metadata.as_str())
            .await?
            .success()?
            .json()?;
        let id = string(&document, "resource")?;
        ensure!(id == self.mcp_url.as_str(), "the metadata are about {id}");
        let authorization_server = document["authorization_servers"][0]
            .as_str()
            .context("no authorization_servers")?
            .to_owned();
        Ok(Resource {
            id,
            authorization_server,
            document,
        })
    }

    /// Reads the authorization server's metadata; the issuer must be byte-equal.
    ///
    /// # Errors
    /// When they are missing or name another issuer (RFC 8414 §3.3).
    pub async fn server(&self, issuer: &str) -> Result<Server> {
        let url = format!("{issuer}/.well-known/oauth-authorization-server");
        let document = self.http.get(url).await?.success()?.json()?;
        let found = string(&document, "issuer")?;
        ensure!(found == issuer, "asked {issuer}, which says it is {found}");
        Ok(Server {
            issuer: found,
            document,
        })
    }

    /// Registers this client as a public one (RFC 7591).
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn register(&self, server: &Server, name: &str) -> Result<Credentials> {
        let answer = self.register_answer(server, name).await?;
        ensure!(
            answer.status.as_u16() == 201,
            "registration: {}",
            answer.describe()
        );
        let client_id = string(&answer.json()?, "client_id")?;
        Ok(Credentials::Public { client_id })
    }

    /// The server's answer to the registration of a public client, whatever it is.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn register_answer(&self, server: &Server, name: &str) -> Result<Answer> {
        let endpoint = server.endpoint("registration_endpoint");
        let endpoint = endpoint.map_err(|_| anyhow!("{} lets nobody register", server.issuer))?;
        let request = self.http.client().post(endpoint);
        self.http
            .send(request.json(&json!({
                "client_name": name,
                "redirect_uris": [REDIRECT_URI],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
            })))
            .await
    }

    /// Prepares an authorization request with PKCE, `state` and `resource`.
    ///
    /// # Errors
    /// When the server has no authorization endpoint.
    pub fn authorize(
        &self,
        server: &Server,
        client_id: &str,
        resource: Option<&str>,
        scope: Option<&str>,
    ) -> Result<Pending> {
        let verifier = random::token();
        let state = random::token();
        let mut url = server.endpoint("authorization_endpoint")?;
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", client_id)
                .append_pair("redirect_uri", REDIRECT_URI)
                .append_pair("code_challenge", &s256(&verifier))
                .append_pair("code_challenge_method", "S256")
                .append_pair("state", &state);
            if let Some(resource) = resource {
                query.append_pair("resource", resource);
            }
            if let Some(scope) = scope {
                query.append_pair("scope", scope);
            }
        }
        Ok(Pending {
            url,
            verifier,
            state,
        })
    }

    /// Takes the code out of the redirect after checking `state` and `iss` (RFC 9207 §2.4).
    ///
    /// # Errors
    /// When the redirect carries an error or is not the answer to this request.
    pub fn code(&self, server: &Server, pending: &Pending, redirect: &Url) -> Result<String> {
        ensure!(
            query(redirect, "state").as_ref() == Some(&pending.state),
            "another state"
        );
        ensure!(
            query(redirect, "iss").as_ref() == Some(&server.issuer),
            "iss in {redirect}"
        );
        query(redirect, "code").with_context(|| {
            let error = query(redirect, "error").unwrap_or_default();
            let description = query(redirect, "error_description").unwrap_or_default();
            format!("no code but the error {error}: {description}")
        })
    }

    /// Redeems a code.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn redeem(
        &self,
        server: &Server,
        credentials: &Credentials,
        pending: &Pending,
        code: &str,
    ) -> Result<Tokens> {
        let form = code_grant(pending, code);
        self.token_request(server, credentials, &form)
            .await?
            .try_into()
    }

    /// Refreshes.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn refresh(
        &self,
        server: &Server,
        credentials: &Credentials,
        refresh_token: &str,
    ) -> Result<Tokens> {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        self.token_request(server, credentials, &form)
            .await?
            .try_into()
    }

    /// Any request at the token endpoint; the answer, whatever it is.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn token_request(
        &self,
        server: &Server,
        credentials: &Credentials,
        form: &[(&str, &str)],
    ) -> Result<Answer> {
        let mut form: Vec<(String, String)> = form
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let request = self.http.client().post(server.endpoint("token_endpoint")?);
        let request = credentials.apply(request, &mut form);
        self.http.send(request.form(&form)).await
    }
}

impl Server {
    /// An endpoint of the metadata.
    ///
    /// # Errors
    /// When the server has no such endpoint.
    pub fn endpoint(&self, name: &str) -> Result<Url> {
        Ok(Url::parse(&string(&self.document, name)?)?)
    }
}

impl TryFrom<Answer> for Tokens {
    type Error = anyhow::Error;

    fn try_from(answer: Answer) -> Result<Self> {
        let cache_control = answer
            .header("cache-control")
            .unwrap_or_default()
            .to_owned();
        let answer = answer.success()?;
        ensure!(
            cache_control.contains("no-store"),
            "tokens without Cache-Control: no-store"
        );
        let body = answer.json()?;
        Ok(Self {
            access_token: string(&body, "access_token")?,
            refresh_token: body["refresh_token"].as_str().map(str::to_owned),
            expires_in: body["expires_in"].as_u64().context("no expires_in")?,
            scope: body["scope"].as_str().unwrap_or_default().to_owned(),
        })
    }
}

/// The form that redeems a code.
#[must_use]
pub fn code_grant<'a>(pending: &'a Pending, code: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", &pending.verifier),
    ]
}

/// The S256 challenge of a verifier (RFC 7636 §4.2).
#[must_use]
pub fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// A parameter of a `WWW-Authenticate` value.
#[must_use]
pub fn parameter(header: &str, name: &str) -> Option<String> {
    let start = header
        .match_indices(&format!("{name}=\""))
        .find(|(index, _)| {
            // Not inside a longer name.
            *index == 0
                || header
                    .get(..*index)
                    .is_some_and(|before| before.ends_with([' ', ',']))
        })?;
    let value = header.get(start.0 + name.len() + 2..)?;
    value.split_once('"').map(|(value, _)| value.to_owned())
}

fn string(document: &Value, member: &str) -> Result<String> {
    let value = document[member].as_str();
    Ok(value
        .with_context(|| format!("no {member} in {document}"))?
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_of_rfc_7636_appendix_b() {
        let challenge = s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn a_parameter_is_found_by_its_whole_name() {
        let header = r#"Bearer resource_metadata="https://a/b", scope="x y", error="e""#;
        assert_eq!(parameter(header, "scope").as_deref(), Some("x y"));
        assert_eq!(parameter(header, "metadata"), None);
        assert_eq!(parameter(header, "realm"), None);
    }
}
