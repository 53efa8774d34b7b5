//! Which packets are whose: names, takeovers, second sources, limits.
mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Datagrams, Rig, Sender, addr, assert_steps, ms};
use soundport_core::SourceId;
use soundport_core::ingest::{SenderAddr, SourceState};

/// Plays several senders at once.
fn play_together(rig: &mut Rig, parts: Vec<(SocketAddr, Datagrams)>) {
    let mut all: Vec<_> = parts
        .into_iter()
        .flat_map(|(from, packets)| packets.into_iter().map(move |(at, p)| (at, from, p)))
        .collect();
    all.sort_by_key(|(at, ..)| *at);
    for (at, from, packet) in all {
        rig.datagram(at, from, &packet);
    }
}

#[test]
fn senders_are_named_after_their_addresses() {
    let mut rig = Rig::new();
    let names = ["10.88.0.50:4000", "[::ffff:10.88.0.51]:4000", "[fd00::7]:4000"];
    let parts =
        names.iter().zip(1..).map(|(name, n)| (addr(name), Sender::new(n).send(ms(0), ms(500), &[240], 1)));
    play_together(&mut rig, parts.collect());
    assert_eq!(rig.ids(), ["10-88-0-50", "10-88-0-51", "fd00--7"]);
    let titles: Vec<_> = rig.ingest.sources().map(|source| source.title).collect();
    assert_eq!(titles, ["10.88.0.50", "10.88.0.51", "fd00::7"]);
    for id in rig.ids() {
        let frames: Vec<_> = rig.frames.iter().filter(|f| f.source.as_str() == id).cloned().collect();
        assert_eq!(frames.last().unwrap().time, 49 * 480, "{id}");
        assert_steps(&frames, 480);
    }
}

#[test]
fn two_at_once_from_one_address_are_two_sources() {
    let mut rig = Rig::new();
    let parts = vec![
        (addr("10.88.0.50:4000"), Sender::new(1).send(ms(0), ms(2000), &[240], 1)),
        (addr("10.88.0.50:4002"), Sender::new(2).send(ms(300), ms(1700), &[317], 1)),
        (addr("10.88.0.50:4002"), Sender::new(3).send(ms(500), ms(1500), &[317], 1)),
    ];
    play_together(&mut rig, parts);
    assert_eq!(rig.ids(), ["10-88-0-50", "10-88-0-50-2", "10-88-0-50-3"]);
    assert!(rig.ingest.sources().all(|source| source.state == SourceState::Live));
}

#[test]
fn a_restarted_sender_takes_its_source_over() {
    // However quickly it comes back, and with whatever port and SSRC.
    for silence in [30, 120, 260, 900, 5000] {
        let mut rig = Rig::new();
        rig.play(addr("10.88.0.50:4000"), &Sender::new(1).send(ms(0), ms(1000), &[240], 1));
        let again = Sender::new(2).send(ms(1000 + silence), ms(2000), &[240], 1);
        rig.play(addr("10.88.0.50:5555"), &again);
        assert_eq!(rig.ids(), ["10-88-0-50"], "after {silence} ms");
        assert_eq!(rig.state("10-88-0-50"), Some(SourceState::Live));
        let heard = rig.frames.iter().zip(&rig.out_at).find(|(_, at)| **at > ms(1000 + silence)).unwrap().1;
        assert!(*heard < ms(1000 + silence + 300), "{silence} ms of silence: heard again at {heard:?}");
        assert!(rig.frames.windows(2).all(|w| w[1].time > w[0].time && w[1].time.is_multiple_of(480)));
        let lead = rig.frames.last().unwrap().time as f64 / 48.0 - (3000 + silence) as f64;
        assert!((-40.0..20.0).contains(&lead), "{silence} ms of silence: {lead:.1} ms ahead");
    }
}

#[test]
fn one_stray_packet_is_no_source() {
    let mut rig = Rig::new();
    rig.datagram(ms(0), addr("10.88.0.50:4000"), &Sender::new(1).packet(240));
    rig.run_until(ms(5000));
    assert_eq!(rig.ids(), Vec::<String>::new());
}

#[test]
fn a_pinned_source_waits_for_its_own_address() {
    let mut rig = Rig::new();
    rig.ingest.pin(SenderAddr(addr("127.0.0.1:6000")), SourceId::new("demo"), "Demo", rig.begin);
    assert_eq!(rig.state("demo"), Some(SourceState::Waiting));
    rig.play(addr("127.0.0.1:6001"), &Sender::new(9).send(ms(0), ms(300), &[240], 1));
    assert_eq!(rig.ids(), ["demo", "127-0-0-1"]);
    assert_eq!(rig.state("demo"), Some(SourceState::Waiting));
    rig.play(addr("[::ffff:127.0.0.1]:6000"), &Sender::new(1).send(ms(300), ms(300), &[240], 1));
    assert_eq!(rig.state("demo"), Some(SourceState::Live));
    // A new SSRC there takes over at once.
    rig.play(addr("127.0.0.1:6000"), &Sender::new(2).send(ms(610), ms(300), &[240], 1));
    assert_eq!(rig.ids(), ["demo", "127-0-0-1"]);
    let frames: Vec<_> = rig.frames.iter().filter(|f| f.source.as_str() == "demo").cloned().collect();
    assert_eq!(frames.last().unwrap().time, 59 * 480);
    assert_steps(&frames, 480);
}

