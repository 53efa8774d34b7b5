//! What is said into a container is heard there by unmodified programs, as a microphone.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_api::{Source, TalkbackState};
use soundport_tests::{
    AudioServer, Container, Events, Network, Process, Recorder, Recording, Relay, RelayOptions, Says,
    SpeechOptions, Tolerance, WhipClient, long, report, turn, wait_for,
};

const HZ: f64 = 700.0;
const LIMIT: Duration = Duration::from_secs(15);
/// A receiver that follows a clock has settled by then.
const SETTLE: Duration = Duration::from_secs(2);

/// A container whose audio server sends to a relay, and may be talked into.
struct Desk {
    server: AudioServer,
    _receiver: Option<Process>,
    container: Container,
    relay: Relay,
    events: Events,
    id: String,
    _network: Network,
}

impl Desk {
    fn pulse_audio() -> Result<Self> {
        Self::with(|container| {
            let server = AudioServer::pulse_audio(Some(container))?;
            server.microphone("0.0.0.0")?;
            Ok((server, None))
        })
    }

    fn pipewire() -> Result<Self> {
        Self::with(|container| {
            let server = AudioServer::pipewire(container)?;
            let receiver = server.pipewire_microphone(container)?;
            Ok((server, Some(receiver)))
        })
    }

    fn with(start: impl FnOnce(&Container) -> Result<(AudioServer, Option<Process>)>) -> Result<Self> {
        let network = Network::start()?;
        let container = network.container("desktop")?;
        let relay = Relay::with(&RelayOptions {
            network: Some(&network),
            arguments: vec!["--allow-talk".into()],
            ..RelayOptions::default()
        })?;
        let (server, receiver) = start(&container)?;
        let (host, port) = (network.host(), relay.rtp().port());
        server
            .load(&format!("module-rtp-send source=out.monitor destination_ip={host} port={port} mtu=972"))?;
        let events = Events::subscribe(relay.http())?;
        // PipeWire's answer to PulseAudio's module announces to a group: by unicast alone it has no name.
        let id = wait_for("a source", LIMIT, || Ok(events.sources().into_iter().next()))?.id;
        Ok(Self { id, server, _receiver: receiver, container, relay, events, _network: network })
    }

    fn talk(&self, options: SpeechOptions) -> Result<WhipClient> {
        let client = wait_for("a place to talk", LIMIT, || {
            WhipClient::talk(self.relay.http(), &self.id, options.clone()).map(Some)
        })?;
        self.wait_way(TalkbackState::Open)?;
        Ok(client)
    }

    fn wait_talkers(&self, count: usize) -> Result<()> {
        let has = |source: &Source| source.talkback.as_ref().is_some_and(|all| all.talkers.len() == count);
        self.events.wait_source(&self.id, &format!("talked to by {count}"), LIMIT, has).map(|_| ())
    }

    fn wait_way(&self, state: TalkbackState) -> Result<()> {
        self.events
            .wait_source(&self.id, &format!("{state:?} to talkers"), LIMIT, |source| {
                source.talkback.as_ref().is_some_and(|talkback| talkback.state == state)
            })
            .map(|_| ())
    }
}

#[test]
fn what_is_said_is_heard_without_a_flaw_by_parec_and_arecord() -> Result<()> {
    let _turn = turn();
    let desk = Desk::pulse_audio()?;
    let recorders = [("parec", desk.server.parec()?), ("arecord", desk.server.arecord()?)];
    let _talker = desk.talk(SpeechOptions::tone(HZ))?;
    is_clean(&recorders, HZ, Tolerance::STRICT)
}

