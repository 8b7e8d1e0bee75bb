//! A client that waits for an administrator, as the person is told of it who wants to use it.

use super::consent::{is_self_named, published_by};
use crate::domain::Client;

/// What somebody has to know to get the client approved, and to go on afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The client's id, which is what the administrator needs.
    pub client_id: String,
    /// The client's name.
    pub name: Option<String>,
    /// Whether the client gave itself that name, and nobody vouches for it.
    pub is_self_named: bool,
    /// The host whose owner vouches for the name and the redirect URIs: it publishes them over https.
    pub published_by: Option<String>,
    /// Where answers may go: the hosts of the registered redirect URIs, or their schemes where they
    /// are private-use ones. Each once.
    pub redirect_hosts: Vec<String>,
    /// The flow to go on with. None when it has not begun: the request itself is made again then.
    pub flow: Option<String>,
}

impl Waiting {
    /// What is known of `client`. Nothing of the request: its redirect URI may be anybody's.
    pub(super) fn new(client: &Client) -> Self {
        let mut redirect_hosts: Vec<String> = Vec::new();
        for uri in &client.redirect_uris {
            let host = uri.display_host();
            if !redirect_hosts.contains(&host) {
                redirect_hosts.push(host);
            }
        }
        Self {
            client_id: client.id.as_str().to_owned(),
            name: client.name.clone(),
            is_self_named: is_self_named(client),
            published_by: published_by(client),
            redirect_hosts,
            flow: None,
        }
    }
}
