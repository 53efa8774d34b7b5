//! One WebRTC connection: the only owner of str0m's [`Rtc`].
//!
//! str0m asks that every mutation be followed by draining its output; each method here ends drained.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::change::SdpOffer;
use str0m::config::{CryptoProvider, DtlsCert, DtlsVersion};
use str0m::error::IceError;
use str0m::media::{Frequency, MediaTime, Mid, Pt};
use str0m::net::{DatagramRecv, Protocol, Receive, TcpType};
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{Candidate, Event, IceCreds, Input, Output as Engaged, Rtc, RtcConfig};
use tracing::debug;

use super::offer::{Credentials, Offer, OfferError};
use super::role::Role;
use super::stun::Check;
use super::{Candidates, Incoming, LocalAddr, Output, PeerAddr, Report, Transmit, answer};
use crate::session::SessionId;

/// The ways that a peer may have checked: more than any host has interfaces, and a bound on what a stranger can fill.
const MAX_PATHS: usize = 16;

/// How often str0m sums up what the other side reports: about as often as browsers report.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// str0m keeps sent packets for retransmission, which Opus never asks for: keep next to none.
const RETRANSMISSION_CACHE: usize = 2;

/// What all peers share.
pub(super) struct Engine {
    crypto: Arc<CryptoProvider>,
    certificate: DtlsCert,
}

impl Engine {
    /// Mints the DTLS certificate. None if the crypto provider cannot.
    pub(super) fn new() -> Option<Self> {
        let crypto = Arc::new(super::dtls::crypto_provider());
        let certificate = crypto.dtls_provider.generate_certificate()?;
        Some(Self { crypto, certificate })
    }

    fn rtc(&self, local: IceCreds, role: &Role, reports: Reports, now: Instant) -> Rtc {
        let mut extensions = ExtensionMap::empty();
        extensions.set(1, Extension::RtpMid);
        RtcConfig::new()
            .set_crypto_provider(self.crypto.clone())
            .set_dtls_cert(self.certificate.clone())
            // DTLS 1.3 costs seven times the media's encryption, for nothing that a listener would notice.
            .set_dtls_version(DtlsVersion::Dtls12)
            .set_ice_lite(true)
            .set_local_ice_credentials(local)
            .clear_codecs()
            .enable_opus(true, false)
            // Transport-wide congestion control would make browsers send 16 packets a second.
            .set_extension_map(extensions)
            .set_send_buffer_audio(RETRANSMISSION_CACHE)
            .set_stats_interval((reports == Reports::Kept).then_some(REPORT_EVERY))
            // A talker's packets are put into order by talkback, which knows how long it may wait for one.
            .set_rtp_mode(matches!(role, Role::Talker(_)))
            .build(now)
    }
}

/// Whether what the other side reports is summed up: each time wakes the relay, so that it is not for thousands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reports {
    Kept,
    Ignored,
}

/// A listener's or a talker's connection.
pub(super) struct Connection {
    rtc: Rtc,
    session: SessionId,
    offer: Offer,
    candidates: Candidates,
    media: (Mid, Pt),
    /// Where the peer's checks came from and to. The first is not special: str0m nominates.
    paths: Vec<Path>,
    deadline: Instant,
    connected: bool,
    nomination: Nomination,
    report: Option<Report>,
}

/// Who chose the way that packets take to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nomination {
    /// Nobody yet.
    Open,
    /// We did, for it was the first that worked: from this address to this candidate, with the check's priority.
    Ours(PeerAddr, SocketAddr, u32),
    /// The browser did.
    Theirs,
}

/// A pair of addresses that a verified STUN check has used.
struct Path {
    remote: PeerAddr,
    /// The relay's address as the peer knows it.
    candidate: SocketAddr,
    /// The relay's address as its host knows it.
    local: LocalAddr,
    /// When something came by it last.
    used: Instant,
}

/// What a peer's datagram turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Handled; and if it was a verified check from a new address, that address is now this peer's, and one that it has not used for
    /// long may be no more.
    Handled { new_address: bool, forgotten: Option<PeerAddr> },
    /// Not for this peer, or not understood.
    Dropped,
}

