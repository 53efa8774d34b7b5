//! Listeners and talkers made of str0m, and the wire between them and a fan-out, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    reason = "a test stops at the first surprise, its clock starts somewhere, and none needs all of this"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use soundport_core::fanout::{
    Candidates, Connect, Credentials, Fanout, Incoming, LocalAddr, OfferError, Output as Sent, PeerAddr,
    Purpose, Session, Transmit,
};
use soundport_core::{MicFrame, OpusFrame, Recipients, SessionId, SourceId};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{DatagramRecv, Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};

/// The relay's media address, as its host knows it.
pub(crate) const RELAY: &str = "10.0.0.1:8443";

/// An RTP packet as a listener got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) payload: Vec<u8>,
}

/// A WebRTC client that listens, or talks.
pub(crate) struct Listener {
    pub(crate) rtc: Rtc,
    pub(crate) address: SocketAddr,
    /// Its address as the relay sees it: another one where addresses are translated.
    pub(crate) seen_at: SocketAddr,
    pub(crate) protocol: Protocol,
    pub(crate) connected: bool,
    pub(crate) heard: Vec<Heard>,
    pending: Option<SdpPendingOffer>,
    mid: Option<Mid>,
}

impl Listener {
    pub(crate) fn new(address: &str, now: Instant) -> Self {
        Self::over(Protocol::Udp, address, now)
    }

    /// One that reaches the relay by this protocol alone.
    pub(crate) fn over(protocol: Protocol, address: &str, now: Instant) -> Self {
        let mut rtc = Rtc::builder().set_rtp_mode(true).clear_codecs().enable_opus(true, false).build(now);
        let address = address.parse().unwrap();
        rtc.add_local_candidate(Candidate::host(address, protocol).unwrap());
        Self {
            rtc,
            address,
            seen_at: address,
            protocol,
            connected: false,
            heard: Vec::new(),
            pending: None,
            mid: None,
        }
    }

    pub(crate) fn offer(&mut self) -> String {
        self.offer_to(Direction::RecvOnly)
    }

    pub(crate) fn offer_to(&mut self, direction: Direction) -> String {
        let mut changes = self.rtc.sdp_api();
        self.mid = Some(changes.add_media(MediaKind::Audio, direction, None, None, None));
        let changes = changes.apply();
        self.apply(changes)
    }

    /// Sends one packet of 20 ms as a microphone would.
    fn speak(&mut self, number: u64, payload: &[u8], now: Instant) {
        let mid = self.mid.unwrap();
        let pt = *self.rtc.media(mid).unwrap().remote_pts().first().unwrap();
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).unwrap();
        stream.write_rtp(RtpWrite::new(pt, number.into(), (number * 960) as u32, now, payload.to_vec()));
    }

    fn apply(&mut self, changes: Option<(SdpOffer, SdpPendingOffer)>) -> String {
        let (offer, pending) = changes.unwrap();
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    pub(crate) fn accept(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
    }

    fn receive(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        let contents = DatagramRecv::try_from(bytes).unwrap();
        let receive = Receive { proto: self.protocol, source: from, destination: self.address, contents };
        self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
    }

    /// What it sends now.
    fn drain(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut sent = Vec::new();
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(_) => return sent,
                Output::Transmit(transmit) => sent.push((transmit.destination, transmit.contents.into())),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.heard.push(Heard {
                    sequence: *packet.seq_no,
                    timestamp: packet.header.timestamp,
                    payload: packet.payload.to_vec(),
                }),
                Output::Event(_) => {}
            }
        }
    }
}

