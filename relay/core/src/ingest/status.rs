use std::net::IpAddr;

use super::format::SourceFormat;
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
    /// What its sender sends; none until it is known.
    pub format: Option<SourceFormat>,
    /// How many listen, as [`Ingest::set_listeners`](super::Ingest::set_listeners) said.
    pub listeners: u32,
    /// The container's address, also when it is silent; none while nobody knows it, and once it said goodbye.
    pub address: Option<IpAddr>,
    /// What keeps it from being heard, in words for people; none while nothing does.
    pub trouble: Option<String>,
}

/// Whether a source has sound to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    /// Pinned, configured or announced, and no packet has come yet.
    Waiting,
    /// Sound is coming.
    Live,
    /// No packet for half a second, or nothing but silence for two.
    Idle,
    /// Its sender said goodbye, or neither sent nor announced anything for half a minute.
    Lost,
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
    /// RTP packets whose payload type is no sound that is read, or is not the one its sender began with.
    pub unknown_payload_type: u64,
    /// RTP packets that fitted into no sequence of packets, whose payload is no sound that is read, or that nobody awaits
    /// at the port they came to.
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
