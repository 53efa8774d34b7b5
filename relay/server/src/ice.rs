//! STUN and TURN: what browsers are told of the servers, and what the relay itself asks them.

pub(crate) mod check;
mod credentials;
mod discover;
mod line;
mod stun;
mod watcher;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::HeaderValue;
use soundport_api as api;
use tokio::sync::watch;

use self::watcher::Watcher;
use crate::options::{Announce, IceEntry, IceOptions, IceUrl};

/// How long a TURN server's answer is waited for, by those who can do without.
const SOON: Duration = Duration::from_secs(1);

/// The servers that browsers may use, as configured now.
#[derive(Clone)]
pub(crate) struct Ice {
    options: watch::Receiver<Arc<IceOptions>>,
    watcher: Arc<Watcher>,
}

/// What of the configuration it follows.
pub(crate) struct Inputs {
    pub(crate) options: watch::Receiver<Arc<IceOptions>>,
    /// Who is asked for the outside address.
    pub(crate) stun: watch::Receiver<Option<IceUrl>>,
    pub(crate) announce: watch::Receiver<Arc<[Announce]>>,
}

impl Ice {
    /// Begins to try the TURN servers and to ask for the outside addresses, which are returned, and tells `relay` of both.
    /// To be called within a runtime.
    pub(crate) fn start(
        inputs: Inputs,
        relay: watch::Sender<api::Relay>,
    ) -> (Self, watch::Receiver<Arc<[IpAddr]>>) {
        let Inputs { options, stun, announce } = inputs;
        let (publish, outside) = watch::channel(Arc::from([]));
        tokio::spawn(discover::keep(stun, publish));
        let watcher = Arc::new(Watcher::new(options.clone()));
        tokio::spawn(watcher.clone().keep());
        tokio::spawn(watcher::tell(watcher.clone(), announce, outside.clone(), relay));
        (Self { options, watcher }, outside)
    }

    /// A browser's configuration, with credentials minted for it.
    pub(crate) fn configuration(&self) -> api::IceConfiguration {
        configuration(&self.options.borrow())
    }

    /// The same servers as `Link` headers, one for each URL (RFC 9725, section 4.6).
    pub(crate) fn links(&self) -> Vec<HeaderValue> {
        links(&self.configuration())
    }

    /// What is known of the TURN servers without waiting for long; what they say later serves the next who asks.
    pub(crate) async fn known(&self) -> Arc<[api::IceCheck]> {
        let lately = tokio::time::timeout(SOON, self.watcher.check_lately());
        lately.await.unwrap_or_else(|_| self.watcher.known())
    }

    /// The TURN servers' hosts.
    pub(crate) fn turn_hosts(&self) -> Vec<String> {
        let options = self.options.borrow();
        let urls = options.servers.iter().flat_map(|entry| &entry.urls);
        urls.filter(|url| url.scheme.is_turn()).map(|url| url.host.clone()).collect()
    }

    /// What becomes of trying the TURN servers now, or became of it a moment ago.
    pub(crate) async fn check(&self) -> Arc<[api::IceCheck]> {
        self.watcher.check_lately().await
    }
}

fn configuration(options: &IceOptions) -> api::IceConfiguration {
    api::IceConfiguration {
        ice_servers: options.servers.iter().map(server).collect(),
        ice_transport_policy: options.relay_only.then(|| "relay".to_owned()),
    }
}

fn server(entry: &IceEntry) -> api::IceServer {
    let (username, credential) =
        entry.credentials.as_ref().map(|credentials| credentials::of(credentials, SystemTime::now())).unzip();
    api::IceServer { urls: entry.urls.iter().map(ToString::to_string).collect(), username, credential }
}

fn links(configuration: &api::IceConfiguration) -> Vec<HeaderValue> {
    configuration.ice_servers.iter().flat_map(links_of).collect()
}

fn links_of(server: &api::IceServer) -> impl Iterator<Item = HeaderValue> {
    server.urls.iter().filter_map(|url| {
        let mut link = format!("<{url}>; rel=\"ice-server\"");
        if let (Some(username), Some(credential)) = (&server.username, &server.credential) {
            let (username, credential) = (quoted(username), quoted(credential));
            link += &format!("; username={username}; credential={credential}; credential-type=\"password\"");
        }
        // The configuration lets no line break through, and everything else a header can hold.
        HeaderValue::from_bytes(link.as_bytes()).ok()
    })
}

/// A quoted string (RFC 9110, section 5.6.4).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{IceUrl, Secret, TurnCredentials};

    fn ice(relay_only: bool, servers: &[(&str, Option<TurnCredentials>)]) -> IceOptions {
        let url = |text: &str| text.parse::<IceUrl>().unwrap();
        let entry = |(urls, credentials): &(&str, Option<TurnCredentials>)| IceEntry {
            urls: urls.split(' ').map(url).collect(),
            credentials: credentials.clone(),
        };
        IceOptions { servers: servers.iter().map(entry).collect(), relay_only }
    }

    fn minted() -> TurnCredentials {
        TurnCredentials::Minted { secret: Secret::from("hush".to_owned()), ttl: Duration::from_secs(60) }
    }

    #[test]
    fn without_servers_the_list_is_empty() {
        let configuration = configuration(&ice(false, &[]));
        assert_eq!(serde_json::to_string(&configuration).unwrap(), r#"{"iceServers":[]}"#);
    }

    #[test]
    fn each_request_gets_credentials_of_its_own() {
        let ice = ice(true, &[("stun:a.example", None), ("turn:b.example turns:b.example", Some(minted()))]);
        let (one, other) = (configuration(&ice), configuration(&ice));
        assert_eq!(one.ice_transport_policy.as_deref(), Some("relay"));
        assert_eq!(one.ice_servers[0].username, None);
        assert_eq!(one.ice_servers[1].urls, ["turn:b.example", "turns:b.example"]);
        assert_ne!(one.ice_servers[1].username, other.ice_servers[1].username);
        assert_ne!(one.ice_servers[1].credential, other.ice_servers[1].credential);
        assert!(!serde_json::to_string(&one).unwrap().contains("hush"));
    }

    #[test]
    fn each_url_is_a_link() {
        let fixed = TurnCredentials::Fixed {
            username: "a \"b\"".into(),
            credential: Secret::from("c\\d é".to_owned()),
        };
        let links = links(&configuration(&ice(
            false,
            &[("stun:a.example", None), ("turn:b.example:80?transport=tcp", Some(fixed))],
        )));
        let links: Vec<_> = links.iter().map(|link| String::from_utf8_lossy(link.as_bytes())).collect();
        assert_eq!(
            links,
            [
                r#"<stun:a.example>; rel="ice-server""#,
                r#"<turn:b.example:80?transport=tcp>; rel="ice-server"; username="a \"b\""; credential="c\\d é"; credential-type="password""#
            ]
        );
    }
}
