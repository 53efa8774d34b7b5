use std::net::{IpAddr, SocketAddr};

use anyhow::Result;

use super::{MEDIA_TCP_PORT, PORT};
use crate::Host;

/// A way between the browser and the world that a firewall may close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The relay's media.
    Udp,
    /// ICE over TCP, at the port of its own that [`Site::announce_both`](super::Site::announce_both) names.
    Tcp,
    /// TURN over UDP.
    TurnUdp,
    /// TURN over TCP, without and with TLS.
    TurnTcp,
    /// HTTPS to the relay.
    Https,
}

impl Way {
    /// All that WebRTC could take.
    pub const MEDIA: [Self; 4] = [Self::Udp, Self::Tcp, Self::TurnUdp, Self::TurnTcp];
    /// Everything there is.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::TurnUdp, Self::TurnTcp, Self::Https];

    /// What a packet of it looks like, on its way there and back.
    fn matches(self) -> String {
        match self {
            Self::Udp => format!("meta l4proto udp ct original proto-dst {PORT}"),
            Self::Tcp => format!("meta l4proto tcp ct original proto-dst {MEDIA_TCP_PORT}"),
            Self::TurnUdp => "meta l4proto udp ct original proto-dst 3478".to_owned(),
            Self::TurnTcp => "meta l4proto tcp ct original proto-dst { 3478, 5349 }".to_owned(),
            Self::Https => format!("meta l4proto tcp ct original proto-dst {PORT}"),
        }
    }
}

/// Hides the relay behind the router: all see the router's address, of which 8443 alone leads to it.
pub(super) fn publish(router: &Host, relay: IpAddr, outside: IpAddr) -> Result<()> {
    let rules = format!("udp dport {PORT} dnat to {relay}; tcp dport {PORT} dnat to {relay};");
    let content = format!(
        "chain in {{ type nat hook prerouting priority -100; {rules} }}
         chain out {{ type nat hook postrouting priority 100; iifname relay oifname != relay snat to {outside}; }}
         chain pass {{ type filter hook forward priority 1; oifname relay ct state new ct status & dnat == 0 drop; }}"
    );
    router.set_table("ip nat", &content)
}

/// Leads one more port of the router to one of the relay's host.
pub(super) fn forward(router: &Host, outside: u16, relay: SocketAddr) -> Result<()> {
    router.run(&format!("nft add rule ip nat in tcp dport {outside} dnat to {relay}"))
}

/// Closes these ways and no others.
pub(super) fn close(router: &Host, ways: &[Way]) -> Result<()> {
    let rule = |way: &Way| {
        let packet = way.matches();
        format!("iifname browser {packet} drop; oifname browser {packet} drop;")
    };
    let rules: String = ways.iter().map(rule).collect();
    // The last rule changes nothing but that connections are tracked, whatever is closed.
    let rules = format!("{rules} ct state new accept;");
    router.set_table("inet wall", &format!("chain pass {{ type filter hook forward priority 0; {rules} }}"))
}
