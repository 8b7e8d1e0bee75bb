//! `[registration]`: clients that nobody here has registered.

use std::time::Duration;

use super::read::Section;
use crate::domain::{ClientId, ClientUrl, Domain, RedirectUri, RegistrationPolicy};

/// `[registration]`.
#[derive(Debug, Clone)]
pub struct Registration {
    /// What becomes of clients that register themselves (RFC 7591): `open` (usable at once; the
    /// user always sees the consent page), `approval` (usable once an administrator approves) or
    /// `closed`.
    ///
    /// Default `open`, because MCP clients expect it. `BROKER__REGISTRATION__POLICY`. `approval`
    /// where only known programs may reach your Nextcloud.
    pub policy: RegistrationPolicy,
    /// How often one address may try to register a client in an hour; for IPv6 its whole /64 network.
    ///
    /// Default `100`, at least `1`. `BROKER__REGISTRATION__ATTEMPTS_PER_HOUR`. Higher where many
    /// people come from one address.
    pub attempts_per_hour: u32,
    /// How many clients that registered themselves there may be at once.
    ///
    /// Default `10000`, at least `1`. `BROKER__REGISTRATION__MOST_CLIENTS`. Higher for an
    /// installation with tens of thousands of people.
    pub most_clients: u32,
    /// After how long a client that nobody let in and nobody used is forgotten.
    ///
    /// Default `30d`, at least `1d`. `BROKER__REGISTRATION__UNUSED_AFTER`. For clients that registered
    /// themselves and were never logged in with, and for documents of URL clients that were not used
    /// for so long. Longer where approval takes its time.
    pub unused_after: Duration,
    /// What becomes of clients whose id is the URL of a document about them: `open`, `approval` or
    /// `closed`, as for `policy`.
    ///
    /// Default: as `policy`. `BROKER__REGISTRATION__URL_CLIENTS`. The owner of the URL's domain
    /// vouches for the client, so it can be `open` where `policy` is not.
    pub url_clients: RegistrationPolicy,
    /// The only domains whose URL clients are accepted; each stands for everything below it too.
    ///
    /// Default `[]`: all. `BROKER__REGISTRATION__URL_CLIENT_DOMAINS_ALLOW`. Name the makers of the
    /// programs that you want, and only theirs can be used.
    pub url_client_domains_allow: Vec<Domain>,
    /// Domains whose URL clients are refused, even if allowed; each stands for everything below it
    /// too.
    ///
    /// Default `[]`. `BROKER__REGISTRATION__URL_CLIENT_DOMAINS_DENY`. Hosts on which anybody can
    /// publish files belong here, when all are allowed.
    pub url_client_domains_deny: Vec<Domain>,
    /// Whether the URL may be on this very machine (`localhost`, `127.0.0.1`, `[::1]`), over plain
    /// http too.
    ///
    /// Default `false`. `BROKER__REGISTRATION__DANGER_URL_CLIENTS_ON_LOOPBACK`. For developing a
    /// client; elsewhere it lets strangers make the broker ask whatever listens beside it.
    pub danger_url_clients_on_loopback: bool,
    /// Clients that are let in by name, whatever the policies say: `id` or `id|redirect_uri`, one
    /// entry for each redirect URI. An id that is a URL stands for the client of that document; any
    /// other without a redirect URI, for a program on the user's own computer.
    ///
    /// Default `[]`. `BROKER__REGISTRATION__ALLOWED_CLIENTS`, separated by commas. For a small site
    /// with `policy` `closed` or `approval`; `[[clients]]` says more of each client.
    pub allowed_clients: Vec<AllowedClient>,
}

/// An entry of `registration.allowed_clients`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedClient {
    /// Which client.
    pub client_id: ClientId,
    /// Where its logins may return to.
    pub redirect_uri: Option<RedirectUri>,
}

impl AllowedClient {
    /// Whether the client describes itself at the URL that is its id.
    #[must_use]
    pub fn is_document(&self) -> bool {
        self.redirect_uri.is_none() && ClientUrl::parse(&self.client_id).is_some()
    }

    /// Where its logins may return to: for a program on the user's own computer of which nothing is
    /// said, where such programs listen (any port: RFC 8252 §7.3).
    pub(super) fn redirect_uris(&self) -> Vec<RedirectUri> {
        match &self.redirect_uri {
            Some(uri) => vec![uri.clone()],
            None => ["localhost", "127.0.0.1"]
                .into_iter()
                .flat_map(|host| {
                    ["/callback", "/oauth/callback", "/"]
                        .map(|path| RedirectUri::from_trusted(format!("http://{host}{path}")))
                })
                .collect(),
        }
    }
}

impl Registration {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let policy = section.or("policy", RegistrationPolicy::Open);
        let attempts_per_hour = at_least_one(&mut section, "attempts_per_hour", 100);
        let most_clients = at_least_one(&mut section, "most_clients", 10_000);
        let unused_after = section.checked(
            "unused_after",
            Duration::from_hours(30 * 24),
            |duration| *duration >= Duration::from_hours(24),
            "must be at least 1d: a person may log in tomorrow",
        );
        let url_clients = section.or("url_clients", policy);
        let url_client_domains_allow = section.list("url_client_domains_allow");
        let url_client_domains_deny = section.list("url_client_domains_deny");
        let danger_url_clients_on_loopback = section.or("danger_url_clients_on_loopback", false);
        let allowed_clients = section.list("allowed_clients");
        section.finish();
        Self {
            policy,
            attempts_per_hour,
            most_clients,
            unused_after,
            url_clients,
            url_client_domains_allow,
            url_client_domains_deny,
            danger_url_clients_on_loopback,
            allowed_clients,
        }
    }
}

fn at_least_one(section: &mut Section<'_>, key: &'static str, default: u32) -> u32 {
    section.checked(
        key,
        default,
        |number| *number > 0,
        "must be at least 1; to let nobody register, set policy to \"closed\"",
    )
}
