//! A relay in its own network, a browser in another, and a router with a firewall between them.

mod addresses;
mod wall;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Result;

use self::addresses::Addresses;
pub use self::wall::Way;
use crate::{Host, Relay, RelayOptions, ToneSender, ToneSenderOptions, wait_until};

/// Where the relay has HTTPS and its media, and as what the router forwards it.
const PORT: u16 = 8443;
/// As what the router forwards HTTPS too where ICE over TCP is to be told apart from it.
const MEDIA_TCP_PORT: u16 = 9443;
const WIRE_LIMIT: Duration = Duration::from_secs(10);

/// Three hosts on the wires of one router.
///
/// ```text
/// browser ══ router ══ relay (of which the world knows the router's address and its forwarded ports alone)
///               ╚═════ turn
/// ```
///
/// With IPv6 there is no forwarding: the relay's own address is known to all.
#[derive(Debug)]
pub struct Site {
    browser: Host,
    router: Host,
    relay: Host,
    turn: Host,
    addresses: Addresses,
}

impl Site {
    /// The id of who sends to the relay from its own host.
    pub const SOURCE: &str = "127-0-0-1";

    /// A network of IPv4; the router forwards 8443, TCP and UDP, as `docker run -p` does.
    ///
    /// # Errors
    /// When the system does not let us, or a tool is missing.
    pub fn start() -> Result<Self> {
        let site = Self::wired(Addresses::v4())?;
        site.router.run("sysctl -qw net.ipv4.ip_forward=1")?;
        wall::publish(&site.router, site.relay_address(), site.outside())?;
        Ok(site)
    }

