//! STUN and TURN: what browsers are told of the servers, and what the relay itself asks them.

mod credentials;

use std::sync::Arc;
use std::time::SystemTime;

use axum::http::HeaderValue;
use soundport_api as api;
use tokio::sync::watch;

use crate::options::{IceEntry, IceOptions};

/// The servers that browsers may use, as configured now.
#[derive(Debug, Clone)]
pub(crate) struct Ice {
    options: watch::Receiver<Arc<IceOptions>>,
}

impl Ice {
    pub(crate) fn new(options: watch::Receiver<Arc<IceOptions>>) -> Self {
        Self { options }
    }

    /// A browser's configuration, with credentials minted for it.
    pub(crate) fn configuration(&self) -> api::IceConfiguration {
        let options = self.options.borrow();
        api::IceConfiguration {
            ice_servers: options.servers.iter().map(server).collect(),
            ice_transport_policy: options.relay_only.then(|| "relay".to_owned()),
        }
    }

    /// The same servers as `Link` headers, one for each URL (RFC 9725, section 4.6).
    pub(crate) fn links(&self) -> Vec<HeaderValue> {
        self.configuration().ice_servers.iter().flat_map(links).collect()
    }
}

fn server(entry: &IceEntry) -> api::IceServer {
    let (username, credential) =
        entry.credentials.as_ref().map(|credentials| credentials::of(credentials, SystemTime::now())).unzip();
    api::IceServer { urls: entry.urls.iter().map(ToString::to_string).collect(), username, credential }
}

fn links(server: &api::IceServer) -> impl Iterator<Item = HeaderValue> {
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
    use std::time::Duration;

    use super::*;
    use crate::options::{IceUrl, Secret, TurnCredentials};

    fn ice(relay_only: bool, servers: &[(&str, Option<TurnCredentials>)]) -> Ice {
        let url = |text: &str| text.parse::<IceUrl>().unwrap();
        let entry = |(urls, credentials): &(&str, Option<TurnCredentials>)| IceEntry {
            urls: urls.split(' ').map(url).collect(),
            credentials: credentials.clone(),
        };
        let options = IceOptions { servers: servers.iter().map(entry).collect(), relay_only };
        Ice::new(watch::channel(Arc::new(options)).1)
    }

    fn minted() -> TurnCredentials {
        TurnCredentials::Minted { secret: Secret::from("hush".to_owned()), ttl: Duration::from_secs(60) }
    }

    #[test]
    fn without_servers_the_list_is_empty() {
        let configuration = ice(false, &[]).configuration();
        assert_eq!(serde_json::to_string(&configuration).unwrap(), r#"{"iceServers":[]}"#);
    }

    #[test]
    fn each_request_gets_credentials_of_its_own() {
        let ice = ice(true, &[("stun:a.example", None), ("turn:b.example turns:b.example", Some(minted()))]);
        let (one, other) = (ice.configuration(), ice.configuration());
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
        let links =
            ice(false, &[("stun:a.example", None), ("turn:b.example:80?transport=tcp", Some(fixed))]).links();
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
