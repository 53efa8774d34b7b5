use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::IngestConfig;
use super::conceal::Concealer;
use super::encode::OpusEncoder;
use super::pcm::Sample;
use super::resample::Resampler;
use super::status::IngestCounters;
use super::timeline::{Pace, Timeline, Verdict};
use crate::frame::{OpusFrame, RATE_HZ, SourceId};

/// Sound that stops for this long has paused, and its time goes on by the clock.
pub(crate) const PAUSE_AFTER: Duration = Duration::from_millis(200);

/// Frames that wait to be fetched: all sources may end their sound at once.
const MAX_FRAMES: usize = 4096;

/// Where frames and counts go.
#[derive(Debug)]
pub(crate) struct Outlet<'a> {
    pub(crate) frames: &'a mut VecDeque<OpusFrame>,
    pub(crate) counters: &'a mut IngestCounters,
}

/// What lies between a packet's sound and that of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seam {
    /// Nothing: they belong together.
    None,
    /// So many samples are missing; with 0 they do not belong together, and are made to fit.
    Hole(usize),
}

/// The way of a source's sound from PCM in order to Opus frames.
#[derive(Debug)]
pub(crate) struct Sound {
    rate_hz: u32,
    /// When the latest packet came; none while the sound pauses.
    playing: Option<Instant>,
    pace: Pace,
    concealer: Concealer,
    resampler: Option<Resampler>,
    frames: Frames,
    scratch: Vec<Sample>,
}

impl Sound {
    pub(crate) fn new(id: SourceId, config: IngestConfig) -> Self {
        Self {
            rate_hz: RATE_HZ,
            playing: None,
            pace: Pace::new(RATE_HZ),
            concealer: Concealer::new(RATE_HZ),
            resampler: None,
            frames: Frames {
                id,
                bitrate_bps: config.bitrate_bps,
                timeline: Timeline::new(config.frame),
                encoder: None,
                resampled: Vec::new(),
            },
            scratch: Vec::new(),
        }
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
        self.concealer.pass(sound);
        self.frames.push(sound, self.resampler.as_mut(), out);
    }

    /// Whether the packet that comes at `now` comes after a pause.
    pub(crate) fn is_paused(&self, now: Instant) -> bool {
        self.poll_timeout().is_none_or(|pause| pause <= now)
    }

    /// When the sound pauses if no packet comes.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.playing.map(|latest| latest + PAUSE_AFTER)
    }

    /// No packet came for long: the sound fades out and the last frame is completed.
    pub(crate) fn pause(&mut self, out: &mut Outlet<'_>) {
        let Some(latest) = self.playing.take() else {
            return;
        };
        out.counters.pauses += 1;
        self.frames.timeline.pause(latest);
        self.end(out);
        self.frames.complete(out);
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
        self.concealer = Concealer::new(rate_hz);
        self.resampler = (rate_hz != RATE_HZ).then(|| Resampler::new(rate_hz)).transpose().unwrap_or_else(|error| {
            tracing::error!(source = %self.frames.id, rate_hz, %error, "no resampler: the pitch will be wrong");
            None
        });
    }

    /// The encoder lives while somebody listens.
    pub(crate) fn set_heard(&mut self, heard: bool) {
        self.frames.set_heard(heard);
    }

    fn wake(&mut self, arrived: Instant, out: &mut Outlet<'_>) {
        if self.is_paused(arrived) {
            self.pause(out);
            self.frames.resume(arrived);
            self.pace = Pace::new(self.rate_hz);
        }
        self.playing = self.playing.max(Some(arrived));
    }

    fn fill(&mut self, gap: usize, out: &mut Outlet<'_>) {
        self.pace.count(gap);
        self.scratch.clear();
        self.concealer.fill(gap, &mut self.scratch);
        self.frames.push(&self.scratch, self.resampler.as_mut(), out);
    }

    fn end(&mut self, out: &mut Outlet<'_>) {
        self.scratch.clear();
        self.concealer.end(&mut self.scratch);
        self.frames.push(&self.scratch, self.resampler.as_mut(), out);
    }
}

/// The last part of the way: 48 kHz, frames, Opus.
#[derive(Debug)]
struct Frames {
    id: SourceId,
    bitrate_bps: u32,
    timeline: Timeline,
    encoder: Option<OpusEncoder>,
    resampled: Vec<Sample>,
}

impl Frames {
    fn push(&mut self, sound: &[Sample], resampler: Option<&mut Resampler>, out: &mut Outlet<'_>) {
        let mut emit = |time, frame: &[Sample]| encode(&mut self.encoder, &self.id, time, frame, out);
        match resampler {
            None => self.timeline.push(sound, &mut emit),
            Some(resampler) => {
                self.resampled.clear();
                resampler.process(sound, &mut self.resampled);
                self.timeline.push(&self.resampled, &mut emit);
            }
        }
    }

    fn complete(&mut self, out: &mut Outlet<'_>) {
        self.timeline.complete(|time, frame| encode(&mut self.encoder, &self.id, time, frame, out));
    }

    fn resume(&mut self, now: Instant) {
        self.timeline.resume(now);
        if let Some(Err(error)) = self.encoder.as_mut().map(OpusEncoder::reset) {
            tracing::debug!(source = %self.id, %error, "the encoder was not reset");
        }
    }

    fn set_heard(&mut self, heard: bool) {
        if !heard {
            self.encoder = None;
        } else if self.encoder.is_none() {
            self.encoder = OpusEncoder::new(self.bitrate_bps)
                .inspect_err(
                    |error| tracing::error!(source = %self.id, %error, "no Opus encoder: nothing is heard"),
                )
                .ok();
        }
    }
}

fn encode(
    encoder: &mut Option<OpusEncoder>,
    id: &SourceId,
    time: u64,
    frame: &[Sample],
    out: &mut Outlet<'_>,
) {
    let Some(encoder) = encoder else {
        return;
    };
    match encoder.encode(frame) {
        Ok(data) => {
            out.counters.encoded += 1;
            if out.frames.len() >= MAX_FRAMES {
                out.frames.pop_front();
                out.counters.dropped_frames += 1;
            }
            out.frames.push_back(OpusFrame { source: id.clone(), time, data });
        }
        Err(error) => {
            out.counters.dropped_frames += 1;
            tracing::debug!(source = %id, time, %error, "a frame could not be encoded");
        }
    }
}
