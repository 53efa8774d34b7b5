use std::collections::VecDeque;

use crate::mic::MicFrame;

/// Packets that may wait: more than a second of the usual ones.
const MAX_WAITING: usize = 64;

/// A packet may be so many older than the one to be played next; more is taken for a sender that began anew.
const MAX_BEHIND: u64 = 100;

/// As many ahead: 20 seconds of the usual ones may be lost.
const MAX_AHEAD: u64 = 1000;

/// A packet that waits to be played.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) frame: MicFrame,
    /// How much sound it holds, at 48 kHz.
    pub(crate) samples: usize,
    /// Its time says nothing of how much is missing before it: the sender's clock or numbers jumped.
    pub(crate) seam: bool,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queued {
    Waits,
    /// Its place had been played already, without it.
    Late,
    Duplicate,
    /// Its number is far off; if more like it come, the sender has begun anew.
    Stray,
}

/// Brings packets into the order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
    /// The number to be played next.
    next: Option<u64>,
    /// Which of the 64 numbers before that were played, the latest in the lowest bit.
    played: u64,
    stray: Option<Waiting>,
    /// Nothing is playing: who begins anew interrupts nobody.
    resting: bool,
}

impl Queue {
    /// Puts a packet where it belongs.
    pub(crate) fn insert(&mut self, packet: Waiting) -> Queued {
        let sequence = packet.frame.sequence;
        let next = *self.next.get_or_insert(sequence);
        if sequence.saturating_add(MAX_BEHIND) < next || sequence > next.saturating_add(MAX_AHEAD) {
            return self.insert_stray(packet);
        }
        self.stray = None;
        if sequence < next {
            let ago = next - sequence - 1;
            let played = ago < 64 && self.played >> ago & 1 == 1;
            return if played { Queued::Duplicate } else { Queued::Late };
        }
        let place = self.waiting.partition_point(|waiting| waiting.frame.sequence < sequence);
        if self.waiting.get(place).is_some_and(|waiting| waiting.frame.sequence == sequence) {
            return Queued::Duplicate;
        }
        if self.waiting.len() == MAX_WAITING {
            // Whoever floods loses the oldest.
            if place == 0 {
                return Queued::Late;
            }
            self.pop();
            return self.insert(packet);
        }
        self.waiting.insert(place, packet);
        Queued::Waits
    }

    /// The packet with the lowest number.
    pub(crate) fn front(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// Takes the packet with the lowest number.
    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        let packet = self.waiting.pop_front()?;
        self.resting = false;
        let sequence = packet.frame.sequence;
        let skipped = self.missing_before(sequence);
        self.played = self.played.checked_shl(u32::try_from(skipped + 1).unwrap_or(64)).unwrap_or(0) | 1;
        self.next = sequence.checked_add(1);
        Some(packet)
    }

    /// How many packets are missing between the last one taken and this number.
    pub(crate) fn missing_before(&self, sequence: u64) -> u64 {
        sequence.saturating_sub(self.next.unwrap_or(sequence))
    }

    /// Says of a waiting packet that its time means nothing beside the one before.
    pub(crate) fn mark_seam(&mut self, sequence: u64) {
        if let Some(packet) = self.waiting.iter_mut().find(|packet| packet.frame.sequence == sequence) {
            packet.seam = true;
        }
    }

    /// How many packets wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Says that nothing is playing, until the next packet is taken.
    pub(crate) fn rest(&mut self) {
        self.resting = true;
    }

    /// Two strays with consecutive numbers are a sender that began anew.
    fn insert_stray(&mut self, mut packet: Waiting) -> Queued {
        packet.seam = true;
        if self.resting && self.waiting.is_empty() {
            (self.next, self.played) = (None, 0);
            return self.insert(packet);
        }
        let follows = |stray: &Waiting| stray.frame.sequence.checked_add(1) == Some(packet.frame.sequence);
        match self.stray.take().filter(follows) {
            Some(first) => {
                self.next = Some(first.frame.sequence);
                self.played = 0;
                packet.seam = false;
                self.waiting.clear();
                self.waiting.extend([first, packet]);
                Queued::Waits
            }
            None => {
                self.stray = Some(packet);
                Queued::Stray
            }
        }
    }
}