#[test]
fn a_source_that_is_pinned_later_gets_its_packets() {
    let mut rig = Rig::new();
    let mut sender = Sender::new(1);
    rig.play(addr("127.0.0.1:6000"), &sender.send(ms(0), ms(300), &[240], 1));
    rig.ingest.pin(SenderAddr(addr("127.0.0.1:6000")), SourceId::new("demo"), "Demo", rig.begin);
    rig.play(addr("127.0.0.1:6000"), &sender.send(ms(300), ms(300), &[240], 1));
    rig.run_until(ms(1200));
    assert_eq!(rig.state("demo"), Some(SourceState::Idle));
    assert!(rig.frames.last().unwrap().source.as_str() == "demo");
}

#[test]
fn states_follow_the_packets() {
    let mut rig = Rig::new();
    rig.listen = false;
    rig.play(addr("10.88.0.50:4000"), &Sender::new(1).send(ms(0), ms(1000), &[240], 1));
    let id = "10-88-0-50";
    for (at, state) in [
        (1499, Some(SourceState::Live)),
        (1501, Some(SourceState::Idle)),
        (30_999, Some(SourceState::Idle)),
        (31_001, Some(SourceState::Lost)),
        (630_999, Some(SourceState::Lost)),
        (631_001, None),
    ] {
        let before = (rig.state(id), rig.ingest.revision());
        rig.run_until(ms(at));
        assert_eq!(rig.state(id), state, "after {at} ms");
        assert_eq!(before.0 != state, before.1 != rig.ingest.revision(), "the revision after {at} ms");
    }
}

#[test]
fn a_lost_source_stays_while_somebody_listens() {
    let mut rig = Rig::new();
    rig.play(addr("10.88.0.50:4000"), &Sender::new(1).send(ms(0), ms(1000), &[240], 1));
    rig.run_until(Duration::from_secs(3600));
    assert_eq!(rig.state("10-88-0-50"), Some(SourceState::Lost));
}

#[test]
fn nothing_is_encoded_for_nobody() {
    let mut rig = Rig::new();
    rig.listen = false;
    let id = SourceId::new("10-88-0-50");
    let mut sender = Sender::new(1);
    rig.play(addr("10.88.0.50:4000"), &sender.send(ms(0), ms(1000), &[240], 1));
    assert!(rig.frames.is_empty());
    rig.ingest.set_listeners(&id, 2);
    rig.play(addr("10.88.0.50:4000"), &sender.send(ms(1000), ms(1000), &[240], 1));
    assert_eq!(rig.frames[0].time, 48_000, "time went on unheard");
    assert_eq!(rig.frames.len(), 100);
    rig.ingest.set_listeners(&id, 0);
    rig.play(addr("10.88.0.50:4000"), &sender.send(ms(2000), ms(1000), &[240], 1));
    assert_eq!(rig.frames.len(), 100);
    assert_eq!(rig.source("10-88-0-50").unwrap().listeners, 0);
}

#[test]
fn there_is_room_for_so_many_sources() {
    let mut rig = Rig::new();
    rig.listen = false;
    let from = |n: u32| SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 4000));
    for n in 0..556 {
        rig.play(from(n), &Sender::new(n).send(ms(u64::from(n) * 20), ms(15), &[240], 1));
    }
    assert_eq!(rig.ids().len(), 512);
    assert_eq!(rig.ingest.counters().evicted, 44);
    assert!(rig.source("10-1-0-0").is_none(), "the longest silent one had to go");
    assert!(rig.source("10-1-2-43").is_some());
}

#[test]
fn sources_that_are_heard_are_not_given_up() {
    let mut rig = Rig::new();
    let from = |n: u32| SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 4000));
    for n in 0..514 {
        rig.play(from(n), &Sender::new(n).send(ms(u64::from(n) * 20), ms(15), &[240], 1));
    }
    assert_eq!(rig.ids().len(), 512);
    assert!(rig.ingest.counters().refused >= 2);
    assert!(rig.source("10-1-0-0").is_some());
}

#[test]
fn a_pinned_source_is_never_lost() {
    let mut rig = Rig::new();
    let from = addr("127.0.0.1:4000");
    rig.ingest.pin(SenderAddr(from), SourceId::new("echo"), "Echo", rig.begin);
    rig.play(from, &Sender::new(1).send(ms(0), ms(30), &[240], 1));
    rig.run_until(ms(3_600_000));
    assert_eq!(rig.state("echo"), Some(SourceState::Idle));
}

#[test]
fn a_silent_container_keeps_its_address_and_one_whose_id_is_given_away_comes_back_under_another() {
    let mut rig = Rig::new();
    let from = addr("10.88.0.50:4000");
    rig.play(from, &Sender::new(1).send(ms(0), ms(500), &[240], 1));
    rig.run_until(ms(60_000));
    let lost = rig.ingest.sources().next().unwrap();
    assert_eq!((lost.state, lost.address), (SourceState::Lost, Some(from.ip())));

    let displaced = rig.ingest.reserve([SourceId::new("10-88-0-50")].into());
    assert_eq!(displaced, [SourceId::new("10-88-0-50")]);
    rig.play(from, &Sender::new(1).send(ms(61_000), ms(500), &[240], 1));
    assert_eq!(rig.ids(), ["10-88-0-50-2"]);
}
