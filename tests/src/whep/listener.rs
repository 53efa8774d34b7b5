use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::{Packet, Stream};
use crate::{Answer, Http, Request};

/// A WHEP session without a thread: whoever owns it moves it on. Many fit one thread.
#[derive(Debug)]
pub struct Listener {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    http: Http,
    session: String,
    answer: String,
    connected: bool,
    due: Instant,
    stream: Stream,
}

impl Listener {
    /// Asks for `source` and takes the answer; [`Self::handle`] and [`Self::receive`] then connect it.
    ///
    /// # Errors
    /// When the relay refuses, or answers with something else than a session.
    pub fn join(http: &Http, source: &str) -> Result<Self> {
        let now = Instant::now();
        let config = RtcConfig::new().clear_codecs().enable_opus(true, false).set_rtp_mode(true);
        let mut rtc = config.set_stats_interval(None).build(now);
        let socket = UdpSocket::bind((IpAddr::from(Ipv4Addr::LOCALHOST), 0))?;
        let local = socket.local_addr()?;
        rtc.add_local_candidate(Candidate::host(local, "udp")?);
        let mut changes = rtc.sdp_api();
        changes.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        let (offer, pending) = changes.apply().context("no offer")?;
        let offer = stereo(&offer);
        let request = Request::new("POST", &format!("/whep/{source}")).body("application/sdp", offer);
        let answer = http.send(&request)?;
        ensure!(answer.status == 201, "asked for {source}: {} {}", answer.status, answer.text());
        let location = answer.header("location").context("no Location")?;
        let session =
            if location.contains("://") { location.to_owned() } else { format!("{}{location}", http.base()) };
        let answer = answer.text();
        accept(&mut rtc, pending, &answer)?;
        let (http, stream) = (http.clone(), Stream::default());
        let mut listener =
            Self { rtc, socket, local, http, session, answer, connected: false, due: now, stream };
        listener.drain()?;
        Ok(listener)
    }

    /// A second handle of the socket, to wait on.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn socket(&self) -> Result<UdpSocket> {
        Ok(self.socket.try_clone()?)
    }

    /// Takes a datagram if there is one, and does what is due.
    ///
    /// # Errors
    /// When the session cannot go on.
    pub fn handle(&mut self, datagram: Option<(&[u8], SocketAddr)>) -> Result<()> {
        let now = Instant::now();
        if let Some((bytes, source)) = datagram
            && let Ok(contents) = bytes.try_into()
        {
            let receive = Receive { proto: Protocol::Udp, source, destination: self.local, contents };
            self.rtc.handle_input(Input::Receive(now, receive))?;
            self.drain()?;
        }
        if now >= self.due {
            self.rtc.handle_input(Input::Timeout(now))?;
            self.drain()?;
        }
        Ok(())
    }

    /// Takes all datagrams that have come, without waiting.
    ///
    /// # Errors
    /// As [`Self::handle`].
    pub fn receive(&mut self) -> Result<()> {
        self.socket.set_nonblocking(true)?;
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            self.handle(Some((&buffer[..length], from)))?;
        }
        self.handle(None)
    }

    /// Whether ICE and DTLS are done.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Whether the session has not ended.
    pub fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// What has been heard since the last take.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Hands out what has been heard, and begins anew.
    pub fn take_stream(&mut self) -> Stream {
        std::mem::take(&mut self.stream)
    }

    /// The session's URL.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Ends the session by `DELETE`.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn leave(&self) -> Result<Answer> {
        self.http.send(&Request::new("DELETE", &self.session))
    }

    /// Restarts ICE by `PATCH` with `If-Match: "*"` (WHEP, ICE restarts), and goes on with the new credentials.
    ///
    /// # Errors
    /// When the relay refuses or its answer cannot be used.
    pub fn restart_ice(&mut self) -> Result<Answer> {
        let mut changes = self.rtc.sdp_api();
        changes.ice_restart(true);
        let (offer, pending) = changes.apply().context("no offer for a restart")?;
        let fragment = format!(
            "a=ice-options:trickle ice2\r\na=group:BUNDLE 0\r\n{}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n",
            credentials(&offer.to_sdp_string())
        );
        let request = Request::new("PATCH", &self.session).header("if-match", "\"*\"");
        let answer = self.http.send(&request.body("application/trickle-ice-sdpfrag", fragment))?;
        ensure!(answer.status == 200, "restart: {} {}", answer.status, answer.text());
        let fresh = credentials(&answer.text());
        ensure!(fresh.lines().count() == 2, "no credentials in {}", answer.text());
        let mut renewed = String::new();
        for line in self.answer.lines() {
            match line {
                _ if line.starts_with("a=ice-ufrag:") => renewed.push_str(&fresh),
                _ if line.starts_with("a=ice-pwd:") => {}
                _ => renewed.push_str(&format!("{line}\r\n")),
            }
        }
        accept(&mut self.rtc, pending, &renewed)?;
        self.answer = renewed;
        self.drain()?;
        Ok(answer)
    }

    fn drain(&mut self) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(due) => {
                    self.due = due.min(Instant::now() + Duration::from_millis(500));
                    return Ok(());
                }
                Output::Transmit(datagram) => {
                    let _ = self.socket.send_to(&datagram.contents, datagram.destination);
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.stream.push(Packet {
                    sequence: *packet.seq_no,
                    time: packet.time.numer(),
                    arrived: packet.timestamp,
                    payload: packet.payload,
                }),
                Output::Event(_) => {}
            }
        }
    }
}

/// The offer with stereo asked for, as the page does it.
fn stereo(offer: &SdpOffer) -> String {
    let offer = offer.to_sdp_string();
    if offer.contains("stereo=1") {
        offer
    } else {
        offer.replace("useinbandfec=1", "useinbandfec=1;stereo=1")
    }
}

fn accept(rtc: &mut Rtc, pending: SdpPendingOffer, answer: &str) -> Result<()> {
    let answer = SdpAnswer::from_sdp_string(answer).with_context(|| format!("not an answer: {answer}"))?;
    Ok(rtc.sdp_api().accept_answer(pending, answer)?)
}

/// The first `ice-ufrag` and `ice-pwd` lines.
fn credentials(sdp: &str) -> String {
    let line =
        |prefix: &str| sdp.lines().find(|line| line.starts_with(prefix)).map(|line| format!("{line}\r\n"));
    line("a=ice-ufrag:").into_iter().chain(line("a=ice-pwd:")).collect()
}
