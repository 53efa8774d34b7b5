//! What networks, senders and strangers do to the sound: it dips, and goes on.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use soundport_tests::{
    Browser, Random, Relay, ToneSender, ToneSenderOptions, WhepClient, long, report, turn, wait_for,
};

const SOURCE: &str = "127-0-0-1";

#[test]
fn loss_and_reordering_are_heard_as_a_dip() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let faults = ToneSenderOptions { loss: 0.1, reorder: 0.1, packet_frames: 240, ..Default::default() };
    let sender = ToneSender::start(relay.rtp(), faults)?;
    relay.wait_live(SOURCE)?;
    let client = WhepClient::listen(relay.http(), SOURCE)?;
    let stream = client.hear(Duration::from_secs(if long() { 60 } else { 10 }))?;
    stream.check_steps().with_context(|| late(&sender))?;
    let heard = stream.settled()?;
    let (step, silence) = (heard.largest_step(), heard.longest_silence());
    report(&format!("10 % loss and reordering: largest step {step:.3}, longest silence {silence:.2} s"));
    heard.check_ears()?;
    ensure!(step <= 1.5, "a click: the largest step is {step:.2} times the clean tone's");
    ensure!(silence < 0.05, "the sound stopped for {silence} s");
    Ok(())
}

#[test]
fn every_format_is_heard() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let formats = [
        ("bursts of three", ToneSenderOptions { packet_frames: 365, burst: 3, ..Default::default() }),
        ("240 frames", ToneSenderOptions { packet_frames: 240, ..Default::default() }),
        (
            "44.1 kHz",
            ToneSenderOptions { packet_frames: 310, rate: 44_100, payload_type: 10, ..Default::default() },
        ),
    ];
    for (name, options) in formats {
        let sender = ToneSender::start(relay.rtp(), options)?;
        relay.wait_live(SOURCE)?;
        let client = WhepClient::listen(relay.http(), SOURCE)?;
        // The one before fades where the new one takes its source over.
        client.hear(Duration::from_millis(500))?;
        let stream = client.hear(Duration::from_secs(3))?;
        stream.check_steps().with_context(|| format!("{name}, {}", late(&sender)))?;
        let heard = stream.settled()?;
        heard.check_ears().context(name)?;
        let step = heard.largest_step();
        report(&format!("{name}: largest step {step:.3}, cross-talk {:.1} dB", heard.crosstalk_db()));
        ensure!(step <= 1.5, "{name}: the largest step is {step:.2} times the clean tone's");
        drop(sender);
        wait_idle(&relay)?;
    }
    Ok(())
}

#[test]
fn mono_is_heard_in_both_ears() -> Result<()> {
    let _turn = turn();
    let relay = Relay::start()?;
    let mono = ToneSenderOptions { rate: 44_100, payload_type: 11, channels: 1, ..Default::default() };
    let _sender = ToneSender::start(relay.rtp(), mono)?;
    relay.wait_live(SOURCE)?;
    let client = WhepClient::listen(relay.http(), SOURCE)?;
    client.hear(Duration::from_millis(500))?;
    let heard = client.hear(Duration::from_secs(2))?.settled()?;
    for ear in [0, 1] {
        let level = heard.amplitude(ear, 440.0);
        ensure!((0.35..0.65).contains(&level), "440 Hz at {level:.3} in ear {ear}");
    }
    Ok(())
}

#[test]
fn a_restarted_sender_is_heard_again_within_a_second() -> Result<()> {
    let _turn = turn();
    let (relay, sender) = relay_with_tone()?;
    let client = WhepClient::listen(relay.http(), SOURCE)?;
    client.hear(Duration::from_secs(1))?.settled()?.check_ears()?;
    drop(sender);
    wait_idle(&relay)?;
    client.take()?;
    let restarted = Instant::now();
    let again = ToneSenderOptions { ssrc: 0x5050_0002, first_sequence: 7, ..Default::default() };
    let _sender = ToneSender::start(relay.rtp(), again)?;
    wait_for("the tone of the restarted sender", Duration::from_secs(1), || {
        let heard = client.hear(Duration::from_millis(60))?.decode()?;
        Ok((heard.rms(0) > 0.2 && heard.rms(1) > 0.2).then_some(()))
    })?;
    report(&format!("a restarted sender was heard after {:?}", restarted.elapsed()));
    client.hear(Duration::from_secs(2))?.settled()?.check_ears()?;
    let ids: Vec<String> = relay.sources()?.into_iter().map(|source| source.id).collect();
    ensure!(ids == [SOURCE], "the sources are now {ids:?}");
    Ok(())
}

