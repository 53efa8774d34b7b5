//! The UDP ports that containers' RTP comes to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use super::Ingest;

/// One of the relay's own UDP ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RtpPort(pub u16);

/// The system's own ports end here (RFC 6335, section 6).
const FIRST_FREE: u16 = 1024;

/// A port that should be open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedPort {
    /// The port.
    pub port: RtpPort,
    /// The multicast groups to join there.
    pub groups: Vec<IpAddr>,
    /// Whether somebody hears what comes there, so that it is to be read at once.
    pub heard: bool,
}

impl Ingest {
    /// The ports that should be open, by number, the main one among them.
    pub fn ports(&self, now: Instant) -> impl Iterator<Item = WantedPort> {
        let main = self.config.port;
        let mut wanted = BTreeMap::from([(main, (Vec::new(), false))]);
        let mut want = |port: RtpPort, group: Option<IpAddr>, heard: bool| {
            if port != main && port.0 < FIRST_FREE {
                return;
            }
            let (groups, is_heard) = wanted.entry(port).or_default();
            *is_heard |= heard;
            if let Some(group) = group.filter(|group| !groups.contains(group)) {
                groups.push(group);
            }
        };
        for source in &self.sources {
            let group = source.announced.as_ref().and_then(|heard| heard.announcement.group);
            want(source.port(main, now), group, source.listeners > 0);
        }
        for pending in &self.pending {
            want(RtpPort(pending.announcement.port), pending.announcement.group, false);
        }
        wanted.into_iter().map(|(port, (groups, heard))| WantedPort { port, groups, heard })
    }

    /// Says what is wrong with a port, in words for people, or that nothing is.
    pub fn set_port_trouble(&mut self, port: RtpPort, trouble: Option<&str>, now: Instant) {
        let main = self.config.port;
        for source in self.sources.iter_mut().filter(|source| source.port(main, now) == port) {
            if source.port_trouble.as_deref() != trouble {
                source.port_trouble = trouble.map(str::to_owned);
                self.revision += 1;
            }
        }
    }

    /// What is wrong with the number of a port that a container announced; none where nothing is.
    pub(super) fn trouble_of(&self, port: u16) -> Option<String> {
        (RtpPort(port) != self.config.port && port < FIRST_FREE).then(|| {
            format!(
                "Its sound goes to port {port}, which is the system’s own. Send it to port {} instead.",
                self.config.port.0
            )
        })
    }
}
