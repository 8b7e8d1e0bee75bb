//! Drives oxide-auth's authorization machine: it decides what is asked next and when the request
//! is good, we look things up and say what is wrong (docs/adr/002).
//!
//! Kept here because the machine lacks it: pages in place of silence, the loopback rule, RFC 8707,
//! parameters given twice, precise error codes.

use std::borrow::Cow;

use broker_client::oauth::{OAuthError, Scope};
use oxide_auth::code_grant::authorization::{
    Authorization as Machine, Error as MachineError, Input, Output, Request,
};
use oxide_auth::code_grant::error::AuthorizationErrorType;
use oxide_auth::code_grant::extensions::Pkce;
use oxide_auth::primitives::grant::{Extensions, Value};
use oxide_auth::primitives::registrar::{BoundClient, ExactUrl, PreGrant, RegisteredUrl};

use super::{AuthorizationRequest, Authorize, AuthorizeError, ClientRedirect, Page, PageError};
use crate::domain::{
    Catalog, Client, ClientId, GrantType, RedirectUri, RequestInfo, Resource, ResourceUri,
};

/// A request that passed every check.
pub(super) struct Accepted {
    pub(super) client: Client,
    pub(super) redirect_uri: RedirectUri,
    pub(super) scope: Scope,
    pub(super) resource: ResourceUri,
    pub(super) code_challenge: String,
    pub(super) state: Option<String>,
}

/// Scopes that many clients add whatever the server offers. We have nothing to grant for them: the
/// refresh token comes without `offline_access`, and no `id_token` is issued.
const PASSED_OVER: [&str; 4] = ["offline_access", "openid", "profile", "email"];

/// What the machine asks for, without its borrows.
enum Step {
    Bind {
        client_id: String,
        redirect_uri: Option<String>,
    },
    Extend,
    Negotiate {
        scope: Option<String>,
    },
    Done {
        state: Option<String>,
    },
    Refused(MachineError),
}

/// What we tell it; [`advance`] lends it to the machine.
enum Told {
    Nothing,
    Bound(BoundClient<'static>),
    Extended(Extensions),
    Negotiated(PreGrant),
}

/// The client, and where its answers go: from here on errors are redirected.
struct Bound {
    client: Client,
    redirect_uri: RedirectUri,
}

/// What the extensions bring.
struct Extended<'a> {
    code_challenge: String,
    resource: &'a Resource,
}

impl Authorize {
    /// Judges a request: client and redirect URI first, whose failure is a page, never a redirect;
    /// then everything else, whose failure goes to the client (RFC 6749 §4.1.2.1).
    pub(super) async fn judge(
        &self,
        request: &AuthorizationRequest,
        info: &RequestInfo,
    ) -> Result<Accepted, AuthorizeError> {
        if request.is_ambiguous() {
            return Err(Page::BadRequest.into());
        }
        // One catalog for the whole request, whatever an administrator does meanwhile.
        let catalog = self.catalog.current();
        let mut machine = Machine::new(request);
        let mut told = Told::Nothing;
        let mut bound = None;
        let mut extended = None;
        let mut granted = Scope::new();
        loop {
            let step = advance(&mut machine, request, told);
            told = match (step, &bound, &extended) {
                (
                    Step::Bind {
                        client_id,
                        redirect_uri,
                    },
                    None,
                    _,
                ) => {
                    let new = self.bind(client_id, redirect_uri.as_deref(), info).await?;
                    check_form(request).map_err(|error| self.redirect(&new, request, error))?;
                    let told = Told::Bound(bound_client(&new)?);
                    bound = Some(new);
                    told
                }
                (Step::Extend, Some(bound), None) => {
                    let (new, extensions) = extend(request, &bound.client, &catalog)
                        .map_err(|error| self.redirect(bound, request, error))?;
                    extended = Some(new);
                    Told::Extended(extensions)
                }
                (Step::Negotiate { scope }, Some(bound), Some(extended)) => {
                    granted = negotiate(scope.as_deref(), &bound.client, extended.resource)
                        .map_err(|error| self.redirect(bound, request, error))?;
                    Told::Negotiated(pre_grant(bound, &granted)?)
                }
                (Step::Done { state }, Some(_), Some(_)) => {
                    let (Some(bound), Some(extended)) = (bound, extended) else {
                        return Err(Page::ServerError.into());
                    };
                    return Ok(Accepted {
                        client: bound.client,
                        redirect_uri: bound.redirect_uri,
                        scope: granted,
                        resource: extended.resource.id.clone(),
                        code_challenge: extended.code_challenge,
                        state,
                    });
                }
                (Step::Refused(error), bound, _) => {
                    return Err(self.refused(error, bound.as_ref(), request));
                }
                // The machine asked out of order: a new version of it, not a matter of the request.
                _ => {
                    return Err(Page::ServerError
                        .because("oxide-auth asked out of order")
                        .into());
                }
            };
        }
    }

