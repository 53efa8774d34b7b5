use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use crate::Host;
use crate::host::run;

/// Who is where on the wires of a [`Site`](super::Site).
#[derive(Debug)]
pub(super) struct Addresses {
    pub(super) browser: Subnet,
    pub(super) relay: Subnet,
    pub(super) turn: Subnet,
    /// The relay as the world reaches it.
    pub(super) outside: IpAddr,
}

/// A wire of the router's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subnet {
    pub(super) router: IpAddr,
    pub(super) host: IpAddr,
}

impl Addresses {
    pub(super) fn v4() -> Self {
        let subnet = |number| Subnet {
            router: Ipv4Addr::new(10, 9, number, 1).into(),
            host: Ipv4Addr::new(10, 9, number, 2).into(),
        };
        let (browser, relay, turn) = (subnet(1), subnet(2), subnet(3));
        Self { browser, relay, turn, outside: browser.router }
    }

    pub(super) fn v6() -> Self {
        let subnet = |number| Subnet {
            router: Ipv6Addr::new(0xfd09, number, 0, 0, 0, 0, 0, 1).into(),
            host: Ipv6Addr::new(0xfd09, number, 0, 0, 0, 0, 0, 2).into(),
        };
        let (browser, relay, turn) = (subnet(1), subnet(2), subnet(3));
        Self { browser, relay, turn, outside: relay.host }
    }
}

impl Subnet {
    /// Lays the wire, called `link` at the router's end, and has the host reach everybody by it.
    pub(super) fn wire(&self, router: &Host, link: &str, host: &Host) -> Result<()> {
        let (gateway, host_name, router_name) = (self.router, host.name(), router.name());
        let prefix = if gateway.is_ipv4() { "24" } else { "64 nodad" };
        run(&format!("ip -n {router_name} link add {link} type veth peer name eth0 netns {host_name}"))?;
        for (name, link, address) in [(router_name, link, gateway), (host_name, "eth0", self.host)] {
            // A link-local address that comes seconds later is a change of network to a browser: it drops its downloads.
            run(&format!("ip -n {name} link set {link} addrgenmode none"))?;
            run(&format!("ip -n {name} addr add {address}/{prefix} dev {link}"))?;
            run(&format!("ip -n {name} link set {link} up"))?;
        }
        if gateway.is_ipv6() {
            // Who forwards asks for its neighbours from a link-local address (Linux, `ndisc_send_ns`).
            run(&format!("ip -n {router_name} addr add fe80::1/64 dev {link} nodad"))?;
        }
        run(&format!("ip -n {host_name} route add default via {gateway}"))
    }
}
