//! The way into a container, in virtual time: what it is told, what it gets, and what happens while it takes nothing.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test stops at the first surprise")]

use std::net::IpAddr;
use std::time::{Duration, Instant};

use soundport_core::talkback::{
    Destination, Leg, Refusal, SAP_PORT, TalkConfig, TalkOutput, TalkPacket, TalkState, Talkback,
};
use soundport_core::{MicFrame, OpusFrame, Recipients, SessionId, SourceId, TalkerId};

const CONTAINER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5));

/// What is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    /// Opens the port that it is told, so long after it was told.
    Listens(Duration),
    /// Refuses announcements and sound.
    Deaf,
    /// Takes announcements and opens no port.
    Stubborn,
    /// Is not there.
    Gone,
}

struct Rig {
    talkback: Talkback,
    container: Container,
    now: Instant,
    begin: Instant,
    /// Where it opened a port, and since when.
    open: Option<(u16, Instant)>,
    announcements: Vec<(Instant, TalkPacket)>,
    /// What the container took: when, and the packet.
    taken: Vec<(Instant, Vec<u8>)>,
    frames: Vec<OpusFrame>,
    /// Refusals that the container can still send, as Linux counts them, and when that was counted.
    refusals: (f64, Instant),
}

fn desktop() -> SourceId {
    SourceId::new("desktop")
}

fn config() -> TalkConfig {
    TalkConfig {
        source: desktop(),
        title: "Desktop microphone".into(),
        destination: Some(Destination { address: CONTAINER, port: None }),
        room: false,
        monitor: false,
        bitrate_bps: 128_000,
    }
}

impl Rig {
    fn new(container: Container, config: TalkConfig) -> Self {
        let now = Instant::now();
        let mut talkback = Talkback::new([7; 32], now);
        talkback.configure(vec![config], now, &mut TalkOutput::default());
        Self {
            talkback,
            container,
            now,
            begin: now,
            open: None,
            announcements: Vec::new(),
            taken: Vec::new(),
            frames: Vec::new(),
            refusals: (6.0, now),
        }
    }

    fn join(&mut self, talker: u32) {
        let mut out = TalkOutput::default();
        assert!(self.talkback.join(TalkerId(talker), &desktop(), None, self.now, &mut out));
        self.deliver(out);
    }

    fn configure(&mut self, configs: Vec<TalkConfig>) -> Vec<(SourceId, bool)> {
        let mut out = TalkOutput::default();
        let over = self.talkback.configure(configs, self.now, &mut out);
        self.deliver(out);
        over
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.talkback.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let mut out = TalkOutput::default();
            self.talkback.handle_timeout(self.now, &mut out);
            self.deliver(out);
        }
        self.now = end;
    }

    fn deliver(&mut self, out: TalkOutput) {
        self.frames.extend(out.frames);
        for packet in out.packets {
            let refusal = self.arrive(&packet);
            if let Some(refusal) = refusal
                && self.may_refuse()
            {
                self.talkback.refuse(&desktop(), packet.leg, refusal, self.now);
            }
        }
    }

    /// Linux sends six refusals in a row, and then one a second.
    fn may_refuse(&mut self) -> bool {
        let (left, at) = self.refusals;
        let left = (left + (self.now - at).as_secs_f64()).min(6.0);
        let may = left >= 1.0;
        self.refusals = (if may { left - 1.0 } else { left }, self.now);
        may
    }

    fn arrive(&mut self, packet: &TalkPacket) -> Option<Refusal> {
        assert_eq!(packet.to.ip(), CONTAINER);
        if packet.leg == Leg::Announcement {
            self.announcements.push((self.now, packet.clone()));
        }
        match (self.container, packet.leg) {
            (Container::Gone, _) => Some(Refusal::Host),
            (Container::Deaf, _) => Some(Refusal::Port),
            (Container::Stubborn, Leg::Announcement) => None,
            (Container::Stubborn, Leg::Sound) => Some(Refusal::Port),
            (Container::Listens(takes), Leg::Announcement) => {
                assert_eq!(packet.to.port(), SAP_PORT);
                let is_goodbye = packet.bytes[0] & 4 != 0;
                let port = announced_port(packet);
                if self.open.is_none_or(|(open, _)| open != port) {
                    self.open = Some((port, self.now + takes));
                }
                self.open = self.open.filter(|_| !is_goodbye);
                None
            }
            (Container::Listens(_), Leg::Sound) => {
                let is_open = self.open.is_some_and(|(port, at)| port == packet.to.port() && at <= self.now);
                if !is_open {
                    return Some(Refusal::Port);
                }
                self.taken.push((self.now, packet.bytes.clone()));
                None
            }
        }
    }

    fn status(&self) -> (TalkState, Option<&str>) {
        let status = self.talkback.statuses().iter().find(|status| status.source == desktop());
        status.map_or((TalkState::Closed, None), |status| (status.state, status.trouble.as_deref()))
    }

    fn goodbyes(&self) -> usize {
        self.announcements.iter().filter(|(_, packet)| packet.bytes[0] & 4 != 0).count()
    }
}

