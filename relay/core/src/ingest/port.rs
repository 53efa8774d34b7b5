//! The UDP ports that containers' RTP comes to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use super::{Barrier, Ingest, TAKEN_OVER_AFTER};
use crate::announcement::Announcement;

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
    /// How soon what comes there is to be read.
    pub attention: Attention,
}

/// How soon what comes to a port is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attention {
    /// Nobody hears it: every now and then.
    Low,
    /// Somebody hears one source there, among others that nobody hears: soon, but not packet by packet.
    Crowded,
    /// Somebody hears it: at once.
    High,
}

/// A port that somebody hears is crowded with this many others, whose packets would wake the relay for nothing.
const CROWD: usize = 4;

/// What a port is used for.
#[derive(Debug, Default)]
struct Use {
    groups: Vec<IpAddr>,
    /// Sources there that somebody hears.
    heard: usize,
    /// Those that send and nobody hears.
    unheard: usize,
}

impl Ingest {
    /// The ports that should be open, by number, the main one among them.
    pub fn ports(&self, now: Instant) -> impl Iterator<Item = WantedPort> {
        let main = self.config.port;
        let mut wanted = BTreeMap::from([(main, Use::default())]);
        let mut want = |port: RtpPort, group: Option<IpAddr>, heard: usize, unheard: usize| {
            if port != main && port.0 < FIRST_FREE {
                return;
            }
            let entry = wanted.entry(port).or_default();
            entry.heard += heard;
            entry.unheard += unheard;
            if let Some(group) = group.filter(|group| !entry.groups.contains(group)) {
                entry.groups.push(group);
            }
        };
        for source in &self.sources {
            let group = source.announced.as_ref().and_then(|heard| heard.announcement.group);
            let heard = source.listeners > 0;
            let sends = !source.silent_for(TAKEN_OVER_AFTER, now);
            want(source.port(main), group, usize::from(heard), usize::from(!heard && sends));
        }
        for pending in &self.pending {
            want(RtpPort(pending.announcement.port), pending.announcement.group, 0, 0);
        }
        wanted.into_iter().map(|(port, used)| {
            let attention = match used {
                Use { heard: 0, .. } => Attention::Low,
                Use { unheard: CROWD.., .. } => Attention::Crowded,
                Use { .. } => Attention::High,
            };
            WantedPort { port, groups: used.groups, attention }
        })
    }

    /// Says what is wrong with a port, in words for people, or that nothing is.
    pub fn set_port_trouble(&mut self, port: RtpPort, trouble: Option<&str>) {
        let main = self.config.port;
        for source in self.sources.iter_mut().filter(|source| source.port(main) == port) {
            if source.port_trouble.as_deref() != trouble {
                source.port_trouble = trouble.map(str::to_owned);
                self.revision += 1;
            }
        }
    }

    /// Why what a container announces cannot come here; none where it can.
    pub(super) fn trouble_of(&self, announcement: &Announcement) -> Option<Barrier> {
        let (announced, main) = (announcement.port, self.config.port);
        match announcement.group {
            _ if announced != main.0 && announced < FIRST_FREE => {
                Some(Barrier::SystemPort { announced, main })
            }
            Some(group) if !self.config.multicast => Some(Barrier::Multicast(group)),
            Some(_) | None => None,
        }
    }
}
