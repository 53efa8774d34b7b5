//! Which way the handshake is answered on, with checks made by hand: browsers differ in when and what they nominate.
#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(dead_code, reason = "the rig serves several tests")]

mod listener;

use std::net::SocketAddr;
use std::sync::Arc;

use listener::{Listener, RELAY, Rig};
use soundport_core::fanout::{Candidates, Connect, Incoming, LocalAddr, Output, PeerAddr, Purpose, Session};
use str0m::ice::{StunMessage, TransId};

const FIRST: &str = "10.0.0.2:4000";
const SECOND: &str = "10.0.9.9:999";

/// What a browser knows of its session.
struct Browser {
    username: String,
    password: String,
}

impl Browser {
    fn connect(rig: &mut Rig) -> Self {
        let offer = Listener::new(FIRST, rig.now).offer();
        Self::of(&rig.connect(&offer))
    }

    fn of((session, answer): &(Session, String)) -> Self {
        let password = answer.lines().find_map(|line| line.strip_prefix("a=ice-pwd:")).unwrap().to_owned();
        let ice = session.ice.as_ref().unwrap();
        Self { username: format!("{}:{}", ice.tag, ice.remote.ufrag), password }
    }

    fn check(&self, priority: u32, nominates: bool) -> Vec<u8> {
        let hmac = str0m_aws_lc_rs::default_provider().sha1_hmac_provider;
        let check =
            StunMessage::binding_request(&self.username, TransId::new(), true, 1, priority, nominates);
        let mut bytes = vec![0; 300];
        let sign = |key: &[u8], payloads: &[&[u8]]| hmac.sha1_hmac(key, payloads);
        let length = check.to_bytes(Some(self.password.as_bytes()), &mut bytes, sign).unwrap();
        bytes.truncate(length);
        bytes
    }
}

#[test]
fn the_handshake_is_answered_before_the_browser_nominates() {
    let mut rig = Rig::new();
    let browser = Browser::connect(&mut rig);
    rig.inject(at(FIRST), &browser.check(100, false));
    let hello = client_hello(&rig);
    assert_eq!(answered(&mut rig, FIRST, &hello), [at(FIRST)]);
}

#[test]
fn what_the_browser_nominates_prevails_over_what_came_first() {
    let mut rig = Rig::new();
    let browser = Browser::connect(&mut rig);
    // By priority alone the first would stay.
    rig.inject(at(FIRST), &browser.check(1000, false));
    rig.inject(at(SECOND), &browser.check(100, true));
    let hello = client_hello(&rig);
    assert_eq!(answered(&mut rig, SECOND, &hello), [at(SECOND)]);
}

#[test]
fn a_way_that_is_nominated_late_is_taken_if_the_browser_goes_back_to_it() {
    let mut rig = Rig::new();
    let browser = Browser::connect(&mut rig);
    rig.inject(at(FIRST), &browser.check(1000, false));
    rig.inject(at(SECOND), &browser.check(100, true));
    rig.inject(at(FIRST), &browser.check(1000, true));
    let hello = client_hello(&rig);
    assert_eq!(answered(&mut rig, FIRST, &hello), [at(FIRST)]);
}

#[test]
fn what_the_browser_nominates_prevails_also_between_two_addresses_of_the_relay() {
    const OTHER: &str = "10.0.0.7:8443";
    let mut rig = Rig::new();
    let offer = Listener::new(FIRST, rig.now).offer();
    let candidates = Candidates { udp: vec![at(RELAY), at(OTHER)], tcp: vec![] };
    let connect = Connect { candidates, ..rig.request(Purpose::Listen, &offer) };
    let browser = Browser::of(&rig.fanout.connect(connect, rig.now).unwrap());
    // The relay's first address has the higher priority.
    rig.inject(at(FIRST), &browser.check(100, false));
    let to_other = |rig: &mut Rig, bytes: &[u8]| {
        let mut out = Output::default();
        let (from, to) = (PeerAddr::Udp(at(FIRST)), LocalAddr(at(OTHER)));
        rig.fanout.handle_datagram(&Incoming { from, to, bytes }, rig.now, &mut out);
        out.datagrams
    };
    to_other(&mut rig, &browser.check(100, true));
    let hello = client_hello(&rig);
    let out = to_other(&mut rig, &hello);
    assert!(!out.is_empty(), "the handshake was not answered");
    assert!(out.iter().all(|transmit| transmit.from == Some(LocalAddr(at(OTHER)))), "{out:?}");
}

/// Where the handshake is answered when its first datagram comes from `from`.
fn answered(rig: &mut Rig, from: &str, hello: &[u8]) -> Vec<SocketAddr> {
    const HANDSHAKE: u8 = 22;
    let out = rig.inject(at(from), hello);
    out.iter()
        .filter(|transmit| transmit.bytes[0] == HANDSHAKE)
        .map(|transmit| transmit.to.address())
        .collect()
}

fn client_hello(rig: &Rig) -> Vec<u8> {
    let certificate = dimpl::certificate::generate_self_signed_certificate().unwrap();
    let config = Arc::new(dimpl::Config::builder().build().unwrap());
    let mut client = dimpl::Dtls::new_12(config, certificate, rig.now);
    client.set_active(true);
    client.handle_timeout(rig.now).unwrap();
    let mut buffer = vec![0; 2000];
    match client.poll_output(&mut buffer) {
        dimpl::Output::Packet(hello) => hello.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}
