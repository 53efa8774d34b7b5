//! Addresses as users write them. Each is read with a remedy for what cannot be read.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use anyhow::{Context, ensure};
use ipnet::IpNet;

use super::ice::Transport;

/// A host name or IP with a port, such as `localhost:8443` or `[::]:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort {
    host: String,
    port: u16,
}

/// Where browsers reach the relay: an IP or a name, with the outside port if it differs from the inside one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announce {
    pub(crate) host: String,
    /// None for the media port by UDP, and the HTTPS port by TCP.
    pub(crate) port: Option<u16>,
    /// None for both.
    pub(crate) transport: Option<Transport>,
}

/// Who sends a source's RTP: an IP or a name, with the port it sends from if only that one is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct From {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl HostPort {
    pub(crate) fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port }
    }

    /// The addresses it stands for. A name may stand for several.
    pub(crate) fn resolve(&self) -> anyhow::Result<Vec<SocketAddr>> {
        let found: Vec<_> = (self.bare(), self.port)
            .to_socket_addrs()
            .with_context(|| {
                format!("Failed to resolve {self}: give an IP address, or a name that this host knows")
            })?
            .collect();
        ensure!(!found.is_empty(), "{self} stands for no address: give an IP address instead");
        Ok(found)
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.bare() == "localhost" || self.bare().parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Whether both cannot be listened to at once.
    pub(crate) fn clashes(&self, other: &Self) -> bool {
        let open = |at: &Self| at.bare().parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        let same = self.bare() == other.bare() || (self.is_loopback() && other.is_loopback());
        self.port == other.port && self.port != 0 && (same || open(self) || open(other))
    }

    fn bare(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = split(text)?;
        match port {
            Some(port) if text.parse::<IpAddr>().is_err() => Ok(Self { host: bracketed(&host), port }),
            _ => Err("lacks a port; write HOST:PORT, such as localhost:8443".into()),
        }
    }
}

impl FromStr for Announce {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, transport) = match text.rsplit_once('/') {
            Some((address, "udp")) => (address, Some(Transport::Udp)),
            Some((address, "tcp")) => (address, Some(Transport::Tcp)),
            Some((address, _)) if !address.contains('/') => {
                return Err(
                    "ends in something that is no transport; write HOST:PORT, HOST:PORT/udp or HOST:PORT/tcp"
                        .into(),
                );
            }
            _ => (text, None),
        };
        let (host, port) = split(address)?;
        if port == Some(0) {
            return Err("has no port that a browser can reach; write 1 to 65535, or leave it out".into());
        }
        let ip = host.parse::<IpAddr>().ok();
        if ip.is_some_and(|ip| ip.is_unspecified() || ip.is_multicast()) {
            return Err("is no address that a browser can reach; write this host's address or name".into());
        }
        if ip.is_some_and(is_link_local_v6) {
            return Err(
                "is a link-local address, which browsers cannot reach; write another of this host".into()
            );
        }
        let host = ip.map_or_else(|| host.to_ascii_lowercase(), |ip| ip.to_canonical().to_string());
        Ok(Self { host, port, transport })
    }
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = split(text)?;
        if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified() || ip.is_multicast()) {
            return Err("is no container's address; write that of one machine".into());
        }
        let host = host
            .parse()
            .map_or_else(|_| host.to_ascii_lowercase(), |ip: IpAddr| ip.to_canonical().to_string());
        Ok(Self { host, port })
    }
}

/// Reads an IP address and a port to listen on.
pub(crate) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    Err(match HostPort::from_str(text) {
        Ok(_) => "is a name; write an IP address and a port, such as [::]:8443 or 127.0.0.1:8443".into(),
        Err(_) => "is not IP:PORT; write an IP address and a port, such as [::]:8443".into(),
    })
}

/// Reads an origin (RFC 6454, section 6.2): `https://desktop.example.org`.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    let wanted = "write https://HOST or https://HOST:PORT, without a path";
    let Some(("http" | "https", authority)) = text.split_once("://") else {
        return Err(format!("is not an origin; {wanted}"));
    };
    let authority = authority.trim_end_matches('/');
    match split(authority) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("is not an origin; {wanted}")),
    }
}

/// Reads a network (RFC 4632), or one address of it: `10.0.0.0/8`, `127.0.0.1`.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let read =
        text.parse().ok().or_else(|| text.parse().ok().map(|ip: IpAddr| IpNet::from(ip.to_canonical())));
    read.ok_or_else(|| {
        "is neither an address nor a network; write such as 127.0.0.1 or 10.0.0.0/8".to_owned()
    })
}

