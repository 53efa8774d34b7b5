//! Multicast groups, joined on every network of this host: containers' bridges come and go.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use socket2::SockRef;
use tracing::{debug, info};

/// Where PulseAudio sends what it is given no destination for.
pub(crate) const DEFAULT_GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 56));

/// How soon a new network of this host is noticed.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Joins a group on every network that it was not joined on yet.
pub(crate) fn join(socket: &UdpSocket, group: IpAddr) {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        debug!(%error, "Failed to list this host's networks");
        Vec::new()
    });
    let socket = SockRef::from(socket);
    for interface in interfaces {
        let joined = match (group, interface.ip()) {
            (IpAddr::V4(group), IpAddr::V4(own)) => socket.join_multicast_v4(&group, &own),
            (IpAddr::V6(group), IpAddr::V6(_)) => {
                socket.join_multicast_v6(&group, interface.index.unwrap_or_default())
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => continue,
        };
        match joined {
            Ok(()) => info!(%group, interface = interface.name, "Joined"),
            // So it is every time but the first.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => debug!(%group, interface = interface.name, %error, "Failed to join"),
        }
    }
}
