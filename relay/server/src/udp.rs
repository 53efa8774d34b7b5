//! UDP sockets: bound with an error that helps, told where each datagram truly arrived, and sent many at a time.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmsg, sendmmsg,
    setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use soundport_core::fanout::{LocalAddr, PeerAddr, Transmit};
use tracing::debug;

/// Asked of the kernel for bursts: a second of 1000 listeners' frames, a second of 50 containers' PCM.
const BUFFER_BYTES: usize = 4 << 20;

/// Binds a UDP socket, non-blocking, for both address families if `address` is `[::]`. `option` is named in errors.
pub(crate) fn bind(address: SocketAddr, option: &str) -> anyhow::Result<UdpSocket> {
    try_bind(address, Sharing::Alone).with_context(|| bind_failed(&address, "udp", option))
}

/// The same for a port that other programs of this network namespace may hold as well, if they agree.
pub(crate) fn bind_shared(address: SocketAddr, option: &str) -> anyhow::Result<UdpSocket> {
    try_bind(address, Sharing::Shared).with_context(|| bind_failed(&address, "udp", option))
}

/// Who else may hold a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Nobody.
    Alone,
    /// Whoever sets `SO_REUSEADDR` as well: a container's PulseAudio in the relay's own network namespace.
    Shared,
}

/// Binds as [`bind`] does.
pub(crate) fn try_bind(address: SocketAddr, sharing: Sharing) -> io::Result<UdpSocket> {
    match bind_one(address, sharing) {
        // A host without IPv6 is no reason to fail where the user did not ask for it.
        Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && no_ipv6(&error) => {
            bind_one(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()), sharing)
        }
        other => other,
    }
}

/// What to say when an address cannot be bound.
pub(crate) fn bind_failed(address: &dyn std::fmt::Display, protocol: &str, option: &str) -> String {
    format!("Failed to listen on {address}/{protocol}; free it or choose another with {option}")
}

fn bind_one(address: SocketAddr, sharing: Sharing) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(sharing == Sharing::Shared)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    for grown in [socket.set_recv_buffer_size(BUFFER_BYTES), socket.set_send_buffer_size(BUFFER_BYTES)] {
        if let Err(error) = grown {
            debug!(%error, "Socket buffer stays as it is");
        }
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn no_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL))
}

/// The socket that containers send to.
pub(crate) struct RtpSocket {
    socket: UdpSocket,
    ancillary: Vec<u8>,
}

impl RtpSocket {
    /// Takes over a bound socket.
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        Ok(Self { socket, ancillary: nix::cmsg_space!(nix::sys::time::TimeSpec) })
    }

    /// The descriptor to wait on.
    pub(crate) fn raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// The socket itself.
    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Reads one datagram: its length, who sent it, and when it came to this host, which is not when it is read where
    /// the relay had to wait for a processor.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, Instant)> {
        let mut slices = [IoSliceMut::new(buffer)];
        let fd = self.socket.as_raw_fd();
        let message =
            recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut self.ancillary), MsgFlags::empty())?;
        let from = message.address.as_ref().and_then(socket_addr).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let stamp = message.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(UNIX_EPOCH + Duration::from(stamp)),
            _ => None,
        });
        // A clock that was set between the two stamps gives no or a wild age: then now is the better guess.
        let age = stamp.and_then(|stamp| SystemTime::now().duration_since(stamp).ok());
        let age = age.filter(|age| *age < MAX_AGE).unwrap_or_default();
        let now = Instant::now();
        Ok((message.bytes, from, now.checked_sub(age).unwrap_or(now)))
    }
}

/// Older than this no datagram waits in a socket's buffer.
const MAX_AGE: Duration = Duration::from_secs(5);

/// The socket of all WebRTC sessions.
pub(crate) struct MediaSocket {
    socket: UdpSocket,
    bound: SocketAddr,
    ancillary: Vec<u8>,
    headers: MultiHeaders<SockaddrStorage>,
}

/// How many datagrams leave by one system call.
const BATCH: usize = 64;