fn is_link_local_v6(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// Host and port, the host without brackets.
pub(super) fn split(text: &str) -> Result<(String, Option<u16>), String> {
    if text.contains("//") {
        return Err("has a scheme; write HOST or HOST:PORT alone".into());
    }
    if text.contains('/') {
        return Err("is not one address; write HOST or HOST:PORT, without a slash".into());
    }
    if text.parse::<IpAddr>().is_ok() {
        return Ok((text.to_owned(), None));
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) if host.parse::<std::net::Ipv6Addr>().is_ok() => {
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').unwrap_or_default()) })
        }
        Some(_) => {
            return Err("is not an address; in brackets write an IPv6 address, such as [::1]:8443".into());
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if port.is_some_and(|port| port.contains(':')) {
        return Err(
            "is not an address; write an IPv6 address with a port in brackets, such as [::1]:8443".into()
        );
    }
    let port =
        port.map(|port| port.parse().map_err(|_| "has no port that exists; write 0 to 65535".to_owned()));
    if !is_host(host) {
        return Err("names no host; write an IP address, or a name of letters, digits, - and .".into());
    }
    Ok((host.to_owned(), port.transpose()?))
}

/// Whether it is an IP address, or can be a name (RFC 1123, section 2.1; `_` is common among containers).
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    // No name ends in a number: that is an IP address with a mistake in it.
    let is_number =
        name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    host.parse::<IpAddr>().is_ok() || (name.len() <= 253 && !is_number && name.split('.').all(is_label))
}

pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Announce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", bracketed(&self.host))?,
            None => f.write_str(&self.host)?,
        }
        match self.transport {
            Some(transport) => write!(f, "/{}", transport.name()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", bracketed(&self.host)),
            None => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for good in ["localhost:8443", "[::]:8443", "127.0.0.1:0", "sound.example.org:443", "my_app:80"] {
            assert_eq!(HostPort::from_str(good).unwrap().to_string(), good);
        }
        for bad in [
            "8443",
            "localhost",
            "::1:80",
            "localhost:99999",
            ":80",
            "[::1]80x",
            "a b:80",
            "https://a:80",
            "::1",
            "[::1]",
        ] {
            assert!(HostPort::from_str(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_port_may_be_left_out_where_it_says_nothing() {
        for (text, host, port) in [
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]:7000", "2001:db8::1", Some(7000)),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("sound.example.org", "sound.example.org", None),
            ("172.17.0.2:4000", "172.17.0.2", Some(4000)),
        ] {
            assert_eq!(Announce::from_str(text), Ok(Announce { host: host.into(), port, transport: None }));
            assert_eq!(From::from_str(text), Ok(From { host: host.into(), port }));
        }
        assert_eq!(From::from_str("::ffff:10.0.0.1").unwrap().to_string(), "10.0.0.1");
        for bad in
            ["", "172.17.0.300", "172.17.0.0/16", "0.0.0.0", "224.0.0.56", "-a", "a..b", "a:b", "1.2.3"]
        {
            assert!(From::from_str(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_announced_address_may_be_for_one_transport() {
        for (text, host, port, transport) in [
            ("203.0.113.7:7000/udp", "203.0.113.7", Some(7000), Transport::Udp),
            ("[2001:db8::1]:9000/tcp", "2001:db8::1", Some(9000), Transport::Tcp),
            ("Sound.example.org/tcp", "sound.example.org", None, Transport::Tcp),
        ] {
            let read = Announce::from_str(text).unwrap();
            assert_eq!(read, Announce { host: host.into(), port, transport: Some(transport) });
            assert_eq!(read.to_string(), text.to_ascii_lowercase());
        }
        for bad in [
            "a.example:7000/sctp",
            "a.example:0",
            "fe80::1",
            "10.0.0.0/8",
            "a.example/udp/tcp",
            "/tcp",
            "http://a/tcp",
        ] {
            assert!(Announce::from_str(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_network_may_be_one_address() {
        for (text, read) in [
            ("127.0.0.1", "127.0.0.1/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("fd00::/8", "fd00::/8"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), read);
        }
        for bad in ["", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0", "*"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_have_a_scheme_and_no_path() {
        for good in ["https://desktop.example.org", "http://[fd00::1]:8080", "https://a.example/"] {
            assert_eq!(origin(good).as_deref(), Ok(good));
        }
        for bad in ["desktop.example.org", "ftp://a.example", "https://", "https://a.example/page", "*"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_port_is_not_given_twice() {
        let at = |text| HostPort::from_str(text).unwrap();
        assert!(at("0.0.0.0:80").clashes(&at("localhost:80")));
        assert!(at("127.0.0.1:80").clashes(&at("localhost:80")));
        assert!(!at("127.0.0.1:0").clashes(&at("127.0.0.1:0")));
        assert!(!at("192.0.2.1:80").clashes(&at("localhost:80")));
    }
}
