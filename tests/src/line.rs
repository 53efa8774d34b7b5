use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, Result};
use str0m::Candidate;
use str0m::net::{Protocol, TcpType};

/// The length before each frame (RFC 4571, section 2).
const HEADER_BYTES: usize = 2;

/// What a session's packets go over.
#[derive(Debug)]
pub(crate) enum Line {
    /// Datagrams.
    Udp(UdpSocket),
    /// Frames in a connection (RFC 4571), and what was read of the next ones.
    Tcp(TcpStream, Vec<u8>),
}

impl Line {
    /// Datagrams from a port of loopback.
    pub(crate) fn udp() -> Result<Self> {
        Ok(Self::Udp(UdpSocket::bind((IpAddr::from(Ipv4Addr::LOCALHOST), 0))?))
    }

    /// Frames to the passive TCP candidate that an answer names (RFC 6544).
    pub(crate) fn tcp(answer: &str) -> Result<Self> {
        let address = tcp_candidate(answer).with_context(|| format!("no TCP candidate in {answer}"))?;
        let stream = TcpStream::connect(address).with_context(|| format!("Failed to reach {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream, Vec::new()))
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Self::Udp(_) => Protocol::Udp,
            Self::Tcp(..) => Protocol::Tcp,
        }
    }

    pub(crate) fn local(&self) -> Result<SocketAddr> {
        Ok(match self {
            Self::Udp(socket) => socket.local_addr()?,
            Self::Tcp(stream, _) => stream.local_addr()?,
        })
    }

    pub(crate) fn candidate(&self) -> Result<Candidate> {
        let local = self.local()?;
        Ok(match self {
            Self::Udp(_) => Candidate::host(local, Protocol::Udp)?,
            Self::Tcp(..) => Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build()?,
        })
    }

    /// What can be waited on for packets.
    pub(crate) fn into_fd(self) -> OwnedFd {
        match self {
            Self::Udp(socket) => socket.into(),
            Self::Tcp(stream, _) => stream.into(),
        }
    }

    /// A second handle to receive by; then nothing may be received by this one.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        Ok(match self {
            Self::Udp(socket) => Self::Udp(socket.try_clone()?),
            Self::Tcp(stream, _) => Self::Tcp(stream.try_clone()?, Vec::new()),
        })
    }

    pub(crate) fn send(&mut self, packet: &[u8], to: SocketAddr) {
        // What is lost on the way is lost; who has gone is seen by the silence.
        match self {
            Self::Udp(socket) => drop(socket.send_to(packet, to)),
            Self::Tcp(stream, _) => {
                let mut frame = (packet.len() as u16).to_be_bytes().to_vec();
                frame.extend_from_slice(packet);
                let _ = stream.write_all(&frame);
            }
        }
    }

    /// The next packet, if one comes within `wait`; zero does not wait at all, from then on.
    pub(crate) fn receive(&mut self, wait: Duration) -> Result<Option<(Vec<u8>, SocketAddr)>> {
        let mut buffer = [0; 4096];
        let read = match self {
            Self::Udp(socket) => {
                match wait.is_zero() {
                    true => socket.set_nonblocking(true)?,
                    false => socket.set_read_timeout(Some(wait))?,
                }
                let received = socket.recv_from(&mut buffer);
                return Ok(received.ok().map(|(length, from)| (buffer[..length].to_vec(), from)));
            }
            Self::Tcp(stream, received) => {
                let from = stream.peer_addr()?;
                if let Some(frame) = take_frame(received) {
                    return Ok(Some((frame, from)));
                }
                match wait.is_zero() {
                    true => stream.set_nonblocking(true)?,
                    false => stream.set_read_timeout(Some(wait))?,
                }
                let read = stream.read(&mut buffer);
                if let Ok(length @ 1..) = read {
                    received.extend_from_slice(&buffer[..length]);
                    return Ok(take_frame(received).map(|frame| (frame, from)));
                }
                read
            }
        };
        match read {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(error) => Err(error).context("the connection is broken"),
            Ok(_) => anyhow::bail!("the relay closed the connection"),
        }
    }
}

/// The answer without its candidates of the other protocol: ICE would wait for them.
pub(crate) fn only(protocol: Protocol, answer: &str) -> String {
    let wanted = format!(" {protocol} ");
    let keep = |line: &&str| !line.starts_with("a=candidate:") || line.to_lowercase().contains(&wanted);
    answer.lines().filter(keep).map(|line| format!("{line}\r\n")).collect()
}

fn tcp_candidate(answer: &str) -> Option<SocketAddr> {
    let candidates = answer.lines().filter_map(|line| line.strip_prefix("a=candidate:"));
    candidates.filter(|line| line.ends_with("tcptype passive")).find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        Some(SocketAddr::new(words.get(4)?.parse().ok()?, words.get(5)?.parse().ok()?))
    })
}

fn take_frame(received: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes([*received.first()?, *received.get(1)?]));
    let frame = received.get(HEADER_BYTES..HEADER_BYTES + length)?.to_vec();
    received.drain(..HEADER_BYTES + length);
    Some(frame)
}
