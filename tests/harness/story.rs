//! The main job, told step by step: an agent that knows only the URL of an MCP server ends with a
//! note in Nextcloud, created with a token that lived for that one call.
//!
//! Everything happens for real, over HTTP, as a client and a person with a browser would do it. The
//! story shows claims and never a token, and fails when a promise is broken.

mod admission;
pub mod narrator;
mod proof;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use self::narrator::Narrator;
use crate::browser::Browser;
use crate::client::{Credentials, OAuthClient, Resource, Server, Tokens};
use crate::deployment::Deployment;
use crate::http::{Http, query};
use crate::idp::User;
use crate::jwt;
use crate::mcp_client::{self, Era, SdkClient};
use crate::person::Person;
use crate::random;

/// The tool that the story calls.
const CREATE_NOTE: &str = "nc_notes_create_note";

/// What the story needs to remember from one chapter to the next.
struct Teller<'a> {
    deployment: &'a Deployment,
    http: Http,
    client: OAuthClient,
}

/// A client that is registered, and a server that is known.
struct Known {
    resource: Resource,
    server: Server,
    credentials: Credentials,
}

/// Tells the whole story of `deployment`.
///
/// # Errors
/// When a step fails or a promise does not hold; the message says which.
pub async fn tell(deployment: &Deployment, narrator: &mut Narrator<'_>) -> Result<()> {
    let http = Http::default();
    let client = OAuthClient::new(http.clone(), deployment.mcp_url());
    let teller = Teller {
        deployment,
        http,
        client,
    };
    let [alice, rest @ ..] = deployment.users() else {
        anyhow::bail!("nobody to tell about")
    };

    let known = teller.discover_and_register(narrator).await?;
    let tokens = teller.log_in(narrator, &known, alice).await?;
    let note = teller.create_note(narrator, &tokens).await?;
    proof::nextcloud_saw(deployment, narrator, alice, &note)?;
    if let (Some(bob), true) = (rest.first(), deployment.knows_passwords()) {
        teller.other_user(narrator, &known, bob, &note).await?;
    }
    let successor = teller.refresh(narrator, &known, &tokens).await?;
    proof::audit(deployment, narrator).await?;
    let refresh_tokens = [tokens.refresh_token, successor.refresh_token];
    let refresh_tokens: Vec<_> = refresh_tokens.into_iter().flatten().collect();
    proof::stored_nowhere(deployment, narrator, &refresh_tokens)?;
    narrator.say("\nThat is the main job: one login, one call, one token, one note.")
}

