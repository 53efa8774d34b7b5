//! The announcement by which a container learns of its microphone.

use std::net::IpAddr;

use crate::frame::RATE_HZ;

/// A dynamic payload type (RFC 3551, section 3), the one that PulseAudio and PipeWire use themselves.
pub(crate) const PAYLOAD_TYPE: u8 = 127;

/// The port that announcements go to (RFC 2974, section 3).
pub const SAP_PORT: u16 = 9875;

/// Who announces: by this name in the `o=` line a relay knows its own kind, and leaves it alone.
pub(crate) const USERNAME: &str = "soundport";

/// What a container is told: RTP of L16, 48 kHz stereo, comes to this port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invitation {
    /// Names the stream; another one is another stream (RFC 8866, section 5.2).
    pub(crate) session: u32,
    /// Names the announcement (RFC 2974, section 6).
    pub(crate) hash: u16,
    /// The port in the container.
    pub(crate) port: u16,
    /// The stream's name for people.
    pub(crate) title: String,
}

impl Invitation {
    /// The SAP datagram for the container at `to`: an announcement, or that there is nothing more to come.
    ///
    /// PulseAudio takes lines that end in LF alone, and opens a port at the address that `c=` names: so that is any.
    pub(crate) fn datagram(&self, to: IpAddr, goodbye: bool) -> Vec<u8> {
        let (family, any) = match to {
            IpAddr::V4(_) => ("IP4", "0.0.0.0"),
            IpAddr::V6(_) => ("IP6", "::"),
        };
        let Self { session, port, title, .. } = self;
        let mut datagram = vec![if goodbye { 0x24 } else { 0x20 }, 0];
        datagram.extend(self.hash.to_be_bytes());
        // The origin's address: nobody reads it, and behind address translation it would be wrong.
        datagram.extend([0; 4]);
        datagram.extend(b"application/sdp\0");
        datagram.extend(
            format!(
                "v=0\no={USERNAME} {session} 0 IN {family} {any}\ns={title}\nc=IN {family} {any}\nt=0 0\n\
                 a=recvonly\nm=audio {port} RTP/AVP {PAYLOAD_TYPE}\n\
                 a=rtpmap:{PAYLOAD_TYPE} L16/{RATE_HZ}/2\na=ptime:5\na=type:broadcast\n"
            )
            .bytes(),
        );
        datagram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_datagram_is_what_pulse_audio_reads() {
        let invitation =
            Invitation { session: 7, hash: 0x1234, port: 47_100, title: "Desktop microphone".into() };
        let datagram = invitation.datagram([10, 0, 0, 5].into(), false);
        assert_eq!(datagram[..8], [0x20, 0, 0x12, 0x34, 0, 0, 0, 0]);
        let text = String::from_utf8(datagram[8..].to_vec()).unwrap();
        assert_eq!(
            text,
            "application/sdp\0v=0\no=soundport 7 0 IN IP4 0.0.0.0\ns=Desktop microphone\nc=IN IP4 0.0.0.0\nt=0 0\n\
             a=recvonly\nm=audio 47100 RTP/AVP 127\na=rtpmap:127 L16/48000/2\na=ptime:5\na=type:broadcast\n"
        );
        assert_eq!(invitation.datagram([10, 0, 0, 5].into(), true)[0], 0x24);
        let six = invitation.datagram("fd00::5".parse().unwrap(), false);
        assert!(String::from_utf8_lossy(&six).contains("c=IN IP6 ::\n"));
    }
}
