//! A source's state is right at every step, and who listens hears it again by itself.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_api::SourceState;
use soundport_tests::{
    Announced, Announcer, AudioServer, Browser, Events, Network, Recording, Relay, RelayOptions, Request,
    Signal, Tone, ToneSender, ToneSenderOptions, WhepClient, long, opus_offer, report, turn, wait_for,
};

const SOURCE: &str = "desktop";
const STATE_WITHIN: Duration = Duration::from_secs(10);
/// The promises: how soon a tab hears a source that returned, and one whose relay was restarted.
const HEARD_AGAIN_WITHIN: Duration = Duration::from_secs(2);
const RELAY_HEARD_AGAIN_WITHIN: Duration = Duration::from_secs(5);
/// The promise: so much of the first sound after idle may be missing.
const ALLOWED_CLIPPING_MS: f64 = 5.0;

/// A container that announces itself and sends, in this process.
struct Mock {
    sender: ToneSender,
    _announcer: Announcer,
}

impl Mock {
    /// Sends from `127.0.0.<last>`; `run` tells one start of the container from another.
    fn start(relay: &Relay, last: u8, run: u32) -> Result<Self> {
        let from: IpAddr = Ipv4Addr::new(127, 0, 0, last).into();
        let options = ToneSenderOptions { from, ssrc: 0x5050_0000 + run, ..ToneSenderOptions::default() };
        let (port, session) = (relay.rtp().port(), u64::from(run));
        let stream = Announced { port, session, from, ..Announced::default() };
        let announcer = Announcer::start(relay.sap(), stream)?;
        Ok(Self { sender: ToneSender::start(relay.rtp(), options)?, _announcer: announcer })
    }
}

/// A tab that listens, and what the relay says meanwhile.
struct Watch {
    browser: Browser,
    events: Events,
}

impl Watch {
    fn start(relay: &Relay) -> Result<Self> {
        let events = Events::subscribe(relay.http())?;
        events.wait_state(SOURCE, SourceState::Live, STATE_WITHIN)?;
        let browser = Browser::start()?;
        browser.open(&relay.http_url())?;
        browser.wait_source_state(SOURCE, "live")?;
        browser.act(SOURCE, "listen")?;
        browser.wait_tone(STATE_WITHIN)?;
        Ok(Self { browser, events })
    }

    /// Waits until events and page say that it is idle, and nothing is heard.
    fn falls_idle(&self, why: &str) -> Result<()> {
        let after =
            self.events.wait_state(SOURCE, SourceState::Idle, STATE_WITHIN).context(why.to_owned())?;
        self.browser.wait_source_state(SOURCE, "idle").with_context(|| why.to_owned())?;
        self.browser.wait_silence()?;
        report(&format!("{why}: idle after {after:.1?}"));
        Ok(())
    }

    /// Waits until the tab hears it again without a click, and events and page say so.
    fn hears_again(&self, why: &str, limit: Duration) -> Result<()> {
        let heard = self.browser.wait_tone(limit).with_context(|| format!("after {why}"))?;
        self.events.wait_state(SOURCE, SourceState::Live, STATE_WITHIN).context(why.to_owned())?;
        self.browser.wait_source_state(SOURCE, "live").with_context(|| why.to_owned())?;
        self.browser.wait_state(SOURCE, "listening").with_context(|| why.to_owned())?;
        report(&format!("{why}: the tab heard it again {heard:.1?} after its return"));
        Ok(())
    }
}

#[test]
fn a_tab_hears_a_source_again_after_pause_zeros_restart_and_a_new_relay() -> Result<()> {
    let _turn = turn();
    let mut relay = Relay::start()?;
    let mock = Mock::start(&relay, 21, 1)?;
    let watch = Watch::start(&relay)?;

    mock.sender.pause();
    watch.falls_idle("a pause")?;
    std::thread::sleep(Duration::from_secs(if long() { 10 } else { 3 }));
    watch.falls_idle("a longer pause")?;
    mock.sender.go_on(Signal::Tones);
    watch.hears_again("a pause", HEARD_AGAIN_WITHIN)?;

    mock.sender.play(Signal::Zeros);
    watch.falls_idle("zeros")?;
    mock.sender.play(Signal::Tones);
    watch.hears_again("zeros", HEARD_AGAIN_WITHIN)?;

    drop(mock);
    watch.falls_idle("a killed container")?;
    let _mock = Mock::start(&relay, 22, 2)?;
    watch.hears_again("a restart at a new address", HEARD_AGAIN_WITHIN)?;
    let states = watch.events.states(SOURCE);
    use SourceState::{Idle, Live};
    // It may be announced before its first packet comes.
    let since_live: Vec<_> =
        states.iter().copied().skip_while(|state| *state == SourceState::Waiting).collect();
    ensure!(since_live == [Live, Idle, Live, Idle, Live, Idle, Live], "the states were {states:?}");

    relay.kill();
    watch.browser.wait_state(SOURCE, "reconnecting")?;
    relay.revive()?;
    let events = Events::subscribe(relay.http())?;
    let watch = Watch { events, ..watch };
    watch.hears_again("a new relay", RELAY_HEARD_AGAIN_WITHIN)?;
    watch.browser.record(Duration::from_secs(2))?.part(0.5, 1.5).check_ears()?;
    watch.browser.close()
}

