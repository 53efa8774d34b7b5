//! PCM packet in → sample in the browser's audio graph, on loopback.

use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use soundport_tests::{Browser, Onset, Recording, Relay, Signal, ToneSender, ToneSenderOptions};

use crate::quantile;

const SOURCE: &str = "127-0-0-1";
const SESSIONS: usize = 7;
const EVERY: Duration = Duration::from_millis(250);
const LISTEN: Duration = Duration::from_secs(8);
/// Above what an encoder smears before a sharp onset.
const LOUD: f32 = 0.15;

pub(crate) fn run() -> Result<()> {
    let relay = Relay::start()?;
    let options = ToneSenderOptions {
        packet_frames: 240,
        signal: Signal::Onsets(EVERY),
        ..ToneSenderOptions::default()
    };
    let sender = ToneSender::start(relay.rtp(), options)?;
    relay.wait_live(SOURCE)?;
    let browser = Browser::start()?;
    println!("latency: PCM packet in → sample in Chromium's audio graph, ms ({SESSIONS} sessions)");
    println!("{:>8} {:>7} {:>8} {:>8} {:>8}", "session", "onsets", "median", "5 %", "95 %");
    let mut medians = Vec::new();
    for session in 1..=SESSIONS {
        browser.open(&relay.http_url())?;
        browser.wait_state(SOURCE, "ready")?;
        browser.act(SOURCE, "listen")?;
        browser.wait_sound()?;
        // The browser's buffer starts high and settles.
        browser.record(Duration::from_secs(3))?;
        let (heard, times) = browser.record_timed(LISTEN)?;
        let delays = delays(&sender.onsets(), &heard, &times);
        ensure!(delays.len() > 10, "only {} onsets were heard", delays.len());
        let median = quantile(&delays, 0.5);
        let (low, high) = (quantile(&delays, 0.05), quantile(&delays, 0.95));
        println!("{session:>8} {:>7} {median:>8.1} {low:>8.1} {high:>8.1}", delays.len());
        medians.push(median);
    }
    println!("median of the sessions' medians: {:.1} ms (budget 55)", quantile(&medians, 0.5));
    browser.close()
}

/// For each onset that was heard, the milliseconds since its packet was sent.
fn delays(onsets: &[Onset], heard: &Recording, times: &[SystemTime]) -> Vec<f64> {
    let arrivals = arrivals(heard, times);
    let first_after = |sent: SystemTime| {
        arrivals
            .iter()
            .filter_map(|arrival| arrival.duration_since(sent).ok())
            .min()
            .filter(|delay| *delay < EVERY)
    };
    let began = times.first().copied().unwrap_or(SystemTime::UNIX_EPOCH);
    let within = onsets.iter().filter(|onset| onset.sent > began);
    within.filter_map(|onset| first_after(onset.sent)).map(|delay| delay.as_secs_f64() * 1000.0).collect()
}

/// When each burst's first loud sample came into the audio graph.
fn arrivals(heard: &Recording, times: &[SystemTime]) -> Vec<SystemTime> {
    let pause = heard.rate as usize / 10;
    let mut last_loud = None;
    let mut arrivals = Vec::new();
    for (index, frame) in heard.frames.iter().enumerate() {
        if frame[0].abs() > LOUD {
            if last_loud.is_some_and(|last| index - last > pause) {
                arrivals.push(times[index / 128]);
            }
            last_loud = Some(index);
        }
    }
    arrivals
}
