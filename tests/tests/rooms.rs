//! Rooms: those who talk hear all others, and not themselves.

use std::time::Duration;

use anyhow::{Result, ensure};
use soundport_tests::{
    Browser, BrowserOptions, Callee, Microphone, Recording, Relay, RelayOptions, SpeechOptions, WhepClient,
    WhipClient, report, turn, wait_for,
};
use tempfile::TempDir;

const CONFIG: &str = "[[source]]\nid = \"den\"\ntitle = \"Den\"\nroom = true\n";
const LIMIT: Duration = Duration::from_secs(15);
const SETTLE: Duration = Duration::from_secs(2);
/// Below this a tone is not heard.
const UNHEARD: f64 = 0.005;

/// A relay with the room `den`.
struct Den {
    relay: Relay,
    folder: TempDir,
}

impl Den {
    fn open() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("soundport.toml");
        std::fs::write(&config, CONFIG)?;
        let arguments = vec!["--config".into(), config.display().to_string()];
        Ok(Self { relay: Relay::with(&RelayOptions { arguments, ..RelayOptions::default() })?, folder })
    }

    /// A person who listens, and says a tone.
    fn guest(&self, hz: f64) -> Result<Browser> {
        let path = self.folder.path().join(format!("{hz}.wav"));
        Recording::tones(hz, hz, 60).write_wav(&path)?;
        let microphone = Microphone::Wav(path);
        let browser = Browser::with(&BrowserOptions { microphone, ..BrowserOptions::default() })?;
        browser.open(&self.relay.http_url())?;
        browser.act("den", "listen")?;
        browser.wait("[data-source='den']:is([data-state='silent'], [data-state='listening'])")?;
        browser.act("den", "talk-raw")?;
        browser.act("den", "talk")?;
        browser.wait_talk("den", "live")?;
        Ok(browser)
    }
}

#[test]
fn two_browsers_hear_each_other_and_not_themselves_and_a_third_hears_both() -> Result<()> {
    let _turn = turn();
    let den = Den::open()?;
    let mut guests = Vec::new();
    for hz in [400.0, 700.0, 1100.0] {
        guests.push((hz, den.guest(hz)?));
        if guests.len() >= 2 {
            std::thread::sleep(SETTLE);
            hear_each_other(&guests)?;
        }
    }
    let (_, last) = guests.pop().expect("there are three");
    last.close()?;
    std::thread::sleep(SETTLE);
    hear_each_other(&guests)?;
    for (_, guest) in guests {
        let heard = guest.record(Duration::from_secs(1))?.amplitude(0, 1100.0);
        ensure!(heard < UNHEARD, "who has left is still heard: {heard:.3}");
        guest.close()?;
    }
    Ok(())
}

#[test]
fn who_only_listens_hears_all() -> Result<()> {
    let den = Den::open()?;
    let http = den.relay.http();
    let listener = WhepClient::join(http, "den")?;
    let own = WhepClient::join(http, "den")?;
    let session = own.session();
    let with = session.rsplit('/').next();
    let _first = WhipClient::talk_with(http, "den", with, SpeechOptions::tone(400.0))?;
    let _second = WhipClient::talk(http, "den", SpeechOptions::tone(700.0))?;
    std::thread::sleep(SETTLE);
    let all = listener.hear(Duration::from_secs(2))?.settled()?;
    ensure!(all.amplitude(0, 400.0) > 0.4 && all.amplitude(0, 700.0) > 0.4, "not all are heard");
    all.check_course(0, 400.0)?;
    all.check_course(0, 700.0)?;
    let others = own.hear(Duration::from_secs(2))?.settled()?;
    ensure!(others.amplitude(0, 400.0) < UNHEARD, "who talks hears itself");
    others.check_course(0, 700.0)
}

#[test]
fn talkers_into_a_container_hear_each_other_only_where_it_says_so() -> Result<()> {
    let _turn = turn();
    for monitored in [false, true] {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("soundport.toml");
        std::fs::write(
            &config,
            format!("[[source]]\nid = \"desktop\"\ntalk = true\nmonitor_talkers = {monitored}\n"),
        )?;
        let callee = Callee::pulse_audio_with(&["--config", &config.display().to_string()])?;
        let http = callee.relay().http();
        let _talker = callee.talk(SpeechOptions::tone(400.0))?;
        // Until its first packet it has no listeners.
        let listener =
            wait_for("a place to listen", LIMIT, || WhepClient::join(http, callee.id()).map(Some))?;
        std::thread::sleep(SETTLE);
        let heard = listener.hear(Duration::from_secs(1))?;
        let level = if heard.is_empty() { 0.0 } else { heard.settled()?.amplitude(0, 400.0) };
        report(&format!("monitor_talkers = {monitored}: another's 400 Hz of {level:.3}"));
        ensure!((level > 0.4) == monitored && (level < UNHEARD) != monitored, "heard with {level:.3}");
    }
    Ok(())
}

/// Checks what every guest hears of each tone.
fn hear_each_other(guests: &[(f64, Browser)]) -> Result<()> {
    for (own, guest) in guests {
        let heard = guest.record(Duration::from_secs(2))?;
        let levels: Vec<f64> = guests.iter().map(|(hz, _)| heard.amplitude(0, *hz)).collect();
        report(&format!("of {}, who says {own} Hz hears {levels:.3?}", guests.len()));
        for ((hz, _), level) in guests.iter().zip(levels) {
            match hz == own {
                true => ensure!(level < UNHEARD, "who says {hz} Hz hears it with {level:.3}"),
                false => ensure!(level > 0.3, "who says {own} Hz hears {hz} Hz with {level:.3}"),
            }
        }
    }
    Ok(())
}