#[test]
fn a_tab_hears_a_stopped_and_a_suspended_sender_again() -> Result<()> {
    let _turn = turn();
    let folder = tempfile::tempdir()?;
    let wav = folder.path().join("tone.wav");
    Tone::write_wav(&wav, 60)?;
    let network = Network::start()?;
    let container = network.container(SOURCE)?;
    let mut pulse = AudioServer::pulse_audio(Some(&container))?;
    let relay = Relay::with(&RelayOptions { network: Some(&network), ..RelayOptions::default() })?;
    pulse.load("module-suspend-on-idle timeout=1")?;
    pulse.load(&format!(
        "module-rtp-send source=out.monitor inhibit_auto_suspend=never destination_ip={}",
        network.host()
    ))?;
    let played = pulse.play(&wav, None)?;
    let watch = Watch::start(&relay)?;

    pulse.process().halt();
    watch.falls_idle("a stopped sender")?;
    pulse.process().go_on();
    watch.hears_again("a stopped sender", HEARD_AGAIN_WITHIN)?;

    drop(played);
    watch.falls_idle("a suspended sender")?;
    // PulseAudio suspends the sink a second after it fell silent: then no packets come at all.
    wait_for("PulseAudio to suspend", STATE_WITHIN, || {
        let output = pulse.client("pactl").args(["list", "short", "sinks"]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).contains("SUSPENDED").then_some(()))
    })?;
    watch.falls_idle("a suspended sender")?;
    let _played = pulse.play(&wav, None)?;
    watch.hears_again("a suspended sender", HEARD_AGAIN_WITHIN)?;
    watch.browser.record(Duration::from_secs(2))?.part(0.5, 1.5).check_ears()?;
    watch.browser.close()
}

#[test]
fn the_first_sound_after_idle_is_whole() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let mock = Mock::start(&relay, 21, 1)?;
    let events = Events::subscribe(relay.http())?;
    events.wait_state(SOURCE, SourceState::Live, STATE_WITHIN)?;
    let client = WhepClient::listen(relay.http(), SOURCE)?;
    client.wait_tone(STATE_WITHIN)?;
    for (why, is_paused) in [("zeros", false), ("a pause", true), ("zeros", false), ("a pause", true)] {
        if is_paused {
            mock.sender.pause();
        } else {
            mock.sender.play(Signal::Zeros);
        }
        events.wait_state(SOURCE, SourceState::Idle, STATE_WITHIN)?;
        // The event may be quicker than the last packets.
        let last = client.hear_on(Duration::from_millis(100))?;
        let before = last.packets().last().map(|packet| (packet.time, packet.arrived));
        let quiet = client.hear(Duration::from_millis(500))?;
        ensure!(quiet.is_empty(), "{} packets went out while it was idle", quiet.packets().len());
        mock.sender.go_on(Signal::Pair);
        events.wait_state(SOURCE, SourceState::Live, STATE_WITHIN)?;
        let stream = client.hear_on(Duration::from_millis(800))?;
        let clipped = clipped_ms(&stream.decode()?)?;
        report(&format!("after {why}: the onset is clipped by {clipped:.1} ms"));
        ensure!(clipped <= ALLOWED_CLIPPING_MS, "after {why} {clipped:.1} ms of the onset are missing");
        let (before, first) = (before.context("no packet before")?, &stream.packets()[0]);
        let (frames, passed) = (first.time - before.0, first.arrived.duration_since(before.1));
        let counted = frames as f64 / 48_000.0;
        ensure!(
            (counted - passed.as_secs_f64()).abs() < 0.5,
            "timestamps advanced by {counted:.2} s over {passed:.2?}"
        );
        ensure!(frames % 480 == 0, "timestamps stepped by {frames}, not whole frames");
        mock.sender.play(Signal::Tones);
        client.wait_tone(STATE_WITHIN)?;
        events.wait_state(SOURCE, SourceState::Live, STATE_WITHIN)?;
    }
    Ok(())
}

/// What is missing of the first burst of [`Signal::Pair`], by its distance from the second's onset.
fn clipped_ms(heard: &Recording) -> Result<f64> {
    const LOUD: f32 = 0.35;
    let ms = |index: usize| index as f64 * 1000.0 / f64::from(heard.rate);
    let loud: Vec<usize> =
        (0..heard.frames.len()).filter(|index| heard.frames[*index][0].abs() > LOUD).collect();
    let first = *loud.first().context("no burst was heard")?;
    let pause = Signal::BURST.as_secs_f64() * 1000.0;
    let second = loud.windows(2).find(|pair| ms(pair[1] - pair[0]) > pause).map(|pair| pair[1]);
    let second = second.with_context(|| format!("only one burst was heard, at {:.1} ms", ms(first)))?;
    Ok(Signal::PAIR.as_secs_f64() * 1000.0 - ms(second - first))
}

#[test]
fn a_source_that_is_not_there_yet_is_answered_with_when_to_ask_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("soundport.toml");
    std::fs::write(&file, "[[source]]\nid = \"kiosk\"\ntitle = \"Kiosk\"\n")?;
    let arguments = vec!["--config".to_owned(), file.display().to_string()];
    let relay = Relay::with(&RelayOptions { arguments, ..RelayOptions::default() })?;
    let events = Events::subscribe(relay.http())?;
    let source = events
        .wait_source("kiosk", "waiting", STATE_WITHIN, |source| source.state == SourceState::Waiting)?;
    ensure!(source.title == "Kiosk", "its title is {:?}", source.title);
    let offer = Request::new("POST", "/whep/kiosk").body("application/sdp", opus_offer(&["audio"]));
    let answer = relay.http().send(&offer)?;
    ensure!(answer.status == 409, "answered {}: {}", answer.status, answer.text());
    answer.problem()?;
    let seconds: u32 = answer.header("retry-after").context("no Retry-After")?.parse()?;
    ensure!((1..=60).contains(&seconds), "ask again after {seconds} s");
    Ok(())
}
