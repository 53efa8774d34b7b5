//! Sources that announce themselves: the name is the source, wherever its packets come from.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::net::IpAddr;
use std::time::Duration;

use common::{Rig, Sender, addr, assert_steps, ms};
use soundport_core::ingest::{Attention, Farewell, RtpPort, SourceConfig, SourceState};
use soundport_core::{Announcement, AnnouncementKey, SourceId};

const FIRST: &str = "10.88.0.50";
const SECOND: &str = "10.88.0.51";
const PORT: RtpPort = RtpPort(46_010);

/// `sender` announces a stream of L16/48000/2, payload type 127.
fn announcement(sender: &str, name: &str) -> Announcement {
    let sender: IpAddr = sender.parse().unwrap();
    let session = name.bytes().fold(0, |sum, byte| sum * 31 + u64::from(byte));
    Announcement {
        key: AnnouncementKey { sender, session },
        name: name.into(),
        port: PORT.0,
        group: None,
        payload_type: 127,
        ssrc: None,
        format: Ok("L16/48000/2".parse().unwrap()),
    }
}

/// Announces it every five seconds from `begin` on, as PulseAudio does, while `sound` comes from port 4000.
fn play(rig: &mut Rig, announcement: &Announcement, begin: u64, length: u64, sender: Option<&mut Sender>) {
    let from = addr(&format!("{}:4000", announcement.key.sender));
    let packets = sender.map(|sender| sender.send(ms(begin), ms(length), &[240], 1)).unwrap_or_default();
    let mut packets = packets.into_iter().peekable();
    rig.port = PORT;
    for second in 0..length.div_ceil(1000) {
        let at = ms(begin + second * 1000);
        if second % 5 == 0 {
            rig.run_until(at);
            rig.ingest.announce(announcement.clone(), rig.begin + at);
        }
        while let Some((at, packet)) = packets.next_if(|(due, _)| *due < at + ms(1000)) {
            rig.datagram(at, from, &packet);
        }
    }
    rig.run_until(ms(begin + length));
}

fn open_ports(rig: &Rig, at: u64) -> Vec<u16> {
    rig.ingest.ports(rig.begin + ms(at)).map(|wanted| wanted.port.0).collect()
}

#[test]
fn an_announced_source_waits_and_its_port_is_wanted() {
    let mut rig = Rig::new();
    rig.ingest.announce(announcement(FIRST, "desktop"), rig.begin);
    assert_eq!(rig.ids(), ["desktop"]);
    assert_eq!(rig.state("desktop"), Some(SourceState::Waiting));
    assert_eq!(rig.format("desktop"), "L16/48000/2 Announced");
    assert_eq!(open_ports(&rig, 0), [5004, 46_010]);
    play(&mut rig, &announcement(FIRST, "desktop"), 10, 1000, Some(&mut Sender::new(1)));
    assert_eq!(rig.state("desktop"), Some(SourceState::Live));
    assert!(rig.frames.len() > 90, "{} frames", rig.frames.len());
}

#[test]
fn suspended_is_idle_and_a_goodbye_is_lost() {
    let mut rig = Rig::new();
    let desktop = announcement(FIRST, "desktop");
    play(&mut rig, &desktop, 0, 2000, Some(&mut Sender::new(1)));
    play(&mut rig, &desktop, 2000, 600_000, None);
    assert_eq!(rig.state("desktop"), Some(SourceState::Idle), "it goes on announcing itself");
    rig.ingest.withdraw(desktop.key, Farewell::Goodbye, rig.begin + ms(602_000));
    assert_eq!(rig.state("desktop"), Some(SourceState::Lost));
    assert_eq!(open_ports(&rig, 602_000), [5004], "its port is closed");
}

#[test]
fn the_port_is_closed_soon_after_a_goodbye() {
    let mut rig = Rig::new();
    let desktop = announcement(FIRST, "desktop");
    play(&mut rig, &desktop, 0, 2000, Some(&mut Sender::new(1)));
    rig.ingest.withdraw(desktop.key, Farewell::Goodbye, rig.begin + ms(2000));
    let before = rig.ingest.revision();
    rig.run_until(ms(2600));
    assert_ne!(rig.ingest.revision(), before);
    assert_eq!(open_ports(&rig, 2600), [5004]);
}

