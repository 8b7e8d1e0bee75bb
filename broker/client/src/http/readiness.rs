//! Asking a program of ours on this machine whether it is ready, for health checks in containers that
//! have no program for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use url::Url;

use super::{Answer, HttpClient, HttpError, Options};

/// What `/health/ready` of the program that listens there answers: 200 when it is ready.
///
/// # Errors
///
/// As [`HttpClient::get`]; mostly [`HttpError::Connect`], when nobody listens.
pub async fn readiness(listen: SocketAddr) -> Result<Answer, HttpError> {
    let client = HttpClient::new(&Options::default())?;
    client.get(&address(listen)?, HeaderMap::new()).await
}

/// Where it is reached from here: an unspecified address means every interface, loopback too.
fn address(listen: SocketAddr) -> Result<Url, HttpError> {
    let host = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let socket = SocketAddr::new(host, listen.port());
    Url::parse(&format!("http://{socket}/health/ready")).map_err(|_| HttpError::Insecure)
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
            let url = address(listen.parse().unwrap()).unwrap();
            assert_eq!(url.as_str(), asked);
        }
    }
}
