//! One line in somebody else's page: a control that works there, and leaves that page alone.

#[path = "embed/host.rs"]
mod host;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use host::Guest;
use serde_json::json;
use soundport_tests::{
    Browser, BrowserOptions, Callee, Microphone, Recording, Relay, RelayOptions, StaticPage, ToneSender,
    ToneSenderOptions, Vnc, turn, wait_until,
};

const SOURCE: &str = "127-0-0-1";
const LIMIT: Duration = Duration::from_secs(15);
const HZ: f64 = 700.0;
/// A name that is this machine's, and whose pages the relay does not let in.
const STRANGER: &str = "desk.test";

#[test]
fn novnc_has_sound_by_one_line_and_is_undisturbed() -> Result<()> {
    let _turn = turn();
    let (relay, _sender) = stage(&[])?;
    let desktop = Vnc::start(&line(&relay, SOURCE))?;
    let browser = Browser::start()?;
    let page = Guest::open(&browser, &desktop.url("localhost"))?;
    let before = page.own_style()?;
    let picture = page.desktop(&desktop)?;
    page.types(&desktop, "a")?;

    browser.in_control(0, |frame| {
        frame.wait_state(SOURCE, "ready")?;
        frame.act(SOURCE, "listen")?;
        frame.wait_state(SOURCE, "listening")?;
        frame.wait_tone(LIMIT).map(|_| ())
    })?;
    page.state("listening")?;
    page.types(&desktop, "ab")?;

    browser.in_control(0, |frame| {
        frame.act(SOURCE, "mute")?;
        frame.wait_silence()
    })?;
    page.types(&desktop, "abc")?;
    browser.in_control(0, |frame| {
        frame.act(SOURCE, "mute")?;
        frame.wait_tone(LIMIT)?;
        frame.click("[data-action='volume']")
    })?;
    wait_until("half the volume", LIMIT, || Ok((0.4..0.6).contains(&page.run::<f64>("control().volume")?)))?;
    page.types(&desktop, "abcd")?;

    ensure!(page.run::<bool>("window.desktop.connected")?, "noVNC lost its desktop");
    ensure!(page.desktop(&desktop)? == picture, "the desktop is drawn otherwise");
    ensure!(page.own_style()? == before, "the page's own style changed: {}", page.own_style()?);

    page.run::<()>("control().remove()")?;
    relay.wait_listeners(SOURCE, 0, LIMIT)?;
    page.types(&desktop, "abcde")?;
    let left: u32 = page.run("document.querySelectorAll('soundport-control, soundport-corner').length")?;
    ensure!(left == 0 && page.run::<bool>("soundport.controls.length === 0")?, "something was left behind");
    ensure!(page.told("soundport:remove")? == 1, "nobody was told that it went");
    browser.close()
}

#[test]
fn the_microphone_speaks_from_novnc_and_the_keyboard_stays_there() -> Result<()> {
    let _turn = turn();
    let folder = tempfile::tempdir()?;
    let wav = folder.path().join("microphone.wav");
    Recording::tones(HZ, HZ, 90).write_wav(&wav)?;
    let callee = Callee::pulse_audio()?;
    let id = callee.id();
    let desktop = Vnc::start(&line(callee.relay(), id))?;
    let browser =
        Browser::with(&BrowserOptions { microphone: Microphone::Wav(wav), ..BrowserOptions::default() })?;
    let page = Guest::open(&browser, &desktop.url("localhost"))?;
    page.types(&desktop, "a")?;
    browser.in_control(0, |frame| {
        frame.wait_state(id, "ready")?;
        frame.act(id, "talk")?;
        frame.wait_talk(id, "live")
    })?;
    wait_until("the page to know of it", LIMIT, || page.run("control().snapshot.talk === 'live'"))?;
    callee.server()?.parec()?.wait_tone(0, HZ, 0.02, LIMIT)?;
    page.types(&desktop, "ab")?;
    ensure!(page.run::<bool>("control().endTalk()")?, "the microphone is not given back");
    browser.in_control(0, |frame| frame.wait_talk(id, "off"))?;
    ensure!(page.run::<bool>("control().talk()")?, "the page cannot have it talk");
    browser.in_control(0, |frame| frame.wait_talk(id, "live"))?;
    browser.close()
}

