//! Who listens to a source and who speaks into it, and what they have to do with each other.

use rand::RngExt;

use super::connect::MAX_TALKERS;
use super::peer::Peer;
use super::role::{Listening, Role, Talking};
use super::{ConnectError, Fanout, FanoutEvent, Purpose};
use crate::frame::SourceId;
use crate::mic::TalkerId;
use crate::session::SessionId;

impl Fanout {
    pub(super) fn role(&mut self, source: &SourceId, purpose: Purpose) -> Result<Role, ConnectError> {
        let Purpose::Talk(listener) = purpose else {
            return Ok(Role::Listener(Listening::new(self.rng.random())));
        };
        if let Some(listener) = listener {
            let peer = self.index_by_session.get(&listener).and_then(|index| self.peers.get(*index));
            if peer.is_none_or(|peer| peer.talking().is_some() || peer.source() != source) {
                return Err(ConnectError::NotListening(source.clone()));
            }
        }
        self.make_room_for_talker(source)?;
        self.last_talker = self.last_talker.wrapping_add(1);
        Ok(Role::Talker(Talking::new(TalkerId(self.last_talker), listener)))
    }

    /// Who was let in and never came gives way to others.
    fn make_room_for_talker(&mut self, source: &SourceId) -> Result<(), ConnectError> {
        let of_source = |peer: &Peer| peer.talking().is_some() && peer.source() == source;
        let talkers = || self.peers.iter().filter(|(_, peer)| of_source(peer));
        if talkers().count() < MAX_TALKERS {
            return Ok(());
        }
        let pending = talkers().filter(|(_, peer)| !peer.is_connected());
        let oldest = pending.min_by_key(|(_, peer)| peer.last_heard()).map(|(index, _)| index);
        let oldest = oldest.ok_or_else(|| ConnectError::TalkersFull(source.clone()))?;
        self.remove(oldest);
        Ok(())
    }

    pub(super) fn enter_audience(&mut self, source: SourceId, index: usize) {
        self.indices_by_source.entry(source.clone()).or_default().push(index);
        self.tell_audience(source);
    }

    pub(super) fn leave_audience(&mut self, source: &SourceId, index: usize) {
        let Some(audience) = self.indices_by_source.get_mut(source) else { return };
        audience.retain(|other| *other != index);
        if audience.is_empty() {
            self.indices_by_source.remove(source);
        }
        self.tell_audience(source.clone());
    }

    /// Says how many listen: those who are connected, or one where somebody is about to be, so that the sound is there when they are.
    pub(super) fn tell_audience(&mut self, source: SourceId) {
        let audience = self.indices_by_source.get(&source).map_or(&[][..], Vec::as_slice);
        let is_connected = |index: &&usize| self.peers.get(**index).is_some_and(Peer::is_connected);
        let connected = audience.iter().filter(is_connected).count() as u32;
        let listeners = connected.max(u32::from(!audience.is_empty()));
        self.events.push_back(FanoutEvent::Audience { source, listeners });
    }

    /// A connection is up.
    pub(super) fn join(&mut self, index: usize) {
        let Some(peer) = self.peers.get(index) else { return };
        let Some(&Talking { id, listener, .. }) = peer.talking() else {
            return self.tell_audience(peer.source().clone());
        };
        self.events.push_back(FanoutEvent::Joined { talker: id, source: peer.source().clone(), listener });
        self.set_own_mix(listener, true);
    }

    /// A session no longer listens: those who named it as their own talk on without.
    pub(super) fn deafen(&mut self, listener: SessionId) {
        for (_, peer) in &mut self.peers {
            let is_connected = peer.is_connected();
            let Some(talking) = peer.talking_mut().filter(|talking| talking.listener == Some(listener))
            else {
                continue;
            };
            talking.listener = None;
            if is_connected {
                self.events.push_back(FanoutEvent::Deafened { talker: talking.id });
            }
        }
    }

    /// A listener hears what all hear, unless it still talks by another session.
    pub(super) fn take_own_mix(&mut self, listener: Option<SessionId>) {
        let names =
            |peer: &Peer| peer.is_connected() && peer.talking().is_some_and(|t| t.listener == listener);
        if listener.is_some() && !self.peers.iter().any(|(_, peer)| names(peer)) {
            self.set_own_mix(listener, false);
        }
    }

    /// A listener that talks hears what is mixed for it alone.
    fn set_own_mix(&mut self, listener: Option<SessionId>, has_own_mix: bool) {
        let index = listener.and_then(|listener| self.index_by_session.get(&listener));
        let peer = index.and_then(|index| self.peers.get_mut(*index));
        if let Some(listening) = peer.and_then(Peer::listening) {
            listening.has_own_mix = has_own_mix;
        }
    }
}
