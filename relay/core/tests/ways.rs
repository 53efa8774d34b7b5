//! Other ways than UDP: TCP connections, and streams outside of WebRTC.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod listener;

use std::sync::Arc;
use std::time::Duration;

use soundport_core::fanout::{ConnectError, FanoutEvent, Output, PeerAddr, Purpose};
use soundport_core::{MicFrame, OpusFrame, Recipients};
use str0m::net::Protocol;

use crate::listener::{Rig, desktop};

fn frame(number: u64) -> OpusFrame {
    let data = Arc::from(number.to_be_bytes());
    OpusFrame { source: desktop(), to: Recipients::All, time: number * 480, samples: 480, data }
}

fn events(rig: &mut Rig) -> Vec<FanoutEvent> {
    std::iter::from_fn(|| rig.fanout.poll_event()).collect()
}

#[test]
fn a_listener_behind_a_firewall_hears_by_tcp() {
    let mut rig = Rig::new();
    rig.announced = "203.0.113.7:8443".parse().unwrap();
    let (by_udp, _) = rig.listen("198.51.100.9:4000");
    // The same address and port, as another transport has them.
    let (by_tcp, _) = rig.listen_over(Protocol::Tcp, "198.51.100.9:4000");
    rig.play(20);
    for listener in [by_udp, by_tcp] {
        assert_eq!(rig.listeners[listener].heard.len(), 20);
    }
    assert!(rig.fanout.knows(PeerAddr::Tcp(rig.listeners[by_tcp].address)));
    rig.cut.push(by_tcp);
    rig.pass(Duration::from_secs(21));
    assert!(!rig.fanout.knows(PeerAddr::Tcp(rig.listeners[by_tcp].address)), "it is gone");
}

#[test]
fn the_answer_names_tcp_below_udp() {
    let mut rig = Rig::new();
    let offer = listener::Listener::new("10.0.0.2:4000", rig.now).offer();
    let (_, answer) = rig.connect(&offer);
    let priority = |way: &str| -> u32 {
        let line = answer.lines().find(|line| line.contains(way)).unwrap();
        line.split(' ').nth(3).unwrap().parse().unwrap()
    };
    assert!(answer.contains(" tcp ") && answer.contains("typ host tcptype passive"), "{answer}");
    assert!(priority(" udp ") > priority(" tcp "), "{answer}");
}

#[test]
fn a_session_may_be_given_time_to_connect() {
    let mut rig = Rig::new();
    let later = Duration::from_secs(250);
    // Its own clock begins when it has the answer, as a browser's does.
    let mut listener = listener::Listener::new("10.0.0.2:4000", rig.now + later);
    let mut request = rig.request(Purpose::Listen, &listener.offer());
    request.patience = Duration::from_secs(300);
    let (_, answer) = rig.fanout.connect(request, rig.now).unwrap();
    rig.pass(later);
    listener.accept(&answer);
    rig.listeners.push(listener);
    rig.pass(Duration::from_secs(2));
    assert!(rig.listeners[0].connected);
    rig.cut.push(0);
    rig.pass(Duration::from_secs(21));
    assert_eq!(rig.fanout.sessions(), 0, "once connected it is as any other");
}

#[test]
fn a_stream_is_sent_what_all_hear_with_steady_times() {
    let mut rig = Rig::new();
    let session = rig.fanout.open_stream(desktop(), Purpose::Listen, rig.now).unwrap();
    let audience = FanoutEvent::Audience { source: desktop(), listeners: 1 };
    assert_eq!(events(&mut rig), [audience]);
    let mut out = Output::default();
    for number in 0..3 {
        rig.fanout.handle_frame(&frame(number), rig.now, &mut out);
    }
    let data: Vec<_> = out.messages.iter().map(|message| message.data.to_vec()).collect();
    assert_eq!(data, (0..3_u64).map(|number| number.to_be_bytes().to_vec()).collect::<Vec<_>>());
    let times: Vec<u32> = out.messages.iter().map(|message| message.timestamp).collect();
    assert_eq!([times[1].wrapping_sub(times[0]), times[2].wrapping_sub(times[1])], [480, 480]);
    assert!(out.messages.iter().all(|message| message.session == session.id));
    assert!(out.datagrams.is_empty() && out.framed.is_empty());
}

