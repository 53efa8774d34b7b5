//! Who hears whom in a room.

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::{Dice, ear};
use soundport_core::talkback::{Room, Spoken, TICK};
use soundport_core::{OpusFrame, Recipients, Sample, SessionId, SourceId};

/// How loud everybody speaks.
const LEVEL: f64 = 0.25;

/// How loud somebody lively is, tick by tick.
const LIVELY: [f64; 7] = [1.0, 0.1, 0.5, 0.02, 0.9, 0.3, 0.05];

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
fn a_seam_in_lively_sound_is_not_heard() {
    // One speaks all the time, louder and quieter in each tick; another says something now and then, for itself alone.
    let mut rig = Rig::new([400.0, 0.0]);
    rig.others_listen = true;
    rig.lively = true;
    for _ in 0..10 {
        rig.ticks(20, &[0, 1]);
        rig.ticks(320, &[0]);
    }
    let (own, common) = (rig.heard_by(1), rig.heard_by_others());
    let wrong = |sound: &[Sample], tick: usize| {
        let from = tick * TICK;
        let squares = (from..from + TICK).map(|n| f64::from(sound[n][0] - rig.spoken[n - DELAY]).powi(2));
        (squares.sum::<f64>() / TICK as f64).sqrt()
    };
    let ticks = own.len() / TICK;
    assert_eq!(ticks, rig.time / TICK);
    let worst = |sound: &[Sample]| (20..ticks).map(|tick| wrong(sound, tick)).fold(0.0, f64::max);
    let (own, common) = (worst(&own), worst(&common));
    assert!(own < 1.2 * common, "a seam: an error of {own} where the codec's own is {common}");
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

#[test]
fn whoever_comes_goes_and_speaks_each_hears_the_others() {
    let tones_hz = [400.0, 700.0, 1100.0, 500.0];
    let (mut rig, mut dice) = (Rig::new(tones_hz), Dice::new(12));
    for _ in 0..40 {
        rig.present = (0..4).filter(|_| dice.roll() < 0.8).collect();
        rig.others_listen = dice.roll() < 0.5;
        let speaking: Vec<usize> = rig.present.iter().copied().filter(|_| dice.roll() < 0.4).collect();
        let length = 25 + (dice.roll() * 50.0) as usize;
        rig.ticks(length, &speaking);
        for who in rig.present.clone() {
            let others = speaking.iter().filter(|other| **other != who).count();
            let heard = rig.frames_of(Recipients::Session(session(who)));
            let ticks = heard.iter().filter(|frame| frame.time as usize >= rig.time - length * TICK).count();
            assert!(
                ticks == length || others == 0 && ticks <= 20,
                "{ticks} of {length}, {others} others speak"
            );
            if others > 0 {
                let sound = ear::decode(&heard[heard.len() - length..]);
                let (levels, _) = ear::fit(&sound[20 * TICK..], 0, &tones_hz);
                for (other, level) in levels.iter().enumerate() {
                    let speaks = other != who && speaking.contains(&other);
                    assert!(
                        (level - if speaks { LEVEL } else { 0.0 }).abs() < 0.05 * LEVEL,
                        "{who}: {levels:?}"
                    );
                }
            }
        }
        assert!(rig.encodes() <= length * (rig.present.len() + 1));
        rig.frames.clear();
    }
}

/// People who each say a tone, in virtual time.
struct Rig {
    room: Room,
    tones_hz: Vec<f64>,
    /// Who is there.
    present: Vec<usize>,
    others_listen: bool,
    /// Whether everybody is louder and quieter from tick to tick.
    lively: bool,
    /// What the first one said.
    spoken: Vec<f32>,
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
            lively: false,
            spoken: vec![],
            time: 0,
            frames: vec![],
        }
    }

    /// So much time, in which some of those present speak.
    fn ticks(&mut self, ticks: usize, speaking: &[usize]) {
        for _ in 0..ticks {
            let loudness = |n: usize| if self.lively { LIVELY[n / TICK % LIVELY.len()] } else { 1.0 };
            let say = |n: usize, hz: f64| (LEVEL * loudness(n) * wave(n as u64, hz)) as f32;
            let blocks: Vec<[Sample; TICK]> = self
                .present
                .iter()
                .map(|who| std::array::from_fn(|i| [say(self.time + i, self.tones_hz[*who]); 2]))
                .collect();
            self.spoken.extend(blocks[0].iter().map(|sample| sample[0]));
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
