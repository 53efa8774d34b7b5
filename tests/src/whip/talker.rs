use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result};
use soundport_api::TALKER_HEADER;
use str0m::Input;
use str0m::media::Direction;
use str0m::net::Protocol;
use str0m::rtp::RtpWrite;

use super::speech::Said;
use crate::line::Line;
use crate::wire::Wire;
use crate::{Answer, Http};

/// A WHIP session without a thread: whoever owns it moves it on.
#[derive(Debug)]
pub struct Talker {
    wire: Wire,
    id: u32,
}

impl Talker {
    /// Asks to talk to `source` and takes the answer; [`Self::handle`] then connects it.
    ///
    /// # Errors
    /// When the relay refuses, or answers with something else than a session.
    pub fn join(http: &Http, source: &str, with: Option<&str>, stereo: bool) -> Result<Self> {
        let query = with.map(|with| format!("?with={with}")).unwrap_or_default();
        let path = format!("/whip/{source}{query}");
        let (wire, answer) =
            Wire::join(http, &path, Protocol::Udp, Direction::SendOnly, |offer| match stereo {
                true => offer.replace("useinbandfec=1", "useinbandfec=1;stereo=1;sprop-stereo=1"),
                false => offer,
            })?;
        let id = answer.header(TALKER_HEADER).context("no number of the talker")?.parse()?;
        Ok(Self { wire, id })
    }

    /// A second handle to receive by.
    pub(crate) fn line(&self) -> Result<Line> {
        self.wire.line()
    }

    /// Takes a datagram if there is one, and does what is due.
    ///
    /// # Errors
    /// When the session cannot go on.
    pub fn handle(&mut self, datagram: Option<(&[u8], SocketAddr)>) -> Result<()> {
        self.wire.handle(datagram)
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// When the session cannot go on.
    pub fn say(&mut self, said: Said) -> Result<()> {
        let (now, mid) = (Instant::now(), self.wire.mid);
        let media = self.wire.rtc.media(mid).context("the session has no audio")?;
        let pt = *media.remote_pts().first().context("the relay takes no Opus")?;
        let mut api = self.wire.rtc.direct_api();
        let stream = api.stream_tx_by_mid(mid, None).context("the session sends nothing")?;
        stream.write_rtp(RtpWrite::new(pt, said.sequence.into(), said.time, now, said.payload));
        self.wire.drain()?;
        self.wire.rtc.handle_input(Input::Timeout(now))?;
        self.wire.drain()
    }

    /// Whether ICE and DTLS are done.
    pub fn is_connected(&self) -> bool {
        self.wire.is_connected()
    }

    /// The session's URL.
    pub fn session(&self) -> &str {
        self.wire.session()
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
        self.wire.leave()
    }
}
