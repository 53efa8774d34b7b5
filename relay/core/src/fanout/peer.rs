//! A listener or a talker: what it is here for, and the way that its packets take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;

use super::connection::{Connection, Verdict};
use super::offer::{Credentials, OfferError};
use super::role::{Listening, Role, Talking};
use super::{IceSession, Incoming, Output, PeerAddr, Playback, Session, SessionFacts, StreamMessage, Way};
use crate::frame::{OpusFrame, Recipients, SourceId};
use crate::session::SessionId;

/// A peer from which nothing has come for this long is gone. Browsers check consent every 2.5 to 5 s (RFC 7675).
pub(super) const SILENCE: Duration = Duration::from_secs(20);

/// A listener or a talker.
pub(super) struct Peer {
    identity: Identity,
    link: Link,
    last_heard: Instant,
    /// How long it may take to connect.
    patience: Duration,
    began: Instant,
    /// What its page says that the browser does with the sound.
    playback: Option<Playback>,
}

/// Who a peer is.
pub(super) struct Identity {
    pub(super) session: SessionId,
    /// A running number, for those who must not know its name.
    pub(super) number: u32,
    pub(super) source: SourceId,
    /// What it is here for.
    pub(super) role: Role,
}

/// The way that packets take.
enum Link {
    WebRtc(Box<Connection>),
    /// A byte stream of the driver's.
    Stream,
}

impl Peer {
    /// A peer that has made an offer, which `connection` answers.
    pub(super) fn connecting(
        identity: Identity,
        connection: Connection,
        patience: Duration,
        now: Instant,
    ) -> Self {
        let link = Link::WebRtc(Box::new(connection));
        Self { identity, link, last_heard: now, patience, began: now, playback: None }
    }

    /// A peer whose stream is open.
    pub(super) fn streaming(identity: Identity, now: Instant) -> Self {
        let link = Link::Stream;
        Self { identity, link, last_heard: now, patience: SILENCE, began: now, playback: None }
    }

    /// Restarts ICE (RFC 8445, section 9); none for a stream, which has none.
    pub(super) fn restart(
        &mut self,
        remote: Credentials,
        local: str0m::IceCreds,
        now: Instant,
        out: &mut Output,
    ) -> Option<Result<String, OfferError>> {
        let Link::WebRtc(connection) = &mut self.link else { return None };
        let restarted = connection.restart(remote, local, &self.identity.role, now, out);
        if restarted.is_ok() {
            self.last_heard = now;
        }
        Some(restarted)
    }

    /// Handles one datagram that came for this peer.
    pub(super) fn handle_datagram(
        &mut self,
        datagram: &Incoming<'_>,
        now: Instant,
        out: &mut Output,
    ) -> Verdict {
        let Link::WebRtc(connection) = &mut self.link else { return Verdict::Dropped };
        let verdict = connection.handle_datagram(datagram, &mut self.identity.role, now, out);
        if verdict != Verdict::Dropped {
            self.last_heard = now;
        }
        verdict
    }

    /// Takes a packet of a talker's stream.
    pub(super) fn handle_speech(&mut self, timestamp: u32, data: Arc<[u8]>, now: Instant, out: &mut Output) {
        self.last_heard = now;
        if let (Link::Stream, Role::Talker(talking)) = (&self.link, &mut self.identity.role) {
            out.microphones.push(talking.streamed(timestamp, data, now));
        }
    }

    /// The other end of its stream has said that it lives.
    pub(super) fn handle_sign_of_life(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// Sends one frame, if the connection is up.
    pub(super) fn handle_frame(&mut self, frame: &OpusFrame, now: Instant, out: &mut Output) {
        if !self.is_connected() {
            return;
        }
        let Role::Listener(listening) = &mut self.identity.role else { return };
        let (time, after_pause) = listening.stamp(frame, now);
        match &mut self.link {
            Link::WebRtc(connection) => {
                connection.send(time, after_pause, frame.data.clone(), &self.identity.role, now, out);
            }
            Link::Stream => {
                let (session, timestamp) = (self.identity.session, time as u32);
                out.messages.push(StreamMessage { session, timestamp, data: frame.data.clone() });
            }
        }
    }

    /// Moves the connection's clock. Call when [`Peer::deadline`] has come.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Output) {
        let Link::WebRtc(connection) = &mut self.link else { return };
        if now >= self.last_heard + self.patience {
            debug!(session = %self.identity.session, "Session fell silent");
            connection.disconnect();
        }
        connection.advance(&self.identity.role, now, out);
        if connection.is_connected() {
            self.patience = SILENCE;
        }
    }

