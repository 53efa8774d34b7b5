//! What the doctor is told: of packets that are not heard, of formats that disagree, and of sessions.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;
mod listener;

use std::time::Duration;

use common::{Rig, Sender, addr, ms};
use soundport_core::fanout::{Playback, SessionFacts, Way};
use soundport_core::ingest::{Barrier, Beside, RtpPort, SourceConfig, SourceFacts, TurnedAwayFor};
use soundport_core::{Announcement, AnnouncementKey, SourceId};

const FROM: &str = "10.88.0.50:4000";

fn facts(rig: &Rig, id: &str, at: u64) -> SourceFacts {
    let id = SourceId::new(id);
    rig.ingest.facts(Some(&id), rig.begin + ms(at)).next().unwrap()
}

fn announce(rig: &mut Rig, format: &str) {
    let announcement = Announcement {
        key: AnnouncementKey { sender: addr(FROM).ip(), session: 1 },
        name: "desktop".into(),
        port: 5004,
        group: None,
        payload_type: 127,
        ssrc: None,
        format: format.parse().map_err(|_| format!("sent as {format}")),
    };
    rig.ingest.announce(announcement, rig.begin);
}

fn expect(rig: &mut Rig, port: Option<u16>) {
    let config = SourceConfig {
        id: SourceId::new("desktop"),
        title: "Desktop".into(),
        from: Some(vec![addr(FROM).ip()]),
        from_port: None,
        port: port.map(RtpPort),
        format: None,
        frame: None,
        bitrate_bps: None,
        trouble: None,
    };
    rig.ingest.configure(vec![config], rig.begin);
}

#[test]
fn what_is_heard_is_told_with_its_age() {
    let mut rig = Rig::new();
    announce(&mut rig, "L16/48000/2");
    rig.play(addr(FROM), &Sender::new(1).send(ms(0), ms(1000), &[240], 1));
    let known = facts(&rig, "desktop", 1500);
    assert_eq!((known.heard, known.sounded, known.announced), (Some(ms(500)), Some(ms(500)), Some(ms(1500))));
    assert!(known.encoder.runs && known.barrier.is_none() && known.beside.is_empty());
    rig.ingest.set_listeners(&SourceId::new("desktop"), 0);
    assert!(!facts(&rig, "desktop", 1500).encoder.runs);
}

#[test]
fn packets_that_nothing_is_recognised_in_are_told_beside_their_source() {
    let mut rig = Rig::new();
    expect(&mut rig, None);
    for n in 0..4_u16 {
        let mut packet = vec![0x80, 97];
        packet.extend(n.to_be_bytes());
        packet.extend((u32::from(n) * 1024).to_be_bytes());
        packet.extend([0, 0, 0, 1]);
        packet.extend([7; 341]);
        rig.datagram(ms(u64::from(n) * 21), addr(FROM), &packet);
    }
    let beside = facts(&rig, "desktop", 100).beside;
    let strange = Beside::Unrecognised {
        from: addr(FROM),
        to: RtpPort(5004),
        payload_type: 97,
        payload_bytes: 341,
        ticks: Some(1024),
    };
    assert_eq!(beside, [strange]);
    assert!(facts(&rig, "desktop", 5_000).beside.is_empty(), "what stopped is no longer told");
}

#[test]
fn packets_that_are_turned_away_are_told_with_the_reason() {
    let mut rig = Rig::new();
    expect(&mut rig, None);
    let mut film = Sender { payload_type: 14, ..Sender::new(1) };
    rig.play(addr(FROM), &film.send(ms(0), ms(100), &[240], 1));
    rig.datagram(ms(100), addr("10.88.0.60:4000"), b"GET / HTTP/1.1");
    let Some(Beside::TurnedAway(away)) = facts(&rig, "desktop", 200).beside.first().cloned() else {
        panic!("{:?}", facts(&rig, "desktop", 200));
    };
    assert_eq!((away.why, away.count), (TurnedAwayFor::PayloadType(14), 20));
    let all = rig.ingest.turned_away(rig.begin + ms(200));
    assert!(all.iter().any(|away| away.why == TurnedAwayFor::NotRtp && away.count == 1), "{all:?}");
}

