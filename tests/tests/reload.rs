//! A configuration that is read again while people listen (SIGHUP).

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_api::SourceState;
use soundport_tests::{
    Browser, Event, Events, Relay, RelayOptions, ToneSender, ToneSenderOptions, WhepClient, report, turn,
    wait_for,
};
use tempfile::TempDir;

const STATE_WITHIN: Duration = Duration::from_secs(10);
const KIOSK: &str = "[[source]]\nid = \"kiosk\"\ntitle = \"Kiosk\"\nfrom = \"127.0.0.31\"\n";
const DESK: &str = "[[source]]\nid = \"desk\"\ntitle = \"Desk\"\nfrom = \"127.0.0.32\"\n";

/// A relay with a configuration, two configured sources, and somebody who listens to one of them.
struct Stage {
    relay: Relay,
    file: PathBuf,
    _folder: TempDir,
    events: Events,
    kiosk: ToneSender,
    _desk: ToneSender,
    listener: WhepClient,
}

impl Stage {
    fn set() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("soundport.toml");
        write(&file, &format!("{KIOSK}{DESK}"))?;
        let arguments = vec!["--config".to_owned(), file.display().to_string()];
        let relay = Relay::with(&RelayOptions { arguments, ..RelayOptions::default() })?;
        let sender = |last: u8| {
            let from = Ipv4Addr::new(127, 0, 0, last).into();
            let options = ToneSenderOptions { from, ssrc: u32::from(last), ..Default::default() };
            ToneSender::start(relay.rtp(), options)
        };
        let (kiosk, desk) = (sender(31)?, sender(32)?);
        let events = Events::subscribe(relay.http())?;
        for (id, title) in [("kiosk", "Kiosk"), ("desk", "Desk")] {
            let source =
                events.wait_source(id, "live", STATE_WITHIN, |source| source.state == SourceState::Live)?;
            ensure!(source.title == title, "{id} is called {:?}", source.title);
        }
        let listener = WhepClient::listen(relay.http(), "kiosk")?;
        listener.hear(Duration::from_millis(500))?;
        Ok(Self { relay, file, _folder: folder, events, kiosk, _desk: desk, listener })
    }

    /// Checks that the listener has heard nothing of it all.
    fn heard_no_gap(&self) -> Result<()> {
        // The end of what was done is within what is listened to.
        std::thread::sleep(Duration::from_secs(1));
        let stream = self.listener.take()?;
        let packets = stream
            .check_steps()
            .with_context(|| format!("the sender was at most {:.0?} late", self.kiosk.latest()))?;
        let heard = stream.settled()?;
        heard.check_ears()?;
        let (step, stall) = (heard.largest_step(), stream.longest_stall());
        report(&format!(
            "{packets} packets over a reload: largest step {step:.3}, longest stall {stall:.0?}"
        ));
        ensure!(step <= 1.5, "a click: the largest step is {step:.2} times the clean tone's");
        Ok(())
    }
}

#[test]
fn a_new_title_and_a_removed_source_are_heard_by_nobody() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set()?;
    let browser = Browser::plain()?;
    browser.open(&stage.relay.http_url())?;
    browser.wait("[data-source='desk']")?;
    stage.listener.take()?;
    write(&stage.file, &KIOSK.replace("\"Kiosk\"", "\"Front door\""))?;
    stage.relay.reload();
    let is_renamed = |source: &soundport_api::Source| source.title == "Front door";
    let kiosk = stage.events.wait_source("kiosk", "renamed", STATE_WITHIN, is_renamed)?;
    ensure!(kiosk.state == SourceState::Live, "{kiosk:?}");
    stage.heard_no_gap()?;
    wait_for("the page to show the new title", STATE_WITHIN, || {
        let words: String = browser.run("return document.body.innerText", vec![])?;
        Ok(words.contains("Front door").then_some(()))
    })?;
    // What was configured goes; that something sends from there stays, under its address.
    let gone =
        wait_for("desk to be gone", STATE_WITHIN, || Ok(stage.events.source("desk").is_none().then_some(())));
    gone.with_context(|| format!("{:#?}", stage.events.sources()))?;
    browser.close()
}

#[test]
fn a_broken_configuration_changes_nothing_and_is_shown() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set()?;
    let mut events = Events::subscribe(stage.relay.http())?;
    let browser = Browser::plain()?;
    browser.open(&stage.relay.http_url())?;
    browser.wait("[data-source='desk']")?;
    stage.listener.take()?;
    write(&stage.file, &format!("{KIOSK}tilte = \"Front door\"\n"))?;
    stage.relay.reload();
    let trouble = events.wait_for("the trouble", STATE_WITHIN, |event| match event {
        Event::Relay(relay) => relay.trouble.clone(),
        _ => None,
    })?;
    report(&format!("shown: {trouble}"));
    ensure!(trouble.contains("tilte"), "the key is not named: {trouble}");
    ensure!(stage.relay.log().contains("tilte"), "nothing is logged: {}", stage.relay.log());
    let ids: Vec<String> = stage.relay.sources()?.into_iter().map(|source| source.id).collect();
    ensure!(ids.len() == 2, "the sources are now {ids:?}");
    stage.heard_no_gap()?;
    browser.wait("[data-notice='trouble']")?;
    write(&stage.file, &format!("{KIOSK}{DESK}"))?;
    stage.relay.reload();
    events.wait_for("the trouble to be over", STATE_WITHIN, |event| match event {
        Event::Relay(relay) => relay.trouble.is_none().then_some(()),
        _ => None,
    })?;
    browser.close()
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("Failed to write {}", file.display()))
}
