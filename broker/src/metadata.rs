//! What the broker says about itself: RFC 8414 and OpenID Connect Discovery 1.0.
//!
//! Built from the configuration and the resources, never from the request: `issuer` is the same bytes
//! whatever the `Host` header says, and only what works is listed.
//!
//! Background access has no standard metadata: its endpoints are members of our own, which RFC 8414
//! §2 allows, listed while some downstream offers it.
//!
//! Not listed on purpose:
//! - `openid`: no `id_token` is issued. The discovery document exists because `user_oidc` and older
//!   clients look there for issuer, endpoints and keys.
//! - `offline_access`: the refresh token comes without it. Clients that see it listed add it to
//!   every request together with `prompt=consent`; both are accepted and change nothing.
//! - resource indicators: RFC 8707 has no metadata for them. `protected_resources` (RFC 9728 §4)
//!   says which there are.

use std::collections::BTreeSet;

use broker_client::keys::Algorithm as Verified;
use broker_client::oauth::grant_type;
use serde::Serialize;
use url::Url;

use crate::domain::RegistrationPolicy;
use crate::keys::Algorithm;
use crate::live::CatalogHandle;

/// Path suffix of the RFC 8414 document.
const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
/// Path suffix of the OIDC discovery document.
const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";

/// How clients may authenticate at the token and revocation endpoints.
const AUTH_METHODS: &[&str] = &[
    "none",
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
];

/// The same where a public client has no business.
const CONFIDENTIAL_AUTH_METHODS: &[&str] = &[
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
];

/// The broker's metadata.
pub struct Metadata {
    issuer: String,
    catalog: CatalogHandle,
    registration: RegistrationPolicy,
    url_clients: RegistrationPolicy,
}

/// Server metadata (RFC 8414 §2, RFC 9207 §3, RFC 9728 §4).
#[derive(Debug, Serialize)]
pub struct ServerMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    revocation_endpoint: String,
    introspection_endpoint: String,
    userinfo_endpoint: String,
    scopes_supported: Vec<String>,
    response_types_supported: &'static [&'static str],
    response_modes_supported: &'static [&'static str],
    grant_types_supported: Vec<&'static str>,
    token_endpoint_auth_methods_supported: &'static [&'static str],
    token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    revocation_endpoint_auth_methods_supported: &'static [&'static str],
    revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    introspection_endpoint_auth_methods_supported: &'static [&'static str],
    introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    code_challenge_methods_supported: &'static [&'static str],
    authorization_response_iss_parameter_supported: bool,
    /// OAuth Client ID Metadata Document §5.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    client_id_metadata_document_supported: bool,
    protected_resources: Vec<String>,
    /// Where background clients learn which offline grants they may use; ours, as the next two.
    #[serde(skip_serializing_if = "Option::is_none")]
    offline_grants_endpoint: Option<String>,
    /// Where the server of a resource learns of its caller's background access.
    #[serde(skip_serializing_if = "Option::is_none")]
    background_access_endpoint: Option<String>,
    /// Where it withdraws that.
    #[serde(skip_serializing_if = "Option::is_none")]
    background_access_withdrawal_endpoint: Option<String>,
}

/// Provider metadata (OIDC Discovery §3): the same and what that document requires.
#[derive(Debug, Serialize)]
pub struct ProviderMetadata {
    #[serde(flatten)]
    server: ServerMetadata,
    subject_types_supported: &'static [&'static str],
    id_token_signing_alg_values_supported: [&'static str; 1],
    request_uri_parameter_supported: bool,
}

impl Metadata {
    /// The metadata of this issuer; the two policies are for clients that register themselves and
    /// for those whose id is a URL.
    #[must_use]
    pub fn new(
        issuer: String,
        catalog: CatalogHandle,
        registration: RegistrationPolicy,
        url_clients: RegistrationPolicy,
    ) -> Self {
        Self {
            issuer,
            catalog,
            registration,
            url_clients,
        }
    }

