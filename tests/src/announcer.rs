use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use soundport_api::Encoding;

/// More often than senders do it, so that tests wait less.
const EVERY: Duration = Duration::from_secs(1);

/// Announces a stream over and over, as PulseAudio does it; it falls silent without a goodbye on drop.
#[derive(Debug)]
pub struct Announcer {
    orders: Option<Sender<()>>,
    socket: UdpSocket,
    target: SocketAddr,
    stream: Announced,
    thread: Option<JoinHandle<()>>,
}

/// What is said of a stream.
#[derive(Debug, Clone)]
pub struct Announced {
    /// The session's name, such as `PulseAudio RTP Stream on desktop`.
    pub name: Vec<u8>,
    /// Where its RTP goes to.
    pub port: u16,
    /// How samples are written.
    pub encoding: Encoding,
    /// Sample rate in hertz.
    pub rate: u32,
    /// Channels.
    pub channels: u8,
    /// RTP payload type.
    pub payload_type: u8,
    /// Names the session among those of one sender.
    pub session: u64,
    /// The address that announces, and that it claims to come from.
    pub from: IpAddr,
}

impl Announcer {
    /// Announces `stream` to `target` at once, and every second from then on.
    ///
    /// # Errors
    /// When there is no socket to send from.
    pub fn start(target: SocketAddr, stream: Announced) -> Result<Self> {
        let socket = UdpSocket::bind((stream.from, 0)).context("Failed to open a socket for SAP")?;
        let (orders, stop) = mpsc::channel();
        let (own, packet) = (socket.try_clone()?, stream.packet(false));
        let thread = thread::Builder::new().name("sap".into()).spawn(move || {
            loop {
                // A relay that is down refuses packets: senders do not mind.
                let _ = own.send_to(&packet, target);
                if stop.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Self { orders: Some(orders), socket, target, stream, thread: Some(thread) })
    }

    /// Says goodbye (RFC 2974, section 4.2), once.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn say_goodbye(mut self) -> Result<()> {
        self.halt();
        self.socket.send_to(&self.stream.packet(true), self.target)?;
        Ok(())
    }

    fn halt(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.halt();
    }
}

impl Default for Announced {
    fn default() -> Self {
        Self {
            name: b"PulseAudio RTP Stream on desktop".to_vec(),
            port: 5004,
            encoding: Encoding::L16,
            rate: 48_000,
            channels: 2,
            payload_type: 127,
            session: 4_004_159_857,
            from: Ipv4Addr::LOCALHOST.into(),
        }
    }
}

impl Announced {
    /// The announcement, or the goodbye, as a datagram:
    ///
    /// ```text
    /// | 0x20, goodbye 0x24 | 0 | hash (16) | origin (32) | application/sdp \0 | SDP …
    /// ```
    pub fn packet(&self, is_goodbye: bool) -> Vec<u8> {
        let hash = (self.session ^ u64::from(self.port)) as u16;
        let mut packet = vec![if is_goodbye { 0x24 } else { 0x20 }, 0];
        packet.extend(hash.to_be_bytes());
        match self.from {
            IpAddr::V4(address) => packet.extend(address.octets()),
            IpAddr::V6(address) => {
                packet[0] |= 0x10;
                packet.extend(address.octets());
            }
        }
        packet.extend(b"application/sdp\0");
        packet.extend(self.sdp());
        packet
    }

    fn sdp(&self) -> Vec<u8> {
        let Self { port, rate, channels, payload_type, session, from, .. } = self;
        let encoding = match self.encoding {
            Encoding::L16 => "L16",
            Encoding::L24 => "L24",
            Encoding::Pcmu => "PCMU",
            Encoding::Pcma => "PCMA",
            Encoding::Opus => "opus",
        };
        let mut sdp = format!("v=0\no=root {session} 0 IN IP4 {from}\ns=").into_bytes();
        sdp.extend(&self.name);
        let rest = format!(
            "\nc=IN IP4 127.0.0.1\nt={session} 0\na=recvonly\nm=audio {port} RTP/AVP {payload_type}\n\
             a=rtpmap:{payload_type} {encoding}/{rate}/{channels}\na=type:broadcast\n"
        );
        sdp.extend(rest.into_bytes());
        sdp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_written_as_pulse_audios() {
        let packet = Announced { port: 46010, ..Announced::default() }.packet(true);
        assert_eq!(packet[..2], [0x24, 0]);
        assert_eq!(packet[4..8], [127, 0, 0, 1]);
        let text = String::from_utf8(packet[8..].to_vec()).unwrap();
        assert!(text.starts_with("application/sdp\0v=0\no=root 4004159857 0 IN IP4 127.0.0.1\ns=Pulse"));
        assert!(text.contains("\nm=audio 46010 RTP/AVP 127\na=rtpmap:127 L16/48000/2\n"), "{text}");
    }

    #[test]
    fn it_announces_until_it_says_goodbye() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let announcer = Announcer::start(socket.local_addr().unwrap(), Announced::default()).unwrap();
        let flags = || {
            let mut buffer = [0; 1000];
            // A signal, such as of a child that ended in another test, is no reason to fail.
            while let Err(error) = socket.recv(&mut buffer) {
                assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "{error}");
            }
            buffer[0]
        };
        assert_eq!([flags(), flags()], [0x20; 2]);
        announcer.say_goodbye().unwrap();
        assert_eq!(std::iter::repeat_with(flags).find(|flags| *flags != 0x20), Some(0x24));
    }
}
