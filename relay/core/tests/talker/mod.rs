//! A talker in virtual time: a microphone's Opus packets, the way they take, and a relay that plays them.
#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use std::time::{Duration, Instant};

use opus::{Application, Bitrate, Channels, Encoder};
use soundport_core::talkback::{TICK, Voice};
use soundport_core::{MicFrame, Sample, TalkerId};

/// How loud tones are; full scale is 1.
pub const LEVEL: f64 = 0.5;

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
            sound: Box::new(sound),
        }
    }

    pub fn encoder(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    /// When a sample of the talker's timeline was spoken, by the relay's clock.
    pub fn spoken_at(&self, time: u64) -> Duration {
        Duration::from_secs_f64((time - self.first_time) as f64 / 48_000.0 / (1.0 + self.ppm * 1e-6))
    }

    /// The next packet, and when it is ready to be sent.
    pub fn packet(&mut self) -> (Duration, MicFrame) {
        let from = self.time - self.first_time;
        let mut sound = Vec::with_capacity(self.samples * self.channels);
        for n in 0..self.samples as u64 {
            let level = (self.sound)(from + n) as f32;
            sound.extend(std::iter::repeat_n(level, self.channels));
        }
        let data = self.encoder.encode_vec_float(&sound, 8_000).unwrap();
        let frame = self.frame(data);
        self.time += self.samples as u64;
        (self.spoken_at(self.time), frame)
    }

    /// The next packet, with content that somebody else made.
    pub fn frame(&mut self, data: Vec<u8>) -> MicFrame {
        let (sequence, time) = (self.sequence, self.time);
        self.sequence += 1;
        MicFrame { talker: TalkerId(1), sequence, time, received: beginning(), data: data.into() }
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

/// A relay with one voice.
pub struct Relay {
    pub voice: Voice,
    begin: Instant,
    /// When the next tick is due.
    due: Duration,
    /// All that came out.
    pub heard: Vec<Sample>,
    /// Whether each tick sounded.
    pub sounded: Vec<bool>,
}

impl Relay {
    /// Whose ticks come 3.7 ms after the talkers'.
    pub fn new() -> Self {
        let due = Duration::from_micros(3_700);
        Self { voice: Voice::new(), begin: beginning(), due, heard: vec![], sounded: vec![] }
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

    pub fn play_until(&mut self, at: Duration) {
        while self.due < at {
            let mut block = [[0.0; 2]; TICK];
            self.sounded.push(self.voice.pull(self.begin + self.due, &mut block));
            self.heard.extend(block);
            self.due += Duration::from_millis(10);
        }
    }

    /// When a sample was heard.
    pub fn heard_at(&self, index: usize) -> Duration {
        Duration::from_micros(3_700) + Duration::from_secs_f64(index as f64 / 48_000.0)
    }
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
