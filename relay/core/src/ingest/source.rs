use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::probation::{Candidate, StreamKey};
use super::sound::Outlet;
use super::status::{SourceState, SourceStatus};
use super::stream::Stream;
use crate::frame::SourceId;
use crate::rtp::Packet;

/// A source whose packets stopped for longer than this is idle.
const IDLE_AFTER: Duration = Duration::from_millis(500);

/// Then lost.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// A lost source that nobody pinned and nobody hears is forgotten after this.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30 + 600);

/// Whose packets a source's sound comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// One address and port, as configured.
    Pinned(SocketAddr),
    /// A sender that became a source by itself, and those from its address that come after it.
    Found(IpAddr),
}

/// The sound of one container: who it is, who sends it now, and what became of it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) id: SourceId,
    title: String,
    pub(crate) origin: Origin,
    pub(crate) listeners: u32,
    state: SourceState,
    /// Which packets are its own now.
    pub(crate) key: Option<StreamKey>,
    /// Which were before.
    former: Option<StreamKey>,
    /// When the latest packet came.
    pub(crate) heard: Option<Instant>,
    pub(crate) payload_type: u8,
    stream: Stream,
}

impl Source {
    pub(crate) fn new(id: SourceId, title: String, origin: Origin, stream: Stream) -> Self {
        Self {
            id,
            title,
            origin,
            listeners: 0,
            state: SourceState::Waiting,
            key: None,
            former: None,
            heard: None,
            payload_type: 0,
            stream,
        }
    }

    pub(crate) fn status(&self) -> SourceStatus {
        SourceStatus {
            id: self.id.clone(),
            title: self.title.clone(),
            state: self.state,
            format: self.stream.format(),
            listeners: self.listeners,
        }
    }

    /// Whether no packet came for longer than `time`.
    pub(crate) fn silent_for(&self, time: Duration, now: Instant) -> bool {
        self.heard.is_none_or(|heard| now.saturating_duration_since(heard) > time)
    }

    /// From now on the sound is that of another stream of packets; those that came already are heard.
    pub(crate) fn adopt(&mut self, candidate: Candidate, out: &mut Outlet<'_>) {
        let Some(proven) = candidate.proven else {
            return;
        };
        self.former = self.key.replace(candidate.key).filter(|former| *former != candidate.key);
        self.payload_type = candidate.payload_type;
        self.stream.adopt(proven, candidate.packets, out);
        self.heard = Some(candidate.heard);
        self.state = SourceState::Live;
    }

    /// Takes a packet of its own. Returns whether something changed that [`Source::status`] says.
    pub(crate) fn receive(&mut self, packet: &Packet<'_>, now: Instant, out: &mut Outlet<'_>) -> bool {
        self.heard = Some(now);
        let format = self.stream.format();
        self.stream.receive(packet, now, out);
        let woken = self.state != SourceState::Live;
        self.state = SourceState::Live;
        woken || format != self.stream.format()
    }

    /// Returns whether the state changed.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut Outlet<'_>) -> bool {
        self.stream.handle_timeout(now, out);
        let Some(heard) = self.heard else {
            return false;
        };
        let silent = now.saturating_duration_since(heard);
        let state = match silent {
            silent if silent >= LOST_AFTER => SourceState::Lost,
            silent if silent >= IDLE_AFTER => SourceState::Idle,
            _ => SourceState::Live,
        };
        std::mem::replace(&mut self.state, state) != state
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let next = match self.state {
            SourceState::Waiting => None,
            SourceState::Live => Some(IDLE_AFTER),
            SourceState::Idle => Some(LOST_AFTER),
            SourceState::Lost if self.is_kept() => None,
            SourceState::Lost => Some(FORGOTTEN_AFTER),
        };
        let next = self.heard.zip(next).map(|(heard, after)| heard + after);
        self.stream.poll_timeout().into_iter().chain(next).min()
    }

    pub(crate) fn is_forgotten(&self, now: Instant) -> bool {
        let silent = self.heard.is_some_and(|heard| now.saturating_duration_since(heard) >= FORGOTTEN_AFTER);
        silent && !self.is_kept()
    }

    /// The encoder lives while somebody listens.
    pub(crate) fn set_listeners(&mut self, listeners: u32) {
        self.listeners = listeners;
        self.stream.set_heard(listeners > 0);
    }

    /// How much a stream from the same address is like the one this source had: SSRC before port.
    pub(crate) fn likeness(&self, key: StreamKey) -> u8 {
        self.key.map_or(0, |own| 2 * u8::from(own.ssrc == key.ssrc) + u8::from(own.from == key.from))
    }

    /// Whether a pinned source left this stream for another that still sounds.
    pub(crate) fn shuns(&self, key: StreamKey, time: Duration, now: Instant) -> bool {
        self.former == Some(key) && matches!(self.origin, Origin::Pinned(_)) && !self.silent_for(time, now)
    }

    /// Whether it may go to make room: silent, not pinned, and heard by nobody.
    pub(crate) fn may_be_evicted(&self, now: Instant) -> bool {
        !self.is_kept() && self.silent_for(IDLE_AFTER, now)
    }

    fn is_kept(&self) -> bool {
        self.listeners > 0 || matches!(self.origin, Origin::Pinned(_))
    }
}
