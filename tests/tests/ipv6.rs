//! A network of IPv6 alone, from the container to the browser and back.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use soundport_tests::{
    AudioServer, Browser, BrowserOptions, Microphone, Recording, Relay, RelayOptions, Site, Tone, Way,
    report, turn, wait_for,
};

const LIMIT: Duration = Duration::from_secs(15);
const HZ: f64 = 700.0;

/// The addresses of the pair that connected.
const PAIR: &str = "
const peers = window.soundportTap.peers.filter((peer) => peer.connectionState === 'connected');
const stats = await peers[peers.length - 1].getStats();
const pair = [...stats.values()].find((entry) => entry.type === 'candidate-pair' && entry.nominated);
return [pair.localCandidateId, pair.remoteCandidateId].map((id) => stats.get(id).address);";

#[test]
fn ipv6_alone_is_enough() -> Result<()> {
    let _turn = turn();
    let site = Site::ipv6()?;
    let arguments = vec!["--allow-talk".to_owned()];
    let relay = Relay::with(&RelayOptions { arguments, ..site.relay_options() })?;
    let folder = tempfile::tempdir()?;
    let container = container(&site)?;
    let _playing = container.play(&tone(folder.path())?, None)?;
    let recorder = container.parec()?;
    let id = wait_for("the container", LIMIT, || Ok(relay.sources()?.pop()))?.id;
    relay.wait_live(&id)?;
    let said = folder.path().join("microphone.wav");
    Recording::tones(HZ, HZ, 60).write_wav(&said)?;
    site.browser().inside(|| {
        let options = BrowserOptions { microphone: Microphone::Asked(said), ..BrowserOptions::default() };
        let browser = Browser::with(&options)?;
        // Else Chromium on Linux hides its address behind a name of multicast DNS, which it cannot give itself without IPv4.
        browser.permit("granted")?;
        let first = browser.listen(&site.page(), &id)?;
        report(&format!("{id} is heard {first:.2?} after the click"));
        browser.wait_way(&id, "udp", LIMIT)?;
        browser.check_ears()?;
        let used: Vec<String> = browser.run_async(PAIR, vec![])?;
        ensure!(used.iter().all(|address| address.contains(':')), "connected by {used:?}");
        browser.act(&id, "talk-raw")?;
        browser.act(&id, "talk")?;
        browser.wait_talk(&id, "live")?;
        browser.wait_talk_way(&id, "udp", LIMIT)?;
        recorder.wait_tone(0, HZ, 0.4, LIMIT)?;

        site.close(&[Way::Udp])?;
        browser.listen(&site.page(), &id)?;
        browser.wait_way(&id, "tcp", LIMIT).context("UDP is closed")?;
        browser.check_ears()?;
        browser.close()
    })
}

/// A container's PulseAudio, by the recipe for IPv4 but for two words.
fn container(site: &Site) -> Result<AudioServer> {
    let server = site.turn().inside(|| AudioServer::pulse_audio(None))?;
    server.microphone("::")?;
    let to = format!("destination_ip={} port=5004 source_ip=::", site.relay_address());
    server.load(&format!("module-rtp-send source=out.monitor mtu=972 {to}"))?;
    Ok(server)
}

fn tone(folder: &Path) -> Result<std::path::PathBuf> {
    let path = folder.join("tone.wav");
    Tone::write_wav(&path, 90)?;
    Ok(path)
}
