//! Talkers at the fan-out: real WebRTC on both sides, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod listener;

use std::time::Duration;

use listener::{Listener, Rig, desktop};
use soundport_core::TalkerId;
use soundport_core::fanout::{ConnectError, FanoutEvent, OfferError, Output, Purpose};
use soundport_core::{OpusFrame, Recipients};
use str0m::media::Direction;

const WORDS: [&[u8]; 4] = [b"one", b"two", b"three", b"four"];

fn said(rig: &Rig) -> Vec<&[u8]> {
    rig.microphones.iter().map(|frame| &*frame.data).collect()
}

fn events(rig: &mut Rig) -> Vec<FanoutEvent> {
    std::iter::from_fn(|| rig.fanout.poll_event()).collect()
}

#[test]
fn what_a_talker_says_comes_out_with_its_times() {
    let mut rig = Rig::new();
    let (index, session) = rig.talk("10.0.0.7:4000", None, |offer| offer);
    assert_eq!(session.talker, Some(TalkerId(1)));
    let joined = FanoutEvent::Joined { talker: TalkerId(1), source: desktop(), listener: None };
    assert_eq!(events(&mut rig), [joined], "a talker is no listener");
    rig.speak(index, &WORDS);
    assert_eq!(said(&rig), WORDS);
    assert!(rig.microphones.iter().all(|frame| frame.talker == TalkerId(1)));
    let steps: Vec<_> = rig
        .microphones
        .windows(2)
        .map(|two| (two[1].sequence - two[0].sequence, two[1].time - two[0].time))
        .collect();
    assert_eq!(steps, [(1, 960); 3]);

    assert!(rig.fanout.disconnect(session.id, rig.now, &mut Output::default()));
    assert_eq!(events(&mut rig), [FanoutEvent::Left { talker: TalkerId(1) }]);
}

#[test]
fn a_talker_is_heard_whose_packets_name_neither_section_nor_source() {
    let mut rig = Rig::new();
    let bare = |offer: String| {
        let named = |line: &&str| {
            line.starts_with("a=extmap:") || line.starts_with("a=ssrc") || line.starts_with("a=msid")
        };
        offer.lines().filter(|line| !named(line)).map(|line| format!("{line}\r\n")).collect()
    };
    let (index, _) = rig.talk("10.0.0.7:4000", None, bare);
    rig.speak(index, &WORDS);
    assert_eq!(said(&rig), WORDS);
}

