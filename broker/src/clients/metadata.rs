//! Client metadata as strangers write it (RFC 7591 §2), whichever way it reaches us: in the body of a
//! registration, or in the document that a client id leads to.
//!
//! What we understand is checked and bounded, what we do not is ignored, and grants that we do not
//! offer are dropped instead of refused. How the client authenticates is not here: it follows other
//! rules on each of the two ways.

use std::borrow::Cow;

use broker_client::oauth::{OAuthError, Scope};
use serde_json::{Map, Value};

use super::keys;
use crate::domain::{GrantType, RedirectUri};

/// How many redirect URIs a client may have.
const MOST_REDIRECT_URIS: usize = 20;

/// The longest text of a metadata member, in bytes.
const LONGEST_TEXT: usize = 1024;

/// How many contacts are kept.
const MOST_CONTACTS: usize = 20;

/// The longest name, in characters: it stands on the consent page.
const LONGEST_NAME: usize = 100;

/// Members that are kept as texts.
const TEXTS: [&str; 4] = [
    "application_type",
    "software_id",
    "software_version",
    "token_endpoint_auth_signing_alg",
];

/// Members that are kept as web addresses.
const ADDRESSES: [&str; 4] = ["client_uri", "logo_uri", "policy_uri", "tos_uri"];

/// What client metadata asks for, as far as we grant it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientMetadata {
    /// `client_name`.
    pub name: Option<String>,
    /// `redirect_uris`, at least one.
    pub redirect_uris: Vec<RedirectUri>,
    /// `grant_types`, of those that anybody may have.
    pub grant_types: Vec<GrantType>,
    /// `scope`.
    pub scope: Option<Scope>,
    /// The descriptive members that we keep.
    pub description: Map<String, Value>,
}

impl ClientMetadata {
    /// Checks a document.
    ///
    /// # Errors
    /// `invalid_redirect_uri` and `invalid_client_metadata` as RFC 7591 §3.2.2 says.
    pub fn parse(document: &Map<String, Value>) -> Result<Self, OAuthError> {
        let redirect_uris = redirect_uris(document)?;
        check_application_type(document, &redirect_uris)?;
        Ok(Self {
            name: name(document)?,
            grant_types: grant_types(document)?,
            redirect_uris,
            scope: scope(document)?,
            description: description(document)?,
        })
    }
}

pub(crate) fn invalid(description: impl Into<Cow<'static, str>>) -> OAuthError {
    OAuthError::invalid_client_metadata(description)
}

/// A text member, bounded; `null` and an empty text count as absent.
pub(crate) fn text<'a>(
    document: &'a Map<String, Value>,
    member: &'static str,
) -> Result<Option<&'a str>, OAuthError> {
    match document.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text))
            if text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control) =>
        {
            Ok(Some(text.as_str()).filter(|text| !text.is_empty()))
        }
        Some(_) => Err(invalid(format!(
            "{member} must be a text of at most {LONGEST_TEXT} bytes without control characters."
        ))),
    }
}

/// A member that is a list of texts.
pub(crate) fn texts<'a>(
    document: &'a Map<String, Value>,
    member: &'static str,
) -> Result<Option<Vec<&'a str>>, OAuthError> {
    let wrong = || invalid(format!("{member} must be a list of texts."));
    match document.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().ok_or_else(wrong))
            .collect::<Result<Vec<_>, _>>()
            .map(Some),
        Some(_) => Err(wrong()),
    }
}

fn name(document: &Map<String, Value>) -> Result<Option<String>, OAuthError> {
    let name = text(document, "client_name")?;
    if name.is_some_and(|name| name.chars().count() > LONGEST_NAME) {
        return Err(invalid(format!(
            "client_name must have at most {LONGEST_NAME} characters."
        )));
    }
    Ok(name.map(str::to_owned))
}

