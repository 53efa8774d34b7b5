//! Who asks, where a reverse proxy stands between: `X-Forwarded-For` and `X-Forwarded-Prefix` of proxies that the user trusts.
//!
//! Nobody else's are read, and junk in them is ignored. `X-Forwarded-Host` and `-Proto` are not needed: addresses of sessions
//! are paths, and no proof either (see `origin.rs`).

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;

use super::State;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PREFIX: &str = "x-forwarded-prefix";

/// The longest path under which a proxy may have put the relay.
const MAX_PREFIX: usize = 256;

/// Whose word is taken on whom they forward.
#[derive(Debug, Clone)]
pub(crate) struct Proxies(Arc<[IpNet]>);

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) ip: IpAddr,
    /// The path under which it knows the relay: empty, or with a slash at its beginning and none at its end.
    prefix: String,
}

impl Client {
    /// A path of the relay's as the client knows it.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}

impl FromRequestParts<State> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
        Ok(state.proxies.client(peer, &parts.headers))
    }
}

impl Proxies {
    pub(crate) fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let peer = peer.to_canonical();
        if !self.trust(peer) {
            return Client { ip: peer, prefix: String::new() };
        }
        let prefix = headers.get(FORWARDED_PREFIX).and_then(|value| value.to_str().ok());
        let prefix =
            prefix.map(|prefix| prefix.trim().trim_end_matches('/')).filter(|prefix| is_path(prefix));
        Client { ip: self.origin(peer, headers), prefix: prefix.unwrap_or_default().to_owned() }
    }

    /// The last address before the trusted proxies, as these say.
    fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines: Vec<&str> =
            headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
        let mut origin = peer;
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let Some(ip) = address(entry.trim()) else { break };
            origin = ip;
            if !self.trust(ip) {
                break;
            }
        }
        origin
    }

    fn trust(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&ip))
    }
}

/// An address, which some proxies write with its port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()));
    ip.map(|ip: IpAddr| ip.to_canonical())
}

/// Whether it is a path on this very host: nothing that a browser takes for another, or climbs out of.
fn is_path(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
    text.len() <= MAX_PREFIX
        && text.starts_with('/')
        && text.bytes().all(is_plain)
        && !text.contains("//")
        && text.split('/').all(|part| part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(peer: &str, headers: &[(&'static str, &'static str)]) -> Client {
        let proxies = Proxies::new(&[
            "127.0.0.1/32".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
            "fd00::/8".parse().unwrap(),
        ]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        proxies.client(peer.parse().unwrap(), &map)
    }

    #[test]
    fn the_last_address_before_the_trusted_proxies_is_the_clients() {
        for (peer, forwarded, ip) in [
            ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("127.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.5", "203.0.113.9"),
            ("127.0.0.1", "10.0.0.6,10.0.0.5", "10.0.0.6"),
            ("fd00::1", "2001:db8::9", "2001:db8::9"),
            ("127.0.0.1", "[2001:db8::9]:4000", "2001:db8::9"),
            ("127.0.0.1", "203.0.113.9:4000", "203.0.113.9"),
            // Who is not trusted says nothing.
            ("203.0.113.1", "127.0.0.1", "203.0.113.1"),
            // Junk ends what is believed.
            ("127.0.0.1", "", "127.0.0.1"),
            ("127.0.0.1", "unknown", "127.0.0.1"),
            ("127.0.0.1", "203.0.113.9, junk, 10.0.0.5", "10.0.0.5"),
            ("127.0.0.1", "203.0.113.9,", "127.0.0.1"),
        ] {
            assert_eq!(
                client(peer, &[(FORWARDED_FOR, forwarded)]).ip,
                ip.parse::<IpAddr>().unwrap(),
                "{peer} {forwarded}"
            );
        }
        let lines = [(FORWARDED_FOR, "203.0.113.8"), (FORWARDED_FOR, "203.0.113.9, 10.0.0.5")];
        assert_eq!(client("127.0.0.1", &lines).ip, "203.0.113.9".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_trusted_prefix_is_put_before_paths() {
        let path = |peer, prefix| client(peer, &[(FORWARDED_PREFIX, prefix)]).path("/whep/a/b");
        assert_eq!(path("127.0.0.1", "/sound"), "/sound/whep/a/b");
        assert_eq!(path("127.0.0.1", "/my/sound/"), "/my/sound/whep/a/b");
        assert_eq!(path("127.0.0.1", "/"), "/whep/a/b");
        assert_eq!(path("203.0.113.1", "/sound"), "/whep/a/b");
        for junk in [
            "sound",
            "//evil.example",
            "/a//b",
            "https://evil.example",
            "/a/../b",
            "/a b",
            "/a?b",
            "/a, /b",
            "/\\evil.example",
        ] {
            assert_eq!(path("127.0.0.1", junk), "/whep/a/b", "{junk}");
        }
        assert_eq!(client("127.0.0.1", &[]).path("/whep/a/b"), "/whep/a/b");
    }
}
