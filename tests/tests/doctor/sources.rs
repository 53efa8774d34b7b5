//! What keeps a container's sound from the relay.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use soundport_api::{Check, Encoding, Verdict};
use soundport_tests::{
    Announced, Announcer, AudioServer, Host, Network, Process, Relay, RelayOptions, Site, ToneSender,
    ToneSenderOptions, WhepClient, report, turn, wait_for, wait_until,
};

use super::{Folder, LIMIT, SOURCE, Wav, checkup, names, pactl, relay_with_tone, said, well};

#[test]
fn a_container_that_sends_nothing_or_elsewhere_is_told_so() -> Result<()> {
    let folder = Folder::with(
        "[[source]]\nid = \"desktop\"\nfrom = \"127.0.0.31\"\n[[source]]\nid = \"kiosk\"\nfrom = \"127.0.0.32\"\nport = 26006\n",
    )?;
    let relay = Relay::with(&RelayOptions { arguments: folder.arguments(), ..RelayOptions::default() })?;
    names(
        &relay,
        SOURCE,
        Check::Packets,
        &["No packet has come", "127.0.0.31"],
        "pactl load-module module-rtp-send",
    )?;
    let options = |from| ToneSenderOptions { from, ..ToneSenderOptions::default() };
    let _tone = ToneSender::start(relay.rtp(), options(Ipv4Addr::new(127, 0, 0, 31).into()))?;
    let finding = well(&relay, SOURCE, Check::Packets)?;
    ensure!(finding.said.contains("127.0.0.31"), "{finding:?}");
    let _elsewhere = ToneSender::start(relay.rtp(), options(Ipv4Addr::new(127, 0, 0, 32).into()))?;
    let port = relay.rtp().port().to_string();
    names(&relay, "kiosk", Check::Packets, &["127-0-0-32", "26006", &port], &format!("port = {port}"))
}

#[test]
fn packets_from_outside_private_networks_are_told_of() -> Result<()> {
    let host = Host::new()?;
    host.run("ip addr add 203.0.113.9/32 dev lo")?;
    let relay = Relay::with(&RelayOptions { host: Some(&host), ..RelayOptions::default() })?;
    let from = Ipv4Addr::new(203, 0, 113, 9).into();
    let _sender = host.inside(|| {
        ToneSender::start(relay.rtp(), ToneSenderOptions { from, ..ToneSenderOptions::default() })
    })?;
    let finding = wait_for("the stranger to be told of", LIMIT, || {
        let findings = checkup(&relay)?.findings;
        Ok(findings
            .into_iter()
            .find(|finding| finding.verdict == Verdict::Trouble && finding.said.contains("203.0.113.9")))
    })?;
    report(&format!("{finding:?}"));
    ensure!(finding.said.contains("private network"), "{finding:?}");
    said(&relay.doctor(&[])?, 1, &["203.0.113.9", "private network"])
}

#[test]
fn a_group_that_is_not_joined_is_named_with_the_option() -> Result<()> {
    let _turn = turn();
    let network = Network::start()?;
    let container = network.container("radio")?;
    let pulse = AudioServer::pulse_audio(Some(&container))?;
    let relay =
        Relay::with(&RelayOptions { network: Some(&network), everywhere: true, ..RelayOptions::default() })?;
    pulse.load("module-rtp-send")?;
    names(&relay, "radio", Check::Packets, &["multicast group 224.0.0.56"], "--multicast")
}

#[test]
fn a_port_that_another_program_holds_is_named() -> Result<()> {
    let relay = Relay::start()?;
    let taken = UdpSocket::bind("0.0.0.0:0")?;
    let port = taken.local_addr()?.port();
    let _announcer = Announcer::start(relay.sap(), Announced { port, ..Announced::default() })?;
    let remedy = format!("ss -lunp sport = :{port}");
    names(&relay, SOURCE, Check::Packets, &[&port.to_string(), "another program"], &remedy)?;
    let shown = Command::new("sh").arg("-c").arg(&remedy).output()?;
    ensure!(String::from_utf8_lossy(&shown.stdout).contains(&port.to_string()), "{remedy} shows {shown:?}");
    Ok(())
}

#[test]
fn a_name_that_another_container_took_is_named() -> Result<()> {
    let relay = Relay::start()?;
    let announce = |last: u8| {
        let from = Ipv4Addr::new(127, 0, 0, last).into();
        let options = ToneSenderOptions { from, ssrc: last.into(), ..ToneSenderOptions::default() };
        let stream =
            Announced { port: relay.rtp().port(), session: last.into(), from, ..Announced::default() };
        anyhow::Ok((ToneSender::start(relay.rtp(), options)?, Announcer::start(relay.sap(), stream)?))
    };
    let (first, _first) = announce(21)?;
    relay.wait_live(SOURCE)?;
    let _second = announce(22)?;
    relay.wait_live("desktop-2")?;
    first.pause();
    names(&relay, SOURCE, Check::Packets, &["same name", "desktop-2"], "--hostname")
}

#[test]
fn a_sound_server_that_sleeps_is_told_of_and_wakes_by_the_remedy() -> Result<()> {
    let _turn = turn();
    let network = Network::start()?;
    let container = network.container(SOURCE)?;
    let pulse = AudioServer::pulse_audio(Some(&container))?;
    let relay = Relay::with(&RelayOptions { network: Some(&network), ..RelayOptions::default() })?;
    pulse.load("module-suspend-on-idle timeout=1")?;
    let host = network.host();
    pulse.load(&format!(
        "module-rtp-send source=out.monitor destination_ip={host} inhibit_auto_suspend=never"
    ))?;
    let remedy = "pactl unload-module module-suspend-on-idle";
    names(&relay, SOURCE, Check::Suspended, &["announced itself", "sleeps"], remedy)?;
    wait_until("the sink to sleep", LIMIT, || Ok(pactl(&pulse, "list short sinks")?.contains("SUSPENDED")))?;
    pactl(&pulse, "unload-module module-suspend-on-idle")?;
    let wav = Wav::new()?;
    let _played = pulse.play(&wav.path(), None)?;
    well(&relay, SOURCE, Check::Suspended)?;
    well(&relay, SOURCE, Check::Zeros)?;
    Ok(())
}

