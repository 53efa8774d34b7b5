//! Containers that announce themselves: as PulseAudio and PipeWire do it, and as nobody should.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use soundport_core::discovery::{Discovery, DiscoveryEvent};
use soundport_core::{Announcement, AnnouncementKey};

const SENDER: &str = "10.88.0.50";

/// PulseAudio 16.1, `module-rtp-send destination_ip=10.88.0.1`.
const PULSE: &str = "v=0\no=root 4004177727 0 IN IP4 10.88.0.50\ns=PulseAudio RTP Stream on desktop\nc=IN IP4 10.88.0.1\nt=4004177727 0\na=recvonly\nm=audio 46968 RTP/AVP 127\na=rtpmap:127 L16/48000/2\na=type:broadcast\n";
/// The same daemon, in the same second, with `enable_opus=1`.
const PULSE_OPUS: &str = "v=0\no=root 4004177727 0 IN IP4 10.88.0.50\ns=PulseAudio RTP Stream on desktop\nc=IN IP4 10.88.0.1\nt=4004177727 0\na=recvonly\nm=audio 46410 RTP/AVP 127\na=rtpmap:127 OPUS/48000/2\na=type:broadcast\n";
/// With `rate=96000 channels=6 port=5004`.
const PULSE_96K: &str = "v=0\no=root 4004177727 0 IN IP4 10.88.0.50\ns=PulseAudio RTP Stream on desktop\nc=IN IP4 10.88.0.1\nt=4004177727 0\na=recvonly\nm=audio 5004 RTP/AVP 127\na=rtpmap:127 L16/96000/6\na=type:broadcast\n";
/// With `rate=44100 channels=1 stream_name=Küche_<b>x</b>`.
const PULSE_NAMED: &str = "v=0\no=root 4004177657 0 IN IP4 10.88.0.50\ns=K\u{fc}che_<b>x</b>\nc=IN IP4 10.88.0.1\nt=4004177657 0\na=recvonly\nm=audio 46358 RTP/AVP 11\na=rtpmap:11 L16/44100/1\na=type:broadcast\n";
/// Without any argument.
const PULSE_MULTICAST: &str = "v=0\no=root 4004177727 0 IN IP4 10.88.0.50\ns=PulseAudio RTP Stream on desktop\nc=IN IP4 224.0.0.56\nt=4004177727 0\na=recvonly\nm=audio 46968 RTP/AVP 127\na=rtpmap:127 L16/48000/2\na=type:broadcast\n";
/// PipeWire 0.3.65, `module-rtp-sink` with `audio.format=S24BE audio.rate=44100 audio.channels=1`.
const PIPEWIRE: &str = "v=0\no=root 4004177797 0 IN IP4 0.0.0.0\ns=PipeWire RTP Stream on desktop\nc=IN IP4 10.88.0.50\nt=4004177797 0\na=recvonly\na=tool:PipeWire 0.3.65\nm=audio 5012 RTP/AVP 127\na=rtpmap:127 L24/44100/1\na=type:broadcast\na=ptime:9\n";

/// A discovery, and a clock that stands still unless told otherwise.
struct Rig {
    discovery: Discovery,
    start: Instant,
    now: Duration,
}

#[test]
fn real_senders_are_heard_as_they_are() {
    for (text, name, port, payload_type, format, group) in [
        (PULSE, "desktop", 46968, 127, "L16/48000/2", None),
        (PULSE_OPUS, "desktop", 46410, 127, "opus/48000/2", None),
        (PULSE_96K, "desktop", 5004, 127, "L16/96000/6", None),
        (PULSE_NAMED, "Küche_<b>x</b>", 46358, 11, "L16/44100/1", None),
        (PULSE_MULTICAST, "desktop", 46968, 127, "L16/48000/2", Some("224.0.0.56")),
        (PIPEWIRE, "desktop", 5012, 127, "L24/44100/1", None),
    ] {
        for text in [text.to_owned(), text.replace('\n', "\r\n"), format!("{text}\0")] {
            let announced = Rig::new().announced(SENDER, &packet(0x20, 7, &text));
            assert_eq!(announced.key.sender, ip(SENDER));
            assert_eq!((announced.name.as_str(), announced.port), (name, port));
            assert_eq!(announced.payload_type, payload_type);
            assert_eq!(announced.format.map(|format| format.to_string()).as_deref(), Ok(format));
            assert_eq!(announced.group, group.map(ip));
            assert_eq!(announced.ssrc, None);
        }
    }
}

