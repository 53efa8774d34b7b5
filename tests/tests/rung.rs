//! The last rung, sound by the page's own connection, over a network that is uneven and at times stands still.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_tests::{
    Browser, RelayOptions, RoughWire, Signal, Site, ToneSender, Way, delays, report, turn, wait_until,
};

const SOURCE: &str = Site::SOURCE;
const LIMIT: Duration = Duration::from_secs(15);
/// The trouble.
const JITTER: Duration = Duration::from_millis(200);
const STALL: Duration = Duration::from_secs(2);
/// The promise: so late is the sound at most, so long after the trouble's end.
const LATE_BY: Duration = Duration::from_millis(150);
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// Further apart than anything was ever late: else a burst could be taken for the next one.
const EVERY: Duration = Duration::from_millis(2_500);

#[test]
fn jitter_and_a_stall_are_survived_and_leave_no_delay() -> Result<()> {
    let _turn = turn();
    let site = Site::start()?;
    let (_relay, sender) =
        site.relay_with_tone(&RelayOptions { announce: site.announce_both()?, ..site.relay_options() })?;
    site.close(&Way::MEDIA)?;
    site.browser().inside(|| {
        let wire = RoughWire::start((site.outside(), 8443).into())?;
        let browser = Browser::start()?;
        browser.listen(&format!("https://{}", wire.address()), SOURCE)?;
        browser.wait_way(SOURCE, "stream", LIMIT)?;
        wire.jitter(JITTER);
        let rough = browser.record(Duration::from_secs(5))?.part(2.0, 3.0);
        let gap = Duration::from_secs_f64(rough.longest_silence());
        report(&format!("with jitter the longest gap is {gap:.2?}"));
        wire.stall(STALL);
        let silent = wait_until("the stall to be heard", LIMIT, || {
            Ok(browser.record(Duration::from_millis(100))?.rms(0) < 0.003)
        })?;
        let heard = browser.wait_tone(LIMIT)?;
        report(&format!("silent {silent:.1?} after the stall began, heard again {heard:.1?} later"));
        wire.jitter(Duration::ZERO);

        thread::sleep(SETTLED_AFTER);
        let late = lateness(&browser, &sender)?;
        report(&format!("late by {late:.0?} after the trouble"));
        ensure!(late < LATE_BY, "late by {late:.0?}");
        browser.wait_way(SOURCE, "stream", Duration::ZERO).context("it was not the stream that recovered")?;
        sender.play(Signal::Tones);
        browser.wait_tone(LIMIT)?;
        browser.check_ears()?;
        browser.close()
    })
}

/// From the sender's packet to the audio graph: the median over a few bursts, the latest a tone before and after.
fn lateness(browser: &Browser, sender: &ToneSender) -> Result<Duration> {
    sender.play(Signal::Onsets(EVERY));
    let (heard, times) = browser.record_timed(EVERY * 3)?;
    let mut delays = delays(&sender.onsets(), EVERY, &heard, &times);
    delays.sort();
    delays.get(delays.len() / 2).copied().context("no burst was heard")
}