#[test]
fn offers_that_are_more_or_less_than_a_microphone_are_refused_in_words() {
    let mut rig = Rig::new();
    let mut talker = Listener::new("10.0.0.7:4000", rig.now);
    let offer = talker.offer_to(Direction::SendOnly);
    let section = &offer[offer.find("m=audio").unwrap()..];
    let refused = |rig: &mut Rig, offer: String| {
        let request = rig.request(Purpose::Talk(None), &offer);
        match rig.fanout.connect(request, rig.now) {
            Err(ConnectError::Offer(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(&mut rig, format!("{offer}{section}")), OfferError::NotAlone(2));
    let video = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:9\r\na=rtpmap:96 VP8/90000\r\n";
    assert_eq!(refused(&mut rig, format!("{offer}{video}")), OfferError::NotAlone(2));
    assert_eq!(refused(&mut rig, offer.replace("sendonly", "recvonly")), OfferError::NoMicrophone);
    assert_eq!(refused(&mut rig, offer.replace("opus/48000/2", "PCMU/8000")), OfferError::NoMicrophone);
    assert_eq!(rig.fanout.sessions(), 0);
}

#[test]
fn a_talker_that_listens_hears_its_own_mix_instead_of_that_of_all() {
    let mut rig = Rig::new();
    let (own, listening) = rig.listen("10.0.0.5:4000");
    let (other, _) = rig.listen("10.0.0.6:4000");
    let (_, talking) = rig.talk("10.0.0.5:4001", Some(listening.id), |offer| offer);
    let heard = |rig: &mut Rig, to: Recipients| {
        let before = [own, other].map(|index| rig.listeners[index].heard.len());
        rig.send(OpusFrame {
            source: desktop(),
            to,
            time: 480 * rig.frame_number,
            samples: 480,
            data: b"frame".as_slice().into(),
        });
        [0, 1].map(|i| rig.listeners[[own, other][i]].heard.len() - before[i])
    };
    assert_eq!(heard(&mut rig, Recipients::All), [1, 1]);
    assert_eq!(heard(&mut rig, Recipients::Others), [0, 1]);
    assert_eq!(heard(&mut rig, Recipients::Session(listening.id)), [1, 0]);

    rig.fanout.disconnect(talking.id, rig.now, &mut Output::default());
    assert_eq!(heard(&mut rig, Recipients::Others), [1, 1], "who no longer talks hears what all hear");
}

#[test]
fn a_talker_cannot_claim_a_session_that_does_not_listen_here() {
    let mut rig = Rig::new();
    let (_, talking) = rig.talk("10.0.0.5:4001", None, |offer| offer);
    let mut talker = Listener::new("10.0.0.7:4000", rig.now);
    let request = rig.request(Purpose::Talk(Some(talking.id)), &talker.offer_to(Direction::SendOnly));
    assert_eq!(rig.fanout.connect(request, rig.now).unwrap_err(), ConnectError::NotListening(desktop()));
}

#[test]
fn talkers_of_a_source_are_counted_and_ended_apart_from_its_listeners() {
    let mut rig = Rig::new();
    let (_, listening) = rig.listen("10.0.0.5:4000");
    for n in 0..16 {
        rig.talk(&format!("10.0.1.{n}:4000"), None, |offer| offer);
    }
    let mut talker = Listener::new("10.0.0.7:4000", rig.now);
    let request = rig.request(Purpose::Talk(None), &talker.offer_to(Direction::SendOnly));
    assert_eq!(rig.fanout.connect(request, rig.now).unwrap_err(), ConnectError::TalkersFull(desktop()));
    assert_eq!(rig.fanout.sessions(), 17);
    events(&mut rig);
    rig.fanout.end_talkers(&desktop(), rig.now, &mut Output::default());
    assert_eq!(events(&mut rig).len(), 16);
    assert_eq!(rig.fanout.sessions(), 1);
    assert!(rig.fanout.session(listening.id).is_some());
    rig.pass(Duration::from_secs(1));
}

#[test]
fn a_listener_that_is_handed_to_the_mixer_notices_no_jump_in_time() {
    let mut rig = Rig::new();
    let (index, _) = rig.listen("10.0.0.5:4000");
    rig.play(5);
    for n in 0..5 {
        let time = 1_000_000_007 + n * 480;
        rig.send(OpusFrame {
            source: desktop(),
            to: Recipients::Others,
            time,
            samples: 480,
            data: b"mix".as_slice().into(),
        });
    }
    rig.play(5);
    let stamps: Vec<u32> = rig.listeners[index].heard.iter().map(|heard| heard.timestamp).collect();
    let steps: Vec<u32> = stamps.windows(2).map(|two| two[1].wrapping_sub(two[0])).collect();
    assert_eq!(steps, [480; 14]);
}

#[test]
fn who_asks_and_never_comes_keeps_nobody_out() {
    let mut rig = Rig::new();
    for n in 0..40 {
        let mut ghost = Listener::new(&format!("10.0.1.{n}:4000"), rig.now);
        let request = rig.request(Purpose::Talk(None), &ghost.offer_to(Direction::SendOnly));
        assert!(rig.fanout.connect(request, rig.now).is_ok());
    }
    assert_eq!(rig.fanout.sessions(), 16);
    rig.talk("10.0.0.7:4000", None, |offer| offer);
}

#[test]
fn who_stops_listening_talks_on_without() {
    let mut rig = Rig::new();
    let (_, listening) = rig.listen("10.0.0.5:4000");
    rig.talk("10.0.0.5:4001", Some(listening.id), |offer| offer);
    events(&mut rig);
    rig.fanout.disconnect(listening.id, rig.now, &mut Output::default());
    let over = FanoutEvent::Audience { source: desktop(), listeners: 0 };
    assert_eq!(events(&mut rig), [over, FanoutEvent::Deafened { talker: TalkerId(1) }]);
}

#[test]
fn a_listener_that_talks_twice_keeps_its_own_mix_until_both_are_gone() {
    let mut rig = Rig::new();
    let (index, listening) = rig.listen("10.0.0.5:4000");
    let (_, one) = rig.talk("10.0.0.5:4001", Some(listening.id), |offer| offer);
    let (_, other) = rig.talk("10.0.0.5:4002", Some(listening.id), |offer| offer);
    let hears = |rig: &mut Rig| {
        let before = rig.listeners[index].heard.len();
        let time = 480 * rig.frame_number;
        let data = b"all".as_slice().into();
        rig.send(OpusFrame { source: desktop(), to: Recipients::Others, time, samples: 480, data });
        rig.listeners[index].heard.len() > before
    };
    rig.fanout.disconnect(one.id, rig.now, &mut Output::default());
    assert!(!hears(&mut rig));
    rig.fanout.disconnect(other.id, rig.now, &mut Output::default());
    assert!(hears(&mut rig));
}
