//! Sound that pauses ends and begins without a click, and time goes on by the clock.
mod common;

use common::{LEVEL, Rig, Sender, addr, assert_steps, ear, ms};
use soundport_core::ingest::SourceState;

const FROM: &str = "10.88.0.50:40000";

#[test]
fn a_resumed_sender_is_heard_where_the_clock_stands() {
    let mut sender = Sender::new(1);
    let mut rig = Rig::new();
    rig.play(addr(FROM), &sender.send(ms(0), ms(2003), &[317], 1));
    let before = rig.frames.len();
    let end = rig.frames.last().unwrap().time;
    // Sequence numbers and timestamps go on as if nothing had been.
    let again = sender.send(ms(9000), ms(2000), &[317], 1);
    rig.run_until(ms(8999));
    assert_eq!(rig.state("10-88-0-50"), Some(SourceState::Idle));
    let ending = rig.frames.len() - before;
    assert!((1..=3).contains(&ending), "{ending} frames end the sound");
    rig.play(addr(FROM), &again);
    assert_eq!(rig.state("10-88-0-50"), Some(SourceState::Live));
    assert_steps(&rig.frames[..before + ending], 480);
    assert_steps(&rig.frames[before + ending..], 480);
    let resumed = rig.frames[before + ending].time;
    assert!(resumed.is_multiple_of(480));
    let gap = (resumed - end) as i64 - 7 * 48_000;
    assert!(gap.abs() <= 2 * 480, "off by {gap} samples");
    let burst = rig.out_at[before + ending..].windows(3).filter(|w| w[0] == w[2]).count();
    assert_eq!(burst, 0, "frames in a burst");
    assert_quiet_edges(&rig);
}

#[test]
fn the_last_sound_fades_out() {
    let mut rig = Rig::new();
    rig.play(addr(FROM), &Sender::new(1).send(ms(0), ms(1000), &[317], 1));
    rig.run_until(ms(3000));
    let sound = ear::decode(&rig.frames);
    let tail = &sound[sound.len() - 48..];
    assert!(tail.as_flattened().iter().all(|s| s.abs() < 0.003), "the sound stops at {:?}", tail[47]);
    assert_quiet_edges(&rig);
}

#[test]
fn the_first_sound_after_a_pause_is_not_clipped() {
    let mut sender = Sender::new(1);
    let mut rig = Rig::new();
    rig.play(addr(FROM), &sender.send(ms(0), ms(1000), &[240], 1));
    rig.run_until(ms(4000));
    let before = rig.frames.len();
    rig.play(addr(FROM), &sender.send(ms(5000), ms(1000), &[240], 1));
    let sound = ear::decode(&rig.frames);
    // Opus is 120 samples behind; then it takes a millisecond.
    let onset = before * 480 + 120 + 48;
    let envelope = ear::envelope(&sound[onset..], 480);
    assert!(envelope[0] > 0.9 * envelope[20], "{:.3} at first, {:.3} later", envelope[0], envelope[20]);
}

#[test]
fn short_pauses_many_times_make_no_click() {
    let mut sender = Sender::new(1);
    let mut rig = Rig::new();
    for round in 0..20 {
        rig.play(
            addr(FROM),
            &sender.send(ms(round * 700 + round * round), ms(313 + 7 * round), &[347, 185], 1),
        );
    }
    rig.run_until(ms(20_000));
    assert_eq!(rig.ingest.counters().pauses, 20);
    assert!(rig.frames.windows(2).all(|w| w[1].time > w[0].time && w[1].time.is_multiple_of(480)));
    assert_quiet_edges(&rig);
}

#[test]
fn a_backlog_sent_at_once_does_not_put_listeners_behind() {
    let mut sender = Sender::new(1);
    let mut rig = Rig::new();
    rig.play(addr(FROM), &sender.send(ms(0), ms(2000), &[240], 1));
    rig.run_until(ms(4999));
    // Three seconds of sound were kept back, and come at once.
    let backlog: Vec<_> =
        sender.send(ms(0), ms(3000), &[240], 1).into_iter().map(|(_, packet)| (ms(5000), packet)).collect();
    rig.play(addr(FROM), &backlog);
    let resumed = rig.frames.len();
    rig.play(addr(FROM), &sender.send(ms(5000), ms(5000), &[240], 1));
    let skipped = rig.ingest.counters().skipped_samples;
    assert!((130_000..150_000).contains(&skipped), "{skipped} samples skipped");
    // What is heard at the end is not ahead of the clock by more than what is usual.
    let lead = rig.frames.last().unwrap().time as f64 / 48_000.0 - 10.0;
    assert!((-0.03..0.03).contains(&lead), "{lead:.3} s ahead");
    assert_steps(&rig.frames[resumed..], 480);
    assert_quiet_edges(&rig);
}

#[test]
fn a_short_stall_is_caught_up_with() {
    let mut packets = Sender::new(1).send(ms(0), ms(4000), &[240], 1);
    for (at, _) in &mut packets {
        if (ms(2000)..ms(2090)).contains(at) {
            *at = ms(2090);
        }
    }
    let mut rig = Rig::new();
    rig.play(addr(FROM), &packets);
    let counters = rig.ingest.counters();
    assert_eq!((counters.pauses, counters.skipped_samples), (0, 0), "{counters:?}");
    assert_steps(&rig.frames, 480);
    assert_eq!(rig.end(), 400 * 480);
}

#[test]
fn timestamps_that_jump_while_sound_comes_are_followed() {
    let mut sender = Sender::new(1);
    let mut rig = Rig::new();
    rig.play(addr(FROM), &sender.send(ms(0), ms(2000), &[240], 1));
    sender.timestamp = sender.timestamp.wrapping_add(1_000_000);
    rig.play(addr(FROM), &sender.send(ms(2000), ms(1000), &[240], 1));
    assert_eq!(rig.end(), 300 * 480);
    assert_steps(&rig.frames, 480);
    assert_quiet_edges(&rig);
}

#[test]
fn a_restart_with_the_same_numbers_is_heard() {
    let sender = Sender { sequence: 0, timestamp: 0, ..Sender::new(1) };
    let mut rig = Rig::new();
    for begin in [0, 700, 1400] {
        rig.play(addr(FROM), &sender.clone().send(ms(begin), ms(400), &[240], 1));
        assert_eq!(rig.end().div_ceil(480), (begin + 400) / 10, "what began at {begin} ms");
    }
    assert_quiet_edges(&rig);
}

#[test]
fn sequence_numbers_that_jump_are_a_new_beginning() {
    let mut sender = Sender::new(1);
    let mut rig = Rig::new();
    rig.play(addr(FROM), &sender.send(ms(0), ms(2000), &[240], 1));
    sender.sequence = sender.sequence.wrapping_add(30_000);
    sender.timestamp = 5;
    rig.play(addr(FROM), &sender.send(ms(2000), ms(1000), &[240], 1));
    assert_eq!(rig.end(), 300 * 480, "{:?}", rig.ingest.counters());
    assert_steps(&rig.frames, 480);
    assert_quiet_edges(&rig);
}

fn assert_quiet_edges(rig: &Rig) {
    let sound = ear::decode(&rig.frames);
    for (side, tone) in [(0, 440.0), (1, 880.0)] {
        let ratio = ear::largest_step(&sound, side) / ear::clean_step(LEVEL, tone);
        assert!(ratio < 1.5, "a step of {ratio:.2} times the clean tone's in ear {side}");
    }
}
