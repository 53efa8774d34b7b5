use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::mic::MicFrame;
use crate::session::SessionId;

/// The address of a peer's socket, as the relay sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerAddr {
    /// It sends to the media port.
    Udp(SocketAddr),
    /// It has made a TCP connection (RFC 6544), the other end of which this is.
    Tcp(SocketAddr),
}

impl PeerAddr {
    /// IP address and port.
    pub fn address(self) -> SocketAddr {
        match self {
            Self::Udp(address) | Self::Tcp(address) => address,
        }
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => write!(f, "{address}/udp"),
            Self::Tcp(address) => write!(f, "{address}/tcp"),
        }
    }
}

/// The relay's addresses as the other side can reach them, best first; given as host candidates (RFC 8445, RFC 6544).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Candidates {
    /// Of the media port.
    pub udp: Vec<SocketAddr>,
    /// Where TCP connections are taken.
    pub tcp: Vec<SocketAddr>,
}

/// The address of this host that a datagram truly arrived at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocalAddr(pub SocketAddr);

/// A datagram from the media socket, or one frame of a TCP connection (RFC 4571).
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Who sent it.
    pub from: PeerAddr,
    /// Where it arrived.
    pub to: LocalAddr,
    /// Its payload: STUN, DTLS, RTP or RTCP (RFC 7983).
    pub bytes: &'a [u8],
}

/// A datagram for the media socket, or one frame for a TCP connection.
#[derive(Debug, Clone)]
pub struct Transmit {
    /// The address to send from, where the host has several; a connection has but one.
    pub from: Option<LocalAddr>,
    /// Where it goes.
    pub to: PeerAddr,
    /// Its payload.
    pub bytes: Vec<u8>,
}

/// One Opus packet for a listener whose way is a stream: a byte stream outside of WebRTC.
#[derive(Debug, Clone)]
pub struct StreamMessage {
    /// Whose stream it is.
    pub session: SessionId,
    /// Of its first sample: 48 kHz, from a random beginning, as RTP has it (RFC 7587, section 4.1).
    pub timestamp: u32,
    /// The Opus packet (RFC 6716).
    pub data: Arc<[u8]>,
}

/// What a call of [`Fanout`](super::Fanout) leaves to be done.
#[derive(Debug, Default)]
pub struct Output {
    /// To be sent from the media socket.
    pub datagrams: Vec<Transmit>,
    /// To be sent by their TCP connections, framed as RFC 4571 says.
    pub framed: Vec<Transmit>,
    /// For streams.
    pub messages: Vec<StreamMessage>,
    /// For talkback.
    pub microphones: Vec<MicFrame>,
}