    /// The client, and its redirect URI if the request's is one of them (RFC 6749 §3.1.2.3). One
    /// may be left out only when there is only one.
    async fn bind(
        &self,
        client_id: String,
        redirect_uri: Option<&str>,
        info: &RequestInfo,
    ) -> Result<Bound, AuthorizeError> {
        let client_id = ClientId::parse(client_id).map_err(|_| Page::UnknownClient)?;
        let client = self
            .clients
            .for_login(&client_id, info)
            .await
            .map_err(|error| PageError::from(error).about(&client_id))?;
        let redirect_uri = match (redirect_uri, client.redirect_uris.as_slice()) {
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
            (Some(requested), registered) => registered
                .iter()
                .any(|registered| registered.matches(requested))
                .then(|| RedirectUri::from_trusted(requested.to_owned())),
        };
        match redirect_uri {
            Some(redirect_uri) => Ok(Bound {
                client,
                redirect_uri,
            }),
            None => Err(PageError::from(Page::RedirectUri).about(&client_id).into()),
        }
    }

    /// `error` as an answer to the client.
    fn redirect(
        &self,
        bound: &Bound,
        request: &AuthorizationRequest,
        error: OAuthError,
    ) -> AuthorizeError {
        AuthorizeError::Redirect {
            to: ClientRedirect::with_error(
                &bound.redirect_uri,
                &error,
                request.state(),
                &self.issuer,
            ),
            client_id: bound.client.id.clone(),
            error,
        }
    }

    /// The machine's own verdicts.
    fn refused(
        &self,
        error: MachineError,
        bound: Option<&Bound>,
        request: &AuthorizationRequest,
    ) -> AuthorizeError {
        match (error, bound) {
            // Before binding it refuses two things: no client id, and a redirect URI that is none.
            (MachineError::Ignore, _) => match request.get("client_id") {
                None => Page::UnknownClient.into(),
                Some(claimed) => AuthorizeError::Page(PageError {
                    page: Page::RedirectUri,
                    client_id: ClientId::parse(claimed).ok(),
                    source: None,
                }),
            },
            (MachineError::Redirect(mut url), Some(bound)) => {
                let kind = url.description().kind();
                let error = if kind == AuthorizationErrorType::InvalidScope {
                    OAuthError::invalid_scope("The scope has characters that no scope has.")
                } else if request.get("response_type").is_none() {
                    OAuthError::invalid_request("The parameter response_type is missing.")
                } else {
                    OAuthError::unsupported_response_type(
                        "The only supported response_type is `code`.",
                    )
                };
                self.redirect(bound, request, error)
            }
            (MachineError::Redirect(_), None) | (MachineError::PrimitiveError, _) => {
                Page::ServerError
                    .because("oxide-auth was told something it did not ask")
                    .into()
            }
        }
    }
}

