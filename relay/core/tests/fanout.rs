//! The fan-out as listeners meet it: real WebRTC on both sides, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod listener;

use std::time::Duration;

use listener::{Heard, Listener, Rig};
use soundport_core::fanout::{ConnectError, FanoutEvent, OfferError, Output, Purpose};

#[test]
fn a_listener_hears_every_frame_at_its_exact_time() {
    let mut rig = Rig::new();
    let (listener, _) = rig.listen("10.0.0.2:4000");
    rig.play(300);
    let heard = &rig.listeners[listener].heard;
    assert_eq!(heard.len(), 300);
    for (number, pair) in heard.windows(2).enumerate() {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(480), "packet {number}");
    }
    assert_eq!(frames(heard), (0..300).collect::<Vec<_>>());
}

#[test]
fn a_pause_shows_in_the_timestamps_and_not_in_the_sequence() {
    let mut rig = Rig::new();
    let (listener, _) = rig.listen("10.0.0.2:4000");
    rig.play(10);
    rig.pass(Duration::from_secs(10));
    rig.frame_number += 1000;
    rig.play(10);
    let heard = &rig.listeners[listener].heard;
    assert_eq!(heard.len(), 20);
    assert_eq!(heard[10].sequence, heard[9].sequence + 1);
    assert_eq!(heard[10].timestamp, heard[9].timestamp.wrapping_add(1001 * 480));
}

#[test]
fn one_who_leaves_disturbs_nobody() {
    let mut rig = Rig::new();
    let (first, session) = rig.listen("10.0.0.2:4000");
    let (second, _) = rig.listen("10.0.0.3:4000");
    rig.play(50);
    assert!(rig.fanout.disconnect(session.id, rig.now, &mut Output::default()));
    rig.play(50);
    assert_eq!(frames(&rig.listeners[first].heard).len(), 50);
    assert_eq!(frames(&rig.listeners[second].heard), (0..100).collect::<Vec<_>>());
    assert!(!rig.fanout.disconnect(session.id, rig.now, &mut Output::default()), "a session ends once");
}

#[test]
fn a_listener_that_falls_silent_is_dropped() {
    let mut rig = Rig::new();
    let (listener, _) = rig.listen("10.0.0.2:4000");
    assert_eq!(audience(&mut rig), Some(1));
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.fanout.sessions(), 1, "who answers checks stays, also without sound");
    rig.cut.push(listener);
    rig.pass(Duration::from_secs(25));
    assert_eq!(rig.fanout.sessions(), 0);
    assert_eq!(audience(&mut rig), Some(0));
    assert_eq!(rig.fanout.poll_timeout(), None, "nothing is left to wake up for");
}

#[test]
fn a_listener_that_never_comes_is_dropped() {
    let mut rig = Rig::new();
    let offer = Listener::new("10.0.0.2:4000", rig.now).offer();
    rig.connect(&offer);
    rig.pass(Duration::from_secs(25));
    assert_eq!(rig.fanout.sessions(), 0);
}

#[test]
fn a_browser_that_says_goodbye_is_gone_at_once() {
    let mut rig = Rig::new();
    let (listener, _) = rig.listen("10.0.0.2:4000");
    rig.listeners[listener].rtc.close().unwrap();
    rig.pass(Duration::from_millis(100));
    assert_eq!(rig.fanout.sessions(), 0);
}

#[test]
fn the_sound_goes_on_after_an_ice_restart() {
    let mut rig = Rig::new();
    let (listener, session) = rig.listen("10.0.0.2:4000");
    rig.play(20);
    let restarted = rig.restart(listener, &session).unwrap();
    assert_ne!(restarted.ice.unwrap().tag, session.ice.unwrap().tag);
    rig.play(100);
    let heard = frames(&rig.listeners[listener].heard);
    assert_eq!(heard.last(), Some(&119));
    assert!(heard.len() >= 115, "{} of 120 frames were heard", heard.len());
}

#[test]
fn a_forwarded_port_is_no_obstacle() {
    let mut rig = Rig::new();
    rig.announced = "203.0.113.7:7000".parse().unwrap();
    let (listener, _) = rig.listen("198.51.100.9:4000");
    rig.play(10);
    assert_eq!(rig.listeners[listener].heard.len(), 10);
}