fn announced_port(packet: &TalkPacket) -> u16 {
    let text = String::from_utf8_lossy(&packet.bytes).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("m=audio ")).unwrap();
    line.split(' ').next().unwrap().parse().unwrap()
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_container_is_told_and_gets_silence_until_somebody_speaks() {
    let mut rig = Rig::new(Container::Listens(ms(15)), config());
    rig.pass(ms(1000));
    assert_eq!(rig.talkback.poll_timeout(), None, "nobody wakes while nobody talks");
    assert!(rig.announcements.is_empty());
    rig.join(1);
    assert_eq!(rig.status().0, TalkState::Opening);
    rig.pass(ms(150));
    assert_eq!(rig.status(), (TalkState::Open, None));
    let before = rig.taken.len();
    rig.pass(ms(1000));
    assert_eq!(rig.taken.len() - before, 200, "packets of 5 ms, without a gap");
    let step = |two: &[(Instant, Vec<u8>)]| {
        let number = |packet: &[u8], at: usize, n: usize| {
            packet[at..at + n].iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte))
        };
        let differ = |at, n| number(&two[1].1, at, n).wrapping_sub(number(&two[0].1, at, n));
        assert_eq!(two[0].1[8..12], two[1].1[8..12], "one SSRC");
        (differ(2, 2) as u16, differ(4, 4))
    };
    assert!(rig.taken.windows(2).all(|two| step(two) == (1, 240)), "timestamps count what was sent");
    assert!(
        rig.taken
            .iter()
            .all(|(_, packet)| packet.len() == 12 + 960 && packet[12..].iter().all(|byte| *byte == 0))
    );
}

#[test]
fn a_slow_container_loses_nothing_but_probes() {
    let mut rig = Rig::new(Container::Listens(ms(400)), config());
    rig.join(1);
    rig.pass(ms(1000));
    assert_eq!(rig.status(), (TalkState::Open, None));
    let refused_for = rig.taken[0].0 - rig.begin;
    assert!(refused_for >= ms(400) && refused_for < ms(800), "{refused_for:?}");
}

#[test]
fn the_way_stays_open_for_a_while_and_ends_with_a_goodbye() {
    let mut rig = Rig::new(Container::Listens(ms(0)), config());
    rig.join(1);
    rig.pass(ms(8000));
    rig.talkback.leave(TalkerId(1), rig.now);
    assert_eq!(rig.status().0, TalkState::Closed);
    rig.pass(ms(5000));
    rig.join(2);
    assert_eq!(rig.status().0, TalkState::Open, "who comes back soon speaks at once");
    rig.pass(ms(1000));
    rig.talkback.leave(TalkerId(2), rig.now);
    let port = announced_port(&rig.announcements[0].1);
    assert!(rig.announcements.iter().all(|(_, packet)| announced_port(packet) == port));
    assert_eq!(rig.goodbyes(), 0);
    rig.pass(ms(11_000));
    assert_eq!((rig.goodbyes(), rig.talkback.poll_timeout()), (1, None));
    rig.join(3);
    rig.pass(ms(200));
    let origin =
        |packet: &TalkPacket| String::from_utf8_lossy(&packet.bytes).lines().nth(1).unwrap().to_owned();
    let (first, last) = (&rig.announcements[0].1, &rig.announcements.last().unwrap().1);
    assert_ne!(origin(first), origin(last), "PulseAudio takes no new SSRC under an old name");
}

