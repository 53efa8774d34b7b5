//! Containers' announcements: SAP datagrams become a list of streams (RFC 2974, with SDP of RFC 8866 in them).
//!
//! ```text
//! datagram ─▶ sap: header, payload ─▶ sdp: one description ─▶ name ─▶ stream: first, changed, repeated, gone ─▶ DiscoveryEvent
//! ```
//!
//! What is announced is only told here, and believed of nobody but the address it came from. Which source a stream
//! belongs to, and which ports are opened for it, does not belong here.

mod budget;
mod counters;
mod name;
mod sap;
mod sdp;
mod stream;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

pub use self::counters::DiscoveryCounters;

use self::budget::Budget;
use self::sap::{Packet, Rejected};
use self::sdp::{Description, Unusable};
use self::stream::Stream;
use crate::announcement::{Announcement, AnnouncementKey};

/// How many streams are known at once.
const MAX_STREAMS: usize = 256;

/// How many of them one address may announce.
const MAX_STREAMS_PER_SENDER: usize = 32;

/// How many events wait to be fetched: more than one call can cause.
const MAX_EVENTS: usize = 2 * MAX_STREAMS;

/// What became known of an announced stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiscoveryEvent {
    /// It is there: told when first heard of, at every change, and again at most once a second while its sender repeats
    /// itself, which shows that the container lives.
    Announced(Announcement),
    /// Its sender says that it is over (RFC 2974, section 4).
    Goodbye(AnnouncementKey),
    /// Its sender has not repeated itself for too long (RFC 2974, section 4): three times the interval seen, but at
    /// least 30 seconds and at most an hour.
    Expired(AnnouncementKey),
}

/// The machine that turns SAP datagrams into a list of streams.
///
/// Drain [`Discovery::poll_event`] after each `handle_…`, and call [`Discovery::handle_timeout`] when
/// [`Discovery::poll_timeout`] says so.
///
/// Anybody can send SAP, so everything is bounded: at most 256 streams are known, at most 32 of one address. A stream that
/// is known is never given up for another one; whoever comes when there is no room is refused and counted. News (what is
/// new, changed or over) is told at a bounded rate, of each sender and in all.
#[derive(Debug, Default)]
pub struct Discovery {
    streams: Vec<Stream>,
    budget: Budget,
    events: VecDeque<DiscoveryEvent>,
    counters: DiscoveryCounters,
}

impl Discovery {
    /// A discovery that knows of no stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a datagram that came to the SAP port from `from`. Junk is dropped and counted.
    pub fn handle_datagram(&mut self, from: IpAddr, datagram: &[u8], now: Instant) {
        self.counters.received += 1;
        let from = from.to_canonical();
        let packet = match Packet::parse(datagram) {
            Ok(packet) => packet,
            Err(rejected) => return self.reject(from, rejected),
        };
        let text = String::from_utf8_lossy(packet.payload);
        if packet.goodbye {
            return self.take_leave(from, packet.hash, &text, now);
        }
        match Description::parse(&text).and_then(|description| description.announcement(from)) {
            Ok(announcement) => {
                self.take(Stream::new(announcement, sdp::origin_digest(&text), packet.hash, now), now);
            }
            Err(unusable) => {
                match unusable {
                    Unusable::Malformed => self.counters.malformed += 1,
                    Unusable::NoAudio => self.counters.no_audio += 1,
                    Unusable::Microphone => self.counters.microphones += 1,
                }
                tracing::trace!(%from, %unusable, "announcement dropped");
            }
        }
    }

