use std::io::Write;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail, ensure};
use str0m::media::Direction;
use str0m::net::Protocol;

use super::{Packet, Stream};
use crate::line::Line;
use crate::wire::Wire;
use crate::{Answer, Http, Request};

/// A WHEP session without a thread: whoever owns it moves it on. Many fit one thread.
#[derive(Debug)]
pub struct Listener {
    wire: Wire,
    answer: String,
    stream: Stream,
}

impl Listener {
    /// Asks for `source` and takes the answer; [`Self::handle`] and [`Self::receive`] then connect it.
    ///
    /// # Errors
    /// When the relay refuses, or answers with something else than a session.
    pub fn join(http: &Http, source: &str) -> Result<Self> {
        Self::join_by(Protocol::Udp, http, source)
    }

    /// As [`Self::join`], to connect by UDP or by TCP.
    ///
    /// # Errors
    /// As [`Self::join`], or when there is no TCP candidate to connect to.
    pub(crate) fn join_by(protocol: Protocol, http: &Http, source: &str) -> Result<Self> {
        let path = format!("/whep/{source}");
        let (wire, answer) = Wire::join(http, &path, protocol, Direction::RecvOnly, stereo)?;
        Ok(Self { wire, answer: answer.text(), stream: Stream::default() })
    }

    /// A second handle of the socket, to wait on.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn socket(&self) -> Result<OwnedFd> {
        Ok(self.wire.line()?.into_fd())
    }

    /// Says by TCP that a frame follows that is longer than any.
    pub(crate) fn lie(&self) -> Result<()> {
        let Line::Tcp(mut stream, _) = self.line()? else { bail!("there are no frames in UDP") };
        Ok(stream.write_all(&[u8::MAX; 2])?)
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
        self.wire.handle(datagram)?;
        self.hear();
        Ok(())
    }

    /// Takes all datagrams that have come, without waiting.
    ///
    /// # Errors
    /// As [`Self::handle`].
    pub fn receive(&mut self) -> Result<()> {
        self.wire.receive()?;
        self.hear();
        Ok(())
    }

    /// Whether ICE and DTLS are done.
    pub fn is_connected(&self) -> bool {
        self.wire.is_connected()
    }

    /// Whether the session has not ended.
    pub fn is_alive(&self) -> bool {
        self.wire.rtc.is_alive()
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
        self.wire.session()
    }

    /// Ends the session by `DELETE`.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn leave(&self) -> Result<Answer> {
        self.wire.leave()
    }

    /// Restarts ICE by `PATCH` with `If-Match: "*"` (WHEP, ICE restarts), and goes on with the new credentials.
    ///
    /// # Errors
    /// When the relay refuses or its answer cannot be used.
    pub fn restart_ice(&mut self) -> Result<Answer> {
        let mut changes = self.wire.rtc.sdp_api();
        changes.ice_restart(true);
        let (offer, pending) = changes.apply().context("no offer for a restart")?;
        let fragment = format!(
            "a=ice-options:trickle ice2\r\na=group:BUNDLE 0\r\n{}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n",
            credentials(&offer.to_sdp_string())
        );
        let request = Request::new("PATCH", self.wire.session()).header("if-match", "\"*\"");
        let answer = self.wire.ask(&request.body("application/trickle-ice-sdpfrag", fragment))?;
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
        self.wire.accept(pending, &renewed)?;
        self.answer = renewed;
        Ok(answer)
    }

    fn hear(&mut self) {
        for packet in self.wire.packets.drain(..) {
            self.stream.push(Packet {
                sequence: *packet.seq_no,
                time: packet.time.numer(),
                arrived: packet.timestamp,
                payload: packet.payload,
            });
        }
    }
}

/// The offer with stereo asked for, as the page does it.
fn stereo(offer: String) -> String {
    if offer.contains("stereo=1") {
        offer
    } else {
        offer.replace("useinbandfec=1", "useinbandfec=1;stereo=1")
    }
}

/// The first `ice-ufrag` and `ice-pwd` lines.
fn credentials(sdp: &str) -> String {
    let line =
        |prefix: &str| sdp.lines().find(|line| line.starts_with(prefix)).map(|line| format!("{line}\r\n"));
    line("a=ice-ufrag:").into_iter().chain(line("a=ice-pwd:")).collect()
}
