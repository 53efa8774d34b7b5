//! A relay in a container of which only one port is published.

use std::time::Duration;

use anyhow::Result;
use soundport_tests::{Browser, Namespace, Relay, RelayOptions, Sender, Wire, turn};

const PORT: u16 = 9443;
const SOURCE: &str = "127-0-0-1";

#[test]
fn announce_alone_makes_chromium_hear_a_relay_behind_one_port_also_after_a_cut() -> Result<()> {
    let _turn = turn();
    let namespace = Namespace::forwarding(PORT)?;
    let relay = Relay::with(&RelayOptions {
        namespace: Some((&namespace, PORT)),
        announce: vec![namespace.outside().to_string()],
        ..RelayOptions::default()
    })?;
    let _sender = Sender::ffmpeg(relay.rtp(), Some(&namespace))?;
    let browser = Browser::start()?;
    browser.open(&format!("https://{}", namespace.reach(PORT)))?;
    browser.wait_state(SOURCE, "ready")?;
    browser.act(SOURCE, "listen")?;
    browser.wait_state(SOURCE, "listening")?;
    browser.wait_sound()?;
    browser.record(Duration::from_secs(3))?.part(1.0, 2.0).check_ears()?;
    namespace.set_wire(Wire::Cut)?;
    browser.wait_state(SOURCE, "reconnecting")?;
    namespace.set_wire(Wire::Up)?;
    browser.wait_state(SOURCE, "listening")?;
    browser.wait_sound()?;
    browser.record(Duration::from_secs(3))?.part(1.0, 2.0).check_ears()?;
    browser.close()
}
