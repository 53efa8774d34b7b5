//! Addresses: this host's own, those of containers, and those that a listener can reach.

pub(crate) mod hint;
mod names;
mod reach;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::join_all;
use soundport_core::fanout::Candidates;
use tokio::sync::watch;
use tracing::{debug, warn};

use self::names::Names;
pub(crate) use self::reach::Reach;
use crate::options::{Announce, Transport};

/// Where listeners reach the relay: what it listens to, what the user announces, and what was found out.
#[derive(Clone)]
pub(crate) struct Network {
    listening: Listening,
    announce: watch::Receiver<Arc<[Announce]>>,
    /// By which addresses the outside sees this host.
    outside: watch::Receiver<Arc<[IpAddr]>>,
    names: Names,
}

/// The addresses of what carries media.
#[derive(Debug, Clone)]
pub(crate) struct Listening {
    /// The media socket's.
    pub(crate) media: SocketAddr,
    /// Those of HTTPS.
    pub(crate) https: Arc<[SocketAddr]>,
}

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

impl Network {
    pub(crate) fn new(
        listening: Listening,
        announce: watch::Receiver<Arc<[Announce]>>,
        outside: watch::Receiver<Arc<[IpAddr]>>,
    ) -> Self {
        Self { listening, announce, outside, names: Names::default() }
    }

    /// The addresses to give to a listener whose request came from `listener`. Takes a second at most.
    ///
    /// What the user announces stands in for the host's own addresses, unless nothing of it can be resolved; what was found
    /// out is added to either.
    pub(crate) async fn reachable(&self, listener: IpAddr) -> Candidates {
        let announce = self.announce.borrow().clone();
        let resolved = join_all(announce.iter().map(|entry| self.names.resolve(&entry.host))).await;
        let mut reachable = self.listening.announced(announce.iter().zip(resolved));
        if reachable.udp.is_empty() && reachable.tcp.is_empty() {
            reachable = self.listening.own(&host_addresses(), listener);
        }
        self.listening.add_outside(&self.outside.borrow(), &mut reachable);
        debug!(?reachable, %listener, "Candidates");
        reachable
    }

    /// Where browsers are told to reach it, in words.
    pub(crate) fn reach(&self) -> Reach {
        Reach::new(&self.listening, &self.announce.borrow(), &self.outside.borrow())
    }
}

impl Listening {
    /// Every address of the host, those of loopback only for a listener on this host, or where there is no other.
    pub(crate) fn own(&self, host: &[IpAddr], listener: IpAddr) -> Candidates {
        let listener = listener.to_canonical();
        let others = host.iter().any(|ip| !ip.is_loopback());
        let visible = |ip: &IpAddr| listener.is_loopback() || !others || !ip.is_loopback();
        let at_any = |bound: &SocketAddr| {
            let family = |ip: &&IpAddr| bound.is_ipv6() || ip.is_ipv4();
            let visible = host.iter().filter(family).filter(|ip| visible(ip));
            visible.map(|ip| SocketAddr::new(*ip, bound.port())).collect::<Vec<_>>()
        };
        let on_this_host = listener.is_loopback() || host.contains(&listener);
        let tcp = self.https.iter().flat_map(|bound| match bound.ip() {
            ip if ip.is_unspecified() => at_any(bound),
            ip if ip.is_loopback() && !on_this_host => Vec::new(),
            _ => vec![*bound],
        });
        let udp = if self.media.ip().is_unspecified() { at_any(&self.media) } else { vec![self.media] };
        Candidates { udp, tcp: distinct(tcp) }
    }

    /// What the user announces, with what each entry resolved to. A name that failed is left out: the others may do.
    fn announced<'a>(&self, entries: impl Iterator<Item = (&'a Announce, Vec<IpAddr>)>) -> Candidates {
        let mut reachable = Candidates::default();
        for (Announce { port, transport, .. }, found) in entries {
            for ip in found {
                if transport.is_none_or(|transport| transport == Transport::Udp) {
                    reachable.udp.push(SocketAddr::new(ip, port.unwrap_or(self.media.port())));
                }
                // Nobody reaches from elsewhere a HTTPS that is on loopback, unless the user says so.
                let tcp = transport.map_or_else(
                    || self.is_open() || ip.is_loopback(),
                    |transport| transport == Transport::Tcp,
                );
                if let (true, Some(https)) = (tcp, self.https.first()) {
                    reachable.tcp.push(SocketAddr::new(ip, port.unwrap_or(https.port())));
                }
            }
        }
        Candidates { udp: distinct(reachable.udp), tcp: distinct(reachable.tcp) }
    }

    /// Adds the addresses by which the outside sees this host, each with the ports as they are here. Where the user
    /// announces such an address, its port is known better.
    fn add_outside(&self, outside: &[IpAddr], reachable: &mut Candidates) {
        let add = |addresses: &mut Vec<SocketAddr>, port: u16| {
            let new = outside.iter().filter(|ip| addresses.iter().all(|known| known.ip() != **ip));
            let new: Vec<_> = new.map(|ip| SocketAddr::new(*ip, port)).collect();
            addresses.extend(new);
        };
        if !self.media.ip().is_loopback() {
            add(&mut reachable.udp, self.media.port());
        }
        if let (true, Some(https)) = (self.is_open(), self.https.first()) {
            add(&mut reachable.tcp, https.port());
        }
    }

    /// Whether HTTPS is open to others than this host.
    pub(crate) fn is_open(&self) -> bool {
        self.https.iter().any(|bound| !bound.ip().is_loopback())
    }
}

