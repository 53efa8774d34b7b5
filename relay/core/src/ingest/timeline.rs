use std::time::{Duration, Instant};

use crate::frame::{FrameLength, RATE_HZ};
use crate::sample::{SILENCE, Sample};

/// Cuts a source's sound at 48 kHz into frames, and says when on the source's timeline each begins.
///
/// The samples themselves are the clock; only a pause is measured by the relay's.
#[derive(Debug)]
pub(crate) struct Timeline {
    frame: usize,
    time: u64,
    partial: Vec<Sample>,
    /// When the latest packet before a pause came, and the time at which its sound ended.
    paused: Option<(Instant, u64)>,
}

impl Timeline {
    pub(crate) fn new(frame: FrameLength) -> Self {
        Self { frame: frame.samples(), time: 0, partial: Vec::new(), paused: None }
    }

    /// When the next sound begins, in samples.
    pub(crate) fn time(&self) -> u64 {
        self.time
    }

    /// Time goes on without sound that is cut here.
    pub(crate) fn advance(&mut self, samples: u32) {
        self.time += u64::from(samples);
    }

    /// Frames have another length from now on. Call it between two frames.
    pub(crate) fn set_frame(&mut self, frame: FrameLength) {
        self.frame = frame.samples();
        self.forget_partial();
    }

    /// What waits for its frame will not be heard.
    pub(crate) fn forget_partial(&mut self) {
        self.partial.clear();
    }

    /// Takes sound, and hands on each frame that is full, with its time.
    pub(crate) fn push(&mut self, mut sound: &[Sample], mut emit: impl FnMut(u64, &[Sample])) {
        while !sound.is_empty() {
            let (now, later) = sound.split_at(sound.len().min(self.frame - self.partial.len()));
            self.partial.extend_from_slice(now);
            sound = later;
            if self.partial.len() == self.frame {
                emit(self.time, &self.partial);
                self.partial.clear();
                self.time += self.frame as u64;
            }
        }
    }

    /// The latest packet came at `since`, and no more sound is real until [`Timeline::resume`].
    pub(crate) fn pause(&mut self, since: Instant) {
        self.paused = Some((since, self.time + self.partial.len() as u64));
    }

    /// A packet came at `now` that is not heard. If none was before, this is where time begins.
    pub(crate) fn rest(&mut self, now: Instant) {
        self.paused.get_or_insert((now, self.time));
    }

    /// Fills what is left of a frame with silence.
    pub(crate) fn complete(&mut self, emit: impl FnMut(u64, &[Sample])) {
        let missing = (self.frame - self.partial.len()) % self.frame;
        self.push(&vec![SILENCE; missing], emit);
    }

    /// Sound goes on at `now`: time advances by the whole frames of the pause.
    pub(crate) fn resume(&mut self, now: Instant) {
        let Some((since, end)) = self.paused.take() else {
            return;
        };
        let elapsed = now.saturating_duration_since(since).as_micros() * u128::from(RATE_HZ) / 1_000_000;
        let time = end.saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX));
        self.time = self.time.max(time - time % self.frame as u64);
    }
}

/// Watches that a source's sound does not run ahead of the clock on the wall: a sender that held its sound back
/// and then sends all of it would put its listeners behind for good.
///
/// A sender's clock may differ from the relay's by a part in a thousand; that is followed.
#[derive(Debug)]
pub(crate) struct Pace {
    rate_hz: u32,
    begun: Option<Instant>,
    samples: u64,
    /// The lead that is usual, in seconds.
    usual: f64,
    checked: Duration,
    skipping: bool,
}

impl Pace {
    /// Sound may run ahead by this much, in seconds.
    const MAX_LEAD: f64 = 0.25;

    /// Once it ran ahead too far, it is skipped down to this lead, in seconds.
    const REGAINED_LEAD: f64 = 0.01;

    /// How fast the usual lead follows upwards and downwards, in seconds per second.
    const SLEW_UP: f64 = 0.001;
    const SLEW_DOWN: f64 = 0.05;

    pub(crate) fn new(rate_hz: u32) -> Self {
        Self { rate_hz, begun: None, samples: 0, usual: 0.0, checked: Duration::ZERO, skipping: false }
    }

    /// Sound that was made up counts like what came.
    pub(crate) fn count(&mut self, samples: usize) {
        self.samples += samples as u64;
    }

    /// Whether sound of a packet that came at `now` is to be heard or skipped.
    pub(crate) fn check(&mut self, samples: usize, now: Instant) -> Verdict {
        let begun = *self.begun.get_or_insert(now);
        let elapsed = now.saturating_duration_since(begun);
        let lead = self.samples as f64 / f64::from(self.rate_hz) - elapsed.as_secs_f64();
        let was_skipping = self.skipping;
        let limit = if was_skipping { Self::REGAINED_LEAD } else { Self::MAX_LEAD };
        self.skipping = lead - self.usual > limit;
        if self.skipping {
            return Verdict::Skip;
        }
        let passed = elapsed.saturating_sub(self.checked).as_secs_f64();
        self.checked = elapsed;
        self.usual += (lead - self.usual).clamp(-Self::SLEW_DOWN * passed, Self::SLEW_UP * passed);
        self.count(samples);
        if was_skipping { Verdict::Join } else { Verdict::Hear }
    }
}

/// What to do with a packet's sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on.
    Hear,
    /// It goes on, after some was skipped.
    Join,
    /// It is left out.
    Skip,
}
