use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpPacket;
use str0m::{Event, Input, Output, Rtc, RtcConfig};

use crate::line::{Line, only};
use crate::{Answer, Http, Request};

/// A WebRTC session of one audio section, by WHEP or WHIP and without a thread: what listeners and talkers share.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) rtc: Rtc,
    pub(crate) mid: Mid,
    /// What has come, until somebody takes it.
    pub(crate) packets: Vec<RtpPacket>,
    line: Line,
    local: SocketAddr,
    http: Http,
    session: String,
    connected: bool,
    due: Instant,
}

impl Wire {
    /// Offers at `path`, and takes the answer, to connect by `protocol`. `edit` may change the offer.
    pub(crate) fn join(
        http: &Http,
        path: &str,
        protocol: Protocol,
        direction: Direction,
        edit: impl FnOnce(String) -> String,
    ) -> Result<(Self, Answer)> {
        let now = Instant::now();
        let config = RtcConfig::new().clear_codecs().enable_opus(true, false).set_rtp_mode(true);
        let mut rtc = config.set_stats_interval(None).build(now);
        let mut changes = rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, direction, None, None, None);
        let (offer, pending) = changes.apply().context("no offer")?;
        let request = Request::new("POST", path).body("application/sdp", edit(offer.to_sdp_string()));
        let answer = http.send(&request)?;
        ensure!(answer.status == 201, "asked for {path}: {} {}", answer.status, answer.text());
        let location = answer.header("location").context("no Location")?;
        let session =
            if location.contains("://") { location.to_owned() } else { format!("{}{location}", http.base()) };
        let line = http.there(|| match protocol {
            Protocol::Udp => Line::udp(),
            _ => Line::tcp(&answer.text()),
        })?;
        let local = line.local()?;
        rtc.add_local_candidate(line.candidate()?);
        let http = http.clone();
        let packets = Vec::new();
        let mut wire = Self { rtc, mid, packets, line, local, http, session, connected: false, due: now };
        wire.accept(pending, &answer.text())?;
        Ok((wire, answer))
    }

    /// Takes the answer to an offer.
    pub(crate) fn accept(&mut self, pending: SdpPendingOffer, answer: &str) -> Result<()> {
        let answer = only(self.line.protocol(), answer);
        let answer =
            SdpAnswer::from_sdp_string(&answer).with_context(|| format!("not an answer: {answer}"))?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        self.drain()
    }

    /// A second handle of what packets come by, to wait on.
    pub(crate) fn line(&self) -> Result<Line> {
        self.line.try_clone()
    }

    /// Takes a packet if there is one, and does what is due.
    pub(crate) fn handle(&mut self, packet: Option<(&[u8], SocketAddr)>) -> Result<()> {
        let now = Instant::now();
        if let Some((bytes, source)) = packet
            && let Ok(contents) = bytes.try_into()
        {
            let proto = self.line.protocol();
            let receive = Receive { proto, source, destination: self.local, contents };
            self.rtc.handle_input(Input::Receive(now, receive))?;
            self.drain()?;
        }
        if now >= self.due {
            self.rtc.handle_input(Input::Timeout(now))?;
            self.drain()?;
        }
        Ok(())
    }

    /// Takes all packets that have come, without waiting.
    pub(crate) fn receive(&mut self) -> Result<()> {
        while let Some((packet, from)) = self.line.receive(Duration::ZERO)? {
            self.handle(Some((&packet, from)))?;
        }
        self.handle(None)
    }

    /// Whether ICE and DTLS are done.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected
    }

    /// The session's URL.
    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    /// Sends a request about the session.
    pub(crate) fn ask(&self, request: &Request) -> Result<Answer> {
        self.http.send(request)
    }

    /// Ends the session by `DELETE`.
    pub(crate) fn leave(&self) -> Result<Answer> {
        self.ask(&Request::new("DELETE", &self.session))
    }

    /// Sends what waits to be sent, and takes what has come.
    pub(crate) fn drain(&mut self) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(due) => {
                    self.due = due.min(Instant::now() + Duration::from_millis(500));
                    return Ok(());
                }
                Output::Transmit(datagram) => {
                    self.line.send(&datagram.contents, datagram.destination);
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.packets.push(packet),
                Output::Event(_) => {}
            }
        }
    }
}
