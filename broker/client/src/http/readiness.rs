//! Asking a program of ours on this machine whether it is ready, for health checks in containers that
//! have no program for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use url::Url;

use super::{Answer, HttpClient, HttpError, Options, builder};

/// What `/health/ready` of the program that listens there, with TLS or without, answers: 200 when it
/// is ready.
///
/// # Errors
///
/// As [`HttpClient::get`]; mostly [`HttpError::Connect`], when nobody listens.
pub async fn readiness(listen: SocketAddr, tls: bool) -> Result<Answer, HttpError> {
    let options = Options::default();
    let client = HttpClient {
        // Its certificate is for the name by which clients know it, not for this address. Nothing
        // secret is asked or answered, and who can put himself there has the machine.
        client: builder(&options)
            .tls_danger_accept_invalid_certs(true)
            .build()
            .map_err(HttpError::Setup)?,
        body_limit: options.body_limit,
        allow_insecure_http: true,
    };
    client.get(&address(listen, tls)?, HeaderMap::new()).await
}

/// Where it is reached from here, over TLS or not: an unspecified address means every interface, loopback too.
fn address(listen: SocketAddr, tls: bool) -> Result<Url, HttpError> {
    let host = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let socket = SocketAddr::new(host, listen.port());
    let scheme = if tls { "https" } else { "http" };
    Url::parse(&format!("{scheme}://{socket}/health/ready")).map_err(|_| HttpError::Insecure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_is_asked_over_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:4280", "http://127.0.0.1:4280/health/ready"),
            ("[::]:4280", "http://[::1]:4280/health/ready"),
            ("127.0.0.2:80", "http://127.0.0.2/health/ready"),
        ] {
            let url = address(listen.parse().unwrap(), false).unwrap();
            assert_eq!(url.as_str(), asked);
        }
        let url = address("0.0.0.0:443".parse().unwrap(), true).unwrap();
        assert_eq!(url.as_str(), "https://127.0.0.1/health/ready");
    }
}
