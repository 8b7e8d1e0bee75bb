//! A round robin over several replicas: one port in front, connections handed out in turn.
//!
//! It copies bytes and knows nothing of HTTP. A replica that refuses the connection is skipped, as
//! a real load balancer would after its health check.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::ports;

/// A running round robin. Dropping it stops it.
#[derive(Debug)]
pub struct RoundRobin {
    server: JoinHandle<()>,
}

impl RoundRobin {
    /// Listens on the loopback `port` and connects to `backends` in turn.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(port: u16, backends: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind(ports::loopback(port)).await?;
        let backends: Arc<[SocketAddr]> = backends.into();
        let turn = Arc::new(AtomicUsize::new(0));
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let first = turn.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(client, Arc::clone(&backends), first));
            }
        });
        Ok(Self { server })
    }
}

impl Drop for RoundRobin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(mut client: TcpStream, backends: Arc<[SocketAddr]>, first: usize) {
    for backend in backends
        .iter()
        .cycle()
        .skip(first % backends.len())
        .take(backends.len())
    {
        if let Ok(mut server) = TcpStream::connect(backend).await {
            client.set_nodelay(true).ok();
            server.set_nodelay(true).ok();
            // Either side may hang up at any time; that is the end of this connection only.
            copy_bidirectional(&mut client, &mut server).await.ok();
            return;
        }
    }
}
