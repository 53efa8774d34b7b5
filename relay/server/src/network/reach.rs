//! Where browsers are told to reach the relay, and what to do where they do not: in words.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Listening, host_addresses};
use crate::options::Announce;

/// As many addresses are named.
pub(super) const MAX_NAMED: usize = 6;

/// Where browsers are told to reach the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Addresses and names, such as `192.0.2.1:8443/udp`.
    pub(crate) offered: Vec<String>,
    /// Whether the user said so, or a STUN server did; else they are the host's own addresses.
    pub(crate) is_known: bool,
    /// The port of all media, by UDP.
    pub(crate) media_port: u16,
    /// That of HTTPS, and of media by TCP.
    pub(crate) https_port: u16,
}

impl Reach {
    pub(crate) fn new(listening: &Listening, announce: &[Announce], outside: &[IpAddr]) -> Self {
        let media_port = listening.media.port();
        let mut offered: Vec<String> = if announce.is_empty() {
            let stranger = Ipv4Addr::new(192, 0, 2, 1).into();
            let own = listening.own(&host_addresses(), stranger);
            let udp = own.udp.iter().map(|address| format!("{address}/udp"));
            udp.chain(own.tcp.iter().map(|address| format!("{address}/tcp"))).collect()
        } else {
            announce.iter().map(ToString::to_string).collect()
        };
        offered.extend(outside.iter().map(|ip| format!("{ip} (as a STUN server sees it)")));
        Self {
            offered,
            is_known: !announce.is_empty() || !outside.is_empty(),
            media_port,
            https_port: listening.https_port(),
        }
    }

    /// What browsers are told.
    pub(crate) fn offer(&self) -> String {
        match self.offered.as_slice() {
            [] => "The relay has no address to offer to browsers on other machines.".to_owned(),
            offered => {
                let named = offered.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
                match offered.len().saturating_sub(MAX_NAMED) {
                    0 => format!("Browsers are told to reach the relay at {named}."),
                    more => format!("Browsers are told to reach the relay at {named} and {more} more."),
                }
            }
        }
    }

    /// What to do where browsers do not get there.
    pub(crate) fn remedy(&self) -> String {
        let Self { media_port, https_port, .. } = self;
        if self.is_known {
            return format!(
                "Open or forward {media_port}/udp and {https_port}/tcp on the way from there to this machine."
            );
        }
        format!("For browsers on other machines {}.", announce(*https_port, *media_port))
    }
}

impl Listening {
    /// The port of HTTPS.
    pub(super) fn https_port(&self) -> u16 {
        self.https.first().map_or_else(|| self.media.port(), SocketAddr::port)
    }
}

/// How to say where the relay is, and what must be open there.
pub(super) fn announce(https_port: u16, media_port: u16) -> String {
    format!(
        "start the relay with --announce HOST, the address or name by which they reach this machine, and open or publish {https_port}/tcp and {media_port}/udp"
    )
}
