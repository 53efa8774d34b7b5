//! Container to relay: RTP packets become Opus frames.
