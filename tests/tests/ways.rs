//! Firewalls: whatever is closed, the page finds a way, names it, and takes the better one when it opens.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_tests::{
    Browser, BrowserOptions, Callee, Coturn, Microphone, Recording, Relay, RelayOptions, Site, ToneSender,
    Way, best_of_three, report, turn, wait_until,
};

const SOURCE: &str = Site::SOURCE;
/// An event stream that is silent for 25 s is taken for dead, and a request for 4 s.
const MISSED_WITHIN: Duration = Duration::from_secs(40);
const LIMIT: Duration = Duration::from_secs(15);
/// What somebody says.
const HZ: f64 = 700.0;
/// The issue's promises: how soon after the click there is sound.
const TCP_WITHIN: Duration = Duration::from_secs(3);
const TURN_WITHIN: Duration = Duration::from_secs(5);
const STREAM_WITHIN: Duration = Duration::from_secs(8);
/// The issue's promises: how soon the page is back on UDP, and what may be missing of the sound meanwhile.
const BACK_WITHIN: Duration = Duration::from_secs(30);
const LONGEST_GAP: Duration = Duration::from_millis(200);

#[test]
fn where_udp_is_closed_tcp_carries_it_until_udp_opens() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set(&[])?;
    stage.site.close(&[Way::Udp])?;
    stage.visit(|browser| {
        stage.hears(browser, "tcp", "Direct (TCP, port 9443)", TCP_WITHIN)?;
        back_on_udp(browser, &stage.site)
    })
}

#[test]
fn where_all_but_https_is_closed_the_pages_own_connection_carries_it_until_udp_opens() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set(&[])?;
    stage.site.close(&Way::MEDIA)?;
    stage.visit(|browser| {
        stage.hears(browser, "stream", "Through the page’s own connection (WebSocket)", STREAM_WITHIN)?;
        back_on_udp(browser, &stage.site)
    })
}

#[test]
fn where_only_turn_is_open_it_carries_it_over_udp_and_over_tls() -> Result<()> {
    let _turn = turn();
    let stage = Stage::with_turn()?;
    stage.visit(|browser| {
        stage.site.close(&[Way::Udp, Way::Tcp])?;
        stage.hears(browser, "turn-udp", "Through TURN (UDP)", TURN_WITHIN)?;
        stage.site.close(&[Way::Udp, Way::Tcp, Way::TurnUdp])?;
        stage.hears(browser, "turn-tls", "Through TURN (TLS)", TURN_WITHIN)
    })
}

#[test]
fn talking_takes_the_same_ways_and_moves_back_to_udp() -> Result<()> {
    let _turn = turn();
    let site = Site::start()?;
    let (announce, arguments) = (site.announce_both()?, vec!["--allow-talk".to_owned()]);
    let callee = Callee::at(&site, &RelayOptions { announce, arguments, ..site.relay_options() })?;
    let (id, recorder) = (callee.id(), callee.server()?.parec()?);
    let folder = tempfile::tempdir()?;
    let said = folder.path().join("microphone.wav");
    Recording::tones(HZ, HZ, 120).write_wav(&said)?;
    site.browser().inside(|| {
        let microphone = Microphone::Wav(said);
        let browser = Browser::with(&BrowserOptions { microphone, ..BrowserOptions::default() })?;
        browser.open(&site.page())?;
        browser.act(id, "talk-raw")?;
        for (way, closed) in [("tcp", &[Way::Udp][..]), ("stream", &Way::MEDIA)] {
            site.close(closed)?;
            browser.act(id, "talk")?;
            browser
                .wait_talk(id, "live")
                .with_context(|| format!("talking by {way} {:?}", callee.relay().sources()))?;
            browser.wait_talk_way(id, way, LIMIT)?;
            recorder.wait_tone(0, HZ, 0.4, LIMIT).with_context(|| format!("talking by {way}"))?;
            if way == "tcp" {
                browser.act(id, "talk-end")?;
                recorder.wait_silence(LIMIT)?;
            }
        }
        let begin = recorder.frames();
        site.close(&[])?;
        browser.wait_talk_way(id, "udp", BACK_WITHIN)?;
        recorder.hear(Duration::from_secs(2))?;
        let length = Duration::from_secs_f64((recorder.frames() - begin) as f64 / 48_000.0);
        let heard = recorder.since(begin, length)?;
        let gap = Duration::from_secs_f64(heard.longest_silence());
        report(&format!("back on UDP, the longest gap in the container was {gap:.2?}"));
        ensure!(gap <= LONGEST_GAP, "a gap of {gap:.2?}");
        browser.close()
    })
}

#[test]
fn sound_that_gets_through_goes_on_while_the_page_does_not_reach_the_relay() -> Result<()> {
    let _turn = turn();
    let stage = Stage::set(&[])?;
    stage.visit(|browser| {
        browser.listen(&stage.site.page(), SOURCE)?;
        browser.wait_way(SOURCE, "udp", LIMIT)?;
        let mark = browser.mark()?;
        stage.site.close(&[Way::Https])?;
        browser.wait_within("[data-notice='no-relay']", MISSED_WITHIN)?;
        browser.check_ears().context("after the page has missed the relay")?;
        stage.site.close(&[])?;
        browser.wait("body:not(:has([data-notice='no-relay']))")?;
        browser.check_ears().context("after the relay was found again")?;
        let gap = Duration::from_secs_f64(browser.since(mark)?.longest_silence());
        ensure!(gap <= LONGEST_GAP, "a gap of {gap:.2?}");
        Ok(())
    })
}

