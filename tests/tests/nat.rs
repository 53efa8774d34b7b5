//! A relay in a container of which only one port is published.

use std::time::Duration;

use anyhow::Result;
use soundport_tests::{Browser, Relay, RelayOptions, Sender, Site, Way, turn};

const SOURCE: &str = "127-0-0-1";

#[test]
fn announce_alone_makes_chromium_hear_a_relay_behind_one_port_also_after_a_cut() -> Result<()> {
    let _turn = turn();
    let site = Site::start()?;
    let relay =
        Relay::with(&RelayOptions { announce: vec![site.outside().to_string()], ..site.relay_options() })?;
    let _sender = site.relay().inside(|| Sender::ffmpeg(relay.rtp()))?;
    relay.wait_live(SOURCE)?;
    site.browser().inside(|| {
        let browser = Browser::start()?;
        browser.open(&site.page())?;
        browser.wait_state(SOURCE, "ready")?;
        browser.act(SOURCE, "listen")?;
        browser.wait_state(SOURCE, "listening")?;
        browser.wait_sound()?;
        browser.record(Duration::from_secs(3))?.part(1.0, 2.0).check_ears()?;
        site.close(&Way::ALL)?;
        browser.wait_state(SOURCE, "reconnecting")?;
        site.close(&[])?;
        browser.wait_state(SOURCE, "listening")?;
        browser.wait_sound()?;
        browser.record(Duration::from_secs(3))?.part(1.0, 2.0).check_ears()?;
        browser.close()
    })
}
