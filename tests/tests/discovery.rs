//! Containers appear by themselves, under their names, and are known again when they come back.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use soundport_api::{Encoding, Format, Found, Source, SourceState};
use soundport_tests::{
    Announced, Announcer, AudioServer, Browser, Events, Network, Random, Relay, RelayOptions, Signal, Tone,
    ToneSender, ToneSenderOptions, WhepClient, report, turn, wait_for,
};
use tempfile::TempDir;

/// The promise: a container is on the page that soon.
const APPEARS_WITHIN: Duration = Duration::from_secs(6);
/// The promise: who listens hears it again that soon.
const HEARD_AGAIN_WITHIN: Duration = Duration::from_secs(2);
/// PulseAudio's null sink, just started, renders two seconds at once: no packet leaves before (measured 1.99 to 2.03 s).
const FIRST_BLOCK: Duration = Duration::from_secs(2);
const STATE_WITHIN: Duration = Duration::from_secs(10);
/// The relay's own limit.
const MOST_SOURCES: usize = 256;
const ALLOWED_GROWTH_BYTES: u64 = 32 << 20;

/// The tone as a file to play.
struct Wav {
    folder: TempDir,
}

impl Wav {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        Tone::write_wav(&folder.path().join("tone.wav"), 60)?;
        Ok(Self { folder })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tone.wav")
    }
}

#[test]
fn pulse_audio_appears_under_its_name_and_is_heard_again_after_all_that_befalls_a_container() -> Result<()> {
    let _turn = turn();
    let wav = Wav::new()?;
    let network = Network::start()?;
    let mut container = network.container("desktop")?;
    let mut pulse = AudioServer::pulse_audio(Some(&container))?;
    let relay = open_relay(&network)?;
    let events = Events::subscribe(relay.http())?;
    let browser = Browser::start()?;
    browser.open(&relay.http_url())?;
    browser.wait("h1")?;
    let send = format!("module-rtp-send destination_ip={}", network.host());
    let began = Instant::now();
    let module = pulse.load(&send)?;
    browser.wait_within("[data-source='desktop']", APPEARS_WITHIN)?;
    report(&format!("PulseAudio was on the page after {:.1?}", began.elapsed()));
    let source = relay.source("desktop")?.context("no desktop")?;
    ensure!(source.title == "desktop", "its title is {:?}", source.title);
    ensure!(source.format == Some(announced()), "its format is {:?}", source.format);
    let played = pulse.play(&wav.path(), None)?;
    events.wait_state("desktop", SourceState::Live, STATE_WITHIN)?;
    browser.act("desktop", "listen")?;
    browser.wait_tone(STATE_WITHIN)?;
    browser.record(Duration::from_secs(2))?.part(0.5, 1.5).check_ears()?;

    pulse.unload(module)?;
    events.wait_state("desktop", SourceState::Lost, STATE_WITHIN).context("after a goodbye")?;
    browser.wait_source_state("desktop", "lost")?;
    browser.wait_silence()?;
    pulse.load(&send)?;
    let again_within = HEARD_AGAIN_WITHIN + FIRST_BLOCK;
    let heard = browser.wait_tone(again_within).context("after a goodbye")?;
    report(&format!("after a goodbye the page heard PulseAudio {heard:.1?} after its module was loaded"));
    events.wait_state("desktop", SourceState::Live, STATE_WITHIN)?;

    pulse.process().kill();
    drop(played);
    events.wait_source("desktop", "idle or lost", STATE_WITHIN, |source| {
        matches!(source.state, SourceState::Idle | SourceState::Lost)
    })?;
    browser.wait_silence()?;
    container.move_to(77)?;
    let pulse = AudioServer::pulse_audio(Some(&container))?;
    pulse.load(&send)?;
    let _played = pulse.play(&wav.path(), None)?;
    let heard = browser.wait_tone(again_within).context("restarted at a new address")?;
    report(&format!(
        "restarted at a new address, the page heard PulseAudio {heard:.1?} after its module was loaded"
    ));
    events.wait_state("desktop", SourceState::Live, STATE_WITHIN)?;
    browser.wait_state("desktop", "listening")?;
    let ids: Vec<String> = relay.sources()?.into_iter().map(|source| source.id).collect();
    ensure!(ids == ["desktop"], "the sources are now {ids:?}");
    browser.close()
}

#[test]
fn pipewires_own_sink_appears_under_its_name() -> Result<()> {
    let _turn = turn();
    let wav = Wav::new()?;
    let network = Network::start()?;
    let container = network.container("studio")?;
    let pipewire = AudioServer::pipewire(&container)?;
    let relay = open_relay(&network)?;
    let events = Events::subscribe(relay.http())?;
    // Once to a port of its own, once to the one for all.
    for (name, port) in [("studio", 46_500), ("booth", relay.rtp().port())] {
        let began = Instant::now();
        let sink = pipewire.rtp_sink(&container, (network.host(), port).into(), name)?;
        appears(&events, name, began)?;
        let _played = pipewire.play(&wav.path(), Some("rtp-sink"))?;
        events.wait_state(name, SourceState::Live, STATE_WITHIN)?;
        ensure!(events.source(name).and_then(|source| source.format) == Some(announced()), "{name}'s format");
        hears_tone(&relay, name)?;
        drop(sink);
    }
    Ok(())
}

