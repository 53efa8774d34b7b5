//! One talker: packets in any order become a steady stream of sound.
//!
//! ```text
//! packet ─▶ queue: order ─▶ decode: Opus, holes ─▶ stretch: the talker's clock ─▶ 10 ms of sound
//!       └─▶ jitter: how late packets come ─────────▶ how fast
//! ```
//!
//! Packets are decoded when their sound is needed, not when they come, so that one may come late. *Delay* is how far the
//! talker's timeline is played behind the relay's clock. It is meant to be just what nearly all packets need to come in
//! time, and is steered there by playing a little faster or slower. When nothing is there that is needed, time stands
//! still: what is made up is not taken from what then comes, and the delay grows by it.

mod clock;
mod decode;
mod jitter;
mod position;
mod queue;
mod recovery;
mod speech;
mod steer;
mod stretch;

use std::ops::AddAssign;
use std::time::Instant;

use self::clock::Clock;
use self::decode::Decoded;
use self::jitter::Jitter;
use self::position::Position;
use self::queue::{Queue, Queued, Waiting};
use self::recovery::Recovery;
use self::speech::Speech;
use self::steer::Steering;
use self::stretch::Stretch;
use super::TICK;
use crate::frame::RATE_HZ;
use crate::mic::MicFrame;
use crate::sample::{SILENCE, Sample};

/// How much earlier than needed nearly all packets are there, in samples: 2 ms. Covers how far steering may be behind a
/// talker's clock.
const MARGIN: i64 = 96;

/// What is made up at a time, in samples: 5 ms.
const MADE_UP: usize = 240;

/// The delay may pass its bound by this much before packets are left out, in samples: 20 ms.
const SLACK: i64 = 960;

/// Where a hole is filled, it is filled with more if the delay is this much too short, in samples: 5 ms.
const GROWTH: i64 = 240;

/// What a packet may say of the one before it is at most so long, in samples: 60 ms; and a multiple of 2.5 ms.
const MAX_RECOVERED: usize = 2_880;
const RECOVERED_STEP: usize = 120;

/// A packet whose time would come later than this, in samples, has a time of its own: it is played at once.
const MAX_LEAD: i64 = 48_000;

/// Packets no longer than this hold no sound: the talker's encoder says that it pauses (RFC 6716, section 2.1.9).
const MAX_PAUSE_BYTES: usize = 2;

/// The largest packet: 48 frames of the most bytes would not fit a datagram.
const MAX_PACKET_BYTES: usize = 2_048;

/// What a talker's voice went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VoiceCounters {
    /// Packets that came.
    pub packets: u64,
    /// Packets that did not come before their sound was needed.
    pub lost: u64,
    /// Of those, packets whose sound was found in the next one.
    pub recovered: u64,
    /// Samples made up because their packet was not there.
    pub concealed: u64,
    /// Packets that came after their place was played, or too old to be played.
    pub late: u64,
    /// Packets that had come already.
    pub duplicates: u64,
    /// Packets that are no Opus, or whose number is far off.
    pub garbage: u64,
}

/// One talker's voice: takes packets as they come, gives sound by the relay's clock.
#[derive(Debug)]
pub struct Voice {
    clock: Clock,
    queue: Queue,
    jitter: Jitter,
    decoded: Decoded,
    stretch: Stretch,
    steering: Steering,
    recovery: Recovery,
    speech: Speech,
    counters: VoiceCounters,
    state: State,
    /// Ticks were missed: what was to be played in them is left out.
    hurries: bool,
    /// Samples on their way into the stretch.
    input: Vec<Sample>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Silence, until a packet's time has come.
    Idle,
    Playing(Position),
}

impl AddAssign for VoiceCounters {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.lost += other.lost;
        self.recovered += other.recovered;
        self.concealed += other.concealed;
        self.late += other.late;
        self.duplicates += other.duplicates;
        self.garbage += other.garbage;
    }
}

impl Default for Voice {
    fn default() -> Self {
        Self::new()
    }
}

impl Voice {
    /// A voice that was never heard.
    pub fn new() -> Self {
        Self {
            clock: Clock::default(),
            queue: Queue::default(),
            jitter: Jitter::default(),
            decoded: Decoded::new(),
            stretch: Stretch::new(),
            steering: Steering::default(),
            recovery: Recovery::default(),
            speech: Speech::new(),
            counters: VoiceCounters::default(),
            state: State::Idle,
            hurries: false,
            input: Vec::with_capacity(2 * TICK),
        }
    }

