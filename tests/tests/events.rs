//! `GET /api/events`: what it says, how often, and to how many.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use soundport_api::{SourceState, event_name};
use soundport_tests::{
    Browser, Event, Events, Relay, RelayOptions, Signal, Subscribers, Tab, ToneSender, ToneSenderOptions,
    report, turn,
};

const SOURCE: &str = "127-0-0-1";
const OTHER: &str = "127-0-0-9";
const STATE_WITHIN: Duration = Duration::from_secs(10);
const TABS: usize = 6;
const SUBSCRIBERS: usize = 1000;

#[test]
fn the_stream_begins_with_the_relay_and_all_sources_and_tells_every_change() -> Result<()> {
    let _turn = turn();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("soundport.toml");
    write(&file, "[[source]]\nid = \"kiosk\"\n")?;
    let relay = configured(&file)?;
    let mut events = Events::subscribe(relay.http())?;
    let first = events.wait_for("the first event", STATE_WITHIN, |event| Some(event.clone()))?;
    let Event::Relay(itself) = first else { anyhow::bail!("it begins with {first:?}") };
    ensure!(!itself.instance.is_empty() && itself.trouble.is_none(), "{itself:?}");
    let second = events.wait_for("the second event", STATE_WITHIN, |event| Some(event.clone()))?;
    let Event::Sources(sources) = second else { anyhow::bail!("then comes {second:?}") };
    ensure!(sources.iter().map(|source| source.id.as_str()).eq(["kiosk"]), "{sources:?}");

    let sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    events.wait_state(SOURCE, SourceState::Live, STATE_WITHIN)?;
    sender.pause();
    events.wait_state(SOURCE, SourceState::Idle, STATE_WITHIN)?;
    let mut listed = relay.sources()?;
    listed.sort_by(|one, other| one.id.cmp(&other.id));
    ensure!(listed == events.sources(), "the list differs: {listed:?}");
    write(&file, "")?;
    relay.reload();
    events.wait_for("kiosk to be gone", STATE_WITHIN, |event| {
        matches!(event, Event::Gone(gone) if gone.id == "kiosk").then_some(())
    })?;
    ensure!(events.source("kiosk").is_none() && relay.source("kiosk")?.is_none(), "kiosk is still there");
    // Nothing happens any more, and still the stream shows that it lives.
    events
        .wait_for("a sign of life", Duration::from_secs(15), |event| (*event == Event::Comment).then_some(()))
}

#[test]
fn levels_come_ten_times_a_second_and_only_of_those_asked_for() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    let from = Ipv4Addr::new(127, 0, 0, 9).into();
    let _other = ToneSender::start(relay.rtp(), ToneSenderOptions { from, ssrc: 9, ..Default::default() })?;
    relay.wait_live(SOURCE)?;
    relay.wait_live(OTHER)?;
    let (mut events, plain) =
        (Events::with_levels(relay.http(), &[SOURCE, "nobody"])?, Events::subscribe(relay.http())?);
    let tones = |event: &Event| match event {
        Event::Levels(levels) => {
            levels.get(SOURCE).filter(|level| level.iter().all(|peak| *peak > 0.4)).copied()
        }
        _ => None,
    };
    events.wait_for("the tone's level", STATE_WITHIN, tones)?;
    let start = Instant::now();
    for _ in 0..30 {
        let [left, right] = events.wait_for("further levels", STATE_WITHIN, tones)?;
        ensure!(left.max(right) < 0.6, "a tone of 0.5 is shown as {left} and {right}");
    }
    let rate = 30.0 / start.elapsed().as_secs_f64();
    report(&format!("{rate:.1} levels a second"));
    ensure!((5.0..15.0).contains(&rate), "{rate:.1} levels a second");
    sender.play(Signal::Zeros);
    events.wait_for("zeros once", STATE_WITHIN, |event| match event {
        Event::Levels(levels) => levels.get(SOURCE).filter(|level| **level == [0.0, 0.0]).map(|_| ()),
        _ => None,
    })?;
    let log = events.log();
    let others = log.iter().filter_map(|(_, event)| match event {
        Event::Levels(levels) => levels.keys().find(|id| *id != SOURCE),
        _ => None,
    });
    ensure!(others.clone().next().is_none(), "nobody asked for {:?}", others.collect::<Vec<_>>());
    let unasked = plain.log().into_iter().any(|(_, event)| matches!(event, Event::Levels(_)));
    ensure!(!unasked, "levels came to who asked for none");
    Ok(())
}

#[test]
fn six_tabs_in_the_background_work_over_plain_http() -> Result<()> {
    six_windows_work(true)
}

#[test]
fn six_tabs_that_are_all_in_sight_work_over_plain_http() -> Result<()> {
    six_windows_work(false)
}

/// Opens the page in six windows, and then listens in one after the other, while the others go on listening.
fn six_windows_work(hidden: bool) -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let _sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(SOURCE)?;
    let browser = Browser::start()?;
    let mut tabs: Vec<Tab> = Vec::new();
    for number in 1..=TABS {
        let tab = if number == 1 { browser.tab()? } else { browser.add_window()? };
        browser.open(&relay.http_url()).with_context(|| format!("window {number}"))?;
        browser.wait_state(SOURCE, "ready").with_context(|| format!("window {number}"))?;
        if hidden {
            browser.hide()?;
        }
        tabs.push(tab);
    }
    for tab in &tabs {
        browser.go_to(tab)?;
        let state: String = browser.run("return document.visibilityState", vec![])?;
        ensure!((state == "hidden") == hidden, "a window is {state}");
    }
    for (tab, number) in tabs.iter().zip(1..) {
        browser.go_to(tab)?;
        if hidden {
            browser.show()?;
        }
        browser.act(SOURCE, "listen").with_context(|| format!("window {number}"))?;
        browser.wait_tone(STATE_WITHIN).with_context(|| format!("window {number}"))?;
        relay.wait_listeners(SOURCE, number, STATE_WITHIN)?;
        if hidden {
            browser.hide()?;
        }
    }
    browser.close()
}

#[test]
fn a_thousand_subscribers_get_every_change() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(SOURCE)?;
    let mut subscribers = Subscribers::open(relay.http(), SUBSCRIBERS)?;
    let all =
        |name: &'static str, times: usize| move |now: &Subscribers| now.count(name, times) == SUBSCRIBERS;
    subscribers.attend(STATE_WITHIN, all(event_name::SOURCES, 1))?;
    let connected = subscribers.count(event_name::SOURCES, 1);
    ensure!(connected == SUBSCRIBERS, "only {connected} of {SUBSCRIBERS} got the sources");
    let before = relay.usage()?;
    sender.pause();
    let start = Instant::now();
    subscribers.attend(STATE_WITHIN, all(event_name::SOURCE, 1))?;
    let told = subscribers.count(event_name::SOURCE, 1);
    ensure!(told == SUBSCRIBERS, "only {told} of {SUBSCRIBERS} were told of the pause");
    let cpu = relay.usage()?.cpu - before.cpu;
    report(&format!(
        "a thousand subscribers knew of a pause after {:.1?}, for {cpu:.0?} of CPU",
        start.elapsed()
    ));
    Ok(())
}

fn configured(file: &Path) -> Result<Relay> {
    let arguments = vec!["--config".to_owned(), file.display().to_string()];
    Relay::with(&RelayOptions { arguments, ..RelayOptions::default() })
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("Failed to write {}", file.display()))
}
