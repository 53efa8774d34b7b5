//! Relay to browsers and back: Opus frames go to every listener of their source, as SRTP, and what talkers' microphones
//! send comes out as [`MicFrame`](crate::MicFrame)s.
//!
//! [`Fanout`] owns all peers of one thread. Its hot path is [`Fanout::handle_frame`]: one frame in, one datagram
//! a listener out, with neither a task, a lock nor a look-up on the way.

mod answer;
mod company;
mod connect;
mod connection;
mod datagram;
mod dtls;
mod facts;
mod offer;
mod peer;
mod role;
mod stun;
mod ufrag;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use slab::Slab;
use str0m::IceCreds;
use tracing::trace;

pub use self::connect::{Connect, ConnectError, IceSession, MAX_PATIENCE, Purpose, Session};
pub use self::datagram::{Candidates, Incoming, LocalAddr, Output, PeerAddr, StreamMessage, Transmit};
pub use self::facts::{Audience, MAX_FACTS, Playback, Report, SessionFacts, Way};
pub use self::offer::{Credentials, OfferError};

use self::connect::MAX_WAITING;
use self::connection::{Connection, Engine, Reports, Verdict};
use self::offer::{Flow, Offer};
use self::peer::{Identity, Peer, SILENCE};
use self::stun::Check;
use crate::frame::{OpusFrame, SourceId};
use crate::mic::TalkerId;
use crate::session::SessionId;

/// Among so many sessions each one's reports are kept, for the doctor.
const REPORTING: usize = 256;

/// What the fan-out tells its driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FanoutEvent {
    /// So many sessions listen to `source`; those that try to connect count as one where nobody is connected.
    Audience {
        /// The source.
        source: SourceId,
        /// The sessions that listen to it.
        listeners: u32,
    },
    /// A talker is connected, and may begin to send.
    Joined {
        /// Its number.
        talker: TalkerId,
        /// What it speaks into.
        source: SourceId,
        /// Its own session as a listener of the same source.
        listener: Option<SessionId>,
    },
    /// A talker no longer listens by the session that it named.
    Deafened {
        /// Its number.
        talker: TalkerId,
    },
    /// A talker is gone.
    Left {
        /// Its number.
        talker: TalkerId,
    },
    /// A stream's session is over: its connection is to be closed.
    StreamEnded {
        /// The session.
        session: SessionId,
    },
}

/// What was dropped, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FanoutCounters {
    /// Datagrams from strangers, malformed, or with a wrong password.
    pub dropped: u64,
}

/// All listeners and talkers of one thread.
///
/// Drive it so: hand in datagrams, frames and requests with the time; send what they put into `out`; take the events;
/// call [`Fanout::handle_timeout`] when [`Fanout::poll_timeout`] has come.
pub struct Fanout {
    engine: Engine,
    peers: Slab<Peer>,
    index_by_session: HashMap<SessionId, usize>,
    index_by_address: HashMap<PeerAddr, usize>,
    /// Listeners alone.
    indices_by_source: HashMap<SourceId, Vec<usize>>,
    /// The number of the latest talker.
    last_talker: u32,
    /// The number of the latest session.
    last_number: u32,
    /// No peer is due before.
    earliest: Option<Instant>,
    events: VecDeque<FanoutEvent>,
    counters: FanoutCounters,
    max_sessions: usize,
    rng: StdRng,
}

impl Fanout {
    /// A fan-out without sessions. `seed` must be random: session names and passwords are drawn from it.
    /// None if the crypto provider cannot mint a certificate.
    pub fn new(max_sessions: usize, seed: [u8; 32]) -> Option<Self> {
        Some(Self {
            engine: Engine::new()?,
            peers: Slab::new(),
            index_by_session: HashMap::new(),
            index_by_address: HashMap::new(),
            indices_by_source: HashMap::new(),
            last_talker: 0,
            last_number: 0,
            earliest: None,
            events: VecDeque::new(),
            counters: FanoutCounters::default(),
            max_sessions,
            rng: StdRng::from_seed(seed),
        })
    }

    /// Sends `frame` to each listener of its source that it is for. The hot path.
    pub fn handle_frame(&mut self, frame: &OpusFrame, now: Instant, out: &mut Output) {
        let Some(indices) = self.indices_by_source.get(&frame.source) else { return };
        let mut any_over = false;
        for index in indices {
            let peer = &mut self.peers[*index];
            if !peer.is_meant(frame.to) {
                continue;
            }
            peer.handle_frame(frame, now, out);
            any_over |= !peer.is_alive(now);
            self.earliest = earlier(self.earliest, peer.deadline());
        }
        if any_over {
            self.reap(now);
        }
    }