#[test]
fn streams_of_one_daemon_are_told_apart() {
    let mut rig = Rig::new();
    let keys: HashSet<AnnouncementKey> = [PULSE, PULSE_OPUS, PULSE_96K]
        .iter()
        .map(|text| rig.announced(SENDER, &packet(0x20, 7, text)).key)
        .collect();
    assert_eq!(keys.len(), 3);
}

#[test]
fn every_header_of_the_standard_is_read() {
    let mut six = vec![0x30, 0, 0, 7];
    six.extend([0xfd; 16]);
    let mut signed = vec![0x20, 3, 0, 7, 10, 88, 0, 50];
    signed.extend([9; 12]);
    for header in [six, signed, vec![0x20, 0, 0, 0, 0, 0, 0, 0]] {
        for kind in ["", "application/sdp\0", "APPLICATION/SDP\0"] {
            let bytes = [&header, kind.as_bytes(), PULSE.as_bytes()].concat();
            assert_eq!(Rig::new().announced("::ffff:10.88.0.50", &bytes).key.sender, ip(SENDER));
        }
    }
}

#[test]
fn the_media_section_goes_over_the_session() {
    let text = "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=x\nc=IN IP4 224.0.0.56/8\nm=video 6000 RTP/AVP 96\nm=audio 0 RTP/AVP 0\n\
                m=audio 5006 RTP/AVP 97\na=rtpmap:97 AAC/48000\n\
                m=audio 5008 RTP/AVP 98\nc=IN IP6 ff15::1\na=rtpmap:98 L16/48000/2\na=ssrc:4022250974 cname:x\n";
    let announced = Rig::new().announced(SENDER, &packet(0x20, 7, text));
    assert_eq!((announced.port, announced.group), (5008, Some(ip("ff15::1"))));
    assert_eq!(announced.ssrc, Some(4_022_250_974));
}

#[test]
fn repeats_and_changes_are_told_and_chatter_is_not() {
    let mut rig = Rig::new();
    let first = rig.announced(SENDER, &packet(0x20, 7, PULSE));
    for _ in 0..5 {
        rig.pass(100);
        assert_eq!(rig.hear(SENDER, &packet(0x20, 7, PULSE)), []);
    }
    let renamed = PULSE.replace("root 4004177727 0", "root 4004177727 1").replace("desktop", "kiosk");
    let second = rig.announced(SENDER, &packet(0x20, 8, &renamed));
    assert_eq!((second.key, second.name.as_str()), (first.key, "kiosk"));
    rig.pass(5000);
    assert_eq!(rig.announced(SENDER, &packet(0x20, 8, &renamed)), second);
    let counters = rig.discovery.counters();
    assert_eq!((counters.announced, counters.changed, counters.repeated), (1, 1, 6));
}

#[test]
fn goodbyes_are_understood_whole_short_and_empty() {
    let short = PULSE.lines().nth(1).unwrap_or_default();
    for goodbye in [
        packet(0x24, 7, PULSE),
        packet(0x24, 7, short),
        packet(0x24, 7, ""),
        bare(0x24, 7, short),
        bare(0x24, 7, ""),
    ] {
        let mut rig = Rig::new();
        let key = rig.announced(SENDER, &packet(0x20, 7, PULSE)).key;
        rig.announced(SENDER, &packet(0x20, 8, PULSE_OPUS));
        assert_eq!(rig.hear(SENDER, &goodbye), [DiscoveryEvent::Goodbye(key)]);
    }
}

#[test]
fn nobody_says_goodbye_for_another() {
    let mut rig = Rig::new();
    rig.announced(SENDER, &packet(0x20, 7, PULSE));
    for text in [PULSE, "o=root 4004177727 0 IN IP4 10.88.0.50", ""] {
        assert_eq!(rig.hear("10.88.0.66", &packet(0x24, 7, text)), []);
    }
    assert_eq!(rig.discovery.counters().unmatched_goodbyes, 3);
    rig.pass(5000);
    rig.announced(SENDER, &packet(0x20, 7, PULSE));
}