#[test]
fn an_app_that_plays_into_another_sink_is_told_of_and_heard_by_the_remedy() -> Result<()> {
    let _turn = turn();
    let network = Network::start()?;
    let container = network.container(SOURCE)?;
    let pulse = AudioServer::pulse_audio(Some(&container))?;
    let relay = Relay::with(&RelayOptions { network: Some(&network), ..RelayOptions::default() })?;
    pulse.load("module-null-sink sink_name=other rate=48000 channels=2")?;
    let host = network.host();
    pulse.load(&format!("module-rtp-send source=out.monitor destination_ip={host}"))?;
    let wav = Wav::new()?;
    let _played = pulse.play(&wav.path(), Some("other"))?;
    names(&relay, SOURCE, Check::Zeros, &["nothing but zeros", "another sink"], "pactl move-sink-input")?;
    let inputs = pactl(&pulse, "list short sink-inputs")?;
    let input = inputs.split_whitespace().next().context("nothing plays")?;
    pactl(&pulse, "list short source-outputs")?;
    pactl(&pulse, &format!("move-sink-input {input} out"))?;
    well(&relay, SOURCE, Check::Zeros)?;
    Ok(())
}

#[test]
fn formats_that_are_not_read_or_not_told_are_named() -> Result<()> {
    let folder = Folder::with("[[source]]\nid = \"film\"\nfrom = \"127.0.0.1\"\n")?;
    let relay = Relay::with(&RelayOptions { arguments: folder.arguments(), ..RelayOptions::default() })?;
    let from = Ipv4Addr::new(127, 0, 0, 33).into();
    let stream = Announced { channels: 12, port: relay.rtp().port(), from, ..Announced::default() };
    let _announcer = Announcer::start(relay.sap(), stream)?;
    names(&relay, SOURCE, Check::Format, &["12 channels are not read"], "pcm_s16be")?;
    for (codec, words) in [("mp2", "payload type 14"), ("aac", "payload type 97")] {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args([
            "-nostdin",
            "-hide_banner",
            "-loglevel",
            "error",
            "-re",
            "-f",
            "lavfi",
            "-i",
            "sine=440",
        ]);
        ffmpeg.args(["-c:a", codec, "-f", "rtp", &format!("rtp://{}", relay.rtp())]);
        let _ffmpeg = Process::start("ffmpeg", &mut ffmpeg)?;
        names(&relay, "film", Check::Format, &[words], "pcm_s16be").context(codec)?;
    }
    let _tone = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    let finding = wait_for("an assumption", LIMIT, || {
        let findings = relay.diagnosis("film", &[])?.findings;
        Ok(findings
            .into_iter()
            .find(|finding| finding.check == Check::Format && finding.verdict == Verdict::Unknown))
    })?;
    ensure!(finding.said.contains("L16/48000/2") && finding.remedy.is_some(), "{finding:?}");
    let finding = well(&relay, "film", Check::Format)?;
    ensure!(finding.said.contains("as its packets show"), "{finding:?}");
    Ok(())
}

#[test]
fn formats_that_disagree_with_what_arrives_are_named() -> Result<()> {
    let relay = Relay::start()?;
    let send = |last: u8, name: &str, encoding, rate| {
        let from = Ipv4Addr::new(127, 0, 0, last).into();
        let stream = Announced {
            name: format!("PulseAudio RTP Stream on {name}").into_bytes(),
            encoding,
            rate,
            port: relay.rtp().port(),
            session: last.into(),
            from,
            ..Announced::default()
        };
        let announcer = Announcer::start(relay.sap(), stream)?;
        wait_until("the announcement", LIMIT, || Ok(relay.source(name)?.is_some()))?;
        let options = ToneSenderOptions { from, ssrc: last.into(), ..ToneSenderOptions::default() };
        anyhow::Ok((ToneSender::start(relay.rtp(), options)?, announcer))
    };
    let _deep = send(41, "deep", Encoding::L24, 48_000)?;
    names(
        &relay,
        "deep",
        Check::Format,
        &["L24/48000/2", "L16/48000/2", "noise"],
        "format = \"L16/48000/2\"",
    )?;
    let _slow = send(42, "slow", Encoding::L16, 44_100)?;
    names(&relay, "slow", Check::Format, &["44100", "48000", "pitch"], "format = \"L16/48000/2\"")
}

#[test]
fn the_encoder_rests_while_nobody_listens_and_works_for_who_does() -> Result<()> {
    let (relay, _tone) = relay_with_tone()?;
    let id = Site::SOURCE;
    ensure!(well(&relay, id, Check::Encoder)?.said.contains("Nobody listens"), "somebody does");
    let client = WhepClient::listen(relay.http(), id)?;
    let finding = wait_for("the encoder", LIMIT, || {
        let finding = well(&relay, id, Check::Encoder)?;
        Ok(finding.said.contains("encoded once").then_some(finding))
    })?;
    ensure!(
        finding.said.contains("128 kb/s, 10 ms frames") && finding.said.contains("1 session"),
        "{finding:?}"
    );
    // Looking takes nothing from who listens.
    client.take()?;
    for _ in 0..3 {
        said(&relay.doctor(&[id])?, 0, &["encoded once", "connected by UDP over IPv4"])?;
    }
    client.take()?.check_steps()?;
    Ok(())
}
