//! ffmpeg, GStreamer and PulseAudio as they are: each ear hears its own tone, clean, at RTP level and in Chromium.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use soundport_api::SourceState;
use soundport_tests::{Browser, Inbound, Relay, Sender, WhepClient, long, report, turn, wait_for};

/// Starts a program that sends there.
type Start = fn(SocketAddr) -> Result<Sender>;

/// The id of the only sender at this address.
const SOURCE: &str = "127-0-0-1";
/// The ids that senders from one address get in their order.
const IDS: [&str; 3] = [SOURCE, "127-0-0-1-2", "127-0-0-1-3"];
const PROGRAMS: [(&str, Start); 3] =
    [("ffmpeg", Sender::ffmpeg), ("GStreamer", Sender::gstreamer), ("PulseAudio", Sender::pulse_audio)];

#[test]
fn a_client_at_rtp_level_hears_every_sender_clean() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let mut senders = Vec::new();
    for ((program, start), id) in PROGRAMS.into_iter().zip(IDS) {
        senders.push(feed(&relay, id, program, start)?);
    }
    thread::scope(|scope| {
        let programs = PROGRAMS.into_iter().zip(IDS).zip(&senders);
        let hearings: Vec<_> = programs
            .map(|(((program, _), id), sender)| {
                (program, sender, scope.spawn(|| hears_clean(&relay, id, program)))
            })
            .collect();
        hearings.into_iter().try_for_each(|(program, sender, hearing)| {
            let heard = hearing.join().unwrap_or_else(|_| Err(anyhow!("the listener panicked")));
            heard.with_context(|| format!("{program}: {}", sender.complaints()))
        })
    })
}

#[test]
fn chromium_hears_every_sender_with_one_click() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let browser = Browser::start()?;
    // One after the other: together they would take the two cores that the browser needs.
    for (program, start) in PROGRAMS {
        let _sender = feed(&relay, SOURCE, program, start)?;
        let mut runs = (0..3).map(|_| run(&browser, &relay, program)).collect::<Result<Vec<f64>>>()?;
        runs.sort_by(f64::total_cmp);
        report(&format!("{program} in Chromium: concealed {runs:.2?} %, median {:.2} %", runs[1]));
        ensure!(runs[1] <= 0.5, "{program}: {:.2} % of the sound was made up", runs[1]);
    }
    browser.close()
}

/// Starts a program and waits until it is heard as `id`.
fn feed(relay: &Relay, id: &str, program: &str, start: Start) -> Result<Sender> {
    wait_for("the sender before to have gone", Duration::from_secs(5), || {
        let source = relay.source(id)?;
        Ok(source.is_none_or(|source| source.state != SourceState::Live).then_some(()))
    })?;
    let sender = start(relay.rtp())?;
    relay.wait_live(id).with_context(|| format!("{program} is no source: {}", sender.complaints()))?;
    Ok(sender)
}

fn hears_clean(relay: &Relay, id: &str, program: &str) -> Result<()> {
    let client = WhepClient::listen(relay.http(), id)?;
    // PulseAudio sends silence until its player is there.
    wait_for("the tone", Duration::from_secs(10), || {
        let heard = client.hear(Duration::from_millis(300))?.settled()?;
        Ok((heard.rms(0) > 0.3 && heard.rms(1) > 0.3).then_some(()))
    })?;
    let stream = client.hear(Duration::from_secs(30))?;
    let packets = stream.check_steps()?;
    ensure!(packets > 2_900, "only {packets} packets in 30 s");
    let heard = stream.settled()?;
    heard.check_ears()?;
    let (crosstalk, step, stall) = (heard.crosstalk_db(), heard.largest_step(), stream.longest_stall());
    report(&format!(
        "{program}: cross-talk {crosstalk:.1} dB, largest step {step:.3}, longest stall {stall:.0?}"
    ));
    ensure!(step <= 1.5, "a click: the largest step is {step:.2} times the clean tone's");
    Ok(())
}

/// One click and a listen; returns how much was concealed after the first second, in percent.
fn run(browser: &Browser, relay: &Relay, program: &str) -> Result<f64> {
    let length = Duration::from_secs(if long() { 30 } else { 8 });
    browser.open(&relay.http_url())?;
    browser.wait_state(SOURCE, "ready")?;
    browser.act(SOURCE, "listen")?;
    browser.wait_state(SOURCE, "listening")?;
    browser.wait_sound()?;
    browser.record(Duration::from_secs(1))?;
    let before = browser.inbound()?.context("no session")?;
    let heard = browser.record(length)?;
    let after = browser.inbound()?.context("no session")?;
    heard.check_ears().with_context(|| format!("{program} in Chromium"))?;
    Ok(concealed_percent(before, after))
}

fn concealed_percent(before: Inbound, after: Inbound) -> f64 {
    let audible = |stats: Inbound| stats.concealed_samples - stats.silent_concealed_samples;
    let total = after.total_samples_received - before.total_samples_received;
    100.0 * audible(after).saturating_sub(audible(before)) as f64 / total.max(1) as f64
}
