//! Which source a stream of packets belongs to.

use std::time::Instant;

use super::probation::{Candidate, StreamKey};
use super::sound::Outlet;
use super::source::{Claim, Origin, Source};
use super::{Ingest, TAKEN_OVER_AFTER, TurnedAwayFor, naming};
use crate::rtp::Packet;

impl Ingest {
    /// Takes a packet of a stream that belongs to no source yet.
    pub(super) fn examine(&mut self, key: StreamKey, packet: &Packet<'_>, now: Instant) {
        let owner = self.best_claim(key).map(|(_, source)| source);
        let expected = owner.and_then(|source| source.expected(packet.payload_type));
        if expected.is_none() && owner.is_some_and(Source::is_unreadable) {
            self.counters.unknown_payload_type += 1;
            return;
        }
        if expected.is_none() && super::format::PayloadKind::of_type(packet.payload_type).is_none() {
            self.counters.unknown_payload_type += 1;
            let why = TurnedAwayFor::PayloadType(packet.payload_type);
            self.door.turn_away(key.from, key.to, why, now);
            tracing::trace!(from = %key.from, payload_type = packet.payload_type, "payload type is no sound");
            return;
        }
        if self.sources.iter().any(|source| source.shuns(key, TAKEN_OVER_AFTER, now)) {
            self.counters.stray += 1;
            return;
        }
        let (candidate, given_up) = self.probation.examine(key, packet, expected, now);
        self.counters.stray += given_up;
        let Some(since) = candidate.map(|candidate| candidate.since) else {
            return;
        };
        let Some(index) = self.place(key, since, now) else {
            return;
        };
        let Some(mut candidate) = self.probation.graduate(key, packet.payload_type) else {
            return;
        };
        if now.saturating_duration_since(since) > TAKEN_OVER_AFTER {
            candidate.keep_latest();
        }
        self.adopt(index, candidate);
    }

    /// Who is surest to own a stream, by what is known beforehand.
    fn best_claim(&self, key: StreamKey) -> Option<(Claim, &Source)> {
        let claims = self.sources.iter().filter_map(|source| Some((source.claim(key)?, source)));
        claims.max_by_key(|(claim, _)| *claim)
    }

    /// Which source a proven stream's sound belongs to; none while that is open.
    fn place(&mut self, key: StreamKey, since: Instant, now: Instant) -> Option<usize> {
        if !self.claim_pending(key, since, now) {
            return None;
        }
        let best = self.best_claim(key).map(|(claim, _)| claim);
        if best == Some(Claim::Pinned) {
            return self.sources.iter().position(|source| source.claim(key) == best);
        }
        let unclaimed = Origin::Found(key.from.ip());
        let slug = naming::slug_of_address(key.from.ip());
        let is_kin = |source: &Source| match best {
            Some(_) => source.claim(key) == best,
            None => {
                source.is_named_alone(&slug) || (source.origin == unclaimed && source.announced.is_none())
            }
        };
        let kin = || self.sources.iter().enumerate().filter(|(_, source)| is_kin(source));
        let free = kin().filter(|(_, source)| source.silent_for(TAKEN_OVER_AFTER, now));
        if let Some((index, _)) = free.max_by_key(|(_, source)| (source.likeness(key), source.heard)) {
            return Some(index);
        }
        // A sender that is restarted may be quicker than its silence is noticed: wait until that is clear.
        let waited = now.saturating_duration_since(since) > TAKEN_OVER_AFTER;
        if kin().next().is_some() && !waited {
            return None;
        }
        if key.to != self.config.port {
            self.door.turn_away(key.from, key.to, TurnedAwayFor::Unawaited, now);
            return None;
        }
        self.place_found(key, now)
    }

    /// A place for a sender that nobody configured or announced.
    fn place_found(&mut self, key: StreamKey, now: Instant) -> Option<usize> {
        let origin = Origin::Found(key.from.ip());
        let kin = self.sources.iter().enumerate().filter(|(_, source)| source.origin == origin);
        let free =
            kin.filter(|(_, source)| source.announced.is_none() && source.silent_for(TAKEN_OVER_AFTER, now));
        let likest = free.max_by_key(|(_, source)| (source.likeness(key), source.heard));
        if let Some((index, _)) = likest {
            return Some(index);
        }
        self.make_room(now).then(|| self.found(key, now))
    }

    /// Makes a source of a sender that nobody configured or announced.
    fn found(&mut self, key: StreamKey, now: Instant) -> usize {
        let ip = key.from.ip();
        let (id, number) = self.free_id(&naming::slug_of_address(ip));
        tracing::info!(source = %id, from = %key.from, "new source");
        let title = naming::title(ip, number);
        self.add(Source::new(id, title, Origin::Found(ip), self.config.encode, now))
    }

    fn adopt(&mut self, index: usize, candidate: Candidate) {
        let mut out = Outlet { frames: &mut self.frames, counters: &mut self.counters };
        let source = &mut self.sources[index];
        tracing::info!(source = %source.id, from = %candidate.key.from, ssrc = candidate.key.ssrc, "sender");
        source.adopt(candidate, &mut out);
        self.revision += 1;
    }
}
