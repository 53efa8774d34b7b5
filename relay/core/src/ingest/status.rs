use crate::frame::SourceId;

/// What is known of a source, for people and for the HTTP interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// Names the source in URLs.
    pub id: SourceId,
    /// Names it for people.
    pub title: String,
    /// Whether there is sound to be heard.
    pub state: SourceState,
    /// What its sender sends; none until its first packets.
    pub format: Option<SourceFormat>,
    /// How many listen, as [`Ingest::set_listeners`](super::Ingest::set_listeners) said.
    pub listeners: u32,
}

/// Whether a source has sound to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    /// Pinned, and no packet has come yet.
    Waiting,
    /// Packets are coming.
    Live,
    /// No packet for half a second.
    Idle,
    /// No packet for half a minute.
    Lost,
}

/// The L16 that a sender sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceFormat {
    /// Sample rate in hertz.
    pub rate_hz: u32,
    /// 1 or 2.
    pub channels: u8,
}

/// What ingest has met since it began. Every count only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestCounters {
    /// Datagrams, of whatever kind.
    pub received: u64,
    /// Datagrams that are not RTP, or RTP without sound in it.
    pub malformed: u64,
    /// Datagrams larger than any sender's.
    pub too_large: u64,
    /// RTCP packets.
    pub rtcp: u64,
    /// RTP packets whose payload type is not L16, or is not the one its sender began with.
    pub unknown_payload_type: u64,
    /// RTP packets that fitted into no sequence of packets, or whose payload is not L16.
    pub stray: u64,
    /// RTP packets of senders for whom there was no room.
    pub refused: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Packets that never came in time; their sound was concealed.
    pub lost: u64,
    /// Payloads with bytes too many, which were left out.
    pub trimmed: u64,
    /// Jumps of a sender's sequence numbers or timestamps that were followed without a gap.
    pub resynced: u64,
    /// Samples, at the senders' rates, skipped because they came too late to be caught up with.
    pub skipped_samples: u64,
    /// Times that a source's sound paused.
    pub pauses: u64,
    /// Sources given up to make room for new ones.
    pub evicted: u64,
    /// Opus frames encoded.
    pub encoded: u64,
    /// Frames that could not be encoded, or were not fetched in time.
    pub dropped_frames: u64,
}