#[test]
fn a_page_hears_by_methods_and_is_told_by_events() -> Result<()> {
    let _turn = turn();
    let (relay, _sender) = stage(&[])?;
    let host = StaticPage::serve(&host::page(&line(&relay, SOURCE)))?;
    let browser = Browser::start()?;
    let page = Guest::open(&browser, &host.url())?;
    page.state("ready")?;
    ensure!(page.told("soundport:ready")? == 1, "the control told that it was ready not once");
    ensure!(!page.run::<bool>("control().listen()")?, "sound begins without a click");
    let trouble = page.trouble("blocked")?;
    ensure!(trouble.words.contains("press Listen"), "it says {trouble:?}");
    ensure!(page.words(0)?.contains(&trouble.words), "the control itself says nothing of it");

    browser.click("#beside")?;
    ensure!(page.run::<bool>("control().listen()")?, "sound does not begin after a click in the page");
    page.state("listening")?;
    ensure!(page.run::<bool>("control().trouble === null")?, "the trouble stays");
    browser.in_control(0, |frame| frame.wait_tone(LIMIT).map(|_| ()))?;
    page.run::<()>("void (control().muted = true)")?;
    browser.in_control(0, Browser::wait_silence)?;
    wait_until("it to be told as muted", LIMIT, || page.run("control().muted"))?;
    page.run::<()>("void (control().volume = 1)")?;
    browser.in_control(0, |frame| frame.wait_tone(LIMIT).map(|_| ()))?;
    page.run::<()>("void (control().volume = 0.25)")?;
    wait_until("the volume", LIMIT, || page.run("control().volume === 0.25 && !control().muted"))?;
    ensure!(page.run::<bool>("control().stop()")?, "it does not stop");
    page.state("ready")?;
    relay.wait_listeners(SOURCE, 0, LIMIT)?;

    page.visit(&host.url())?;
    page.state("ready")?;
    ensure!(page.run::<f64>("control().volume")? == 0.25, "the volume is forgotten");
    browser.close()
}

#[test]
fn a_page_that_may_not_embed_is_told_what_would_let_it_in() -> Result<()> {
    let _turn = turn();
    let (relay, _sender) = stage(&[])?;
    let host = StaticPage::serve(&host::page(&line(&relay, SOURCE)))?;
    let url = host.url().replace("localhost", STRANGER);
    let browser =
        Browser::plain_with(&BrowserOptions { known_as: Some(STRANGER), ..BrowserOptions::default() })?;
    let page = Guest::open(&browser, &url)?;
    let trouble = page.trouble("not-allowed")?;
    let origin = url.trim_end_matches('/');
    ensure!(trouble.words.contains(&format!("--origin {origin}")), "it says {trouble:?}");
    ensure!(page.words(0)? == trouble.words, "the control says {:?}", page.words(0)?);
    ensure!(!page.run::<bool>("control().listen()")?, "it claims to listen");
    ensure!(relay.source(SOURCE)?.context("it is there")?.listeners == 0, "somebody listens");
    browser.close()
}

#[test]
fn over_plain_http_it_listens_and_says_why_nobody_can_talk() -> Result<()> {
    let _turn = turn();
    let host = StaticPage::serve("")?;
    let origin = host.url().replace("localhost", STRANGER);
    let origin = origin.trim_end_matches('/').to_owned();
    let callee = Callee::pulse_audio_with(&["--allow-talk", "--origin", &origin])?;
    let id = callee.id();
    let host = host.with(&host::page(&line(callee.relay(), id)));
    let browser = Browser::with(&BrowserOptions { known_as: Some(STRANGER), ..BrowserOptions::default() })?;
    let page = Guest::open(&browser, &host.url().replace("localhost", STRANGER))?;
    let words = browser.in_control(0, |frame| {
        frame.wait_state(id, "ready")?;
        frame.act(id, "listen")?;
        frame.wait(&format!("[data-source='{id}']:is([data-state='silent'], [data-state='listening'])"))?;
        let shown = "return document.querySelector('.said').checkVisibility()";
        ensure!(!frame.run::<bool>(shown, vec![])?, "it is in the way before anybody asks");
        frame.click(".talk")?;
        wait_until("the reason to be shown", LIMIT, || frame.run(shown, vec![]))?;
        frame.run::<String>("return document.querySelector('.said').innerText", vec![])
    })?;
    ensure!(words.contains("https"), "it says {words}");
    ensure!(page.run::<String>("control().snapshot.talkTrouble.name")? == "insecure", "the page is not told");
    browser.close()
}

