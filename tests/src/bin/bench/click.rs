//! Click → first sound, on loopback.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use soundport_tests::{Browser, Relay, ToneSender, ToneSenderOptions};

use crate::quantile;

const SOURCE: &str = "127-0-0-1";
const CLICKS: usize = 15;
const LOUD: f32 = 0.02;

pub(crate) fn run() -> Result<()> {
    let relay = Relay::start()?;
    let _sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(SOURCE)?;
    let browser = Browser::start()?;
    let clicks = (0..CLICKS).map(|_| click(&browser, &relay)).collect::<Result<Vec<f64>>>()?;
    println!("click: click → first sound in Chromium's audio graph, ms ({CLICKS} clicks, a fresh page each)");
    println!("{:>8} {:>8} {:>8}", "median", "least", "most");
    println!(
        "{:>8.0} {:>8.0} {:>8.0}",
        quantile(&clicks, 0.5),
        quantile(&clicks, 0.0),
        quantile(&clicks, 1.0)
    );
    browser.close()
}

fn click(browser: &Browser, relay: &Relay) -> Result<f64> {
    browser.open(&relay.http_url())?;
    browser.wait_state(SOURCE, "ready")?;
    browser.act(SOURCE, "listen")?;
    let first: f64 = browser.run_async(
        "const tap = window.soundportTap;
         const deadline = performance.now() + 10000;
         for (;;) {
           for (const { left, times } of tap.chunks) {
             const index = left.findIndex((sample) => Math.abs(sample) > arguments[0]);
             if (index >= 0) return times[index >> 7];
           }
           if (performance.now() > deadline) throw 'no sound within ten seconds';
           await new Promise((done) => setTimeout(done, 20));
         }",
        vec![LOUD.into()],
    )?;
    let clicked: f64 = browser.run("return window.soundportTap.clicked", vec![])?;
    let at = |ms: f64| UNIX_EPOCH + Duration::from_secs_f64(ms / 1000.0);
    let delay = at(first).duration_since(at(clicked)).context("sound before the click")?;
    Ok(delay.as_secs_f64() * 1000.0)
}
