//! The page as its users have it: one click, the keyboard alone, and nothing in the way of those who see or hear little.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use soundport_tests::{Browser, Recording, Relay, ToneSender, ToneSenderOptions, turn, wait_for};

const SOURCE: &str = "127-0-0-1";
const TAB: &str = "\u{e004}";
const SHIFT_TAB: &str = "\u{e008}\u{e004}";
const ENTER: &str = "\u{e007}";
const HOME: &str = "\u{e011}";
const END: &str = "\u{e010}";
const MOST_TABS: usize = 40;

#[test]
fn one_click_plays_the_demo_in_stereo_at_http_localhost() -> Result<()> {
    let relay = Relay::demo()?;
    plays_demo(&relay.http_url())
}

#[test]
fn one_click_plays_the_demo_in_stereo_at_https_localhost() -> Result<()> {
    let relay = Relay::demo()?;
    plays_demo(&relay.https_url())
}

fn plays_demo(url: &str) -> Result<()> {
    let _turn = turn();
    let browser = Browser::start()?;
    browser.open(url)?;
    ensure!(browser.run::<bool>("return window.isSecureContext", vec![])?, "{url} is no secure context");
    browser.wait_state("demo", "ready")?;
    browser.act("demo", "listen")?;
    browser.wait_state("demo", "listening")?;
    browser.wait_sound()?;
    let heard = browser.record(Duration::from_secs(5))?;
    let sides = heard.frames.iter().map(|[left, right]| [left - right, left + right]).collect();
    let sides = Recording { rate: heard.rate, frames: sides };
    ensure!(
        heard.rms(0) > 0.01 && heard.rms(1) > 0.01,
        "left {:.4}, right {:.4}",
        heard.rms(0),
        heard.rms(1)
    );
    ensure!(sides.rms(0) > sides.rms(1) / 50.0, "left and right are the same");
    browser.close()
}

#[test]
fn mute_volume_and_stop_do_what_they_say() -> Result<()> {
    let _turn = turn();
    let (relay, _sender) = stage()?;
    let browser = Browser::start()?;
    listen(&browser, &relay)?;
    browser.act(SOURCE, "mute")?;
    wait_loudness(&browser, "silence after mute", |rms| rms < 0.001)?;
    browser.act(SOURCE, "mute")?;
    wait_loudness(&browser, "sound after unmute", |rms| rms > 0.2)?;
    focus(&browser, SOURCE, "volume")?;
    browser.press(HOME)?;
    wait_loudness(&browser, "silence at the slider's left end", |rms| rms < 0.01)?;
    browser.press(END)?;
    wait_loudness(&browser, "sound at the slider's right end", |rms| rms > 0.2)?;
    browser.act(SOURCE, "stop")?;
    browser.wait_state(SOURCE, "ready")?;
    relay.wait_listeners(SOURCE, 0, Duration::from_secs(5))?;
    browser.close()
}

#[test]
fn the_volume_is_remembered() -> Result<()> {
    let _turn = turn();
    let (relay, _sender) = stage()?;
    let browser = Browser::start()?;
    listen(&browser, &relay)?;
    focus(&browser, SOURCE, "volume")?;
    browser.press(HOME)?;
    wait_loudness(&browser, "silence at the slider's left end", |rms| rms < 0.01)?;
    browser.open(&relay.http_url())?;
    browser.wait_state(SOURCE, "ready")?;
    browser.act(SOURCE, "listen")?;
    browser.wait_state(SOURCE, "listening")?;
    let heard = browser.record(Duration::from_secs(2))?;
    ensure!(heard.rms(0) < 0.01, "it is loud again: {:.3}", heard.rms(0));
    browser.close()
}

#[test]
fn the_keyboard_alone_is_enough() -> Result<()> {
    let _turn = turn();
    let (relay, _sender) = stage()?;
    let browser = Browser::start()?;
    browser.open(&relay.http_url())?;
    browser.wait_state(SOURCE, "ready")?;
    focus(&browser, SOURCE, "listen")?;
    browser.press(ENTER)?;
    browser.wait_state(SOURCE, "listening")?;
    wait_loudness(&browser, "sound", |rms| rms > 0.2)?;
    focus(&browser, SOURCE, "mute")?;
    browser.press(" ")?;
    wait_loudness(&browser, "silence after mute", |rms| rms < 0.001)?;
    focus(&browser, SOURCE, "stop")?;
    browser.press(ENTER)?;
    browser.wait_state(SOURCE, "ready")?;
    browser.close()
}