#[test]
fn what_a_container_lacks_is_said_in_words_and_tried_again_until_it_takes_it() {
    for (container, words) in [
        (Container::Deaf, "listens for announcements"),
        (Container::Stubborn, "opens no port"),
        (Container::Gone, "cannot be reached"),
    ] {
        let mut rig = Rig::new(container, config());
        rig.join(1);
        rig.pass(ms(1000));
        assert_eq!(rig.status(), (TalkState::Opening, None), "it may be slow");
        rig.pass(ms(1000));
        let (state, trouble) = rig.status();
        assert_eq!(state, TalkState::Refused);
        assert!(trouble.unwrap().contains(words), "{trouble:?}");
        rig.pass(ms(60_000));
        let knocks = rig.announcements.len();
        assert!((25..60).contains(&knocks), "{knocks} announcements in a minute");
        let sessions: std::collections::HashSet<u16> =
            rig.announcements.iter().map(|(_, packet)| announced_port(packet)).collect();
        assert!(rig.goodbyes() + 1 >= sessions.len(), "who is no longer meant is told");
        rig.container = Container::Listens(ms(15));
        // Of an address that nobody has, it takes Linux three seconds to say so.
        rig.pass(if container == Container::Gone { ms(6500) } else { ms(2500) });
        assert_eq!(rig.status(), (TalkState::Open, None), "{container:?}");
        assert!(rig.taken.len() > 10);
    }
}

#[test]
fn a_container_that_restarts_hears_again() {
    let mut rig = Rig::new(Container::Listens(ms(15)), config());
    rig.join(1);
    rig.pass(ms(1000));
    rig.pass(ms(10_000));
    (rig.container, rig.open) = (Container::Deaf, None);
    rig.pass(ms(20));
    for waited in 0..3000 {
        assert_ne!(rig.status().0, TalkState::Open, "after {} ms", waited * 10);
        assert!(waited < 200 || rig.status().0 == TalkState::Refused, "after {} ms", waited * 10);
        rig.pass(ms(10));
    }
    rig.container = Container::Listens(ms(15));
    let back = rig.now;
    rig.pass(ms(3500));
    let heard = rig.taken.iter().find(|(at, _)| *at > back).map(|(at, _)| *at - back).unwrap();
    assert!(heard < ms(3500), "{heard:?}");
}

#[test]
fn a_container_that_moves_is_followed_and_one_that_is_lost_is_missed() {
    let mut rig = Rig::new(Container::Listens(ms(15)), config());
    rig.join(1);
    rig.pass(ms(1000));
    rig.configure(vec![TalkConfig { destination: None, ..config() }]);
    assert_eq!(rig.goodbyes(), 1, "the old place is told that it is over");
    rig.pass(ms(2000));
    let (state, trouble) = rig.status();
    assert_eq!(state, TalkState::Refused);
    assert!(trouble.unwrap().contains("gone"), "{trouble:?}");
    rig.configure(vec![config()]);
    rig.pass(ms(300));
    assert_eq!(rig.status(), (TalkState::Open, None));
}

#[test]
fn who_may_no_longer_be_talked_into_is_told_of() {
    let mut rig = Rig::new(Container::Listens(ms(15)), config());
    rig.join(1);
    let frame =
        MicFrame { talker: TalkerId(1), sequence: 0, time: 0, received: rig.now, data: [0xf8].into() };
    rig.talkback.handle_frame(frame);
    rig.pass(ms(300));
    assert_eq!(rig.configure(Vec::new()), [(desktop(), false)]);
    assert_eq!(rig.talkback.counters().voices.packets, 1, "what was counted stays so");
    assert_eq!((rig.status().0, rig.goodbyes()), (TalkState::Closed, 1));
    rig.pass(ms(300));
    assert!(!rig.talkback.join(TalkerId(2), &desktop(), None, rig.now, &mut TalkOutput::default()));
}