#[test]
fn a_flood_takes_no_more_than_its_place_and_is_forgotten() {
    let mut rig = Rig::new();
    let mut film = Sender { payload_type: 33, ..Sender::new(1) };
    for n in 1..=1000_u16 {
        rig.datagram(ms(n.into()), addr(&format!("10.88.1.1:{n}")), b"junk");
        rig.datagram(ms(n.into()), addr(FROM), &film.packet(240));
    }
    let told = rig.ingest.turned_away(rig.begin + ms(1000));
    assert!(told.len() <= 32, "{} are remembered", told.len());
    let film = told.iter().find(|away| away.from == addr(FROM)).unwrap();
    assert_eq!((film.why, film.count), (TurnedAwayFor::PayloadType(33), 1000));
    assert!(rig.ingest.turned_away(rig.begin + ms(40_000)).is_empty());
}

#[test]
fn packets_at_another_port_are_told_with_who_has_them() {
    let mut rig = Rig::new();
    expect(&mut rig, Some(5006));
    rig.play(addr(FROM), &Sender::new(1).send(ms(0), ms(1000), &[240], 1));
    let taken = Beside::Taken { by: SourceId::new("10-88-0-50"), to: RtpPort(5004) };
    assert_eq!(facts(&rig, "desktop", 1000).beside, [taken]);
}

#[test]
fn a_format_that_disagrees_with_the_packets_is_told() {
    let mut rig = Rig::new();
    announce(&mut rig, "L24/48000/2");
    rig.play(addr(FROM), &Sender::new(1).send(ms(0), ms(1000), &[240], 1));
    let shown = facts(&rig, "desktop", 1000).shown.unwrap();
    assert_eq!(shown.to_string(), "L16/48000/2");

    let mut rig = Rig::new();
    announce(&mut rig, "L24/48000/4");
    let mut six = Sender { channels: 2, ..Sender::new(1) };
    let packets =
        (0..10_u64).map(|n| (ms(n * 5), [six.packet(240), vec![0; 1920]].concat())).collect::<Vec<_>>();
    rig.play(addr(FROM), &packets);
    assert_eq!(facts(&rig, "desktop", 60).shown, None, "12 bytes may be four channels as well as six");

    for (announced, rate_hz, paced) in [("L16/44100/2", 48_000, Some(48_000)), ("L16/48000/2", 48_000, None)]
    {
        let mut rig = Rig::new();
        announce(&mut rig, announced);
        rig.play(addr(FROM), &Sender { rate_hz, ..Sender::new(1) }.send(ms(0), ms(9000), &[240], 1));
        let known = facts(&rig, "desktop", 9000);
        assert_eq!((known.paced_hz, known.shown), (paced, None), "{announced}");
        assert_eq!(rig.format("desktop"), format!("{announced} Announced"), "what is said is believed");
    }
}

#[test]
fn what_keeps_a_source_out_is_told_as_it_was_before() {
    let mut rig = Rig::new();
    announce(&mut rig, "AAC/48000/2");
    assert_eq!(facts(&rig, "desktop", 0).barrier, Some(Barrier::Format("sent as AAC/48000/2".into())));
    assert_eq!(rig.source("desktop").unwrap().trouble.as_deref(), Some("sent as AAC/48000/2"));
}

#[test]
fn sessions_are_told_by_number_with_their_way_and_what_they_report() {
    let mut rig = listener::Rig::new();
    let (_, session) = rig.listen("10.0.0.2:4000");
    let offer = listener::Listener::new("10.0.0.3:4000", rig.now).offer();
    rig.connect(&offer);
    let told = |rig: &listener::Rig, own: &[_]| -> Vec<SessionFacts> {
        rig.fanout.facts(Some(&session.source), own, rig.now)[&session.source].sessions.clone()
    };
    let first = told(&rig, &[session.id]).remove(0);
    assert_eq!((first.id, first.number), (session.id, 1));
    assert!(matches!(first.way, Way::WebRtc { connected: true, .. }), "{first:?}");
    let first = told(&rig, &[]).remove(0);
    assert_eq!((first.number, first.way), (2, Way::None), "who is not connected comes before who is");
    for _ in 0..12 {
        rig.play(100);
        rig.pass(Duration::from_secs(1));
    }
    let report = told(&rig, &[session.id])[0].report.expect("nothing is reported");
    assert!(report.packets >= 500, "{report:?}");
    assert!(rig.fanout.note_playback(session.id, Playback::Muted));
    assert_eq!(told(&rig, &[session.id])[0].playback, Some(Playback::Muted));
    assert!(rig.fanout.disconnect(session.id, rig.now, &mut soundport_core::fanout::Output::default()));
    assert!(!rig.fanout.note_playback(session.id, Playback::Playing), "it is forgotten with its session");
}
