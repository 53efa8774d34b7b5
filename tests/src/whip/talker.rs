use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use soundport_api::TALKER_HEADER;
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::speech::Said;
use crate::{Answer, Http, Request};

/// A WHIP session without a thread: whoever owns it moves it on.
#[derive(Debug)]
pub struct Talker {
    rtc: Rtc,
    mid: Mid,
    socket: UdpSocket,
    local: SocketAddr,
    http: Http,
    session: String,
    id: u32,
    connected: bool,
    due: Instant,
}

impl Talker {
    /// Asks to talk to `source` and takes the answer; [`Self::handle`] then connects it.
    ///
    /// # Errors
    /// When the relay refuses, or answers with something else than a session.
    pub fn join(http: &Http, source: &str, with: Option<&str>, stereo: bool) -> Result<Self> {
        let now = Instant::now();
        let config = RtcConfig::new().clear_codecs().enable_opus(true, false).set_rtp_mode(true);
        let mut rtc = config.set_stats_interval(None).build(now);
        let socket = UdpSocket::bind((IpAddr::from(Ipv4Addr::LOCALHOST), 0))?;
        let local = socket.local_addr()?;
        rtc.add_local_candidate(Candidate::host(local, "udp")?);
        let mut changes = rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let (offer, pending) = changes.apply().context("no offer")?;
        let mut offer = offer.to_sdp_string();
        if stereo {
            offer = offer.replace("useinbandfec=1", "useinbandfec=1;stereo=1;sprop-stereo=1");
        }
        let query = with.map(|with| format!("?with={with}")).unwrap_or_default();
        let request = Request::new("POST", &format!("/whip/{source}{query}")).body("application/sdp", offer);
        let answer = http.send(&request)?;
        ensure!(answer.status == 201, "asked to talk to {source}: {} {}", answer.status, answer.text());
        let location = answer.header("location").context("no Location")?;
        let session =
            if location.contains("://") { location.to_owned() } else { format!("{}{location}", http.base()) };
        let id = answer.header(TALKER_HEADER).context("no number of the talker")?.parse()?;
        let sdp = answer.text();
        let sdp = SdpAnswer::from_sdp_string(&sdp).with_context(|| format!("not an answer: {sdp}"))?;
        rtc.sdp_api().accept_answer(pending, sdp)?;
        let http = http.clone();
        let mut talker = Self { rtc, mid, socket, local, http, session, id, connected: false, due: now };
        talker.drain()?;
        Ok(talker)
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

    /// Sends a packet.
    ///
    /// # Errors
    /// When the session cannot go on.
    pub fn say(&mut self, said: Said) -> Result<()> {
        let now = Instant::now();
        let media = self.rtc.media(self.mid).context("the session has no audio")?;
        let pt = *media.remote_pts().first().context("the relay takes no Opus")?;
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(self.mid, None).context("the session sends nothing")?;
        stream.write_rtp(RtpWrite::new(pt, said.sequence.into(), said.time, now, said.payload));
        self.drain()?;
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain()
    }

    /// Whether ICE and DTLS are done.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// The session's URL.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// By which number the relay tells of it.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Ends the session by `DELETE`.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn leave(&self) -> Result<Answer> {
        self.http.send(&Request::new("DELETE", &self.session))
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
                Output::Event(_) => {}
            }
        }
    }
}
