//! What is said into a container is heard there by unmodified programs, as a microphone.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_tests::{
    Callee, Process, Recorder, Says, SpeechOptions, Tolerance, best_of_three, report, turn, wait_for,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/aiortc_whip.py");
const HZ: f64 = 700.0;
const LIMIT: Duration = Duration::from_secs(15);
/// A receiver that follows a clock has settled by then.
const SETTLE: Duration = Duration::from_secs(2);

#[test]
fn a_publisher_that_is_not_ours_is_heard() -> Result<()> {
    let _turn = turn();
    let callee = Callee::pulse_audio()?;
    let recorder = callee.server()?.parec()?;
    let python = std::env::var_os("SOUNDPORT_PYTHON")
        .context("SOUNDPORT_PYTHON names no Python with aiortc: run `cargo xtask test`")?;
    let url = format!("{}/whip/{}", callee.relay().http().base(), callee.id());
    let mut command = Command::new(python);
    let mut aiortc = Process::start("aiortc", command.args([SCRIPT, &url, "700", "20"]))?;
    recorder.wait_tone(0, HZ, 0.4, LIMIT).with_context(|| aiortc.stderr())?;
    std::thread::sleep(SETTLE);
    best_of_three(|| {
        let heard = recorder.hear(Duration::from_secs(3))?;
        for ear in [0, 1] {
            let level = heard.rms(ear) * 2.0_f64.sqrt();
            ensure!((0.42..0.58).contains(&level), "{HZ} Hz of {level:.3}");
            heard.check_course(ear, HZ)?;
        }
        Ok(())
    })?;
    let status = wait_for("aiortc to leave", LIMIT, || aiortc.ended())?;
    ensure!(status.success(), "aiortc failed: {}", aiortc.stderr());
    callee.wait_talkers(0)
}

#[test]
fn three_talkers_are_heard_alike_and_nobody_is_disturbed_who_stays() -> Result<()> {
    let _turn = turn();
    let callee = Callee::pulse_audio()?;
    let recorder = callee.server()?.parec()?;
    best_of_three(|| three_talk_and_one_leaves(&callee, &recorder))
}

fn three_talk_and_one_leaves(callee: &Callee, recorder: &Recorder) -> Result<()> {
    let talkers = [400.0, 700.0, 1100.0]
        .map(|hz| callee.talk(SpeechOptions::says(Says::Tone(hz, 0.25))).map(|client| (hz, client)));
    let mut talkers = talkers.into_iter().collect::<Result<Vec<_>>>()?;
    recorder.wait_tone(0, 1100.0, 0.2, LIMIT)?;
    std::thread::sleep(SETTLE);
    let begin = recorder.frames();
    let all = recorder.since(begin, Duration::from_secs(2))?;
    for (hz, _) in &talkers {
        let amplitude = all.amplitude(0, *hz);
        report(&format!("{hz} Hz among three: {amplitude:.3}"));
        ensure!((0.235..0.265).contains(&amplitude), "{hz} Hz of {amplitude:.3}");
    }
    let (_, last) = talkers.pop().context("there are three")?;
    last.leave()?;
    let both = recorder.since(begin, Duration::from_secs(5))?;
    let silent = both.part(4.0, 1.0).amplitude(0, 1100.0);
    ensure!(silent < 0.005, "1100 Hz is still heard: {silent:.3}");
    for (hz, talker) in &talkers {
        let late = talker.latest();
        both.check_course(0, *hz).with_context(|| format!("its sender was at most {late:.0?} late"))?;
    }
    Ok(())
}

#[test]
fn talkers_who_are_loud_together_are_not_clipped() -> Result<()> {
    let _turn = turn();
    let callee = Callee::pulse_audio()?;
    let recorder = callee.server()?.parec()?;
    let _talkers = [400.0, 700.0, 1100.0]
        .map(|hz| callee.talk(SpeechOptions::says(Says::Tone(hz, 0.6))))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    recorder.wait_tone(0, 1100.0, 0.2, LIMIT)?;
    std::thread::sleep(SETTLE);
    let heard = recorder.hear(Duration::from_secs(3))?;
    let loudest = heard.frames.iter().map(|frame| frame[0].abs()).fold(0.0, f32::max);
    let levels = [400.0, 700.0, 1100.0].map(|hz| heard.amplitude(0, hz));
    // What clipping makes of such three: sums and differences of them.
    let made: f64 =
        [200.0, 1000.0, 1200.0, 1500.0, 1800.0, 2100.0].map(|hz| heard.amplitude(0, hz)).iter().sum();
    report(&format!("together: {levels:.3?}, loudest sample {loudest:.3}, other tones {made:.4}"));
    ensure!(loudest < 0.999, "the loudest sample is {loudest}");
    let uneven = levels.iter().fold(0.0, |most: f64, level| most.max(*level))
        / levels.iter().fold(1.0, |least: f64, level| least.min(*level));
    ensure!(uneven < 1.1, "the levels are {levels:.3?}");
    ensure!(made < 0.03, "other tones of {made:.3} are made of them");
    Ok(())
}

#[test]
fn talkers_who_send_junk_disturb_nobody() -> Result<()> {
    let _turn = turn();
    let callee = Callee::pulse_audio()?;
    let recorder = callee.server()?.parec()?;
    let clean = callee.talk(SpeechOptions::says(Says::Tone(HZ, 0.25)))?;
    recorder.wait_tone(0, HZ, 0.2, LIMIT)?;
    std::thread::sleep(SETTLE);
    best_of_three(|| {
        let begin = recorder.frames();
        junk_comes_and_goes(&callee, &recorder)?;
        let length = Duration::from_secs_f64((recorder.frames() - begin) as f64 / 48_000.0);
        let late = clean.latest();
        let heard = recorder.since(begin, length)?;
        heard.check_course(0, HZ).with_context(|| format!("its sender was at most {late:.0?} late"))
    })?;
    let garbage = callee.talk(SpeechOptions::says(Says::Garbage))?;
    std::thread::sleep(SETTLE);
    garbage.leave()?;
    callee.wait_talkers(1)?;
    best_of_three(|| {
        let after = recorder.hear(Duration::from_secs(3))?;
        after.part(1.0, 2.0).flaws(0, HZ, Tolerance::STRICT).none()
    })
}

/// Talkers of all sorts, one after the other: each is heard who can be.
fn junk_comes_and_goes(callee: &Callee, recorder: &Recorder) -> Result<()> {
    let quiet = |hz| SpeechOptions::says(Says::Tone(hz, 0.25));
    // Who is heard at which frequency, and who is not heard at all.
    let junk = [
        ("nothing", SpeechOptions::says(Says::Nothing), None),
        ("mono", SpeechOptions { stereo: false, ..quiet(400.0) }, Some(400.0)),
        ("narrowband", SpeechOptions { narrowband: true, stereo: false, ..quiet(1100.0) }, Some(1100.0)),
        ("short packets", SpeechOptions { packet_frames: 480, ..quiet(400.0) }, Some(400.0)),
        ("pauses", SpeechOptions::says(Says::Pauses(1100.0)), Some(1100.0)),
        ("loss", SpeechOptions { loss: 0.2, ..quiet(400.0) }, Some(400.0)),
    ];
    for (name, options, hz) in junk {
        let talker = callee.talk(options)?;
        if let Some(hz) = hz {
            recorder.wait_tone(0, hz, 0.15, LIMIT).with_context(|| name)?;
        }
        talker.leave()?;
    }
    Ok(())
}
