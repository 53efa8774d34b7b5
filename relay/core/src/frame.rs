use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::session::SessionId;

/// The rate of everything after ingest, in hertz: Opus' own (RFC 7587, section 4.1).
pub const RATE_HZ: u32 = 48_000;

/// A source's slug, as it stands in URLs: lower-case letters, digits and `-`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(Arc<str>);

impl SourceId {
    /// Wraps a slug.
    pub fn new(slug: impl Into<Arc<str>>) -> Self {
        Self(slug.into())
    }

    /// The slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One encoded frame of a source: 48 kHz Opus. All that crosses from ingest to fan-out.
#[derive(Debug, Clone)]
pub struct OpusFrame {
    /// Whose sound it is.
    pub source: SourceId,
    /// Which of the source's listeners hear it.
    pub to: Recipients,
    /// The position of the frame's first sample on the source's timeline, in samples at 48 kHz.
    ///
    /// Consecutive frames step by exactly the length of each; after a pause it advances by the clock.
    pub time: u64,
    /// How much sound it holds, in samples at 48 kHz.
    pub samples: u32,
    /// The Opus packet (RFC 6716).
    pub data: Arc<[u8]>,
}

/// Who of a source's listeners a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipients {
    /// All of them.
    All,
    /// All that are not sent a mix of their own.
    Others,
    /// One listener who also talks: everything but the own voice.
    Session(SessionId),
}

/// How much sound one Opus frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FrameLength {
    /// 5 ms, 240 samples.
    Ms5,
    /// 10 ms, 480 samples.
    #[default]
    Ms10,
    /// 20 ms, 960 samples.
    Ms20,
}

impl FrameLength {
    /// Samples a channel, at 48 kHz.
    pub const fn samples(self) -> usize {
        match self {
            Self::Ms5 => 240,
            Self::Ms10 => 480,
            Self::Ms20 => 960,
        }
    }

    /// The same as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.samples() as u64 / 48)
    }
}
