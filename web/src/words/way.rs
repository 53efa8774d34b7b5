//! What the page says of the way that sound takes.

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
pub const STREAM_NOTE: &str = "WebRTC is blocked here: see Details.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_tcp_is_told() {
        assert_eq!(way(Way::Tcp, Some(8_443)), "Direct (TCP, port 8443)");
        assert_eq!(way(Way::Udp, Some(8_443)), "Direct (UDP)");
    }
}
