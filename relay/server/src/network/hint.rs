//! What to say at the start where nobody has said how browsers reach the relay.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use tracing::{info, warn};

use super::reach::{MAX_NAMED, announce};
use super::{Listening, host_addresses, is_private};

/// What is known of the host that the relay runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Container,
    /// Nobody outside its own network reaches any of its addresses.
    Private,
    Other,
}

/// Says which addresses browsers will be told, and what is to be done where they do not reach these. To be called where
/// nothing is announced, and nobody is asked for the outside address.
pub(crate) fn say(listening: &Listening) {
    let host = host_addresses();
    let kind = if is_in_container() { Host::Container } else { of(&host) };
    match (listening.is_open(), kind) {
        (false, _) => {}
        (true, Host::Other) => info!("{}", words(listening, &host, kind)),
        (true, Host::Container | Host::Private) => warn!("{}", words(listening, &host, kind)),
    }
}

fn words(listening: &Listening, host: &[IpAddr], kind: Host) -> String {
    let stranger = Ipv4Addr::new(192, 0, 2, 1).into();
    let mut told: Vec<IpAddr> =
        listening.own(host, stranger).udp.iter().map(|address| address.ip()).collect();
    told.dedup();
    let more = told.len().saturating_sub(MAX_NAMED);
    let mut told = told.iter().take(MAX_NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if more > 0 {
        told += &format!(" and {more} more");
    }
    let remedy = announce(listening.https_port(), listening.media.port());
    match kind {
        Host::Container => format!(
            "This relay runs in a container, and nothing is announced: browsers are told to reach it at {told}, which those on other machines mostly cannot. For them {remedy}."
        ),
        Host::Private => format!(
            "All addresses of this machine are private, and nothing is announced: browsers are told to reach the relay at {told}. For those outside this network {remedy}."
        ),
        Host::Other => format!(
            "Browsers are told to reach the relay at {told}. Where these do not lead to it (it is behind NAT, or its ports are forwarded), {remedy}."
        ),
    }
}

fn of(host: &[IpAddr]) -> Host {
    if host.iter().all(|ip| is_private(*ip)) { Host::Private } else { Host::Other }
}

fn is_in_container() -> bool {
    // What Docker, Podman and Kubernetes leave in theirs.
    ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists())
        || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(addresses: &str) -> Vec<IpAddr> {
        addresses.split(' ').map(|ip| ip.parse().unwrap()).collect()
    }

    fn listening() -> Listening {
        Listening { media: "[::]:7000".parse().unwrap(), https: ["[::]:9443".parse().unwrap()].into() }
    }

    #[test]
    fn what_to_open_and_what_to_announce_is_said_with_the_real_numbers() {
        let host = host("172.17.0.2 127.0.0.1 ::1");
        for kind in [Host::Container, Host::Private, Host::Other] {
            let said = words(&listening(), &host, kind);
            for part in ["172.17.0.2", "--announce HOST", "9443/tcp and 7000/udp"] {
                assert!(said.contains(part), "{said} lacks {part}");
            }
            assert!(!said.contains("127.0.0.1") && !said.contains("::1"), "{said}");
        }
        assert!(words(&listening(), &host, Host::Container).contains("in a container"));
    }

    #[test]
    fn a_machine_with_one_public_address_is_not_private() {
        assert_eq!(of(&host("192.168.1.2 fd00::2 127.0.0.1")), Host::Private);
        assert_eq!(of(&host("192.168.1.2 2001:db8::2 127.0.0.1")), Host::Other);
    }
}