    /// Says goodbye, where the way has words for it.
    pub(super) fn close(&mut self, now: Instant, out: &mut Output) {
        if let Link::WebRtc(connection) = &mut self.link {
            connection.close(&self.identity.role, now, out);
        }
    }

    /// When [`Peer::handle_timeout`] is due.
    pub(super) fn deadline(&self) -> Instant {
        let silent = self.last_heard + self.patience;
        match &self.link {
            Link::WebRtc(connection) => connection.deadline().min(silent),
            Link::Stream => silent,
        }
    }

    /// False once the connection is over, by whichever side.
    pub(super) fn is_alive(&self, now: Instant) -> bool {
        match &self.link {
            Link::WebRtc(connection) => connection.is_alive(),
            Link::Stream => now < self.last_heard + self.patience,
        }
    }

    /// Whether the connection is up.
    pub(super) fn is_connected(&self) -> bool {
        match &self.link {
            Link::WebRtc(connection) => connection.is_connected(),
            Link::Stream => true,
        }
    }

    /// Whether its way is a stream.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.link, Link::Stream)
    }

    /// Whether a frame for these is for this peer too.
    pub(super) fn is_meant(&self, to: Recipients) -> bool {
        match (to, &self.identity.role) {
            (Recipients::All, Role::Listener(_)) => true,
            (Recipients::Others, Role::Listener(listening)) => !listening.has_own_mix,
            (Recipients::Session(session), Role::Listener(_)) => session == self.identity.session,
            (_, Role::Talker(_)) => false,
        }
    }

    /// What it is here for as a talker.
    pub(super) fn talking(&self) -> Option<&Talking> {
        match &self.identity.role {
            Role::Talker(talking) => Some(talking),
            Role::Listener(_) => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn talking_mut(&mut self) -> Option<&mut Talking> {
        match &mut self.identity.role {
            Role::Talker(talking) => Some(talking),
            Role::Listener(_) => None,
        }
    }

    /// How long it may take to connect, and be silent.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// When something came from it last; at first, when it was let in.
    pub(super) fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// What it is here for as a listener.
    pub(super) fn listening(&mut self) -> Option<&mut Listening> {
        match &mut self.identity.role {
            Role::Listener(listening) => Some(listening),
            Role::Talker(_) => None,
        }
    }

    /// The source that is listened to, or spoken into.
    pub(super) fn source(&self) -> &SourceId {
        &self.identity.source
    }

    /// The session's name.
    pub(super) fn session(&self) -> SessionId {
        self.identity.session
    }

    /// The session as the other side needs to know it.
    pub(super) fn describe(&mut self) -> Session {
        let ice = match &mut self.link {
            Link::WebRtc(connection) => {
                Some(IceSession { tag: connection.ufrag(), remote: connection.remote_credentials().clone() })
            }
            Link::Stream => None,
        };
        Session {
            id: self.identity.session,
            source: self.identity.source.clone(),
            talker: self.talking().map(|talking| talking.id),
            ice,
        }
    }

    /// Takes note of what its page says. False for a talker, who hears nothing by this session.
    pub(super) fn note_playback(&mut self, playback: Playback) -> bool {
        let listens = self.talking().is_none();
        if listens {
            self.playback = Some(playback);
        }
        listens
    }

    /// All that is known of its way.
    pub(super) fn facts(&self, now: Instant) -> SessionFacts {
        let ago = |at: Instant| now.saturating_duration_since(at);
        let (way, report) = match &self.link {
            Link::Stream => (Way::Stream, None),
            Link::WebRtc(connection) => {
                let (remote, report) = connection.way();
                let way =
                    remote.map_or(Way::None, |from| Way::WebRtc { from, connected: self.is_connected() });
                (way, report)
            }
        };
        SessionFacts {
            id: self.identity.session,
            number: self.identity.number,
            source: self.identity.source.clone(),
            talks: self.talking().is_some(),
            age: ago(self.began),
            heard: ago(self.last_heard),
            patience: self.patience,
            way,
            report,
            playback: self.playback,
        }
    }

    /// The addresses that this peer's packets come from.
    pub(super) fn addresses(&self) -> impl Iterator<Item = PeerAddr> {
        let connection = match &self.link {
            Link::WebRtc(connection) => Some(connection),
            Link::Stream => None,
        };
        connection.into_iter().flat_map(|connection| connection.addresses())
    }
}