#[test]
fn one_that_is_killed_is_idle_and_then_lost() {
    let mut rig = Rig::new();
    let desktop = announcement(FIRST, "desktop");
    play(&mut rig, &desktop, 0, 2000, Some(&mut Sender::new(1)));
    rig.run_until(ms(3000));
    assert_eq!(rig.state("desktop"), Some(SourceState::Idle));
    rig.ingest.withdraw(desktop.key, Farewell::Expired, rig.begin + ms(31_000));
    assert_eq!(rig.state("desktop"), Some(SourceState::Idle), "silent for less than 30 s");
    rig.run_until(ms(32_100));
    assert_eq!(rig.state("desktop"), Some(SourceState::Lost));
}

#[test]
fn a_goodbye_while_its_packets_come_is_not_believed() {
    let mut rig = Rig::new();
    let (desktop, mut sender) = (announcement(FIRST, "desktop"), Sender::new(1));
    play(&mut rig, &desktop, 0, 1000, Some(&mut sender));
    rig.ingest.withdraw(desktop.key, Farewell::Goodbye, rig.begin + ms(1000));
    rig.play(addr("10.88.0.50:4000"), &sender.send(ms(1000), ms(1000), &[240], 1));
    assert_eq!(rig.state("desktop"), Some(SourceState::Live));
    assert_eq!(open_ports(&rig, 2000), [5004, 46_010]);
    assert_steps(&rig.frames, 480);
}

#[test]
fn a_restarted_container_is_the_same_source_whatever_its_address() {
    for (back, quiet) in [
        (FIRST, 50),
        (SECOND, 120),
        (FIRST, 300),
        (SECOND, 300),
        (SECOND, 4000),
        (SECOND, 40_000),
        (SECOND, 700_000),
    ] {
        let mut rig = Rig::new();
        play(&mut rig, &announcement(FIRST, "desktop"), 0, 3000, Some(&mut Sender::new(1)));
        let again = Announcement { port: PORT.0, ..announcement(back, "desktop") };
        let again = Announcement { key: AnnouncementKey { session: 99, ..again.key }, ..again };
        let before = rig.frames.len();
        play(&mut rig, &again, 3000 + quiet, 3000, Some(&mut Sender::new(2)));
        assert_eq!(rig.ids(), ["desktop"], "back from {back} after {quiet} ms");
        assert_eq!(rig.state("desktop"), Some(SourceState::Live));
        let heard = rig.out_at[before..].iter().find(|at| **at > ms(3000 + quiet)).unwrap();
        assert!(*heard < ms(3000 + quiet + 350), "heard again at {heard:?}");
    }
}

#[test]
fn unloaded_and_loaded_again_is_the_same_source_however_quickly() {
    for quiet in [0, 50, 100, 200, 1000] {
        let mut rig = Rig::new();
        let desktop = announcement(FIRST, "desktop");
        play(&mut rig, &desktop, 0, 3000, Some(&mut Sender::new(1)));
        rig.ingest.withdraw(desktop.key, Farewell::Goodbye, rig.begin + ms(3000));
        let again = Announcement { key: AnnouncementKey { session: 99, ..desktop.key }, ..desktop };
        play(&mut rig, &again, 3000 + quiet, 2000, Some(&mut Sender::new(2)));
        assert_eq!(rig.ids(), ["desktop"], "after {quiet} ms");
        assert_eq!(rig.state("desktop"), Some(SourceState::Live));
    }
}

