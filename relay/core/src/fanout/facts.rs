//! What the doctor must know of sessions.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::peer::Peer;
use super::{Fanout, PeerAddr};
use crate::frame::SourceId;
use crate::session::SessionId;

/// Of one source's sessions so many are told of.
pub const MAX_FACTS: usize = 64;

/// What a browser does with the sound that it is sent, as its page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Playback {
    /// It is put out.
    Playing,
    /// The browser lets no page sound before a click.
    Blocked,
    /// The page is muted, or its volume is zero.
    Muted,
    /// Another source is played alone.
    Solo,
    /// There is no device to put it out.
    NoOutput,
    /// The connection stands, and no sound arrives by it.
    NoPackets,
}

/// The way that a session's packets take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// No check of the browser has arrived yet.
    None,
    /// WebRTC.
    WebRtc {
        /// Where the browser's packets come from.
        from: PeerAddr,
        /// Whether the connection is up; else checks arrive, and no more.
        connected: bool,
    },
    /// A stream, outside of WebRTC.
    Stream,
}

/// What the other side has reported of the packets that it was sent (RFC 3550, section 6.4.2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// Packets sent until then.
    pub packets: u64,
    /// How many of them it has missed in all.
    pub lost: Option<u64>,
    /// The share that it missed lately, 0 to 1.
    pub loss: Option<f32>,
    /// How long a packet takes there and back.
    pub round_trip: Option<Duration>,
}

/// All that is known of a session's way.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionFacts {
    /// Its name, which others must not learn.
    pub id: SessionId,
    /// A running number.
    pub number: u32,
    /// What it listens to, or speaks into.
    pub source: SourceId,
    /// Whether it talks.
    pub talks: bool,
    /// How long ago it began.
    pub age: Duration,
    /// How long ago something came from it last; at first, how long ago it began.
    pub heard: Duration,
    /// How long it may be silent before it is given up.
    pub patience: Duration,
    /// Its way.
    pub way: Way,
    /// What its browser has reported; none until it has.
    pub report: Option<Report>,
    /// What its page says that the browser does with the sound; none where no page said anything.
    pub playback: Option<Playback>,
}

/// What is known of a source's sessions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Audience {
    /// At most [`MAX_FACTS`] of them: those asked for, then those that are not connected, then others.
    pub sessions: Vec<SessionFacts>,
    /// How many there are besides.
    pub more: u32,
}

impl Fanout {
    /// All that is known of the sessions of `source`, or of every source's where it is none. Those in `own` come first.
    pub fn facts(
        &self,
        source: Option<&SourceId>,
        own: &[SessionId],
        now: Instant,
    ) -> HashMap<SourceId, Audience> {
        let mut indices: HashMap<&SourceId, Vec<(bool, bool, usize)>> = HashMap::new();
        for (index, peer) in &self.peers {
            if source.is_none_or(|source| source == peer.source()) {
                let rank = (!own.contains(&peer.session()), peer.is_connected(), index);
                indices.entry(peer.source()).or_default().push(rank);
            }
        }
        let audience = |mut ranks: Vec<(bool, bool, usize)>| {
            ranks.sort_unstable();
            let told = ranks.iter().take(MAX_FACTS).filter_map(|(_, _, index)| self.peers.get(*index));
            let sessions: Vec<SessionFacts> = told.map(|peer| peer.facts(now)).collect();
            Audience { more: (ranks.len() - sessions.len()) as u32, sessions }
        };
        indices.into_iter().map(|(source, ranks)| (source.clone(), audience(ranks))).collect()
    }

    /// Takes note of what a listener's page says that its browser does with the sound. False if there is no such listener.
    pub fn note_playback(&mut self, id: SessionId, playback: Playback) -> bool {
        let index = self.index_by_session.get(&id).copied();
        let peer = index.and_then(|index| self.peers.get_mut(index));
        peer.is_some_and(|peer| Peer::note_playback(peer, playback))
    }
}