#[test]
fn silence_expires_after_three_intervals() {
    for (interval_s, life_s) in [(5, 30), (30, 90), (300, 900), (3000, 3600)] {
        let mut rig = Rig::new();
        let key = rig.announced(SENDER, &packet(0x20, 7, PULSE)).key;
        rig.pass(interval_s * 1000);
        rig.announced(SENDER, &packet(0x20, 7, PULSE));
        let expired = vec![DiscoveryEvent::Expired(key)];
        assert_eq!(rig.pass(life_s * 1000 - 1), [], "{interval_s}");
        assert_eq!(rig.pass(1), expired, "{interval_s}");
        assert_eq!(rig.announced(SENDER, &packet(0x20, 7, PULSE)).key, key);
        rig.pass(40_000_000);
        assert_eq!(rig.discovery.poll_timeout(), None);
    }
}

#[test]
fn a_flood_is_refused_and_harms_nobody() {
    let mut rig = Rig::new();
    let key = rig.announced(SENDER, &packet(0x20, 7, PULSE)).key;
    let mut told = 0;
    for n in 0..20_000_u32 {
        let text = PULSE.replace("4004177727", &n.to_string());
        let sender = IpAddr::from((0x0a00_0000 + n / 4).to_be_bytes());
        told += rig.hear(&sender.to_string(), &packet(0x20, 7, &text)).len();
        rig.pass(1);
    }
    assert_eq!(told, 255);
    assert_eq!(rig.discovery.counters().refused, 20_000 - 255);
    assert_eq!(rig.discovery.counters().dropped_events, 0);
    assert_eq!(rig.announced(SENDER, &packet(0x20, 7, PULSE)).key, key);
    let expired = rig.pass(25_000);
    assert_eq!(expired.len(), 255);
    assert!(!expired.contains(&DiscoveryEvent::Expired(key)));
    let newcomer = rig.announced("10.88.0.51", &packet(0x20, 7, PULSE)).key;
    assert_eq!(rig.pass(30_000), [DiscoveryEvent::Expired(newcomer)]);
}

#[test]
fn one_address_cannot_take_all_the_room() {
    let mut rig = Rig::new();
    let heard = |rig: &mut Rig, n: u32| {
        rig.hear(SENDER, &packet(0x20, 7, &PULSE.replace("4004177727", &n.to_string()))).len()
    };
    assert_eq!((0..100).map(|n| heard(&mut rig, n)).sum::<usize>(), 32);
    rig.announced("10.88.0.51", &packet(0x20, 7, PULSE));
    rig.pass(30_000);
    assert_eq!((100..200).map(|n| heard(&mut rig, n)).sum::<usize>(), 32);
}

#[test]
fn news_that_comes_too_fast_is_refused_and_told_later() {
    let mut rig = Rig::new();
    let named = |n: u32| packet(0x20, 7, &PULSE.replace("desktop", &format!("name {}", n % 2)));
    let mut told = 0;
    for n in 0..3000 {
        rig.now = Duration::from_millis(n);
        rig.discovery.handle_datagram(ip(SENDER), &named(n as u32), rig.start + rig.now);
        told += std::iter::from_fn(|| rig.discovery.poll_event()).count();
    }
    assert!(told < 60, "{told} events in three seconds");
    assert!(rig.discovery.counters().refused > 1000);
    rig.now = Duration::from_secs(20);
    let known = rig.discovery.announcements().next().unwrap().name.clone();
    let other = u32::from(known == "name 0");
    rig.discovery.handle_datagram(ip(SENDER), &named(other), rig.start + rig.now);
    assert_eq!(rig.discovery.announcements().next().unwrap().name, format!("name {other}"));
}

#[test]
fn junk_is_counted_by_its_kind() {
    let mut rig = Rig::new();
    let video = PULSE.replace("m=audio", "m=video");
    let closed = PULSE.replace("46968", "0");
    for junk in [
        vec![],
        vec![0x20],
        vec![0x20, 255, 0, 7, 1, 2, 3, 4],
        packet(0x40, 7, PULSE),
        packet(0x20, 7, ""),
        packet(0x20, 7, "v=1\n"),
        packet(0x20, 7, &PULSE.replace("46968", "70000")),
        packet(0x20, 7, &PULSE.replace("RTP/AVP 127", "RTP/AVP 300")),
        packet(0x20, 7, &PULSE.replace("o=", "x=")),
        packet(0x20, 7, &video),
        packet(0x20, 7, &closed),
        packet(0x22, 7, PULSE),
        packet(0x21, 7, PULSE),
        [&[0x20, 0, 0, 7, 1, 2, 3, 4], &b"text/plain\0hello"[..]].concat(),
        packet(0x20, 7, &format!("{PULSE}{}", "a=x\n".repeat(1000))),
    ] {
        assert_eq!(rig.hear(SENDER, &junk), []);
    }
    let counters = rig.discovery.counters();
    assert_eq!((counters.received, counters.malformed, counters.no_audio), (15, 9, 2));
    assert_eq!((counters.unsupported, counters.too_large), (3, 1));
}