/// The grants asked, as far as a client that describes itself may have them. Exchange is not among
/// them: nobody makes himself the server of a resource.
fn grant_types(document: &Map<String, Value>) -> Result<Vec<GrantType>, OAuthError> {
    if texts(document, "response_types")?.is_some_and(|types| !types.contains(&"code")) {
        return Err(invalid("response_types must contain code."));
    }
    // RFC 7591 §2: the default when it is left out.
    let asked = texts(document, "grant_types")?
        .unwrap_or_else(|| vec![GrantType::AuthorizationCode.as_str()]);
    let granted: Vec<_> = [GrantType::AuthorizationCode, GrantType::RefreshToken]
        .into_iter()
        .filter(|grant| asked.contains(&grant.as_str()))
        .collect();
    if granted.contains(&GrantType::AuthorizationCode) {
        Ok(granted)
    } else {
        Err(invalid(
            "grant_types must contain authorization_code; refresh_token is the other one offered.",
        ))
    }
}

fn redirect_uris(document: &Map<String, Value>) -> Result<Vec<RedirectUri>, OAuthError> {
    let asked = texts(document, "redirect_uris")?.unwrap_or_default();
    if asked.is_empty() || asked.len() > MOST_REDIRECT_URIS {
        return Err(OAuthError::invalid_redirect_uri(format!(
            "redirect_uris must name 1 to {MOST_REDIRECT_URIS} redirect URIs."
        )));
    }
    asked
        .into_iter()
        .map(|uri| {
            RedirectUri::parse(uri).map_err(|error| {
                OAuthError::invalid_redirect_uri(format!(
                    "The redirect URI {} {error}.",
                    describable(uri)
                ))
            })
        })
        .collect()
}

/// What OpenID Connect Registration §2 says of `application_type`, where a client names it: the
/// answers of a web application go to a web server. A native one may have any redirect URI, for an
/// `https` one can be claimed by an app (RFC 8252 §7.2).
fn check_application_type(
    document: &Map<String, Value>,
    redirect_uris: &[RedirectUri],
) -> Result<(), OAuthError> {
    match text(document, "application_type")? {
        None | Some("native") => Ok(()),
        Some("web") => match redirect_uris.iter().find(|uri| uri.is_native()) {
            None => Ok(()),
            Some(uri) => Err(OAuthError::invalid_redirect_uri(format!(
                "The redirect URI {} is not one of a web application; the application_type is native.",
                describable(uri.as_str())
            ))),
        },
        Some(_) => Err(invalid("application_type must be web or native.")),
    }
}

/// What a stranger sent, fit for an `error_description` (RFC 6749 §5.2: no quotes, no backslash,
/// only ASCII) and short.
fn describable(text: &str) -> String {
    const LONGEST: usize = 200;
    text.chars()
        .take(LONGEST)
        .map(|character| match character {
            '"' | '\\' => '?',
            character if character.is_ascii_graphic() || character == ' ' => character,
            _ => '?',
        })
        .collect()
}

fn scope(document: &Map<String, Value>) -> Result<Option<Scope>, OAuthError> {
    text(document, "scope")?
        .map(str::parse)
        .transpose()
        .map_err(|error| invalid("scope has characters that no scope has.").because(error))
}

/// The descriptive members that we keep.
fn description(document: &Map<String, Value>) -> Result<Map<String, Value>, OAuthError> {
    let mut kept = Map::new();
    for member in TEXTS {
        if let Some(text) = text(document, member)? {
            kept.insert(member.to_owned(), text.into());
        }
    }
    for member in ADDRESSES {
        if let Some(text) = text(document, member)? {
            // They may become links on our pages.
            if !matches!(url::Url::parse(text), Ok(url) if matches!(url.scheme(), "https" | "http"))
            {
                return Err(invalid(format!("{member} must be a web address.")));
            }
            kept.insert(member.to_owned(), text.into());
        }
    }
    if let Some(contacts) = texts(document, "contacts")? {
        let is_long = |contact: &&str| contact.len() > LONGEST_TEXT;
        if contacts.len() > MOST_CONTACTS || contacts.iter().any(is_long) {
            return Err(invalid("There are too many contacts, or one is too long."));
        }
        kept.insert("contacts".to_owned(), contacts.into());
    }
    keys::keep(document, &mut kept)?;
    Ok(kept)
}
