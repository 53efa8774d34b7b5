//! What the page says of the way that sound takes.

use soundport_api::Relay;

use crate::state::Way;

/// The name of a way, as tests and scripts read it from `data-way`.
pub fn way_name(way: Way) -> &'static str {
    match way {
        Way::Udp => "udp",
        Way::Tcp => "tcp",
        Way::TurnUdp => "turn-udp",
        Way::TurnTcp => "turn-tcp",
        Way::TurnTls => "turn-tls",
        Way::Stream => "stream",
    }
}

/// A way with all that is known of it; `port` is the relay's.
pub fn way(way: Way, port: Option<u32>) -> String {
    let words = match (way, port) {
        (Way::Tcp, Some(port)) => return format!("Direct (TCP, port {port})"),
        (Way::Udp, _) => "Direct (UDP)",
        (Way::Tcp, None) => "Direct (TCP)",
        (Way::TurnUdp, _) => "Through TURN (UDP)",
        (Way::TurnTcp, _) => "Through TURN (TCP)",
        (Way::TurnTls, _) => "Through TURN (TLS)",
        (Way::Stream, _) => "Through the page’s own connection (WebSocket)",
    };
    words.into()
}

/// A way in a word or two, for the card; none where it is the one to be expected.
pub fn way_label(way: Way) -> Option<&'static str> {
    match way {
        Way::Udp => None,
        Way::Tcp => Some("over TCP"),
        Way::TurnUdp | Way::TurnTcp | Way::TurnTls => Some("through TURN"),
        Way::Stream => Some("over WebSocket"),
    }
}

/// What it means that sound comes by a stream.
pub const STREAM_NOTE: &str = "WebRTC does not get through here. Details say why.";

/// Why WebRTC does not get through, and what to do: by what the relay says of itself, the addresses that it named to this browser, none
/// where there is no WebRTC, and why this browser cannot take a stream instead; `host` is the relay's as the page knows it.
pub fn media_hint(
    relay: Option<&Relay>,
    offered: Option<&[String]>,
    unable: Option<String>,
    host: &str,
) -> String {
    let mut hint = match offered {
        None => "This browser has no WebRTC, by which the sound would come sooner.".to_owned(),
        Some([]) => "WebRTC does not connect here.".to_owned(),
        Some(addresses) => {
            let mut hint = "The relay offers ".to_owned();
            list(&mut hint, addresses.iter().map(|address| &**address), " and ");
            hint + ", which this browser does not reach."
        }
    };
    let is_local = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    match (relay, offered) {
        (_, None | Some([])) => {}
        (Some(relay), _) if !relay.announced && !is_local => {
            hint = hint + " Start the relay with --announce " + host + ".";
        }
        (_, Some(addresses)) => {
            let mut ports: Vec<&str> =
                addresses.iter().filter_map(|address| address.rsplit(':').next()).collect();
            ports.sort_unstable();
            ports.dedup();
            hint += " Open ";
            list(&mut hint, ports.into_iter().rev(), " or ");
            hint += " on the way to it.";
        }
    }
    for more in [relay.and_then(|relay| relay.ice_trouble.clone()), unable].into_iter().flatten() {
        hint = hint + " " + &more;
    }
    hint
}

/// Writes names one after the other, such as `a, b and c`.
fn list<'a>(to: &mut String, mut names: impl ExactSizeIterator<Item = &'a str>, last: &str) {
    let mut between = "";
    while let Some(name) = names.next() {
        *to += between;
        *to += name;
        between = if names.len() == 1 { last } else { ", " };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_tcp_is_told() {
        assert_eq!(way(Way::Tcp, Some(8_443)), "Direct (TCP, port 8443)");
        assert_eq!(way(Way::Udp, Some(8_443)), "Direct (UDP)");
    }

    #[test]
    fn a_hint_names_the_addresses_and_the_remedy() {
        let hint = |announced, host, offered: &[&str], unable: Option<&str>| {
            let relay = Relay { announced, ..Relay::default() };
            let offered: Vec<String> = offered.iter().map(|address| (*address).to_owned()).collect();
            media_hint(Some(&relay), Some(&offered), unable.map(str::to_owned), host)
        };
        let (inside, host) = ("172.17.0.2:8443/udp", "sound.example.org");
        assert_eq!(
            hint(false, host, &[inside], None),
            "The relay offers 172.17.0.2:8443/udp, which this browser does not reach. Start the relay with --announce sound.example.org."
        );
        assert_eq!(
            hint(
                true,
                host,
                &["192.0.2.1:8443/udp", "[2001:db8::1]:8443/udp", "192.0.2.1:8443/tcp"],
                Some("It cannot.")
            ),
            "The relay offers 192.0.2.1:8443/udp, [2001:db8::1]:8443/udp and 192.0.2.1:8443/tcp, which this browser does not reach. \
             Open 8443/udp or 8443/tcp on the way to it. It cannot."
        );
        assert!(hint(false, "localhost", &[inside], None).ends_with("Open 8443/udp on the way to it."));
        assert_eq!(hint(true, host, &[], None), "WebRTC does not connect here.");
    }
}
