//! Who hears whom in a room.

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::ear;
use soundport_core::talkback::{Room, Spoken, TICK};
use soundport_core::{OpusFrame, Recipients, Sample, SessionId, SourceId};

/// How loud everybody speaks.
const LEVEL: f64 = 0.25;

/// What an encoder and the limiter delay, in samples.
const DELAY: usize = 120 + 48;

#[test]
fn two_hear_each_other_and_not_themselves() {
    let mut rig = Rig::new([400.0, 700.0]);
    rig.ticks(200, &[0, 1]);
    assert_eq!(rig.frames.len(), 400);
    for (who, own, other) in [(0, 400.0, 700.0), (1, 700.0, 400.0)] {
        let (levels, rest) = ear::fit(&rig.heard_by(who)[24_000..], 0, &[own, other]);
        assert!(levels[0] < 0.001, "hears itself: {levels:?}");
        assert!((levels[1] / LEVEL - 1.0).abs() < 0.03 && rest < 0.001, "{levels:?} {rest}");
    }
}

#[test]
fn three_hear_two_each_at_equal_level() {
    let tones_hz = [400.0, 700.0, 1100.0];
    let mut rig = Rig::new(tones_hz);
    rig.others_listen = true;
    rig.ticks(200, &[0, 1, 2]);
    for who in 0..3 {
        let (levels, rest) = ear::fit(&rig.heard_by(who)[24_000..], 0, &tones_hz);
        for (spoken, level) in levels.iter().enumerate() {
            let expected = if spoken == who { 0.0 } else { LEVEL };
            assert!((level - expected).abs() < 0.03 * LEVEL, "{who}: {levels:?}");
        }
        assert!(rest < 0.002, "{rest}");
    }
    let (levels, _) = ear::fit(&rig.heard_by_others()[24_000..], 0, &tones_hz);
    assert!(levels.iter().all(|level| (level / LEVEL - 1.0).abs() < 0.03), "{levels:?}");
}

#[test]
fn silence_makes_no_frames() {
    let mut rig = Rig::new([400.0, 700.0]);
    rig.others_listen = true;
    rig.ticks(100, &[]);
    assert!(rig.frames.is_empty());
    rig.ticks(50, &[0]);
    rig.ticks(500, &[]);
    let last = rig.frames.iter().map(|frame| frame.time).max().unwrap();
    assert_eq!(last, 480 * (150 + 19), "silence is encoded for 200 ms, so that decoders fade out");
    assert!(rig.frames_of(Recipients::Session(session(0))).is_empty(), "who alone speaks hears nothing");
    let heard = rig.heard_by(1);
    assert!(heard[heard.len() - 480..].as_flattened().iter().all(|level| level.abs() < 1e-4));

    // After the pause, time is the clock's.
    rig.frames.clear();
    rig.ticks(10, &[1]);
    assert_eq!(rig.frames[0].time, 480 * 650);
    assert!(rig.frames.windows(2).all(|pair| pair[1].time - pair[0].time <= 480));
}

#[test]
fn all_who_hear_the_same_get_the_same_bytes() {
    let mut rig = Rig::new([400.0, 700.0, 1100.0, 500.0]);
    rig.others_listen = true;
    rig.ticks(100, &[2]);
    assert_eq!(rig.frames.len(), 400);
    assert_eq!(rig.encodes(), 100, "one who speaks is encoded once");
    rig.frames.clear();
    rig.ticks(100, &[1, 2]);
    assert_eq!(rig.encodes(), 300, "two who speak: two mixes of their own, and one for all others");
}

#[test]
fn who_begins_to_speak_hears_no_seam() {
    // 0 speaks all the time; 1 and 2 hear it, and begin to speak, and stop for long, and begin again.
    let mut rig = Rig::new([400.0, 0.0, 0.0]);
    rig.ticks(200, &[0]);
    for _ in 0..3 {
        rig.ticks(30, &[0, 1]);
        rig.ticks(7, &[0, 1, 2]);
        rig.ticks(400, &[0]);
    }
    assert!(rig.encodes() < rig.frames.len(), "the mix is never common");
    for who in [1, 2] {
        let heard = rig.heard_by(who);
        assert_eq!(heard.len() / TICK, rig.time / TICK);
        let settled = &heard[9_600..];
        let (levels, rest) = ear::fit(settled, 0, &[400.0]);
        assert!((levels[0] / LEVEL - 1.0).abs() < 0.03 && rest < 0.001, "{levels:?} {rest}");
        let worst = settled.chunks(480).map(|chunk| ear::fit(chunk, 0, &[400.0]).1).fold(0.0, f64::max);
        assert!(worst < 0.008 * LEVEL, "a seam: {worst}");
    }
}