#[test]
fn an_unknown_source_and_none_and_several_are_told_and_one_is_taken() -> Result<()> {
    let _turn = turn();
    let (relay, sender) = stage(&[])?;
    let browser = Browser::start()?;
    let host = StaticPage::serve(&host::page(&line(&relay, "nobody")))?;
    let page = Guest::open(&browser, &host.url())?;
    let trouble = page.trouble("unknown-source")?;
    ensure!(trouble.words.contains("nobody"), "it says {trouble:?}");
    ensure!(page.words(0)?.contains(&trouble.words), "the control says {:?}", page.words(0)?);

    let unnamed = host::page(&format!("<script src='{}/embed.js'></script>", relay.http_url()));
    let host = host.with(&unnamed);
    page.visit(&host.url())?;
    page.state("ready")?;
    ensure!(page.run::<String>("control().source")? == SOURCE, "the only source is not taken");

    let named = relay.http_url() + "/embed.js?source=" + SOURCE;
    let host = host.with(&host::page(&format!("<script src='{named}'></script>")));
    page.visit(&host.url())?;
    page.state("ready")?;

    drop(sender);
    let several = Relay::with(&RelayOptions {
        demo: true,
        arguments: vec!["--allow-talk".into()],
        ..RelayOptions::default()
    })?;
    let _sender = ToneSender::start(several.rtp(), ToneSenderOptions::default())?;
    several.wait_live(SOURCE)?;
    let host = host.with(&unnamed.replace(&relay.http_url(), &several.http_url()));
    page.visit(&host.url())?;
    let trouble = page.trouble("which-source")?;
    ensure!(page.words(0)?.contains(&trouble.words), "the control says {:?}", page.words(0)?);
    browser.in_control(0, |frame| {
        frame.click(&format!("a[href='#/{SOURCE}']"))?;
        frame.act(SOURCE, "listen")?;
        frame.wait_tone(LIMIT).map(|_| ())
    })?;
    page.state("listening")?;
    browser.close()
}

#[test]
fn a_relay_that_is_not_there_is_told_and_found_when_it_comes() -> Result<()> {
    let _turn = turn();
    let (mut relay, _sender) = stage(&[])?;
    let browser = Browser::start()?;
    // The script came while the relay was there; the frame comes when it is not.
    let later = format!("<script data-control='none' src='{}/embed.js'></script>", relay.http_url());
    let host = StaticPage::serve(&host::page(&later))?;
    let page = Guest::open(&browser, &host.url())?;
    relay.kill();
    page.run::<()>(&format!("void soundport.add({{ source: '{SOURCE}' }})"))?;
    let trouble = page.trouble("no-relay")?;
    ensure!(page.words(0)? == trouble.words, "the control says {:?}", page.words(0)?);
    relay.revive()?;
    page.state("ready")?;
    ensure!(page.words(0)?.is_empty() || !page.words(0)?.contains("does not answer"), "the trouble stays");
    browser.in_control(0, |frame| {
        frame.act(SOURCE, "listen")?;
        frame.wait_tone(LIMIT).map(|_| ())
    })?;
    relay.kill();
    page.state("reconnecting")?;
    page.trouble("no-relay")?;
    browser.close()
}

#[test]
fn two_controls_of_one_page_know_nothing_of_each_other() -> Result<()> {
    let _turn = turn();
    let (relay, _sender) = stage(&[])?;
    let twice = line(&relay, SOURCE).repeat(2);
    let host = StaticPage::serve(&host::page(&twice))?;
    let browser = Browser::start()?;
    let page = Guest::open(&browser, &host.url())?;
    for nth in 0..2 {
        browser.in_control(nth, |frame| {
            frame.wait_state(SOURCE, "ready")?;
            frame.act(SOURCE, "listen")?;
            frame.wait_tone(LIMIT).map(|_| ())
        })?;
    }
    relay.wait_listeners(SOURCE, 2, LIMIT)?;
    let apart: bool = page.run(
        "(() => { const [a, b] = soundport.controls.map(({ element }) => element.getBoundingClientRect());
           return a.height >= 44 && b.height >= 44 && (a.bottom <= b.top || b.bottom <= a.top); })()",
    )?;
    ensure!(apart, "one lies on the other");
    browser.in_control(0, |frame| {
        frame.act(SOURCE, "stop")?;
        frame.wait_state(SOURCE, "ready")
    })?;
    relay.wait_listeners(SOURCE, 1, LIMIT)?;
    browser.in_control(1, |frame| frame.wait_tone(LIMIT).map(|_| ()))?;

    // What played goes on when the page is loaded again, in its own control alone.
    page.visit(&host.url())?;
    browser.in_control(0, |frame| frame.wait_state(SOURCE, "ready"))?;
    browser.in_control(1, |frame| {
        frame.click("[data-action='resume']")?;
        frame.wait_tone(LIMIT).map(|_| ())
    })?;
    browser.in_control(0, |frame| frame.wait_state(SOURCE, "ready"))?;
    page.run::<()>("soundport.controls[1].remove()")?;
    relay.wait_listeners(SOURCE, 0, LIMIT)?;
    browser.in_control(0, |frame| frame.wait_state(SOURCE, "ready"))?;
    browser.close()
}

