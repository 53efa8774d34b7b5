//! PCM packet in → sample in the browser's audio graph, on loopback.

use std::time::Duration;

use anyhow::{Result, ensure};
use soundport_tests::{Browser, Relay, Signal, ToneSender, ToneSenderOptions, delays};

use crate::quantile;

const SOURCE: &str = "127-0-0-1";
const SESSIONS: usize = 7;
const EVERY: Duration = Duration::from_millis(250);
const LISTEN: Duration = Duration::from_secs(8);

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
        let delays: Vec<f64> = delays(&sender.onsets(), EVERY, &heard, &times)
            .iter()
            .map(|delay| delay.as_secs_f64() * 1000.0)
            .collect();
        ensure!(delays.len() > 10, "only {} onsets were heard", delays.len());
        let median = quantile(&delays, 0.5);
        let (low, high) = (quantile(&delays, 0.05), quantile(&delays, 0.95));
        println!("{session:>8} {:>7} {median:>8.1} {low:>8.1} {high:>8.1}", delays.len());
        medians.push(median);
    }
    println!("median of the sessions' medians: {:.1} ms (budget 55)", quantile(&medians, 0.5));
    browser.close()
}