#[test]
fn a_stream_that_gives_no_sign_of_life_ends() {
    let mut rig = Rig::new();
    let session = rig.fanout.open_stream(desktop(), Purpose::Listen, rig.now).unwrap();
    for _ in 0..5 {
        rig.pass(Duration::from_secs(15));
        rig.fanout.handle_sign_of_life(session.id, rig.now);
    }
    assert_eq!(rig.fanout.sessions(), 1);
    rig.pass(Duration::from_secs(21));
    assert_eq!(rig.fanout.sessions(), 0);
    let gone = events(&mut rig);
    assert!(gone.contains(&FanoutEvent::StreamEnded { session: session.id }), "{gone:?}");
    assert!(gone.contains(&FanoutEvent::Audience { source: desktop(), listeners: 0 }), "{gone:?}");
}

#[test]
fn a_talker_by_a_stream_is_as_any_other() {
    let mut rig = Rig::new();
    let listening = rig.fanout.open_stream(desktop(), Purpose::Listen, rig.now).unwrap();
    let purpose = Purpose::Talk(Some(listening.id));
    let talking = rig.fanout.open_stream(desktop(), purpose, rig.now).unwrap();
    let talker = talking.talker.unwrap();
    let joined = FanoutEvent::Joined { talker, source: desktop(), listener: Some(listening.id) };
    assert!(events(&mut rig).contains(&joined));
    let mut out = Output::default();
    for timestamp in [0xffff_fe20, 0, 960, 480] {
        rig.fanout.handle_speech(talking.id, timestamp, Arc::from(*b"opus"), rig.now, &mut out);
    }
    let said = |frame: &MicFrame| (frame.talker, frame.sequence, frame.time - out.microphones[0].time);
    let said: Vec<_> = out.microphones.iter().map(said).collect();
    assert_eq!(said, [(talker, 0, 0), (talker, 1, 480), (talker, 2, 1440), (talker, 3, 960)]);
    rig.fanout.handle_frame(&frame(0), rig.now, &mut out);
    let own = OpusFrame { to: Recipients::Others, ..frame(1) };
    rig.fanout.handle_frame(&own, rig.now, &mut out);
    assert_eq!(out.messages.len(), 1, "others hear that one, who talks does not");
    rig.fanout.disconnect(talking.id, rig.now, &mut out);
    assert!(events(&mut rig).contains(&FanoutEvent::Left { talker }));
}

#[test]
fn a_second_session_on_trial_is_no_second_listener() {
    let mut rig = Rig::new();
    rig.fanout.open_stream(desktop(), Purpose::Listen, rig.now).unwrap();
    let mut listener = listener::Listener::new("10.0.0.2:4000", rig.now);
    rig.connect(&listener.offer());
    let audiences: Vec<_> = events(&mut rig);
    let one = FanoutEvent::Audience { source: desktop(), listeners: 1 };
    assert_eq!(audiences, [one.clone(), one]);
    rig.listen("10.0.0.3:4000");
    let two = FanoutEvent::Audience { source: desktop(), listeners: 2 };
    assert_eq!(events(&mut rig).last(), Some(&two));
}

#[test]
fn who_comes_by_new_connections_again_and_again_is_always_known() {
    let mut rig = Rig::new();
    let (listener, _) = rig.listen_over(Protocol::Tcp, "198.51.100.9:4000");
    let first = rig.listeners[listener].address;
    for port in 4001..4040 {
        let moved = std::net::SocketAddr::new(first.ip(), port);
        rig.move_to(listener, moved);
        rig.pass(Duration::from_secs(6));
        assert!(rig.fanout.knows(PeerAddr::Tcp(moved)), "from port {port} it is a stranger");
    }
    assert!(!rig.fanout.knows(PeerAddr::Tcp(first)), "the first address is still kept");
}

#[test]
fn few_may_wait_for_long_and_the_others_still_connect() {
    let mut rig = Rig::new();
    let offer = listener::Listener::new("10.0.0.2:4000", rig.now).offer();
    let mut connect = |secs| {
        let mut request = rig.request(Purpose::Listen, &offer);
        request.patience = Duration::from_secs(secs);
        rig.fanout.connect(request, rig.now).map(drop)
    };
    assert!((0..64).all(|_| connect(300).is_ok()));
    assert_eq!(connect(300), Err(ConnectError::TooManyWait));
    assert_eq!(connect(20), Ok(()));
}
