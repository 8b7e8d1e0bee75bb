//! Who listens on which loopback port.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};

use crate::ports;

/// The most replicas that fit between the ports.
const MAX_REPLICAS: usize = 20;

/// Who listens where.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// How our two programs are spoken to: `http` or `https`.
    scheme: &'static str,
    pub(super) broker: u16,
    pub(super) admin: u16,
    gateway: u16,
    pub(super) idp: u16,
    pub(super) nextcloud: u16,
    /// Broker and admin port of each replica; the first pair is `broker` and `admin` itself where
    /// there is only one.
    pub(super) replicas: Vec<(u16, u16)>,
}

impl Addresses {
    /// With a base: broker +0, admin +1, gateway +2, identity provider +3, Nextcloud +4; replicas,
    /// if several, on +10 and their admin listeners on +30.
    pub(super) fn choose(base: Option<u16>, replicas: usize, tls: bool) -> Result<Self> {
        ensure!(
            (1..=MAX_REPLICAS).contains(&replicas),
            "1 to {MAX_REPLICAS} replicas are possible"
        );
        let port = |offset: usize| match base {
            Some(base) => {
                let port = base
                    .checked_add(u16::try_from(offset)?)
                    .context("no such port")?;
                ensure!(
                    ports::is_free(port),
                    "port {port} is taken; --port-base chooses others"
                );
                Ok(port)
            }
            None => ports::free(),
        };
        let (broker, admin) = (port(0)?, port(1)?);
        let replicas = match replicas {
            1 => vec![(broker, admin)],
            _ => (0..replicas)
                .map(|i| Ok((port(10 + i)?, port(30 + i)?)))
                .collect::<Result<_>>()?,
        };
        Ok(Self {
            scheme: if tls { "https" } else { "http" },
            broker,
            admin,
            gateway: port(2)?,
            idp: port(3)?,
            nextcloud: port(4)?,
            replicas,
        })
    }

    /// The broker's issuer.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.url(ports::loopback(self.broker))
    }

    /// The base of the gateway.
    #[must_use]
    pub fn gateway_url(&self) -> String {
        self.url(ports::loopback(self.gateway))
    }

    /// The MCP endpoint, which is the resource identifier too.
    #[must_use]
    pub fn mcp_url(&self) -> String {
        format!("{}/mcp", self.gateway_url())
    }

    /// The base of one replica, past the round robin.
    #[must_use]
    pub fn replica_url(&self, replica: usize) -> String {
        self.url(self.broker_listen(replica))
    }

    /// The base of the admin listener, of whichever replica.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.url(ports::loopback(self.admin))
    }

    fn url(&self, listen: SocketAddr) -> String {
        format!("{}://{listen}", self.scheme)
    }

    pub(super) fn broker_listen(&self, replica: usize) -> SocketAddr {
        ports::loopback(
            self.replicas
                .get(replica)
                .map_or(self.broker, |ports| ports.0),
        )
    }

    pub(super) fn admin_listen(&self, replica: usize) -> SocketAddr {
        ports::loopback(
            self.replicas
                .get(replica)
                .map_or(self.admin, |ports| ports.1),
        )
    }

    pub(super) fn gateway_listen(&self) -> SocketAddr {
        ports::loopback(self.gateway)
    }
}
