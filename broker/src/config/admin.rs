//! `[admin]`: the listener for administrators, and who they are besides the holders of admin tokens.

use std::net::SocketAddr;

use broker_client::server::TlsFiles;

use super::loopback;
use super::read::Section;
use super::tls::tls;

/// `[admin]`.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The address of the listener for the admin API and metrics; never put it on the ingress.
    ///
    /// Default `127.0.0.1:4281`. `BROKER__ADMIN__LISTEN`. In a cluster, an address that only the
    /// monitoring and the administrators reach.
    pub listen: SocketAddr,
    /// Certificate and key of this listener, as those of the public one.
    ///
    /// Default: none. `BROKER__ADMIN__TLS__CERTIFICATE` and `BROKER__ADMIN__TLS__KEY`. Set it where
    /// administrators come over a network: each of their requests carries a token.
    pub tls: Option<TlsFiles>,
    /// The `aud` of access tokens of the identity provider (JWTs) that administer.
    ///
    /// Default: none, admin tokens only. `BROKER__ADMIN__AUDIENCE`. Something of its own at the
    /// provider, which no other API and no login there uses: who gets a token for it and is in one
    /// of the groups below administers this broker.
    pub audience: Option<String>,
    /// The claim that lists the user's groups.
    ///
    /// Default `groups`. `BROKER__ADMIN__GROUP_CLAIM`. As the provider names it.
    pub group_claim: String,
    /// The groups whose members may look, to the letter.
    ///
    /// Default: none. `BROKER__ADMIN__READ_GROUPS`. For auditors and dashboards.
    pub read_groups: Vec<String>,
    /// The groups whose members may look and change.
    ///
    /// Default: none. `BROKER__ADMIN__WRITE_GROUPS`. For the people who approve clients.
    pub write_groups: Vec<String>,
}

impl Admin {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let listen = section.or("listen", loopback(4281));
        let tls = tls(&mut section);
        let audience = section.optional("audience");
        let group_claim = section.or("group_claim", "groups".to_owned());
        let read_groups = section.list("read_groups");
        let write_groups = section.list("write_groups");
        section.finish();
        Self {
            listen,
            tls,
            audience,
            group_claim,
            read_groups,
            write_groups,
        }
    }
}
