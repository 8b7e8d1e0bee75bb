//! `grant_type=authorization_code` (RFC 6749 §4.1.3, RFC 7636 §4.6, OAuth 2.1 §4.1.3).
//!
//! `oxide_auth`'s machine referees: it compares client and redirect URI and asks for the PKCE check
//! in its order. Around it stands what it does not do: finding the code by its hash, our clock,
//! the exact comparison of redirect URIs, `resource`, single use, and what a replay means. A refused
//! attempt does not spend the code: the client it belongs to can still redeem it.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use broker_client::oauth::{OAuthError, Scope, TokenResponse};
use oxide_auth::code_grant::accesstoken::{self, AccessToken, Input, Output};
use oxide_auth::code_grant::extensions::Pkce;
use oxide_auth::primitives::grant::{self as referee, Extensions};
use url::Url;

use super::issue::identifier;
use super::request::CodeRequest;
use super::{TokenEndpoint, concerns, on_the_wire, refresh};
use crate::crypto::{self, Handle};
use crate::domain::{
    AuditEvent, AuditKind, Authorization, Client, ClientId, EndReason, Grant, GrantId, GrantType,
    Outcome, Stage, StageKind,
};

impl TokenEndpoint {
    /// Redeems an authorization code for the first tokens of a new grant.
    pub(super) async fn redeem(
        &self,
        client: &Client,
        request: CodeRequest,
        event: &mut AuditEvent,
    ) -> Result<TokenResponse, OAuthError> {
        let code = crypto::hash(request.code.expose());
        let unknown = || OAuthError::invalid_grant("The authorization code is not known.");
        let authorization = self
            .store
            .authorization_by_code(&code)
            .await?
            .ok_or_else(unknown)?;
        event.resource = Some(authorization.resource.clone());

        let (sub, expires_at) = match &authorization.stage {
            Stage::Approved {
                sub,
                code_expires_at,
                ..
            } => (sub.clone(), *code_expires_at),
            Stage::Redeemed { sub, grant, .. } => {
                event.sub = Some(sub.clone());
                return Err(self.replayed(grant, event).await?);
            }
            Stage::AwaitingConsent
            | Stage::AwaitingLogin
            | Stage::AwaitingKnownUser
            | Stage::Denied => return Err(unknown()),
        };
        event.sub = Some(sub.clone());
        if event.at >= expires_at {
            return Err(OAuthError::invalid_grant(
                "The authorization code has expired. Start the login again.",
            ));
        }
        judge(client, &request, &authorization)?;

        let grant = Grant {
            id: GrantId::parse(identifier(&self.ambient)).map_err(|error| {
                OAuthError::server_error("The broker could not name the grant.").because(error)
            })?,
            sub,
            client_id: authorization.client_id.clone(),
            resource: authorization.resource.clone(),
            scope: authorization.scope.clone(),
            created_at: event.at,
            expires_at: event.at.plus(self.lifetimes.refresh_token_absolute),
            ended: None,
        };
        self.check_resource(&grant, &request.resources)?;
        match self.open(client, authorization, &grant, event).await? {
            Some(response) => Ok(response),
            // Another request redeemed the code between our look and our try: this one is the replay.
            None => match self.store.authorization_by_code(&code).await? {
                Some(Authorization {
                    stage: Stage::Redeemed { grant, .. },
                    ..
                }) => Err(self.replayed(&grant, event).await?),
                _ => Err(unknown()),
            },
        }
    }

    /// Spends the code and records the grant, its first refresh token and the audit row, all or
    /// nothing. `None` when the code was spent meanwhile.
    async fn open(
        &self,
        client: &Client,
        authorization: Authorization,
        grant: &Grant,
        event: &AuditEvent,
    ) -> Result<Option<TokenResponse>, OAuthError> {
        let flow = authorization.id.clone();
        let redeemed = authorization.redeemed(grant.id.clone()).map_err(|_| {
            OAuthError::server_error("The authorization is not where it should be.")
        })?;
        let access = self.issuer.access_token(grant, &grant.scope)?;
        let refresh_token = client
            .may_use(GrantType::RefreshToken)
            .then(|| Handle::generate(&self.ambient));
        let mut issued = AuditEvent {
            kind: AuditKind::TokenIssued,
            outcome: Outcome::Ok,
            scope: on_the_wire(&grant.scope),
            ..event.clone()
        };
        concerns(&mut issued, grant);

        let transaction = self.store.begin().await?;
        if !transaction
            .advance_authorization(&redeemed, StageKind::Approved)
            .await?
        {
            return Ok(None);
        }
        transaction.insert_grant(grant).await?;
        transaction
            .adopt_upstream_tokens(&flow, &grant.id, grant.expires_at)
            .await?;
        transaction
            .record_client_use(&grant.client_id, event.at)
            .await?;
        if let Some(handle) = &refresh_token {
            let row = refresh::first(handle.hash(), grant, event.at, self.lifetimes);
            transaction.insert_refresh_token(&row).await?;
        }
        transaction.append_audit(&[issued]).await?;
        transaction.commit().await?;

        Ok(Some(TokenResponse {
            access_token: access.token,
            token_type: "Bearer".to_owned(),
            expires_in: access.expires_in,
            scope: on_the_wire(&grant.scope),
            refresh_token: refresh_token.map(|handle| handle.expose().to_owned()),
            id_token: None,
            issued_token_type: None,
        }))
    }