impl Teller<'_> {
    async fn discover_and_register(&self, narrator: &mut Narrator<'_>) -> Result<Known> {
        narrator.step("An agent calls the MCP server. It knows its URL and nothing else.")?;
        narrator.detail(format!("POST {}", self.deployment.mcp_url()))?;
        let challenge = self.client.challenge().await?;
        narrator
            .detail("401 Unauthorized; the challenge says where to go on (RFC 6750, RFC 9728):")?;
        narrator.detail(format!("  WWW-Authenticate: {}", challenge.header))?;

        narrator.step("It reads the metadata of the protected resource (RFC 9728).")?;
        narrator.detail(format!("GET {}", challenge.resource_metadata))?;
        let resource = self.client.resource(&challenge).await?;
        let remarks = [
            ("resource", ""),
            ("authorization_servers", "the broker"),
            ("scopes_supported", ""),
        ];
        narrator.members(&resource.document, &remarks)?;

        narrator.step("It reads the metadata of the authorization server (RFC 8414).")?;
        let server = self.client.server(&resource.authorization_server).await?;
        let remarks = [
            ("issuer", "must equal what was asked for, byte by byte"),
            ("authorization_endpoint", ""),
            ("token_endpoint", ""),
            ("registration_endpoint", ""),
            ("code_challenge_methods_supported", "PKCE"),
        ];
        narrator.members(&server.document, &remarks)?;

        let credentials = self.become_known(narrator, &server).await?;
        narrator.value("client_id", credentials.client_id())?;
        narrator.detail("A public client: it has no secret and will prove itself with PKCE.")?;
        Ok(Known {
            resource,
            server,
            credentials,
        })
    }

    async fn log_in(
        &self,
        narrator: &mut Narrator<'_>,
        known: &Known,
        user: &User,
    ) -> Result<Tokens> {
        let Known {
            resource,
            server,
            credentials,
        } = known;
        narrator.step(
            "It opens the browser at the authorization endpoint (RFC 6749 §4.1, RFC 7636).",
        )?;
        let pending =
            self.client
                .authorize(server, credentials.client_id(), Some(&resource.id), None)?;
        for name in ["resource", "redirect_uri", "code_challenge_method"] {
            narrator.value(name, query(&pending.url, name).unwrap_or_default())?;
        }
        narrator
            .detail("`resource` (RFC 8707) binds the coming token to this MCP server alone.")?;

        let person = self.person(user);
        self.be_let_in(narrator, known, &person, &pending).await?;

        narrator.step(format!("{} goes through the pages.", user.full_name))?;
        let (redirect, steps) = person.log_in_step_by_step(&pending.url).await?;
        for step in steps {
            let words: String = step.text.chars().take(110).collect();
            narrator.detail(format!(
                "{} {} at {}",
                user.name,
                step.action,
                origin(&step.url)
            ))?;
            narrator.detail(format!("  \"{words}…\""))?;
        }
        narrator.detail(
            if self.deployment.upstream_issuer() == self.deployment.nextcloud_url() {
                "First the broker's own consent page, then the login at Nextcloud itself:"
            } else {
                "First the broker's own consent page, then the login at the identity provider:"
            },
        )?;
        narrator.detail("the broker never sees the password.")?;

        narrator.step("The browser brings back a code, which the agent turns into tokens.")?;
        let code = self.client.code(server, &pending, &redirect)?;
        narrator.detail(format!(
            "iss = {} (RFC 9207) and state are as they must be.",
            query(&redirect, "iss").unwrap_or_default()
        ))?;
        let tokens = self
            .client
            .redeem(server, credentials, &pending, &code)
            .await?;
        narrator.detail(format!(
            "An access token for {} s, and a refresh token. What the access token says (RFC 9068):",
            tokens.expires_in
        ))?;
        let claims = jwt::claims(&tokens.access_token)?;
        narrator.members(
            &claims,
            &[
                ("iss", ""),
                ("sub", "stable for this person, says nothing about them"),
                ("aud", "this MCP server; Nextcloud would refuse it"),
                ("client_id", ""),
                ("scope", ""),
            ],
        )?;
        ensure!(
            claims["aud"] == json!(resource.id) || claims["aud"] == json!([resource.id]),
            "the audience is {}",
            claims["aud"]
        );
        Ok(tokens)
    }

    /// Calls the tool; returns the note as the tool tells it.
    async fn create_note(&self, narrator: &mut Narrator<'_>, tokens: &Tokens) -> Result<Value> {
        narrator.step("With that token it connects as an MCP client (the official Rust SDK).")?;
        let url = self.deployment.mcp_url();
        let session = SdkClient::connect(&url, &tokens.access_token, Era::Initialize).await?;
        let tools = session.tools().await?;
        let shown: Vec<_> = tools.iter().take(4).map(String::as_str).collect();
        narrator.detail(format!("{} tools: {}, …", tools.len(), shown.join(", ")))?;

        narrator.step(format!("It calls the tool {CREATE_NOTE}."))?;
        let title = format!("Written by an agent {}", &random::token()[..6]);
        let content = "Created with a token that the agent has never seen.";
        narrator.value("title", &title)?;
        narrator
            .detail("The gateway verifies the caller's token, exchanges it at the broker for a")?;
        narrator.detail("Nextcloud token (RFC 8693), makes the call, and forgets the token.")?;
        let arguments = json!({ "title": title, "content": content, "category": "Demo" });
        let result = session.call(CREATE_NOTE, arguments).await?;
        ensure!(
            result["isError"] != json!(true),
            "the tool said: {}",
            mcp_client::text(&result)
        );
        let note = result["structuredContent"].clone();
        let id = note["id"]
            .as_i64()
            .with_context(|| format!("a note without an id: {note}"))?;
        narrator.value("note id", id)?;

        let read = session
            .call("nc_notes_get_note", json!({ "note_id": id }))
            .await?;
        let read = &read["structuredContent"];
        ensure!(read["content"] == json!(content), "read back: {read}");
        narrator.detail("Read back with nc_notes_get_note: it is there, word for word.")?;
        Ok(json!({ "id": id, "title": title }))
    }

    async fn other_user(
        &self,
        narrator: &mut Narrator<'_>,
        known: &Known,
        user: &User,
        note: &Value,
    ) -> Result<()> {
        narrator.step(format!(
            "{} uses the same agent, and must not see that note.",
            user.full_name
        ))?;
        let client_id = known.credentials.client_id();
        let resource = Some(known.resource.id.as_str());
        let pending = self
            .client
            .authorize(&known.server, client_id, resource, None)?;
        let redirect = self.person(user).log_in(&pending.url).await?;
        let code = self.client.code(&known.server, &pending, &redirect)?;
        let tokens = self
            .client
            .redeem(&known.server, &known.credentials, &pending, &code)
            .await?;
        let url = self.deployment.mcp_url();
        let session = SdkClient::connect(&url, &tokens.access_token, Era::Stateless).await?;
        let found = session
            .call("nc_notes_search_notes", json!({ "query": note["title"] }))
            .await?;
        let answer = mcp_client::text(&found);
        let title = note["title"].as_str().unwrap_or_default();
        ensure!(
            !answer.contains(title),
            "{} found the note: {answer}",
            user.name
        );
        let read = session
            .call("nc_notes_get_note", json!({ "note_id": note["id"] }))
            .await?;
        ensure!(
            read["isError"] == json!(true),
            "{} read the note: {read}",
            user.name
        );
        narrator
            .detail("His search finds nothing, and asking for the note by its id is answered:")?;
        narrator.detail(format!("  \"{}\"", mcp_client::text(&read)))?;
        narrator.detail("(This time over the stateless protocol of 2026-07-28.)")
    }

    async fn refresh(
        &self,
        narrator: &mut Narrator<'_>,
        known: &Known,
        tokens: &Tokens,
    ) -> Result<Tokens> {
        narrator
            .step("Ten minutes later the agent would refresh (RFC 6749 §6). It does so now.")?;
        let spent = tokens
            .refresh_token
            .as_deref()
            .context("no refresh token")?;
        let fresh = self
            .client
            .refresh(&known.server, &known.credentials, spent)
            .await?;
        ensure!(
            fresh.refresh_token.as_deref() != Some(spent),
            "the refresh token did not rotate"
        );
        narrator.detail(
            "New tokens, and the old refresh token is spent: each works once (RFC 9700 §4.14).",
        )?;
        Ok(fresh)
    }

    fn person(&self, user: &User) -> Person {
        Person::new(Browser::new(self.http.clone()), &user.name, &user.password)
    }
}

fn origin(url: &url::Url) -> String {
    url.origin().ascii_serialization()
}
