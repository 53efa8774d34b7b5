use std::time::{Duration, Instant};

/// Sample rates that senders use, in hertz.
const RATES_HZ: [u32; 12] =
    [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000];

/// The first packets come as the sender's buffer lets them: they say nothing of the rate.
const SETTLE: Duration = Duration::from_millis(300);

/// The rate is measured over windows of this length.
const WINDOW: Duration = Duration::from_secs(1);

/// A window counts for a rate that it meets within this share; bursts every 30 ms may shift it by 0.03.
const TOLERANCE: f64 = 0.025;

/// Windows in a row that must say the same before another rate is believed.
const WINDOWS_TO_CHANGE: u32 = 2;

/// Windows in a row after which the rate is never doubted again.
const WINDOWS_TO_SETTLE: u32 = 6;

/// Measures a sender's sample rate: timestamps against arrival times.
#[derive(Debug)]
pub(crate) struct RateMeter {
    rate_hz: u32,
    begun: Option<Instant>,
    window: Option<(Instant, u32)>,
    /// The rate that the latest windows agree on, and how many they are.
    agreed: (u32, u32),
    changed: bool,
    settled: bool,
    /// Somebody said the rate, so it is measured only to be compared.
    certain: bool,
}

impl RateMeter {
    /// Assumes `rate_hz` until shown to be wrong; a rate that is `certain` is measured only to be
    /// compared.
    pub(crate) fn new(rate_hz: u32, certain: bool) -> Self {
        Self { rate_hz, begun: None, window: None, agreed: (0, 0), changed: false, settled: false, certain }
    }

    /// Begins to measure anew: sound stopped, or timestamps jumped.
    pub(crate) fn interrupt(&mut self) {
        self.begun = None;
        self.window = None;
        self.agreed = (0, 0);
    }

    /// The rate that packets come at, where another is said.
    pub(crate) fn contradiction(&self) -> Option<u32> {
        let (seen, windows) = self.agreed;
        (self.certain && windows >= WINDOWS_TO_CHANGE && seen != self.rate_hz).then_some(seen)
    }

    /// Takes a packet into account that came in order. Returns the rate when it is found to be another, and when what was
    /// assumed is found to be right.
    pub(crate) fn observe(&mut self, timestamp: u32, now: Instant) -> Option<u32> {
        if self.settled {
            return None;
        }
        let begun = *self.begun.get_or_insert(now);
        let Some((since, first)) = self.window else {
            if now.saturating_duration_since(begun) >= SETTLE {
                self.window = Some((now, timestamp));
            }
            return None;
        };
        let elapsed = now.saturating_duration_since(since);
        if elapsed < WINDOW {
            return None;
        }
        self.window = Some((now, timestamp));
        let ticks = timestamp.wrapping_sub(first);
        self.conclude(nearest_rate(f64::from(ticks) / elapsed.as_secs_f64()))
    }

    fn conclude(&mut self, seen: Option<u32>) -> Option<u32> {
        let Some(seen) = seen else {
            self.agreed = (0, 0);
            return None;
        };
        self.agreed = if seen == self.agreed.0 { (seen, self.agreed.1 + 1) } else { (seen, 1) };
        if self.certain {
            self.settled = self.agreed.1 >= WINDOWS_TO_SETTLE;
            return None;
        }
        if seen == self.rate_hz {
            self.settled = self.agreed.1 >= WINDOWS_TO_SETTLE;
            return (self.agreed.1 == WINDOWS_TO_CHANGE).then_some(seen);
        }
        let needed = if self.changed { WINDOWS_TO_SETTLE } else { WINDOWS_TO_CHANGE };
        if self.agreed.1 < needed {
            return None;
        }
        self.rate_hz = seen;
        self.changed = true;
        Some(seen)
    }
}

fn nearest_rate(measured_hz: f64) -> Option<u32> {
    RATES_HZ.into_iter().find(|&rate| (measured_hz / f64::from(rate) - 1.0).abs() <= TOLERANCE)
}
