//! What the doctor is told of a source.

use std::time::Instant;

use super::{Origin, Source};
use crate::ingest::RtpPort;
use crate::ingest::facts::{Barrier, SourceFacts, contradicts};

impl Source {
    /// All that is known of it alone; `main` is the port of those that say nothing else.
    pub(crate) fn facts(&self, main: RtpPort, now: Instant) -> SourceFacts {
        let ago = |at: Instant| now.saturating_duration_since(at);
        let announced = self.announced.as_ref();
        let announced_type = announced.map(|heard| heard.announcement.payload_type);
        let own_type = self.key.map(|_| self.payload_type);
        let format = self.stream.format();
        SourceFacts {
            status: self.status(),
            pinned: matches!(self.origin, Origin::Pinned(_)),
            port: self.port(main),
            announced: announced.map(|heard| ago(heard.at)),
            announced_for: announced.map(|heard| ago(heard.since)),
            said_goodbye: self.farewell,
            heard: self.heard.map(ago),
            sounded: self.sounded.map(ago),
            barrier: self.barrier(),
            shown: format.and_then(|format| contradicts(format, self.shown?)),
            paced_hz: self.stream.paced_hz(),
            other_payload_type: own_type.zip(announced_type).filter(|(own, announced)| own != announced),
            beside: Vec::new(),
            namesake: None,
            encoder: self.stream.encoder(),
        }
    }

    /// What keeps its packets out, if anything does.
    pub(super) fn barrier(&self) -> Option<Barrier> {
        let announcement = self.announced.as_ref().map(|heard| &heard.announcement);
        let port = || Some(Barrier::Port(self.port_trouble.clone()?));
        let format = || {
            let unreadable = announcement?.format.clone().err()?;
            self.configured_format().is_none().then_some(Barrier::Format(unreadable))
        };
        let name = || match &self.origin {
            Origin::Configured(config) => config.trouble.clone().map(Barrier::Name),
            Origin::Pinned(_) | Origin::Announced | Origin::Found(_) => None,
        };
        self.trouble_ahead.clone().or_else(port).or_else(format).or_else(name)
    }
}