#[test]
fn junk_is_dropped_and_counted_and_the_sound_goes_on() {
    let mut rig = Rig::new();
    let (listener, session) = rig.listen("10.0.0.2:4000");
    let known = rig.listeners[listener].address;
    let stranger = "10.6.6.6:666".parse().unwrap();
    let before = rig.fanout.counters().dropped;
    let mut junk: Vec<Vec<u8>> =
        vec![vec![], vec![0], vec![0x80; 12], vec![0xff; 1500], vec![22; 40], b"\0\x01\0\0".to_vec()];
    // A check that names the peer, and does not know its password.
    let mut forged = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    forged.extend([1; 12]);
    let name = format!("{}:x", session.ice.unwrap().tag);
    forged.extend([0, 6, 0, name.len() as u8]);
    forged.extend(name.bytes());
    forged.resize(forged.len().next_multiple_of(4), 0);
    forged[3] = (forged.len() - 20) as u8;
    junk.push(forged);
    for bytes in &junk {
        assert!(rig.inject(stranger, bytes).is_empty(), "a stranger gets no answer");
        rig.inject(known, bytes);
    }
    assert!(rig.fanout.counters().dropped >= before + junk.len() as u64);
    rig.play(50);
    assert_eq!(rig.listeners[listener].heard.len(), 50);
}

#[test]
fn video_in_the_offer_is_rejected_and_the_candidates_stand_with_the_audio() {
    let mut rig = Rig::new();
    let offer = Listener::new("10.0.0.2:4000", rig.now).offer();
    let cut = offer.find("m=audio").unwrap();
    let video = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n";
    for offer in [format!("{}{video}{}", &offer[..cut], &offer[cut..]), format!("{offer}{video}")] {
        let (_, answer) = rig.connect(&offer);
        let (before, after) = answer.split_once("m=audio 9 ").expect("the audio is accepted");
        assert!(answer.contains("m=video 0 UDP/TLS/RTP/SAVPF 96"), "{answer}");
        let with_candidates = after.split("m=").next().unwrap();
        assert!(with_candidates.contains("a=candidate:") && !before.contains("a=candidate:"), "{answer}");
        assert!(
            with_candidates.contains("a=sendonly") && with_candidates.contains("sprop-stereo=1"),
            "{answer}"
        );
    }
}

#[test]
fn an_offer_that_cannot_be_answered_is_refused_with_the_reason() {
    let mut rig = Rig::new();
    let offer = Listener::new("10.0.0.2:4000", rig.now).offer();
    let refused = |rig: &mut Rig, offer: String| {
        let connect = rig.request(Purpose::Listen, &offer);
        match rig.fanout.connect(connect, rig.now) {
            Err(ConnectError::Offer(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(refused(&mut rig, "hello".into()), OfferError::Malformed(_)));
    assert_eq!(refused(&mut rig, offer.replace("opus/48000/2", "PCMU/8000")), OfferError::NoOpus);
    assert_eq!(refused(&mut rig, offer.replace("a=recvonly", "a=sendonly")), OfferError::NoOpus);
    assert_eq!(refused(&mut rig, offer.replace("a=ice-pwd", "a=x")), OfferError::Incomplete("a=ice-pwd"));
    assert_eq!(
        refused(&mut rig, offer.replace("a=fingerprint", "a=x")),
        OfferError::Incomplete("a=fingerprint")
    );
    assert_eq!(rig.fanout.sessions(), 0);
}

#[test]
fn there_is_an_end_to_how_many_are_served() {
    let mut rig = Rig::new();
    let offer = Listener::new("10.0.0.2:4000", rig.now).offer();
    for _ in 0..100 {
        rig.connect(&offer);
    }
    let connect = rig.request(Purpose::Listen, &offer);
    assert_eq!(rig.fanout.connect(connect, rig.now).unwrap_err(), ConnectError::Full(100));
}

fn frames(heard: &[Heard]) -> Vec<u64> {
    heard.iter().map(|packet| u64::from_be_bytes(packet.payload[..].try_into().unwrap())).collect()
}

/// The last audience that was told.
fn audience(rig: &mut Rig) -> Option<u32> {
    let mut last = None;
    while let Some(FanoutEvent::Audience { listeners, .. }) = rig.fanout.poll_event() {
        last = Some(listeners);
    }
    last
}