#[test]
fn pipewires_answer_to_pulse_audios_module_appears_under_its_name() -> Result<()> {
    let _turn = turn();
    let wav = Wav::new()?;
    let network = Network::start()?;
    let container = network.container("workshop")?;
    let pipewire = AudioServer::pipewire(&container)?;
    // It sends to the relay alone, but announces to the group.
    let relay = everywhere(&network, &[])?;
    let events = Events::subscribe(relay.http())?;
    let began = Instant::now();
    pipewire.load(&format!("module-rtp-send source=out.monitor destination_ip={}", network.host()))?;
    appears(&events, "workshop", began)?;
    let _played = pipewire.play(&wav.path(), None)?;
    events.wait_state("workshop", SourceState::Live, STATE_WITHIN)?;
    hears_tone(&relay, "workshop")
}

#[test]
fn a_module_without_arguments_appears_with_multicast() -> Result<()> {
    let _turn = turn();
    let wav = Wav::new()?;
    let network = Network::start()?;
    let container = network.container("radio")?;
    let pulse = AudioServer::pulse_audio(Some(&container))?;
    let relay = everywhere(&network, &["--multicast"])?;
    let events = Events::subscribe(relay.http())?;
    let began = Instant::now();
    pulse.load("module-rtp-send")?;
    appears(&events, "radio", began)?;
    let _played = pulse.play(&wav.path(), None)?;
    events.wait_state("radio", SourceState::Live, STATE_WITHIN)?;
    hears_tone(&relay, "radio")
}

#[test]
fn two_containers_of_one_name_are_two_sources() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let events = Events::subscribe(relay.http())?;
    let (_first, _spoken) = announce_tone(&relay, 21, "desktop", Signal::Tones)?;
    events.wait_state("desktop", SourceState::Live, STATE_WITHIN)?;
    let (_second, _spoken) = announce_tone(&relay, 22, "desktop", Signal::Kilohertz(None))?;
    events.wait_state("desktop-2", SourceState::Live, STATE_WITHIN)?;
    hears_tone(&relay, "desktop")?;
    let client = WhepClient::listen(relay.http(), "desktop-2")?;
    let heard = client.hear(Duration::from_secs(1))?.settled()?;
    ensure!(heard.amplitude(0, 1000.0) > 0.3, "desktop-2 is not the second container");
    Ok(())
}

#[test]
fn a_port_that_cannot_be_opened_is_named() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let events = Events::subscribe(relay.http())?;
    let taken = UdpSocket::bind("0.0.0.0:0")?;
    let port = taken.local_addr()?.port();
    let mut announcers = Vec::new();
    for (name, port) in [("clash", port), ("privileged", 80)] {
        let stream = Announced { name: name.into(), port, session: u64::from(port), ..Announced::default() };
        announcers.push(Announcer::start(relay.sap(), stream)?);
        let source = events
            .wait_source(name, "in trouble", APPEARS_WITHIN, |source: &Source| source.trouble.is_some())?;
        let trouble = source.trouble.unwrap_or_default();
        report(&format!("{name}: {trouble}"));
        ensure!(trouble.contains(&port.to_string()), "the port is not named: {trouble}");
    }
    let browser = Browser::plain()?;
    browser.open(&relay.http_url())?;
    browser.wait("[data-source='clash']")?;
    let words: String = browser.run("return document.body.innerText", vec![])?;
    ensure!(words.contains(&port.to_string()), "the page does not say it: {words}");
    browser.close()
}

#[test]
fn a_flood_of_announcements_is_bounded_and_disturbs_nobody() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let events = Events::subscribe(relay.http())?;
    let (sender, _spoken) = announce_tone(&relay, 21, "desktop", Signal::Tones)?;
    events.wait_state("desktop", SourceState::Live, STATE_WITHIN)?;
    // Names that a page could stumble over come first, while there is room.
    let names: [&[u8]; 3] = [
        b"<img src=x onerror=\"document.title='owned'\"><b>bold</b>",
        b"\xff\xfe caf\xe9 \x00 \x1b[31m",
        b"a name of far too many letters ".repeat(40).leak(),
    ];
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    for (session, name) in names.iter().enumerate() {
        let stream = Announced { name: name.to_vec(), session: session as u64, ..Announced::default() };
        socket.send_to(&stream.packet(false), relay.sap())?;
    }
    let titles = wait_for("the names", STATE_WITHIN, || {
        let titles: Vec<String> = relay.sources()?.into_iter().map(|source| source.title).collect();
        Ok((titles.len() >= 3).then_some(titles))
    })?;
    ensure!(titles.iter().all(|title| title.chars().count() <= 64), "{titles:?}");
    ensure!(titles.iter().all(|title| !title.contains(char::is_control)), "{titles:?}");
    let before = relay.usage()?.resident_bytes;
    let client = WhepClient::listen(relay.http(), "desktop")?;
    client.hear(Duration::from_millis(500))?;
    flood(&relay)?;
    let stream = client.take()?;
    stream.check_steps().with_context(|| format!("the sender was at most {:.0?} late", sender.latest()))?;
    let heard = stream.settled()?;
    heard.check_ears()?;
    ensure!(heard.largest_step() <= 1.5, "a click: {:.2}", heard.largest_step());
    let (count, after) = (relay.sources()?.len(), relay.usage()?.resident_bytes);
    report(&format!("after the flood: {count} sources, {} KiB more", after.saturating_sub(before) / 1024));
    ensure!(count <= MOST_SOURCES, "{count} sources");
    ensure!(after.saturating_sub(before) < ALLOWED_GROWTH_BYTES, "it grew by {} bytes", after - before);
    shows_markup_as_text(&relay)
}

