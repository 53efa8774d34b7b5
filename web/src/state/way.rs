/// How sound travels between the relay and this page, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// WebRTC over UDP, straight to the relay.
    Udp,
    /// WebRTC over TCP, straight to the relay (RFC 6544).
    Tcp,
    /// Over UDP to a TURN server, and on from there (RFC 8656).
    TurnUdp,
    /// Over TCP to a TURN server.
    TurnTcp,
    /// Over TLS to a TURN server.
    TurnTls,
    /// No WebRTC: over a WebSocket to where the page came from.
    Stream,
}

impl Way {
    /// The way of a WebRTC connection whose own candidate has this type, protocol and, on the way to a TURN server, that protocol.
    pub fn of(candidate_type: &str, protocol: &str, to_turn: Option<&str>) -> Self {
        match (candidate_type, to_turn, protocol) {
            ("relay", Some("tls"), _) => Self::TurnTls,
            ("relay", Some("tcp"), _) => Self::TurnTcp,
            ("relay", _, _) => Self::TurnUdp,
            (_, _, "tcp") => Self::Tcp,
            _ => Self::Udp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_turn_server_counts_not_the_way_from_it() {
        assert_eq!(Way::of("relay", "udp", Some("tls")), Way::TurnTls);
        assert_eq!(Way::of("relay", "udp", Some("tcp")), Way::TurnTcp);
        assert_eq!(Way::of("relay", "udp", Some("udp")), Way::TurnUdp);
        assert_eq!(Way::of("relay", "udp", None), Way::TurnUdp);
        assert_eq!(Way::of("prflx", "tcp", None), Way::Tcp);
        assert_eq!(Way::of("host", "udp", None), Way::Udp);
    }

    #[test]
    fn straight_is_better_than_round_and_udp_better_than_tcp() {
        let ways = [Way::Udp, Way::Tcp, Way::TurnUdp, Way::TurnTcp, Way::TurnTls, Way::Stream];
        assert!(ways.is_sorted());
    }
}