#[test]
fn packets_that_come_back_before_the_announcement_are_heard_as_soon_as_it_comes() {
    let mut rig = Rig::new();
    rig.port = RtpPort(5004);
    let desktop = Announcement { port: 5004, ..announcement(FIRST, "desktop") };
    rig.ingest.announce(desktop.clone(), rig.begin);
    rig.play(addr("10.88.0.50:4000"), &Sender::new(1).send(ms(0), ms(2000), &[240], 1));
    let mut again = Sender::new(2);
    rig.listen = false;
    rig.play(addr("10.88.0.51:4000"), &again.send(ms(3000), ms(1000), &[240], 1));
    assert_eq!(rig.ids(), ["desktop", "10-88-0-51"]);
    let moved = AnnouncementKey { sender: [10, 88, 0, 51].into(), session: 5 };
    rig.ingest.announce(Announcement { key: moved, ..desktop }, rig.begin + ms(4000));
    rig.play(addr("10.88.0.51:4000"), &again.send(ms(4000), ms(100), &[240], 1));
    assert_eq!(rig.ids(), ["desktop"]);
    assert_eq!(rig.state("desktop"), Some(SourceState::Live));
}

#[test]
fn a_restarted_container_that_is_silent_gets_its_name_back_when_the_old_one_is_gone() {
    let mut rig = Rig::new();
    play(&mut rig, &announcement(FIRST, "desktop"), 0, 3000, Some(&mut Sender::new(1)));
    play(&mut rig, &announcement(SECOND, "desktop"), 4000, 7000, None);
    assert_eq!(rig.ids(), ["desktop"]);
    play(&mut rig, &announcement(SECOND, "desktop"), 11_000, 1000, Some(&mut Sender::new(2)));
    assert_eq!(rig.ids(), ["desktop"]);
    assert_eq!(rig.state("desktop"), Some(SourceState::Live));
}

#[test]
fn two_containers_of_one_name_are_two_sources() {
    for sounding in [true, false] {
        let mut rig = Rig::new();
        let parts = [announcement(FIRST, "desktop"), announcement(SECOND, "desktop")];
        let mut senders = [Sender::new(1), Sender::new(2)];
        for second in 0..20 {
            for (part, sender) in parts.iter().zip(&mut senders) {
                play(&mut rig, part, second * 5000, 4900, sounding.then_some(sender));
            }
        }
        assert_eq!(rig.ids(), ["desktop", "desktop-2"], "sounding: {sounding}");
        let titles: Vec<_> = rig.ingest.sources().map(|source| source.title).collect();
        assert_eq!(titles, ["desktop", "desktop (2)"]);
    }
}

#[test]
fn packets_that_came_before_the_announcement_are_the_same_source() {
    for (listen, id) in [(false, "desktop"), (true, "10-88-0-50")] {
        let mut rig = Rig::new();
        rig.listen = listen;
        let from = addr("10.88.0.50:4000");
        let mut sender = Sender::new(1);
        rig.play(from, &sender.send(ms(0), ms(1000), &[240], 1));
        assert_eq!(rig.ids(), ["10-88-0-50"]);
        let desktop = Announcement { port: 5004, ..announcement(FIRST, "desktop") };
        rig.ingest.announce(desktop, rig.begin + ms(1000));
        rig.play(from, &sender.send(ms(1000), ms(1000), &[240], 1));
        assert_eq!(rig.ids(), [id], "whoever listens goes on listening");
        let source = rig.source(id).unwrap();
        assert_eq!((source.title.as_str(), source.state), ("desktop", SourceState::Live));
        assert_eq!(rig.format(id), "L16/48000/2 Announced");
        assert!(!listen || rig.frames.windows(2).all(|w| w[1].time - w[0].time == 480));
    }
}

#[test]
fn a_second_stream_that_nobody_announced_is_a_source_of_its_address() {
    let mut rig = Rig::new();
    rig.ingest.announce(Announcement { port: 5004, ..announcement(FIRST, "desktop") }, rig.begin);
    let mut senders = [Sender::new(1), Sender::new(2)];
    for n in 0..200 {
        for (sender, port) in senders.iter_mut().zip([4000, 4002]) {
            rig.datagram(ms(n * 5), addr(&format!("{FIRST}:{port}")), &sender.packet(240));
        }
    }
    assert_eq!(rig.ids(), ["desktop", "10-88-0-50"]);
    assert!(rig.ingest.sources().all(|source| source.state == SourceState::Live));
}

