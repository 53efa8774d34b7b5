use rtp_types::RtpPacket;

/// The largest datagram that is looked at, in bytes: a jumbo Ethernet frame.
const MAX_DATAGRAM: usize = 9000;

/// The header fields of an RTP packet that ingest uses, and its payload.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|X|  CC   |M|     PT      |       sequence number         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           timestamp                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                             SSRC                              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | CSRCs (4 × CC) | extension (X) | payload | padding (P)        |
/// ```
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet<'a> {
    /// Payload type, 0 to 127.
    pub(crate) payload_type: u8,
    /// Sequence number.
    pub(crate) sequence: u16,
    /// Timestamp, in samples.
    pub(crate) timestamp: u32,
    /// Synchronisation source.
    pub(crate) ssrc: u32,
    /// What lies between header and padding.
    pub(crate) payload: &'a [u8],
}

/// Why a datagram is not an RTP packet that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejected {
    #[error("datagram larger than {MAX_DATAGRAM} bytes")]
    TooLarge,
    #[error("an RTCP packet")]
    Rtcp,
    #[error("not an RTP packet")]
    Malformed,
}

impl<'a> Packet<'a> {
    /// Reads an RTP packet (RFC 3550, section 5.1).
    pub(crate) fn parse(datagram: &'a [u8]) -> Result<Self, Rejected> {
        if datagram.len() > MAX_DATAGRAM {
            return Err(Rejected::TooLarge);
        }
        // RTCP packet types, told from RTP as RFC 5761, section 4 lays down.
        if let [first, 192..=223, ..] = datagram
            && first >> 6 == 2
        {
            return Err(Rejected::Rtcp);
        }
        let packet = RtpPacket::parse(datagram).map_err(|_| Rejected::Malformed)?;
        let payload =
            datagram.get(packet.payload_offset()..).and_then(|rest| rest.get(..packet.payload_len()));
        Ok(Self {
            payload_type: packet.payload_type(),
            sequence: packet.sequence_number(),
            timestamp: packet.timestamp(),
            ssrc: packet.ssrc(),
            payload: payload.ok_or(Rejected::Malformed)?,
        })
    }
}