impl MediaSocket {
    /// Takes over a bound socket.
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        let bound = socket.local_addr()?;
        match bound {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
        }
        let space = nix::cmsg_space!(nix::libc::in6_pktinfo);
        Ok(Self {
            socket,
            bound,
            ancillary: space.clone(),
            headers: MultiHeaders::preallocate(BATCH, Some(space)),
        })
    }

    /// The descriptor to wait on.
    pub(crate) fn raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Reads one datagram: its length, who sent it, where it arrived.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, PeerAddr, LocalAddr)> {
        let mut slices = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrStorage>(
            self.socket.as_raw_fd(),
            &mut slices,
            Some(&mut self.ancillary),
            MsgFlags::empty(),
        )?;
        let from = message.address.as_ref().and_then(socket_addr).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let arrived = message.cmsgs()?.find_map(arrival).unwrap_or_else(|| self.bound.ip());
        let to = SocketAddr::new(arrived.to_canonical(), self.bound.port());
        Ok((message.bytes, PeerAddr::Udp(from), LocalAddr(to)))
    }

    /// Sends all of `batch`. Returns how many the kernel would not take: they are dropped, as UDP may.
    pub(crate) fn send(&mut self, batch: &[Transmit]) -> u64 {
        let mut refused = 0;
        // Packets that leave by the same address share their ancillary data.
        for same_source in batch.chunk_by(|one, next| one.from == next.from) {
            for chunk in same_source.chunks(BATCH) {
                refused += self.send_chunk(chunk);
            }
        }
        refused
    }

    fn send_chunk(&mut self, mut chunk: &[Transmit]) -> u64 {
        let mut refused = 0;
        while !chunk.is_empty() {
            match self.send_some(chunk) {
                Ok(sent) => chunk = &chunk[sent.clamp(1, chunk.len())..],
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return refused + chunk.len() as u64,
                // One address that cannot be reached must not hold up the others.
                Err(error) => {
                    debug!(to = %chunk[0].to, %error, "Datagram not sent");
                    refused += 1;
                    chunk = &chunk[1..];
                }
            }
        }
        refused
    }

    fn send_some(&mut self, chunk: &[Transmit]) -> nix::Result<usize> {
        let slices: Vec<[IoSlice<'_>; 1]> = chunk.iter().map(|t| [IoSlice::new(&t.bytes)]).collect();
        let addresses: Vec<Option<SockaddrStorage>> =
            chunk.iter().map(|t| Some(self.reachable(t.to.address()).into())).collect();
        let fd = self.socket.as_raw_fd();
        let from = chunk.first().and_then(|t| t.from).map(|from| from.0.ip());
        let sent = match (self.bound, from) {
            (SocketAddr::V4(_), Some(IpAddr::V4(ip))) => {
                let info = pktinfo_v4(ip);
                let cmsgs = [ControlMessage::Ipv4PacketInfo(&info)];
                sendmmsg(fd, &mut self.headers, &slices, &addresses, cmsgs, MsgFlags::empty())?.count()
            }
            (SocketAddr::V6(_), Some(ip)) => {
                let info = pktinfo_v6(ip);
                let cmsgs = [ControlMessage::Ipv6PacketInfo(&info)];
                sendmmsg(fd, &mut self.headers, &slices, &addresses, cmsgs, MsgFlags::empty())?.count()
            }
            (SocketAddr::V4(_), Some(IpAddr::V6(_)) | None) | (SocketAddr::V6(_), None) => {
                let mut headers = MultiHeaders::preallocate(chunk.len(), None);
                sendmmsg(fd, &mut headers, &slices, &addresses, [], MsgFlags::empty())?.count()
            }
        };
        Ok(sent)
    }

    /// An IPv6 socket reaches IPv4 by mapped addresses.
    fn reachable(&self, to: SocketAddr) -> SocketAddr {
        match (self.bound, to) {
            (SocketAddr::V6(_), SocketAddr::V4(v4)) => {
                SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into()
            }
            (SocketAddr::V6(_), SocketAddr::V6(_)) | (SocketAddr::V4(_), _) => to,
        }
    }
}

fn arrival(message: ControlMessageOwned) -> Option<IpAddr> {
    match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into()),
        _ => None,
    }
}

fn pktinfo_v4(ip: Ipv4Addr) -> nix::libc::in_pktinfo {
    nix::libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: nix::libc::in_addr { s_addr: u32::from(ip).to_be() },
        ipi_addr: nix::libc::in_addr { s_addr: 0 },
    }
}

fn pktinfo_v6(ip: IpAddr) -> nix::libc::in6_pktinfo {
    let octets = match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    nix::libc::in6_pktinfo { ipi6_addr: nix::libc::in6_addr { s6_addr: octets }, ipi6_ifindex: 0 }
}

fn socket_addr(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::new(v4.ip().into(), v4.port()));
    }
    let v6 = storage.as_sockaddr_in6()?;
    Some(match v6.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::new(v4.into(), v6.port()),
        // The scope belongs to the address: a link-local peer is answered on the link it is on.
        IpAddr::V6(ip) => SocketAddrV6::new(ip, v6.port(), 0, v6.scope_id()).into(),
    })
}