#[test]
fn names_may_be_anything() {
    let mut bytes = packet(0x20, 7, PULSE);
    let at = bytes.windows(7).position(|window| window == b"desktop").unwrap_or_default();
    bytes.splice(at..at + 7, *b"K\xfcche\x1b[31m");
    assert_eq!(Rig::new().announced(SENDER, &bytes).name, "K\u{fffd}che[31m");
    let giant = PULSE.replace("PulseAudio RTP Stream on desktop", &"\u{1f50a}".repeat(500));
    assert_eq!(Rig::new().announced(SENDER, &packet(0x20, 7, &giant)).name.chars().count(), 64);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(datagrams in prop::collection::vec((0..3_u8, 0..20_000_u64, almost_sap()), 0..60)) {
        let mut rig = Rig::new();
        for (sender, wait, bytes) in &datagrams {
            rig.pass(*wait);
            for event in rig.hear(&format!("10.0.0.{sender}"), bytes) {
                if let DiscoveryEvent::Announced(announced) = event {
                    prop_assert!(!announced.name.is_empty() && announced.name.chars().count() <= 64);
                    prop_assert!(!announced.name.chars().any(char::is_control));
                    prop_assert!(announced.port != 0 && announced.payload_type < 128);
                }
            }
        }
        rig.pass(10_000_000);
        prop_assert_eq!(rig.discovery.poll_timeout(), None);
        prop_assert_eq!(rig.discovery.counters().received, datagrams.len() as u64);
    }
}

/// Real announcements with something broken in them, and bytes of any kind.
fn almost_sap() -> impl Strategy<Value = Vec<u8>> {
    let real = prop::sample::select(vec![PULSE, PULSE_OPUS, PULSE_MULTICAST, PIPEWIRE]);
    let broken =
        (real, any::<u8>(), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12));
    let broken = broken.prop_map(|(text, flags, changes)| {
        let mut bytes = packet(0x20 | flags & 0x1c, 7, text);
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    });
    prop_oneof![4 => broken, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

impl Rig {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
        let start = Instant::now();
        Self { discovery: Discovery::new(), start, now: Duration::ZERO }
    }

    /// What a datagram causes.
    fn hear(&mut self, from: &str, datagram: &[u8]) -> Vec<DiscoveryEvent> {
        self.discovery.handle_datagram(ip(from), datagram, self.start + self.now);
        self.drain()
    }

    /// The one announcement that a datagram causes.
    fn announced(&mut self, from: &str, datagram: &[u8]) -> Announcement {
        match self.hear(from, datagram).as_slice() {
            [DiscoveryEvent::Announced(announcement)] => announcement.clone(),
            other => panic!("not one announcement: {other:?}"),
        }
    }

    /// Lets time pass, and does what is due when it is due.
    fn pass(&mut self, millis: u64) -> Vec<DiscoveryEvent> {
        let end = self.now + Duration::from_millis(millis);
        let mut events = Vec::new();
        while let Some(at) = self.discovery.poll_timeout().filter(|at| *at <= self.start + end) {
            self.discovery.handle_timeout(at);
            events.extend(self.drain());
            assert!(self.discovery.poll_timeout().is_none_or(|next| next > at), "a timeout that stays due");
        }
        self.now = end;
        events
    }

    fn drain(&mut self) -> Vec<DiscoveryEvent> {
        std::iter::from_fn(|| self.discovery.poll_event()).collect()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

/// A packet as PulseAudio writes it.
fn packet(flags: u8, hash: u16, text: &str) -> Vec<u8> {
    bare(flags, hash, &format!("application/sdp\0{text}"))
}

/// A packet without payload type.
fn bare(flags: u8, hash: u16, text: &str) -> Vec<u8> {
    let mut bytes = vec![flags, 0];
    bytes.extend(hash.to_be_bytes());
    bytes.extend([10, 88, 0, 50]);
    bytes.extend(if flags & 0x10 == 0 { &[][..] } else { &[0; 12] });
    bytes.extend(text.as_bytes());
    bytes
}