/// Two seconds of announcements: spoofed streams by the thousand, giant, broken and random ones.
fn flood(relay: &Relay) -> Result<()> {
    let mut random = Random::new(7);
    let sockets: Vec<UdpSocket> = (30..40)
        .map(|last| Ok(UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0))?))
        .collect::<Result<_>>()?;
    for round in 0..100_u64 {
        for (index, socket) in sockets.iter().enumerate() {
            for stream in 0..5 {
                let session = round * 1000 + index as u64 * 10 + stream;
                let name = format!("PulseAudio RTP Stream on spoof{session}").into_bytes();
                let port = 46_000 + (session % 500) as u16;
                let from = IpAddr::from(Ipv4Addr::new(10, 0, (session >> 8) as u8, session as u8));
                let announced = Announced { name, session, port, from, ..Announced::default() };
                socket.send_to(&announced.packet(false), relay.sap())?;
            }
        }
        let mut giant = Announced::default().packet(false);
        giant.extend(b"a=fmtp:127 x\n".repeat(4_000));
        let mut broken = Announced::default().packet(false);
        broken.truncate(random.below(broken.len()));
        for datagram in [giant, broken, Vec::new(), random.bytes(1400), vec![0x20], vec![0x3f; 60_000]] {
            sockets[0].send_to(&datagram, relay.sap())?;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn shows_markup_as_text(relay: &Relay) -> Result<()> {
    let browser = Browser::plain()?;
    browser.open(&relay.http_url())?;
    browser.wait("[data-source='desktop']")?;
    let found: (bool, String, String) = browser.run(
        "return [document.querySelector('img[src=x], article b') !== null, document.title,
           [...document.querySelectorAll('article h2')].map((title) => title.innerText).join('\\n')]",
        vec![],
    )?;
    ensure!(!found.0 && !found.1.contains("owned"), "markup came alive: {found:?}");
    ensure!(found.2.contains("<img src=x"), "the name is not shown as it is: {}", found.2);
    browser.close()
}

/// A tone that is sent and announced from `127.0.0.<last>` to the port for all.
fn announce_tone(relay: &Relay, last: u8, name: &str, signal: Signal) -> Result<(ToneSender, Announcer)> {
    let from = Ipv4Addr::new(127, 0, 0, last).into();
    let options = ToneSenderOptions { from, ssrc: u32::from(last), signal, ..Default::default() };
    let stream = Announced {
        name: format!("PulseAudio RTP Stream on {name}").into_bytes(),
        port: relay.rtp().port(),
        session: u64::from(last),
        from,
        ..Announced::default()
    };
    Ok((ToneSender::start(relay.rtp(), options)?, Announcer::start(relay.sap(), stream)?))
}

fn open_relay(network: &Network) -> Result<Relay> {
    Relay::with(&RelayOptions { network: Some(network), ..RelayOptions::default() })
}

fn everywhere(network: &Network, arguments: &[&str]) -> Result<Relay> {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let options = RelayOptions { network: Some(network), everywhere: true, arguments, ..Default::default() };
    Relay::with(&options)
}

fn appears(events: &Events, name: &str, began: Instant) -> Result<()> {
    let left = APPEARS_WITHIN.saturating_sub(began.elapsed());
    events.wait_source(name, "there", left, |source| source.title == name)?;
    report(&format!("{name} appeared after {:.1?}", began.elapsed()));
    Ok(())
}

fn hears_tone(relay: &Relay, id: &str) -> Result<()> {
    let client = WhepClient::listen(relay.http(), id)?;
    client.wait_tone(STATE_WITHIN).with_context(|| id.to_owned())?;
    client.hear(Duration::from_secs(1))?.settled()?.check_ears().with_context(|| id.to_owned())
}

fn announced() -> Format {
    Format { encoding: Encoding::L16, rate: 48_000, channels: 2, found: Found::Announced }
}
