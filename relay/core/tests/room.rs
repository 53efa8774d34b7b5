//! Who hears whom in a room.

mod common;

use common::ear;
use soundport_core::talkback::{Room, Spoken, TICK};
use soundport_core::{OpusFrame, Recipients, Sample, SessionId, SourceId};

fn block(tick: u64, hz: f64) -> [Sample; TICK] {
    std::array::from_fn(|i| {
        let n = tick * TICK as u64 + i as u64;
        [(std::f64::consts::TAU * (hz * n as f64 / 48_000.0).fract()).sin() as f32 * 0.3; 2]
    })
}

#[test]
fn two_hear_each_other() {
    let mut room = Room::new(SourceId::new("room"), 128_000);
    let mut frames: Vec<OpusFrame> = vec![];
    let (a, b) = (SessionId::new(1), SessionId::new(2));
    for tick in 0..300 {
        let (x, y) = (block(tick, 400.0), block(tick, 700.0));
        let talkers = [
            Spoken { listener: Some(a), sound: &x, sounds: true },
            Spoken { listener: Some(b), sound: &y, sounds: true },
        ];
        room.tick(tick * 480, &talkers, false, &mut frames);
    }
    let of = |id| {
        let own: Vec<OpusFrame> =
            frames.iter().filter(|f| f.to == Recipients::Session(id)).cloned().collect();
        ear::decode(&own)
    };
    for (id, own, other) in [(a, 400.0, 700.0), (b, 700.0, 400.0)] {
        let sound = of(id);
        let (levels, _) = ear::fit(&sound[48_000..], 0, &[own, other]);
        assert!(levels[0] < 1e-3 && (levels[1] - 0.3).abs() < 0.01, "{levels:?}");
    }
    assert_eq!(frames.len(), 600);
}
