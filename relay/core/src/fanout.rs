//! Relay to browsers: Opus frames go to every listener of their source, as SRTP.
//!
//! [`Fanout`] owns all peers of one thread. Its hot path is [`Fanout::handle_frame`]: one frame in, one datagram
//! a listener out, with neither a task, a lock nor a look-up on the way.

mod answer;
mod dtls;
mod offer;
mod peer;
mod stun;
mod ufrag;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use slab::Slab;
use str0m::IceCreds;
use thiserror::Error;
use tracing::trace;

use self::offer::Offer;
pub use self::offer::{Credentials, OfferError};
use self::peer::{Engine, Identity, Peer, Verdict};
use self::stun::Check;
use crate::frame::{OpusFrame, SourceId};
use crate::session::SessionId;

/// The address of a peer's socket, as the relay sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);

/// The address of this host that a datagram truly arrived at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocalAddr(pub SocketAddr);

/// A datagram from the media socket.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Who sent it.
    pub from: PeerAddr,
    /// Where it arrived.
    pub to: LocalAddr,
    /// Its payload: STUN, DTLS, RTP or RTCP (RFC 7983).
    pub bytes: &'a [u8],
}

/// A datagram for the media socket.
#[derive(Debug, Clone)]
pub struct Transmit {
    /// The address to send from, where the host has several.
    pub from: Option<LocalAddr>,
    /// Where it goes.
    pub to: PeerAddr,
    /// Its payload.
    pub bytes: Vec<u8>,
}

/// A listener's request to connect.
#[derive(Debug, Clone)]
pub struct Connect {
    /// The source to listen to.
    pub source: SourceId,
    /// The SDP offer (RFC 8866).
    pub offer: String,
    /// The relay's addresses as this listener can reach them, best first; given as host candidates.
    pub candidates: Vec<SocketAddr>,
}

/// A session as its listener needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// What is listened to.
    pub source: SourceId,
    /// Names the ICE session: changes with every ICE restart.
    pub ice_tag: String,
    /// The listener's ICE credentials.
    pub remote: Credentials,
}

/// Why a listener was not connected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// The offer cannot be answered.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The relay serves as many sessions as it may.
    #[error("the relay serves as many sessions as it may ({0})")]
    Full(usize),
}

/// What the fan-out tells its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FanoutEvent {
    /// So many sessions listen to `source`.
    Audience {
        /// The source.
        source: SourceId,
        /// The sessions that listen to it.
        listeners: u32,
    },
}

/// What was dropped, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FanoutCounters {
    /// Datagrams from strangers, malformed, or with a wrong password.
    pub dropped: u64,
}

/// All listeners of one thread.
///
/// Drive it so: hand in datagrams, frames and requests with the time; send what they put into `out`; take the events;
/// call [`Fanout::handle_timeout`] when [`Fanout::poll_timeout`] has come.
pub struct Fanout {
    engine: Engine,
    peers: Slab<Peer>,
    index_by_session: HashMap<SessionId, usize>,
    index_by_address: HashMap<PeerAddr, usize>,
    indices_by_source: HashMap<SourceId, Vec<usize>>,
    /// No peer is due before.
    earliest: Option<Instant>,
    events: VecDeque<FanoutEvent>,
    counters: FanoutCounters,
    max_sessions: usize,
    rng: StdRng,
}

impl Fanout {
    /// A fan-out without listeners. `seed` must be random: session names and passwords are drawn from it.
    /// None if the crypto provider cannot mint a certificate.
    pub fn new(max_sessions: usize, seed: [u8; 32]) -> Option<Self> {
        Some(Self {
            engine: Engine::new()?,
            peers: Slab::new(),
            index_by_session: HashMap::new(),
            index_by_address: HashMap::new(),
            indices_by_source: HashMap::new(),
            earliest: None,
            events: VecDeque::new(),
            counters: FanoutCounters::default(),
            max_sessions,
            rng: StdRng::from_seed(seed),
        })
    }

    /// Sends `frame` to each listener of its source. The hot path.
    pub fn handle_frame(&mut self, frame: &OpusFrame, now: Instant, out: &mut Vec<Transmit>) {
        let Some(indices) = self.indices_by_source.get(&frame.source) else { return };
        let mut any_over = false;
        for index in indices {
            let peer = &mut self.peers[*index];
            peer.handle_frame(frame, now, out);
            any_over |= !peer.is_alive();
            self.earliest = earlier(self.earliest, peer.deadline());
        }
        if any_over {
            self.reap();
        }
    }

    /// Handles one datagram from the media socket. What nobody knows is dropped and counted.
    pub fn handle_datagram(&mut self, datagram: &Incoming<'_>, now: Instant, out: &mut Vec<Transmit>) {
        let Some((index, peer)) =
            self.index_of(datagram).and_then(|index| Some((index, self.peers.get_mut(index)?)))
        else {
            self.drop_datagram(datagram);
            return;
        };
        match peer.handle_datagram(datagram, now, out) {
            Verdict::Handled { new_address } => {
                self.earliest = earlier(self.earliest, peer.deadline());
                if !peer.is_alive() {
                    self.reap();
                } else if new_address {
                    self.index_by_address.insert(datagram.from, index);
                }
            }
            Verdict::Dropped => self.drop_datagram(datagram),
        }
    }