    /// A code that was redeemed before is a stolen code, or one presented twice: what it became
    /// ends (OAuth 2.1 §4.1.3). Returns the refusal.
    async fn replayed(
        &self,
        grant: &GrantId,
        event: &mut AuditEvent,
    ) -> Result<OAuthError, OAuthError> {
        event.kind = AuditKind::CodeReplayed;
        event.grant = Some(grant.clone());
        if let Some(grant) = self.store.grant(grant).await? {
            self.end_grant(&grant, EndReason::CodeReplayed, event)
                .await?;
        }
        Ok(OAuthError::invalid_grant(
            "The authorization code was used before. Its session has been ended; log in again.",
        ))
    }
}

/// The request as `oxide_auth` asks about it. The client is authenticated already, so the machine
/// gets its name only and compares it with the grant's.
struct Presented<'a> {
    client_id: &'a str,
    code: &'a str,
    redirect_uri: &'a str,
    code_verifier: &'a str,
}

impl accesstoken::Request for Presented<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.into())
    }

    fn authorization(&self) -> accesstoken::Authorization<'_> {
        accesstoken::Authorization::None
    }

    fn client_id(&self) -> Option<Cow<'_, str>> {
        Some(self.client_id.into())
    }

    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        Some(self.redirect_uri.into())
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some("authorization_code".into())
    }

    fn extension(&self, key: &str) -> Option<Cow<'_, str>> {
        (key == "code_verifier").then(|| self.code_verifier.into())
    }
}

/// Whether `client` may redeem the code of `authorization` with what it presents.
fn judge(
    client: &Client,
    request: &CodeRequest,
    authorization: &Authorization,
) -> Result<(), OAuthError> {
    // The machine compares parsed URLs; the RFC asks for the same text (RFC 6749 §4.1.3).
    let stored = authorization.redirect_uri.as_str();
    if request
        .redirect_uri
        .as_deref()
        .is_some_and(|uri| uri != stored)
    {
        return Err(OAuthError::invalid_grant(
            "The redirect_uri is not the one of the authorization request.",
        ));
    }
    let presented = Presented {
        client_id: client.id.as_str(),
        code: request.code.expose(),
        redirect_uri: stored,
        code_verifier: request.code_verifier.expose(),
    };
    let mut machine = AccessToken::new(&presented);
    let mut input = Input::None;
    loop {
        input = match machine.advance(input) {
            Output::Authenticate { .. } => Input::Authenticated,
            Output::Recover { .. } => Input::Recovered(Some(Box::new(recovered(authorization)?))),
            Output::Extend { extensions } => {
                verify_pkce(extensions, &presented)?;
                Input::Extended {
                    access_extensions: Extensions::new(),
                }
            }
            Output::Issue { .. } => return Ok(()),
            Output::Ok(_) => {
                return Err(OAuthError::server_error("The broker lost its place."));
            }
            // With a well-formed request and a grant that does not expire for it, the machine
            // refuses for one reason only: the grant is another client's.
            Output::Err(_) => {
                return Err(OAuthError::invalid_grant(
                    "The authorization code was issued to another client.",
                ));
            }
        };
    }
}

fn verify_pkce(extensions: &mut Extensions, presented: &Presented<'_>) -> Result<(), OAuthError> {
    let pkce = Pkce::required();
    let challenge = extensions.remove(&pkce);
    if is_code_verifier(presented.code_verifier)
        && pkce
            .verify(challenge, Some(presented.code_verifier.into()))
            .is_ok()
    {
        Ok(())
    } else {
        // RFC 7636 §4.6.
        Err(OAuthError::invalid_grant(
            "The code_verifier does not fit the code_challenge of the authorization request.",
        ))
    }
}

/// RFC 7636 §4.1: 43 to 128 unreserved characters.
fn is_code_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// The grant as the machine knows it. Whether it has expired is our clock's word, given before.
fn recovered(authorization: &Authorization) -> Result<referee::Grant, OAuthError> {
    let unreadable = || OAuthError::server_error("The authorization cannot be read back.");
    let pkce = Pkce::required();
    let challenge = pkce
        .challenge(
            Some("S256".into()),
            Some(authorization.code_challenge.as_str().into()),
        )
        .ok()
        .flatten()
        .ok_or_else(unreadable)?;
    let mut extensions = Extensions::new();
    extensions.set(&pkce, challenge);
    let redirect_uri = authorization.redirect_uri.to_url().ok_or_else(unreadable)?;
    machine_grant(
        &authorization.client_id,
        &authorization.scope,
        redirect_uri,
        extensions,
    )
}

/// A grant for one of `oxide_auth`'s machines, which compares its client and its scope. It never
/// expires for the machine, which would ask the system's clock instead of ours.
pub(super) fn machine_grant(
    client_id: &ClientId,
    scope: &Scope,
    redirect_uri: Url,
    extensions: Extensions,
) -> Result<referee::Grant, OAuthError> {
    const YEAR_9999: Duration = Duration::from_secs(253_402_300_799);
    Ok(referee::Grant {
        owner_id: String::new(),
        client_id: client_id.as_str().to_owned(),
        scope: scope.to_string().parse().map_err(|error| {
            OAuthError::server_error("The granted scope cannot be read back.").because(error)
        })?,
        redirect_uri,
        until: (SystemTime::UNIX_EPOCH + YEAR_9999).into(),
        extensions,
    })
}
