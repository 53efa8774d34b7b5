//! STUN and TURN servers in abcdesktop's words: its `webrtc.rtc_configuration` and `webrtc.coturn`, with or without `webrtc`.

use super::super::mistake::{Mistakes, Place};
use super::super::table::{Given, Table};
use super::{DEFAULT_TTL, policy, secret, ttl, username};
use crate::options::{IceEntry, IceUrl, TurnCredentials};

/// What was written in those words.
#[derive(Debug, Default)]
pub(in crate::config) struct Foreign {
    pub(super) servers: Vec<Given<IceEntry>>,
    pub(super) relay_only: Option<Given<bool>>,
}

impl Foreign {
    /// Fetches the tables from the whole file's.
    pub(in crate::config) fn read(file: &mut Table, mistakes: &mut Mistakes) -> Self {
        let mut foreign = Self::default();
        foreign.read_pair(file, mistakes);
        if let Some(mut webrtc) = file.table("webrtc", mistakes) {
            let enabled = webrtc.truth("enable", mistakes).is_none_or(|enabled| enabled.value);
            let mut of_webrtc = Self::default();
            of_webrtc.read_pair(&mut webrtc, mistakes);
            webrtc.finish(mistakes);
            if enabled {
                foreign.servers.extend(of_webrtc.servers);
                foreign.relay_only = foreign.relay_only.or(of_webrtc.relay_only);
            }
        }
        foreign
    }

    fn read_pair(&mut self, table: &mut Table, mistakes: &mut Mistakes) {
        if let Some(mut configuration) = table.table("rtc_configuration", mistakes) {
            for server in configuration.tables("iceServers", mistakes) {
                self.servers.extend(server_entry(server, mistakes));
            }
            self.relay_only = configuration.text("iceTransportPolicy", "\"all\"", mistakes, policy);
            configuration.finish(mistakes);
        }
        if let Some(coturn) = table.table("coturn", mistakes) {
            self.servers.extend(coturn_entry(coturn, mistakes));
        }
    }
}

/// An `RTCIceServer` (WebRTC, section 4.2.2).
fn server_entry(mut table: Table, mistakes: &mut Mistakes) -> Option<Given<IceEntry>> {
    let before = mistakes.len();
    let urls = table
        .text_or_texts("urls", "\"stun:stun.example.org:3478\"", mistakes, |text| text.parse::<IceUrl>());
    let user = table.text("username", "\"soundport\"", mistakes, username);
    let credential = table.hidden("credential", mistakes, secret);
    if !table.had("urls") {
        mistakes.add(table.place(), "lacks urls; write one, such as urls = \"stun:stun.example.org:3478\"");
    }
    let unreadable = mistakes.len() > before;
    table.finish(mistakes);
    let urls = urls?;
    let is_turn = urls.value.iter().any(|url| url.scheme.is_turn());
    let credentials = match (user, credential) {
        (Some(user), Some(credential)) => {
            Some(TurnCredentials::Fixed { username: user.value, credential: credential.value })
        }
        (None, None) => {
            if is_turn && !unreadable {
                mistakes.add(&urls.place, "lacks credentials; write username and credential beside it");
            }
            None
        }
        (Some(Given { place, .. }), None) => {
            alone(&place, "write its password as well (credential)", unreadable, mistakes)
        }
        (None, Some(Given { place, .. })) => {
            alone(&place, "write whose password it is as well (username)", unreadable, mistakes)
        }
    };
    // Browsers that are given credentials for STUN alone ignore them.
    let credentials = credentials.filter(|_| is_turn);
    let entry = IceEntry { urls: urls.value, credentials };
    (!entry.urls.is_empty()).then(|| Given::new(entry, urls.place))
}

fn alone(place: &Place, remedy: &str, unreadable: bool, mistakes: &mut Mistakes) -> Option<TurnCredentials> {
    if !unreadable {
        mistakes.add(place, format!("stands alone; {remedy}"));
    }
    None
}

fn coturn_entry(mut table: Table, mistakes: &mut Mistakes) -> Option<Given<IceEntry>> {
    let shared = table.hidden("coturn_static_auth_secret", mistakes, secret);
    let ttl = table.whole("ttl", "3600", mistakes, ttl).map_or(DEFAULT_TTL, |ttl| ttl.value);
    let protocol = table.text("protocol", "\"turn\"", mistakes, |text| match text {
        "turn" | "turns" => Ok(text.to_owned()),
        _ => Err("is no protocol; write turn or turns".to_owned()),
    });
    let scheme = protocol.map_or_else(|| "turn".to_owned(), |protocol| protocol.value);
    let url = table
        .text("url", "\"turn.example.org:3478\"", mistakes, |text| IceUrl::turn(&format!("{scheme}:{text}")));
    for (key, example) in [
        ("coturn_static_auth_secret", "that of turnserver.conf"),
        ("protocol", "\"turn\" or \"turns\""),
        ("url", "such as \"turn.example.org:3478\""),
    ] {
        if !table.had(key) {
            mistakes.add(table.place(), format!("lacks {key}; write it, {example}"));
        }
    }
    table.finish(mistakes);
    let credentials = Some(TurnCredentials::Minted { secret: shared?.value, ttl });
    let Given { value, place } = url?;
    Some(Given::new(IceEntry { urls: vec![value], credentials }, place))
}
