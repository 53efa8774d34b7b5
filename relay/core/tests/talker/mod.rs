//! A talker in virtual time: a microphone's Opus packets, the way they take, and a relay that plays them.
#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use opus::{Application, Bitrate, Channels, Encoder};
use soundport_core::talkback::{TICK, Voice};
use soundport_core::{MicFrame, Sample, TalkerId};

use crate::common::ear;

/// How long a talker's encoder looks ahead, and its first packet takes, in milliseconds.
pub const ENCODER_MS: f64 = 6.5 + 20.0;

/// How loud tones are; full scale is 1.
pub const LEVEL: f64 = 0.5;

/// Until then, in samples, a tone that begins may overshoot.
const SETTLED: u64 = 12_000;

/// The beginning of virtual time.
#[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
pub fn beginning() -> Instant {
    Instant::now()
}

/// A microphone whose clock may be off.
pub struct Microphone {
    encoder: Encoder,
    channels: usize,
    /// Samples in a packet.
    pub samples: usize,
    /// How much quicker its clock is than the relay's, in parts per million.
    pub ppm: f64,
    pub sequence: u64,
    pub time: u64,
    first_time: u64,
    /// How loud it is in each ear.
    pub balance: [f64; 2],
    /// What it hears: a level for each sample.
    sound: Box<dyn FnMut(u64) -> f64>,
}

impl Microphone {
    /// Mono at 32 kb/s in packets of 20 ms, as a browser sends.
    pub fn new(sound: impl FnMut(u64) -> f64 + 'static) -> Self {
        Self::with(Channels::Mono, Application::Voip, 960, 32_000, sound)
    }

    pub fn with(
        channels: Channels,
        application: Application,
        samples: usize,
        bitrate_bps: i32,
        sound: impl FnMut(u64) -> f64 + 'static,
    ) -> Self {
        let mut encoder = Encoder::new(48_000, channels, application).unwrap();
        encoder.set_bitrate(Bitrate::Bits(bitrate_bps)).unwrap();
        let first_time = 4_000_000_000;
        Self {
            encoder,
            channels: channels as usize,
            samples,
            ppm: 0.0,
            sequence: 65_530,
            time: first_time,
            first_time,
            balance: [1.0; 2],
            sound: Box::new(sound),
        }
    }

    pub fn encoder(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    /// When a sample of the talker's timeline was spoken, by the relay's clock.
    pub fn spoken_at(&self, time: u64) -> Duration {
        Duration::from_secs_f64(self.seconds((time - self.first_time) as f64))
    }

    /// How many seconds of the relay's pass for so many samples of the talker's.
    pub fn seconds(&self, samples: f64) -> f64 {
        samples / 48_000.0 / (1.0 + self.ppm * 1e-6)
    }

    /// The next packet, and when it is ready to be sent.
    pub fn packet(&mut self) -> (Duration, MicFrame) {
        let from = self.time - self.first_time;
        let mut sound = Vec::with_capacity(self.samples * self.channels);
        for n in 0..self.samples as u64 {
            let level = (self.sound)(from + n);
            sound.extend(self.balance[..self.channels].iter().map(|gain| (gain * level) as f32));
        }
        let data = self.encoder.encode_vec_float(&sound, 8_000).unwrap();
        let frame = self.frame(data.into());
        self.time += self.samples as u64;
        (self.spoken_at(self.time), frame)
    }

    /// Hears something else from now on.
    pub fn hears(&mut self, sound: impl FnMut(u64) -> f64 + 'static) {
        self.sound = Box::new(sound);
    }

    /// Says nothing for so long: time goes on, packet numbers do not.
    pub fn pause(&mut self, length: Duration) {
        self.time += (length.as_secs_f64() * 48_000.0) as u64;
    }

    /// How many samples were spoken, or paused.
    pub fn position(&self) -> u64 {
        self.time - self.first_time
    }

    /// Forgets that so much was sent.
    pub fn rewind(&mut self, length: Duration) {
        let samples = (length.as_secs_f64() * 48_000.0) as u64;
        self.time -= samples;
        self.sequence -= samples / self.samples as u64;
    }

    /// The next packet, with content that somebody else made.
    pub fn frame(&mut self, data: Arc<[u8]>) -> MicFrame {
        let (sequence, time) = (self.sequence, self.time);
        self.sequence += 1;
        MicFrame { talker: TalkerId(1), sequence, time, received: beginning(), data }
    }

    /// The next packet, of content that somebody else made, and when it is ready to be sent.
    pub fn send(&mut self, data: Arc<[u8]>) -> (Duration, MicFrame) {
        let frame = self.frame(data);
        self.time += self.samples as u64;
        (self.spoken_at(self.time), frame)
    }

    /// All packets of so much time.
    pub fn speak(&mut self, length: Duration) -> Vec<(Duration, MicFrame)> {
        let count = (length.as_secs_f64() * 48_000.0 / self.samples as f64).round() as usize;
        (0..count).map(|_| self.packet()).collect()
    }
}

/// A tone of whole periods, by samples.
pub fn tone(hz: f64) -> impl FnMut(u64) -> f64 {
    move |n| LEVEL * (std::f64::consts::TAU * (hz * n as f64 / 48_000.0).fract()).sin()
}

/// Listens to a tone that began at the beginning, and never ends: where in it is what is heard?
pub struct Tone {
    hz: f64,
    last: f32,
    position: u64,
    periods: u64,
    /// The largest step from sample to sample after a quarter of a second, against that of the clean tone.
    pub step: f64,
    /// In samples of relay and of talker, where each hundredth period was heard to begin.
    pub passed: Vec<(f64, f64)>,
}

impl Tone {
    pub fn new(hz: f64) -> Self {
        Self { hz, last: 0.0, position: 0, periods: 0, step: 0.0, passed: vec![] }
    }