/// Hears a tone of half of full scale in both ears at every recorder, at least once of three times without a flaw.
fn is_clean(recorders: &[(&str, Recorder)], hz: f64, tolerance: Tolerance) -> Result<()> {
    let length = Duration::from_secs(if long() { 60 } else { 10 });
    for (_, recorder) in recorders {
        recorder.wait_tone(0, hz, 0.4, LIMIT)?;
    }
    std::thread::sleep(SETTLE);
    let mut tries = 0;
    loop {
        tries += 1;
        let begins: Vec<u64> = recorders.iter().map(|(_, recorder)| recorder.frames()).collect();
        let mut flaws = Vec::new();
        for ((name, recorder), begin) in recorders.iter().zip(begins) {
            let heard = recorder.since(begin, length)?;
            for ear in [0, 1] {
                let amplitude = heard.amplitude(ear, hz);
                ensure!((0.42..0.58).contains(&amplitude), "{name}: {hz} Hz of {amplitude:.3}");
                let found = heard.flaws(ear, hz, tolerance);
                report(&format!("{name}, {length:.0?}: {amplitude:.3}, flaws {found:.2?}"));
                flaws.push((name, found));
            }
        }
        let Some((name, found)) = flaws.iter().find(|(_, found)| found.count() > 0) else { return Ok(()) };
        if tries == 3 {
            return found.none().with_context(|| format!("{name}, in each of three tries"));
        }
    }
}

#[test]
fn pipewires_microphone_hears_it_too() -> Result<()> {
    let _turn = turn();
    let desk = Desk::pipewire()?;
    let recorders = [
        ("parec", desk.server.parec()?),
        ("arecord", desk.server.arecord()?),
        ("pw-record", desk.server.pw_record()?),
    ];
    let _talker = desk.talk(SpeechOptions::tone(HZ))?;
    is_clean(&recorders, HZ, Tolerance::SAMPLE)
}

#[test]
fn three_talkers_are_heard_alike_and_nobody_is_disturbed_who_stays() -> Result<()> {
    let _turn = turn();
    let desk = Desk::pulse_audio()?;
    let recorder = desk.server.parec()?;
    let talkers = [400.0, 700.0, 1100.0]
        .map(|hz| desk.talk(SpeechOptions::says(Says::Tone(hz, 0.25))).map(|client| (hz, client)));
    let mut talkers = talkers.into_iter().collect::<Result<Vec<_>>>()?;
    recorder.wait_tone(0, 1100.0, 0.2, LIMIT)?;
    std::thread::sleep(SETTLE);
    let begin = recorder.frames();
    let all = recorder.since(begin, Duration::from_secs(3))?;
    for (hz, _) in &talkers {
        let amplitude = all.amplitude(0, *hz);
        report(&format!("{hz} Hz among three: {amplitude:.3}"));
        ensure!((0.235..0.265).contains(&amplitude), "{hz} Hz of {amplitude:.3}");
        all.check_course(0, *hz)?;
    }
    let (_, last) = talkers.pop().context("there are three")?;
    last.leave()?;
    let both = recorder.since(begin, Duration::from_secs(8))?;
    let silent = both.part(6.0, 2.0).amplitude(0, 1100.0);
    ensure!(silent < 0.005, "1100 Hz is still heard: {silent:.3}");
    both.check_course(0, 400.0)?;
    both.check_course(0, 700.0)
}

#[test]
fn talkers_who_are_loud_together_are_not_clipped() -> Result<()> {
    let _turn = turn();
    let desk = Desk::pulse_audio()?;
    let recorder = desk.server.parec()?;
    let _talkers = [400.0, 700.0, 1100.0]
        .map(|hz| desk.talk(SpeechOptions::says(Says::Tone(hz, 0.6))))
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
    let desk = Desk::pulse_audio()?;
    let recorder = desk.server.parec()?;
    let _clean = desk.talk(SpeechOptions::says(Says::Tone(HZ, 0.25)))?;
    recorder.wait_tone(0, HZ, 0.2, LIMIT)?;
    std::thread::sleep(SETTLE);
    let begin = recorder.frames();
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
        let talker = desk.talk(options)?;
        if let Some(hz) = hz {
            recorder.wait_tone(0, hz, 0.15, LIMIT).with_context(|| name)?;
        }
        talker.leave()?;
    }
    let length = (recorder.frames() - begin) as f64 / 48_000.0;
    let heard = recorder.since(begin, Duration::from_secs_f64(length))?;
    heard.check_course(0, HZ)?;
    let garbage = desk.talk(SpeechOptions::says(Says::Garbage))?;
    std::thread::sleep(SETTLE);
    garbage.leave()?;
    desk.wait_talkers(1)?;
    let after = recorder.hear(Duration::from_secs(3))?;
    after.part(1.0, 2.0).flaws(0, HZ, Tolerance::STRICT).none()
}