/// A fan-out, its listeners, and a clock that they share.
pub(crate) struct Rig {
    pub(crate) fanout: Fanout,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) now: Instant,
    /// Where the relay says it is; datagrams for it arrive at [`RELAY`] all the same.
    pub(crate) announced: SocketAddr,
    /// Listeners whose network is cut.
    pub(crate) cut: Vec<usize>,
    pub(crate) frame_number: u64,
    /// What talkers said.
    pub(crate) microphones: Vec<MicFrame>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self {
            fanout: Fanout::new(100, [7; 32]).unwrap(),
            listeners: Vec::new(),
            now: Instant::now(),
            announced: RELAY.parse().unwrap(),
            cut: Vec::new(),
            frame_number: 0,
            microphones: Vec::new(),
        }
    }

    pub(crate) fn connect(&mut self, offer: &str) -> (Session, String) {
        self.fanout.connect(self.request(Purpose::Listen, offer), self.now).unwrap()
    }

    pub(crate) fn request(&self, purpose: Purpose, offer: &str) -> Connect {
        let candidates = Candidates { udp: vec![self.announced], tcp: vec![self.announced] };
        let patience = Duration::from_secs(20);
        Connect { source: desktop(), purpose, offer: offer.to_owned(), candidates, patience }
    }

    /// A listener that hears the source `desktop`, connected.
    pub(crate) fn listen(&mut self, address: &str) -> (usize, Session) {
        self.listen_over(Protocol::Udp, address)
    }

    /// The same by this protocol alone.
    pub(crate) fn listen_over(&mut self, protocol: Protocol, address: &str) -> (usize, Session) {
        let mut listener = Listener::over(protocol, address, self.now);
        let (session, answer) = self.connect(&listener.offer());
        self.join(listener, session, &answer)
    }

    /// A talker who speaks into `desktop`, connected, and listens by that session. `edit` may change its offer.
    pub(crate) fn talk(
        &mut self,
        address: &str,
        listener: Option<SessionId>,
        edit: impl Fn(String) -> String,
    ) -> (usize, Session) {
        let mut talker = Listener::new(address, self.now);
        let offer = edit(talker.offer_to(Direction::SendOnly));
        let request = self.request(Purpose::Talk(listener), &offer);
        let (session, answer) = self.fanout.connect(request, self.now).unwrap();
        assert!(answer.contains("a=recvonly"), "{answer}");
        self.join(talker, session, &answer)
    }

    /// Has a talker say some packets, 20 ms each.
    pub(crate) fn speak(&mut self, index: usize, packets: &[&[u8]]) {
        for (number, payload) in (0..).zip(packets) {
            self.listeners[index].speak(number, payload, self.now);
            self.pass(Duration::from_millis(20));
        }
    }

    fn join(&mut self, mut listener: Listener, session: Session, answer: &str) -> (usize, Session) {
        listener.accept(answer);
        self.listeners.push(listener);
        let index = self.listeners.len() - 1;
        for _ in 0..200 {
            self.pass(Duration::from_millis(10));
            if self.listeners[index].connected {
                return (index, session);
            }
        }
        panic!("the listener did not connect in two seconds");
    }

    /// Sends frames of `desktop`, 10 ms each.
    pub(crate) fn play(&mut self, frames: u64) {
        for _ in 0..frames {
            let frame = OpusFrame {
                source: desktop(),
                to: Recipients::All,
                time: self.frame_number * 480,
                samples: 480,
                data: Arc::from(self.frame_number.to_be_bytes()),
            };
            self.send(frame);
        }
    }

    /// Sends one frame, and lets its time pass.
    pub(crate) fn send(&mut self, frame: OpusFrame) {
        self.frame_number += 1;
        let mut out = Sent::default();
        self.fanout.handle_frame(&frame, self.now, &mut out);
        self.deliver_all(out);
        self.pass(Duration::from_millis(10));
    }

    /// Restarts the ICE of a listener by fragments, as WHEP does.
    pub(crate) fn restart(&mut self, index: usize, session: &Session) -> Result<Session, OfferError> {
        let mut changes = self.listeners[index].rtc.sdp_api();
        let credentials = changes.ice_restart(true);
        let changes = changes.apply();
        let offer = self.listeners[index].apply(changes);
        let remote = Credentials { ufrag: credentials.ufrag, password: credentials.pass };
        let mut out = Sent::default();
        let restarted = self.fanout.restart(session.id, remote, self.now, &mut out).unwrap();
        let (session, fragment) = restarted?;
        self.deliver_all(out);
        let answer = answer_from(&offer, &fragment);
        self.listeners[index].accept(&answer);
        Ok(session)
    }

    /// Lets time pass, in steps of 1 ms at most.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = (self.now + Duration::from_millis(1)).min(end);
            let mut out = Sent::default();
            self.fanout.handle_timeout(self.now, &mut out);
            self.deliver_all(out);
            for index in 0..self.listeners.len() {
                self.listeners[index].rtc.handle_input(Input::Timeout(self.now)).unwrap();
                self.exchange(index);
            }
        }
    }

    pub(crate) fn inject(&mut self, from: SocketAddr, bytes: &[u8]) -> Vec<Transmit> {
        self.inject_from(PeerAddr::Udp(from), bytes)
    }

    pub(crate) fn inject_from(&mut self, from: PeerAddr, bytes: &[u8]) -> Vec<Transmit> {
        let mut out = Sent::default();
        let to = LocalAddr(RELAY.parse().unwrap());
        self.fanout.handle_datagram(&Incoming { from, to, bytes }, self.now, &mut out);
        self.microphones.append(&mut out.microphones);
        out.datagrams.append(&mut out.framed);
        out.datagrams
    }

    /// From now on the relay sees a listener at another address.
    pub(crate) fn move_to(&mut self, index: usize, seen_at: SocketAddr) {
        self.listeners[index].seen_at = seen_at;
    }

    fn exchange(&mut self, index: usize) {
        let address = self.listeners[index].seen_at;
        let from = match self.listeners[index].protocol {
            Protocol::Udp => PeerAddr::Udp(address),
            _ => PeerAddr::Tcp(address),
        };
        for (to, bytes) in self.listeners[index].drain() {
            if to == self.announced && !self.cut.contains(&index) {
                let out = self.inject_from(from, &bytes);
                self.deliver(out);
            }
        }
    }

    fn deliver_all(&mut self, mut out: Sent) {
        out.datagrams.append(&mut out.framed);
        self.deliver(out.datagrams);
    }

    fn deliver(&mut self, out: Vec<Transmit>) {
        for transmit in out {
            assert_eq!(
                transmit.from,
                Some(LocalAddr(RELAY.parse().unwrap())),
                "it must leave where checks arrived"
            );
            let is_it = |listener: &Listener| match transmit.to {
                PeerAddr::Udp(to) => listener.protocol == Protocol::Udp && listener.seen_at == to,
                PeerAddr::Tcp(to) => listener.protocol == Protocol::Tcp && listener.seen_at == to,
            };
            let Some(index) = self.listeners.iter().position(is_it) else {
                continue;
            };
            if !self.cut.contains(&index) {
                let (relay, now) = (self.announced, self.now);
                self.listeners[index].receive(relay, &transmit.bytes, now);
                self.exchange(index);
            }
        }
    }
}

pub(crate) fn desktop() -> SourceId {
    SourceId::new("desktop")
}

/// str0m takes whole answers only: the offer turned round, with the fragment's transport in it.
fn answer_from(offer: &str, fragment: &str) -> String {
    let mut answer = String::new();
    for line in offer.lines() {
        let ours = ["a=ice-", "a=candidate", "a=end-of-candidates", "a=setup", "a=recvonly"];
        if !ours.iter().any(|prefix| line.starts_with(prefix)) {
            answer += &format!("{line}\r\n");
        }
    }
    answer += "a=setup:passive\r\na=sendonly\r\n";
    for line in fragment.lines().filter(|line| line.starts_with("a=ice-") || line.starts_with("a=candidate"))
    {
        if line != "a=ice-lite" {
            answer += &format!("{line}\r\n");
        }
    }
    answer
}