    /// The RFC 8414 document.
    #[must_use]
    pub fn server(&self) -> ServerMetadata {
        let endpoint = |path: &str| format!("{}{path}", self.issuer.trim_end_matches('/'));
        let catalog = self.catalog.current();
        let resources = catalog.resources();
        let scopes: BTreeSet<&str> = resources
            .iter()
            .flat_map(|resource| resource.scopes.keys().map(String::as_str))
            .collect();
        let algorithms: Vec<_> = Verified::ALL.iter().map(|it| it.as_str()).collect();
        let mut grant_types = vec![
            grant_type::AUTHORIZATION_CODE,
            grant_type::REFRESH_TOKEN,
            grant_type::CLIENT_CREDENTIALS,
        ];
        if !catalog.downstreams().is_empty() {
            grant_types.push(grant_type::TOKEN_EXCHANGE);
        }
        let is_offered = catalog.downstreams().iter().any(|entry| entry.offline);
        let in_background = |path: &str| is_offered.then(|| endpoint(path));
        ServerMetadata {
            issuer: self.issuer.clone(),
            authorization_endpoint: endpoint("/oauth/authorize"),
            token_endpoint: endpoint("/oauth/token"),
            jwks_uri: endpoint("/oauth/jwks"),
            registration_endpoint: match self.registration {
                RegistrationPolicy::Open | RegistrationPolicy::Approval => {
                    Some(endpoint("/oauth/register"))
                }
                RegistrationPolicy::Closed => None,
            },
            revocation_endpoint: endpoint("/oauth/revoke"),
            introspection_endpoint: endpoint("/oauth/introspect"),
            userinfo_endpoint: endpoint("/oauth/userinfo"),
            scopes_supported: scopes.into_iter().map(str::to_owned).collect(),
            response_types_supported: &["code"],
            response_modes_supported: &["query"],
            grant_types_supported: grant_types,
            token_endpoint_auth_methods_supported: AUTH_METHODS,
            token_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
            revocation_endpoint_auth_methods_supported: AUTH_METHODS,
            revocation_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
            introspection_endpoint_auth_methods_supported: CONFIDENTIAL_AUTH_METHODS,
            introspection_endpoint_auth_signing_alg_values_supported: algorithms,
            code_challenge_methods_supported: &["S256"],
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: self.url_clients != RegistrationPolicy::Closed,
            protected_resources: resources
                .iter()
                .map(|resource| resource.id.to_string())
                .collect(),
            offline_grants_endpoint: in_background("/oauth/offline-grants"),
            background_access_endpoint: in_background("/oauth/background-access"),
            background_access_withdrawal_endpoint: in_background(
                "/oauth/background-access/withdraw",
            ),
        }
    }

    /// The OIDC discovery document; `algorithm` is what the broker signs with.
    #[must_use]
    pub fn provider(&self, algorithm: Algorithm) -> ProviderMetadata {
        ProviderMetadata {
            server: self.server(),
            subject_types_supported: &["public"],
            id_token_signing_alg_values_supported: [match algorithm {
                Algorithm::Es256 => "ES256",
                Algorithm::EdDsa => "EdDSA",
                Algorithm::Rs256 => "RS256",
            }],
            // Left out, it would mean yes (OIDC Discovery §3).
            request_uri_parameter_supported: false,
        }
    }

    /// The paths at which the RFC 8414 document is looked for.
    #[must_use]
    pub fn server_paths(&self) -> BTreeSet<String> {
        self.paths(AUTHORIZATION_SERVER)
    }

    /// The paths at which the OIDC discovery document is looked for.
    #[must_use]
    pub fn provider_paths(&self) -> BTreeSet<String> {
        self.paths(OPENID_CONFIGURATION)
    }

    /// For an issuer with a path: inserted before it (RFC 8414 §3.1), appended to it (OIDC Discovery
    /// §4), and at the root, where some clients look after both. All the same without a path.
    fn paths(&self, suffix: &str) -> BTreeSet<String> {
        let path = Url::parse(&self.issuer)
            .map(|url| url.path().trim_end_matches('/').to_owned())
            .unwrap_or_default();
        [
            suffix.to_owned(),
            format!("{suffix}{path}"),
            format!("{path}{suffix}"),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(issuer: &str, registration: RegistrationPolicy) -> Metadata {
        Metadata::new(
            issuer.to_owned(),
            CatalogHandle::default(),
            registration,
            registration,
        )
    }

    #[test]
    fn a_path_issuer_is_found_inserted_appended_and_at_the_root() {
        let paths = metadata("https://a.example/base", RegistrationPolicy::Open).server_paths();
        assert_eq!(
            paths.into_iter().collect::<Vec<_>>(),
            [
                "/.well-known/oauth-authorization-server",
                "/.well-known/oauth-authorization-server/base",
                "/base/.well-known/oauth-authorization-server",
            ]
        );
        let paths = metadata("https://a.example", RegistrationPolicy::Open).provider_paths();
        assert_eq!(
            paths.into_iter().collect::<Vec<_>>(),
            ["/.well-known/openid-configuration"]
        );
    }

    #[test]
    fn registration_is_listed_unless_closed() {
        for (policy, listed) in [
            (RegistrationPolicy::Open, true),
            (RegistrationPolicy::Approval, true),
            (RegistrationPolicy::Closed, false),
        ] {
            let document = metadata("https://a.example", policy).server();
            assert_eq!(document.registration_endpoint.is_some(), listed);
            assert_eq!(document.client_id_metadata_document_supported, listed);
        }
    }

    #[test]
    fn exchange_and_background_access_are_listed_only_where_there_is_something_to_reach() {
        let document = metadata("https://a.example", RegistrationPolicy::Open).server();
        assert_eq!(
            document.grant_types_supported,
            ["authorization_code", "refresh_token", "client_credentials"]
        );
        assert_eq!(document.offline_grants_endpoint, None);
        assert_eq!(document.background_access_endpoint, None);
        assert_eq!(document.background_access_withdrawal_endpoint, None);
    }
}
