//! STUN and TURN servers as users write them (RFC 7064, RFC 7065), and what the relay may know of them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::address::{bracketed, split};

/// Something that nobody may read in logs, in the output of `soundport check` or in a `Debug` print.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

/// What carries datagrams or a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// The beginning of a server's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Stun,
    Stuns,
    Turn,
    Turns,
}

/// A STUN or TURN server, such as `turn:turn.example.org:3478?transport=udp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IceUrl {
    pub(crate) scheme: Scheme,
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    port: Option<u16>,
    transport: Option<Transport>,
}

/// What browsers are told of STUN and TURN.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct IceOptions {
    pub(crate) servers: Vec<IceEntry>,
    /// Whether browsers are to take no way but TURN.
    pub(crate) relay_only: bool,
}

/// Servers that share their credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IceEntry {
    pub(crate) urls: Vec<IceUrl>,
    pub(crate) credentials: Option<TurnCredentials>,
}

/// How browsers prove to TURN servers who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TurnCredentials {
    /// Minted for each request from coturn's `static-auth-secret`, and good for `ttl`.
    Minted { secret: Secret, ttl: Duration },
    /// Always the same.
    Fixed { username: String, credential: Secret },
}

impl Secret {
    /// The secret itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Scheme {
    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Stun, Self::Stuns, Self::Turn, Self::Turns];
        all.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(text))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Stuns => "stuns",
            Self::Turn => "turn",
            Self::Turns => "turns",
        }
    }

    pub(crate) fn is_turn(self) -> bool {
        matches!(self, Self::Turn | Self::Turns)
    }

    /// Whether TLS is spoken.
    pub(crate) fn is_secure(self) -> bool {
        matches!(self, Self::Stuns | Self::Turns)
    }
}

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

impl IceUrl {
    /// The port, by default that of the scheme.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or_else(|| if self.scheme.is_secure() { 5349 } else { 3478 })
    }

    /// What carries the messages to the server.
    pub(crate) fn transport(&self) -> Transport {
        let default = if self.scheme.is_secure() { Transport::Tcp } else { Transport::Udp };
        self.transport.unwrap_or(default)
    }

    /// Reads a STUN server's URL.
    pub(crate) fn stun(text: &str) -> Result<Self, String> {
        let url = Self::from_str(text)?;
        if url.scheme.is_turn() {
            return Err("is a TURN server; write it under turn".into());
        }
        Ok(url)
    }

    /// Reads a TURN server's URL.
    pub(crate) fn turn(text: &str) -> Result<Self, String> {
        let url = Self::from_str(text)?;
        if !url.scheme.is_turn() {
            return Err("is a STUN server; write it under stun".into());
        }
        Ok(url)
    }

    /// Reads a STUN server that is asked by UDP: `HOST`, `HOST:PORT`, or the same as a URL.
    pub(crate) fn plain_stun(text: &str) -> Result<Self, String> {
        let example = "write HOST:PORT, such as stun.example.org:3478";
        match text.split_once(':').and_then(|(scheme, _)| Scheme::parse(scheme)) {
            Some(Scheme::Stun) => text.parse(),
            Some(_) => Err(format!("is no STUN server that is asked by UDP; {example}")),
            None => format!("stun:{text}").parse(),
        }
    }
}

impl FromStr for IceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "write stun:HOST:PORT, turn:HOST:PORT or turns:HOST:PORT";
        let parts = text.split_once(':').and_then(|(scheme, rest)| Some((Scheme::parse(scheme)?, rest)));
        let (scheme, rest) =
            parts.ok_or_else(|| format!("does not begin with stun:, turn: or turns:; {wanted}"))?;
        if rest.starts_with("//") {
            return Err(format!("has slashes, which browsers refuse; {wanted}, without //"));
        }
        let (authority, query) = rest.split_once('?').map_or((rest, None), |(at, query)| (at, Some(query)));
        let transport = match query.map(|query| query.to_ascii_lowercase()).as_deref() {
            None => None,
            Some("transport=udp") => Some(Transport::Udp),
            Some("transport=tcp") => Some(Transport::Tcp),
            Some(_) => {
                return Err(
                    "ends in something that is no transport; write ?transport=udp or ?transport=tcp".into()
                );
            }
        };
        match (scheme, transport) {
            (Scheme::Stun | Scheme::Stuns, Some(_)) => {
                return Err("names a transport, which browsers refuse for STUN; leave it out".into());
            }
            (Scheme::Turns, Some(Transport::Udp)) => {
                return Err("asks for TLS over UDP, which browsers do not speak; write ?transport=tcp".into());
            }
            _ => {}
        }
        let (host, port) = split(authority)?;
        if port == Some(0) {
            return Err("has no port that exists; write 1 to 65535".into());
        }
        Ok(Self { scheme, host, port, transport })
    }
}

impl fmt::Display for IceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme.name(), bracketed(&self.host))?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match self.transport {
            Some(transport) => write!(f, "?transport={}", transport.name()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_browsers_read_them() {
        for (text, port, transport) in [
            ("stun:stun.example.org", 3478, Transport::Udp),
            ("stuns:stun.example.org", 5349, Transport::Tcp),
            ("turn:turn.example.org:80?transport=tcp", 80, Transport::Tcp),
            ("turns:turn.example.org", 5349, Transport::Tcp),
            ("turns:[2001:db8::1]:443?transport=tcp", 443, Transport::Tcp),
            ("turn:192.0.2.1?transport=udp", 3478, Transport::Udp),
        ] {
            let url: IceUrl = text.parse().unwrap();
            assert_eq!((url.to_string().as_str(), url.port(), url.transport()), (text, port, transport));
        }
        assert_eq!(IceUrl::from_str("TURN:turn.example.org").unwrap().to_string(), "turn:turn.example.org");
        assert_eq!(IceUrl::from_str("stun:2001:db8::1").unwrap().to_string(), "stun:[2001:db8::1]");
    }

    #[test]
    fn what_a_browser_would_refuse_is_a_mistake() {
        for bad in [
            "",
            "turn",
            "turn:",
            "turn.example.org:3478",
            "http:turn.example.org",
            "turn://turn.example.org",
            "turn:turn.example.org:0",
            "turn:turn.example.org:99999",
            "turn:turn.example.org?transport=quic",
            "turn:turn.example.org?",
            "stun:stun.example.org?transport=udp",
            "turns:turn.example.org?transport=udp",
            "turn:user@turn.example.org",
            "turn:[::1",
        ] {
            assert!(IceUrl::from_str(bad).is_err(), "{bad}");
        }
        assert!(IceUrl::stun("turn:a.example").is_err() && IceUrl::turn("stun:a.example").is_err());
    }

    #[test]
    fn the_relays_own_stun_server_needs_no_scheme() {
        for (text, read) in [
            ("stun.example.org", "stun:stun.example.org"),
            ("stun.example.org:19302", "stun:stun.example.org:19302"),
            ("stun:stun.example.org:19302", "stun:stun.example.org:19302"),
            ("[2001:db8::1]:3478", "stun:[2001:db8::1]:3478"),
        ] {
            assert_eq!(IceUrl::plain_stun(text).unwrap().to_string(), read);
        }
        assert!(
            IceUrl::plain_stun("turn:a.example").is_err() && IceUrl::plain_stun("https://a.example").is_err()
        );
    }

    #[test]
    fn a_secret_is_not_printed() {
        let credentials =
            TurnCredentials::Fixed { username: "me".into(), credential: Secret::from("hush".to_owned()) };
        assert!(!format!("{credentials:?}").contains("hush"));
    }
}