#[test]
fn a_port_is_read_as_soon_as_somebody_hears_it() {
    let mut rig = Rig::new();
    rig.listen = false;
    let attention = |rig: &Rig| rig.ingest.ports(rig.begin + ms(100)).next().unwrap().attention;
    let senders = (1..=6).map(|n| (addr(&format!("10.88.0.{n}:4000")), Sender::new(n)));
    for (count, (from, mut sender)) in (1..).zip(senders) {
        rig.play(from, &sender.send(ms(0), ms(100), &[240], 1));
        assert_eq!(attention(&rig), Attention::Low, "nobody hears it");
        rig.ingest.set_listeners(&SourceId::new("10-88-0-1"), 1);
        let expected = if count <= 4 { Attention::High } else { Attention::Crowded };
        assert_eq!(attention(&rig), expected, "{count} senders");
        rig.ingest.set_listeners(&SourceId::new("10-88-0-1"), 0);
    }
}

/// An entry of the configuration.
fn entry(id: &str, from: Option<&str>) -> SourceConfig {
    SourceConfig {
        id: SourceId::new(id),
        title: id.to_uppercase(),
        from: from.map(|from| vec![from.parse().unwrap()]),
        from_port: None,
        port: None,
        format: None,
        frame: None,
        bitrate_bps: None,
        trouble: None,
    }
}

#[test]
fn an_entry_of_the_configuration_takes_what_it_means() {
    let mut rig = Rig::new();
    let over = rig.ingest.configure(vec![entry("office", Some(FIRST)), entry("kiosk", None)], rig.begin);
    assert_eq!((over, rig.ids()), (vec![], vec!["office".to_owned(), "kiosk".to_owned()]));
    rig.ingest.announce(announcement(FIRST, "desktop"), rig.begin);
    rig.ingest.announce(announcement(SECOND, "Kiosk"), rig.begin);
    assert_eq!(rig.ids(), ["office", "kiosk"], "one by its address, one by its name");
    assert_eq!(rig.source("kiosk").unwrap().title, "KIOSK");
    play(&mut rig, &announcement(SECOND, "Kiosk"), 0, 1000, Some(&mut Sender::new(1)));
    assert_eq!(rig.state("kiosk"), Some(SourceState::Live));
    let over = rig.ingest.configure(vec![entry("kiosk", None)], rig.begin + ms(1000));
    assert_eq!(over, [SourceId::new("office")]);
    assert_eq!(rig.ids(), ["kiosk"]);
}

#[test]
fn an_entry_that_comes_later_takes_what_plays_already() {
    for announced in [false, true] {
        let mut rig = Rig::new();
        rig.listen = false;
        let (mut sender, from) = (Sender::new(1), addr("10.88.0.50:4000"));
        if announced {
            let desktop = Announcement { port: 5004, ..announcement(FIRST, "desktop") };
            rig.ingest.announce(desktop, rig.begin);
        }
        rig.play(from, &sender.send(ms(0), ms(1000), &[240], 1));
        rig.ingest.configure(vec![entry("office", Some(FIRST))], rig.begin + ms(1000));
        rig.play(from, &sender.send(ms(1000), ms(100), &[240], 1));
        assert_eq!(rig.ids(), ["office"], "announced: {announced}");
        assert_eq!(rig.state("office"), Some(SourceState::Live));
        // Its address is lost for a while, and found again.
        rig.ingest.configure(vec![entry("office", Some(SECOND))], rig.begin + ms(1100));
        rig.play(from, &sender.send(ms(1100), ms(1000), &[240], 1));
        rig.ingest.configure(vec![entry("office", Some(FIRST))], rig.begin + ms(2100));
        rig.play(from, &sender.send(ms(2100), ms(100), &[240], 1));
        assert_eq!(rig.ids(), ["office"], "announced: {announced}");
        assert_eq!(rig.state("office"), Some(SourceState::Live));
    }
}