impl Connection {
    /// Answers the offer of a session by ICE credentials of ours. Returns the connection and its SDP answer.
    pub(super) fn accept(
        engine: &Engine,
        (session, local, role): (SessionId, IceCreds, &Role),
        offer: Offer,
        candidates: Candidates,
        reports: Reports,
        now: Instant,
    ) -> Result<(Self, String), OfferError> {
        let mut rtc = engine.rtc(local, role, reports, now);
        let udp = candidates.udp.iter().map(|address| (*address, Protocol::Udp));
        for (address, protocol) in udp.chain(candidates.tcp.iter().map(|address| (*address, Protocol::Tcp))) {
            match host_candidate(address, protocol) {
                Ok(candidate) => drop(rtc.add_local_candidate(candidate)),
                Err(error) => debug!(%address, %error, "Address is no candidate"),
            }
        }
        let engine_answer = answer_offer(&mut rtc, &offer)?;
        let media = negotiated(&rtc, &offer).ok_or(OfferError::NoOpus)?;
        let sdp = answer::weave(&offer, &engine_answer, &candidates);
        let connection = Self {
            rtc,
            session,
            offer,
            candidates,
            media,
            paths: Vec::new(),
            deadline: now,
            connected: false,
            nomination: Nomination::Open,
            report: None,
        };
        Ok((connection, sdp))
    }

    /// Restarts ICE (RFC 8445, section 9) with the other side's new credentials and ours. The sound goes on by the old
    /// way until a check arrives on a new one. Returns the SDP fragment that answers.
    pub(super) fn restart(
        &mut self,
        remote: Credentials,
        local: IceCreds,
        role: &Role,
        now: Instant,
        out: &mut Output,
    ) -> Result<String, OfferError> {
        let offer = self.offer.clone().with_credentials(remote);
        answer_offer(&mut self.rtc, &offer)?;
        self.offer = offer;
        // str0m drew credentials of its own; ours name this peer's index.
        self.rtc.direct_api().set_local_ice_credentials(local.clone());
        self.advance(role, now, out);
        Ok(answer::fragment(&self.offer, &local, &self.candidates))
    }

    /// Handles one datagram that came for this peer.
    pub(super) fn handle_datagram(
        &mut self,
        datagram: &Incoming<'_>,
        role: &mut Role,
        now: Instant,
        out: &mut Output,
    ) -> Verdict {
        let Some(candidate) = self.candidate_for(datagram) else { return Verdict::Dropped };
        let Ok(contents) = DatagramRecv::try_from(datagram.bytes) else { return Verdict::Dropped };
        let receive = Receive {
            proto: protocol(datagram.from),
            source: datagram.from.address(),
            destination: candidate,
            contents,
        };
        let input = Input::Receive(now, receive);
        if !self.rtc.accepts(&input) {
            return Verdict::Dropped;
        }
        // Accepted means: a check with the right password, or from an address that has made one.
        let (new_address, forgotten) = self.learn(datagram, candidate, now);
        if let Role::Talker(talking) = role
            && let Some(ssrc) = talking.news(datagram.bytes, *self.media.1)
        {
            self.rtc.direct_api().expect_stream_rx(ssrc.into(), None, self.media.0, None);
        }
        if let Err(error) = self.rtc.handle_input(input) {
            debug!(session = %self.session, %error, "Session failed");
            self.rtc.disconnect();
        }
        self.drain(role, now, out);
        if let Some(check) = Check::parse(datagram.bytes) {
            self.nominate((datagram.from, candidate), check, role, now, out);
        }
        Verdict::Handled { new_address, forgotten }
    }

    /// Sends one Opus packet; `time` counts samples at 48 kHz.
    pub(super) fn send(
        &mut self,
        time: u64,
        after_pause: bool,
        data: Arc<[u8]>,
        role: &Role,
        now: Instant,
        out: &mut Output,
    ) {
        let (mid, pt) = self.media;
        let Some(writer) = self.rtc.writer(mid) else { return };
        let time = MediaTime::new(time, Frequency::FORTY_EIGHT_KHZ);
        if let Err(error) = writer.start_of_talkspurt(after_pause).write(pt, now, time, data) {
            debug!(session = %self.session, %error, "Session failed");
            self.rtc.disconnect();
        }
        self.advance(role, now, out);
    }

    /// Ends the connection without a word.
    pub(super) fn disconnect(&mut self) {
        self.rtc.disconnect();
    }