#[test]
fn it_takes_the_pages_look_and_axe_finds_nothing_serious() -> Result<()> {
    let _turn = turn();
    let (relay, _sender) = stage(&["--demo", "--allow-talk"])?;
    let desktop = Vnc::start("")?;
    let browser = Browser::plain()?;
    for (scheme, background) in [("dark", "#282828"), ("light", "#f4f4f2")] {
        desktop.write(&line(&relay, "echo"), background)?;
        let page = Guest::open(&browser, &desktop.url("localhost"))?;
        page.state("ready")?;
        page.desktop(&desktop)?;
        let taken: String = browser.in_control(0, |frame| {
            frame.run("return getComputedStyle(document.documentElement).colorScheme", vec![])
        })?;
        ensure!(taken == scheme, "on {background} it is {taken}");
        look(&browser, &format!("ready-{scheme}"))?;
        browser.in_control(0, |frame| {
            frame.act("echo", "listen")?;
            frame.wait("[data-source='echo']:is([data-state='silent'], [data-state='listening'])")
        })?;
        look(&browser, &format!("on-{scheme}"))?;
        browser.in_control(0, |frame| frame.click("[data-action='more']"))?;
        look(&browser, &format!("more-{scheme}"))?;
        browser.in_control(0, |frame| {
            frame.click("[data-action='more']")?;
            frame.click("[data-action='fold']")
        })?;
        look(&browser, &format!("folded-{scheme}"))?;
        page.run::<bool>("control().fold(false)")?;
    }
    let styled =
        "<style>body { --soundport-ink: rgb(1, 2, 3); --soundport-font: serif; --soundport-scheme: dark; }
        iframe, soundport-control { display: none !important; width: 1px !important; }</style>";
    let host = StaticPage::serve(&host::page(&format!("{styled}{}", line(&relay, "echo"))))?;
    let page = Guest::open(&browser, &host.url())?;
    page.state("ready")?;
    let (ink, font, scheme): (String, String, String) = browser.in_control(0, |frame| {
        frame.run(
            "const style = getComputedStyle(document.body);
             return [style.color, style.fontFamily, getComputedStyle(document.documentElement).colorScheme]",
            vec![],
        )
    })?;
    ensure!(
        ink == "rgb(1, 2, 3)" && font.starts_with("serif") && scheme == "dark",
        "{ink}, {font}, {scheme}"
    );
    let size: f64 = page.run("control().element.getBoundingClientRect().height")?;
    ensure!(size >= 44.0, "the page's style makes it {size} px high");
    browser.close()
}

/// The one line.
fn line(relay: &Relay, source: &str) -> String {
    format!("<script src=\"{}/embed.js\" data-source=\"{source}\"></script>\n", relay.http_url())
}

fn stage(arguments: &[&str]) -> Result<(Relay, ToneSender)> {
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let relay = Relay::with(&RelayOptions { arguments, ..RelayOptions::default() })?;
    let sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(SOURCE)?;
    Ok((relay, sender))
}

/// Has axe-core look at the page and into the control's frame, and looks that all is large enough for a thumb.
fn look(browser: &Browser, state: &str) -> Result<()> {
    for (width, height) in [(1280, 800), (390, 844), (320, 568)] {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        browser.cdp("Emulation.setDeviceMetricsOverride", metrics)?;
        let fits = "const box = document.querySelector('soundport-control').getBoundingClientRect();
            return box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight && box.width >= 44";
        wait_until(&format!("{state} to fit into {width} px"), LIMIT, || browser.run(fits, vec![]))?;
        let mut found = browser.axe()?;
        found.extend(browser.in_control(0, Browser::axe)?);
        ensure!(found.is_empty(), "{state}, {width} px: {found:#?}");
        let small: Vec<String> = browser.in_control(0, |frame| {
            frame.run(
                "return [...document.querySelectorAll('button, input, select, summary')].filter((part) => part.checkVisibility())
                   .map((part) => [part, part.getBoundingClientRect()]).filter(([, { width, height }]) => width < 44 || height < 44)
                   .map(([part, { width, height }]) => `${part.dataset.action}: ${width} x ${height}`)",
                vec![],
            )
        })?;
        ensure!(small.is_empty(), "{state}, {width} px: {small:?}");
        if let Some(folder) = std::env::var_os("SOUNDPORT_SHOTS") {
            let path = PathBuf::from(folder).join(format!("embed-{state}-{width}.png"));
            std::fs::write(&path, browser.screenshot()?).with_context(|| format!("no {}", path.display()))?;
        }
    }
    browser.cdp("Emulation.clearDeviceMetricsOverride", json!({})).map(|_| ())
}