    /// Takes a packet, whatever it is.
    pub fn handle_frame(&mut self, frame: MicFrame) {
        self.counters.packets += 1;
        let Some(samples) = length(&frame.data) else {
            self.counters.garbage += 1;
            return;
        };
        let (received, sequence, time) = (self.clock.samples(frame.received), frame.sequence, frame.time);
        match self.queue.insert(Waiting { frame, samples, seam: false }) {
            Queued::Waits => {}
            Queued::Late => self.counters.late += 1,
            Queued::Duplicate => {
                self.counters.duplicates += 1;
                return;
            }
            Queued::Stray => {
                self.counters.garbage += 1;
                return;
            }
        }
        if self.jitter.observe(received, time) {
            self.queue.mark_seam(sequence);
        }
    }

    /// Makes the next 10 ms of sound. Returns whether they are more than silence.
    pub fn pull(&mut self, now: Instant, out: &mut [Sample; TICK]) -> bool {
        let (tick, missed) = self.clock.tick(now);
        self.hurries |= missed;
        self.recovery.tick();
        let begins = matches!(self.state, State::Idle);
        if begins {
            self.begin(tick);
        }
        let State::Playing(position) = self.state else {
            return self.nothing(out);
        };
        let too_late = if begins { 0 } else { self.use_silence(self.too_late(position, tick)) };
        let needed = self.stretch.set_speed(self.steering.follow(too_late, self.speech.loudness()));
        while self.decoded.len() < needed {
            if !self.refill(tick) {
                self.decoded.pause(needed - self.decoded.len());
                self.state = State::Idle;
                self.queue.rest();
                break;
            }
        }
        let is_silent = self.decoded.is_silent() && !self.speech.sounds();
        self.input.clear();
        self.decoded.take(needed, &mut self.input);
        if is_silent {
            self.stretch.reset();
            return self.nothing(out);
        }
        self.stretch.process(&mut self.input, out);
        self.speech.hear(out)
    }

    /// Whether the talker speaks, or did half a second ago.
    pub fn is_speaking(&self) -> bool {
        self.speech.is_speaking()
    }

    /// The largest magnitudes, left and right, since they were asked for last.
    pub fn take_peaks(&mut self) -> Sample {
        self.speech.take_peaks()
    }

    /// What the voice went through so far.
    pub fn counters(&self) -> VoiceCounters {
        self.counters
    }
}

impl Voice {
    /// The delay at which nearly all packets are there when they are needed.
    fn wanted_delay(&self) -> i64 {
        let usual = self.jitter.slow().saturating_add(TICK as i64 + MARGIN);
        usual.saturating_add(self.recovery.wait()).min(self.longest_delay())
    }

    /// The delay at which a packet is too old to be played, if there is a later one.
    fn longest_delay(&self) -> i64 {
        self.jitter.slowest().saturating_add(TICK as i64 + MARGIN)
    }

    /// Begins to play if the first packet's time comes within this tick.
    fn begin(&mut self, tick: i64) {
        while let Some(packet) = self.queue.front() {
            let (time, seam) = (packet.frame.time, packet.seam);
            let age = tick.wrapping_sub(time as i64);
            if packet.is_pause() {
                self.queue.pop();
                continue;
            }
            if age > self.longest_delay() && self.queue.len() > 1 {
                self.queue.pop();
                self.counters.late += 1;
                continue;
            }
            // If this packet is late, the next ones may be.
            let own = self.clock.samples(packet.frame.received).wrapping_sub(time as i64);
            let own = own.saturating_add(TICK as i64 + MARGIN).min(self.longest_delay());
            let lead = self.wanted_delay().max(own).saturating_sub(age);
            if (TICK as i64..MAX_LEAD).contains(&lead) {
                return;
            }
            if seam {
                self.decoded.reset();
            }
            self.stretch.reset();
            self.steering.reset();
            self.decoded.pause(usize::try_from(lead).unwrap_or(0).min(TICK));
            self.state = State::Playing(Position { end: time, beyond: 0 });
            return;
        }
    }

    fn nothing(&mut self, out: &mut [Sample; TICK]) -> bool {
        out.fill(SILENCE);
        self.speech.hear_nothing();
        false
    }

    /// By how many samples the delay is longer than it should be.
    fn too_late(&self, position: Position, tick: i64) -> i64 {
        let too_late = position.delay(tick, self.decoded.len()).saturating_sub(self.wanted_delay());
        // If it is wild, a packet of another clock has come, and is not played yet.
        if too_late.unsigned_abs() > MAX_LEAD.unsigned_abs() { 0 } else { too_late }
    }

