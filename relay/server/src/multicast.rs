//! Multicast groups, joined on every network of this host: containers' bridges come and go.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use if_addrs::Interface;
use tracing::{debug, info};

/// Where PulseAudio sends what it is given no destination for.
pub(crate) const DEFAULT_GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 56));

/// How soon a new network of this host is noticed.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Joins a group on every network that it was not joined on yet.
pub(crate) fn join(socket: &UdpSocket, group: IpAddr) {
    for interface in interfaces() {
        match on(&interface, socket, group, UdpSocket::join_multicast_v4, UdpSocket::join_multicast_v6) {
            None => {}
            Some(Ok(())) => info!(%group, interface = interface.name, "Joined"),
            // So it is every time but the first.
            Some(Err(error)) if error.kind() == io::ErrorKind::AddrInUse => {}
            Some(Err(error)) => debug!(%group, interface = interface.name, %error, "Failed to join"),
        }
    }
}

/// Leaves a group on every network.
pub(crate) fn leave(socket: &UdpSocket, group: IpAddr) {
    for interface in interfaces() {
        if let Some(Err(error)) =
            on(&interface, socket, group, UdpSocket::leave_multicast_v4, UdpSocket::leave_multicast_v6)
        {
            debug!(%group, interface = interface.name, %error, "Failed to leave");
        }
    }
}

/// Does what is to be done with a group on one network; nothing where the two are not of one family.
fn on(
    interface: &Interface,
    socket: &UdpSocket,
    group: IpAddr,
    v4: impl Fn(&UdpSocket, &Ipv4Addr, &Ipv4Addr) -> io::Result<()>,
    v6: impl Fn(&UdpSocket, &Ipv6Addr, u32) -> io::Result<()>,
) -> Option<io::Result<()>> {
    match (group, interface.ip()) {
        (IpAddr::V4(group), IpAddr::V4(own)) => Some(v4(socket, &group, &own)),
        (IpAddr::V6(group), IpAddr::V6(_)) => Some(v6(socket, &group, interface.index.unwrap_or_default())),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

fn interfaces() -> Vec<Interface> {
    if_addrs::get_if_addrs().unwrap_or_else(|error| {
        debug!(%error, "Failed to list this host's networks");
        Vec::new()
    })
}
