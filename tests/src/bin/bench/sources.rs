//! What sources cost: twenty PulseAudio in containers, as they suspend, send silence and are heard.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use soundport_api::SourceState;
use soundport_tests::{
    AudioServer, Container, Events, Network, Process, Relay, RelayOptions, Tone, WhepClient, wait_for,
};

use crate::Cost;

const COUNT: usize = 20;
const MEASURE: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(30);
const WAV_SECONDS: u32 = 120;

struct Sender {
    container: Container,
    server: AudioServer,
}

pub(crate) fn run() -> Result<()> {
    let network = Network::start()?;
    let senders: Vec<Sender> = (1..=COUNT).map(|number| sender(&network, number)).collect::<Result<_>>()?;
    let relay = Relay::with(&RelayOptions { network: Some(&network), ..RelayOptions::default() })?;
    let events = Events::subscribe(relay.http())?;
    println!("sources: {COUNT} PulseAudio in containers, {} s each", MEASURE.as_secs());
    println!("{:>44} {:>8} {:>12}", "", "CPU, %", "memory, MB");
    measure(&relay, "no source at all")?;

    let zeros = send(&senders, &network, "")?;
    wait_for("all sources", LIMIT, || Ok((events.sources().len() == COUNT).then_some(())))?;
    settle(&events, SourceState::Idle)?;
    measure(&relay, "all send zeros (budget 1.2)")?;

    let folder = tempfile::tempdir()?;
    let wav = folder.path().join("tone.wav");
    Tone::write_wav(&wav, WAV_SECONDS)?;
    let played = play(&senders, &wav)?;
    settle(&events, SourceState::Live)?;
    measure(&relay, "all play, nobody listens")?;
    drop(played);
    settle(&events, SourceState::Idle)?;
    let _one = play(&senders[..1], &wav)?;
    let id = "desk1";
    events.wait_state(id, SourceState::Live, LIMIT)?;
    let listener = WhepClient::listen(relay.http(), id)?;
    measure(&relay, "one plays and is heard, others send zeros")?;
    drop(listener);
    drop(_one);

    for (Sender { server, .. }, module) in senders.iter().zip(zeros) {
        server.unload(module)?;
        server.load("module-suspend-on-idle timeout=1")?;
    }
    send(&senders, &network, " inhibit_auto_suspend=never")?;
    wait_for("all to suspend", LIMIT, || {
        let suspended = |sender: &Sender| -> Result<bool> {
            let sinks = sender.server.client("pactl").args(["list", "short", "sinks"]).output()?;
            Ok(String::from_utf8_lossy(&sinks.stdout).contains("SUSPENDED"))
        };
        let all = senders.iter().map(suspended).collect::<Result<Vec<bool>>>()?;
        Ok(all.into_iter().all(|one| one).then_some(()))
    })?;
    measure(&relay, "all are suspended (budget 0.3)")
}

/// A container with PulseAudio that sends nothing yet.
fn sender(network: &Network, number: usize) -> Result<Sender> {
    let container = network.container(&format!("desk{number}"))?;
    let server = AudioServer::pulse_audio(Some(&container))?;
    Ok(Sender { container, server })
}

/// Has all send what they play; returns the modules.
fn send(senders: &[Sender], network: &Network, more: &str) -> Result<Vec<u32>> {
    let module = format!("module-rtp-send source=out.monitor destination_ip={}{more}", network.host());
    let load = |sender: &Sender| {
        sender.server.load(&module).with_context(|| format!("in {:?}", sender.container.address()))
    };
    senders.iter().map(load).collect()
}

fn play(senders: &[Sender], wav: &Path) -> Result<Vec<Process>> {
    senders.iter().map(|sender| sender.server.play(wav, None)).collect()
}

fn settle(events: &Events, state: SourceState) -> Result<()> {
    let settled = wait_for("all to settle", LIMIT, || {
        Ok(events.sources().iter().all(|source| source.state == state).then_some(()))
    });
    settled.with_context(|| format!("{:#?}", events.sources()))
}

fn measure(relay: &Relay, what: &str) -> Result<()> {
    thread::sleep(Duration::from_secs(2));
    let before = relay.usage()?;
    let start = Instant::now();
    thread::sleep(MEASURE);
    let cost = Cost::since(before, start, relay.usage()?);
    ensure!(cost.memory_mb > 0.0, "the relay uses no memory");
    println!("{what:>44} {:>8.2} {:>12.1}", cost.cpu_percent, cost.memory_mb);
    Ok(())
}
