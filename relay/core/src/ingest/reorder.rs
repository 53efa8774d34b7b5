use std::time::{Duration, Instant};

use crate::rtp::Packet;

/// How long a packet may wait for one that is missing before it.
const PATIENCE: Duration = Duration::from_millis(15);

/// How many packets may wait; one more, and what is missing is given up.
const MAX_HELD: usize = 8;

/// A step forward by more than this is a sender that began anew, not loss.
const MAX_DROPOUT: u16 = 100;

/// A step back by more than this is a sender that began anew, not reordering (RFC 3550, appendix A.1).
const MAX_MISORDER: u16 = 100;

/// A packet kept until its turn.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) payload: Vec<u8>,
    pub(crate) arrived: Instant,
}

impl Held {
    pub(crate) fn new(packet: &Packet<'_>, arrived: Instant) -> Self {
        let (sequence, timestamp) = (packet.sequence, packet.timestamp);
        Self { sequence, timestamp, payload: packet.payload.to_vec(), arrived }
    }
}

/// Where an arriving packet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The next one: its sound goes on at once.
    Next,
    /// One or more are missing before it.
    Ahead,
    /// Its turn has passed.
    Late,
    /// It was here before.
    Duplicate,
    /// Too far from the others to belong to them.
    Far,
}

/// Puts packets into the order of their sequence numbers. Nothing waits while nothing is missing.
#[derive(Debug)]
pub(crate) struct Reorder {
    next: u16,
    /// Which of the 64 packets before `next` have come; the lowest bit is the latest.
    past: u64,
    /// By distance from `next`, nearest first.
    held: Vec<Held>,
}

impl Reorder {
    /// Begins with `next`.
    pub(crate) fn new(next: u16) -> Self {
        Self { next, past: 0, held: Vec::new() }
    }

    /// Forgets what went before and begins with `next`. Packets that wait are dropped.
    pub(crate) fn restart(&mut self, next: u16) {
        self.next = next;
        self.past = 0;
        self.held.clear();
    }

    /// The sequence number that is awaited.
    pub(crate) fn next(&self) -> u16 {
        self.next
    }

    /// Says where a packet stands, without taking it.
    pub(crate) fn place(&self, sequence: u16) -> Place {
        let ahead = sequence.wrapping_sub(self.next);
        let behind = self.next.wrapping_sub(sequence);
        if ahead == 0 {
            Place::Next
        } else if ahead <= MAX_DROPOUT {
            let known = self.held.iter().any(|held| held.sequence == sequence);
            if known { Place::Duplicate } else { Place::Ahead }
        } else if behind <= MAX_MISORDER {
            let known = behind <= 64 && self.past >> (behind - 1) & 1 == 1;
            if known { Place::Duplicate } else { Place::Late }
        } else {
            Place::Far
        }
    }

    /// The awaited packet has been taken.
    pub(crate) fn advance(&mut self) {
        self.next = self.next.wrapping_add(1);
        self.past = self.past << 1 | 1;
    }

    /// Remembers a late packet, so that its double is known as one.
    pub(crate) fn note_late(&mut self, sequence: u16) {
        let behind = self.next.wrapping_sub(sequence);
        if (1..=64).contains(&behind) {
            self.past |= 1 << (behind - 1);
        }
    }

    /// Keeps a packet that stands [`Place::Ahead`].
    pub(crate) fn hold(&mut self, packet: Held) {
        let distance = packet.sequence.wrapping_sub(self.next);
        let at = self.held.partition_point(|held| held.sequence.wrapping_sub(self.next) < distance);
        self.held.insert(at, packet);
    }

    /// Whether so many wait that the missing ones must be given up.
    pub(crate) fn is_full(&self) -> bool {
        self.held.len() > MAX_HELD
    }

    /// Takes the awaited packet from those that wait.
    pub(crate) fn pop(&mut self) -> Option<Held> {
        if self.held.first()?.sequence != self.next {
            return None;
        }
        self.advance();
        Some(self.held.remove(0))
    }

    /// Gives up what is missing before the first that waits, and says how many that were.
    pub(crate) fn give_up(&mut self) -> u16 {
        let Some(first) = self.held.first() else {
            return 0;
        };
        let lost = first.sequence.wrapping_sub(self.next);
        self.next = first.sequence;
        self.past = self.past.checked_shl(u32::from(lost)).unwrap_or(0);
        lost
    }

    /// When the packets that wait have waited long enough.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.arrived + PATIENCE).min()
    }
}
