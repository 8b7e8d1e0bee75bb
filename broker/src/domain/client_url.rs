//! Client ids that are URLs (OAuth Client ID Metadata Document §3): which ones, and whom we trust.

use std::fmt;

use url::{Host, Url};

use super::{ClientId, RegistrationPolicy};

/// A client id that is the URL of the client's metadata document.
///
/// Each document has one spelling of its URL: the one that a URL parser leaves as it is. With
/// credentials, a fragment, dot segments or a default port in it, it is no client id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientUrl(Url);

impl ClientUrl {
    /// Takes a client id as a URL; `None` when it is not one that can be a client's.
    ///
    /// A URL of this very machine is one too, over plain http as well; whether it may be fetched is
    /// [`UrlClients::trusts`]' word.
    #[must_use]
    pub fn parse(id: &ClientId) -> Option<Self> {
        let url = Url::parse(id.as_str()).ok()?;
        let this = Self(url);
        let is_secure = match this.0.scheme() {
            "https" => true,
            "http" => this.is_loopback(),
            _ => false,
        };
        let is_complete = is_secure
            && this.has_owner()
            && this.0.path() != "/"
            && this.0.fragment().is_none()
            && this.0.username().is_empty()
            && this.0.password().is_none()
            // The parser resolves dot segments, escaped ones too, drops default ports, lowers case.
            && this.0.as_str() == id.as_str();
        is_complete.then_some(this)
    }

    /// The URL.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// The host, and the port where it is not the usual one: whose client it is.
    #[must_use]
    pub fn origin(&self) -> String {
        match self.0.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_owned(),
        }
    }

    /// Whether the owner of the host vouches for the document: it came over https.
    #[must_use]
    pub fn is_verifiable(&self) -> bool {
        self.0.scheme() == "https" && !self.is_loopback()
    }

    /// Whether it is on this very machine: for development.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether the host is a name that somebody owns: no address, no name of a local network, and
    /// not the second spelling that a final dot makes.
    fn has_owner(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => {
                self.is_loopback() || (name.contains('.') && !name.ends_with('.'))
            }
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => self.is_loopback(),
            None => false,
        }
    }
}

/// A domain name, which stands for itself and everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

/// Not a domain name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a domain name such as claude.ai, which stands for everything below it too")]
pub struct InvalidDomain;

impl Domain {
    /// Takes a domain name, in any case, also an internationalised one.
    ///
    /// # Errors
    /// When it is a URL, an address, a pattern, or otherwise no name.
    pub fn parse(text: &str) -> Result<Self, InvalidDomain> {
        let is_plain = text
            .chars()
            .all(|character| character.is_alphanumeric() || matches!(character, '.' | '-'))
            && !text.starts_with('.')
            && !text.ends_with('.');
        match Host::parse(text) {
            Ok(Host::Domain(name)) if is_plain => Ok(Self(name)),
            _ => Err(InvalidDomain),
        }
    }

