//! *Why is there no sound?* on a card: each cause is made, and the panel names it and what to do; what only the browser knows
//! reaches the relay.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use soundport_api::{Check, Diagnosis, Encoding, Verdict};
use soundport_tests::{
    Announced, Announcer, AudioServer, Browser, BrowserOptions, Relay, RelayOptions, Signal, ToneSender,
    ToneSenderOptions, report, turn, wait_for, wait_until,
};

const SOURCE: &str = "127-0-0-1";
const LIMIT: Duration = Duration::from_secs(20);
const ENTER: &str = "\u{e007}";

#[test]
fn what_the_relay_finds_is_told_with_its_remedy() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let silent = ToneSenderOptions { signal: Signal::Zeros, ..ToneSenderOptions::default() };
    let sender = ToneSender::start(relay.rtp(), silent)?;
    let sleeping = Announced {
        name: b"PulseAudio RTP Stream on kiosk".to_vec(),
        port: 46_010,
        encoding: Encoding::L16,
        rate: 48_000,
        channels: 2,
        payload_type: 127,
        session: 1,
        from: [127, 0, 0, 2].into(),
    };
    let _announcer = Announcer::start(relay.sap(), sleeping)?;
    let browser = Browser::start()?;
    browser.open(&relay.http_url())?;
    browser.ask_why(SOURCE)?;
    let told = browser.trouble(SOURCE, "zeros")?;
    ensure!(told.contains("zeros") && told.contains("Inside the container"), "it says {told}");
    let first: String =
        browser.run("return document.querySelector('[data-doctor] li').dataset.check", vec![])?;
    ensure!(first == "zeros", "the first that is told is {first}");

    drop(sender);
    let told = browser.trouble(SOURCE, "packets")?;
    ensure!(told.contains("pactl load-module module-rtp-send"), "it says {told}");
    let command = "return document.querySelector('[data-check=packets] code').innerText";
    let command: String = browser.run(command, vec![])?;
    ensure!(
        command.starts_with("pactl ") && command.ends_with("mtu=972"),
        "the command to copy is {command}"
    );
    browser.click("[data-check=packets] [data-action=copy-remedy]")?;
    let copied = "return [...document.querySelectorAll('[data-action=copy-remedy]')].some(({ innerText }) => innerText !== 'Copy')";
    wait_until("the copying to be told of", LIMIT, || browser.run(copied, vec![]))?;
    browser.ask_why("kiosk")?;
    let told = browser.trouble("kiosk", "suspended")?;
    ensure!(told.contains("Play something"), "it says {told}");
    // Figures of the last look are gone, the focus is not.
    let code = "document.querySelector('[data-check=suspended] code')";
    browser.run::<Option<bool>>(&format!("{code}.focus()"), vec![])?;
    let said = format!("return {code}.closest('li').querySelector('.said-here').innerText");
    let before: String = browser.run(&said, vec![])?;
    wait_until("another look", LIMIT, || Ok(browser.run::<String>(&said, vec![])? != before))?;
    let stays: bool = browser.run(&format!("return document.activeElement === {code}"), vec![])?;
    ensure!(stays, "the focus was lost when it looked again");
    browser.close()
}

#[test]
fn what_a_person_did_to_the_page_is_told_there_and_to_the_relay() -> Result<()> {
    let _turn = turn();
    let relay = Relay::with(&RelayOptions { demo: true, ..RelayOptions::default() })?;
    let _sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(SOURCE)?;
    let ears = AudioServer::pulse_audio(None)?;
    let browser = Browser::with(&BrowserOptions { server: Some(&ears), ..BrowserOptions::default() })?;
    browser.open(&relay.http_url())?;
    for source in [SOURCE, "demo"] {
        browser.wait_state(source, "ready")?;
        browser.act(source, "listen")?;
        browser.wait_state(source, "listening")?;
    }
    relay_knows(&relay, Verdict::Well, "plays")?;
    browser.ask_why(SOURCE)?;
    browser.finding(SOURCE, "playback", "well")?;

    browser.act(SOURCE, "mute")?;
    let told = browser.trouble(SOURCE, "playback")?;
    ensure!(told.contains("muted here") && told.contains("Press the loudspeaker"), "it says {told}");
    relay_knows(&relay, Verdict::Trouble, "muted")?;
    browser.act(SOURCE, "mute")?;
    browser.finding(SOURCE, "playback", "well")?;
    relay_knows(&relay, Verdict::Well, "plays")?;
    browser.act("demo", "solo")?;
    let told = browser.trouble(SOURCE, "playback")?;
    ensure!(told.contains("alone"), "it says {told}");
    relay_knows(&relay, Verdict::Trouble, "solo")?;
    browser.act("demo", "solo")?;
    browser.finding(SOURCE, "playback", "well")?;
    relay_knows(&relay, Verdict::Well, "plays")?;
    browser.close()
}