/// What the machine knows nothing of, then PKCE and the resource.
fn extend<'a>(
    request: &AuthorizationRequest,
    client: &Client,
    catalog: &'a Catalog,
) -> Result<(Extended<'a>, Extensions), OAuthError> {
    check_unsupported(request)?;
    if !client.may_use(GrantType::AuthorizationCode) {
        return Err(OAuthError::unauthorized_client(
            "This client is not registered for the authorization code grant.",
        ));
    }
    let mut extensions = Extensions::new();
    let code_challenge = check_pkce(request, &mut extensions)?;
    let resource = target(catalog, request.resources())?;
    extensions.set_raw(
        "resource".to_owned(),
        Value::public(Some(resource.id.as_str().to_owned())),
    );
    Ok((
        Extended {
            code_challenge,
            resource,
        },
        extensions,
    ))
}

/// The one resource that the request names, or the default one (RFC 8707 §2.1).
fn target<'a>(catalog: &'a Catalog, requested: &[String]) -> Result<&'a Resource, OAuthError> {
    let Some((first, others)) = requested.split_first() else {
        return catalog.default_resource().ok_or_else(|| {
            OAuthError::invalid_target(
                "The request names no resource, and there is no default one.",
            )
        });
    };
    let named = |requested: &String| {
        catalog.resource_named(requested).ok_or_else(|| {
            OAuthError::invalid_target("The broker issues no tokens for this resource.")
        })
    };
    let resource = named(first)?;
    for other in others {
        if named(other)?.id != resource.id {
            return Err(OAuthError::invalid_target(
                "A token is for one resource; ask for each in a request of its own.",
            ));
        }
    }
    Ok(resource)
}

/// One step of the machine.
fn advance(machine: &mut Machine, request: &AuthorizationRequest, told: Told) -> Step {
    let input = match told {
        Told::Nothing => Input::None,
        Told::Bound(bound_client) => Input::Bound {
            request,
            bound_client,
        },
        Told::Extended(extensions) => Input::Extended(extensions),
        Told::Negotiated(pre_grant) => Input::Negotiated {
            pre_grant,
            state: request.state().map(str::to_owned),
        },
    };
    match machine.advance(input) {
        Output::Bind {
            client_id,
            redirect_uri,
        } => Step::Bind {
            client_id,
            redirect_uri: redirect_uri.map(|uri| uri.as_str().to_owned()),
        },
        Output::Extend => Step::Extend,
        Output::Negotiate { scope, .. } => Step::Negotiate {
            scope: scope.map(|scope| scope.to_string()),
        },
        Output::Ok { state, .. } => Step::Done { state },
        Output::Err(error) => Step::Refused(error),
    }
}

/// Faults of form that need a client to be told to.
fn check_form(request: &AuthorizationRequest) -> Result<(), OAuthError> {
    if request.has_repeats() {
        return Err(OAuthError::invalid_request(
            "A parameter is given more than once.",
        ));
    }
    Ok(())
}

/// Parameters that ask for what we do not do (OIDC Core §3.1.2.6, §6).
fn check_unsupported(request: &AuthorizationRequest) -> Result<(), OAuthError> {
    if request.get("request").is_some() {
        return Err(OAuthError::request_not_supported(
            "Request objects are not supported.",
        ));
    }
    if request.get("request_uri").is_some() {
        return Err(OAuthError::request_uri_not_supported(
            "Request URIs are not supported.",
        ));
    }
    if request
        .get("response_mode")
        .is_some_and(|mode| mode != "query")
    {
        return Err(OAuthError::invalid_request(
            "The only supported response_mode is `query`.",
        ));
    }
    // `login`, `consent` and `select_account` bring the consent page. `none` asks for an answer
    // without any page, and here nobody is ever signed in beforehand.
    let mut prompt = request.get("prompt").unwrap_or_default().split(' ');
    if prompt.any(|value| value == "none") {
        return Err(OAuthError::login_required(
            "The user has to log in, so prompt=none cannot succeed.",
        ));
    }
    Ok(())
}