#[test]
fn a_fixed_port_is_not_announced() {
    let destination = Some(Destination { address: CONTAINER, port: Some(6000) });
    let mut rig = Rig::new(Container::Listens(ms(0)), TalkConfig { destination, ..config() });
    rig.open = Some((6000, rig.now));
    rig.join(1);
    rig.pass(ms(1000));
    assert_eq!(rig.status(), (TalkState::Open, None));
    assert!(rig.announcements.is_empty());
    rig.open = None;
    rig.pass(ms(3000));
    assert!(rig.status().1.unwrap().contains("UDP port 6000"), "{:?}", rig.status());
}

#[test]
fn talkers_of_a_monitored_container_hear_it_and_each_other() {
    let mut rig = Rig::new(Container::Listens(ms(15)), TalkConfig { monitor: true, ..config() });
    let own = SessionId::new(5);
    assert!(rig.talkback.join(TalkerId(1), &desktop(), Some(own), rig.now, &mut TalkOutput::default()));
    rig.talkback.set_listeners(desktop(), 2);
    assert_eq!(rig.talkback.mixes().collect::<Vec<_>>(), [&desktop()]);
    let mut encoder = opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::Audio).unwrap();
    let mut tone = |n: u64| {
        let angle = |i: u64| ((n * 480 + i / 2) as f32 * 440.0 / 48_000.0).fract() * std::f32::consts::TAU;
        let sound: Vec<f32> = (0..960).map(|i| angle(i).sin() * 0.3).collect();
        encoder.encode_vec_float(&sound, 1000).unwrap()
    };
    for n in 0..100 {
        let data = tone(n);
        let frame = OpusFrame {
            source: desktop(),
            to: Recipients::All,
            time: n * 480,
            samples: 480,
            data: data.into(),
        };
        rig.talkback.handle_container_frame(&frame, rig.now);
        rig.pass(ms(10));
    }
    let count = |to| rig.frames.iter().filter(|frame| frame.to == to).count();
    let (others, session) = (count(Recipients::Others), count(Recipients::Session(own)));
    assert!((90..=105).contains(&others) && (90..=105).contains(&session), "{others} {session}");
    assert!(
        rig.taken.iter().all(|(_, packet)| packet[12..].iter().all(|byte| *byte == 0)),
        "it does not hear itself"
    );
    let data = tone(0);
    let frame = MicFrame { talker: TalkerId(1), sequence: 0, time: 0, received: rig.now, data: data.into() };
    rig.talkback.handle_frame(frame);
    rig.pass(ms(100));
    assert!(
        rig.taken.iter().any(|(_, packet)| packet[12..].iter().any(|byte| *byte != 0)),
        "it hears its talker"
    );
}

#[test]
fn who_only_listens_hears_talkers_who_do_not() {
    let mut rig = Rig::new(Container::Deaf, TalkConfig { destination: None, room: true, ..config() });
    let own = SessionId::new(5);
    let mut encoder = opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
    let mut spoken = 0;
    let mut others = |rig: &mut Rig, talker| {
        let before = rig.frames.len();
        for n in spoken..spoken + 50 {
            let sound: Vec<f32> = (0..960).map(|i| ((n * 960 + i) as f32 * 0.05).sin() * 0.3).collect();
            let data = encoder.encode_vec_float(&sound, 1000).unwrap().into();
            let (sequence, time) = (n, n * 960);
            rig.talkback.handle_frame(MicFrame { talker, sequence, time, received: rig.now, data });
            rig.pass(ms(20));
        }
        spoken += 50;
        rig.frames[before..].iter().filter(|frame| frame.to == Recipients::Others).count()
    };
    let join = |rig: &mut Rig, talker| {
        assert!(rig.talkback.join(talker, &desktop(), Some(own), rig.now, &mut TalkOutput::default()));
    };
    join(&mut rig, TalkerId(1));
    rig.talkback.set_listeners(desktop(), 1);
    assert_eq!(others(&mut rig, TalkerId(1)), 0, "the only listener is the talker itself");
    join(&mut rig, TalkerId(2));
    rig.talkback.set_listeners(desktop(), 2);
    assert!(others(&mut rig, TalkerId(2)) > 40, "two talkers may be one listener");
    rig.talkback.leave(TalkerId(1), rig.now);
    rig.talkback.deafen(TalkerId(2));
    rig.talkback.set_listeners(desktop(), 1);
    assert!(others(&mut rig, TalkerId(2)) > 40, "the listener that is left is another");
}