#[test]
fn an_entry_by_id_alone_is_whoever_is_known_by_it() {
    for before in [false, true] {
        let mut rig = Rig::new();
        let (mut sender, from) = (Sender::new(1), addr("10.88.0.50:4000"));
        let configure = |rig: &mut Rig, at| {
            rig.ingest.configure(vec![entry("10-88-0-50", None)], rig.begin + ms(at));
        };
        if before {
            configure(&mut rig, 0);
        }
        rig.play(from, &sender.send(ms(0), ms(1000), &[240], 1));
        configure(&mut rig, 1000);
        rig.play(from, &sender.send(ms(1000), ms(1000), &[240], 1));
        assert_eq!(rig.ids(), ["10-88-0-50"], "configured before: {before}");
        assert_steps(&rig.frames, 480);
        rig.play(addr("10.88.0.50:4001"), &Sender::new(2).send(ms(2050), ms(1000), &[240], 1));
        assert_eq!(rig.ids(), ["10-88-0-50"], "restarted");
        assert_eq!(rig.state("10-88-0-50"), Some(SourceState::Live));
    }
}

#[test]
fn what_stands_in_the_way_is_said_in_words() {
    let mut rig = Rig::new();
    let format = Err("It sends AAC.".to_owned());
    rig.ingest.announce(Announcement { format, ..announcement(FIRST, "tv") }, rig.begin);
    rig.ingest.announce(Announcement { port: 900, ..announcement(FIRST, "radio") }, rig.begin);
    rig.ingest.announce(announcement(FIRST, "kiosk"), rig.begin);
    rig.ingest.set_port_trouble(PORT, Some("Taken."));
    let trouble = |id: &str| rig.source(id).unwrap().trouble.unwrap();
    assert_eq!(trouble("kiosk"), "Taken.");
    assert!(trouble("radio").contains("port 900"), "{}", trouble("radio"));
    assert_eq!(open_ports(&rig, 0), [5004, 46_010], "the system's ports are not opened");
    rig.ingest.set_port_trouble(PORT, None);
    assert_eq!(rig.source("tv").unwrap().trouble.unwrap(), "It sends AAC.");
    play(&mut rig, &announcement(FIRST, "kiosk"), 0, 500, Some(&mut Sender::new(1)));
    let group = Some([224, 0, 0, 56].into());
    rig.ingest.announce(Announcement { group, ..announcement(SECOND, "group") }, rig.begin + ms(500));
    assert!(rig.source("group").unwrap().trouble.unwrap().contains("--multicast"));
    assert_eq!(rig.source("kiosk").unwrap().trouble, None);
}

#[test]
fn what_is_announced_as_unreadable_is_not_guessed() {
    let mut rig = Rig::new();
    let odd = Announcement { format: Err("It sends L8.".into()), port: 5004, ..announcement(FIRST, "tv") };
    let mut sender = Sender::new(1);
    rig.play(addr("10.88.0.50:4000"), &sender.send(ms(0), ms(500), &[240], 1));
    rig.listen = false;
    rig.ingest.announce(odd, rig.begin + ms(500));
    let frames = rig.frames.len();
    rig.play(addr("10.88.0.50:4000"), &sender.send(ms(500), ms(500), &[240], 1));
    assert_eq!(rig.frames.len(), frames);
    assert!(rig.ingest.sources().all(|source| source.state != SourceState::Live));
}

#[test]
fn a_thousand_announced_streams_are_bounded() {
    let mut rig = Rig::new();
    for n in 0..1000_u32 {
        let sender = IpAddr::from([10, 2, (n >> 8) as u8, n as u8]).to_string();
        rig.ingest.announce(announcement(&sender, &format!("stream {n}")), rig.begin);
    }
    assert_eq!(rig.ids().len(), 512);
    assert!(rig.ingest.poll_timeout().is_none_or(|due| due > rig.begin));
    rig.run_until(Duration::from_secs(60));
}