#[test]
fn a_browser_that_holds_sound_back_is_told_there_and_to_the_relay() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let _sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(SOURCE)?;
    let ears = AudioServer::pulse_audio(None)?;
    let browser = Browser::with(&BrowserOptions { server: Some(&ears), ..BrowserOptions::default() })?;
    browser.open(&relay.http_url())?;
    browser.wait_state(SOURCE, "ready")?;
    // A script's press is none of a person's.
    let press = "const button = document.querySelector('[data-action=listen]'); button?.click(); return true";
    wait_for("the relay to know", LIMIT, || {
        browser.run::<bool>(press, vec![])?;
        let told = playback(&relay)?
            .filter(|(verdict, said)| *verdict == Verdict::Trouble && said.contains("autoplay"));
        Ok(told.map(|(_, said)| report(&format!("the relay says: {said}"))))
    })?;
    browser.wait_state(SOURCE, "failed")?;
    browser.run::<Option<bool>>("document.querySelector('.details').open = true", vec![])?;
    let told = browser.trouble(SOURCE, "playback")?;
    ensure!(told.contains("autoplay") && told.contains("Press Listen"), "it says {told}");
    browser.close()
}

#[test]
fn a_format_that_is_not_read_is_told() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let from = [127, 0, 0, 2].into();
    let stream = Announced { channels: 12, port: relay.rtp().port(), from, ..Announced::default() };
    let _announcer = Announcer::start(relay.sap(), stream)?;
    let browser = Browser::start()?;
    browser.open(&relay.http_url())?;
    browser.ask_why("desktop")?;
    let told = browser.trouble("desktop", "format")?;
    ensure!(told.contains("12 channels are not read") && told.contains("pcm_s16be"), "it says {told}");
    browser.close()
}

#[test]
fn what_a_browser_lacks_is_told() -> Result<()> {
    let _turn = turn();
    let mut relay = Relay::start()?;
    let _sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(SOURCE)?;
    // It has no loudspeaker.
    let browser = Browser::start()?;
    browser.open(&relay.http_url())?;
    browser.wait_state(SOURCE, "ready")?;
    browser.act(SOURCE, "listen")?;
    browser.wait_state(SOURCE, "listening")?;
    browser.ask_why(SOURCE)?;
    let told = browser.trouble(SOURCE, "playback")?;
    ensure!(told.contains("no loudspeaker"), "it says {told}");
    relay_knows(&relay, Verdict::Trouble, "no device")?;

    browser.cdp(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({ "source": "delete window.RTCPeerConnection" }),
    )?;
    browser.open(&relay.http_url())?;
    browser.ask_why(SOURCE)?;
    let told = browser.trouble(SOURCE, "webrtc")?;
    ensure!(told.contains("another browser"), "it says {told}");

    relay.kill();
    let told = browser.trouble(SOURCE, "relay")?;
    ensure!(told.contains("soundport doctor"), "it says {told}");
    browser.close()
}

#[test]
fn the_panel_is_used_by_keyboard_and_keeps_still() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let silent = ToneSenderOptions { signal: Signal::Zeros, ..ToneSenderOptions::default() };
    let _sender = ToneSender::start(relay.rtp(), silent)?;
    let browser = Browser::plain()?;
    browser.open(&relay.http_url())?;
    browser.wait_state(SOURCE, "ready")?;
    browser.act(SOURCE, "listen")?;
    browser.wait_state(SOURCE, "silent")?;
    // The card leads there by itself.
    let leads = "return getComputedStyle(document.querySelector('.details summary'), '::after').content";
    ensure!(
        browser.run::<String>(leads, vec![])?.contains("Why is there no sound?"),
        "the card says nothing of it"
    );
    browser.run::<Option<bool>>("document.querySelector('.details summary').focus()", vec![])?;
    browser.press(ENTER)?;
    browser.trouble(SOURCE, "zeros")?;
    let spoken: String =
        browser.run("return document.querySelector('[data-doctor] [role=status]').innerText", vec![])?;
    ensure!(spoken.contains("zeros"), "a screen reader hears {spoken}");
    for scheme in ["light", "dark"] {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.cdp("Emulation.setEmulatedMedia", features)?;
        for width in [1280, 390] {
            let metrics = json!({ "width": width, "height": 1100, "deviceScaleFactor": 1, "mobile": false });
            browser.cdp("Emulation.setDeviceMetricsOverride", metrics)?;
            let problems = browser.axe()?;
            ensure!(problems.is_empty(), "{scheme}, {width} px: {problems:#?}");
            if let Some(folder) = std::env::var_os("SOUNDPORT_SHOTS") {
                let path = PathBuf::from(folder).join(format!("doctor-{scheme}-{width}.png"));
                std::fs::write(&path, browser.screenshot()?)
                    .with_context(|| format!("no {}", path.display()))?;
            }
        }
    }
    browser.close()
}

/// What the relay knows of the playback of the source's first listener.
fn playback(relay: &Relay) -> Result<Option<(Verdict, String)>> {
    let answer = relay.http().get(&format!("/api/sources/{SOURCE}/doctor"))?;
    ensure!(answer.status == 200, "the doctor answers {}", answer.status);
    let diagnosis: Diagnosis = serde_json::from_slice(&answer.body)?;
    let findings = diagnosis.sessions.into_iter().flat_map(|session| session.findings);
    let mut of_playback = findings.filter(|finding| finding.check == Check::Playback);
    Ok(of_playback.next().map(|finding| (finding.verdict, finding.said)))
}

/// Waits until the relay says so of the playback, in these words among others.
fn relay_knows(relay: &Relay, verdict: Verdict, words: &str) -> Result<()> {
    wait_for(&format!("the relay to know of {words}"), LIMIT, || {
        Ok(playback(relay)?.filter(|(known, said)| *known == verdict && said.contains(words)).map(|_| ()))
    })
    .with_context(|| format!("{:?}", playback(relay)))
}
