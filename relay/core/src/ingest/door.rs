//! Who was turned away, so that somebody can be told why nothing is heard.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::RtpPort;

/// As many senders are remembered. Those that were not heard of for the longest give way.
const MAX_REMEMBERED: usize = 16;

/// What was turned away longer ago is no longer told.
const TOLD_FOR: Duration = Duration::from_secs(30);

/// Why a datagram was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAwayFor {
    /// It is no RTP, or RTP without anything in it.
    NotRtp,
    /// It is larger than any sender's.
    TooLarge,
    /// Its payload type stands for no sound that is read (RFC 3551, section 6).
    PayloadType(u8),
    /// Its sender began with another payload type, and still sends that.
    SecondPayloadType(u8),
    /// It comes to a port that is another source's own.
    Unawaited,
    /// It comes from outside private networks.
    Stranger,
}

/// A sender whose datagrams are turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnedAway {
    /// Who sends.
    pub from: SocketAddr,
    /// The relay's port that it sends to.
    pub to: RtpPort,
    /// Why.
    pub why: TurnedAwayFor,
    /// How many datagrams, since it was remembered.
    pub count: u64,
    /// How long ago the latest came.
    pub age: Duration,
}

/// Remembers who was turned away lately.
#[derive(Debug, Default)]
pub(super) struct Door {
    remembered: Vec<(TurnedAway, Instant)>,
}

impl Door {
    pub(super) fn turn_away(&mut self, from: SocketAddr, to: RtpPort, why: TurnedAwayFor, now: Instant) {
        let known = self.remembered.iter_mut().find(|(known, _)| (known.from, known.to) == (from, to));
        if let Some((known, latest)) = known {
            (known.why, known.count, *latest) = (why, known.count + 1, now);
            return;
        }
        if self.remembered.len() == MAX_REMEMBERED
            && let Some(oldest) = (0..MAX_REMEMBERED).min_by_key(|index| self.remembered[*index].1)
        {
            self.remembered.swap_remove(oldest);
        }
        self.remembered.push((TurnedAway { from, to, why, count: 1, age: Duration::ZERO }, now));
    }

    /// Those that were turned away lately, the latest first.
    pub(super) fn lately(&self, now: Instant) -> Vec<TurnedAway> {
        let aged = |(known, latest): &(TurnedAway, Instant)| TurnedAway {
            age: now.saturating_duration_since(*latest),
            ..*known
        };
        let mut lately: Vec<_> = self.remembered.iter().map(aged).collect();
        lately.retain(|known| known.age < TOLD_FOR);
        lately.sort_by_key(|known| known.age);
        lately
    }
}