    /// Says goodbye (RTCP BYE and DTLS close_notify).
    pub(super) fn close(&mut self, role: &Role, now: Instant, out: &mut Output) {
        if let Err(error) = self.rtc.close() {
            debug!(session = %self.session, %error, "Session did not close cleanly");
        }
        self.advance(role, now, out);
    }

    /// When [`Connection::advance`] is due.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// False once the connection is over, by whichever side.
    pub(super) fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// Whether the connection is up.
    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// The other side's ICE credentials.
    pub(super) fn remote_credentials(&self) -> &Credentials {
        &self.offer.credentials
    }

    /// The relay's username fragment towards this peer.
    pub(super) fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// The way that packets come by now, and what the other side reported of those that it was sent.
    pub(super) fn way(&self) -> (Option<PeerAddr>, Option<Report>) {
        let latest = self.paths.iter().max_by_key(|path| path.used);
        (latest.map(|path| path.remote), self.report)
    }

    /// The addresses that this peer's packets come from.
    pub(super) fn addresses(&self) -> impl Iterator<Item = PeerAddr> {
        self.paths.iter().map(|path| path.remote)
    }

    /// The candidate that a packet was meant for: where it came, or where addresses are translated on the way the first
    /// of its family, for str0m drops what is sent to none of its candidates.
    fn candidate_for(&self, datagram: &Incoming<'_>) -> Option<SocketAddr> {
        let candidates = match datagram.from {
            PeerAddr::Udp(_) => &self.candidates.udp,
            PeerAddr::Tcp(_) => &self.candidates.tcp,
        };
        let same_family = |candidate: &&SocketAddr| candidate.is_ipv4() == datagram.to.0.is_ipv4();
        let exact = candidates.iter().find(|candidate| **candidate == datagram.to.0);
        exact.or_else(|| candidates.iter().find(same_family)).copied()
    }

    /// Lets DTLS begin on the first way that works.
    ///
    /// Browsers send their ClientHello as soon as a check was answered, and nominate by the next check 50 ms later; until
    /// then str0m has nowhere to send its answer. What the browser nominates in the end prevails.
    fn nominate(
        &mut self,
        (from, to): (PeerAddr, SocketAddr),
        check: Check<'_>,
        role: &Role,
        now: Instant,
        out: &mut Output,
    ) {
        match (self.nomination, check.nominates) {
            (Nomination::Open, false) => {
                // The controlling side picks the best way that has proved itself: this one.
                self.rtc.direct_api().set_ice_controlling(true);
                self.advance(role, now, out);
                self.rtc.direct_api().set_ice_controlling(false);
                self.nomination = Nomination::Ours(from, to, check.priority);
            }
            (Nomination::Ours(our_from, our_to, priority), true) => {
                self.nomination = Nomination::Theirs;
                // What is forgotten with its nomination is known again at once: the browser may come back to it.
                let moved = our_to != to || protocol(our_from) != protocol(from);
                if moved && let Ok(candidate) = host_candidate(our_to, protocol(our_from)) {
                    self.rtc.direct_api().invalidate_candidate(&candidate);
                    self.rtc.add_local_candidate(candidate);
                } else if our_from != from
                    && let Ok(candidate) = peer_reflexive(our_from, priority)
                {
                    self.rtc.direct_api().invalidate_candidate(&candidate);
                    self.rtc.add_remote_candidate(candidate);
                }
                self.advance(role, now, out);
            }
            (Nomination::Open, true) => self.nomination = Nomination::Theirs,
            (Nomination::Ours(..), false) | (Nomination::Theirs, _) => {}
        }
    }

    /// Whether the address is new, and which one is forgotten for it.
    fn learn(
        &mut self,
        datagram: &Incoming<'_>,
        candidate: SocketAddr,
        now: Instant,
    ) -> (bool, Option<PeerAddr>) {
        let known = |path: &&mut Path| path.remote == datagram.from && path.candidate == candidate;
        if let Some(path) = self.paths.iter_mut().find(known) {
            (path.local, path.used) = (datagram.to, now);
            return (false, None);
        }
        let is_path_of = |paths: &[Path], remote| paths.iter().any(|path| path.remote == remote);
        let mut forgotten = None;
        if self.paths.len() == MAX_PATHS
            && let Some(oldest) = (0..MAX_PATHS).min_by_key(|index| self.paths[*index].used)
        {
            let remote = self.paths.swap_remove(oldest).remote;
            forgotten = Some(remote).filter(|remote| !is_path_of(&self.paths, *remote));
        }
        let new_address = !is_path_of(&self.paths, datagram.from);
        self.paths.push(Path { remote: datagram.from, candidate, local: datagram.to, used: now });
        (new_address, forgotten)
    }

