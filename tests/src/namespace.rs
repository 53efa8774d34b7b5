use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result, ensure};

static NEXT: AtomicU8 = AtomicU8::new(0);

/// A network namespace behind a router that forwards one port (TCP and UDP) to it: a container as Docker publishes it.
///
/// ```text
/// this host ── 10.b.1.1 ═══ 10.b.1.2 (router, DNAT port) 10.b.2.1 ═══ 10.b.2.2 (the namespace)
/// ```
#[derive(Debug)]
pub struct Namespace {
    name: String,
    router: String,
    block: u8,
}

/// The wire between this host and the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// As a network is.
    Up,
    /// Nothing passes, and nobody is told.
    Cut,
}

impl Namespace {
    /// Makes the namespace and its router; `port` of the router leads to the same port inside.
    ///
    /// # Errors
    /// When the system does not let us, or a tool is missing.
    pub fn forwarding(port: u16) -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = process::id();
        let block = 64 + (id % 90) as u8 + number;
        let this = Self { name: format!("sp{id}n{number}"), router: format!("sp{id}r{number}"), block };
        let (name, router, wire) = (&this.name, &this.router, this.wire());
        let inner = format!("i{wire}");
        for line in [
            format!("ip netns add {name}"),
            format!("ip netns add {router}"),
            format!("ip link add {wire} type veth peer name veth netns {router}"),
            // A link-local address that comes seconds later is a change of network to a browser: it drops its downloads.
            format!("ip link set {wire} addrgenmode none"),
            format!("ip addr add 10.{block}.1.1/24 dev {wire}"),
            format!("ip link set {wire} up"),
            format!("ip -n {router} addr add 10.{block}.1.2/24 dev veth"),
            format!("ip -n {router} link set veth up"),
            format!("ip -n {router} link add {inner} type veth peer name veth netns {name}"),
            format!("ip -n {router} addr add 10.{block}.2.1/24 dev {inner}"),
            format!("ip -n {router} link set {inner} up"),
            format!("ip -n {name} addr add 10.{block}.2.2/24 dev veth"),
            format!("ip -n {name} link set veth up"),
            format!("ip -n {name} link set lo up"),
            format!("ip -n {name} route add default via 10.{block}.2.1"),
            format!("ip netns exec {router} sysctl -qw net.ipv4.ip_forward=1"),
            format!("ip netns exec {router} nft add table ip nat"),
            format!(
                "ip netns exec {router} nft add chain ip nat in {{ type nat hook prerouting priority -100 ; }}"
            ),
            format!("ip netns exec {router} nft add rule ip nat in tcp dport {port} dnat to 10.{block}.2.2"),
            format!("ip netns exec {router} nft add rule ip nat in udp dport {port} dnat to 10.{block}.2.2"),
        ] {
            run(&line)?;
        }
        Ok(this)
    }

    /// A command that runs inside.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Where the forwarded port is reached from this host.
    pub fn reach(&self, port: u16) -> SocketAddr {
        (self.outside(), port).into()
    }

    /// The router's address on this host's side: all the world knows of the namespace.
    pub fn outside(&self) -> IpAddr {
        Ipv4Addr::new(10, self.block, 1, 2).into()
    }

    /// Cuts the wire, or mends it.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn set_wire(&self, wire: Wire) -> Result<()> {
        let router = &self.router;
        match wire {
            Wire::Cut => {
                run(&format!("ip netns exec {router} nft add table ip cut"))?;
                run(&format!(
                    "ip netns exec {router} nft add chain ip cut pass {{ type filter hook forward priority 0 ; policy drop ; }}"
                ))
            }
            Wire::Up => run(&format!("ip netns exec {router} nft delete table ip cut")),
        }
    }

    fn wire(&self) -> String {
        format!("sp{}", self.block)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The wires go with their namespaces.
        for name in [&self.name, &self.router] {
            let _ = run(&format!("ip netns del {name}"));
        }
    }
}

/// Runs a line of words that need no shell.
pub(crate) fn run(line: &str) -> Result<()> {
    let mut words = line.split(' ');
    let program = words.next().unwrap_or_default();
    let output =
        Command::new(program).args(words).output().with_context(|| format!("Failed to run {program}"))?;
    ensure!(output.status.success(), "`{line}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;
    use crate::{Process, wait_until};

    #[test]
    fn only_the_forwarded_port_leads_inside() {
        let namespace = Namespace::forwarding(9443).unwrap();
        let mut server = namespace.command("python3");
        let _server = Process::start("a server", server.args(["-m", "http.server", "9443"])).unwrap();
        let reach = |port| TcpStream::connect_timeout(&namespace.reach(port), Duration::from_millis(500));
        wait_until("an answer", Duration::from_secs(10), || Ok(reach(9443).is_ok())).unwrap();
        assert!(reach(9444).is_err());
        namespace.set_wire(Wire::Cut).unwrap();
        assert!(reach(9443).is_err());
        namespace.set_wire(Wire::Up).unwrap();
        reach(9443).unwrap();
    }
}