    /// Lets time pass for every peer that is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Transmit>) {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return;
        }
        self.earliest = None;
        for (_, peer) in &mut self.peers {
            if peer.deadline() <= now {
                peer.handle_timeout(now, out);
            }
            self.earliest = earlier(self.earliest, peer.deadline());
        }
        self.reap();
    }

    /// When [`Fanout::handle_timeout`] is due at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.earliest
    }

    /// The next event, if any. Take all after every call.
    pub fn poll_event(&mut self) -> Option<FanoutEvent> {
        self.events.pop_front()
    }

    /// Makes a session from a listener's offer. Returns it with the SDP answer.
    pub fn connect(&mut self, request: Connect, now: Instant) -> Result<(Session, String), ConnectError> {
        if self.peers.len() >= self.max_sessions {
            return Err(ConnectError::Full(self.max_sessions));
        }
        let offer = Offer::parse(&request.offer)?;
        let id = SessionId::new(self.rng.random());
        let identity = Identity {
            session: id,
            source: request.source.clone(),
            local: self.draw_credentials(self.peers.vacant_key()),
            timestamp_base: self.rng.random(),
        };
        let (peer, answer) = Peer::accept(&self.engine, identity, offer, request.candidates, now)?;
        self.earliest = earlier(self.earliest, peer.deadline());
        let index = self.peers.insert(peer);
        self.index_by_session.insert(id, index);
        let audience = self.indices_by_source.entry(request.source.clone()).or_default();
        audience.push(index);
        let listeners = audience.len() as u32;
        self.events.push_back(FanoutEvent::Audience { source: request.source, listeners });
        Ok((session(&mut self.peers[index]), answer))
    }

    /// Restarts a session's ICE. Returns the session and the SDP fragment that answers; none if there is no such session.
    pub fn restart(
        &mut self,
        id: SessionId,
        remote: Credentials,
        now: Instant,
        out: &mut Vec<Transmit>,
    ) -> Option<Result<(Session, String), OfferError>> {
        let index = *self.index_by_session.get(&id)?;
        let local = self.draw_credentials(index);
        let peer = self.peers.get_mut(index)?;
        let restarted = peer.restart(remote, local, now, out);
        self.earliest = earlier(self.earliest, peer.deadline());
        Some(restarted.map(|fragment| (session(peer), fragment)))
    }

    /// The session of that name.
    pub fn session(&mut self, id: SessionId) -> Option<Session> {
        let index = *self.index_by_session.get(&id)?;
        self.peers.get_mut(index).map(session)
    }

    /// Ends a session. False if there is none of that name.
    pub fn disconnect(&mut self, id: SessionId, now: Instant, out: &mut Vec<Transmit>) -> bool {
        let Some(index) = self.index_by_session.get(&id).copied() else { return false };
        if let Some(peer) = self.peers.get_mut(index) {
            peer.close(now, out);
        }
        self.remove(index);
        true
    }

    /// Ends all sessions of a source.
    pub fn end_source(&mut self, source: &SourceId, now: Instant, out: &mut Vec<Transmit>) {
        for index in self.indices_by_source.get(source).cloned().unwrap_or_default() {
            if let Some(peer) = self.peers.get_mut(index) {
                peer.close(now, out);
            }
            self.remove(index);
        }
    }

    /// Sessions there are.
    pub fn sessions(&self) -> usize {
        self.peers.len()
    }

    /// What was dropped so far.
    pub fn counters(&self) -> FanoutCounters {
        self.counters
    }

    /// Whose datagram it is: a STUN check names its peer, everything else is known by its address.
    fn index_of(&self, datagram: &Incoming<'_>) -> Option<usize> {
        match Check::parse(datagram.bytes) {
            Some(check) => ufrag::index(check.ufrag),
            None => self.index_by_address.get(&datagram.from).copied(),
        }
    }

    fn drop_datagram(&mut self, datagram: &Incoming<'_>) {
        self.counters.dropped += 1;
        trace!(from = %datagram.from.0, length = datagram.bytes.len(), "Datagram dropped");
    }

    fn draw_credentials(&mut self, index: usize) -> IceCreds {
        IceCreds { ufrag: ufrag::draw(index, &mut self.rng), pass: ufrag::draw_password(&mut self.rng) }
    }

    /// Forgets every peer whose connection is over.
    fn reap(&mut self) {
        let over: Vec<usize> =
            self.peers.iter().filter(|(_, peer)| !peer.is_alive()).map(|(index, _)| index).collect();
        for index in over {
            self.remove(index);
        }
    }

    fn remove(&mut self, index: usize) {
        let Some(peer) = self.peers.try_remove(index) else { return };
        self.index_by_session.remove(&peer.session());
        for address in peer.addresses() {
            if self.index_by_address.get(&address) == Some(&index) {
                self.index_by_address.remove(&address);
            }
        }
        if let Some(audience) = self.indices_by_source.get_mut(peer.source()) {
            audience.retain(|other| *other != index);
            let listeners = audience.len() as u32;
            if listeners == 0 {
                self.indices_by_source.remove(peer.source());
            }
            self.events.push_back(FanoutEvent::Audience { source: peer.source().clone(), listeners });
        }
        if self.peers.is_empty() {
            self.earliest = None;
        }
    }
}

fn session(peer: &mut Peer) -> Session {
    Session {
        id: peer.session(),
        source: peer.source().clone(),
        ice_tag: peer.ufrag(),
        remote: peer.remote_credentials().clone(),
    }
}

fn earlier(one: Option<Instant>, other: Instant) -> Option<Instant> {
    Some(one.map_or(other, |one| one.min(other)))
}