    /// A network of IPv6 alone.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn ipv6() -> Result<Self> {
        let site = Self::wired(Addresses::v6())?;
        site.router.run("sysctl -qw net.ipv6.conf.all.forwarding=1")?;
        Ok(site)
    }

    /// The host of the person who listens.
    pub fn browser(&self) -> &Host {
        &self.browser
    }

    /// The host, or container, of the relay and its sources.
    pub fn relay(&self) -> &Host {
        &self.relay
    }

    /// A host on the open Internet, for TURN.
    pub fn turn(&self) -> &Host {
        &self.turn
    }

    /// The relay as the world reaches it.
    pub fn outside(&self) -> IpAddr {
        self.addresses.outside
    }

    /// The relay's own address.
    pub fn relay_address(&self) -> IpAddr {
        self.addresses.relay.host
    }

    /// The address of [`Self::turn`].
    pub fn turn_address(&self) -> IpAddr {
        self.addresses.turn.host
    }

    /// Where a page at the relay is, for the browser.
    pub fn page(&self) -> String {
        format!("https://{}", SocketAddr::from((self.outside(), PORT)))
    }

    /// A relay there that announces nothing.
    pub fn relay_options(&self) -> RelayOptions<'_> {
        RelayOptions { host: Some(&self.relay), ..RelayOptions::default() }
    }

    /// A relay there, as the options say, with the test tone as its source [`Self::SOURCE`].
    ///
    /// # Errors
    /// When it does not come up.
    pub fn relay_with_tone(&self, options: &RelayOptions<'_>) -> Result<(Relay, ToneSender)> {
        let relay = Relay::with(options)?;
        let sender = self.relay.inside(|| ToneSender::start(relay.rtp(), ToneSenderOptions::default()))?;
        relay.wait_live(Self::SOURCE)?;
        Ok((relay, sender))
    }

    /// Forwards one more port to the relay's, by TCP.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn forward(&self, outside: u16, inside: u16) -> Result<()> {
        wall::forward(&self.router, outside, (self.relay_address(), inside).into())
    }

    /// What to announce for UDP and for ICE over TCP, the latter at a port of its own: so [`Way::Tcp`] can be closed alone.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn announce_both(&self) -> Result<Vec<String>> {
        self.forward(MEDIA_TCP_PORT, PORT)?;
        let outside = self.outside();
        Ok(vec![format!("{outside}:{PORT}/udp"), format!("{outside}:{MEDIA_TCP_PORT}/tcp")])
    }

    /// Closes these ways between the browser and the world, and opens all others: nothing of them passes, and nobody is told.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn close(&self, ways: &[Way]) -> Result<()> {
        wall::close(&self.router, ways)
    }

    fn wired(addresses: Addresses) -> Result<Self> {
        let (browser, router) = (Host::new()?, Host::new()?);
        let (relay, turn) = (Host::new()?, Host::new()?);
        addresses.browser.wire(&router, "browser", &browser)?;
        addresses.relay.wire(&router, "relay", &relay)?;
        addresses.turn.wire(&router, "turn", &turn)?;
        // A browser that starts before stays without candidates for long: it saw no network to name itself in.
        for host in [&browser, &relay, &turn] {
            wait_until("a wire", WIRE_LIMIT, || host.is_wired())?;
        }
        // It knows of all connections from the first on.
        wall::close(&router, &[])?;
        Ok(Self { browser, router, relay, turn, addresses })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    const WAIT: Duration = Duration::from_millis(300);

    #[test]
    fn only_what_is_forwarded_and_not_closed_leads_inside() {
        let site = Site::start().unwrap();
        let open = |port| site.relay.inside(move || Ok(TcpListener::bind(("0.0.0.0", port))?)).unwrap();
        let _listeners = [open(PORT), open(PORT + 1)];
        let reach = |port| {
            let address = (site.outside(), port).into();
            site.browser.inside(move || Ok(TcpStream::connect_timeout(&address, WAIT)?)).is_ok()
        };
        assert!(reach(PORT) && !reach(PORT + 1) && !reach(MEDIA_TCP_PORT));
        let directly = (site.relay_address(), PORT).into();
        assert!(site.browser.inside(|| Ok(TcpStream::connect_timeout(&directly, WAIT)?)).is_err());
        site.announce_both().unwrap();
        assert!(reach(PORT) && reach(MEDIA_TCP_PORT));
        site.close(&Way::MEDIA).unwrap();
        assert!(reach(PORT) && !reach(MEDIA_TCP_PORT));
        site.close(&Way::ALL).unwrap();
        assert!(!reach(PORT));
        site.close(&[]).unwrap();
        assert!(reach(PORT));
    }

    #[test]
    fn a_closed_way_is_closed_there_and_back_also_with_ipv6() {
        for site in [Site::start().unwrap(), Site::ipv6().unwrap()] {
            let any = if site.outside().is_ipv4() { "0.0.0.0" } else { "::" };
            let socket =
                |host: &Host, port: u16| host.inside(move || Ok(UdpSocket::bind((any, port))?)).unwrap();
            let (relay, browser) = (socket(&site.relay, PORT), socket(&site.browser, 0));
            browser.connect((site.outside(), PORT)).unwrap();
            let mut buffer = [0; 10];
            // Neighbours are asked for once a second (RFC 4861, section 10).
            for socket in [&relay, &browser] {
                socket.set_read_timeout(Some(WAIT * 20)).unwrap();
            }
            browser.send(b"there").unwrap();
            let (_, from) = relay.recv_from(&mut buffer).unwrap();
            relay.send_to(b"back", from).unwrap();
            assert_eq!(browser.recv(&mut buffer).unwrap(), 4);
            site.close(&[Way::Udp]).unwrap();
            for socket in [&relay, &browser] {
                socket.set_read_timeout(Some(WAIT)).unwrap();
            }
            relay.send_to(b"back", from).unwrap();
            assert!(browser.recv(&mut buffer).is_err());
            browser.send(b"there").unwrap();
            assert!(relay.recv_from(&mut buffer).is_err());
            site.close(&[]).unwrap();
            browser.send(b"there").unwrap();
            assert_eq!(relay.recv_from(&mut buffer).unwrap().0, 5);
        }
    }

    #[test]
    fn turn_reaches_the_relay_by_the_routers_address() {
        let site = Site::start().unwrap();
        site.close(&Way::MEDIA).unwrap();
        let relay = site.relay.inside(|| Ok(UdpSocket::bind(("0.0.0.0", PORT))?)).unwrap();
        relay.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let turn = site.turn.inside(|| Ok(UdpSocket::bind("0.0.0.0:0")?)).unwrap();
        turn.send_to(b"there", (site.outside(), PORT)).unwrap();
        let (_, from) = relay.recv_from(&mut [0; 10]).unwrap();
        assert_eq!(from.ip(), site.turn_address());
        relay.send_to(b"back", from).unwrap();
        turn.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let (_, from) = turn.recv_from(&mut [0; 10]).unwrap();
        assert_eq!(from, (site.outside(), PORT).into());
    }

    #[test]
    fn the_relay_reaches_the_world_by_the_routers_address() {
        let site = Site::start().unwrap();
        let relay = site.relay.inside(|| Ok(UdpSocket::bind(("0.0.0.0", PORT))?)).unwrap();
        let turn = site.turn.inside(|| Ok(UdpSocket::bind("0.0.0.0:3478")?)).unwrap();
        for socket in [&relay, &turn] {
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        }
        relay.send_to(b"there", (site.turn_address(), 3478)).unwrap();
        let (_, from) = turn.recv_from(&mut [0; 10]).unwrap();
        assert_eq!(from.ip(), site.outside());
        turn.send_to(b"back", from).unwrap();
        assert_eq!(relay.recv_from(&mut [0; 10]).unwrap().1.ip(), site.turn_address());
    }
}