    /// Handles one datagram from the media socket. What nobody knows is dropped and counted.
    pub fn handle_datagram(&mut self, datagram: &Incoming<'_>, now: Instant, out: &mut Output) {
        let Some((index, peer)) =
            self.index_of(datagram).and_then(|index| Some((index, self.peers.get_mut(index)?)))
        else {
            self.drop_datagram(datagram);
            return;
        };
        let was_connected = peer.is_connected();
        match peer.handle_datagram(datagram, now, out) {
            Verdict::Handled { new_address, forgotten } => {
                self.earliest = earlier(self.earliest, peer.deadline());
                let has_connected = peer.is_connected() && !was_connected;
                if !peer.is_alive(now) {
                    self.reap(now);
                } else if new_address {
                    self.index_by_address.insert(datagram.from, index);
                }
                if let Some(forgotten) = forgotten
                    && self.index_by_address.get(&forgotten) == Some(&index)
                {
                    self.index_by_address.remove(&forgotten);
                }
                if has_connected {
                    self.join(index);
                }
            }
            Verdict::Dropped => self.drop_datagram(datagram),
        }
    }

    /// Lets time pass for every peer that is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Output) {
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
        self.reap(now);
    }

    /// When [`Fanout::handle_timeout`] is due at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.earliest
    }

    /// The next event, if any. Take all after every call.
    pub fn poll_event(&mut self) -> Option<FanoutEvent> {
        self.events.pop_front()
    }

    /// Makes a session from an offer. Returns it with the SDP answer.
    pub fn connect(&mut self, request: Connect, now: Instant) -> Result<(Session, String), ConnectError> {
        self.require_room()?;
        self.require_patience(request.patience)?;
        let flow = match request.purpose {
            Purpose::Listen => Flow::Out,
            Purpose::Talk(_) => Flow::In,
        };
        let offer = Offer::parse(&request.offer, flow)?;
        // Before an index is drawn: somebody may give way.
        let identity = self.identity(request.source, request.purpose)?;
        let local = self.draw_credentials(self.peers.vacant_key());
        let own = (identity.session, local, &identity.role);
        let reports = if self.peers.len() < REPORTING { Reports::Kept } else { Reports::Ignored };
        let (connection, answer) =
            Connection::accept(&self.engine, own, offer, request.candidates, reports, now)?;
        let peer = Peer::connecting(identity, connection, request.patience.min(MAX_PATIENCE), now);
        let index = self.admit(peer);
        Ok((self.peers[index].describe(), answer))
    }

    /// Makes a session whose packets take a stream of the driver's: a talker is connected at once.
    pub fn open_stream(
        &mut self,
        source: SourceId,
        purpose: Purpose,
        now: Instant,
    ) -> Result<Session, ConnectError> {
        self.require_room()?;
        let identity = self.identity(source, purpose)?;
        let index = self.admit(Peer::streaming(identity, now));
        if self.peers[index].talking().is_some() {
            self.join(index);
        }
        Ok(self.peers[index].describe())
    }

    /// Takes an Opus packet that came by a talker's stream, with its timestamp at 48 kHz.
    pub fn handle_speech(
        &mut self,
        id: SessionId,
        timestamp: u32,
        data: Arc<[u8]>,
        now: Instant,
        out: &mut Output,
    ) {
        if let Some(peer) = self.peer(id) {
            peer.handle_speech(timestamp, data, now, out);
        }
    }

    /// The other end of a stream has said that it lives; it is to say so every few seconds.
    pub fn handle_sign_of_life(&mut self, id: SessionId, now: Instant) {
        if let Some(peer) = self.peer(id).filter(|peer| peer.is_stream()) {
            peer.handle_sign_of_life(now);
        }
    }

    /// Whether packets from there belong to a session.
    pub fn knows(&self, address: PeerAddr) -> bool {
        self.index_by_address.contains_key(&address)
    }

    /// Restarts a session's ICE. Returns the session and the SDP fragment that answers; none if there is no such session.
    pub fn restart(
        &mut self,
        id: SessionId,
        remote: Credentials,
        now: Instant,
        out: &mut Output,
    ) -> Option<Result<(Session, String), OfferError>> {
        let index = *self.index_by_session.get(&id)?;
        let local = self.draw_credentials(index);
        let peer = self.peers.get_mut(index)?;
        let restarted = peer.restart(remote, local, now, out)?;
        self.earliest = earlier(self.earliest, peer.deadline());
        Some(restarted.map(|fragment| (peer.describe(), fragment)))
    }

    /// The session of that name.
    pub fn session(&mut self, id: SessionId) -> Option<Session> {
        self.peer(id).map(Peer::describe)
    }

    /// Ends a session. False if there is none of that name.
    pub fn disconnect(&mut self, id: SessionId, now: Instant, out: &mut Output) -> bool {
        let Some(index) = self.index_by_session.get(&id).copied() else { return false };
        if let Some(peer) = self.peers.get_mut(index) {
            peer.close(now, out);
        }
        self.remove(index);
        true
    }

    /// Ends all sessions of a source.
    pub fn end_source(&mut self, source: &SourceId, now: Instant, out: &mut Output) {
        self.end_talkers(source, now, out);
        for index in self.indices_by_source.get(source).cloned().unwrap_or_default() {
            if let Some(peer) = self.peers.get_mut(index) {
                peer.close(now, out);
            }
            self.remove(index);
        }
    }

    /// Ends the sessions of all who speak into a source.
    pub fn end_talkers(&mut self, source: &SourceId, now: Instant, out: &mut Output) {
        let of_source = |peer: &Peer| peer.talking().is_some() && peer.source() == source;
        let over: Vec<usize> =
            self.peers.iter().filter(|(_, peer)| of_source(peer)).map(|(index, _)| index).collect();
        for index in over {
            self.peers[index].close(now, out);
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
        trace!(from = %datagram.from, length = datagram.bytes.len(), "Datagram dropped");
    }

    fn peer(&mut self, id: SessionId) -> Option<&mut Peer> {
        self.index_by_session.get(&id).and_then(|index| self.peers.get_mut(*index))
    }

    fn require_room(&self) -> Result<(), ConnectError> {
        if self.peers.len() < self.max_sessions { Ok(()) } else { Err(ConnectError::Full(self.max_sessions)) }
    }

    /// A few may take their time; else whoever asks for nothing but patience fills the relay.
    fn require_patience(&self, patience: Duration) -> Result<(), ConnectError> {
        let waits = |peer: &Peer| !peer.is_connected() && peer.patience() > SILENCE;
        let is_full = || self.peers.iter().filter(|(_, peer)| waits(peer)).count() >= MAX_WAITING;
        if patience > SILENCE && is_full() { Err(ConnectError::TooManyWait) } else { Ok(()) }
    }

    fn identity(&mut self, source: SourceId, purpose: Purpose) -> Result<Identity, ConnectError> {
        let role = self.role(&source, purpose)?;
        self.last_number = self.last_number.wrapping_add(1);
        let (session, number) = (SessionId::new(self.rng.random()), self.last_number);
        Ok(Identity { session, number, source, role })
    }

    fn admit(&mut self, peer: Peer) -> usize {
        self.earliest = earlier(self.earliest, peer.deadline());
        let (session, source, listens) = (peer.session(), peer.source().clone(), peer.talking().is_none());
        let index = self.peers.insert(peer);
        self.index_by_session.insert(session, index);
        if listens {
            self.enter_audience(source, index);
        }
        index
    }

    fn draw_credentials(&mut self, index: usize) -> IceCreds {
        IceCreds { ufrag: ufrag::draw(index, &mut self.rng), pass: ufrag::draw_password(&mut self.rng) }
    }

    /// Forgets every peer whose connection is over.
    fn reap(&mut self, now: Instant) {
        let over: Vec<usize> =
            self.peers.iter().filter(|(_, peer)| !peer.is_alive(now)).map(|(index, _)| index).collect();
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
        if peer.is_stream() {
            self.events.push_back(FanoutEvent::StreamEnded { session: peer.session() });
        }
        match peer.talking() {
            None => {
                self.leave_audience(peer.source(), index);
                self.deafen(peer.session());
            }
            Some(talking) if peer.is_connected() => {
                self.events.push_back(FanoutEvent::Left { talker: talking.id });
                self.take_own_mix(talking.listener);
            }
            Some(_) => {}
        }
        if self.peers.is_empty() {
            self.earliest = None;
        }
    }
}

fn earlier(one: Option<Instant>, other: Instant) -> Option<Instant> {
    Some(one.map_or(other, |one| one.min(other)))
}
