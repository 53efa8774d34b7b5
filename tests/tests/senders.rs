//! ffmpeg, GStreamer and PulseAudio as they are: each ear hears its own tone, clean, at RTP level and in Chromium.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_tests::{Browser, Inbound, Relay, Sender, WhepClient, long, report, turn};

/// A source and the program that feeds it.
struct Fed {
    program: &'static str,
    id: &'static str,
    sender: Sender,
}

/// The ids that senders from one address get in their order.
const IDS: [&str; 3] = ["127-0-0-1", "127-0-0-1-2", "127-0-0-1-3"];

fn feed(relay: &Relay) -> Result<Vec<Fed>> {
    let ffmpeg = |target| Sender::ffmpeg(target, None);
    let programs: [(&str, &dyn Fn(_) -> Result<Sender>); 3] =
        [("ffmpeg", &ffmpeg), ("GStreamer", &Sender::gstreamer), ("PulseAudio", &Sender::pulse_audio)];
    let mut fed = Vec::new();
    for ((program, start), id) in programs.into_iter().zip(IDS) {
        let sender = start(relay.rtp())?;
        relay.wait_live(id).with_context(|| format!("{program} is no source: {}", sender.complaints()))?;
        fed.push(Fed { program, id, sender });
    }
    Ok(fed)
}

#[test]
fn a_client_at_rtp_level_hears_every_sender_clean() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let fed = feed(&relay)?;
    let hear = |fed: &Fed| -> Result<()> {
        let client = WhepClient::listen(relay.http(), fed.id)?;
        // PulseAudio sends silence until its player is there.
        soundport_tests::wait_until("the tone", Duration::from_secs(10), || {
            let heard = client.hear(Duration::from_millis(300))?.settled()?;
            Ok(heard.rms(0) > 0.3 && heard.rms(1) > 0.3)
        })?;
        let stream = client.hear(Duration::from_secs(30))?;
        let packets = stream.check_steps()?;
        ensure!(packets > 2_900, "only {packets} packets in 30 s");
        let heard = stream.settled()?;
        heard.check_ears()?;
        let (crosstalk, step) = (heard.crosstalk_db(), heard.largest_step());
        report(&format!(
            "{}: cross-talk {crosstalk:.1} dB, largest step {step:.3}, {packets} packets, longest stall {:?}",
            fed.program,
            stream.longest_stall()
        ));
        ensure!(step <= 1.5, "a click: the largest step is {step:.2} times the clean tone's");
        Ok(())
    };
    thread::scope(|scope| {
        let hearings: Vec<_> = fed.iter().map(|fed| (fed, scope.spawn(|| hear(fed)))).collect();
        hearings.into_iter().try_for_each(|(fed, hearing)| {
            let heard = hearing.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the listener panicked")));
            heard.with_context(|| format!("{}: {}", fed.program, fed.sender.complaints()))
        })
    })
}

#[test]
fn chromium_hears_every_sender_with_one_click() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let fed = feed(&relay)?;
    let browser = Browser::start()?;
    for fed in &fed {
        let mut runs = (0..3).map(|_| run(&browser, &relay, fed.id)).collect::<Result<Vec<f64>>>()?;
        runs.sort_by(f64::total_cmp);
        report(&format!("{} in Chromium: concealed {runs:.2?} %, median {:.2} %", fed.program, runs[1]));
        ensure!(runs[1] <= 0.5, "{}: {:.2} % of the sound was made up", fed.program, runs[1]);
    }
    browser.close()
}

/// One click and a listen; returns how much was concealed after the first second, in percent.
fn run(browser: &Browser, relay: &Relay, id: &str) -> Result<f64> {
    let length = Duration::from_secs(if long() { 30 } else { 5 });
    browser.open(&relay.http_url())?;
    browser.wait_state(id, "ready")?;
    browser.act(id, "listen")?;
    browser.wait_state(id, "listening")?;
    browser.wait_sound()?;
    browser.record(Duration::from_secs(1))?;
    let before = browser.inbound()?.context("no session")?;
    let heard = browser.record(length)?;
    let after = browser.inbound()?.context("no session")?;
    heard.check_ears().with_context(|| format!("{id} in Chromium"))?;
    Ok(concealed_percent(before, after))
}

fn concealed_percent(before: Inbound, after: Inbound) -> f64 {
    let audible = |stats: Inbound| stats.concealed_samples - stats.silent_concealed_samples;
    let total = after.total_samples_received - before.total_samples_received;
    100.0 * audible(after).saturating_sub(audible(before)) as f64 / total.max(1) as f64
}