/// PKCE, method S256 only (OAuth 2.1 §4.1.1, RFC 7636 §4.4.1).
fn check_pkce(
    request: &AuthorizationRequest,
    extensions: &mut Extensions,
) -> Result<String, OAuthError> {
    let Some(challenge) = request.get("code_challenge") else {
        return Err(OAuthError::invalid_request(
            "PKCE is required: code_challenge is missing.",
        ));
    };
    // A method left out means `plain` (RFC 7636 §4.3), which shows the verifier to everybody.
    let method = request.get("code_challenge_method");
    if method != Some("S256") {
        return Err(OAuthError::invalid_request(
            "The only supported code_challenge_method is `S256`.",
        ));
    }
    // base64url of a SHA-256 digest (RFC 7636 §4.2): anything else could never be met.
    let is_digest = challenge.len() == 43
        && challenge
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let malformed = || OAuthError::invalid_request("code_challenge is no S256 challenge.");
    if !is_digest {
        return Err(malformed());
    }
    let pkce = Pkce::required();
    let value = pkce
        .challenge(method.map(Cow::Borrowed), Some(Cow::Borrowed(challenge)))
        .ok()
        .flatten()
        .ok_or_else(malformed)?;
    extensions.set(&pkce, value);
    Ok(challenge.to_owned())
}

/// The scope to ask the user for: what the request names, else the client's default, else the
/// resource's. Unknown scopes are an error, so that no client waits for what it never gets.
fn negotiate(
    requested: Option<&str>,
    client: &Client,
    resource: &Resource,
) -> Result<Scope, OAuthError> {
    let known = resource.known_scope();
    let requested: Scope = requested
        .unwrap_or_default()
        .parse()
        .map_err(|error| OAuthError::invalid_scope("The scope is malformed.").because(error))?;
    let unknown = requested.difference(&known);
    if unknown.iter().any(|scope| !PASSED_OVER.contains(&scope)) {
        return Err(OAuthError::invalid_scope(
            "The resource does not know a requested scope.",
        ));
    }
    let granted = requested.intersection(&known);
    if !granted.is_empty() {
        return Ok(granted);
    }
    let by_default = client
        .scope
        .as_ref()
        .map(|scope| scope.intersection(&known))
        .filter(|scope| !scope.is_empty());
    Ok(by_default.unwrap_or_else(|| resource.default_scopes.clone()))
}

fn exact_url(redirect_uri: &RedirectUri) -> Result<RegisteredUrl, AuthorizeError> {
    ExactUrl::new(redirect_uri.as_str().to_owned())
        .map(RegisteredUrl::Exact)
        .map_err(|error| Page::ServerError.because(error).into())
}

fn bound_client(bound: &Bound) -> Result<BoundClient<'static>, AuthorizeError> {
    Ok(BoundClient {
        client_id: Cow::Owned(bound.client.id.as_str().to_owned()),
        redirect_uri: Cow::Owned(exact_url(&bound.redirect_uri)?),
    })
}

fn pre_grant(bound: &Bound, scope: &Scope) -> Result<PreGrant, AuthorizeError> {
    Ok(PreGrant {
        client_id: bound.client.id.as_str().to_owned(),
        redirect_uri: exact_url(&bound.redirect_uri)?,
        scope: scope.to_string().parse().map_err(|_| Page::ServerError)?,
    })
}

impl Request for AuthorizationRequest {
    fn valid(&self) -> bool {
        true
    }

    fn client_id(&self) -> Option<Cow<'_, str>> {
        self.extension("client_id")
    }

    fn scope(&self) -> Option<Cow<'_, str>> {
        self.extension("scope")
    }

    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        self.extension("redirect_uri")
    }

    fn state(&self) -> Option<Cow<'_, str>> {
        Self::state(self).map(Cow::Borrowed)
    }

    fn response_type(&self) -> Option<Cow<'_, str>> {
        self.extension("response_type")
    }

    fn extension(&self, key: &str) -> Option<Cow<'_, str>> {
        self.get(key).map(Cow::Borrowed)
    }
}
