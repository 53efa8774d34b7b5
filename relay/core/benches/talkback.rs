//! What talkers cost: one second of sound, packets in, sound or Opus frames out.
//! `cargo bench -p soundport-core --bench talkback`
#![allow(clippy::unwrap_used, reason = "a benchmark may fail")]

use std::time::{Duration, Instant};

use divan::{Bencher, black_box};
use opus::{Application, Bitrate, Channels, Encoder};
use soundport_core::talkback::{Limiter, Room, Spoken, TICK, Voice};
use soundport_core::{MicFrame, Sample, SessionId, SourceId, TalkerId};

/// Ticks in a second.
const TICKS: u64 = 100;

/// Packets in a second.
const PACKETS: u64 = 50;

fn main() {
    divan::main();
}

/// A talker who says the same second for ever, by a clock that is 200 ppm off, in virtual time.
struct Talker {
    voice: Voice,
    packets: Vec<Vec<u8>>,
    begin: Instant,
    sent: u64,
    tick: u64,
}

impl Talker {
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn new(level: f32) -> Self {
        let mut talker =
            Self { voice: Voice::new(), packets: packets(level), begin: Instant::now(), sent: 0, tick: 0 };
        talker.second();
        talker
    }

    fn second(&mut self) -> u32 {
        let mut sounding = 0;
        for _ in 0..TICKS {
            self.tick += 1;
            let now = self.begin + Duration::from_millis(10 * self.tick);
            loop {
                let received = self.begin + Duration::from_nanos(20_004_000 * (self.sent + 1));
                if received > now {
                    break;
                }
                let data = self.packets[(self.sent % PACKETS) as usize].clone();
                let (sequence, time) = (self.sent, self.sent * 960);
                self.voice.handle_frame(MicFrame {
                    talker: TalkerId(1),
                    sequence,
                    time,
                    received,
                    data: data.into(),
                });
                self.sent += 1;
            }
            let mut out = [[0.0; 2]; TICK];
            sounding += u32::from(self.voice.pull(now, &mut out));
            black_box(&out);
        }
        sounding
    }
}

/// A second of 700 Hz in packets of 20 ms.
fn packets(level: f32) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(48_000, Channels::Mono, Application::Voip).unwrap();
    encoder.set_bitrate(Bitrate::Bits(32_000)).unwrap();
    let packet = |n: u64| {
        let sound: Vec<f32> = (n * 960..(n + 1) * 960).map(|n| wave(n) * level).collect();
        encoder.encode_vec_float(&sound, 1500).unwrap()
    };
    (0..PACKETS).map(packet).collect()
}

fn wave(n: u64) -> f32 {
    (std::f64::consts::TAU * (700.0 * n as f64 / 48_000.0).fract()).sin() as f32
}

fn block(level: f32) -> [Sample; TICK] {
    std::array::from_fn(|n| [wave(n as u64) * level; 2])
}

#[divan::bench]
fn second_of_a_voice(bencher: Bencher) {
    let mut talker = Talker::new(0.5);
    bencher.bench_local(|| talker.second());
}

#[divan::bench]
fn second_of_a_silent_voice(bencher: Bencher) {
    let mut talker = Talker::new(0.0);
    bencher.bench_local(|| talker.second());
}

#[divan::bench]
fn second_of_decoding_alone(bencher: Bencher) {
    let packets = packets(0.5);
    let mut decoder = opus::Decoder::new(48_000, Channels::Stereo).unwrap();
    let mut sound = [0.0; 2 * 960];
    bencher.bench_local(|| {
        packets.iter().map(|data| decoder.decode_float(data, &mut sound, false).unwrap()).sum::<usize>()
    });
}

#[divan::bench(args = [0.5, 1.5])]
fn second_of_limiting(bencher: Bencher, level: f32) {
    let (mut limiter, block) = (Limiter::new(), block(level));
    bencher.bench_local(|| {
        for _ in 0..TICKS {
            let mut sound = black_box(block);
            limiter.process(&mut sound);
            black_box(&sound);
        }
    });
}

/// Five people, of whom so many speak at once.
#[divan::bench(args = [0, 1, 2, 5])]
fn second_in_a_room_of_five(bencher: Bencher, speaking: usize) {
    let mut room = Room::new(SourceId::new("room"), 128_000);
    let (block, mut time, mut frames) = (block(0.2), 0, Vec::new());
    bencher.bench_local(|| {
        for _ in 0..TICKS {
            let talkers: Vec<Spoken<'_>> = (0..5)
                .map(|n| Spoken {
                    listener: Some(SessionId::new(n as u128)),
                    sound: &block,
                    sounds: n < speaking,
                })
                .collect();
            room.tick(time, &talkers, true, &mut frames);
            time += TICK as u64;
        }
        std::mem::take(&mut frames).len()
    });
}
