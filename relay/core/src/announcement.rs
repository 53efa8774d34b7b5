use std::net::IpAddr;

use crate::format::AudioFormat;

/// Names one announced stream: who sent the announcement, and which of the sender's it is.
///
/// The sender is the address that the announcement truly came from, not what it says of itself: that may be made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnnouncementKey {
    /// The address that announces.
    pub sender: IpAddr,
    /// A digest of what names the stream in its SDP: the `o=` line without its version (RFC 8866, section 5.2), and the
    /// port, for PulseAudio gives all streams that it loads within one second the same `o=` line.
    pub session: u64,
}

/// What a container says of one stream of its sound (SAP, RFC 2974).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Which stream of whom.
    pub key: AnnouncementKey,
    /// The stream's name for people: never empty, no control characters, at most 64 characters. It names the source.
    pub name: String,
    /// The UDP port that its RTP goes to.
    pub port: u16,
    /// The multicast group that its RTP goes to; none where it is sent to the relay alone.
    pub group: Option<IpAddr>,
    /// Its RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// Its SSRC, where it is announced (`a=ssrc`; RFC 5576).
    pub ssrc: Option<u32>,
    /// What its packets hold, or in words why that cannot be read.
    pub format: Result<AudioFormat, String>,
}