    /// Moves the connection's clock. Call when [`Connection::deadline`] has come.
    pub(super) fn advance(&mut self, role: &Role, now: Instant, out: &mut Output) {
        if let Err(error) = self.rtc.handle_input(Input::Timeout(now)) {
            debug!(session = %self.session, %error, "Session failed");
            self.rtc.disconnect();
        }
        self.drain(role, now, out);
    }

    fn drain(&mut self, role: &Role, now: Instant, out: &mut Output) {
        loop {
            match self.rtc.poll_output() {
                Ok(Engaged::Timeout(deadline)) => {
                    self.deadline = deadline;
                    return;
                }
                Ok(Engaged::Transmit(transmit)) => {
                    let (to, queue) = match transmit.proto {
                        Protocol::Udp => (PeerAddr::Udp(transmit.destination), &mut out.datagrams),
                        _ => (PeerAddr::Tcp(transmit.destination), &mut out.framed),
                    };
                    let on = |path: &&Path| path.remote == to && path.candidate == transmit.source;
                    let from = self.paths.iter().find(on).map(|path| path.local);
                    queue.push(Transmit { from, to, bytes: transmit.contents.into() });
                }
                Ok(Engaged::Event(Event::Connected)) => {
                    debug!(session = %self.session, "Session connected");
                    self.connected = true;
                }
                Ok(Engaged::Event(Event::RtpPacket(packet))) => {
                    if let Role::Talker(talking) = role {
                        out.microphones.push(talking.frame(packet, now));
                    }
                }
                Ok(Engaged::Event(Event::MediaEgressStats(stats))) => {
                    self.report = Some(Report {
                        packets: stats.packets,
                        lost: stats.remote.map(|remote| remote.packets_lost),
                        loss: stats.loss,
                        round_trip: stats.rtt,
                    });
                }
                Ok(Engaged::Event(_)) => {}
                Err(error) => {
                    debug!(session = %self.session, %error, "Session failed");
                    self.rtc.disconnect();
                }
            }
        }
    }
}

/// How str0m calls the way that a peer's packets come.
fn protocol(from: PeerAddr) -> Protocol {
    match from {
        PeerAddr::Udp(_) => Protocol::Udp,
        PeerAddr::Tcp(_) => Protocol::Tcp,
    }
}

/// One of the relay's own addresses, where it waits to be called.
fn host_candidate(address: SocketAddr, protocol: Protocol) -> Result<Candidate, IceError> {
    match protocol {
        Protocol::Udp => Candidate::builder().udp().host(address).build(),
        _ => Candidate::builder().tcp().host(address).tcptype(TcpType::Passive).build(),
    }
}

/// The remote candidate that str0m makes of a check's sender.
fn peer_reflexive(from: PeerAddr, priority: u32) -> Result<Candidate, IceError> {
    let (ip, port) = (from.address().ip(), from.address().port());
    let transport = match from {
        PeerAddr::Udp(_) => "udp",
        PeerAddr::Tcp(_) => "tcp",
    };
    Candidate::from_sdp_string(&format!("candidate:1 1 {transport} {priority} {ip} {port} typ prflx"))
}

fn answer_offer(rtc: &mut Rtc, offer: &Offer) -> Result<String, OfferError> {
    let refused = |error: &dyn std::fmt::Display| OfferError::Refused(error.to_string());
    let narrowed = SdpOffer::from_sdp_string(&offer.narrowed()).map_err(|error| refused(&error))?;
    let answer = rtc.sdp_api().accept_offer(narrowed).map_err(|error| refused(&error))?;
    Ok(answer.to_sdp_string())
}

/// The media and payload type under which str0m sends Opus.
fn negotiated(rtc: &Rtc, offer: &Offer) -> Option<(Mid, Pt)> {
    let mid = Mid::from(offer.mid().unwrap_or("0"));
    let media = rtc.media(mid)?;
    let pt = media.remote_pts().iter().copied().find(|pt| **pt == offer.payload_type())?;
    Some((mid, pt))
}
