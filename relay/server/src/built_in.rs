//! What the sources that this process plays itself share: a socket of their own, as a container has one.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::Context;

/// A container in this process: where it sends from, and hears if it does, and the ingest port that it sends to.
pub(crate) struct BuiltIn {
    pub(crate) socket: UdpSocket,
    pub(crate) to: SocketAddr,
}

impl BuiltIn {
    /// Takes a socket of its own, so that ingest can know it by its address.
    pub(crate) fn new(rtp: SocketAddr) -> anyhow::Result<Self> {
        let unspecified = rtp.ip().is_unspecified();
        let to = if unspecified { SocketAddr::new(Ipv4Addr::LOCALHOST.into(), rtp.port()) } else { rtp };
        let socket =
            UdpSocket::bind((to.ip(), 0)).context("Failed to open a socket for a built-in source")?;
        Ok(Self { socket, to })
    }

    /// Its address, as a container.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        self.socket.local_addr().context("Failed to find a built-in source's address")
    }
}
