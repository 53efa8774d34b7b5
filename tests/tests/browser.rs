//! The browser harness itself, tried on a page of its own: what it records is what the page plays.

use std::time::Duration;

use anyhow::Result;
use soundport_tests::{Browser, Recording, StaticPage, turn};

/// Sends two oscillators from one peer connection to another, and plays what arrives.
const PAGE: &str = r#"<!doctype html><html lang="en"><title>Loop</title><main><h1>Loop</h1><button id="play">Play</button></main><script>
document.getElementById("play").onclick = async () => {
  const context = new AudioContext({ sampleRate: 48000 });
  const merge = new ChannelMergerNode(context, { numberOfInputs: 2 });
  [440, 880].forEach((frequency, ear) => {
    const wave = new OscillatorNode(context, { frequency });
    const gain = new GainNode(context, { gain: 0.5 });
    wave.connect(gain).connect(merge, 0, ear);
    wave.start();
  });
  const sent = new MediaStreamAudioDestinationNode(context, { channelCount: 2 });
  merge.connect(sent);
  const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
  a.onicecandidate = ({ candidate }) => b.addIceCandidate(candidate);
  b.onicecandidate = ({ candidate }) => a.addIceCandidate(candidate);
  b.ontrack = ({ streams: [stream] }) => {
    const element = new Audio();
    element.srcObject = stream;
    element.muted = true;
    element.play();
    window.volume = new GainNode(context);
    new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(window.volume).connect(context.destination);
    document.body.dataset.state = "listening";
  };
  a.addTrack(sent.stream.getAudioTracks()[0], sent.stream);
  const stereo = (sdp) => ({ ...sdp, sdp: sdp.sdp.replace("useinbandfec=1", "useinbandfec=1;stereo=1;sprop-stereo=1;maxaveragebitrate=128000") });
  const offer = stereo(await a.createOffer());
  await a.setLocalDescription(offer); await b.setRemoteDescription(offer);
  const answer = stereo(await b.createAnswer());
  await b.setLocalDescription(answer); await a.setRemoteDescription(answer);
};
</script>"#;

#[test]
fn axe_sees_what_is_wrong_with_a_page() -> Result<()> {
    let _turn = turn();
    let page =
        StaticPage::serve("<!doctype html><html><title>Bad</title><img src='data:,'><button></button>")?;
    let browser = Browser::plain()?;
    browser.open(&page.url())?;
    let found = browser.axe()?.join("\n");
    for rule in ["image-alt", "button-name", "html-has-lang"] {
        assert!(found.contains(rule), "axe-core does not find {rule}: {found}");
    }
    browser.close()
}

#[test]
fn what_a_page_plays_is_recorded() -> Result<()> {
    let _turn = turn();
    let page = StaticPage::serve(PAGE)?;
    let browser = Browser::start()?;
    browser.open(&page.url())?;
    browser.click("#play")?;
    browser.wait("[data-state='listening']")?;
    browser.wait_sound()?;
    let heard: Recording = browser.record(Duration::from_secs(2))?.part(0.5, 1.5);
    heard.check_ears()?;
    let inbound = browser.inbound()?.expect("a session is connected");
    assert!(inbound.packets_received > 50 && inbound.total_samples_received > 48_000, "{inbound:?}");
    browser.run::<()>("window.volume.gain.value = 0", vec![])?;
    let muted = browser.record(Duration::from_secs(1))?.part(0.5, 0.5);
    assert!(muted.rms(0).max(muted.rms(1)) < 0.001, "a page that is turned down is still heard");
    browser.close()
}
