//! The proxies in front of us, which say where a request really came from.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// An address, or all addresses with the same prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// Why a text names no network that can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    /// It is neither an address nor an address with the length of a prefix.
    #[error("must be an address or a network, such as \"10.1.2.3\" or \"10.0.0.0/8\"")]
    Malformed,
    /// Every address is in it.
    #[error("must not be the whole internet: whoever is trusted can claim any address")]
    Everything,
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse().map_err(|_| InvalidNetwork::Malformed)?,
        };
        if network.prefix_len() == 0 {
            return Err(InvalidNetwork::Everything);
        }
        Ok(Self(network))
    }
}

/// Whose word on the origin of a request counts. By default nobody's.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Trusts the proxies in these networks.
    #[must_use]
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether `address` is one of them.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.0.contains(&address))
    }

    /// Where a request came from that `peer` brought us. `hops` are the addresses that proxies have
    /// noted down, the nearest to us last; `None` is a note that cannot be read.
    ///
    /// Read from the near end, since everybody can write what he likes at the far one: a note counts
    /// only when it was made by a proxy that we trust.
    #[must_use]
    pub fn origin(&self, peer: IpAddr, hops: &[Option<IpAddr>]) -> IpAddr {
        let mut origin = peer;
        for hop in hops.iter().rev() {
            match hop {
                Some(address) if self.trusts(origin) => origin = *address,
                Some(_) | None => break,
            }
        }
        origin.to_canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str]) -> TrustedProxies {
        let networks = networks.iter().map(|network| network.parse().unwrap());
        TrustedProxies::new(networks.collect())
    }

    #[test]
    fn a_network_is_an_address_or_has_a_prefix_and_is_never_everything() {
        for good in [
            "10.1.2.3",
            "10.0.0.0/8",
            "::1",
            "2001:db8::/32",
            "::ffff:10.1.2.3",
        ] {
            assert!(good.parse::<Network>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "ten",
            "10.1.2.3:80",
            "10.0.0.0/33",
            "10.0.0",
            "10.0.0.0/-1",
            "proxy.example",
        ] {
            assert_eq!(
                bad.parse::<Network>(),
                Err(InvalidNetwork::Malformed),
                "{bad}"
            );
        }
        for all in ["0.0.0.0/0", "::/0", "10.0.0.0/0"] {
            assert_eq!(
                all.parse::<Network>(),
                Err(InvalidNetwork::Everything),
                "{all}"
            );
        }
    }

    #[test]
    fn an_ipv4_address_in_ipv6_form_is_the_same_address() {
        let proxies = proxies(&["10.0.0.0/8", "::ffff:192.0.2.1"]);
        for (address, trusted) in [
            ("10.9.9.9", true),
            ("::ffff:10.9.9.9", true),
            ("192.0.2.1", true),
            ("11.0.0.1", false),
            ("::10.9.9.9", false),
        ] {
            assert_eq!(
                proxies.trusts(address.parse().unwrap()),
                trusted,
                "{address}"
            );
        }
    }

    #[test]
    fn a_note_counts_only_when_a_trusted_proxy_made_it() {
        let proxies = proxies(&["10.0.0.0/8"]);
        for (peer, hops, origin) in [
            // Nobody in between.
            ("198.51.100.1", &[][..], "198.51.100.1"),
            // A stranger's own words.
            ("198.51.100.1", &["192.0.2.1"], "198.51.100.1"),
            ("198.51.100.1", &["192.0.2.1", "10.0.0.2"], "198.51.100.1"),
            // One proxy, then two.
            ("10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            // What the stranger sent along is left of what the proxy saw.
            ("10.0.0.1", &["203.0.113.9", "192.0.2.1"], "192.0.2.1"),
            (
                "10.0.0.1",
                &["203.0.113.9", "10.0.0.3", "192.0.2.1"],
                "192.0.2.1",
            ),
            // A client inside, or a proxy that said nothing.
            ("10.0.0.1", &["10.0.0.7"], "10.0.0.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            // Notes that cannot be read: the last proxy that is known.
            ("10.0.0.1", &["192.0.2.1", "unknown"], "10.0.0.1"),
            ("10.0.0.1", &["unknown", "10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["unknown", "192.0.2.1"], "192.0.2.1"),
            // One form for one address.
            ("::ffff:10.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1"),
        ] {
            let notes: Vec<Option<IpAddr>> = hops.iter().map(|hop| hop.parse().ok()).collect();
            let found = proxies.origin(peer.parse().unwrap(), &notes);
            assert_eq!(found.to_string(), origin, "{peer} {hops:?}");
        }
    }

    #[test]
    fn by_default_nobody_is_believed() {
        let peer = "127.0.0.1".parse().unwrap();
        let claimed = [Some("192.0.2.1".parse().unwrap())];
        assert_eq!(TrustedProxies::default().origin(peer, &claimed), peer);
    }
}
