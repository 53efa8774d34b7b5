//! Whether the relay's ports are free, or the relay's own, or somebody else's.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use soundport_api::{Check, Finding};

use super::super::words::listed;
use super::holder::{self, Holder, Protocol};
use super::{trouble, unknown, well};
use crate::options::Options;
use crate::udp::{Sharing, try_bind};

const CHECK: Check = Check::Ports;

/// The name of the relay's process.
const RELAY: &str = "soundport";

/// A port that the relay needs.
struct Port {
    address: SocketAddr,
    protocol: Protocol,
    option: &'static str,
}

/// What became of trying to open one.
enum Tried {
    Free,
    Held(Vec<Holder>),
    Failed(io::Error),
}

/// Looks at all ports that the relay needs. `runs`: whether one answers.
///
/// A port that is held is not touched: nothing is shared with its holder, so nothing meant for it can come here.
pub(in crate::doctor) fn ports(options: &Options, runs: bool) -> Vec<Finding> {
    let (mut fine, mut findings) = (Vec::new(), Vec::new());
    for port in needed(options) {
        match judge(&port, runs) {
            Ok(()) => fine.push(port.name()),
            Err(finding) => findings.push(finding),
        }
    }
    fine.dedup();
    if !fine.is_empty() {
        let are = if fine.len() == 1 { "is" } else { "are" };
        let whose = if runs { "the relay’s own" } else { "free" };
        findings.push(well(CHECK, format!("{} {are} {whose}.", listed(&fine))));
    }
    findings
}

fn needed(options: &Options) -> Vec<Port> {
    let tcp = |at: &crate::options::HostPort, option| {
        let addresses = at.resolve().unwrap_or_default().into_iter();
        addresses.map(move |address| Port { address, protocol: Protocol::Tcp, option })
    };
    let udp = |address, option| Port { address, protocol: Protocol::Udp, option };
    let mut ports: Vec<Port> = tcp(&options.https, "--https").chain(tcp(&options.http, "--http")).collect();
    ports.extend([udp(options.media, "--media"), udp(options.rtp, "--rtp")]);
    ports.extend(options.sap.map(|sap| udp(sap, "--sap")));
    // Port 0 is whichever is free.
    ports.retain(|port| port.address.port() != 0);
    ports
}

fn judge(port: &Port, runs: bool) -> Result<(), Finding> {
    let (name, option) = (port.name(), port.option);
    match (port.probe(), runs) {
        (Tried::Free, false) => Ok(()),
        (Tried::Free, true) => Err(unknown(
            CHECK,
            format!("{name} is free, though a relay runs here: it was started with another {option}."),
            "Give soundport doctor the same options, environment and --config as the relay.",
        )),
        (Tried::Held(holders), runs) => match (holders.as_slice(), runs) {
            ([], true) => Ok(()),
            (holders, true) if holders.iter().any(|holder| holder.program == RELAY) => Ok(()),
            (holders, _) => Err(trouble(
                CHECK,
                format!("{name} is held by {}.", words(holders)),
                match holders.iter().any(|holder| holder.program == RELAY) {
                    true => "A relay runs with other options: give soundport doctor the same, or stop it."
                        .to_owned(),
                    false => format!("Stop it, or choose another port with {option}."),
                },
            )),
        },
        // Another address of the same name will do, as it does for the relay.
        (Tried::Failed(error), _)
            if error.kind() == ErrorKind::AddrNotAvailable && port.address.ip().is_loopback() =>
        {
            Ok(())
        }
        (Tried::Failed(error), true) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        (Tried::Failed(error), _) => Err(trouble(
            CHECK,
            format!("{} cannot be opened: {error}.", port.address_and_protocol()),
            match error.kind() {
                ErrorKind::PermissionDenied => format!(
                    "Choose a port from 1024 up with {option}, or let the relay open it: `setcap cap_net_bind_service=+ep $(which soundport)`."
                ),
                _ => format!("Name an address of this machine with {option}."),
            },
        )),
    }
}

fn words(holders: &[Holder]) -> String {
    let named: Vec<String> =
        holders.iter().map(|holder| format!("{} (process {})", holder.program, holder.process)).collect();
    match named.as_slice() {
        [] => "another program (as root, soundport doctor says by which)".to_owned(),
        named => listed(named),
    }
}

impl Port {
    fn name(&self) -> String {
        format!("{}/{}", self.address.port(), self.protocol.name())
    }

    fn address_and_protocol(&self) -> String {
        format!("{}/{}", self.address, self.protocol.name())
    }

    fn probe(&self) -> Tried {
        let opened = match self.protocol {
            Protocol::Tcp => TcpListener::bind(self.address).map(drop),
            Protocol::Udp => try_bind(self.address, Sharing::Alone).map(drop),
        };
        match opened {
            Ok(()) => Tried::Free,
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                Tried::Held(holder::of(self.protocol, self.address.port()))
            }
            Err(error) => Tried::Failed(error),
        }
    }
}
