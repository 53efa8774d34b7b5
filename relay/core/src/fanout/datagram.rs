use std::net::SocketAddr;

use crate::mic::MicFrame;

/// The address of a peer's socket, as the relay sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);

/// The address of this host that a datagram truly arrived at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocalAddr(pub SocketAddr);

/// A datagram from the media socket.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Who sent it.
    pub from: PeerAddr,
    /// Where it arrived.
    pub to: LocalAddr,
    /// Its payload: STUN, DTLS, RTP or RTCP (RFC 7983).
    pub bytes: &'a [u8],
}

/// A datagram for the media socket.
#[derive(Debug, Clone)]
pub struct Transmit {
    /// The address to send from, where the host has several.
    pub from: Option<LocalAddr>,
    /// Where it goes.
    pub to: PeerAddr,
    /// Its payload.
    pub bytes: Vec<u8>,
}

/// What a call of [`Fanout`](super::Fanout) leaves to be done.
#[derive(Debug, Default)]
pub struct Output {
    /// To be sent from the media socket.
    pub datagrams: Vec<Transmit>,
    /// For talkback.
    pub microphones: Vec<MicFrame>,
}
