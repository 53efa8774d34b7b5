//! Addresses: this host's own, those of containers, and those that a listener can reach.

use std::net::{IpAddr, SocketAddr};

use tracing::{debug, warn};

use crate::options::Announce;

/// Whether RTP is taken from there: this host, its containers and private networks (RFC 1918, 3927, 4193, 4291, 6598).
pub(crate) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// This host's addresses, loopback last, link-local IPv6 left out (a browser cannot use one without its zone).
pub(crate) fn host_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        warn!(%error, "Failed to list this host's addresses");
        Vec::new()
    });
    let mut addresses: Vec<IpAddr> = interfaces
        .iter()
        .map(if_addrs::Interface::ip)
        .filter(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()))
        .collect();
    addresses.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    addresses.dedup();
    addresses
}

/// The media port's addresses to give to a listener whose request came from `listener`.
///
/// `bound` is the media socket's address. What the user announces stands alone; else it is every address of the host,
/// those of loopback only for a listener on this host, or where there is no other.
pub(crate) async fn candidates(
    bound: SocketAddr,
    announce: &[Announce],
    listener: IpAddr,
) -> Vec<SocketAddr> {
    if !announce.is_empty() {
        return announced(announce, bound.port()).await;
    }
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let reachable = |ip: &IpAddr| bound.is_ipv6() || ip.is_ipv4();
    let mut addresses: Vec<IpAddr> = host_addresses().into_iter().filter(reachable).collect();
    let others = addresses.iter().any(|ip| !ip.is_loopback());
    if others && !listener.to_canonical().is_loopback() {
        addresses.retain(|ip| !ip.is_loopback());
    }
    addresses.into_iter().map(|ip| SocketAddr::new(ip, bound.port())).collect()
}

/// Resolves what the user announces. A name that fails is left out: the others may do.
async fn announced(announce: &[Announce], media_port: u16) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for entry in announce {
        let port = entry.port.unwrap_or(media_port);
        match tokio::net::lookup_host((entry.host.as_str(), port)).await {
            Ok(found) => addresses.extend(found),
            Err(error) => {
                warn!(host = entry.host, %error, "Failed to resolve an announced name; it is left out")
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    addresses.retain(|address| seen.insert(*address));
    debug!(?addresses, "Announced");
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_private_and_strangers_are_not() {
        for private in [
            "127.0.0.1",
            "172.17.0.2",
            "10.88.0.50",
            "192.168.1.9",
            "::ffff:10.0.0.1",
            "fd00::2",
            "100.64.0.1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for stranger in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1"] {
            assert!(!is_private(stranger.parse().unwrap()), "{stranger}");
        }
    }

    #[tokio::test]
    async fn what_is_announced_stands_alone() {
        let announce = ["203.0.113.7:7000".parse().unwrap(), "203.0.113.7:7000".parse().unwrap()];
        let found =
            candidates("[::]:8443".parse().unwrap(), &announce, "198.51.100.1".parse().unwrap()).await;
        assert_eq!(found, ["203.0.113.7:7000".parse().unwrap()]);
    }
}
