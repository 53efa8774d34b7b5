//! The page behind a proxy, and on a server of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use soundport_tests::{
    Browser, BrowserOptions, Caddy, Callee, Microphone, Nginx, Recording, RelayOptions, Site, Way,
    best_of_three, report, turn, wait_for,
};
use tempfile::TempDir;

const SOURCE: &str = Site::SOURCE;
const LIMIT: Duration = Duration::from_secs(15);
const HZ: f64 = 700.0;

#[test]
fn below_a_path_of_nginx_one_listens_talks_and_sees() -> Result<()> {
    let _turn = turn();
    let site = Site::start()?;
    site.forward(443, 443)?;
    let _nginx = Nginx::recipe(site.relay(), "0.0.0.0:443".parse()?)?;
    let arguments = ["--allow-talk", "--proxy", "127.0.0.1"].map(str::to_owned).to_vec();
    let announce = site.announce_both()?;
    let callee = Callee::at(&site, &RelayOptions { announce, arguments, ..site.relay_options() })?;
    let id = callee.id();
    let folder = tempfile::tempdir()?;
    let said = words(&folder)?;
    let played = folder.path().join("played.wav");
    Recording::tones(440.0, 880.0, 120).write_wav(&played)?;
    let _playing = callee.server()?.play(&played, None)?;
    let recorder = callee.server()?.parec()?;
    site.browser().inside(|| {
        let page = format!("https://{}/sound/", site.outside());
        let browser = Browser::with(&BrowserOptions {
            microphone: Microphone::Wav(said),
            ..BrowserOptions::default()
        })?;
        browser.listen(&page, id)?;
        browser.wait_way(id, "udp", LIMIT)?;
        browser.check_ears()?;
        talks(&browser, id)?;
        browser.wait_talk_way(id, "udp", LIMIT)?;
        recorder.wait_tone(0, HZ, 0.4, LIMIT)?;
        browser.act(id, "talk-end")?;
        browser.act(id, "stop")?;
        browser.wait_state(id, "ready")?;
        // Only the relay's events tell the page that nobody listens any more, and that the container falls silent.
        callee.relay().wait_listeners(id, 0, LIMIT)?;

        site.close(&Way::MEDIA)?;
        browser.listen(&page, id)?;
        browser.wait_way(id, "stream", LIMIT)?;
        browser.check_ears()?;
        talks(&browser, id)?;
        browser.wait_talk_way(id, "stream", LIMIT)?;
        recorder.wait_tone(0, HZ, 0.4, LIMIT)?;
        callee.server()?.unload_all("module-rtp-send")?;
        browser.wait_source_state(id, "lost")?;
        browser.close()
    })
}

#[test]
fn below_a_path_of_caddy_one_listens_by_every_way() -> Result<()> {
    let _turn = turn();
    let site = Site::start()?;
    site.forward(443, 443)?;
    let _caddy = Caddy::recipe(site.relay(), 443)?;
    let origin = format!("https://{}", site.outside());
    let arguments = ["--proxy", "127.0.0.1", "--origin", &origin].map(str::to_owned).to_vec();
    let announce = site.announce_both()?;
    let (_relay, _sender) =
        site.relay_with_tone(&RelayOptions { announce, arguments, ..site.relay_options() })?;
    site.browser().inside(|| {
        let browser = Browser::start()?;
        for (closed, way) in [(&[][..], "udp"), (&Way::MEDIA, "stream")] {
            site.close(closed)?;
            browser.listen(&format!("{origin}/sound/"), SOURCE)?;
            browser.wait_way(SOURCE, way, LIMIT)?;
            best_of_three(|| browser.record(Duration::from_secs(2))?.part(1.0, 1.0).check_ears())?;
        }
        browser.close()
    })
}

#[test]
fn the_bundle_on_another_origin_works_where_it_is_let_in_and_says_so_where_not() -> Result<()> {
    let _turn = turn();
    let site = Site::start()?;
    let [allowed, other]: [SocketAddr; 2] = ["10.9.3.2:4443".parse()?, "10.9.3.2:4444".parse()?];
    let bundle = bundle()?;
    let _servers = [Nginx::files(site.turn(), allowed, &bundle)?, Nginx::files(site.turn(), other, &bundle)?];
    let arguments = vec!["--origin".to_owned(), format!("https://{allowed}")];
    let announce = site.announce_both()?;
    let (_relay, _sender) =
        site.relay_with_tone(&RelayOptions { announce, arguments, ..site.relay_options() })?;
    site.browser().inside(|| {
        let browser = Browser::start()?;
        let first = browser.listen(&format!("https://{allowed}/?relay={}", site.page()), SOURCE)?;
        report(&format!("heard {first:.2?} after the click"));
        browser.wait_way(SOURCE, "udp", LIMIT)?;
        browser.check_ears()?;
        browser.act(SOURCE, "stop")?;
        site.close(&Way::MEDIA)?;
        browser.listen(&format!("https://{allowed}/?relay={}", site.page()), SOURCE)?;
        browser.wait_way(SOURCE, "stream", LIMIT)?;
        site.close(&[])?;

        browser.open(&format!("https://{other}/?relay={}", site.page()))?;
        let said = wait_for("the page's words", LIMIT, || {
            let said: String = browser.run("return document.body.innerText", vec![])?;
            Ok(Some(said).filter(|said| said.contains(&format!("--origin https://{other}"))))
        })?;
        report(&format!("the page says: {said}"));
        let cards: u32 = browser.run("return document.querySelectorAll('[data-source]').length", vec![])?;
        ensure!(cards == 0, "a page that is not let in knows {cards} sources");
        browser.close()
    })
}

/// Presses *Talk* without processing, and waits until it is live.
fn talks(browser: &Browser, id: &str) -> Result<()> {
    let raw = format!("[data-source='{id}'] [data-action='talk-raw']");
    let is_raw = "return document.querySelector(arguments[0])?.matches('[aria-pressed=true], [aria-checked=true], :checked') || false";
    if !browser.run::<bool>(is_raw, vec![json!(raw)])? {
        browser.act(id, "talk-raw")?;
    }
    browser.act(id, "talk")?;
    browser.wait_talk(id, "live")
}

/// A file for the browser's microphone.
fn words(folder: &TempDir) -> Result<PathBuf> {
    let path = folder.path().join("microphone.wav");
    Recording::tones(HZ, HZ, 90).write_wav(&path)?;
    Ok(path)
}

/// The page as it was built.
fn bundle() -> Result<PathBuf> {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist");
    ensure!(bundle.join("index.html").exists(), "there is no page: run `cargo xtask build`");
    bundle.canonicalize().context("no path to the page")
}
