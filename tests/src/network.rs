use std::ffi::OsStr;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use crate::host::run;

/// The port that SAP is announced to (RFC 2974, section 3); senders cannot be told another.
pub const SAP_PORT: u16 = 9875;

static NEXT: AtomicU8 = AtomicU8::new(0);

/// A bridge on this host with containers on it, as `docker network create` makes it.
///
/// ```text
/// this host, the relay: 10.b.0.1 ═══ bridge ═══ 10.b.0.10, 10.b.0.11, … (containers, each a network namespace)
/// ```
#[derive(Debug)]
pub struct Network {
    block: u8,
    next_host: AtomicU8,
}

/// A container as far as sound goes: a network and a host name of its own. It is gone on drop; end its programs before.
#[derive(Debug)]
pub struct Container {
    block: u8,
    namespace: String,
    name: String,
    address: Ipv4Addr,
    hosts: NamedTempFile,
}

impl Network {
    /// Makes the bridge. Multicast passes it.
    ///
    /// # Errors
    /// When the system does not let us, or a tool is missing.
    pub fn start() -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let block = 160 + ((process::id() % 90) as u8).wrapping_add(number) % 90;
        let this = Self { block, next_host: AtomicU8::new(10) };
        let (bridge, host) = (bridge(block), this.host());
        for line in [
            format!("ip link add {bridge} type bridge mcast_snooping 0"),
            // A link-local address that comes seconds later is a change of network to a browser: it drops its downloads.
            format!("ip link set {bridge} addrgenmode none"),
            format!("ip addr add {host}/24 dev {bridge}"),
            format!("ip link set {bridge} up"),
        ] {
            run(&line)?;
        }
        Ok(this)
    }

    /// This host's address in the network: where containers find the relay.
    pub fn host(&self) -> IpAddr {
        Ipv4Addr::new(10, self.block, 0, 1).into()
    }

    /// Where containers announce themselves to the relay.
    pub fn sap(&self) -> SocketAddr {
        (self.host(), SAP_PORT).into()
    }

    /// A container of that host name at the network's next address.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn container(&self, name: &str) -> Result<Container> {
        let number = self.next_host.fetch_add(1, Ordering::Relaxed);
        let block = self.block;
        let (bridge, wire) = (bridge(block), format!("sp{block}c{number}"));
        let container = Container {
            block,
            namespace: format!("sp{}n{block}c{number}", process::id()),
            name: name.to_owned(),
            address: Ipv4Addr::new(10, block, 0, number),
            hosts: NamedTempFile::new()?,
        };
        let namespace = &container.namespace;
        for line in [
            format!("ip netns add {namespace}"),
            format!("ip link add {wire} type veth peer name eth0 netns {namespace}"),
            format!("ip link set {wire} addrgenmode none"),
            format!("ip link set {wire} master {bridge} up"),
            format!("ip -n {namespace} link set eth0 addrgenmode none"),
            format!("ip -n {namespace} link set lo up"),
        ] {
            run(&line)?;
        }
        container.settle()?;
        Ok(container)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = run(&format!("ip link del {}", bridge(self.block)));
    }
}

impl Container {
    /// A command that runs inside, under the container's host name.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        const ENTER: &str = "echo \"$0\" > /proc/sys/kernel/hostname && mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, "unshare", "--uts", "--mount", "sh", "-c", ENTER]);
        command.arg(&self.name).arg(self.hosts.path()).arg(program);
        command
    }

    /// Its address in the network.
    pub fn address(&self) -> IpAddr {
        self.address.into()
    }

    /// Moves it to the address that ends in `host`, as a container that was made anew gets another one.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn move_to(&mut self, host: u8) -> Result<()> {
        self.address = Ipv4Addr::new(10, self.block, 0, host);
        run(&format!("ip -n {} addr flush dev eth0", self.namespace))?;
        self.settle()
    }

    /// Takes the address, and knows its own name by it, as Docker arranges it: senders look their names up.
    fn settle(&self) -> Result<()> {
        let Self { block, namespace, name, address, hosts } = self;
        fs::write(hosts.path(), format!("127.0.0.1 localhost\n{address} {name}\n"))
            .context("Failed to write a container's hosts")?;
        run(&format!("ip -n {namespace} addr add {address}/24 dev eth0"))?;
        run(&format!("ip -n {namespace} link set eth0 up"))?;
        run(&format!("ip -n {namespace} route add default via 10.{block}.0.1"))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The wire goes with the namespace.
        let _ = run(&format!("ip netns del {}", self.namespace));
    }
}

fn bridge(block: u8) -> String {
    format!("sp{block}b")
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    #[test]
    fn containers_have_names_and_addresses_of_their_own() {
        let network = Network::start().unwrap();
        let mut containers = [network.container("desktop").unwrap(), network.container("kiosk").unwrap()];
        containers[1].move_to(77).unwrap();
        let socket = UdpSocket::bind((network.host(), 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let port = socket.local_addr().unwrap().port();
        for (container, last) in containers.iter().zip([10, 77]) {
            let script =
                format!("hostname > /dev/udp/{}/{port}; getent ahostsv4 $(hostname)", network.host());
            let output = container.command("bash").args(["-c", &script]).output().unwrap();
            let mut buffer = [0; 100];
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!(buffer[..length], *format!("{}\n", container.name).as_bytes());
            assert_eq!(from.ip(), Ipv4Addr::new(10, network.block, 0, last));
            let own = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(own.starts_with(&container.address().to_string()), "{own}");
        }
    }

    #[test]
    fn multicast_reaches_this_host() {
        let network = Network::start().unwrap();
        let container = network.container("desktop").unwrap();
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let IpAddr::V4(host) = network.host() else { unreachable!("the network is of IPv4") };
        let group = Ipv4Addr::new(224, 0, 0, 56);
        socket.join_multicast_v4(&group, &host).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let script = format!("echo here > /dev/udp/{group}/{port}");
        container.command("bash").args(["-c", &script]).output().unwrap();
        let mut buffer = [0; 100];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from.ip()), (&b"here\n"[..], container.address()));
    }
}
