use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// Numbers the talkers of one run of the relay, from 1. Public: it names a talker to the others, and gives no power over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TalkerId(pub u32);

impl fmt::Display for TalkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One packet of a talker's microphone: Opus (RFC 7587). All that crosses from fan-out to talkback.
///
/// As it came: in any order, some twice, some never.
#[derive(Debug, Clone)]
pub struct MicFrame {
    /// Who speaks.
    pub talker: TalkerId,
    /// The RTP sequence number, extended to count its wraps (RFC 3550, appendix A.1).
    pub sequence: u64,
    /// The RTP timestamp, extended alike: samples at 48 kHz, from a random beginning.
    pub time: u64,
    /// When it came.
    pub received: Instant,
    /// The Opus packet (RFC 6716); from strangers, so perhaps garbage.
    pub data: Arc<[u8]>,
}