fn distinct(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut seen = HashSet::new();
    addresses.into_iter().filter(|address| seen.insert(*address)).collect()
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

    fn listening(media: &str, https: &[&str]) -> Listening {
        let https = https.iter().map(|address| address.parse().unwrap()).collect();
        Listening { media: media.parse().unwrap(), https }
    }

    fn words(addresses: &[SocketAddr]) -> String {
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    fn own(listening: &Listening, host: &str, listener: &str) -> (String, String) {
        let host: Vec<_> = host.split(' ').map(|ip| ip.parse().unwrap()).collect();
        let Candidates { udp, tcp } = listening.own(&host, listener.parse().unwrap());
        (words(&udp), words(&tcp))
    }

    fn announced(listening: &Listening, entries: &[&str]) -> (String, String) {
        let entries: Vec<Announce> = entries.iter().map(|entry| entry.parse().unwrap()).collect();
        let resolved = entries.iter().map(|entry| vec![entry.host.parse().unwrap()]);
        let Candidates { udp, tcp } = listening.announced(entries.iter().zip(resolved));
        (words(&udp), words(&tcp))
    }

    fn pair(udp: &str, tcp: &str) -> (String, String) {
        (udp.to_owned(), tcp.to_owned())
    }

    #[test]
    fn listeners_elsewhere_get_no_loopback_address() {
        let open = listening("[::]:8443", &["[::]:9443"]);
        let host = "192.168.1.2 2001:db8::2 127.0.0.1 ::1";
        assert_eq!(
            own(&open, host, "192.168.1.9"),
            pair("192.168.1.2:8443 [2001:db8::2]:8443", "192.168.1.2:9443 [2001:db8::2]:9443")
        );
        assert_eq!(own(&open, "127.0.0.1", "192.168.1.9"), pair("127.0.0.1:8443", "127.0.0.1:9443"));
        let (_, tcp) = own(&open, host, "::ffff:127.0.0.1");
        assert_eq!(tcp, "192.168.1.2:9443 [2001:db8::2]:9443 127.0.0.1:9443 [::1]:9443");
    }

    #[test]
    fn a_host_with_ipv6_alone_is_reached_by_it() {
        let open = listening("[::]:8443", &["[::]:8443"]);
        assert_eq!(
            own(&open, "2001:db8::2 ::1", "2001:db8::9"),
            pair("[2001:db8::2]:8443", "[2001:db8::2]:8443")
        );
    }

    #[test]
    fn https_on_loopback_is_for_this_host_alone() {
        let closed = listening("0.0.0.0:8443", &["127.0.0.1:8443", "[::1]:8443"]);
        let host = "192.168.1.2 2001:db8::2 127.0.0.1 ::1";
        assert_eq!(own(&closed, host, "192.168.1.9"), pair("192.168.1.2:8443", ""));
        assert_eq!(own(&closed, host, "::1").1, "127.0.0.1:8443 [::1]:8443");
        assert_eq!(own(&closed, host, "192.168.1.2").1, "127.0.0.1:8443 [::1]:8443");
        let (udp, tcp) = announced(&closed, &["203.0.113.7", "203.0.113.7:9000/tcp", "127.0.0.1"]);
        assert_eq!(udp, "203.0.113.7:8443 127.0.0.1:8443");
        assert_eq!(tcp, "203.0.113.7:9000 127.0.0.1:8443");
    }

    #[test]
    fn one_address_of_many_may_be_listened_to() {
        let one = listening("192.168.1.2:8443", &["192.168.1.2:443"]);
        assert_eq!(own(&one, "192.168.1.2 10.0.0.1", "8.8.8.8"), pair("192.168.1.2:8443", "192.168.1.2:443"));
    }

    #[test]
    fn what_is_announced_stands_alone_and_once() {
        let open = listening("[::]:8443", &["[::]:9443"]);
        assert_eq!(
            announced(&open, &["203.0.113.7", "203.0.113.7"]),
            pair("203.0.113.7:8443", "203.0.113.7:9443")
        );
        assert_eq!(announced(&open, &["[2001:db8::1]:9000/tcp"]), pair("", "[2001:db8::1]:9000"));
        assert_eq!(announced(&open, &["203.0.113.7:7000/udp"]), pair("203.0.113.7:7000", ""));
        assert_eq!(announced(&open, &["203.0.113.7:7000"]), pair("203.0.113.7:7000", "203.0.113.7:7000"));
    }

    #[tokio::test]
    async fn where_no_announced_name_can_be_resolved_the_hosts_own_addresses_are_offered() {
        let open = listening("[::]:8443", &["[::]:9443"]);
        let entries = ["nowhere.invalid", "elsewhere.invalid:9000/tcp"];
        let (_announce, announced) = watch::channel(entries.map(|entry| entry.parse().unwrap()).into());
        let (_find, outside) = watch::channel(Arc::from([]));
        let listener = "127.0.0.1".parse().unwrap();
        let Candidates { udp, tcp } =
            Network::new(open.clone(), announced, outside).reachable(listener).await;
        assert!(words(&udp).contains("127.0.0.1:8443"), "{udp:?}");
        assert!(words(&tcp).contains("127.0.0.1:9443"), "{tcp:?}");
    }

    #[test]
    fn what_was_found_out_is_added_unless_announced() {
        let open = listening("[::]:8443", &["[::]:9443"]);
        let mut reachable = Candidates { udp: vec!["203.0.113.7:7000".parse().unwrap()], tcp: Vec::new() };
        open.add_outside(&["203.0.113.7".parse().unwrap(), "2001:db8::7".parse().unwrap()], &mut reachable);
        assert_eq!(words(&reachable.udp), "203.0.113.7:7000 [2001:db8::7]:8443");
        assert_eq!(words(&reachable.tcp), "203.0.113.7:9443 [2001:db8::7]:9443");
    }
}