/// A page of anybody's that takes no way but TURN.
const RELAYED: &str = r#"
document.body.innerHTML = "<button id='listen'>Listen</button>";
document.getElementById("listen").onclick = async () => {
  const configuration = await (await fetch(new URL("/api/ice", location))).json();
  const peer = new RTCPeerConnection({ ...configuration, iceTransportPolicy: "relay" });
  peer.addTransceiver("audio", { direction: "recvonly" });
  peer.ontrack = ({ track }) => {
    const stream = new MediaStream([track]);
    const context = new AudioContext();
    const player = new Audio();
    player.srcObject = stream; player.muted = true; player.play();
    new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(context.destination);
  };
  const offer = await peer.createOffer();
  offer.sdp = offer.sdp.replace("useinbandfec=1", "useinbandfec=1;stereo=1");
  await peer.setLocalDescription(offer);
  const headers = { "content-type": "application/sdp" };
  const answer = await fetch(new URL("/whep/" + SOURCE, location), { method: "POST", headers, body: offer.sdp });
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
};"#;

#[test]
fn any_browser_that_may_take_no_way_but_turn_hears_it() -> Result<()> {
    let _turn = turn();
    let stage = Stage::with_turn()?;
    stage.visit(|browser| {
        browser.open(&format!("{}/healthz", stage.site.page()))?;
        browser.run::<()>(&format!("const SOURCE = '{SOURCE}'; {RELAYED}"), vec![])?;
        browser.click("#listen")?;
        let first = browser.first_sound()?;
        report(&format!("heard {first:.2?} after the click"));
        browser.check_ears()
    })
}

/// A relay behind a router, with the test tone, and perhaps a TURN server.
struct Stage {
    site: Site,
    _coturn: Option<Coturn>,
    _relay: Relay,
    _sender: ToneSender,
}

impl Stage {
    fn set(arguments: &[String]) -> Result<Self> {
        Self::on(Site::start()?, None, arguments)
    }

    fn with_turn() -> Result<Self> {
        let site = Site::start()?;
        let coturn = Coturn::start(site.turn(), site.turn_address())?;
        let arguments =
            ["--ice-turn", &coturn.udp(), "--ice-turn", &coturn.tls(), "--ice-secret", Coturn::SECRET]
                .map(str::to_owned);
        Self::on(site, Some(coturn), &arguments)
    }

    fn on(site: Site, coturn: Option<Coturn>, arguments: &[String]) -> Result<Self> {
        let options = RelayOptions {
            announce: site.announce_both()?,
            arguments: arguments.to_vec(),
            ..site.relay_options()
        };
        let (relay, sender) = site.relay_with_tone(&options)?;
        Ok(Self { site, _coturn: coturn, _relay: relay, _sender: sender })
    }

    /// Does something with a browser on the other side of the router.
    fn visit(&self, work: impl FnOnce(&Browser) -> Result<()> + Send) -> Result<()> {
        self.site.browser().inside(|| {
            let browser = Browser::start()?;
            work(&browser)?;
            browser.close()
        })
    }

    /// Hears the source by this way, which the page tells in these words, as soon as is promised, at least once of three times.
    fn hears(&self, browser: &Browser, way: &str, words: &str, within: Duration) -> Result<()> {
        best_of_three(|| {
            let first = browser.listen(&self.site.page(), SOURCE)?;
            browser.wait_way(SOURCE, way, within)?;
            report(&format!("{way}: heard {first:.2?} after the click"));
            ensure!(first < within, "{way}: heard {first:.2?} after the click");
            Ok(())
        })?;
        browser.check_ears()?;
        let told = browser.told_way(SOURCE)?;
        ensure!(told == words, "{way} is told as {told:?}");
        Ok(())
    }
}

/// Opens everything when the page has found that UDP leads nowhere, waits until UDP carries the sound again, and checks that
/// nothing was missed meanwhile.
fn back_on_udp(browser: &Browser, site: &Site) -> Result<()> {
    // Before that a session still waits for UDP, and has it at once.
    const GIVEN_UP: &str =
        "return window.soundportTap.peers.some((peer) => peer.connectionState === 'closed')";
    wait_until("the page to give a session up", BACK_WITHIN, || browser.run(GIVEN_UP, vec![]))?;
    let mark = browser.mark()?;
    site.close(&[])?;
    browser.wait_way(SOURCE, "udp", BACK_WITHIN)?;
    let back = browser.since(mark)?.seconds();
    browser.check_ears()?;
    let gap = Duration::from_secs_f64(browser.since(mark)?.longest_silence());
    report(&format!("back on UDP after {back:.1} s, the longest gap was {gap:.2?}"));
    ensure!(gap <= LONGEST_GAP, "a gap of {gap:.2?}");
    Ok(())
}