#[test]
fn a_page_hears_a_restarted_sender_without_a_click() -> Result<()> {
    let _turn = turn();
    let (relay, sender) = relay_with_tone()?;
    let browser = Browser::start()?;
    browser.open(&relay.http_url())?;
    browser.wait_state(SOURCE, "ready")?;
    browser.act(SOURCE, "listen")?;
    browser.wait_sound()?;
    drop(sender);
    wait_idle(&relay)?;
    wait_for("silence", Duration::from_secs(5), || {
        let heard = browser.record(Duration::from_millis(200))?;
        Ok((heard.rms(0) < 0.003).then_some(()))
    })?;
    let restarted = Instant::now();
    let again = ToneSenderOptions { ssrc: 0x5050_0002, first_sequence: 7, ..Default::default() };
    let _sender = ToneSender::start(relay.rtp(), again)?;
    wait_for("the tone of the restarted sender", Duration::from_secs(1), || {
        let heard = browser.record(Duration::from_millis(50))?;
        Ok((heard.rms(0) > 0.2 && heard.rms(1) > 0.2).then_some(()))
    })?;
    report(&format!("a page heard a restarted sender after {:?}", restarted.elapsed()));
    browser.wait_state(SOURCE, "listening")?;
    browser.check_ears()?;
    browser.close()
}

#[test]
fn a_page_hears_a_restarted_relay_without_a_click() -> Result<()> {
    let _turn = turn();
    let mut relay = Relay::start()?;
    let _sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(SOURCE)?;
    let browser = Browser::start()?;
    browser.open(&relay.http_url())?;
    browser.wait_state(SOURCE, "ready")?;
    browser.act(SOURCE, "listen")?;
    browser.wait_sound()?;
    relay.kill();
    browser.wait_state(SOURCE, "reconnecting")?;
    relay.revive()?;
    let revived = Instant::now();
    browser.wait_state(SOURCE, "listening")?;
    browser.wait_sound()?;
    report(&format!("a page heard a restarted relay after {:?}", revived.elapsed()));
    browser.record(Duration::from_secs(3))?.part(1.0, 2.0).check_ears()?;
    browser.close()
}

#[test]
fn junk_on_both_ports_disturbs_nothing() -> Result<()> {
    let _turn = turn();
    let (relay, sender) = relay_with_tone()?;
    let client = WhepClient::listen(relay.http(), SOURCE)?;
    client.hear(Duration::from_millis(500))?;
    let mut random = Random::new(8);
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    client.take()?;
    for _ in 0..40 {
        for port in [relay.rtp(), relay.media()] {
            junk(&socket, port, &mut random)?;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let stream = client.take()?;
    stream.check_steps().with_context(|| late(&sender))?;
    let heard = stream.settled()?;
    heard.check_ears()?;
    ensure!(heard.largest_step() <= 1.5, "a click: {:.2}", heard.largest_step());
    relay.usage()?;
    let ids: Vec<String> = relay.sources()?.into_iter().map(|source| source.id).collect();
    ensure!(ids == [SOURCE], "junk became a source: {ids:?}");
    Ok(())
}

/// One of each: nothing, random bytes of many lengths, and packets that begin like RTP, RTCP, STUN and DTLS.
fn junk(socket: &UdpSocket, port: SocketAddr, random: &mut Random) -> Result<()> {
    let mut datagrams = vec![Vec::new(), vec![0x80], random.bytes(65_000)];
    for start in [
        // RTP with 15 contributors, an extension and padding that are not there.
        vec![0xbf, 127],
        vec![0x80, 127, 0, 1],
        // RTCP: a sender report that claims to be 64 KiB long, and a goodbye of 31 streams.
        vec![0x80, 200, 0xff, 0xff],
        vec![0x9f, 203, 0, 0],
        // STUN: a binding request with the right cookie and an attribute longer than the packet.
        vec![0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 6, 0xff, 0xff],
        // DTLS: a handshake record.
        vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
        Vec::new(),
    ] {
        let length = random.below(1500);
        let mut datagram = start;
        datagram.extend(random.bytes(length));
        datagrams.push(datagram);
    }
    for datagram in datagrams {
        socket.send_to(&datagram, port)?;
    }
    Ok(())
}

/// Tells a sender that stalled from a relay that did.
fn late(sender: &ToneSender) -> String {
    format!("the sender was at most {:.0?} late", sender.latest())
}

/// A relay, and a sender that it hears.
fn relay_with_tone() -> Result<(Relay, ToneSender)> {
    let relay = Relay::start()?;
    let sender = ToneSender::start(relay.rtp(), ToneSenderOptions::default())?;
    relay.wait_live(SOURCE)?;
    Ok((relay, sender))
}

fn wait_idle(relay: &Relay) -> Result<()> {
    wait_for("the source to fall silent", Duration::from_secs(10), || {
        let source = relay.source(SOURCE)?.context("the source has gone")?;
        Ok((source.state != soundport_api::SourceState::Live).then_some(()))
    })
}
