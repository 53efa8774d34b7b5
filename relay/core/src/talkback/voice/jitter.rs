use std::collections::VecDeque;

/// What came within so many samples of time counts once: 20 ms.
const SLOT: i64 = 960;

/// How long what came is remembered, in samples: 6 s.
const MEMORY: i64 = 6 * 48_000;

/// A transit that differs by more from the one before is another clock: 1 s.
const MAX_STEP: i64 = 48_000;

/// The delay is never meant to be longer than this beyond that of the quickest packet: 200 ms.
const MAX_SPREAD: i64 = 9_600;

/// After fewer slots than this the slowest packet is believed; after more it may have been one mishap.
const SLOTS_TO_TRUST: usize = 25;

/// Follows how late packets come.
///
/// A packet's *transit* is when it came by the relay's clock minus its time by the talker's, in samples. Only differences
/// mean anything; when the talker's clock is slower than the relay's, transits grow.
#[derive(Debug, Default)]
pub(crate) struct Jitter {
    slots: VecDeque<Slot>,
    latest: Option<i64>,
    slow: i64,
    quick: i64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    begin: i64,
    slowest: i64,
    quickest: i64,
}

impl Jitter {
    /// Learns of a packet that came at `received`. Returns whether the clocks have nothing to do with what was before.
    pub(crate) fn observe(&mut self, received: i64, time: u64) -> bool {
        let transit = received.wrapping_sub(time as i64);
        let jumped =
            self.latest.is_some_and(|latest| transit.wrapping_sub(latest).unsigned_abs() > MAX_STEP as u64);
        if jumped {
            self.slots.clear();
        }
        self.latest = Some(transit);
        match self.slots.back_mut() {
            Some(slot) if received - slot.begin < SLOT => {
                slot.slowest = slot.slowest.max(transit);
                slot.quickest = slot.quickest.min(transit);
            }
            _ => self.slots.push_back(Slot { begin: received, slowest: transit, quickest: transit }),
        }
        while self.slots.front().is_some_and(|slot| slot.begin < received - MEMORY) {
            self.slots.pop_front();
        }
        self.measure();
        jumped
    }

    /// The transit by which nearly all packets have come, but at most 200 ms more than the quickest.
    pub(crate) fn slow(&self) -> i64 {
        self.slow
    }

    /// The transit beyond which what comes is too old to be played.
    pub(crate) fn slowest(&self) -> i64 {
        self.quick.saturating_add(MAX_SPREAD)
    }

    fn measure(&mut self) {
        let (mut first, mut second) = (i64::MIN, i64::MIN);
        self.quick = i64::MAX;
        for slot in &self.slots {
            self.quick = self.quick.min(slot.quickest);
            if slot.slowest > first {
                second = first;
                first = slot.slowest;
            } else {
                second = second.max(slot.slowest);
            }
        }
        let slow = if self.slots.len() < SLOTS_TO_TRUST { first } else { second };
        self.slow = slow.min(self.slowest());
    }
}
