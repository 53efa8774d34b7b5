//! Listeners come and go, politely or not: none is kept, and no memory either.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use soundport_tests::{Browser, Relay, ToneSender, ToneSenderOptions, WhepClient, long, report, turn};

const SOURCE: &str = "127-0-0-1";
/// The promise to those whose listeners vanish.
const GONE_WITHIN: Duration = Duration::from_secs(30);
const ALLOWED_GROWTH_BYTES: u64 = 2 << 20;

#[test]
fn a_listener_that_vanishes_is_gone_within_thirty_seconds() -> Result<()> {
    let turn = turn();
    let (relay, _sender) = stage()?;
    WhepClient::listen(relay.http(), SOURCE)?.vanish();
    relay.wait_listeners(SOURCE, 1, Duration::from_secs(1))?;
    drop(turn);
    gone(&relay, "cut off")
}

#[test]
fn a_closed_tab_is_gone_within_thirty_seconds() -> Result<()> {
    let turn = turn();
    let (relay, _sender) = stage()?;
    let browser = listening(&relay)?;
    browser.close()?;
    drop(turn);
    gone(&relay, "closed properly")
}

#[test]
fn a_killed_browser_is_gone_within_thirty_seconds() -> Result<()> {
    let turn = turn();
    let (relay, _sender) = stage()?;
    let browser = listening(&relay)?;
    browser.kill();
    drop(turn);
    gone(&relay, "killed")
}

#[test]
fn two_hundred_listeners_leave_no_memory_behind() -> Result<()> {
    let _turn = turn();
    let (relay, _sender) = stage()?;
    come_and_go(&relay, 50)?;
    let before = relay.usage()?.resident_bytes;
    let count = if long() { 1000 } else { 200 };
    come_and_go(&relay, count)?;
    let after = relay.usage()?.resident_bytes;
    let growth = after.saturating_sub(before);
    report(&format!(
        "resident memory went from {} to {} KiB over {count} listeners",
        before / 1024,
        after / 1024
    ));
    ensure!(growth < ALLOWED_GROWTH_BYTES, "it grew by {growth} bytes");
    Ok(())
}

fn stage() -> Result<(Relay, ToneSender)> {
    let relay = Relay::start()?;
    let sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(SOURCE)?;
    Ok((relay, sender))
}

fn listening(relay: &Relay) -> Result<Browser> {
    let browser = Browser::start()?;
    browser.open(&relay.http_url())?;
    browser.wait_state(SOURCE, "ready")?;
    browser.act(SOURCE, "listen")?;
    browser.wait_sound()?;
    relay.wait_listeners(SOURCE, 1, Duration::from_secs(5))?;
    Ok(browser)
}

fn gone(relay: &Relay, how: &str) -> Result<()> {
    let since = Instant::now();
    relay.wait_listeners(SOURCE, 0, GONE_WITHIN)?;
    report(&format!("a listener that was {how} was gone after {:?}", since.elapsed()));
    Ok(())
}

fn come_and_go(relay: &Relay, count: usize) -> Result<()> {
    for _ in 0..count {
        let left = WhepClient::listen(relay.http(), SOURCE)?.leave()?;
        ensure!(left.status == 200, "DELETE answered {}", left.status);
    }
    relay.wait_listeners(SOURCE, 0, Duration::from_secs(5))
}
