//! Free TCP ports on the loopback interface.
//!
//! The issuer of a broker contains its port, so the port must be known before the process starts;
//! "port 0" is of no use here. The numbers lie below the range that the kernel gives to outgoing
//! connections, so that none of those takes one between the check and the use.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result};

const FIRST: u16 = 20_000;
const SPAN: u16 = 12_000;
/// Each process starts somewhere else in the range, so that two test runs seldom meet.
const STRIDE: u32 = 397;

static TAKEN: AtomicU16 = AtomicU16::new(0);

/// A port that nobody listens on now, different at every call.
///
/// # Errors
/// When no port of the range is free.
pub fn free() -> Result<u16> {
    free_row(1)
}

/// The first of `count` such ports in a row.
///
/// # Errors
/// When there are none.
pub fn free_row(count: u16) -> Result<u16> {
    let start = u16::try_from(std::process::id().wrapping_mul(STRIDE) % u32::from(SPAN))?;
    (0..SPAN)
        .map(|_| {
            let next = TAKEN.fetch_add(count, Ordering::Relaxed) % SPAN;
            FIRST + (start + next) % SPAN
        })
        .find(|&first| (first..first + count).all(is_free))
        .context("no free port on 127.0.0.1")
}

/// Whether nobody listens on this loopback port.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}

/// The loopback address with this port.
#[must_use]
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
