use std::time::Instant;

use crate::frame::RATE_HZ;
use crate::talkback::TICK;

/// Ticks after which a clock that was always behind is put right: half a second.
const TICKS_TO_CATCH_UP: u32 = 50;

/// Ticks that are later than this do not come all at once any more: some are missing. 200 ms, in samples.
const MISSING: i64 = 9_600;

/// Counts samples by the relay's clock; ticks that come late, or several at once, are put where they belong.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    origin: Option<Instant>,
    tick: Option<i64>,
    /// By how much the promptest of the last ticks was late.
    lag: Option<i64>,
    ticks: u32,
}

impl Clock {
    /// A time, in samples since some moment.
    pub(crate) fn samples(&mut self, at: Instant) -> i64 {
        let origin = *self.origin.get_or_insert(at);
        // A moment before the origin is one too.
        match at.checked_duration_since(origin) {
            Some(since) => samples(since),
            None => -samples(origin.saturating_duration_since(at)),
        }
    }

    /// When a tick that is asked for `now` was due, and whether ticks before it are missing.
    pub(crate) fn tick(&mut self, now: Instant) -> (i64, bool) {
        let now = self.samples(now);
        let due = self.tick.map_or(now, |tick| tick + TICK as i64);
        let lag = now - due;
        self.lag = Some(self.lag.map_or(lag, |least| least.min(lag)));
        self.ticks += 1;
        let mut tick = due.min(now);
        let missing = lag > MISSING;
        if missing {
            tick = now;
        } else if self.ticks >= TICKS_TO_CATCH_UP {
            tick += self.lag.unwrap_or(0).max(0);
        }
        if missing || self.ticks >= TICKS_TO_CATCH_UP {
            (self.lag, self.ticks) = (None, 0);
        }
        self.tick = Some(tick);
        (tick, missing)
    }
}

fn samples(duration: std::time::Duration) -> i64 {
    let nanos = duration.as_nanos() * u128::from(RATE_HZ) / 1_000_000_000;
    i64::try_from(nanos).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}