    /// Takes silence as an occasion to put the delay right at once. Returns what remains to be put right.
    fn use_silence(&mut self, too_late: i64) -> i64 {
        if !self.decoded.is_silent() || self.speech.sounds() || too_late.abs() < MARGIN / 2 {
            return too_late;
        }
        let samples = usize::try_from(too_late.abs()).map_or(TICK, |samples| samples.min(TICK));
        if too_late < 0 {
            self.decoded.wait(samples);
            return too_late + samples as i64;
        }
        let samples = samples.min(self.decoded.len());
        self.decoded.skip(samples);
        too_late - samples as i64
    }

    /// Brings in more sound. False if there is none, and what was made up instead has faded out.
    fn refill(&mut self, tick: i64) -> bool {
        let State::Playing(position) = self.state else {
            return false;
        };
        let Some(packet) = self.queue.front() else {
            return self.make_up(position, MADE_UP);
        };
        if packet.is_pause() {
            self.queue.pop();
            return true;
        }
        let (time, missing) = (packet.frame.time, self.queue.missing_before(packet.frame.sequence));
        let gap = if packet.seam { 0 } else { position.until(time) };
        if let Ok(gap @ 1..) = usize::try_from(gap) {
            return self.recover(position, gap, missing) || self.make_up(position, gap.min(MADE_UP));
        }
        let delay = tick.wrapping_add(self.decoded.len() as i64).wrapping_sub(time as i64);
        let stretches = position.beyond > 0 && delay.saturating_add(GROWTH) <= self.wanted_delay();
        if stretches && self.decoded.holds() && self.make_up(position, MADE_UP) {
            return true;
        }
        let longest = if self.hurries { self.wanted_delay() } else { self.longest_delay() };
        let is_too_old = delay > longest.saturating_add(SLACK) && self.queue.len() > 1;
        self.hurries &= is_too_old;
        self.play_next(position, missing, is_too_old);
        true
    }

    /// Finds the sound of one lost packet in the one after it.
    fn recover(&mut self, position: Position, gap: usize, missing: u64) -> bool {
        let Some(packet) = self.queue.front().filter(|_| missing == 1 && position.beyond == 0) else {
            return false;
        };
        if gap > MAX_RECOVERED
            || !gap.is_multiple_of(RECOVERED_STEP)
            || !recovery::tells_of_previous(&packet.frame.data)
            || !self.decoded.packet_before(&packet.frame.data, gap)
        {
            return false;
        }
        self.counters.recovered += 1;
        self.recovery.lost(gap);
        self.state = State::Playing(Position { end: position.end.wrapping_add(gap as u64), beyond: 0 });
        true
    }

    /// Decodes the first packet, or leaves it out.
    fn play_next(&mut self, position: Position, missing: u64, is_too_old: bool) {
        let Some(Waiting { frame, samples, seam }) = self.queue.pop() else {
            return;
        };
        self.counters.lost += missing;
        // Where none is missing and time went on, the talker paused.
        if missing > 0 || position.end == frame.time {
            self.counters.concealed += position.beyond as u64;
        }
        if missing == 1 && position.beyond > 0 && recovery::tells_of_previous(&frame.data) {
            self.recovery.lost(samples);
        }
        if seam {
            self.decoded.reset();
        }
        if is_too_old {
            self.counters.late += 1;
            self.decoded.leave_out();
        } else if !self.decoded.packet(&frame.data, samples) {
            self.counters.garbage += 1;
        }
        let end = frame.time.wrapping_add(samples as u64);
        self.state = State::Playing(Position { end, beyond: 0 });
    }

    fn make_up(&mut self, position: Position, samples: usize) -> bool {
        if self.decoded.is_faded() {
            return false;
        }
        let made_up = self.decoded.make_up(samples);
        self.state = State::Playing(Position { beyond: position.beyond + made_up, ..position });
        true
    }
}

impl Waiting {
    fn is_pause(&self) -> bool {
        self.frame.data.len() <= MAX_PAUSE_BYTES
    }
}

/// How many samples a packet holds; none if it is no Opus.
fn length(packet: &[u8]) -> Option<usize> {
    if packet.is_empty() || packet.len() > MAX_PACKET_BYTES {
        return None;
    }
    opus::packet::get_nb_samples(packet, RATE_HZ).ok().filter(|samples| *samples > 0)
}
