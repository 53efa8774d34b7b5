//! A session by hand: one text there, one text back, with `curl` and files.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use soundport_tests::{Browser, Relay, StaticPage, ToneSender, ToneSenderOptions, report, turn};

const SOURCE: &str = "127-0-0-1";
/// The documentation tells of it.
const REACH: &str = include_str!("../../docs/reach.md");

/// A page that knows nothing of the relay: it shows an offer, and takes an answer.
const PAGE: &str = r#"<!doctype html><html lang="en"><title>By hand</title><button id="offer">Offer</button><script>
document.getElementById("offer").onclick = async () => {
  const context = new AudioContext();
  const peer = window.peer = new RTCPeerConnection();
  peer.addTransceiver("audio", { direction: "recvonly" });
  peer.ontrack = ({ track }) => {
    const stream = new MediaStream([track]);
    const player = new Audio();
    player.srcObject = stream; player.muted = true; player.play();
    new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(context.destination);
  };
  const offer = await peer.createOffer();
  offer.sdp = offer.sdp.replace("useinbandfec=1", "useinbandfec=1;stereo=1");
  await peer.setLocalDescription(offer);
  document.body.dataset.offer = peer.localDescription.sdp;
};
</script>"#;

#[test]
fn curl_and_files_are_enough_to_listen() -> Result<()> {
    by_hand("", Duration::ZERO)
}

#[test]
fn who_carries_the_answer_over_on_foot_has_time() -> Result<()> {
    // Longer than a session waits that asks for nothing.
    by_hand("?wait=120", Duration::from_secs(25))
}

/// Carries an offer to the relay and its answer back, which takes as long as is said.
fn by_hand(query: &str, on_the_way: Duration) -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let _sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(SOURCE)?;
    let page = StaticPage::serve(PAGE)?;
    let browser = Browser::start()?;
    browser.open(&page.url())?;
    browser.click("#offer")?;
    browser.wait("[data-offer]")?;
    let folder = tempfile::tempdir()?;
    let offer: String = browser.run("return document.body.dataset.offer", vec![])?;
    std::fs::write(folder.path().join("offer.sdp"), offer)?;

    let url = format!("{}/whep/{SOURCE}{query}", relay.http_url());
    let arguments = ["--data-binary", "@offer.sdp", "-H", "Content-Type: application/sdp"];
    ensure!(
        REACH.contains("curl --data-binary @offer.sdp -H 'Content-Type: application/sdp'"),
        "the documentation has another line"
    );
    let mut curl = Command::new("curl");
    let output = curl.current_dir(folder.path()).args(["-sS"]).args(arguments).arg(url).output();
    let output = output.context("Failed to run curl: is it installed?")?;
    let answer = String::from_utf8(output.stdout)?;
    ensure!(answer.starts_with("v=0"), "{answer}{}", String::from_utf8_lossy(&output.stderr));
    std::thread::sleep(on_the_way);
    let connect =
        "await window.peer.setRemoteDescription({ type: 'answer', sdp: arguments[0] }); return null";
    browser.run_async::<()>(connect, vec![json!(answer)])?;
    browser.wait_tone(Duration::from_secs(5))?;
    browser.check_ears()?;
    report(&format!("heard after {on_the_way:?} on the way"));
    browser.close()
}
