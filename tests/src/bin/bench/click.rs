//! Click → first sound, on loopback.

use anyhow::Result;
use soundport_tests::{Browser, Relay, ToneSender, ToneSenderOptions};

use crate::quantile;

const SOURCE: &str = "127-0-0-1";
const CLICKS: usize = 15;

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
    Ok(browser.first_sound()?.as_secs_f64() * 1000.0)
}
