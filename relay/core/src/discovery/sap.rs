/// The largest datagram that is looked at, in bytes. RFC 2974, section 6 recommends less than 1000.
const MAX_DATAGRAM: usize = 4096;

/// The only payload that is read.
const SDP: &[u8] = b"application/sdp";

/// The longest payload type that is looked for, in bytes.
const MAX_PAYLOAD_TYPE: usize = 127;

/// A SAP packet (RFC 2974, section 6).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | V=1 |A|R|T|E|C|  auth length  |       message id hash         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |       originating source: 4 bytes (A=0) or 16 (A=1)           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | authentication data: 4 × auth length                          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | payload type, optional, ends in a zero byte | payload         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// The originating source is skipped: PipeWire writes zeros there, and a liar what he likes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet<'a> {
    /// Whether the stream is over (T), rather than announced.
    pub(crate) goodbye: bool,
    /// Names the announcement among the sender's; 0 where the sender does not say.
    pub(crate) hash: u16,
    /// The SDP. A goodbye's may be its `o=` line alone, or empty.
    pub(crate) payload: &'a [u8],
}

/// Why a datagram is not a SAP packet that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejected {
    #[error("datagram larger than {MAX_DATAGRAM} bytes")]
    TooLarge,
    #[error("not a SAP packet")]
    Malformed,
    #[error("encrypted, compressed, or not SDP")]
    Unsupported,
}

impl<'a> Packet<'a> {
    pub(crate) fn parse(datagram: &'a [u8]) -> Result<Self, Rejected> {
        if datagram.len() > MAX_DATAGRAM {
            return Err(Rejected::TooLarge);
        }
        let [flags, auth_words, high, low, rest @ ..] = datagram else {
            return Err(Rejected::Malformed);
        };
        if flags >> 5 != 1 {
            return Err(Rejected::Malformed);
        }
        if flags & 0b11 != 0 {
            return Err(Rejected::Unsupported);
        }
        let origin = if flags & 0x10 == 0 { 4 } else { 16 };
        let body = rest.get(origin + usize::from(*auth_words) * 4..).ok_or(Rejected::Malformed)?;
        Ok(Self {
            goodbye: flags & 0x04 != 0,
            hash: u16::from_be_bytes([*high, *low]),
            payload: without_payload_type(body)?,
        })
    }
}

/// Older senders leave the payload type out: then SDP begins at once.
fn without_payload_type(body: &[u8]) -> Result<&[u8], Rejected> {
    if body.is_empty() || body.starts_with(b"v=0") || body.starts_with(b"o=") {
        return Ok(body);
    }
    let end =
        body.iter().take(MAX_PAYLOAD_TYPE + 1).position(|&byte| byte == 0).ok_or(Rejected::Malformed)?;
    if body[..end].eq_ignore_ascii_case(SDP) { Ok(&body[end + 1..]) } else { Err(Rejected::Unsupported) }
}