#[test]
fn who_listens_and_then_talks_hears_no_seam() {
    let mut rig = Rig::new([400.0, 700.0]);
    rig.others_listen = true;
    rig.present = vec![0];
    rig.ticks(100, &[0]);
    // The listener's page asks for the microphone: from now on its frames are its own.
    rig.present = vec![0, 1];
    rig.others_listen = false;
    rig.ticks(100, &[0]);
    rig.present = vec![0];
    rig.others_listen = true;
    rig.ticks(100, &[0]);
    let heard =
        rig.heard(|frame| frame.to == Recipients::Others || frame.to == Recipients::Session(session(1)));
    assert_eq!(heard.len(), 300 * TICK);
    let worst = heard[4_800..].chunks(480).map(|chunk| ear::fit(chunk, 0, &[400.0]).1).fold(0.0, f64::max);
    assert!(worst < 0.004 * LEVEL, "a seam: {worst}");
}

#[test]
fn the_first_sample_of_a_word_is_there() {
    let mut rig = Rig::new([400.0, 700.0]);
    rig.ticks(30, &[]);
    rig.ticks(30, &[0]);
    rig.ticks(400, &[]);
    let before = rig.frames.len();
    rig.ticks(30, &[0]);
    let heard = [rig.heard_by(1)[..4_800].to_vec(), {
        rig.frames.drain(..before);
        rig.heard_by(1)[..4_800].to_vec()
    }];
    for heard in heard {
        let spoken: Vec<Sample> =
            (0..4_800 - DELAY as u64).map(|n| [(LEVEL * wave(n, 400.0)) as f32; 2]).collect();
        for (heard, spoken) in heard[DELAY..].chunks(120).zip(spoken.chunks(120)) {
            let wrong = heard.iter().zip(spoken).map(|(a, b)| (a[0] - b[0]).abs()).fold(0.0, f32::max);
            assert!(wrong < 0.05, "{wrong}");
        }
    }
}

/// People who each say a tone, in virtual time.
struct Rig {
    room: Room,
    tones_hz: Vec<f64>,
    /// Who is there.
    present: Vec<usize>,
    others_listen: bool,
    time: usize,
    frames: Vec<OpusFrame>,
}

impl Rig {
    fn new(tones_hz: impl Into<Vec<f64>>) -> Self {
        let tones_hz = tones_hz.into();
        Self {
            room: Room::new(SourceId::new("room"), 128_000),
            present: (0..tones_hz.len()).collect(),
            tones_hz,
            others_listen: false,
            time: 0,
            frames: vec![],
        }
    }

    /// So much time, in which some of those present speak.
    fn ticks(&mut self, ticks: usize, speaking: &[usize]) {
        for _ in 0..ticks {
            let blocks: Vec<[Sample; TICK]> = self
                .present
                .iter()
                .map(|who| {
                    std::array::from_fn(|i| {
                        [(LEVEL * wave((self.time + i) as u64, self.tones_hz[*who])) as f32; 2]
                    })
                })
                .collect();
            let talkers: Vec<Spoken<'_>> = self
                .present
                .iter()
                .zip(&blocks)
                .map(|(who, sound)| Spoken {
                    listener: Some(session(*who)),
                    sound,
                    sounds: speaking.contains(who),
                })
                .collect();
            self.room.tick(self.time as u64, &talkers, self.others_listen, &mut self.frames);
            self.time += TICK;
        }
    }

    fn frames_of(&self, to: Recipients) -> Vec<OpusFrame> {
        self.frames.iter().filter(|frame| frame.to == to).cloned().collect()
    }

    fn heard(&self, by: impl Fn(&OpusFrame) -> bool) -> Vec<Sample> {
        ear::decode(&self.frames.iter().filter(|frame| by(frame)).cloned().collect::<Vec<_>>())
    }

    fn heard_by(&self, who: usize) -> Vec<Sample> {
        self.heard(|frame| frame.to == Recipients::Session(session(who)))
    }

    fn heard_by_others(&self) -> Vec<Sample> {
        self.heard(|frame| frame.to == Recipients::Others)
    }

    /// How many different packets there are.
    fn encodes(&self) -> usize {
        let packets: HashMap<*const u8, &Arc<[u8]>> =
            self.frames.iter().map(|frame| (frame.data.as_ptr(), &frame.data)).collect();
        packets.len()
    }
}

fn session(who: usize) -> SessionId {
    SessionId::new(who as u128 + 1)
}

fn wave(n: u64, hz: f64) -> f64 {
    (std::f64::consts::TAU * (hz * n as f64 / 48_000.0).fract()).sin()
}