    fn covers(&self, host: &str) -> bool {
        host.strip_suffix(self.0.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Which clients may identify themselves by a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlClients {
    /// What becomes of one that is new.
    pub policy: RegistrationPolicy,
    /// The only domains whose clients are known; all when empty.
    pub allow: Vec<Domain>,
    /// Domains whose clients are refused, allowed or not.
    pub deny: Vec<Domain>,
    /// Whether this very machine may serve documents: for development.
    pub allows_loopback: bool,
    /// Those that are let in by name, whatever the policy and the domains say.
    pub named: Vec<ClientId>,
}

impl UrlClients {
    /// Whether the client is let in by name.
    #[must_use]
    pub fn names(&self, id: &ClientId) -> bool {
        self.named.contains(id)
    }

    /// Whether documents at this URL are believed at all.
    #[must_use]
    pub fn trusts(&self, url: &ClientUrl) -> bool {
        let covers = |domain: &Domain| domain.covers(url.host());
        if url.is_loopback() {
            return self.allows_loopback && !self.deny.iter().any(covers);
        }
        !self.deny.iter().any(covers) && (self.allow.is_empty() || self.allow.iter().any(covers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(id: &str) -> Option<ClientUrl> {
        ClientUrl::parse(&ClientId::parse(id).unwrap())
    }

    #[test]
    fn urls_that_can_be_client_ids() {
        for (id, origin, is_verifiable) in [
            (
                "https://claude.ai/oauth/mcp-oauth-client-metadata",
                "claude.ai",
                true,
            ),
            (
                "https://vscode.dev/oauth/client-metadata.json",
                "vscode.dev",
                true,
            ),
            ("https://a.example:8443/c", "a.example:8443", true),
            ("https://a.example/c/", "a.example", true),
            ("https://a.example/c?tenant=1", "a.example", true),
            (
                "https://xn--bcher-kva.example/c",
                "xn--bcher-kva.example",
                true,
            ),
            // In development.
            ("http://127.0.0.1:3000/c.json", "127.0.0.1:3000", false),
            ("http://localhost/c.json", "localhost", false),
            ("https://localhost/c.json", "localhost", false),
            ("http://[::1]:3000/c.json", "[::1]:3000", false),
        ] {
            let url = parse(id).unwrap_or_else(|| panic!("{id}"));
            assert_eq!(url.url().as_str(), id);
            assert_eq!(url.origin(), origin);
            assert_eq!(url.is_verifiable(), is_verifiable, "{id}");
        }
    }

    #[test]
    fn others_cannot() {
        for id in [
            "agent",
            "https",
            "https://",
            "https://a.example",
            "https://a.example/",
            "https://a.example?c",
            "https://a.example/c#f",
            "https://a.example/c#",
            "https://user@a.example/c",
            "https://user:password@a.example/c",
            "https://@a.example/c",
            "https://a.example/a/../c",
            "https://a.example/./c",
            "https://a.example/c/..",
            "https://a.example/%2e%2e/c",
            "https://a.example/%2E/c",
            "https://a.example\\c",
            "https:a.example/c",
            "https:/a.example/c",
            "https:///a.example/c",
            "HTTPS://a.example/c",
            "https://A.example/c",
            "https://a.example:443/c",
            "https://a.example:/c",
            "https://a.example./c",
            "https://a.ex%61mple/c",
            "https://nextcloud/c",
            "https://93.184.216.34/c",
            "https://0x7f.1/c",
            "https://[2606:4700::1]/c",
            "http://a.example/c",
            "http://10.0.0.1/c",
            "http://localhost.a.example/c",
            "ftp://a.example/c",
            "data:application/json,{}",
            "file:///c.json",
            "urn:example:client",
        ] {
            assert_eq!(parse(id), None, "{id}");
        }
    }

    #[test]
    fn a_domain_is_a_name_and_nothing_around_it() {
        for (text, name) in [
            ("claude.ai", "claude.ai"),
            ("Claude.AI", "claude.ai"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(Domain::parse(text).unwrap().to_string(), name);
        }
        for text in [
            "",
            ".",
            ".claude.ai",
            "claude.ai.",
            "*.claude.ai",
            "https://claude.ai",
            "claude.ai/oauth",
            "claude.ai:443",
            "claude ai",
            "127.0.0.1",
            "0x7f.1",
            "[::1]",
        ] {
            assert_eq!(Domain::parse(text), Err(InvalidDomain), "{text}");
        }
    }

    #[test]
    fn a_domain_covers_itself_and_what_is_below() {
        let domain = Domain::parse("claude.ai").unwrap();
        for (host, covered) in [
            ("claude.ai", true),
            ("mcp.claude.ai", true),
            ("a.b.claude.ai", true),
            ("notclaude.ai", false),
            ("claude.ai.evil.example", false),
            ("ai", false),
            ("", false),
        ] {
            assert_eq!(domain.covers(host), covered, "{host}");
        }
    }

    #[test]
    fn the_denied_are_refused_and_then_the_allowed_are_the_only_ones() {
        let domains = |names: &[&str]| {
            names
                .iter()
                .map(|name| Domain::parse(name).unwrap())
                .collect::<Vec<_>>()
        };
        let trusts = |allow: &[&str], deny: &[&str], id: &str| {
            let clients = UrlClients {
                policy: RegistrationPolicy::Open,
                allow: domains(allow),
                deny: domains(deny),
                allows_loopback: false,
                named: Vec::new(),
            };
            clients.trusts(&parse(id).unwrap())
        };
        let claude = "https://claude.ai/c";
        assert!(trusts(&[], &[], claude));
        assert!(trusts(&["claude.ai"], &[], claude));
        assert!(!trusts(&["vscode.dev"], &[], claude));
        assert!(!trusts(&[], &["claude.ai"], claude));
        assert!(!trusts(&["claude.ai"], &["claude.ai"], claude));
        assert!(!trusts(
            &["example"],
            &["evil.example"],
            "https://evil.example/c"
        ));
        assert!(trusts(
            &["example"],
            &["evil.example"],
            "https://good.example/c"
        ));
        assert!(!trusts(&[], &[], "http://localhost/c"));
    }

    #[test]
    fn this_machine_is_trusted_only_when_told() {
        let clients = UrlClients {
            policy: RegistrationPolicy::Open,
            allow: vec![Domain::parse("claude.ai").unwrap()],
            deny: Vec::new(),
            allows_loopback: true,
            named: Vec::new(),
        };
        assert!(clients.trusts(&parse("http://127.0.0.1:3000/c").unwrap()));
        assert!(!clients.trusts(&parse("https://a.example/c").unwrap()));
    }
}
