use std::time::{Duration, Instant};

use crate::announcement::{Announcement, AnnouncementKey};

/// No stream expires sooner: the senders measured repeat themselves every 5 seconds, others every 30.
const MIN_LIFE: Duration = Duration::from_secs(30);

/// No stream lives longer without a repeat (RFC 2974, section 4).
const MAX_LIFE: Duration = Duration::from_secs(3600);

/// A repeat is told at most this often.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// An announced stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// What was announced last.
    pub(crate) announcement: Announcement,
    /// A digest of the `o=` line alone.
    pub(crate) origin: Option<u64>,
    /// The SAP message identifier.
    pub(crate) hash: u16,
    /// When it was announced last.
    pub(crate) heard: Instant,
    /// Whether it has expired. It is kept a while, so that a sender that repeats itself rarely is known by its interval.
    pub(crate) lapsed: bool,
    told: Instant,
    interval: Duration,
}

impl Stream {
    pub(crate) fn new(announcement: Announcement, origin: Option<u64>, hash: u16, now: Instant) -> Self {
        Self { announcement, origin, hash, heard: now, lapsed: false, told: now, interval: Duration::ZERO }
    }

    pub(crate) fn key(&self) -> AnnouncementKey {
        self.announcement.key
    }

    /// Takes another announcement of the same stream. Says whether it says anything new, and whether to tell of it.
    pub(crate) fn hear_again(&mut self, heard: Self, now: Instant) -> (bool, bool) {
        let gap = now.saturating_duration_since(self.heard);
        // Packets are doubled and lost: the interval grows at once, and shrinks slowly.
        self.interval = gap.max(self.interval - self.interval / 4);
        self.heard = now;
        let changed = self.announcement != heard.announcement;
        let returned = std::mem::take(&mut self.lapsed);
        let worth_telling = changed || returned || now.saturating_duration_since(self.told) >= TELL_EVERY;
        (self.announcement, self.hash, self.origin) = (heard.announcement, heard.hash, heard.origin);
        if worth_telling {
            self.told = now;
        }
        (changed, worth_telling)
    }

    /// When it expires, or, once it has, when it is forgotten.
    pub(crate) fn timeout(&self) -> Instant {
        let life = if self.lapsed { 2 * MAX_LIFE } else { (3 * self.interval).clamp(MIN_LIFE, MAX_LIFE) };
        self.heard + life
    }

    /// Whether it expires now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        !self.lapsed && self.timeout() <= now
    }

    /// Whether it expired so long ago that nothing of it is worth knowing.
    pub(crate) fn is_forgotten(&self, now: Instant) -> bool {
        self.lapsed && self.timeout() <= now
    }
}