#[test]
fn axe_finds_nothing_serious_in_any_state() -> Result<()> {
    let _turn = turn();
    let mut relay = Relay::start()?;
    let browser = Browser::plain()?;
    browser.open(&relay.http_url())?;
    browser.wait("h1")?;
    look(&browser, "empty")?;
    let sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    browser.wait_state(SOURCE, "ready")?;
    look(&browser, "ready")?;
    browser.act(SOURCE, "listen")?;
    browser.wait_state(SOURCE, "listening")?;
    look(&browser, "listening")?;
    drop(sender);
    browser.wait_state(SOURCE, "silent")?;
    look(&browser, "silent")?;
    relay.kill();
    browser.wait_state(SOURCE, "reconnecting")?;
    look(&browser, "reconnecting")?;
    browser.close()
}

#[test]
fn a_page_that_cannot_connect_says_so() -> Result<()> {
    let _turn = turn();
    let (relay, _sender) = stage()?;
    let browser = Browser::plain()?;
    browser.open(&relay.http_url())?;
    browser.wait_state(SOURCE, "ready")?;
    browser.cdp("Network.enable", json!({}))?;
    browser.cdp("Network.setBlockedURLs", json!({ "urls": ["*/whep/*"] }))?;
    browser.act(SOURCE, "listen")?;
    browser.wait_state(SOURCE, "failed")?;
    look(&browser, "failed")?;
    browser.cdp("Network.setBlockedURLs", json!({ "urls": [] }))?;
    browser.act(SOURCE, "listen")?;
    browser.wait_state(SOURCE, "listening")?;
    browser.close()
}

fn stage() -> Result<(Relay, ToneSender)> {
    let relay = Relay::start()?;
    let sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(SOURCE)?;
    Ok((relay, sender))
}

fn listen(browser: &Browser, relay: &Relay) -> Result<()> {
    browser.open(&relay.http_url())?;
    browser.wait_state(SOURCE, "ready")?;
    browser.act(SOURCE, "listen")?;
    browser.wait_state(SOURCE, "listening")?;
    browser.wait_sound()
}

fn wait_loudness(browser: &Browser, what: &str, fits: impl Fn(f64) -> bool) -> Result<()> {
    wait_for(what, Duration::from_secs(5), || {
        let heard = browser.record(Duration::from_millis(100))?;
        let rms = heard.rms(0).max(heard.rms(1));
        if fits(rms) { Ok(Some(())) } else { Err(anyhow::anyhow!("{rms:.4} is heard")) }
    })
}

/// Moves the focus by the Tab key to an action on a card, forwards first and then back.
fn focus(browser: &Browser, source: &str, action: &str) -> Result<()> {
    let selector = format!("[data-source='{source}'] [data-action='{action}']");
    for key in std::iter::repeat_n(TAB, MOST_TABS).chain(std::iter::repeat_n(SHIFT_TAB, MOST_TABS)) {
        if browser.run("return document.activeElement.matches(arguments[0])", vec![json!(selector)])? {
            return Ok(());
        }
        browser.press(key)?;
    }
    anyhow::bail!("the Tab key does not lead to {action}")
}

/// Has axe-core look at the page in both colour schemes, and keeps a picture of each where `SOUNDPORT_SHOTS` says so.
fn look(browser: &Browser, state: &str) -> Result<()> {
    for scheme in ["light", "dark"] {
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme }, { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        browser.cdp("Emulation.setEmulatedMedia", features)?;
        for width in [1280, 390] {
            let metrics = json!({ "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": false });
            browser.cdp("Emulation.setDeviceMetricsOverride", metrics)?;
            let found = browser.axe()?;
            ensure!(found.is_empty(), "{state}, {scheme}, {width} px: {found:#?}");
            if let Some(folder) = std::env::var_os("SOUNDPORT_SHOTS") {
                let path = PathBuf::from(folder).join(format!("{state}-{scheme}-{width}.png"));
                std::fs::write(&path, browser.screenshot()?)
                    .with_context(|| format!("no {}", path.display()))?;
            }
        }
    }
    browser.cdp("Emulation.clearDeviceMetricsOverride", json!({})).map(|_| ())
}