    /// Notices which streams are announced no longer.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.streams.retain(|stream| !stream.is_forgotten(now));
        let mut expired = Vec::new();
        for stream in self.streams.iter_mut().filter(|stream| stream.is_due(now)) {
            stream.lapsed = true;
            expired.push(stream.key());
        }
        for key in expired {
            self.counters.expired += 1;
            tracing::trace!(from = %key.sender, "announcement expired");
            self.tell(DiscoveryEvent::Expired(key));
        }
    }

    /// When [`Discovery::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.streams.iter().map(Stream::timeout).min()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<DiscoveryEvent> {
        self.events.pop_front()
    }

    /// What is announced now, the longest known first.
    pub fn announcements(&self) -> impl Iterator<Item = &Announcement> {
        self.streams.iter().filter(|stream| !stream.lapsed).map(|stream| &stream.announcement)
    }

    /// Takes for announced what was so before a restart. It expires like any other, unless its sender repeats itself.
    pub fn restore(&mut self, announcement: Announcement, now: Instant) {
        if self.streams.iter().all(|stream| stream.key() != announcement.key) {
            self.welcome(Stream::new(announcement, None, 0, now), now);
        }
    }

    /// What was met so far.
    pub fn counters(&self) -> DiscoveryCounters {
        self.counters
    }

    fn reject(&mut self, from: IpAddr, rejected: Rejected) {
        match rejected {
            Rejected::TooLarge => self.counters.too_large += 1,
            Rejected::Malformed => self.counters.malformed += 1,
            Rejected::Unsupported => self.counters.unsupported += 1,
        }
        tracing::trace!(%from, %rejected, "datagram dropped");
    }

    /// Takes an announcement: of a stream that is known, or of a new one.
    fn take(&mut self, heard: Stream, now: Instant) {
        let Some(index) = self.streams.iter().position(|stream| stream.key() == heard.key()) else {
            return self.welcome(heard, now);
        };
        let is_news = self.streams[index].announcement != heard.announcement || self.streams[index].lapsed;
        if is_news && !self.may_tell(heard.key().sender, now) {
            return;
        }
        let stream = &mut self.streams[index];
        let (changed, worth_telling) = stream.hear_again(heard, now);
        let announcement = worth_telling.then(|| stream.announcement.clone());
        if changed {
            self.counters.changed += 1;
        } else {
            self.counters.repeated += 1;
        }
        if let Some(announcement) = announcement {
            self.tell_announced(announcement, changed);
        }
    }

    fn welcome(&mut self, stream: Stream, now: Instant) {
        if !self.may_tell(stream.key().sender, now) {
            return;
        }
        if !self.make_room(stream.key().sender) {
            self.counters.refused += 1;
            tracing::trace!(from = %stream.key().sender, "no room for another announcement");
            return;
        }
        self.counters.announced += 1;
        let announcement = stream.announcement.clone();
        self.streams.push(stream);
        self.tell_announced(announcement, true);
    }

    fn tell_announced(&mut self, announcement: Announcement, is_news: bool) {
        if is_news {
            self.counters.unreadable += u64::from(announcement.format.is_err());
            let Announcement { key, name, port, format, .. } = &announcement;
            tracing::trace!(from = %key.sender, name, port, ?format, "announced");
        }
        self.tell(DiscoveryEvent::Announced(announcement));
    }

    /// Whether a sender may tell something new; what it may not is refused, and told by a repeat later on.
    fn may_tell(&mut self, sender: IpAddr, now: Instant) -> bool {
        let may = self.budget.spend(sender, now);
        self.counters.refused += u64::from(!may);
        may
    }

    /// Whether there is room for another stream of `sender`. Only what has expired makes way.
    fn make_room(&mut self, sender: IpAddr) -> bool {
        let own = self.streams.iter().filter(|stream| stream.key().sender == sender).count();
        if own >= MAX_STREAMS_PER_SENDER {
            return self.forget_one(|stream| stream.key().sender == sender);
        }
        self.streams.len() < MAX_STREAMS || self.forget_one(|_| true)
    }

    fn forget_one(&mut self, of: impl Fn(&Stream) -> bool) -> bool {
        let lapsed = self.streams.iter().enumerate().filter(|(_, stream)| stream.lapsed && of(stream));
        let oldest = lapsed.min_by_key(|(_, stream)| stream.heard).map(|(index, _)| index);
        oldest.map(|index| self.streams.swap_remove(index)).is_some()
    }

    /// Takes a goodbye. It counts only from the address that announced.
    fn take_leave(&mut self, from: IpAddr, hash: u16, text: &str, now: Instant) {
        let Some(index) = self.leaving(from, hash, text) else {
            self.counters.unmatched_goodbyes += 1;
            tracing::trace!(%from, "goodbye of nobody known");
            return;
        };
        if !self.may_tell(from, now) {
            return;
        }
        let key = self.streams.swap_remove(index).key();
        self.counters.goodbyes += 1;
        tracing::trace!(%from, "goodbye");
        self.tell(DiscoveryEvent::Goodbye(key));
    }

    /// Which stream a goodbye means. It holds all of the announcement, or its `o=` line, or nothing but the hash.
    fn leaving(&self, from: IpAddr, hash: u16, text: &str) -> Option<usize> {
        if let Ok(announcement) = Description::parse(text).and_then(|whole| whole.announcement(from)) {
            return self.streams.iter().position(|stream| stream.key() == announcement.key);
        }
        let own = || self.streams.iter().enumerate().filter(|(_, stream)| stream.key().sender == from);
        let by_hash = || own().filter(|(_, stream)| hash != 0 && stream.hash == hash);
        let found = match sdp::origin_digest(text) {
            None => only(by_hash()),
            origin => {
                let by_origin = || own().filter(|(_, stream)| stream.origin == origin);
                only(by_origin().filter(|(_, stream)| stream.hash == hash)).or_else(|| only(by_origin()))
            }
        };
        found.map(|(index, _)| index)
    }

    fn tell(&mut self, event: DiscoveryEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.counters.dropped_events += 1;
        }
        self.events.push_back(event);
    }
}

/// The only item; none where there are several.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next();
    first.filter(|_| items.next().is_none())
}
