/// What discovery has met since it began. Every count only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiscoveryCounters {
    /// Datagrams, of whatever kind.
    pub received: u64,
    /// Datagrams larger than any sender's.
    pub too_large: u64,
    /// Datagrams that are not SAP, or whose SDP lacks what matters.
    pub malformed: u64,
    /// Encrypted or compressed announcements, and payloads other than SDP.
    pub unsupported: u64,
    /// Announcements without a stream of sound.
    pub no_audio: u64,
    /// Announcements by which a relay offers a microphone, this one or another.
    pub microphones: u64,
    /// Streams announced for the first time.
    pub announced: u64,
    /// Announcements that said something new of a known stream.
    pub changed: u64,
    /// Announcements that said nothing new.
    pub repeated: u64,
    /// New or changed streams whose format cannot be read.
    pub unreadable: u64,
    /// Announcements of streams for which there was no room, and news that came too fast.
    pub refused: u64,
    /// Streams whose sender said that they are over.
    pub goodbyes: u64,
    /// Goodbyes of streams that nobody announced from that address.
    pub unmatched_goodbyes: u64,
    /// Streams that were announced no longer.
    pub expired: u64,
    /// Events that were not fetched in time.
    pub dropped_events: u64,
}
