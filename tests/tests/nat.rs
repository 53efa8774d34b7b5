//! A relay in a container of which only one port is published.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_tests::{Browser, Coturn, RelayOptions, Site, Way, best_of_three, report, turn, wait_until};

const SOURCE: &str = Site::SOURCE;
/// The promises: how soon after the click there is sound.
const UDP_WITHIN: Duration = Duration::from_secs(1);
const STREAM_WITHIN: Duration = Duration::from_secs(8);
const LIMIT: Duration = Duration::from_secs(15);

#[test]
fn announce_alone_makes_chromium_hear_a_relay_behind_one_port_also_after_a_cut() -> Result<()> {
    let _turn = turn();
    let site = Site::start()?;
    let announce = vec![site.outside().to_string()];
    let (_relay, _sender) = site.relay_with_tone(&RelayOptions { announce, ..site.relay_options() })?;
    site.browser().inside(|| {
        let browser = Browser::start()?;
        hears_at_once(&browser, &site.page())?;
        browser.check_ears()?;
        for cut in ["short", "long"] {
            let before = sessions(&browser)?;
            site.close(&Way::ALL)?;
            browser.wait_state(SOURCE, "reconnecting")?;
            if cut == "long" {
                wait_until("another session to be tried", LIMIT, || Ok(sessions(&browser)? > before))?;
            }
            site.close(&[])?;
            browser.wait_state(SOURCE, "listening")?;
            browser.wait_sound()?;
            browser.check_ears().with_context(|| format!("after a {cut} cut"))?;
        }
        browser.close()
    })
}

#[test]
fn without_announce_start_up_and_page_say_what_is_missing_and_it_is_heard_nevertheless() -> Result<()> {
    let _turn = turn();
    let site = Site::start()?;
    let (relay, _sender) = site.relay_with_tone(&site.relay_options())?;
    let said = relay.log();
    ensure!(said.contains("--announce"), "the relay says nothing of --announce: {said}");
    ensure!(said.contains(&site.relay_address().to_string()), "it does not say what it offers: {said}");
    site.browser().inside(|| {
        let browser = Browser::start()?;
        let first = browser.listen(&site.page(), SOURCE)?;
        report(&format!("heard {first:.2?} after the click"));
        ensure!(first < STREAM_WITHIN, "heard {first:.2?} after the click");
        browser.wait_way(SOURCE, "stream", STREAM_WITHIN)?;
        let hint = browser.told_hint(SOURCE)?;
        report(&format!("the page says: {hint}"));
        let (offered, remedy) = (site.relay_address().to_string(), format!("--announce {}", site.outside()));
        for words in [&offered, &remedy] {
            ensure!(hint.contains(words), "{words} is not named: {hint}");
        }
        browser.check_ears()?;
        browser.close()
    })
}

#[test]
fn a_stun_server_tells_the_relay_what_to_announce() -> Result<()> {
    let _turn = turn();
    let site = Site::start()?;
    let _coturn = Coturn::start(site.turn(), site.turn_address())?;
    let arguments = vec!["--stun".to_owned(), format!("{}:3478", site.turn_address())];
    let (_relay, _sender) = site.relay_with_tone(&RelayOptions { arguments, ..site.relay_options() })?;
    site.browser().inside(|| {
        let browser = Browser::start()?;
        hears_at_once(&browser, &site.page())?;
        browser.close()
    })
}

/// How many sessions the page has made.
fn sessions(browser: &Browser) -> Result<u64> {
    browser.run("return window.soundportTap.peers.length", vec![])
}

/// Hears the source by UDP as soon as is promised, at least once of three times.
fn hears_at_once(browser: &Browser, page: &str) -> Result<()> {
    best_of_three(|| {
        let first = browser.listen(page, SOURCE)?;
        report(&format!("heard {first:.2?} after the click"));
        browser.wait_way(SOURCE, "udp", UDP_WITHIN)?;
        ensure!(first < UDP_WITHIN, "heard {first:.2?} after the click");
        Ok(())
    })
}
