use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::chain::Chain;
use super::status::IngestCounters;
use super::timeline::{Pace, Timeline, Verdict};
use super::{EncodeConfig, EncoderFacts, MAX_FRAMES};
use crate::frame::{OpusFrame, RATE_HZ, Recipients, SourceId};
use crate::sample::Sample;

/// Sound that stops for this long has paused, and its time goes on by the clock.
pub(crate) const PAUSE_AFTER: Duration = Duration::from_millis(200);

/// Where frames and counts go.
#[derive(Debug)]
pub(crate) struct Outlet<'a> {
    pub(crate) frames: &'a mut VecDeque<OpusFrame>,
    pub(crate) counters: &'a mut IngestCounters,
}

impl Outlet<'_> {
    /// Hands a frame on; the oldest goes where nobody fetched them.
    pub(crate) fn push(&mut self, frame: OpusFrame) {
        if self.frames.len() >= MAX_FRAMES {
            self.frames.pop_front();
            self.counters.dropped_frames += 1;
        }
        self.frames.push_back(frame);
    }
}

/// What lies between a packet's sound and that of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seam {
    /// Nothing: they belong together.
    None,
    /// So many samples are missing; with 0 they do not belong together, and are made to fit.
    Hole(usize),
}

/// The way of a source's sound from packets in order to Opus frames, and where it stands in time.
#[derive(Debug)]
pub(crate) struct Sound {
    id: SourceId,
    config: EncodeConfig,
    rate_hz: u32,
    /// When the latest packet came; none while the sound pauses.
    playing: Option<Instant>,
    pace: Pace,
    timeline: Timeline,
    /// What it takes to encode: there only while somebody hears.
    chain: Option<Chain>,
}

impl Sound {
    pub(crate) fn new(id: SourceId, config: EncodeConfig) -> Self {
        let timeline = Timeline::new(config.frame);
        let (playing, pace) = (None, Pace::new(RATE_HZ));
        Self { id, config, rate_hz: RATE_HZ, playing, pace, timeline, chain: None }
    }

    /// Takes the sound of a packet that came at `arrived`.
    pub(crate) fn hear(&mut self, seam: Seam, sound: &mut [Sample], arrived: Instant, out: &mut Outlet<'_>) {
        self.wake(arrived, out);
        if let Seam::Hole(gap) = seam {
            self.fill(gap, out);
        }
        match self.pace.check(sound.len(), arrived) {
            Verdict::Skip => {
                out.counters.skipped_samples += sound.len() as u64;
                return;
            }
            Verdict::Join => self.fill(0, out),
            Verdict::Hear => {}
        }
        let chain = Self::chain(&mut self.chain, &self.id, self.config, self.rate_hz);
        chain.pass(sound);
        chain.encode_into(&mut self.timeline, out);
    }

    /// Takes an Opus packet of `samples` at 48 kHz that came at `arrived`, and hands it on as it is. The `hole` samples
    /// before it never came: the listener's decoder conceals them.
    pub(crate) fn hand_on(
        &mut self,
        hole: u32,
        packet: &[u8],
        samples: u32,
        arrived: Instant,
        out: &mut Outlet<'_>,
    ) {
        self.wake(arrived, out);
        self.pace.count(hole as usize);
        self.timeline.advance(hole);
        if self.pace.check(samples as usize, arrived) == Verdict::Skip {
            out.counters.skipped_samples += u64::from(samples);
            return;
        }
        let time = self.timeline.time();
        out.push(OpusFrame {
            source: self.id.clone(),
            to: Recipients::All,
            time,
            samples,
            data: packet.into(),
        });
        self.timeline.advance(samples);
    }

    /// A packet came at `arrived` that is not to be heard: only time goes on.
    pub(crate) fn rest(&mut self, arrived: Instant, out: &mut Outlet<'_>) {
        self.pause(out);
        self.timeline.rest(arrived);
    }

    /// Its encoder.
    pub(crate) fn encoder(&self) -> EncoderFacts {
        let (failed, frames_failed) = self.chain.as_ref().map_or((false, 0), Chain::failures);
        EncoderFacts {
            runs: self.chain.is_some(),
            failed,
            frames_failed,
            bitrate_bps: self.config.bitrate_bps,
            frame: self.config.frame.duration(),
        }
    }

    /// Whether the packet that comes at `now` comes after a pause.
    pub(crate) fn is_paused(&self, now: Instant) -> bool {
        self.poll_timeout().is_none_or(|pause| pause <= now)
    }

    /// When the sound pauses if no packet comes.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.playing.map(|latest| latest + PAUSE_AFTER)
    }

    /// No packet came for long, or none that is heard: the sound fades out and the last frame is completed.
    pub(crate) fn pause(&mut self, out: &mut Outlet<'_>) {
        let Some(latest) = self.playing.take() else {
            return;
        };
        out.counters.pauses += 1;
        self.timeline.pause(latest);
        self.end(out);
    }

    /// Sound comes at another rate from now on.
    pub(crate) fn set_rate(&mut self, rate_hz: u32, out: &mut Outlet<'_>) {
        if rate_hz == self.rate_hz {
            return;
        }
        if self.playing.is_some() {
            self.end(out);
        }
        self.rate_hz = rate_hz;
        self.pace = Pace::new(rate_hz);
        self.chain = None;
    }

    /// Sound is encoded otherwise from now on.
    pub(crate) fn set_config(&mut self, config: EncodeConfig, out: &mut Outlet<'_>) {
        if config == self.config {
            return;
        }
        self.end(out);
        self.timeline.set_frame(config.frame);
        self.config = config;
        self.chain = None;
    }

    /// Nobody hears it any more: what it takes to encode is given back, and nothing more comes out.
    pub(crate) fn stop(&mut self) {
        if let Some(latest) = self.playing.take() {
            self.timeline.pause(latest);
        }
        self.timeline.forget_partial();
        self.chain = None;
    }

    /// The sound fades out, and what comes next has nothing to do with it.
    pub(crate) fn fall_silent(&mut self, out: &mut Outlet<'_>) {
        self.pause(out);
        self.chain = None;
    }

    fn wake(&mut self, arrived: Instant, out: &mut Outlet<'_>) {
        if self.is_paused(arrived) {
            self.pause(out);
            self.timeline.resume(arrived);
            if let Some(chain) = &mut self.chain {
                chain.reset();
            }
            self.pace = Pace::new(self.rate_hz);
        }
        self.playing = self.playing.max(Some(arrived));
    }

    fn fill(&mut self, gap: usize, out: &mut Outlet<'_>) {
        self.pace.count(gap);
        let chain = Self::chain(&mut self.chain, &self.id, self.config, self.rate_hz);
        chain.fill(gap);
        chain.encode_into(&mut self.timeline, out);
    }

    /// Fades out, and fills the last frame with silence.
    fn end(&mut self, out: &mut Outlet<'_>) {
        if let Some(chain) = &mut self.chain {
            chain.end();
            chain.encode_into(&mut self.timeline, out);
            chain.complete(&mut self.timeline, out);
        }
    }

    fn chain<'a>(
        chain: &'a mut Option<Chain>,
        id: &SourceId,
        config: EncodeConfig,
        rate_hz: u32,
    ) -> &'a mut Chain {
        chain.get_or_insert_with(|| Chain::new(id.clone(), config, rate_hz))
    }
}