    pub fn hear(&mut self, sound: &[Sample]) {
        let clean = 2.0 * LEVEL * (std::f64::consts::PI * self.hz / 48_000.0).sin();
        let mut step = 0.0_f32;
        for (n, [level, _]) in (self.position..).zip(sound) {
            if n > SETTLED {
                step = step.max((level - self.last).abs());
            }
            if self.last <= 0.0 && *level > 0.0 && (*level - self.last) > 0.01 {
                if self.periods.is_multiple_of(100) {
                    let part = f64::from(self.last / (self.last - level));
                    self.passed.push((n as f64 - 1.0 + part, self.periods as f64 * 48_000.0 / self.hz));
                }
                self.periods += 1;
            }
            self.last = *level;
        }
        self.position += sound.len() as u64;
        self.step = self.step.max(f64::from(step) / clean);
    }
}

/// A relay with one voice.
pub struct Relay {
    pub voice: Voice,
    begin: Instant,
    /// When the next tick is due.
    due: Duration,
    /// When the last tick came.
    now: Duration,
    ticks: u64,
    /// All that came out.
    pub heard: Vec<Sample>,
    /// Whether each tick sounded.
    pub sounded: Vec<bool>,
    /// How late each tick is.
    pub late: Box<dyn FnMut(u64) -> Duration>,
}

impl Relay {
    /// Whose ticks come 3.7 ms after the talkers'.
    pub fn new() -> Self {
        let due = Duration::from_micros(3_700);
        Self {
            voice: Voice::new(),
            begin: beginning(),
            due,
            now: due,
            ticks: 0,
            heard: vec![],
            sounded: vec![],
            late: Box::new(|_| Duration::ZERO),
        }
    }

    /// Takes packets as they come, and plays until the last has come.
    pub fn hear(&mut self, mut packets: Vec<(Duration, MicFrame)>) {
        packets.sort_by_key(|(at, _)| *at);
        for (at, mut frame) in packets {
            self.play_until(at);
            frame.received = self.begin + at;
            self.voice.handle_frame(frame);
        }
    }

    /// Misses the ticks of so much time.
    pub fn miss(&mut self, length: Duration) {
        self.due += length;
    }

    pub fn play_until(&mut self, at: Duration) {
        loop {
            let late = (self.late)(self.ticks);
            let now = (self.due + late).max(self.now);
            if now >= at {
                break;
            }
            self.now = now;
            let mut block = [[0.0; 2]; TICK];
            self.sounded.push(self.voice.pull(self.begin + now, &mut block));
            self.heard.extend(block);
            self.due += Duration::from_millis(10);
            self.ticks += 1;
        }
    }

    /// How many seconds after the beginning a sample was heard.
    pub fn heard_at(samples: f64) -> f64 {
        0.0037 + samples / 48_000.0
    }
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A tone that is louder in the first nine tenths of each second.
pub fn beats() -> impl FnMut(u64) -> f64 {
    let mut tone = tone(700.0);
    move |n| tone(n) * if n % 48_000 < 43_200 { 1.0 } else { 0.3 }
}

/// How many milliseconds after its packet came each loud part of the beats was heard to begin.
pub fn beat_delays(sound: &[[f32; 2]]) -> Vec<f64> {
    let (mut delays, mut quiet) = (vec![], 4_000);
    for (n, [level, _]) in sound.iter().enumerate() {
        if f64::from(level.abs()) < 0.5 * LEVEL {
            quiet += 1;
        } else {
            if quiet > 3_000 {
                let second = delays.len() as f64;
                delays.push((Relay::heard_at(n as f64) - second) * 1000.0 - ENCODER_MS);
            }
            quiet = 0;
        }
    }
    delays
}

/// Three syllables a second: a voiced sound of many harmonics that comes and goes.
pub fn buzz() -> impl FnMut(u64) -> f64 {
    let mut tones: Vec<_> = (1..12).map(|k| (tone(140.0 * f64::from(k)), 1.0 / f64::from(k))).collect();
    move |n| {
        let open = (std::f64::consts::PI * (n as f64 / 16_000.0).fract()).sin().powi(2);
        tones.iter_mut().map(|(tone, level)| tone(n) * *level).sum::<f64>() * 0.4 * open
    }
}

/// The largest step against that of a clean 700 Hz.
pub fn step(sound: &[[f32; 2]]) -> f64 {
    ear::largest_step(sound, 0) / ear::clean_step(LEVEL, 700.0)
}
